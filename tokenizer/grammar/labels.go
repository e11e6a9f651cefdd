package grammar

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// Encoded labels of host names ("xn--...") are no regular language: what they
// may hold depends on what they decode to. An automaton marks where in a text
// such a label stands, and the label is decoded where it ends.

// labelMark says whether a state of an automaton is within an encoded label.
type labelMark uint8

const (
	noLabel   labelMark = iota
	openLabel           // one that must be looked at when it ends
	sureLabel           // one that is right however it began
)

// leavesLabel reports whether a move ends a label that must be looked at.
func (d *dfa) leavesLabel(from, to int32) bool {
	return d.labels != nil && d.labels[from] == openLabel && d.labels[to] == noLabel
}

// label returns the label that is being read after a move over b, given what
// was read of it before; false: one has ended that is wrong.
func (d *dfa) label(before string, from, to int32, b byte) (string, bool) {
	switch {
	case d.labels[to] == openLabel:
		return before + string(rune(b)), true
	case d.leavesLabel(from, to):
		return "", validLabel(before)
	}
	return "", true
}

// validLabel reports whether what follows "xn--" in a label is the encoding of
// a label that may be registered (RFC 5891, section 4.2).
func validLabel(encoded string) bool {
	label, ok := decodeLabel(encoded)
	if !ok || !norm.NFC.IsNormalString(string(label)) || unicode.Is(unicode.M, label[0]) {
		return false
	}
	first, last := label[0], label[len(label)-1]
	if first == '-' || last == '-' || len(label) >= 4 && label[2] == '-' && label[3] == '-' {
		return false
	}
	for i, r := range label {
		if !permitted(r) && !permittedAt(label, i) {
			return false
		}
	}
	return oneDirection(label)
}

// Parameters of the encoding (RFC 3492, section 5).
const (
	labelBase    = 36
	labelMin     = 1
	labelMax     = 26
	labelSkew    = 38
	labelDamp    = 700
	labelBias    = 72
	labelInitial = 0x80
)

// decodeLabel returns the characters of a label (RFC 3492, section 6.2). At
// least one of them is not ASCII.
func decodeLabel(encoded string) ([]rune, bool) {
	var label []rune
	digits := encoded
	if i := strings.LastIndexByte(encoded, '-'); i >= 0 {
		if label, digits = []rune(encoded[:i]), encoded[i+1:]; i == 0 {
			return nil, false
		}
	}
	if digits == "" {
		return nil, false
	}
	r, at, bias := rune(labelInitial), 0, labelBias
	for first := true; digits != ""; first = false {
		delta, size := labelNumber(digits, bias)
		if size == 0 {
			return nil, false
		}
		digits = digits[size:]
		n := len(label) + 1
		bias = adaptBias(delta, n, first)
		at += delta
		if at/n > utf8.MaxRune {
			return nil, false
		}
		if r, at = r+rune(at/n), at%n; !utf8.ValidRune(r) {
			return nil, false
		}
		label = slices.Insert(label, at, r)
		at++
	}
	return label, true
}

// labelNumber reads a number of size digits; size is 0 where it has no end or
// is too large.
func labelNumber(digits string, bias int) (n, size int) {
	weight := 1
	for i := range len(digits) {
		digit := int(digits[i] - 'a')
		if digits[i] <= '9' {
			digit = int(digits[i]-'0') + 26
		}
		if n += digit * weight; n > math.MaxInt32 {
			return 0, 0
		}
		threshold := min(max(labelBase*(i+1)-bias, labelMin), labelMax)
		if digit < threshold {
			return n, i + 1
		}
		if weight *= labelBase - threshold; weight > math.MaxInt32 {
			return 0, 0
		}
	}
	return 0, 0
}

