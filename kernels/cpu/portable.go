package cpu

import "math"

// ln and exp64 are the natural logarithm and exponential, to about one unit in
// the last place, in operations that round alike on every processor: package
// math has assembly on some, and products may be fused with sums on others.

// atanhSeries are the coefficients 1/(2k+1) of atanh(s)/s in s².
var atanhSeries = [...]float64{1, 1. / 3, 1. / 5, 1. / 7, 1. / 9, 1. / 11, 1. / 13, 1. / 15, 1. / 17, 1. / 19, 1. / 21, 1. / 23}

// ln(m 2^e) = e ln 2 + 2 atanh((m-1)/(m+1)), for finite x > 0.
func ln(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m *= 2
		e--
	}
	s := (m - 1) / (m + 1)
	q := float64(s * s)
	sum := 0.0
	for k := len(atanhSeries) - 1; k >= 0; k-- {
		sum = float64(sum*q) + atanhSeries[k]
	}
	return float64(float64(e)*math.Ln2) + float64(2*s*sum)
}

// expSeries are the coefficients 1/k! of e^r.
var expSeries = [...]float64{1, 1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880,
	1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800, 1. / 87178291200}

// exp64(n ln 2 + r) = 2^n e^r, for x <= 0; 0 below e^-708.
func exp64(x float64) float64 {
	const ln2Hi, ln2Lo = 6.93147180369123816490e-01, 1.90821492927058770002e-10 // n ln2Hi is exact
	if x < -708 {
		return 0
	}
	n := int(float64(x*math.Log2E) - 0.5)       // to nearest, x being negative
	r := float64(x) - float64(float64(n)*ln2Hi) // x may be a caller's product
	r -= float64(float64(n) * ln2Lo)
	sum := 0.0
	for k := len(expSeries) - 1; k >= 0; k-- {
		sum = float64(sum*r) + expSeries[k]
	}
	return sum * math.Float64frombits(uint64(n+1023)<<52)
}
