package cpu

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// TestFMA compares with exact sums.
func TestFMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 0))
	for range 50000 {
		x, y := float32(rng.NormFloat64()), float32(rng.NormFloat64())
		z := float32(math.Ldexp(rng.NormFloat64(), rng.IntN(80)-40))
		if rng.IntN(2) == 0 {
			// Near a tie: z is half a unit of the product away from a float32.
			z = math.Float32frombits(math.Float32bits(x*y)&0xff800000 - 24<<23)
		}
		exact := new(big.Float).SetPrec(300).Mul(big.NewFloat(float64(x)), big.NewFloat(float64(y)))
		want, _ := exact.Add(exact, big.NewFloat(float64(z))).Float32()
		require.Equal(t, math.Float32bits(want), math.Float32bits(fma(x, y, z)), "%v * %v + %v", x, y, z)
	}
	inf := float32(math.Inf(1))
	require.Equal(t, inf, fma(inf, 1, 1))
	require.Equal(t, inf, fma(math.MaxFloat32, 2, 1))
	require.True(t, math.IsNaN(float64(fma(inf, 0, 1))))
}

// rows8 returns rows of random numbers, some all zero, some very small.
func rows8(rng *rand.Rand, n int) []float32 {
	x := alignedFloats(n)
	for i := range x {
		switch i / 32 % 7 {
		case 3:
		case 5:
			x[i] = float32(rng.NormFloat64()) * 0x1p-101
		default:
			x[i] = float32(rng.NormFloat64() * math.Exp(rng.NormFloat64()))
		}
	}
	return x
}

// TestQuantize: codes are nearest, sums and biases those of the codes, and every
// instruction set has the bits of the plain Go.
func TestQuantize(t *testing.T) {
	const n = 32 * 40
	x := rows8(rand.New(rand.NewPCG(5, 0)), n)
	for _, group := range []int{16, 32} {
		want := make([]block8, n/32)
		quantizeGeneric(&want[0], 1, &x[0], n, group, 12)
		for i := range want {
			sum, bias := 0, [2][2]int{}
			for k, c := range want[i].code {
				require.InDelta(t, x[32*i+k], float32(c)*want[i].scale, float64(want[i].scale)*0.50001)
				sum += int(c)
				bias[k/group][k%4/2] -= 12 * int(c)
			}
			require.Equal(t, want[i].scale*float32(sum), want[i].sum)
			if group == 32 {
				bias[1] = [2]int{int(int16(-12 * sum)), -12 * sum >> 16}
			}
			for h := range bias {
				require.EqualValues(t, []int{int(want[i].bias[h][0]), int(want[i].bias[h][1])}, bias[h][:])
			}
		}
		for _, v := range variants() {
			got := make([]block8, n/32)
			v.quantize(&got[0], 1, &x[0], n, group, 12)
			require.Equal(t, want, got, v.name)
		}
	}
	for _, v := range variants() {
		halves, totals := make([]block8, n/32), make([]block8, n/32)
		v.quantize(&halves[0], 1, &x[0], n, 16, halfSums)
		v.quantize(&totals[0], 1, &x[0], n, 16, -32)
		for i, b := range halves {
			for h, words := range b.bias {
				sum := 0
				for _, c := range b.code[16*h:][:16] {
					sum += int(c)
				}
				want := math.Float32bits(b.scale * float32(sum))
				require.Equal(t, [2]int16{int16(want), int16(want >> 16)}, words, "%s: block %d", v.name, i)
				require.Equal(t, [2]int16{int16(-32 * sum), int16(-32 * sum >> 16)}, totals[i].bias[h], "%s: block %d", v.name, i)
			}
			require.Equal(t, b.sumOf(0, 32), b.sum, v.name)
			require.Equal(t, b.sum, totals[i].sum, v.name)
		}
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		x[70] = float32(bad)
		for _, v := range variants() {
			got := make([]block8, n/32)
			v.quantize(&got[0], 1, &x[0], n, 32, 8)
			for i, b := range got {
				require.Equal(t, i == 2, math.IsNaN(float64(b.scale)), "%s: %v", v.name, bad)
				require.Equal(t, i == 2, math.IsNaN(float64(b.sum)), "%s: %v", v.name, bad)
			}
		}
	}
}

