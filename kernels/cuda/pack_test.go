package cuda

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/quant"
)

// planeReader reads one packed row as README.md describes it, in float64: what
// the kernels do, without their care for rounding.
type planeReader struct{ codes, halves, steps, high []byte }

// place returns the entry of column c in a plane of numbers of 16 bits or more,
// or in one of codes.
func place(c int, codes bool) int {
	s, h, t, e := c%unit/16, c%16/8, c%8/2, c%2
	if codes {
		return c/unit*unit + t*laneColumns + s/2*8 + s%2*2 + h + 4*e
	}
	return c/unit*unit + t*laneColumns + s*4 + h*2 + e
}

// bits returns entry i of codes of n bits, the first in the lowest bits.
func bits(b []byte, i, n int) int { return int(b[i*n/8] >> (i * n % 8) & (1<<n - 1)) }

func (p *planeReader) half(i int) float64 { return halfOf(binary.LittleEndian.Uint16(p.halves[2*i:])) }

func halfOf(h uint16) float64 {
	v := math.Ldexp(float64(h&1023), -24)
	if e := int(h >> 10 & 31); e > 0 {
		v = math.Ldexp(float64(1024+int(h&1023)), e-25)
	}
	return v * float64(1-int(h>>15)*2)
}

var (
	iq4  = [16]float64{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
	e2m1 = [16]float64{0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6}
)

// value returns column c of a row of a type.
func (p *planeReader) value(t kernels.DType, c int) float64 {
	wide, at := place(c, false), place(c, true)
	switch t {
	case kernels.F32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(p.codes[4*wide:])))
	case kernels.F16:
		return halfOf(binary.LittleEndian.Uint16(p.codes[2*wide:]))
	case kernels.BF16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(p.codes[2*wide:])) << 16))
	case kernels.F8E4M3:
		return float64(quant.E4M3(p.codes[at]))
	case kernels.Q4_0:
		return p.half(c/32) * float64(bits(p.codes, at, 4)-8)
	case kernels.Q4_1:
		return p.half(c/32*2)*float64(bits(p.codes, at, 4)) + p.half(c/32*2+1)
	case kernels.Q5_0:
		return p.half(c/32) * float64(bits(p.codes, at, 4)+16*bits(p.high, at, 1)-16)
	case kernels.Q5_1:
		return p.half(c/32*2)*float64(bits(p.codes, at, 4)+16*bits(p.high, at, 1)) + p.half(c/32*2+1)
	case kernels.Q8_0:
		return p.half(c/32) * float64(int8(p.codes[at]))
	case kernels.Q2_K:
		s := p.steps[c/16]
		return p.half(c/256*2)*float64(s&15)*float64(bits(p.codes, at, 2)) - p.half(c/256*2+1)*float64(s>>4)
	case kernels.Q3_K:
		return p.half(c/256) * float64(int8(p.steps[c/16])) * float64(bits(p.codes, at, 2)+4*bits(p.high, at, 1)-4)
	case kernels.Q4_K, kernels.Q5_K:
		code := bits(p.codes, at, 4)
		if t == kernels.Q5_K {
			code += 16 * bits(p.high, at, 1)
		}
		return p.half(c/256*2)*float64(p.steps[c/32*2])*float64(code) - p.half(c/256*2+1)*float64(p.steps[c/32*2+1])
	case kernels.Q6_K:
		return p.half(c/256) * float64(int8(p.steps[c/16])) * float64(bits(p.codes, at, 4)+16*bits(p.high, at, 2)-32)
	case kernels.IQ4_NL:
		return p.half(c/32) * iq4[bits(p.codes, at, 4)]
	case kernels.IQ4_XS:
		return p.half(c/256) * float64(int8(p.steps[c/32])) * iq4[bits(p.codes, at, 4)]
	case kernels.MXFP4:
		return math.Ldexp(e2m1[bits(p.codes, at, 4)], int(p.steps[c/32])-127)
	case kernels.NVFP4:
		return float64(quant.E4M3(p.steps[c/16])) * e2m1[bits(p.codes, at, 4)]
	}
	panic(fmt.Sprintf("no reader of %v", t))
}

