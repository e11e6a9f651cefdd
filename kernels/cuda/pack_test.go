package cuda

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
	"trona/model/quant"
)

// planeReader reads one packed row as README.md describes it, in float64: what
// the kernels do, without their care for rounding.
type planeReader struct{ codes, halves, steps, high []byte }

// place returns the entry of column c in a plane of numbers of 8 bits or more,
// or in one of 4 bits.
func place(c int, nibbles bool) int {
	s, h, t, e := c%unit/16, c%16/8, c%8/2, c%2
	if nibbles {
		return c/unit*unit + t*laneColumns + s/2*8 + s%2*2 + h + 4*e
	}
	return c/unit*unit + t*laneColumns + s*4 + h*2 + e
}

// field returns the code of column c in a plane of n bits, 1 or 2.
func field(b []byte, c, n int) int {
	s, h, t, e := c%unit/16, c%16/8, c%8/2, c%2
	bit := (s/2*2 + h) * n
	return int(b[(c/unit*4+t)*4*n+bit/8*4+s%2+2*e] >> (bit % 8) & (1<<n - 1))
}

// nibble returns entry i of codes of 4 bits, the first in the lowest bits.
func nibble(b []byte, i int) int { return int(b[i/2] >> (i % 2 * 4) & 15) }

// float4 returns the code E2M1 at a place in a plane of them.
func (p *planeReader) float4(at int) float64 {
	if b := p.codes[at/2]; at%2 == 0 {
		return e2m1[b>>1&7|b>>7<<3]
	} else {
		return e2m1[b>>4&7|b&1<<3]
	}
}

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
		return float64(minifloat.E4M3(p.codes[wide]))
	case kernels.Q4_0:
		return p.half(c/32) * float64(nibble(p.codes, at)-8)
	case kernels.Q4_1:
		return p.half(c/32*2)*float64(nibble(p.codes, at)) + p.half(c/32*2+1)
	case kernels.Q5_0:
		return p.half(c/32) * float64(nibble(p.codes, at)+16*field(p.high, c, 1)-16)
	case kernels.Q5_1:
		return p.half(c/32*2)*float64(nibble(p.codes, at)+16*field(p.high, c, 1)) + p.half(c/32*2+1)
	case kernels.Q8_0:
		return p.half(c/32) * float64(int(p.codes[wide])-128)
	case kernels.Q2_K:
		s := p.steps[c/16]
		return p.half(c/256*2)*float64(s&15)*float64(field(p.codes, c, 2)) - p.half(c/256*2+1)*float64(s>>4)
	case kernels.Q3_K:
		return p.half(c/256) * float64(int8(p.steps[c/16])) * float64(field(p.codes, c, 2)+4*field(p.high, c, 1)-4)
	case kernels.Q4_K, kernels.Q5_K:
		code := nibble(p.codes, at)
		if t == kernels.Q5_K {
			code += 16 * field(p.high, c, 1)
		}
		return p.half(c/256*2)*float64(p.steps[c/32*2])*float64(code) - p.half(c/256*2+1)*float64(p.steps[c/32*2+1])
	case kernels.Q6_K:
		return p.half(c/256) * float64(int8(p.steps[c/16])) * float64(nibble(p.codes, at)+16*field(p.high, c, 2)-32)
	case kernels.IQ4_NL:
		return p.half(c/32) * iq4[nibble(p.codes, at)]
	case kernels.IQ4_XS:
		return p.half(c/256) * float64(int8(p.steps[c/32])) * iq4[nibble(p.codes, at)]
	case kernels.MXFP4:
		return math.Ldexp(p.float4(at), int(p.steps[c/32])-127)
	case kernels.NVFP4:
		return float64(minifloat.E4M3(p.steps[c/16])) * p.float4(at)
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

// randomTable has other values of a type's codes, nil where it has none.
func randomTable(rng *rand.Rand, t kernels.DType) []int8 {
	own := (&kernels.Matrix{Type: t}).Values()
	if own == nil {
		return nil
	}
	table := make([]int8, len(own))
	for i := range table {
		table[i] = int8(rng.IntN(128) - 64)
	}
	table[0] = -64
	return table
}

