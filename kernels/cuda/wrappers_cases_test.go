package cuda

import (
	"math"
	"math/big"
	mathbits "math/bits"
	"math/rand/v2"
	"slices"
)

// wrappers are the cases of wrappers.cu. Where an instruction gives NaN the PTX ISA
// leaves the payload open, so that words which would make one are left out.
func wrappers() []wrapper {
	return slices.Concat(arithmeticWrappers(), narrowWrappers(), warpWrappers(), memoryWrappers())
}

// each lets a thread's results depend on its own words.
func each(of func(v [8]uint32) [4]uint32) func(*wrapperIn) *wrapperOut {
	return func(in *wrapperIn) *wrapperOut {
		out := new(wrapperOut)
		for i, v := range in {
			out[i] = of(v)
		}
		return out
	}
}

// anyWords are random.
func anyWords(rng *rand.Rand) *wrapperIn {
	in := new(wrapperIn)
	for i := range in {
		for k := range in[i] {
			in[i][k] = rng.Uint32()
		}
	}
	return in
}

// oddFloats are where rounding, overflow and underflow begin.
var oddFloats = []float32{
	0, 1, 0.5, 1.5, 2.5, 3.5, 3, 127.5, 448, 464, 480, 65504, 65519.996, 65520, 65536, 8388607.5, 16777216, 3.4028235e38,
	0x1p-6, 0x1.8p-7, 0x1p-9, 0x1p-10, 0x1.8p-10, 0x1p-14, 0x1.ffep-15, 0x1p-24, 0x1p-25, 0x1.8p-25, 0x1.002p0, 0x1.006p0, 0x1.01p0, 0x1.03p0,
	0x1p-126, 0x1p-127, 0x1p-149, 0x1.fffffep-127, 126.5, 127, 128, 150, 0x1.fffffep127,
}

// floatWords are floats: the odd ones, below zero too, then any that are finite.
func floatWords(rng *rand.Rand) *wrapperIn {
	in := new(wrapperIn)
	for i := range in {
		for k := range in[i] {
			n := i + 41*k
			switch v := oddFloats[n%len(oddFloats)]; {
			case n < 2*len(oddFloats):
				in[i][k] = math.Float32bits(v) | uint32(n/len(oddFloats))<<31
			case rng.IntN(3) == 0:
				in[i][k] = math.Float32bits(v) ^ rng.Uint32()&0x80000001
			default:
				in[i][k] = math.Float32bits(float32(rng.NormFloat64() * math.Exp2(float64(rng.IntN(80)-40))))
			}
		}
	}
	return in
}

// doubleWords are pairs of words that are finite doubles.
func doubleWords(rng *rand.Rand) *wrapperIn {
	in := new(wrapperIn)
	for i := range in {
		for k := 0; k < 8; k += 2 {
			v := rng.NormFloat64() * math.Exp2(float64(rng.IntN(120)-60))
			if i < 8 {
				v = []float64{0, 0.5, 1.5, 2.5, -2.5, -0.5, 4503599627370497.5, -1e300}[(i+k)%8]
			}
			b := math.Float64bits(v)
			in[i][k], in[i][k+1] = uint32(b), uint32(b>>32)
		}
	}
	return in
}

func f32(v uint32) float32         { return math.Float32frombits(v) }
func word(v float32) uint32        { return math.Float32bits(v) }
func f64(low, high uint32) float64 { return math.Float64frombits(uint64(high)<<32 | uint64(low)) }

func twoWords(v float64) [4]uint32 {
	b := math.Float64bits(v)
	return [4]uint32{uint32(b), uint32(b >> 32)}
}

// fused is a*b + c, rounded once.
func fused(a, b, c float32) float32 {
	x, y, z := float64(a), float64(b), float64(c)
	sum := new(big.Float).SetPrec(1000)
	sum.Mul(big.NewFloat(x), big.NewFloat(y))
	if sum.Add(sum, big.NewFloat(z)); sum.Sign() == 0 {
		return float32(math.FMA(x, y, z)) // its sign
	}
	v, _ := sum.Float32()
	return v
}

// flushed is v with subnormal numbers taken for zeros, as .ftz has it.
func flushed(v float32) float32 {
	if math.Abs(float64(v)) < 0x1p-126 {
		return float32(math.Copysign(0, float64(v)))
	}
	return v
}

