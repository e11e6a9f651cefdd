package grammar

import "math/bits"

// symbol is what a grammar is made of.
type symbol interface{ isSymbol() }

// terminal is a run of bytes without nesting.
type terminal struct {
	dfa *dfa
	// low and high bound the characters of a JSON string; high < 0: no limit.
	low, high int32
	// except are strings that the terminal does not mean: names of members that
	// are spelled out elsewhere. nil: none.
	except *dfa
	// names is set where the terminal is the name of a declared member; which
	// ones may come depends on the object.
	names *nameSet
}

// rule is one of several sequences.
type rule struct {
	name string
	alts [][]symbol
}

// array is a JSON array.
type array struct {
	prefix    []symbol
	items     symbol // after the prefix; nil: none
	low, high int32  // high < 0: no limit

	contain *contain  // nil: nothing
	once    *terminal // in place of items: scalars that come once at the most
	choices int       // how many
	// distinct: no two elements are alike. They are scalars of one spelling
	// each, so their bytes tell.
	distinct bool
}

// contain says of which kind how many elements must be. Element i, or the last
// of the list for those after it, is of the kind as yes[i] and not as no[i]; nil
// where it cannot be.
type contain struct {
	yes, no   []symbol
	low, high int32 // high < 0: no limit
}

// admits reports whether element i can be of that kind, with which so many are
// found, and the array still be completed.
func (a *array) admits(kind []symbol, i, found int32) bool {
	return kind[min(int(i), len(kind)-1)] != nil && a.completes(i+1, found)
}

// completes reports whether an array with contains of which n elements are there can
// be completed: some length has enough elements of the kind, and not too many.
func (a *array) completes(n, found int32) bool {
	k := a.contain
	least, most := found, found // of the kind with what follows
	ends := func(n int32) bool {
		return n >= a.low && (a.high < 0 || n <= a.high) && most >= k.low && (k.high < 0 || least <= k.high)
	}
	last := int32(len(k.yes) - 1) // from here on all are alike
	for ; n < last; n++ {
		if ends(n) {
			return true
		}
		if !k.count(n, 1, &least, &most) {
			return false
		}
	}
	// The fewest further ones are best: they are enough, and never too many.
	further := max(0, a.low-n)
	if k.yes[last] != nil {
		further = max(further, k.low-most)
	}
	return k.count(last, further, &least, &most) && ends(n+further)
}

// count adds so many elements like element i; false: there can be none.
func (k *contain) count(i, times int32, least, most *int32) bool {
	if times > 0 && k.yes[i] == nil && k.no[i] == nil {
		return false
	}
	if k.yes[i] != nil {
		*most += times
		if k.no[i] == nil {
			*least += times
		}
	}
	return true
}

// object is a JSON object.
type object struct {
	members  []member // those with a name
	names    *terminal
	others   *terminal        // names that are not declared; nil: there are none
	values   map[int32]symbol // of others, by what their dfa says
	required bitset
	needs    map[int]bitset // a member that is there wants others (dependentRequired)
	low      int32
	high     int32 // < 0: no limit
	ordered  bool  // the members come in their order
}

type member struct {
	name  string
	value symbol
}

func (*terminal) isSymbol() {}
func (*rule) isSymbol()     {}
func (*array) isSymbol()    {}
func (*object) isSymbol()   {}

// bitset is a set of small numbers; as a string it can be part of a map's key.
type bitset string

func (s bitset) has(n int) bool { return n/8 < len(s) && s[n/8]>>(n%8)&1 != 0 }

func (s bitset) with(n int) bitset {
	b := make([]byte, max(len(s), n/8+1))
	copy(b, s)
	b[n/8] |= 1 << (n % 8)
	return bitset(b)
}

// union returns what is in either.
func (s bitset) union(t bitset) bitset {
	b := make([]byte, max(len(s), len(t)))
	copy(b, s)
	for i := range len(t) {
		b[i] |= t[i]
	}
	return bitset(b)
}

// below returns what of byte b of the set is less than n.
func (s bitset) below(b, n int) byte {
	switch {
	case b >= len(s) || n <= 8*b:
		return 0
	case n >= 8*b+8:
		return s[b]
	}
	return s[b] & (1<<(n%8) - 1)
}

// missing counts what s has and t has not.
func (s bitset) missing(t bitset) int {
	n := 0
	for i := range len(s) {
		b := s[i]
		if i < len(t) {
			b &^= t[i]
		}
		n += bits.OnesCount8(b)
	}
	return n
}

// nameSet tells which names or values can still be reached in each state of a dfa whose
// results are a member's number plus 1.
type nameSet struct{ reach []bitset }

func newNameSet(d *dfa) *nameSet {
	n := &nameSet{reach: make([]bitset, d.states())}
	// The states were numbered breadth-first and the automaton has no cycle but
	// for the white space at its start, so going backwards once is enough.
	for s := d.states() - 1; s >= startState; s-- {
		var set bitset
		if tag := d.accept[s]; tag != 0 {
			set = set.with(int(tag) - 1)
		}
		for _, to := range d.next[s*d.classes:][:d.classes] {
			if to != deadState && int(to) != s {
				set = set.union(n.reach[to])
			}
		}
		n.reach[s] = set
	}
	return n
}

// counted reports whether the terminal has a length that matters.
func (t *terminal) counted() bool { return t.low > 0 || t.high >= 0 }

// possible reports whether a terminal in that state, after count characters,
// can still be completed.
func (t *terminal) possible(state, count int32) bool {
	if t.high >= 0 && count+t.dfa.need[state] > t.high {
		return false
	}
	return count >= t.low || t.dfa.accept[state] == 0
}
