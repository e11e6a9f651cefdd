package jinja

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
)

// maxDigits is Python's limit for conversions between int and str.
const maxDigits = 4300

func boolInt(b Bool) Int {
	if b {
		return 1
	}
	return 0
}

// integer returns v as an Int or bigInt where Python counts it as an int.
func integer(v Value) (Value, bool) {
	switch v := v.(type) {
	case Bool:
		return boolInt(v), true
	case Int, bigInt:
		return v, true
	}
	return nil, false
}

func isNumber(v Value) bool {
	_, isFloat := v.(Float)
	_, isInt := integer(v)
	return isFloat || isInt
}

// toBig returns an int's value, to be read only.
func toBig(v Value) *big.Int {
	switch v := v.(type) {
	case bigInt:
		return v.Int
	case Int:
		return big.NewInt(int64(v))
	case Bool:
		return big.NewInt(int64(boolInt(v)))
	}
	panic("jinja: toBig of " + v.typeName())
}

// fromBig returns n in its smallest form; n must not change afterwards.
func fromBig(n *big.Int) Value {
	if n.IsInt64() {
		return Int(n.Int64())
	}
	return bigInt{n}
}

// smallInt returns an int that fits Go's, as an index or a count does.
func smallInt(v Value) (int, bool) {
	switch v := v.(type) {
	case Bool:
		return int(boolInt(v)), true
	case Int:
		return int(v), Int(int(v)) == v
	}
	return 0, false
}

// toFloat is Python's conversion of a number; integers that are too large fail.
func toFloat(v Value) (float64, error) {
	switch v := v.(type) {
	case Float:
		return float64(v), nil
	case Bool:
		return float64(boolInt(v)), nil
	case Int:
		return float64(v), nil
	case bigInt:
		f, _ := new(big.Float).SetInt(v.Int).Float64()
		if math.IsInf(f, 0) {
			return 0, raise("OverflowError", "int too large to convert to float")
		}
		return f, nil
	}
	return 0, typeError("must be real number, not %s", v.typeName())
}

// truncated is Python's int of a float.
func truncated(f float64) (Value, error) {
	switch {
	case math.IsNaN(f):
		return nil, valueError("cannot convert float NaN to integer")
	case math.IsInf(f, 0):
		return nil, raise("OverflowError", "cannot convert float infinity to integer")
	}
	return intFromFloat(f), nil
}

// intFromFloat truncates a finite float.
func intFromFloat(f float64) Value {
	if math.Abs(f) < 1<<62 {
		return Int(f)
	}
	n, _ := new(big.Float).SetFloat64(f).Int(nil)
	return fromBig(n)
}

// formatInt prints an int as Python does, refusing what Python refuses.
func (r *render) formatInt(v Value) (string, error) {
	if n, ok := v.(Int); ok {
		return strconv.FormatInt(int64(n), 10), nil
	}
	n := toBig(v)
	if n.BitLen() > maxDigits*10/3 {
		return "", errDigits()
	}
	s := n.String()
	if len(strings.TrimPrefix(s, "-")) > maxDigits {
		return "", errDigits()
	}
	return s, r.grow(len(s))
}

func errDigits() error {
	return valueError("Exceeds the limit (%d digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit", maxDigits)
}

// formatFloat is Python's repr of a float.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	s := strconv.FormatFloat(f, 'e', -1, 64)
	e := strings.IndexByte(s, 'e')
	exp, _ := strconv.Atoi(s[e+1:])
	if exp < -4 || exp >= 16 {
		return fmt.Sprintf("%se%s%02d", s[:e], s[e+1:e+2], max(exp, -exp))
	}
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func addInts(a, b Value) Value {
	x, ok := a.(Int)
	y, ok2 := b.(Int)
	if s := x + y; ok && ok2 && (s > x) == (y > 0) {
		return s
	}
	return fromBig(new(big.Int).Add(toBig(a), toBig(b)))
}

func subInts(a, b Value) Value {
	x, ok := a.(Int)
	y, ok2 := b.(Int)
	if d := x - y; ok && ok2 && (d < x) == (y > 0) {
		return d
	}
	return fromBig(new(big.Int).Sub(toBig(a), toBig(b)))
}

func (r *render) mulInts(a, b Value) (Value, error) {
	x, ok := a.(Int)
	y, ok2 := b.(Int)
	if ok && ok2 {
		if hi, lo := bits.Mul64(absInt(x), absInt(y)); hi == 0 && lo < 1<<63 {
			return x * y, nil
		}
	}
	m, n := toBig(a), toBig(b)
	if err := r.spend(1 + m.BitLen()/64*(1+n.BitLen()/64)); err != nil {
		return nil, err
	}
	return fromBig(new(big.Int).Mul(m, n)), nil
}

func absInt(n Int) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// divModInts is Python's divmod: the quotient is rounded down.
func (r *render) divModInts(a, b Value) (quotient, remainder Value, err error) {
	n, d := toBig(a), toBig(b)
	if d.Sign() == 0 {
		return nil, nil, raise("ZeroDivisionError", "integer division or modulo by zero")
	}
	if err := r.spend(1 + n.BitLen()/64*(1+d.BitLen()/64)); err != nil {
		return nil, nil, err
	}
	q, m := new(big.Int).QuoRem(n, d, new(big.Int))
	if m.Sign() != 0 && m.Sign() != d.Sign() {
		q.Sub(q, big.NewInt(1))
		m.Add(m, d)
	}
	return fromBig(q), fromBig(m), nil
}

