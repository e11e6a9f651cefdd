package jinja

import "math/big"

// Precision of the intermediate results of power, and what one takes in steps.
const (
	powBits  = 192
	powSteps = 500
)

// power returns x**y for x > 0, correctly rounded. Those of C's libraries are so in
// nearly all cases; that of package math is off by a few of the last bits.
func power(x, y float64) float64 {
	z := newFloat().SetFloat64(x)
	if n := int(y); float64(n) == y && -64 <= n && n <= 64 {
		z = wholePower(z, max(n, -n))
		if n < 0 {
			z = newFloat().Quo(big.NewFloat(1), z)
		}
	} else {
		z = exponential(z.Mul(logarithm(z), newFloat().SetFloat64(y)))
	}
	f, _ := z.Float64()
	return f
}

func newFloat() *big.Float { return new(big.Float).SetPrec(powBits) }

// wholePower returns x**n, of which no bit is lost.
func wholePower(x *big.Float, n int) *big.Float {
	z := big.NewFloat(1).SetPrec(53*64 + 1)
	for range n {
		z.Mul(z, x)
	}
	return z
}

// logarithm returns ln x: of the mantissa as 2 artanh((m-1)/(m+1)), and of the exponent.
func logarithm(x *big.Float) *big.Float {
	m := newFloat()
	exponent := x.MantExp(m)
	m.SetMantExp(m, 1) // from 1 to 2
	one := big.NewFloat(1)
	t := newFloat().Quo(newFloat().Sub(m, one), newFloat().Add(m, one))
	ln := artanh(t)
	whole := newFloat().SetInt64(int64(exponent - 1))
	return ln.Add(ln.Mul(ln, big.NewFloat(2)), whole.Mul(whole, ln2))
}

var ln2 = newFloat().Mul(big.NewFloat(2), artanh(newFloat().Quo(big.NewFloat(1), big.NewFloat(3))))

// artanh returns t + t^3/3 + t^5/5 + ... for t up to 1/3.
func artanh(t *big.Float) *big.Float {
	sum, term := newFloat().Set(t), newFloat().Set(t)
	square := newFloat().Mul(t, t)
	for i := int64(3); term.Sign() != 0 && term.MantExp(nil) > sum.MantExp(nil)-powBits; i += 2 {
		term.Mul(term, square)
		sum.Add(sum, newFloat().Quo(term, newFloat().SetInt64(i)))
	}
	return sum
}

// exponential returns e**z: 2**n times the series of the rest, which is taken to a
// 256th and squared again.
func exponential(z *big.Float) *big.Float {
	const halvings = 8
	n, _ := newFloat().Quo(z, ln2).Int64()
	if n > 2000 || n < -2000 { // beyond what a float64 holds
		return newFloat().SetMantExp(big.NewFloat(1), int(max(min(n, 1<<20), -1<<20)))
	}
	rest := newFloat().Sub(z, newFloat().Mul(newFloat().SetInt64(n), ln2))
	rest.SetMantExp(rest, -halvings)
	sum, term := newFloat().SetInt64(1), newFloat().SetInt64(1)
	for i := int64(1); term.Sign() != 0 && term.MantExp(nil) > -powBits; i++ {
		term.Quo(term.Mul(term, rest), newFloat().SetInt64(i))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, int(n))
}
