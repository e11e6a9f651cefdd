package cpu

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// TestUnpack: every instruction set unpacks to the bits of the plain Go.
func TestUnpack(t *testing.T) {
	plain := generic()
	for _, v := range variants() {
		if !v.exact() || v.name == plain.name {
			continue // the others' loops are the same
		}
		for typ, unpack := range v.unpack {
			if unpack == nil {
				continue
			}
			p := packings[typ]
			t.Run(v.name+"/"+kernels.DType(typ).String(), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(typ)))
				for _, n := range []int{p.cols, 3 * p.cols, 256} {
					src := randomPacked(rng, kernels.DType(typ), n, randomTable(rng, kernels.DType(typ)))
					want, got := alignedFloats(n*lanes), alignedFloats(n*lanes)
					plain.unpack[typ](&want[0], unsafe.Pointer(&src[0]), n)
					unpack(&got[0], unsafe.Pointer(&src[0]), n)
					for i := range want {
						if want[i] != got[i] && (want[i] == want[i] || got[i] == got[i]) {
							require.Equal(t, want[i], got[i], "column %d row %d", i/lanes, i%lanes)
						}
					}
				}
			})
		}
	}
}

// TestGemm: every tile of every instruction set gives a token the same bits.
func TestGemm(t *testing.T) {
	const k, tokens = 37, 19
	rng := rand.New(rand.NewPCG(2, 0))
	panel, x := alignedFloats(k*48), alignedFloats(tokens*50)
	for _, s := range [][]float32{panel, x} {
		for i := range s {
			s[i] = float32(rng.NormFloat64())
		}
	}
	for _, v := range variants() {
		all := make([]float32, tokens*20)
		v.gemm(&all[0], 20, &panel[0], 48, &x[0], 50, tokens, k)
		for n := 1; n < tokens; n++ {
			got := make([]float32, tokens*20)
			v.gemm(&got[0], 20, &panel[0], 48, &x[0], 50, n, k)
			require.Equal(t, all[:n*20], got[:n*20], "%s: %d tokens", v.name, n)
			require.Equal(t, make([]float32, (tokens-n)*20), got[n*20:], "%s: %d tokens", v.name, n)
		}
		for i := range tokens {
			want := 0.0
			for c := range k {
				want += float64(panel[c*48+5]) * float64(x[i*50+c])
			}
			require.InDelta(t, want, all[i*20+5], 1e-4, v.name)
		}
	}
}

// TestGemmNarrow: products that convert a panel as they read it have the bits of those
// with a panel converted before.
func TestGemmNarrow(t *testing.T) {
	const k, tokens = 64, 9
	rng := rand.New(rand.NewPCG(3, 0))
	x, scales, src := normals(rng, tokens*k), normals(rng, kernels.BlockSize), make([]byte, 2*k*kernels.BlockSize)
	for i := range src {
		src[i] = byte(rng.Uint32())
		if i%2 == 1 {
			src[i] &= 0xbf // no infinity and no NaN
		}
	}
	at := unsafe.Pointer(&src[0])
	for _, v := range variants() {
		wide, turned := alignedFloats(k*kernels.BlockSize), alignedFloats(k*kernels.BlockSize)
		equal := func(name string, panel *float32, narrow func(out *float32, n int)) {
			for n := 1; n <= tokens; n++ {
				want, got := slices.Repeat([]float32{1}, tokens*20), slices.Repeat([]float32{1}, tokens*20)
				v.gemm(&want[0], 20, panel, kernels.BlockSize, &x[0], k, n, k)
				narrow(&got[0], n)
				require.Equal(t, want, got, "%s: %s, %d tokens", v.name, name, n)
			}
		}
		for _, typ := range []kernels.DType{kernels.F16, kernels.BF16} {
			if gemm := v.wide16[typ]; gemm != nil {
				v.widen[typ](&wide[0], at, len(wide))
				for n := 1; n <= tokens; n++ {
					want, got := slices.Repeat([]float32{1}, tokens*80), slices.Repeat([]float32{1}, tokens*80)
					for c := 0; c < kernels.BlockSize; c += lanes {
						v.gemm(&want[c], 80, &wide[c], kernels.BlockSize, &x[0], k, n, k)
					}
					gemm(&got[0], 80, at, kernels.BlockSize, &x[0], k, n, k, at)
					require.Equal(t, want, got, "%s: 64 columns, %d tokens", v.name, n)
				}
			}
			if gemm := v.gemm16[typ]; gemm != nil {
				v.widen[typ](&wide[0], at, len(wide))
				equal("values", &wide[32], func(out *float32, n int) {
					gemm(out, 20, unsafe.Add(at, 64), kernels.BlockSize, &x[0], k, n, k, at)
				})
				v.transpose(&turned[0], &wide[0], kernels.BlockSize, k)
				keys := make([]uint16, len(wide))
				v.transpose16(unsafe.Pointer(&keys[0]), at, kernels.BlockSize, k)
				equal("keys", &turned[16], func(out *float32, n int) {
					gemm(out, 20, unsafe.Pointer(&keys[16]), kernels.BlockSize, &x[0], k, n, k, at)
				})
			}
		}
		if v.gemmPairs != nil {
			v.unpack[kernels.BF16](&wide[0], at, k)
			for n := 1; n <= tokens; n++ {
				for _, k := range []int{2, 6, k} {
					want, got := slices.Repeat([]float32{1}, tokens*20), slices.Repeat([]float32{1}, tokens*20)
					v.gemm(&want[0], 20, &wide[0], lanes, &x[0], k, n, k)
					v.gemmPairs(&got[0], 20, at, lanes, &x[0], k, n, k, at)
					require.Equal(t, want, got, "%s: pairs of columns, %d tokens, %d columns", v.name, n, k)
				}
			}
		}
		if v.keysI8 != nil {
			v.widenI8(&wide[0], at, &scales[0], kernels.BlockSize, k)
			equal("values in 8 bits", &wide[32], func(out *float32, n int) {
				v.valuesI8(out, 20, unsafe.Add(at, 32), kernels.BlockSize, &x[0], k, n, k, at, &scales[0])
			})
			v.transpose(&turned[0], &wide[0], kernels.BlockSize, k)
			keys := make([]byte, len(wide))
			v.transpose8(unsafe.Pointer(&keys[0]), at, kernels.BlockSize, k)
			equal("keys in 8 bits", &turned[16], func(out *float32, n int) {
				v.keysI8(out, 20, unsafe.Pointer(&keys[16]), kernels.BlockSize, &x[0], k, n, k, at, &scales[16])
			})
		}
	}
}

