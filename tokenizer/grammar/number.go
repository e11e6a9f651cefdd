package grammar

import (
	"math/big"
	"strings"
)

// maxDigits bounds the digits of a limit of a number.
const maxDigits = 400

// decimal is a number without exponent: digits of its magnitude before and
// after the point, without zeros at the far ends; the whole part is "0" where
// there is none.
type decimal struct {
	negative        bool
	whole, fraction string
}

// newDecimal writes v out. It fails where v is no decimal number of a sane length.
func newDecimal(v *big.Rat) (*decimal, bool) {
	digits, exact := v.FloatPrec()
	if !exact || digits > maxDigits || v.Num().BitLen() > 4*maxDigits {
		return nil, false
	}
	whole, fraction, _ := strings.Cut(new(big.Rat).Abs(v).FloatString(digits), ".")
	return &decimal{v.Sign() < 0, whole, strings.TrimRight(fraction, "0")}, true
}

func (d *decimal) zero() bool { return d.whole == "0" && d.fraction == "" }

// numbers is a set of numbers.
type numbers struct {
	integer          bool
	digitsOnly       bool     // no point and no exponent
	low, high        *big.Rat // nil: no limit
	openLow, openTop bool     // the limit itself is outside
	multiple         *big.Rat // nil: any
}

// plain reports whether no limit holds, so that exponents are allowed. Those of
// whole numbers are not negative.
func (s *numbers) plain() bool { return s.low == nil && s.high == nil && s.multiple == nil }

// Phases of reading a number.
const (
	numBegin = iota
	numSign
	numZero
	numWhole
	numPoint
	numFraction
	numE
	numESign
	numExponent
)

// numberState is where in a number an automaton stands.
type numberState struct {
	phase     uint8
	negative  bool
	nonzero   bool
	digits    int16 // of the whole part, up to one more than any limit has; or of the exponent
	fraction  int16 // likewise
	low, high int8  // the magnitude so far against that of the limit: -1, 0, 1
	rest      int64 // the digits so far modulo numberReader.modulus
	space     uint8 // white space read before
}

// numberReader steps through numbers of a set.
type numberReader struct {
	*numbers
	bottom, top       *decimal
	digits, fractions int16 // caps of the counts
	modulus           int64 // of the number times 10^scale; 0: none
	scale             int16
	space             int
}

const (
	// maxModulus bounds the states that multipleOf takes.
	maxModulus = 10_000
	// maxExponent bounds the digits of an exponent, which programs would read as
	// infinity or take long to write out; see rational.
	maxExponent = 3
)

// dfa recognises the numbers of the set in JSON, after white space. Limits
// exclude the spelling with an exponent.
func (s *numbers) dfa(space int, budget *budget) (*dfa, error) {
	r := &numberReader{numbers: s, space: space}
	for _, limit := range []struct {
		from *big.Rat
		to   **decimal
	}{{s.low, &r.bottom}, {s.high, &r.top}} {
		if limit.from == nil {
			continue
		}
		d, ok := newDecimal(limit.from)
		if !ok {
			return nil, failf("", "the limit %s of a number is not supported", limit.from.RatString())
		}
		*limit.to = d
		r.digits = max(r.digits, int16(len(d.whole)))
		r.fractions = max(r.fractions, int16(len(d.fraction)))
	}
	if s.multiple != nil {
		if err := r.setModulus(); err != nil {
			return nil, err
		}
	}
	a := automaton[numberState]{step: r.step, accept: r.accept, same: numberClass}
	return a.build(budget)
}

func (r *numberReader) setModulus() error {
	places, exact := r.multiple.FloatPrec()
	scaled := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	scaled.Mul(scaled, r.multiple.Num())
	scaled.Quo(scaled, r.multiple.Denom())
	if !exact || places > 100 || !scaled.IsInt64() || scaled.Int64() > maxModulus || scaled.Sign() <= 0 {
		return failf("", "multipleOf %s is not supported", r.multiple.RatString())
	}
	r.modulus, r.scale = scaled.Int64(), int16(places)
	r.fractions = max(r.fractions, r.scale)
	return nil
}

// numberClass maps bytes that no number has to one of them.
func numberClass(b byte) byte {
	if b >= '0' && b <= '9' || strings.IndexByte("+-.eE \t\n\r", b) >= 0 {
		return b
	}
	return 0
}

func (r *numberReader) step(s numberState, b byte) (numberState, bool) {
	if b >= '0' && b <= '9' {
		return r.digit(s, b)
	}
	switch {
	case s.phase == numBegin && strings.IndexByte(" \t\n\r", b) >= 0:
		s.space++
		return s, int(s.space) <= r.space
	case s.phase == numBegin && b == '-':
		return numberState{phase: numSign, negative: true}, true
	case (s.phase == numZero || s.phase == numWhole) && b == '.':
		return r.point(s)
	case (s.phase == numZero || s.phase == numWhole || s.phase == numFraction) && (b == 'e' || b == 'E') && r.plain() && !r.digitsOnly:
		return numberState{phase: numE}, true
	case s.phase == numE && (b == '+' || b == '-' && !r.integer):
		s.phase = numESign
		return s, true
	}
	return s, false
}

