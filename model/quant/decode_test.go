package quant

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// half reads a finite binary16 number at offset `at`.
func half(b []byte, at int) float64 {
	h := int(b[at]) | int(b[at+1])<<8
	e, f := h>>10&31, float64(h&1023)
	v := math.Ldexp(f, -24)
	if e > 0 {
		v = math.Ldexp(1024+f, e-25)
	}
	return v * float64(1-h>>15*2)
}

// bitsAt reads n bits from bit `at` of b on.
func bitsAt(b []byte, at, n int) int {
	v := 0
	for i := range n {
		v |= int(b[(at+i)/8]) >> ((at + i) % 8) & 1 << i
	}
	return v
}

// halves is the code of value i where a byte holds values i and i + n/2 of n.
func halves(b []byte, i, n int) int { return bitsAt(b, 8*(i%(n/2))+4*(i/(n/2)), 4) }

// quarters is the code of 2 bits of value i of 256, as in Q2_K.
func quarters(b []byte, i int) int { return bitsAt(b, 8*(i/128*32+i%32)+i/32%4*2, 2) }

// scale6 is scale or min of group g of Q4_K.
func scale6(b []byte, g, low int) float64 {
	if g < 4 {
		return float64(bitsAt(b[4+4*low:], 8*g, 6))
	}
	return float64(bitsAt(b[12:], 8*(g-4)+4*low, 4) + 16*bitsAt(b[4+4*low:], 8*(g-4)+6, 2))
}

// float4 is the value of an E2M1 code.
func float4(c int) float64 {
	v := []float64{0, 0.5, 1, 1.5, 2, 3, 4, 6}[c&7]
	return v * float64(1-c>>3*2)
}

// formulas give value i of a block in float64.
var formulas = map[kernels.DType]func(b []byte, i int) float64{
	kernels.Q4_0: func(b []byte, i int) float64 { return half(b, 0) * float64(halves(b[2:], i, 32)-8) },
	kernels.Q4_1: func(b []byte, i int) float64 { return half(b, 0)*float64(halves(b[4:], i, 32)) + half(b, 2) },
	kernels.Q5_0: func(b []byte, i int) float64 {
		return half(b, 0) * float64(halves(b[6:], i, 32)+16*bitsAt(b[2:], i, 1)-16)
	},
	kernels.Q5_1: func(b []byte, i int) float64 {
		return half(b, 0)*float64(halves(b[8:], i, 32)+16*bitsAt(b[4:], i, 1)) + half(b, 2)
	},
	kernels.Q8_0: func(b []byte, i int) float64 { return half(b, 0) * float64(int8(b[2+i])) },
	kernels.Q2_K: func(b []byte, i int) float64 {
		return half(b, 80)*float64(bitsAt(b, i/16*8, 4)*quarters(b[16:], i)) - half(b, 82)*float64(bitsAt(b, i/16*8+4, 4))
	},
	kernels.Q3_K: func(b []byte, i int) float64 {
		g := i / 16
		scale := halves(b[96:104], g, 16) + 16*bitsAt(b[104:], 8*(g%4)+2*(g/4), 2) - 32
		return half(b, 108) * float64(scale*(quarters(b[32:], i)+4*bitsAt(b, 8*(i%32)+i/32, 1)-4))
	},
	kernels.Q4_K: func(b []byte, i int) float64 {
		code := float64(bitsAt(b[16:], 8*(i/64*32+i%32)+i/32%2*4, 4))
		return half(b, 0)*scale6(b, i/32, 0)*code - half(b, 2)*scale6(b, i/32, 1)
	},
	kernels.Q5_K: func(b []byte, i int) float64 {
		code := float64(bitsAt(b[48:], 8*(i/64*32+i%32)+i/32%2*4, 4) + 16*bitsAt(b[16:], 8*(i%32)+i/32, 1))
		return half(b, 0)*scale6(b, i/32, 0)*code - half(b, 2)*scale6(b, i/32, 1)
	},
	kernels.Q6_K: func(b []byte, i int) float64 {
		code := bitsAt(b, 8*(i/128*64+i%64)+i/64%2*4, 4) + 16*quarters(b[128:], i) - 32
		return half(b, 208) * float64(int8(b[192+i/16])) * float64(code)
	},
	kernels.IQ4_NL: func(b []byte, i int) float64 { return half(b, 0) * float64(iq4[halves(b[2:], i, 32)]) },
	kernels.IQ4_XS: func(b []byte, i int) float64 {
		g := i / 32
		scale := bitsAt(b[4:], 4*g, 4) + 16*bitsAt(b[2:], 2*g, 2) - 32
		return half(b, 0) * float64(scale) * float64(iq4[halves(b[8+16*g:], i%32, 32)])
	},
	kernels.MXFP4: func(b []byte, i int) float64 {
		return math.Ldexp(float4(halves(b[1:], i, 32)), int(b[0])-127)
	},
	kernels.NVFP4: func(b []byte, i int) float64 {
		g := i / 16
		return float64(minifloat.E4M3(b[g])) * float4(halves(b[4+8*g:], i%16, 16))
	},
	kernels.NVFP4x16: func(b []byte, i int) float64 { return float4(bitsAt(b, 4*i, 4)) },
}

