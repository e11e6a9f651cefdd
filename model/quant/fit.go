package quant

import "math"

const (
	// tiny is far below what the smallest binary16 scale can tell from zero.
	tiny = 1e-15
	// roundMagic added and subtracted rounds to an integer, ties to even.
	roundMagic = 1.5 * (1 << 52)
)

// round may not be fused with the product that it rounds: conversions forbid
// that, here and below, so that every machine writes the same file.
func round(v float64) float64 { return float64(v) + roundMagic - roundMagic }

// putScale writes a scale as a binary16 number and returns what was written.
// What would become zero is the smallest number above it instead: a block of
// small values then keeps something.
func putScale(b []byte, v float64) float64 {
	const least = 0x1p-24
	if v != 0 && math.Abs(v) < least {
		v = math.Copysign(least, v)
	}
	putF16(b, float32(v))
	return float64(f16At(b))
}

// clamp returns v, or the bound that it is beyond. It does without the cases of min
// and max, NaN and -0, for this is most of what quantising does.
func clamp(v, low, high float64) float64 {
	if v < low {
		return low
	}
	if v > high {
		return high
	}
	return v
}

// nearest returns the whole number in [low, high] nearest to v/scale.
func nearest(v, scale, low, high float64) int {
	if scale == 0 {
		return int(clamp(0, low, high))
	}
	return int(clamp(round(v/scale), low, high))
}

// symmetric returns the scale s for which Σ (x - s q)² is least, where q is the
// whole number in [-n, n-1] nearest to x/s. It tries scales around the one that
// takes the value of greatest magnitude to -n, and for the codes of each the
// scale of least squares, Σ q x / Σ q².
func symmetric(x []float32, n int) float64 {
	top := 0.0
	for _, v := range x {
		if math.Abs(float64(v)) > math.Abs(top) {
			top = float64(v)
		}
	}
	if math.Abs(top) < tiny {
		return 0
	}
	low, high := -float64(n), float64(n-1)
	scale, best := 0.0, -1.0 // best: by how much the sum of squares falls
	for step := -9; step <= 9; step++ {
		inverse := -(float64(n) + float64(0.1*float64(step))) / top
		qx, qq := 0.0, 0.0
		for _, v := range x {
			q := clamp(round(inverse*float64(v)), low, high)
			qx += float64(q * float64(v))
			qq += float64(q * q)
		}
		if gain := qx * qx / qq; gain > best {
			scale, best = qx/qq, gain
		}
	}
	return scale
}

// affine returns scale and offset for which Σ (x - scale q - offset)² is
// least, where q is the whole number in [0, n] nearest to (x - offset)/scale.
// The offset is at most highest. It starts from lines that spread the values
// over more or fewer codes than there are, and from each takes two steps of
// Lloyd's algorithm: the nearest codes, then the line of least squares.
func affine(x []float32, n int, highest float64) (scale, offset float64) {
	var f fit
	low, high := highest, math.Inf(-1)
	for _, v := range x {
		low, high = min(low, float64(v)), max(high, float64(v))
		f.sum += float64(v)
	}
	if high-low < tiny {
		return 0, low
	}
	f.x, f.n, f.highest, f.least = x, float64(n), highest, math.Inf(1)
	for _, extra := range [5]float64{-1, -0.5, 0, 0.5, 1} {
		for _, shift := range [2]float64{-0.5, 0} {
			s := (high - low) / (f.n + extra)
			s, o := f.step(s, low+float64(shift*s))
			f.step(s, o)
		}
	}
	return f.scale, f.offset
}

// fit is the search of affine.
type fit struct {
	x                    []float32
	n, highest, sum      float64 // sum: of x
	scale, offset, least float64 // the best line, and its error less Σ x²
}

// step returns the line of least squares for the codes nearest to another line.
func (f *fit) step(scale, offset float64) (s, o float64) {
	inverse := 1 / scale
	q1, q2, qx := 0.0, 0.0, 0.0
	for _, v := range f.x {
		q := clamp(round(inverse*(float64(v)-offset)), 0, f.n)
		q1 += q
		q2 += float64(q * q)
		qx += float64(q * float64(v))
	}
	count := float64(len(f.x))
	s, o = line(count, q1, q2, f.sum, qx)
	if !(o <= f.highest) { // or NaN: all codes are the same
		o = f.highest
		s = (qx - float64(o*q1)) / q2
	}
	least := float64(s*s*q2) + float64(o*o*count) - float64(2*s*qx) - float64(2*o*f.sum) + float64(2*s*o*q1)
	if s > 0 && least < f.least {
		f.scale, f.offset, f.least = s, o, least
	}
	return s, o
}

// line returns slope and offset of the line of least squares through n points,
// from the sums of x, x², y and xy.
func line(n, x, xx, y, xy float64) (slope, offset float64) {
	slope = (float64(n*xy) - float64(x*y)) / (float64(n*xx) - float64(x*x))
	return slope, (y - float64(slope*x)) / n
}