// permuted is prmt without a mode: bit 3 of a nibble spreads the byte's sign.
func permuted(a, b, selector uint32) (d uint32) {
	for i := range 4 {
		n := selector >> (4 * i)
		v := byte((uint64(b)<<32 | uint64(a)) >> (8 * (n & 7)))
		if n&8 != 0 {
			v = byte(int8(v) >> 7)
		}
		d |= uint32(v) << (8 * i)
	}
	return d
}

func arithmeticWrappers() []wrapper {
	return []wrapper{
		{name: "bits", op: 0, words: func(rng *rand.Rand) *wrapperIn {
			in := anyWords(rng)
			for i := range 33 {
				in[i][0] = uint32(1<<i) >> 1
			}
			return in
		}, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{uint32(mathbits.OnesCount32(v[0])), uint32(mathbits.Len32(v[0]) - 1), permuted(v[0], v[1], v[2]), min(v[0], v[1]) ^ max(v[0], v[2])}
		})},
		{name: "fma_square_root", op: 1, words: func(rng *rand.Rand) *wrapperIn {
			in := floatWords(rng)
			for i := range in {
				in[i][3] &= math.MaxInt32
				if f := fused(f32(in[i][0]), f32(in[i][1]), f32(in[i][2])); i%2 == 1 && !math.IsInf(float64(f), 0) {
					in[i][2] = word(-f) // what a product alone would round away
				}
			}
			return in
		}, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(fused(f32(v[0]), f32(v[1]), f32(v[2]))), word(float32(math.Sqrt(float64(f32(v[3])))))}
		})},
		{name: "fma_double", op: 2, words: doubleWords, want: each(func(v [8]uint32) [4]uint32 {
			return twoWords(math.FMA(f64(v[0], v[1]), f64(v[2], v[3]), f64(v[4], v[5])))
		})},
		{name: "nearest_divide", op: 3, words: func(rng *rand.Rand) *wrapperIn {
			in := floatWords(rng)
			for i := range in {
				if f32(in[i][1]) == 0 {
					in[i][1] = word(3)
				}
			}
			return in
		}, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(float32(math.RoundToEven(float64(f32(v[0]))))), word(f32(v[0]) / f32(v[1]))}
		})},
		{name: "nearest_double", op: 4, words: doubleWords, want: each(func(v [8]uint32) [4]uint32 {
			return twoWords(math.RoundToEven(f64(v[0], v[1])))
		})},
		{name: "approx_exp2", op: 5, units: 3, words: floatWords, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(flushed(float32(math.Exp2(float64(flushed(f32(v[0])))))))}
		})},
		{name: "approx_rsqrt", op: 6, units: 3, words: func(rng *rand.Rand) *wrapperIn {
			in := floatWords(rng)
			for i := range in {
				in[i][0] &= math.MaxInt32
			}
			return in
		}, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(float32(1 / math.Sqrt(float64(flushed(f32(v[0]))))))}
		})},
		{name: "approx_reciprocal", op: 7, units: 2, words: floatWords, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(flushed(1 / flushed(f32(v[0]))))}
		})},
	}
}

// form is a narrow float: bits of its fraction, exponent of its least normal
// number, the code of what is too large.
type form struct {
	fraction, least int
	most            uint32
}

func halfForm() form  { return form{10, -14, 0x7c00} }
func brainForm() form { return form{7, -126, 0x7f80} }
func eightForm() form { return form{3, -6, 0x7e} }

// code rounds to nearest even; the sign is the highest bit of 16, or of 8.
func (f form) code(v float64) uint32 {
	sign := uint32(0)
	if math.Signbit(v) {
		sign = 0x8000
		if f.fraction == 3 {
			sign = 0x80
		}
	}
	if v == 0 {
		return sign
	}
	_, e := math.Frexp(v)
	e = max(e-1, f.least)
	return sign | min(f.most, uint32(e-f.least)<<f.fraction+uint32(math.RoundToEven(math.Ldexp(math.Abs(v), f.fraction-e))))
}

