package regex

import "unicode"

// set is a set of runes: what is in one of its parts, and in all of and.
type set struct {
	ranges  [][2]rune
	classes []func(rune) bool
	parts   []*set
	and     []*set
	negate  bool
	fold    bool      // a rune is in it whose other case is
	ascii   [2]uint64 // has of the first 128 runes, after seal
	sealed  bool
}

// anything is every rune, noLineEnd what . usually is.
func anything() *set { return &set{ranges: [][2]rune{{0, unicode.MaxRune}}} }

func noLineEnd() *set { return &set{ranges: [][2]rune{{'\n', '\n'}}, negate: true} }

// seal looks the ASCII runes up once.
func (s *set) seal() *set {
	for r := range rune(128) {
		if s.find(r) {
			s.ascii[r/64] |= 1 << (r % 64)
		}
	}
	s.sealed = true
	return s
}

func (s *set) has(r rune) bool {
	if s.sealed && r < 128 {
		return s.ascii[r/64]>>(r%64)&1 != 0
	}
	return s.find(r)
}

func (s *set) find(r rune) bool {
	found := s.any(r)
	if s.fold {
		for other := unicode.SimpleFold(r); !found && other != r; other = unicode.SimpleFold(other) {
			found = s.any(other)
		}
	}
	return found != s.negate
}

func (s *set) any(r rune) bool {
	return s.part(r) && s.all(r)
}

func (s *set) all(r rune) bool {
	for _, a := range s.and {
		if !a.has(r) {
			return false
		}
	}
	return true
}

func (s *set) part(r rune) bool {
	for _, pair := range s.ranges {
		if pair[0] <= r && r <= pair[1] {
			return true
		}
	}
	for _, is := range s.classes {
		if is(r) {
			return true
		}
	}
	for _, p := range s.parts {
		if p.has(r) {
			return true
		}
	}
	return false
}