// point goes on to the fraction. That of a whole number is all zeros (1.0 is an
// integer: 2020-12 validation, section 6.1.1), so what came before decides.
func (r *numberReader) point(s numberState) (numberState, bool) {
	if r.integer {
		return numberState{phase: numPoint}, !r.digitsOnly && r.accept(s) != 0
	}
	s.phase = numPoint
	s.low, s.high = aligned(s.low, s.digits, r.bottom), aligned(s.high, s.digits, r.top)
	return s, true
}

// aligned compares whole parts once all of their digits are known.
func aligned(so int8, digits int16, limit *decimal) int8 {
	switch {
	case limit == nil || int(digits) == len(limit.whole):
		return so
	case int(digits) < len(limit.whole):
		return -1
	}
	return 1
}

func (r *numberReader) digit(s numberState, b byte) (numberState, bool) {
	switch s.phase {
	case numBegin, numSign:
		s.space = 0
		s.phase = numWhole
		if b == '0' {
			s.phase = numZero
		}
	case numZero:
		return s, false
	case numPoint, numFraction:
		return r.fractionDigit(s, b)
	case numE, numESign, numExponent:
		s.phase = numExponent
		s.digits++
		return s, s.digits <= maxExponent
	}
	s.nonzero = s.nonzero || b != '0'
	if !r.plain() {
		s.low, s.high = against(s.low, b, s.digits, r.bottom, true), against(s.high, b, s.digits, r.top, true)
		s.digits = min(s.digits+1, r.digits+1)
		s.rest = r.after(s.rest, b)
	} else {
		s.nonzero = false
	}
	return s, true
}

func (r *numberReader) fractionDigit(s numberState, b byte) (numberState, bool) {
	s.phase = numFraction
	if r.integer {
		return s, b == '0'
	}
	if r.plain() {
		return s, true
	}
	s.nonzero = s.nonzero || b != '0'
	s.low, s.high = against(s.low, b, s.fraction, r.bottom, false), against(s.high, b, s.fraction, r.top, false)
	if r.modulus != 0 && s.fraction >= r.scale {
		return s, b == '0' // more places than a multiple has
	}
	s.fraction = min(s.fraction+1, r.fractions+1)
	s.rest = r.after(s.rest, b)
	return s, true
}

func (r *numberReader) after(rest int64, b byte) int64 {
	if r.modulus == 0 {
		return 0
	}
	return (rest*10 + int64(b-'0')) % r.modulus
}

// against compares one more digit, at a place of the whole part or of the fraction.
func against(so int8, b byte, place int16, limit *decimal, whole bool) int8 {
	if so != 0 || limit == nil {
		return so
	}
	digits := limit.fraction
	if whole {
		digits = limit.whole
	}
	d := byte('0')
	if int(place) < len(digits) {
		d = digits[place]
	} else if whole {
		return 0 // longer: aligned decides
	}
	switch {
	case b < d:
		return -1
	case b > d:
		return 1
	}
	return 0
}

func (r *numberReader) accept(s numberState) int32 {
	switch s.phase {
	case numZero, numWhole:
		s.low, s.high = aligned(s.low, s.digits, r.bottom), aligned(s.high, s.digits, r.top)
	case numFraction:
	case numExponent:
		return 1
	default:
		return 0
	}
	if r.plain() || r.integer && s.phase == numFraction { // see point
		return 1
	}
	if s.negative && !s.nonzero { // -0
		return 0
	}
	if r.bottom != nil {
		if c := compare(s, s.low, r.bottom); c < 0 || c == 0 && r.openLow {
			return 0
		}
	}
	if r.top != nil {
		if c := compare(s, s.high, r.top); c > 0 || c == 0 && r.openTop {
			return 0
		}
	}
	if r.modulus != 0 {
		rest := s.rest
		for range r.scale - s.fraction {
			rest = rest * 10 % r.modulus
		}
		if rest != 0 {
			return 0
		}
	}
	return 1
}

// compare compares the number read with a limit, given how their magnitudes
// compare so far.
func compare(s numberState, magnitude int8, limit *decimal) int {
	if magnitude == 0 && int(s.fraction) < len(limit.fraction) {
		magnitude = -1
	}
	switch {
	case s.negative && limit.negative:
		return -int(magnitude)
	case s.negative:
		return -1
	case limit.negative && !limit.zero():
		return 1
	}
	return int(magnitude)
}