// TestMatvec: a fused product has the bits of unpack and gemm.
func TestMatvec(t *testing.T) {
	for _, v := range variants() {
		for typ, matvec := range v.matvec {
			if matvec == nil {
				continue
			}
			p := packings[typ]
			for _, n := range []int{p.cols, 2 * p.cols, 256, 256 + p.cols, 768} {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(typ)))
				x := alignedFloats(2 * n)
				for i := range x {
					x[i] = float32(rng.NormFloat64())
				}
				src, want, got := [2][]byte{}, alignedFloats(2*lanes), alignedFloats(2*lanes)
				for g := range src {
					src[g] = make([]byte, n/p.cols*p.bytes)
					for i := 0; i < len(src[g]); i += 2 {
						binary.LittleEndian.PutUint16(src[g][i:], uint16(rng.Uint32())&0xbbff)
					}
					if typ == int(kernels.F8E4M3) {
						numbers(src[g])
						src[g][rng.IntN(len(src[g]))] |= 0x7f
					}
					for from := 0; from < n; from += chunk {
						k := min(chunk, n-from)
						panel := alignedFloats(k * lanes)
						v.unpack[typ](&panel[0], unsafe.Pointer(&src[g][from/p.cols*p.bytes]), k)
						v.gemm(&want[g*lanes], lanes, &panel[0], lanes, &x[from], n, 1, k)
					}
				}
				at := [2]unsafe.Pointer{unsafe.Pointer(&src[0][0]), unsafe.Pointer(&src[1][0])}
				if both := v.matvec2[typ]; both != nil {
					got := alignedFloats(4 * lanes)
					both(&got[0], &got[2*lanes], at[0], at[1], &x[0], n)
					for token := range 2 {
						alone := alignedFloats(2 * lanes)
						matvec(&alone[0], &alone[lanes], at[0], at[1], &x[token*n], n)
						for g := range 2 {
							same(t, alone[g*lanes:][:lanes], got[(2*g+token)*lanes:][:lanes], "%s %v, %d columns, token %d of two", v.name, kernels.DType(typ), n, token)
						}
					}
				}
				matvec(&got[0], &got[lanes], at[0], at[1], &x[0], n)
				for i := range want {
					require.Equal(t, math.Float32bits(want[i]), math.Float32bits(got[i]), "%s %v, %d columns, row %d: %v, %v",
						v.name, kernels.DType(typ), n, i, want[i], got[i])
				}
			}
		}
	}
}

// numbers makes all e4m3 codes numbers.
func numbers(codes []byte) {
	for i, c := range codes {
		if c&0x7f == 0x7f {
			codes[i]--
		}
	}
}