// value is what a finite code means.
func (f form) value(code uint32) float64 {
	sign, size := code>>15&1, code&0x7fff
	if f.fraction == 3 {
		sign, size = code>>7&1, code&0x7f
	}
	e, m := int(size>>f.fraction), float64(size&(1<<f.fraction-1))
	if e > 0 {
		m += float64(int(1) << f.fraction)
	}
	return math.Copysign(math.Ldexp(m, max(e, 1)-1+f.least-f.fraction), 1-2*float64(sign))
}

// halves applies a function to both halves of words.
func halves(a, b uint32, of func(x, y float64) float64) uint32 {
	f := halfForm()
	return f.code(of(f.value(a&0xffff), f.value(b&0xffff))) | f.code(of(f.value(a>>16), f.value(b>>16)))<<16
}

func narrowWrappers() []wrapper {
	// finite makes codes of 16 bits finite, and those of 8 bits.
	finite := func(rng *rand.Rand) *wrapperIn {
		in := anyWords(rng)
		for i := range in {
			for k := range in[i] {
				if i < 8 {
					in[i][k] = []uint32{0, 1, 0x3ff, 0x400, 0x7bff, 0x3c00, 0x3c01, 0x4200}[(i+k)%8] * 0x10001
				}
				for _, high := range []uint32{0x7c00, 0x7c000000} {
					if in[i][k]&high == high {
						in[i][k] &^= high & 0x04000400
					}
				}
			}
			in[i][2] = in[i][2]&0xff | 0x80*uint32(i&1)
			if in[i][2]&0x7f == 0x7f {
				in[i][2]--
			}
		}
		return in
	}
	half, brain, eight := halfForm(), brainForm(), eightForm()
	return []wrapper{
		{name: "from_narrow", op: 8, words: finite, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{word(float32(half.value(v[0] & 0xffff))), v[1] << 16, word(float32(eight.value(v[2])))}
		})},
		{name: "to_narrow", op: 9, words: func(rng *rand.Rand) *wrapperIn {
			in, codes := floatWords(rng), finite(rng)
			for i := range in {
				in[i][1] = codes[i][2] | codes[(i+5)%64][2]<<16
			}
			return in
		}, want: each(func(v [8]uint32) [4]uint32 {
			x := float64(f32(v[0]))
			pair := half.code(eight.value(v[1]&0xff)) | half.code(eight.value(v[1]>>16))<<16
			return [4]uint32{half.code(x), brain.code(x), eight.code(x), pair}
		})},
		{name: "pack", op: 10, words: floatWords, want: each(func(v [8]uint32) [4]uint32 {
			x, y := float64(f32(v[0])), float64(f32(v[1]))
			return [4]uint32{half.code(x) | half.code(y)<<16, brain.code(x) | brain.code(y)<<16}
		})},
		{name: "two_halves", op: 11, words: finite, want: each(func(v [8]uint32) [4]uint32 {
			return [4]uint32{
				halves(v[0], v[1], func(x, y float64) float64 { return x + y }),
				halves(v[0], v[1], func(x, y float64) float64 { return x * y }),
			}
		})},
	}
}

func warpWrappers() []wrapper {
	return []wrapper{
		{name: "shuffles", op: 20, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			for i := range out {
				first, lane := i/32*32, i%32
				of := func(from int) uint32 {
					if from < 0 || from > 31 {
						from = lane
					}
					return in[first+from][0]
				}
				out[i] = [4]uint32{of(int(in[i][1] % 32)), of(lane ^ 5), of(lane - 3), of(lane + 6)}
			}
			return out
		}},
		{name: "votes_sums", op: 21, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			for i := range out {
				d, quad, most := &out[i], uint32(0), uint32(0)
				for k := range 32 {
					v := in[i/32*32+k][0]
					d[0] |= v & 1 << k
					d[1] += v
					d[2] = max(d[2], v)
					if k/4 == i%32/4 {
						quad, most = quad+v, max(most, v)
					}
				}
				d[3] = quad ^ most
			}
			return out
		}},
		{name: "load_matrices", op: 22, words: anyWords, want: matrices(false)},
		{name: "load_matrices_transposed", op: 23, words: anyWords, want: matrices(true)},
		{name: "multiply_f16", op: 24, words: wholeNumbers(halfForm()), want: multiplied(halfForm())},
		// Weights that are TINY codes (weights.h).
		{name: "multiply_f16_tiny", op: 24, words: func(rng *rand.Rand) *wrapperIn {
			in := wholeNumbers(halfForm())(rng)
			for i := range in {
				for k := range 4 {
					in[i][k] = rng.Uint32() & 0x001f001f
				}
				in[i][6], in[i][7] = 0, 0
			}
			return in
		}, want: multiplied(halfForm())},
		{name: "multiply_bf16", op: 25, words: wholeNumbers(brainForm()), want: multiplied(brainForm())},
	}
}