// halvesAt are the offsets of F16 numbers in a block.
var halvesAt = map[kernels.DType][]int{
	kernels.Q4_0: {0}, kernels.Q4_1: {0, 2}, kernels.Q5_0: {0}, kernels.Q5_1: {0, 2}, kernels.Q8_0: {0},
	kernels.Q2_K: {80, 82}, kernels.Q3_K: {108}, kernels.Q4_K: {0, 2}, kernels.Q5_K: {0, 2}, kernels.Q6_K: {208},
	kernels.IQ4_NL: {0}, kernels.IQ4_XS: {0}, kernels.F16: {0}, kernels.BF16: {0}, kernels.F32: {2},
}

func newRand() *rand.Rand { return rand.New(rand.NewPCG(3, 4)) }

// randomMatrix has random codes and finite scales.
func randomMatrix(rng *rand.Rand, t kernels.DType, rows, cols int64) *kernels.Matrix {
	m := &kernels.Matrix{Type: t, Rows: rows, Cols: cols, Data: make([]byte, rows*t.RowBytes(cols))}
	for i := range m.Data {
		m.Data[i] = byte(rng.Uint32())
	}
	for at := 0; at < len(m.Data); at += t.BlockBytes() {
		for _, h := range halvesAt[t] {
			binary.LittleEndian.PutUint16(m.Data[at+h:], uint16(rng.IntN(2)<<15|rng.IntN(18<<10)))
		}
	}
	if t == kernels.F8E4M3 || t == kernels.MXFP4 {
		for i := range m.Data {
			m.Data[i] &= 0xbf // no NaN, and exponents that a float holds
		}
	}
	if t == kernels.NVFP4x16 {
		m.GroupScale = make([]byte, rows*cols/16)
		for i := range m.GroupScale {
			m.GroupScale[i] = byte(rng.IntN(0x7f))
		}
	}
	return m
}

// packed are all types that Pack takes.
func packed() []kernels.DType { return append([]kernels.DType{kernels.NVFP4x16}, weightTypes...) }

// TestPackedValues: packed rows hold the values of the checkpoint's, to the
// rounding of two products, and nothing else.
func TestPackedValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range packed() {
		const rows = 3
		cols := int64(256 * 3)
		m := randomMatrix(rng, typ, rows, cols)
		l, total := weightLayout(m, 0)
		require.Equal(t, l.args.rowBytes*rows, total, typ)
		want := make([]float32, cols)
		for r := range int64(rows) {
			row := make([]byte, l.args.rowBytes)
			packRow(row, make([]byte, len(row)), m, &l, r)
			p := planeReader{row[:l.args.halves], row[l.args.halves:l.args.steps], row[l.args.steps:l.args.high], row[l.args.high:]}
			quant.Row(want, m, r)
			for c, v := range want {
				got := p.value(l.kind, c)
				require.InDelta(t, v, got, math.Abs(float64(v))*0x1p-20+1e-5, "%v: row %d column %d", typ, r, c)
			}
		}
	}
}

// TestWeightLayout: planes are aligned, in order and as large as they must be.
func TestWeightLayout(t *testing.T) {
	for _, typ := range packed() {
		for _, blocks := range []int64{1, 3, 1024} {
			m := &kernels.Matrix{Type: typ, Rows: 5, Cols: blocks * int64(typ.Block()), Scale: make([]float32, 2), ScaleRows: 4, ScaleCols: 1 << 20}
			l, total := weightLayout(m, 4096)
			a := l.args
			p := layouts[typ]
			n := m.Cols / p.cols
			require.GreaterOrEqual(t, int64(a.halves), n*p.codes)
			require.GreaterOrEqual(t, int64(a.steps-a.halves), n*p.halves)
			require.GreaterOrEqual(t, int64(a.high-a.steps), n*p.steps)
			require.GreaterOrEqual(t, a.rowBytes-int64(a.high), n*p.high)
			for _, v := range []int64{int64(a.halves), int64(a.steps), int64(a.high), a.rowBytes, int64(a.scale)} {
				require.Zero(t, v%planeAlign, "%v of %d columns", typ, m.Cols)
			}
			require.Equal(t, addr(4096)+addr(5*a.rowBytes), a.scale)
			require.Equal(t, 5*a.rowBytes+planeAlign, total)
			if blocks == 1024 && typ != kernels.NVFP4x16 {
				// Scales of 6 bits become 8, scales of 16 columns stay one byte.
				require.LessOrEqual(t, float64(a.rowBytes), 1.06*float64(typ.RowBytes(m.Cols)), "%v grows", typ)
			}
		}
	}
}