// divModFloats is Python's divmod of floats; b is not zero.
func divModFloats(a, b float64) (quotient, remainder float64) {
	m := math.Mod(a, b)
	q := (a - m) / b
	if m != 0 {
		if (b < 0) != (m < 0) {
			m += b
			q--
		}
	} else {
		m = math.Copysign(0, b)
	}
	if q == 0 {
		return math.Copysign(0, a/b), m
	}
	floor := math.Floor(q)
	if q-floor > 0.5 {
		floor++
	}
	return floor, m
}

// divInts is Python's true division of ints, correctly rounded.
func divInts(a, b Value) (Value, error) {
	n, d := toBig(a), toBig(b)
	if d.Sign() == 0 {
		return nil, raise("ZeroDivisionError", "division by zero")
	}
	if n.Sign() == 0 {
		return Float(math.Copysign(0, float64(d.Sign()))), nil
	}
	f, _ := new(big.Rat).SetFrac(n, d).Float64()
	if math.IsInf(f, 0) {
		return nil, raise("OverflowError", "integer division result too large for a float")
	}
	return Float(f), nil
}

func (r *render) powInts(a, b Value) (Value, error) {
	base, exp := toBig(a), toBig(b)
	if exp.Sign() < 0 {
		x, err := toFloat(a)
		if err != nil {
			return nil, err
		}
		y, err := toFloat(b)
		if err != nil {
			return nil, err
		}
		return r.powFloats(x, y)
	}
	if base.BitLen() <= 1 { // -1, 0, 1: small whatever the exponent
		if base.Sign() < 0 && exp.Bit(0) == 0 && exp.Sign() > 0 {
			return Int(1), nil
		}
		if exp.Sign() == 0 {
			return Int(1), nil
		}
		return a, nil
	}
	words := int64(base.BitLen())*min(exp.Int64(), 1<<30)/64 + 1
	if !exp.IsInt64() || words > 1<<20 {
		return nil, limitError("steps")
	}
	if err := r.spend(int(words * words / 16)); err != nil {
		return nil, err
	}
	return fromBig(new(big.Int).Exp(base, exp, nil)), nil
}

func (r *render) powFloats(x, y float64) (Value, error) {
	if x == 0 && y < 0 {
		return nil, raise("ZeroDivisionError", "0.0 cannot be raised to a negative power")
	}
	if x < 0 && !math.IsInf(x, 0) && !math.IsInf(y, 0) && y != math.Trunc(y) {
		return nil, valueError("complex numbers are not supported")
	}
	f := math.Pow(x, y)
	if f != 0 && !math.IsNaN(f) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		if err := r.spend(powSteps); err != nil {
			return nil, err
		}
		f = math.Copysign(power(math.Abs(x), y), f)
	}
	if math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		return nil, raise("OverflowError", "(34, 'Numerical result out of range')")
	}
	return Float(f), nil
}

// digitValue returns what a decimal digit of any script stands for, or -1.
func digitValue(c rune) int {
	if c < unicode.MaxASCII {
		if '0' <= c && c <= '9' {
			return int(c - '0')
		}
		return -1
	}
	for _, rng := range unicode.Nd.R16 {
		if rune(rng.Lo) <= c && c <= rune(rng.Hi) {
			return int(c-rune(rng.Lo)) % 10
		}
	}
	for _, rng := range unicode.Nd.R32 {
		if rune(rng.Lo) <= c && c <= rune(rng.Hi) {
			return int(c-rune(rng.Lo)) % 10
		}
	}
	return -1
}

// asciiNumber prepares a str for conversion as Python does: it strips white
// space, turns digits of any script into ASCII and drops single underscores
// between digits. It fails where Python finds no number.
func asciiNumber(s string) (string, bool) {
	var b strings.Builder
	underscore, digit := false, false
	for _, c := range strings.TrimFunc(s, isSpace) {
		if c == '_' {
			if underscore || !digit {
				return "", false
			}
			underscore = true
			continue
		}
		if d := digitValue(c); d >= 0 {
			c = rune('0' + d)
		}
		digit = c <= unicode.MaxASCII && (unicode.IsDigit(c) || unicode.IsLetter(c))
		if underscore && !digit {
			return "", false
		}
		underscore = false
		b.WriteRune(c)
	}
	return b.String(), !underscore && b.Len() > 0
}

// parseInt is Python's int(s, base); nil where s is no such literal.
func parseInt(s string, base int) Value {
	if base != 0 && (base < 2 || base > 36) {
		return nil
	}
	s, ok := asciiNumber(s)
	if !ok || len(s) > maxDigits+8 {
		return nil
	}
	sign := ""
	if s[0] == '+' || s[0] == '-' {
		sign, s = s[:1], s[1:]
	}
	if len(s) > 2 && s[0] == '0' {
		prefix := map[byte]int{'b': 2, 'o': 8, 'x': 16}[s[1]|0x20]
		if prefix != 0 && (base == prefix || base == 0) {
			base, s = prefix, s[2:]
		}
	}
	if base == 0 {
		base = 10
		if strings.TrimLeft(s, "0") != "" && s[0] == '0' {
			return nil
		}
	}
	if s == "" || s[0] == '+' || s[0] == '-' {
		return nil
	}
	n, ok := new(big.Int).SetString(sign+s, base)
	if !ok {
		return nil
	}
	return fromBig(n)
}

// parseFloat is Python's float(s).
func parseFloat(s string) (float64, bool) {
	s, ok := asciiNumber(s)
	if !ok || strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	if strings.EqualFold(strings.TrimLeft(s, "+-"), "nan") && len(s) <= 4 {
		return math.NaN(), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}