// TestHalvesF8: every e4m3 code becomes the half of what unpack gives, and a NaN is
// reported wherever it is.
func TestHalvesF8(t *testing.T) {
	for _, v := range variants() {
		if v.halvesF8 == nil {
			continue
		}
		for _, cols := range []int{1, 2, 15, 16} {
			codes, halves, want := make([]byte, cols*lanes), make([]uint16, cols*lanes+1), make([]float32, cols*lanes)
			at := unsafe.Pointer(&codes[0])
			for i := range codes {
				codes[i] = byte(255 - i)
			}
			numbers(codes)
			require.False(t, v.halvesF8(&halves[0], at, cols), v.name)
			v.unpack[kernels.F8E4M3](&want[0], at, cols)
			for i, w := range want {
				require.Equal(t, math.Float32bits(w), math.Float32bits(minifloat.F16(halves[i])), "%s: %x", v.name, codes[i])
			}
			require.Zero(t, halves[len(want)], "%s: %d columns", v.name, cols)
			for i := range codes {
				whole := codes[i]
				codes[i] |= 0x7f
				require.True(t, v.halvesF8(&halves[0], at, cols), "%s: code %d of %d columns", v.name, i, cols)
				codes[i] = whole
			}
		}
	}
}

// productsOf opens a variant's device, and returns what multiplies the first n rows of x with a
// matrix, decoding.
func productsOf(t *testing.T, name string, m *kernels.Matrix, x []float32) (dev kernels.Device, product func(n int64) []float32) {
	dev, err := Open(Options{Threads: 1, Variant: name})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	tokens := int64(len(x)) / m.Cols
	in, out := kernels.View(1, kernels.F32, tokens, m.Cols), kernels.View(1, kernels.F32, tokens, m.Rows)
	for _, v := range []*kernels.Tensor{&in, &out} {
		v.Addr, err = dev.Alloc(v.Bytes())
		require.NoError(t, err)
	}
	copy(floatsOf(in.Addr, in.Len()), x)
	w, err := dev.Pack(m)
	require.NoError(t, err)
	return dev, func(n int64) []float32 {
		dev.MatMul(in.Slice(0, n), n, []kernels.Product{{Out: out.Slice(0, n), W: w}})
		return floatsOf(out.Addr, n*m.Rows)
	}
}

// TestF8Scales: products of F8_E4M3 are those of numbers for the largest scales, which
// sums of the smallest inputs need, and rows that have a NaN are lost, no others.
func TestF8Scales(t *testing.T) {
	const rows, cols, tokens, lost = 40, 300, 40, 21
	rng := rand.New(rand.NewPCG(5, 0))
	m := &kernels.Matrix{Type: kernels.F8E4M3, Rows: rows, Cols: cols, Data: make([]byte, rows*cols), Scale: []float32{0x1.8p127}, ScaleRows: rows, ScaleCols: cols}
	for i := range m.Data {
		m.Data[i] = byte(rng.Uint32())
	}
	numbers(m.Data)
	m.Data[lost*cols+77] |= 0x7f
	raw, want, size := make([]float32, tokens*cols), make([]float64, tokens*rows), make([]float64, tokens*rows)
	for i := range raw {
		raw[i] = RoundPair(float32(rng.NormFloat64() * 0x1p-110)) // pairs, too, take it as it is
	}
	for i := range want {
		for k := range cols {
			p := float64(minifloat.E4M3(m.Data[i%rows*cols+k])) * float64(raw[i/rows*cols+k]) * 0x1.8p127
			want[i] += p
			size[i] += math.Abs(p)
		}
	}
	for _, name := range Variants() {
		_, product := productsOf(t, name, m, raw)
		for _, n := range []int64{1, 2, 3, 6, 7, 33, tokens} {
			for i, v := range product(n) {
				if i%rows == lost {
					require.True(t, v != v, "%s, %d tokens, row %d: %v", name, n, i, v)
					continue
				}
				require.InDelta(t, want[i], v, 1e-5*size[i], "%s, %d tokens, row %d", name, n, i)
			}
		}
	}
}