// packed are all types that Pack takes.
func packed() []kernels.DType { return append([]kernels.DType{kernels.NVFP4x16}, weightTypes...) }

// planesOf collects what row r has in packed memory, unit by unit, as planeReader reads it.
func planesOf(memory []byte, typ kernels.DType, pitch int64, r int) planeReader {
	p := layouts[typ]
	if !p.panels() {
		return planeReader{codes: memory[int64(r)*pitch:][:pitch]}
	}
	var of planeReader
	strip := memory[int64(r/8)*pitch:][:pitch]
	take := func(n int64) []byte {
		part := strip[:n]
		strip = strip[n:]
		return part
	}
	codes := func(to *[]byte, bytes int64) {
		for range 2 {
			lane := 32 * bytes / p.cols
			plane := take(32 * lane)
			for t := range int64(4) {
				at := int64(r)%8*4 + t
				if lane <= 16 {
					*to = append(*to, plane[at*lane:][:lane]...)
				} else {
					*to = append(append(*to, plane[at*16:][:16]...), plane[512+at*16:][:16]...)
				}
			}
		}
	}
	scales := func(to *[]byte, bytes, times int64) {
		for range times {
			plane := take(8 * 256 / times * bytes / p.cols)
			*to = append(*to, plane[len(plane)/8*(r%8):][:len(plane)/8]...)
		}
	}
	for len(strip) > 0 {
		codes(&of.codes, p.codes)
		codes(&of.high, p.high)
		scales(&of.steps, p.steps, 2)
		scales(&of.halves, p.halves, 256/max(128, p.cols))
	}
	return of
}

// TestPackedValues: packed rows hold the values of the checkpoint's, to the
// rounding of two products, zeros beyond the last row and column, and nothing else.
func TestPackedValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, typ := range packed() {
		const rows = 11
		for _, cols := range []int64{768, 608} {
			m := randomMatrix(rng, typ, rows, cols/int64(typ.Block())*int64(typ.Block()))
			l, total := weightLayout(m, 0)
			memory := make([]byte, total)
			k := newPacker(m)
			for i := range total / l.args.pitch {
				k.pack(memory[i*l.args.pitch:][:l.args.pitch], i)
			}
			want := make([]float32, m.Cols)
			for r := range rows {
				p := planesOf(memory, typ, l.args.pitch, r)
				quant.Row(want, m, int64(r))
				for c, v := range want {
					got := p.value(l.kind, c)
					require.InDelta(t, v, got, math.Abs(float64(v))*0x1p-20+1e-5, "%v: row %d column %d", typ, r, c)
				}
				units := align(m.Cols, unit) * layouts[typ].codes / layouts[typ].cols
				require.Zero(t, bytes.Trim(p.codes[units:], "\x00"), "%v: beyond column %d", typ, m.Cols)
			}
			if layouts[typ].panels() {
				for r := rows; r < 16; r++ {
					p := planesOf(memory, typ, l.args.pitch, r)
					require.Zero(t, bytes.Trim(slices.Concat(p.codes, p.high, p.steps, p.halves), "\x00"), "%v: row %d", typ, r)
				}
			}
		}
	}
}

// TestWeightLayout: rows and strips are aligned and as large as they must be.
func TestWeightLayout(t *testing.T) {
	for _, typ := range packed() {
		for _, blocks := range []int64{1, 3, 1024} {
			m := &kernels.Matrix{Type: typ, Rows: 5, Cols: blocks * int64(typ.Block()), Scale: make([]float32, 2), ScaleRows: 4, ScaleCols: 1 << 20}
			l, total := weightLayout(m, 4096)
			a := l.args
			rows, _ := layouts[typ].strip()
			for _, v := range []int64{a.pitch, int64(a.scale)} {
				require.Zero(t, v%planeAlign, "%v of %d columns", typ, m.Cols)
			}
			weights := (5 + rows - 1) / rows * a.pitch
			require.Equal(t, addr(4096)+addr(weights), a.scale)
			require.Equal(t, weights+planeAlign, total)
			require.GreaterOrEqual(t, a.pitch, rows*typ.RowBytes(m.Cols))
			if blocks == 1024 && typ != kernels.NVFP4x16 {
				// Scales of 6 bits become 8, scales of 16 columns stay one byte.
				require.LessOrEqual(t, float64(a.pitch), 1.06*float64(rows*typ.RowBytes(m.Cols)), "%v grows", typ)
			}
		}
	}
}