// randomBlock has random bytes, but finite scales of about 1.
func randomBlock(rng *rand.Rand, t kernels.DType) []byte {
	b := make([]byte, t.BlockBytes())
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	for _, at := range scalesAt[t] {
		binary.LittleEndian.PutUint16(b[at:], uint16(rng.IntN(2)<<15|rng.IntN(18<<10)))
	}
	switch t {
	case kernels.MXFP4:
		b[0] = byte(110 + rng.IntN(30))
	case kernels.NVFP4:
		for i := range 4 {
			b[i] = byte(rng.IntN(0x7f))
		}
	}
	return b
}

// scalesAt are the offsets of binary16 numbers in a block.
var scalesAt = map[kernels.DType][]int{
	kernels.Q4_0: {0}, kernels.Q4_1: {0, 2}, kernels.Q5_0: {0}, kernels.Q5_1: {0, 2}, kernels.Q8_0: {0},
	kernels.Q2_K: {80, 82}, kernels.Q3_K: {108}, kernels.Q4_K: {0, 2}, kernels.Q5_K: {0, 2}, kernels.Q6_K: {208},
	kernels.IQ4_NL: {0}, kernels.IQ4_XS: {0},
}

// TestFormulas: random blocks have the values of the definitions, up to the
// rounding of three operations.
func TestFormulas(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for typ, value := range formulas {
		for range 50 {
			b := randomBlock(rng, typ)
			got := make([]float32, typ.Block())
			Decode(got, typ, b)
			size := 0.0
			for i := range got {
				size = max(size, math.Abs(value(b, i)))
			}
			for i, v := range got {
				require.InDelta(t, value(b, i), v, size*0x1p-21, "%v: value %d of block %x", typ, i, b)
			}
		}
	}
}

// TestRow: rows start at their place, and scales beside the codes apply to
// their tiles, of which the last may be smaller.
func TestRow(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, typ := range []kernels.DType{kernels.F32, kernels.F16, kernels.BF16, kernels.F8E4M3, kernels.Q8_0, kernels.NVFP4x16} {
		const rows, cols = 5, 96
		m := &kernels.Matrix{Type: typ, Rows: rows, Cols: cols, ScaleRows: 2, ScaleCols: 40}
		codes := make([]float32, rows*cols)
		for i := range codes {
			codes[i] = minifloat.E2M1(byte(rng.IntN(15) + 1))
		}
		m.Data = store(t, typ, codes)
		if typ == kernels.NVFP4x16 {
			for range rows * cols / 16 {
				m.GroupScale = append(m.GroupScale, byte(0x20+rng.IntN(0x30)))
			}
		}
		for range 9 {
			m.Scale = append(m.Scale, float32(rng.IntN(7)+1)/3)
		}
		row := make([]float32, cols)
		for r := range rows {
			Row(row, m, int64(r))
			for c, got := range row {
				want := codes[r*cols+c]
				if m.GroupScale != nil {
					want *= minifloat.E4M3(m.GroupScale[(r*cols+c)/16])
				}
				want *= m.Scale[r/2*3+c/40]
				require.Equal(t, want, got, "%v: row %d, column %d", typ, r, c)
			}
		}
	}
}

// store writes values of E2M1 in a type that holds them.
func store(t *testing.T, typ kernels.DType, v []float32) []byte {
	t.Helper()
	data := make([]byte, len(v)/typ.Block()*typ.BlockBytes())
	switch typ {
	case kernels.NVFP4x16:
		for i, x := range v {
			data[i/2] |= minifloat.ToE2M1(x) << (i % 2 * 4)
		}
	case kernels.Q8_0:
		for i, x := range v {
			data[i/32*34+1] = 0x38 // d is one half
			data[i/32*34+2+i%32] = byte(int8(2 * x))
		}
	default:
		for i, x := range v {
			at := data[i*typ.BlockBytes():]
			switch typ {
			case kernels.F32:
				binary.LittleEndian.PutUint32(at, math.Float32bits(x))
			case kernels.F16:
				binary.LittleEndian.PutUint16(at, minifloat.ToF16(x))
			case kernels.BF16:
				binary.LittleEndian.PutUint16(at, minifloat.ToBF16(x))
			case kernels.F8E4M3:
				at[0] = minifloat.ToE4M3(x)
			}
		}
	}
	return data
}

// TestDecodeMisuse: parts of blocks, wrong sizes and types that no weight has
// are mistakes of the program.
func TestDecodeMisuse(t *testing.T) {
	require.Panics(t, func() { Decode(make([]float32, 33), kernels.Q8_0, make([]byte, 34)) }, "part of a block")
	require.Panics(t, func() { Decode(make([]float32, 32), kernels.Q8_0, make([]byte, 33)) }, "too little")
	require.Panics(t, func() { Decode(make([]float32, 32), kernels.Q8_0, make([]byte, 68)) }, "too much")
	require.Panics(t, func() { Decode(make([]float32, 1), kernels.I32, make([]byte, 4)) }, "no weight")
	require.Panics(t, func() { Decode(make([]float32, 1), 200, make([]byte, 4)) }, "no type")
	Decode(nil, kernels.Q4_K, nil)
}

func BenchmarkDecode(b *testing.B) {
	for _, typ := range []kernels.DType{kernels.BF16, kernels.Q4_0, kernels.Q8_0, kernels.Q4_K, kernels.Q6_K} {
		b.Run(typ.String(), func(b *testing.B) {
			dst := make([]float32, 1<<16)
			src := make([]byte, typ.RowBytes(int64(len(dst))))
			b.SetBytes(int64(4 * len(dst)))
			for b.Loop() {
				Decode(dst, typ, src)
			}
		})
	}
}