// TestQuantizeSuper: every instruction set has the bits of the plain Go, and a super-block with
// a NaN or an infinity, and no other, a NaN for its unit.
func TestQuantizeSuper(t *testing.T) {
	const n = 256 * 7
	for _, size := range []float32{0, 0x1p-149, 0x1p-101, 1, 0x1p120} {
		x := rows8(rand.New(rand.NewPCG(7, 0)), n)
		for i := range x {
			x[i] *= size
		}
		for bits := 1; bits <= 2; bits++ {
			want := make([]block8, n/32)
			quantizeSuperGeneric(&want[0], 1, &x[0], n, bits)
			for _, v := range variants() {
				got := make([]block8, n/32)
				v.quantizeSuper(&got[0], 1, &x[0], n, bits)
				require.Equal(t, want, got, "%s: %v", v.name, size)
			}
		}
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			x[600] = float32(bad)
			for _, v := range variants() {
				got := make([]block8, n/32)
				v.quantizeSuper(&got[0], 1, &x[0], n, 1)
				for i, b := range got {
					require.Equal(t, i/8 == 2, math.IsNaN(float64(b.scale)), "%s: %v", v.name, bad)
				}
			}
		}
	}
}

// tokens8 is a batch of rows rounded for the loops of a type, in tiles.
func tokens8(v *variant, loops *integer, typ kernels.DType, x []float32, n, columns int) []block8 {
	blocks := make([]block8, int(padded(int64(n)))*columns/32)
	for t := range n {
		first, width := tileOf(int64(t), int64(n))
		at := int(first)*columns/32 + t - int(first)
		v.round8(&blocks[at], int(width), &x[t*columns], columns, typ, loops)
	}
	return blocks
}

// product8 computes tokens rows of output through panels.
func product8(loops *integer, t kernels.DType, src []byte, x []block8, tokens, n int) []float32 {
	all := int(padded(int64(tokens)))
	out, p, fours := make([]float32, all*lanes), new(panel8), all&^3
	for from := 0; from < n; from += chunk {
		k := min(chunk, n-from)
		loops.unpack(p, unsafe.Pointer(&src[from/packings[t].cols*packings[t].bytes]), k)
		if fours > 0 {
			loops.gemm(&out[0], p, &x[from/32*4], 4*n/32, fours, k)
		}
		if rest := all - fours; rest > 0 {
			loops.gemm(&out[fours*lanes], p, &x[fours*n/32+from/32*rest], 0, rest, k)
		}
	}
	return out[:tokens*lanes]
}

// product8Twice is product8 for two weights at once, in tiles of four.
func product8Twice(loops *integer, t kernels.DType, src [2][]byte, x []block8, tokens, n int) []float32 {
	each := int(padded(int64(tokens))) * lanes
	out, p := alignedFloats(2*each), new([2]panel8)
	for from := 0; from < n; from += chunk {
		k := min(chunk, n-from)
		for i := range p {
			loops.unpack(&p[i], unsafe.Pointer(&src[i][from/packings[t].cols*packings[t].bytes]), k)
		}
		loops.gemm2(&out[0], each, p, &x[from/32*4], 4*n/32, tokens&^3, k)
	}
	return out
}

// TestInt8Twice: two panels at once have the bits of each.
func TestInt8Twice(t *testing.T) {
	for _, v := range variants() {
		for typ, loops := range v.integers {
			if loops == nil || loops.gemm2 == nil {
				continue
			}
			const n, tokens = 512, 12
			rng := rand.New(rand.NewPCG(1, uint64(typ)))
			src, raw := [2][]byte{}, rows8(rng, tokens*n)
			for i := range src {
				src[i] = randomPacked(rng, kernels.DType(typ), n, randomTable(rng, kernels.DType(typ)))
			}
			x := tokens8(&v, loops, kernels.DType(typ), raw, tokens, n)
			got := product8Twice(loops, kernels.DType(typ), src, x, tokens, n)
			for i := range src {
				want := product8(loops, kernels.DType(typ), src[i], x, tokens, n)
				same(t, want, got[i*tokens*lanes:][:tokens*lanes], "%s: %v, weight %d", v.name, kernels.DType(typ), i)
			}
		}
	}
}