// TestTable: a weight has the table of its matrix, or of its type, if that has one.
func TestTable(t *testing.T) {
	own := map[kernels.DType]codeTable{
		kernels.Q3_K:   {a: 0x7f7e7d7c, b: 0x83828180},
		kernels.IQ4_XS: {0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5}, // iq4 of weights.h
	}
	for _, typ := range packed() {
		l, _ := weightLayout(&kernels.Matrix{Type: typ, Rows: 1, Cols: 256}, 0)
		require.Equal(t, own[typ], l.table, typ)
	}
	for _, c := range []struct {
		typ   kernels.DType
		table []int8
		want  codeTable
		most  float32
	}{
		{kernels.Q3_K, []int8{-64, 63, 0, 1, -1, 2, -2, 43}, codeTable{a: 0x8180bf40, b: 0xab7e827f}, 64},
		{kernels.IQ4_XS, []int8{-12, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1}, codeTable{0x80818c74, 0x80808080, 0x80808080, 0x7f808080}, 12},
		{kernels.IQ4_XS, []int8{-128, 127, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1}, codeTable{0x8081ff00, 0x80808080, 0x80808080, 0x7f808080}, 128},
	} {
		l, _ := weightLayout(&kernels.Matrix{Type: c.typ, Rows: 1, Cols: 256, Table: c.table}, 0)
		require.Equal(t, layout{kind: c.typ, args: l.args, table: c.want, most: c.most}, l)
	}
}

func TestCheckMatrix(t *testing.T) {
	ok := func() *kernels.Matrix {
		return &kernels.Matrix{Type: kernels.Q8_0, Rows: 2, Cols: 64, Data: make([]byte, 2*68)}
	}
	require.NoError(t, checkMatrix(ok()))
	require.NoError(t, checkMatrix(&kernels.Matrix{Type: kernels.Q8_0, Rows: 16 * 65535, Cols: 64, Fill: func([]byte, int64) {}}))
	for name, change := range map[string]func(m *kernels.Matrix){
		"type":    func(m *kernels.Matrix) { m.Type = kernels.I32 },
		"no type": func(m *kernels.Matrix) { m.Type = 0 },
		"rows":    func(m *kernels.Matrix) { m.Rows = 0 },
		"blocks":  func(m *kernels.Matrix) { m.Cols = 63 },
		"data":    func(m *kernels.Matrix) { m.Data = m.Data[1:] },
		"width":   func(m *kernels.Matrix) { m.Cols, m.Data, m.Fill = maxDimension+32, nil, func([]byte, int64) {} },
		"height":  func(m *kernels.Matrix) { m.Rows, m.Data, m.Fill = 16*65535+1, nil, func([]byte, int64) {} },
		"height of floats": func(m *kernels.Matrix) {
			m.Type, m.Rows, m.Data, m.Fill = kernels.F32, maxDimension+1, nil, func([]byte, int64) {}
		},
		"group scales": func(m *kernels.Matrix) { m.GroupScale = []byte{1} },
		"scales":       func(m *kernels.Matrix) { m.Scale, m.ScaleRows, m.ScaleCols = []float32{1}, 1, 64 },
		"table":        func(m *kernels.Matrix) { m.Table = make([]int8, 16) },
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
			l, total := weightLayout(m, 0)
			memory, pitch := make([]byte, total), l.args.pitch
			b.SetBytes(int64(len(m.Data)))
			for b.Loop() {
				clear(memory)
				k := newPacker(m)
				for i := range total / pitch {
					k.pack(memory[i*pitch:][:pitch], i)
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