// TestOddBF16: products and rows of BF16 are right where columns, or runs of a scale, end within
// a packed pair.
func TestOddBF16(t *testing.T) {
	const rows, tokens = 40, 40
	for _, c := range []struct{ cols, scaleCols int64 }{{301, 301}, {301, 128}, {301, 75}, {300, 75}, {300, 1}, {1, 1}} {
		rng := rand.New(rand.NewPCG(6, uint64(c.cols)))
		m := &kernels.Matrix{Type: kernels.BF16, Rows: rows, Cols: c.cols, Data: make([]byte, 2*rows*c.cols), ScaleRows: 16, ScaleCols: c.scaleCols}
		runs := (c.cols + c.scaleCols - 1) / c.scaleCols
		m.Scale = normals(rng, 3*int(runs))
		weights, raw := make([]float32, rows*c.cols), make([]float32, tokens*c.cols)
		for i := range weights {
			h := minifloat.ToBF16(float32(rng.NormFloat64()))
			binary.LittleEndian.PutUint16(m.Data[2*i:], h)
			row, col := int64(i)/c.cols, int64(i)%c.cols
			weights[i] = minifloat.BF16(h) * m.Scale[row/16*runs+col/c.scaleCols]
		}
		for i := range raw {
			raw[i] = RoundPair(float32(rng.NormFloat64())) // pairs, too, take it as it is
		}
		for _, name := range Variants() {
			dev, product := productsOf(t, name, m, raw)
			require.Equal(t, weights, rowsOfTable(t, dev, m), "%s, %v", name, c)
			for _, n := range []int64{1, 2, 3, 7, 33, tokens} {
				for i, v := range product(n) {
					want, size := 0.0, 0.0
					for k, x := range raw[int64(i)/rows*c.cols:][:c.cols] {
						p := float64(weights[int64(i)%rows*c.cols+int64(k)]) * float64(x)
						want, size = want+p, size+math.Abs(p)
					}
					require.InDelta(t, want, v, 1e-5*size, "%s, %v, %d tokens, row %d", name, c, n, i)
				}
			}
		}
	}
}

// TestPairTile: tiles follow one another, and each token finds its own.
func TestPairTile(t *testing.T) {
	for n := int64(1); n <= 40; n++ {
		var widths []int64
		for at := int64(0); at < n; {
			first, width := pairTile(at, n)
			require.Equal(t, at, first, "%d tokens", n)
			for i := range width {
				f, w := pairTile(at+i, n)
				require.Equal(t, [2]int64{first, width}, [2]int64{f, w}, "token %d of %d", at+i, n)
			}
			widths = append(widths, width)
			at += width
		}
		require.Len(t, widths, int(n/8)+bits.OnesCount8(uint8(n%8)), "%d tokens", n)
	}
}

// TestExp compares with float64 over all of the range.
func TestExp(t *testing.T) {
	for x := float32(expLow); x < expHigh; x += 0.00313 {
		want := math.Exp(float64(x))
		require.InEpsilon(t, want, exp(x), 2e-7, "exp(%v)", x)
	}
	require.Zero(t, exp(float32(math.Inf(-1))))
	require.True(t, math.IsNaN(float64(exp(float32(math.NaN())))))
}

// TestExpSum: every instruction set agrees with float64 and keeps NaN.
func TestExpSum(t *testing.T) {
	const n = 3
	for _, v := range variants() {
		s, m, l := alignedFloats(n*kernels.BlockSize), []float32{1, 0, -2}, []float32{0, 5, 100}
		for i := range s {
			k := i % kernels.BlockSize
			s[i] = -float32(k*k)/40 + float32(i/kernels.BlockSize)
			if k == 63 {
				s[i] = float32(math.Inf(-1))
			}
		}
		want, before := slices.Clone(s), slices.Clone(l)
		v.expSum(&l[0], &s[0], &m[0], n)
		for q := range n {
			sum := float64(before[q])
			for i := q * kernels.BlockSize; i < (q+1)*kernels.BlockSize-1; i++ {
				e := math.Exp(float64(want[i] - m[q]))
				sum += e
				// An error of x, as large as that of a score, is a relative one of e^x.
				require.InDelta(t, e, s[i], e*(3e-7+0x1p-24*math.Abs(float64(want[i]-m[q])))+1e-37, v.name)
			}
			require.InEpsilon(t, sum, l[q], 3e-7, v.name)
			require.Zero(t, s[(q+1)*kernels.BlockSize-1], v.name)
		}
		s[9] = float32(math.NaN())
		v.expSum(&l[0], &s[0], &m[0], n)
		require.True(t, math.IsNaN(float64(l[0])), v.name)
		require.False(t, math.IsNaN(float64(l[1])), v.name)
	}
}