func TestCheckMatrix(t *testing.T) {
	ok := func() *kernels.Matrix {
		return &kernels.Matrix{Type: kernels.Q8_0, Rows: 2, Cols: 64, Data: make([]byte, 2*68)}
	}
	require.NoError(t, checkMatrix(ok()))
	for name, change := range map[string]func(m *kernels.Matrix){
		"type":         func(m *kernels.Matrix) { m.Type = kernels.I32 },
		"no type":      func(m *kernels.Matrix) { m.Type = 0 },
		"rows":         func(m *kernels.Matrix) { m.Rows = 0 },
		"blocks":       func(m *kernels.Matrix) { m.Cols = 63 },
		"data":         func(m *kernels.Matrix) { m.Data = m.Data[1:] },
		"size":         func(m *kernels.Matrix) { m.Cols = maxDimension * 32 },
		"group scales": func(m *kernels.Matrix) { m.GroupScale = []byte{1} },
		"scales":       func(m *kernels.Matrix) { m.Scale, m.ScaleRows, m.ScaleCols = []float32{1}, 1, 64 },
		"no tile":      func(m *kernels.Matrix) { m.Scale = []float32{1} },
		"tiles":        func(m *kernels.Matrix) { m.Scale, m.ScaleRows, m.ScaleCols = make([]float32, 2), 2, 32 },
		"no number": func(m *kernels.Matrix) {
			m.Type, m.Data, m.GroupScale = kernels.NVFP4x16, make([]byte, 64), []byte{0, 0, 0, 0, 0, 0, 0xff, 0}
		},
		"no code": func(m *kernels.Matrix) {
			m.Type, m.Data = kernels.F8E4M3, make([]byte, 128)
			m.Data[127] = 0x7f
		},
		"narrow tile": func(m *kernels.Matrix) {
			m.Type, m.Data = kernels.F8E4M3, make([]byte, 128)
			m.Scale, m.ScaleRows, m.ScaleCols = make([]float32, 4), 2, 16
		},
	} {
		m := ok()
		change(m)
		require.Error(t, checkMatrix(m), name)
	}
}

// BenchmarkPack measures the repacking of a type on one core.
func BenchmarkPack(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, t := range []kernels.DType{kernels.BF16, kernels.Q4_0, kernels.Q8_0, kernels.Q4_K, kernels.Q5_K, kernels.Q6_K, kernels.NVFP4} {
		b.Run(t.String(), func(b *testing.B) {
			m := randomMatrix(rng, t, 64, 8192)
			l, _ := weightLayout(m, 0)
			row, ordered := make([]byte, l.args.rowBytes), make([]byte, l.args.rowBytes)
			b.SetBytes(int64(len(m.Data)))
			for b.Loop() {
				for r := range m.Rows {
					packRow(row, ordered, m, &l, r)
				}
			}
		})
	}
}

// TestIndexNaN: the first of either sign, if there is one.
func TestIndexNaN(t *testing.T) {
	for want, codes := range map[int][]byte{-1: {0, 0x7e, 0xfe}, 0: {0x7f, 0xff}, 1: {1, 0xff, 0x7f}, 2: {1, 2, 0x7f}} {
		require.Equal(t, want, indexNaN(codes), "%x", codes)
	}
}