// adaptBias returns the bias after a number (RFC 3492, section 6.1).
func adaptBias(delta, points int, first bool) int {
	if first {
		delta /= labelDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (labelBase-labelMin)*labelMax/2; k += labelBase {
		delta /= labelBase - labelMin
	}
	return k + (labelBase-labelMin+1)*delta/(delta+labelSkew)
}

// The exceptions of RFC 5892, section 2.6, that hold everywhere.
const (
	permittedToo = "\u00df\u03c2\u06fd\u06fe\u0f0b\u3007"
	refusedToo   = "\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b"
)

// neverStable are blocks of RFC 5892, sections 2.4 and 2.9: signs for symbols,
// music, old Hangul.
var neverStable = []struct{ first, last rune }{
	{0x1100, 0x11ff}, {0x20d0, 0x20ff}, {0xa960, 0xa97f}, {0xd7b0, 0xd7ff}, {0x1d100, 0x1d24f},
}

// permitted reports whether a character may stand anywhere in a label (PVALID
// in RFC 5892, section 3).
func permitted(r rune) bool {
	switch {
	case strings.ContainsRune(permittedToo, r), r == '-':
		return true
	case strings.ContainsRune(refusedToo, r), r >= 0x660 && r <= 0x669, r >= 0x6f0 && r <= 0x6f9:
		return false // the digits have a rule of their own
	case unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return false
	case !unicode.In(r, unicode.Ll, unicode.Lu, unicode.Lo, unicode.Nd, unicode.Lm, unicode.Mn, unicode.Mc):
		return false
	}
	for _, block := range neverStable {
		if r >= block.first && r <= block.last {
			return false
		}
	}
	// Folding and compatibility must leave it as it is.
	text := string(r)
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text))) == text
}

// permittedAt reports whether what stands around character i permits it (RFC
// 5892, appendix A).
func permittedAt(label []rune, i int) bool {
	at := func(k int) rune {
		if k < 0 || k >= len(label) {
			return -1
		}
		return label[k]
	}
	within := func(first, last rune) bool {
		return slices.ContainsFunc(label, func(r rune) bool { return r >= first && r <= last })
	}
	before, after := at(i-1), at(i+1)
	switch r := label[i]; {
	case r == 0x200c: // zero width non-joiner
		return virama(before) || joins(label, i)
	case r == 0x200d: // zero width joiner
		return virama(before)
	case r == 0xb7: // middle dot
		return before == 'l' && after == 'l'
	case r == 0x375: // Greek keraia
		return unicode.Is(unicode.Greek, after)
	case r == 0x5f3, r == 0x5f4: // Hebrew geresh, gershayim
		return unicode.Is(unicode.Hebrew, before)
	case r == 0x30fb: // Katakana middle dot
		return slices.ContainsFunc(label, func(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) })
	case r >= 0x660 && r <= 0x669:
		return !within(0x6f0, 0x6f9)
	case r >= 0x6f0 && r <= 0x6f9:
		return !within(0x660, 0x669)
	}
	return false
}

// virama reports whether a mark kills a vowel.
func virama(r rune) bool { return r > 0 && norm.NFC.PropertiesString(string(r)).CCC() == 9 }

// joining are the letters of the Arabic block that join to both sides, and
// ending those that join to the right only (Unicode, ArabicShaping.txt).
const (
	joining = "ؠئبتثجحخسشصضطظعغػؼؽؾؿفقكلمنهىي"
	ending  = "آأؤإاةدذرزو"
)

// joins reports whether letters join over the non-joiner at i. Marks do not count.
func joins(label []rune, i int) bool {
	mark := func(r rune) bool { return unicode.Is(unicode.Mn, r) }
	k := i - 1
	for k >= 0 && mark(label[k]) {
		k--
	}
	n := i + 1
	for n < len(label) && mark(label[n]) {
		n++
	}
	return k >= 0 && n < len(label) && strings.ContainsRune(joining, label[k]) && strings.ContainsRune(joining+ending, label[n])
}

// oneDirection reports whether a label that has characters which are written
// from the right satisfies RFC 5893, section 2.
func oneDirection(label []rune) bool {
	seen := map[bidi.Class]bool{}
	end := bidi.ON // of the last character that is no mark
	for _, r := range label {
		p, _ := bidi.LookupRune(r)
		seen[p.Class()] = true
		if p.Class() != bidi.NSM {
			end = p.Class()
		}
	}
	if !seen[bidi.R] && !seen[bidi.AL] && !seen[bidi.AN] {
		return true
	}
	p, _ := bidi.LookupRune(label[0])
	if first := p.Class(); first != bidi.R && first != bidi.AL {
		return false
	}
	for class := range seen {
		if !slices.Contains([]bidi.Class{bidi.R, bidi.AL, bidi.AN, bidi.EN, bidi.ES, bidi.CS, bidi.ET, bidi.ON, bidi.BN, bidi.NSM}, class) {
			return false
		}
	}
	return slices.Contains([]bidi.Class{bidi.R, bidi.AL, bidi.EN, bidi.AN}, end) && !(seen[bidi.EN] && seen[bidi.AN])
}