// TestInt8: every instruction set has the bits of the plain Go, in any number of
// tokens, through panels and straight from the packed weight.
func TestInt8(t *testing.T) {
	plain, super := genericInt8(), genericBF16()
	for _, v := range variants() {
		for typ, loops := range v.integers {
			if loops == nil || v.name == plain.name || v.name == super.name {
				continue
			}
			dt, p, oracle := kernels.DType(typ), packings[typ], plain.integers[typ]
			if loops.super {
				oracle = super.integers[typ]
			}
			compare := func(t *testing.T, n int, used *integer, random bool) {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(typ)))
				var table []int8
				if random {
					table = randomTable(rng, dt)
				}
				src, raw := randomPacked(rng, dt, n, table), rows8(rng, 11*n)
				for tokens := 1; tokens <= 11; tokens++ {
					want := product8(oracle, dt, src, tokens8(&plain, oracle, dt, raw, tokens, n), tokens, n)
					x := tokens8(&v, loops, dt, raw, tokens, n) // which loops of tables have, too
					same(t, want, product8(used, dt, src, x, tokens, n), "%d tokens, %d columns", tokens, n)
					if used.direct[0] != nil || used.scaled[0] != nil {
						same(t, want, productPacked8(used, src, x, tokens, n), "%d tokens, %d columns, packed", tokens, n)
					}
					if used.beside != nil && tokens == 1 {
						var out [2][lanes]float32
						other := randomPacked(rng, dt, n, table)
						used.beside(&out[0][0], &out[1][0], unsafe.Pointer(&src[0]), unsafe.Pointer(&other[0]), &x[0], n)
						same(t, want, out[0][:], "%d columns, the first stretch", n)
						same(t, productPacked8(used, other, x, 1, n), out[1][:], "%d columns, the second", n)
					}
				}
			}
			for _, n := range []int{max(32, p.cols), 256, 256 + max(32, p.cols), 768} {
				t.Run(fmt.Sprintf("%s/%v/%d", v.name, dt, n), func(t *testing.T) { compare(t, n, loops, false) })
				if tableAt[dt] > 0 {
					used := loops
					if loops.table != nil {
						used = loops.table
					}
					t.Run(fmt.Sprintf("%s/%v with a table/%d", v.name, dt, n), func(t *testing.T) { compare(t, n, used, true) })
				}
			}
		}
	}
}

// TestTableExtremes: the integers of every instruction set hold sums of the greatest values.
func TestTableExtremes(t *testing.T) {
	const n, tokens = 256, 8
	plain := genericInt8()
	for _, v := range variants() {
		for dt, bounds := range map[kernels.DType][2]int8{kernels.Q3_K: {-64, 63}, kernels.IQ4_XS: {-128, 127}} {
			loops := v.integers[dt]
			if loops == nil {
				continue
			}
			used := loops
			if loops.table != nil {
				used = loops.table
			}
			for _, bound := range bounds {
				for _, value := range []float32{-1, 1} {
					table := slices.Repeat([]int8{bound}, 8)
					src := randomPacked(rand.New(rand.NewPCG(8, 0)), dt, n, table)
					raw := slices.Repeat([]float32{value}, tokens*n)
					x := tokens8(&plain, plain.integers[dt], dt, raw, tokens, n)
					want := product8(plain.integers[dt], dt, src, x, tokens, n)
					x = tokens8(&v, loops, dt, raw, tokens, n)
					same(t, want, product8(used, dt, src, x, tokens, n), "%s: %v of %d", v.name, dt, bound)
					if used.direct[0] == nil {
						continue
					}
					for _, some := range []int{1, 2, 4, 8} {
						x := tokens8(&v, loops, dt, raw, some, n)
						same(t, want[:some*lanes], productPacked8(used, src, x, some, n), "%s: %v of %d, packed", v.name, dt, bound)
					}
				}
			}
		}
	}
}

// productPacked8 computes tokens rows of output straight from the packed weight.
func productPacked8(loops *integer, src []byte, x []block8, tokens, n int) []float32 {
	out, ones := make([]float32, (tokens+1)*lanes), slices.Repeat([]float32{1}, lanes)
	at := 0
	if fours := int(padded(int64(tokens))) &^ 3; fours > 4 && loops.many != nil {
		loops.many(&out[0], unsafe.Pointer(&src[0]), &x[0], 4*n/32, fours, n, new(panel8), &ones[0])
		at = fours
	}
	for ; at < tokens; at += 4 {
		_, width := tileOf(int64(at), int64(tokens))
		to, packed, x := &out[at*lanes], unsafe.Pointer(&src[0]), &x[at*n/32]
		if scaled := loops.scaled[width/2]; scaled != nil {
			scaled(to, packed, x, n, &ones[0])
			continue
		}
		loops.direct[width/2](to, packed, x, n)
	}
	return out[:tokens*lanes]
}