// TestMaxima: every instruction set has the bits of the plain Go, leaves out NaNs, and writes
// what is asked for only.
func TestMaxima(t *testing.T) {
	const most = 9
	rng := rand.New(rand.NewPCG(13, 0))
	s, m := normals(rng, most*kernels.BlockSize), normals(rng, most)
	for k := range kernels.BlockSize {
		s[kernels.BlockSize+k] = float32(math.NaN())
		s[2*kernels.BlockSize+k] = float32(math.Inf(-1))
		s[(3+k%6)*kernels.BlockSize+rng.IntN(kernels.BlockSize)] = float32(math.NaN())
	}
	m[2], m[3], m[4] = float32(math.Inf(-1)), float32(math.Inf(-1)), 9
	for _, v := range variants() {
		for n := 1; n <= most; n++ {
			want, got := make([]float32, most+1), make([]float32, most+1)
			maximaGeneric(&want[0], &m[0], &s[0], n)
			v.maxima(&got[0], &m[0], &s[0], n)
			same(t, want, got, "%s: %d queries", v.name, n)
		}
	}
}

// TestPortableMath: ln and exp64 are those of package math to the last digits.
func TestPortableMath(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 0))
	for range 20000 {
		x := rng.Float64()
		require.InEpsilon(t, math.Log(x), ln(x), 5e-16, "ln(%v)", x)
		y := -x * 700
		require.InEpsilon(t, math.Exp(y), exp64(y), 1e-15, "exp64(%v)", y)
	}
	require.Equal(t, 1.0, exp64(0))
	require.Zero(t, exp64(-1e9))
}

// TestPhilox: the known answers of the authors' Random123 distribution.
func TestPhilox(t *testing.T) {
	ones := uint32(math.MaxUint32)
	require.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox([4]uint32{}, [2]uint32{}))
	require.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		philox([4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}))
	require.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		philox([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}))
}

// TestNarrow: every instruction set rounds to 16 bits as the plain Go does, numbers of
// every kind, and does not write beside them.
func TestNarrow(t *testing.T) {
	var x []float32
	for h := range 1 << 16 {
		bits := uint32(h) << 16
		for _, low := range []uint32{0, 1, 0x7fff, 0x8000, 0x8001, 0xffff} {
			x = append(x, math.Float32frombits(bits|low))
		}
		v := minifloat.F16(uint16(h))
		x = append(x, v, math.Nextafter32(v, 1e9), (v+minifloat.F16(uint16(h)+1))/2)
	}
	for _, v := range variants() {
		for typ, plain := range map[kernels.DType]func(unsafe.Pointer, *float32, int){kernels.F16: narrowF16Generic, kernels.BF16: narrowBF16Generic} {
			for _, n := range []int{1, 7, 8, 20, len(x)} {
				want, got := make([]uint16, n+1), make([]uint16, n+1)
				plain(unsafe.Pointer(&want[0]), &x[0], n)
				v.narrow[typ](unsafe.Pointer(&got[0]), &x[0], n)
				require.True(t, slices.Equal(want, got), "%s: %v, %d values", v.name, typ, n)
			}
		}
	}
}

// TestRowLoops: every instruction set has the bits of the plain Go, for rows of any
// length, and does not write beside them.
func TestRowLoops(t *testing.T) {
	plain := generic()
	for _, v := range variants() {
		for _, n := range []int{1, 7, 8, 20, 64, 72} {
			rng := rand.New(rand.NewPCG(uint64(n), 13))
			x, y, factors := normals(rng, n+1), normals(rng, n+1), normals(rng, lanes)
			run := func(v *variant) (out []float32, sum float64) {
				out = slices.Clone(x)
				v.add(&out[0], &y[0], n)
				for _, loop := range []func(out *float32){
					func(out *float32) { v.times(out, &x[0], &y[0], 0.3, n) },
					func(out *float32) { v.divide(out, &x[0], 0.7, n) },
					func(out *float32) {
						if n >= lanes {
							v.scale(out, &factors[0], n/lanes)
						}
					},
					func(out *float32) { v.widenI8(out, unsafe.Pointer(&y[0]), &factors[0], 1, n) },
					func(out *float32) { v.widenI8(out, unsafe.Pointer(&y[0]), &factors[0], max(1, n/8), min(n, 8)) },
					func(out *float32) { v.join(out, &y[0], 0.3, 0.7, n) },
					func(out *float32) { v.rotate(out, &y[0], max(2, n&^1), true) },
					func(out *float32) { v.rotate(out, &y[0], max(2, n&^1), false) },
				} {
					next := slices.Clone(x)
					loop(&next[0])
					out = append(out, next...)
				}
				return out, v.sumSquares(&x[0], n)
			}
			want, wantSum := run(&plain)
			got, sum := run(&v)
			same(t, want, got, "%s: %d columns", v.name, n)
			require.Equal(t, wantSum, sum, "%s: %d columns", v.name, n)
		}
	}
}