// matrices is ldmatrix .x4 of rows of 16 bytes, four words of each thread.
func matrices(transposed bool) func(*wrapperIn) *wrapperOut {
	return func(in *wrapperIn) *wrapperOut {
		out := new(wrapperOut)
		for i := range out {
			for m := range 4 {
				number := func(r, c int) uint32 {
					if transposed {
						r, c = c, r
					}
					return in[i/32*32+8*m+r][c/2] >> (16 * (c % 2)) & 0xffff
				}
				r, c := i%32/4, 2*(i%4)
				out[i][m] = number(r, c) | number(r, c+1)<<16
			}
		}
		return out
	}
}

// wholeNumbers are small, so that no sum of products is rounded, in any order.
func wholeNumbers(f form) func(*rand.Rand) *wrapperIn {
	return func(rng *rand.Rand) *wrapperIn {
		in := new(wrapperIn)
		small := func() float64 { return float64(rng.IntN(33) - 16) }
		for i := range in {
			for k := range 6 {
				in[i][k] = f.code(small()) | f.code(small())<<16
			}
			in[i][6], in[i][7] = word(float32(small())), word(float32(small()))
		}
		return in
	}
}

// multiplied is mma.m16n8k16 by its fragments: a in words 0 to 3, b in 4 and 5, and
// of c the first and the last number in 6 and 7.
func multiplied(f form) func(*wrapperIn) *wrapperOut {
	return func(in *wrapperIn) *wrapperOut {
		out := new(wrapperOut)
		for i := range out {
			warp := in[i/32*32:][:32]
			number := func(w uint32, c int) float64 { return f.value(w >> (16 * (c % 2)) & 0xffff) }
			a := func(r, c int) float64 { return number(warp[r%8*4+c%8/2][r/8+c/8*2], c) }
			b := func(r, c int) float64 { return number(warp[c*4+r%8/2][4+r/8], r) }
			for k := range 4 {
				row, col := i%32/4+k/2*8, i%4*2+k%2
				sum := 0.0
				switch k {
				case 0:
					sum = float64(f32(in[i][6]))
				case 3:
					sum = float64(f32(in[i][7]))
				}
				for n := range 16 {
					sum += a(row, n) * b(n, col)
				}
				out[i][k] = word(float32(sum))
			}
		}
		return out
	}
}

func memoryWrappers() []wrapper {
	return []wrapper{
		{name: "loads", op: 40, words: anyWords, want: each(func(v [8]uint32) [4]uint32 { return [4]uint32{v[0] ^ v[1]&0xffff, v[3], v[6], v[6]} })},
		{name: "copy_async", op: 41, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			for i := range in {
				valid := i % 17
				for k := range 16 {
					if k < valid {
						out[(i+1)%64][k/4] |= in[i][k/4] & (0xff << (k % 4 * 8))
					}
				}
			}
			return out
		}},
		{name: "barriers", op: 42, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			for i := range out {
				out[i] = [4]uint32{in[i^32][0], in[i^32][1]}
			}
			return out
		}},
		{name: "order", op: 43, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			for i := 32; i < 64; i++ {
				out[i][0] = in[i-32][0]
			}
			return out
		}},
		{name: "atomics", op: 44, words: anyWords, want: func(in *wrapperIn) *wrapperOut {
			out := new(wrapperOut)
			sum := uint64(0)
			for _, v := range in {
				out[0][0] += v[0]
				sum += uint64(v[0])<<16 | uint64(v[1])
				out[0][3] |= 1 << (v[0] % 32)
				out[1][0] = max(out[1][0], v[0])
			}
			out[0][1], out[0][2] = uint32(sum), uint32(sum>>32)
			out[1][1], out[1][2], out[1][3] = out[0][0], 1, 1
			return out
		}},
		{name: "clock_shape", op: 45, words: anyWords, want: each(func([8]uint32) [4]uint32 { return [4]uint32{1, 64, 0, 1} })},
	}
}