// TestScaled8: scales beside a tensor give a token the same bits through panels and
// straight from the packed weight.
func TestScaled8(t *testing.T) {
	const rows, cols, tokens = 72, 512, 41
	rng := rand.New(rand.NewPCG(3, 2))
	raw := rows8(rng, tokens*cols)
	for _, name := range Variants() {
		dev, err := Open(Options{Threads: 1, Variant: name})
		require.NoError(t, err)
		defer func() { require.NoError(t, dev.Close()) }()
		x, out := kernels.View(1, kernels.F32, tokens, cols), kernels.View(1, kernels.F32, tokens, rows)
		for _, m := range []*kernels.Tensor{&x, &out} {
			m.Addr, err = dev.Alloc(m.Bytes())
			require.NoError(t, err)
		}
		copy(floatsOf(x.Addr, x.Len()), raw)
		for _, typ := range []kernels.DType{kernels.NVFP4, kernels.NVFP4x16, kernels.MXFP4, kernels.Q4_0, kernels.Q4_K, kernels.Q6_K, kernels.F8E4M3} {
			for _, tile := range [][2]int64{{rows, cols}, {1, cols}, {16, 256}, {16, 128}, {8, 100}} {
				m := &kernels.Matrix{
					Type: typ, Rows: rows, Cols: cols, Data: randomBlocks(rng, int(rows*typ.RowBytes(cols))),
					ScaleRows: tile[0], ScaleCols: tile[1],
				}
				if typ == kernels.NVFP4x16 {
					m.GroupScale = randomBlocks(rng, rows*cols/16)
				}
				m.Scale = make([]float32, scales(&kernels.Matrix{Rows: rows, Cols: cols, Scale: []float32{}, ScaleRows: tile[0], ScaleCols: tile[1]}))
				for i := range m.Scale {
					m.Scale[i] = rng.Float32()
				}
				w, err := dev.Pack(m)
				require.NoError(t, err)
				dev.MatMul(x, tokens, []kernels.Product{{Out: out, W: w}})
				want := slices.Clone(floatsOf(out.Addr, out.Len()))
				for _, n := range []int64{1, 2, 3, 4, 5, 6, 9, 17} {
					dev.MatMul(x.Slice(0, n), n, []kernels.Product{{Out: out.Slice(0, n), W: w}})
					same(t, want[:n*rows], floatsOf(out.Addr, n*rows), "%s: %v, %d tokens, scales of %v", name, typ, n, tile)
				}
				dev.Free(w.Addr)
			}
		}
	}
}

// randomBlocks returns packed blocks whose halves are finite, and whose codes
// are extreme here and there.
func randomBlocks(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := 0; i < n; i += 2 {
		h := uint16(rng.Uint32())
		if i/512%5 == 3 {
			h = 0x8080 * uint16(rng.IntN(2)) // the most negative codes of all types
		}
		binary.LittleEndian.PutUint16(b[i:], h&0xbbff)
	}
	return b
}

// tableAt is where packed blocks have tables.
var tableAt = map[kernels.DType]int{kernels.Q3_K: 288, kernels.IQ4_XS: 160}

// randomPacked returns n columns of 16 rows; no table: the type's own.
func randomPacked(rng *rand.Rand, typ kernels.DType, n int, table []int8) []byte {
	p := packings[typ]
	b, values := randomBlocks(rng, n/p.cols*p.bytes), tableOf(&kernels.Matrix{Type: typ, Table: table})
	for i := 0; i < len(b) && tableAt[typ] > 0; i += p.bytes {
		values.copyTo(b[i+tableAt[typ]:])
	}
	return b
}

// randomTable returns what codes of a type may be, with the most extreme values; nil: it has
// no tables.
func randomTable(rng *rand.Rand, typ kernels.DType) []int8 {
	switch typ {
	case kernels.Q3_K:
		return []int8{-64, 63, int8(rng.IntN(128) - 64), 63, -64, -1, int8(rng.IntN(128) - 64), 43}
	case kernels.IQ4_XS:
		table := make([]int8, 16)
		for i := range table {
			table[i] = int8(rng.Uint32())
		}
		table[rng.IntN(16)], table[0] = 127, -128
		return table
	}
	return nil
}

// same demands equal bits.
func same(t *testing.T, want, got []float32, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want))
	for i := range want {
		if math.Float32bits(want[i]) != math.Float32bits(got[i]) {
			require.FailNow(t, "bits differ", "element %d: %v, not %v: %s", i, got[i], want[i], fmt.Sprintf(format, args...))
		}
	}
}
