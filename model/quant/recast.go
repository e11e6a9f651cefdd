package quant

import (
	"encoding/base64"
	"encoding/binary"
	"math/bits"

	"trona/kernels"
)

// Recast is a type of ggml that devices do not read. A block of its values turns into
// blocks of another type that have the very same values: with a table where it chooses its
// values from a grid, and with a factor for all of them.
type Recast struct {
	Name         string // "IQ3_S"
	Type         kernels.DType
	Block, bytes int64 // values and bytes of a block

	table  []int8
	factor float32
	block  func(dst, src []byte)
}

// Values of IQ2 are one of three magnitudes, with a sign; those of IQ1 -1, 0 or 1, and an
// eighth more or less; those of IQ3 have eight magnitudes. The highest bit of a code is the
// sign, or says less.
var (
	table2    = []int8{8, 25, 43, 0, -8, -25, -43, 0}
	table1    = []int8{-7, 1, 9, 0, -9, -1, 7, 0}
	table3XXS = []int8{4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62}
	table3S   = []int8{1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15}
)

// recasts are the types with ggml's names, whose layouts the functions state.
var recasts = []Recast{
	{"IQ1_S", kernels.Q3_K, 256, 50, table1, 1. / 8, recastIQ1_S},
	{"IQ1_M", kernels.Q3_K, 256, 56, table1, 1. / 8, recastIQ1_M},
	{"IQ2_XXS", kernels.Q3_K, 256, 66, table2, 1. / 8, recastIQ2_XXS},
	{"IQ2_XS", kernels.Q3_K, 256, 74, table2, 1. / 8, recastIQ2_XS},
	{"IQ2_S", kernels.Q3_K, 256, 82, table2, 1. / 8, recastIQ2_S},
	{"IQ3_XXS", kernels.IQ4_XS, 256, 98, table3XXS, 1. / 4, recastIQ3_XXS},
	{"IQ3_S", kernels.IQ4_XS, 256, 110, table3S, 1, recastIQ3_S},
	{"TQ1_0", kernels.Q2_K, 256, 54, nil, 1, recastTQ1_0},
	{"TQ2_0", kernels.Q2_K, 256, 66, nil, 1, recastTQ2_0},
	{"Q1_0", kernels.Q4_0, 128, 18, nil, 1, recastQ1_0},
	{"Q2_0", kernels.Q4_0, 64, 18, nil, 1, recastQ2_0},
}

// RecastOf returns the type with that name, nil where there is none.
func RecastOf(name string) *Recast {
	for i := range recasts {
		if recasts[i].Name == name {
			return &recasts[i]
		}
	}
	return nil
}

// RowBytes returns the bytes of n values, a multiple of Block.
func (x *Recast) RowBytes(n int64) int64 { return n / x.Block * x.bytes }

// Matrix makes of m, whose data is of this type, the same matrix in Type. Rows are made when
// they are asked for; without data it has none.
func (x *Recast) Matrix(m *kernels.Matrix) {
	m.Type, m.Table = x.Type, x.table
	m.Multiply(x.factor)
	if m.Data == nil {
		return
	}
	data, row := m.Data, x.RowBytes(m.Cols)
	m.Data, m.Fill = nil, func(dst []byte, first int64) { x.fill(dst, data[first*row:]) }
}

// fill makes as many blocks as dst has.
func (x *Recast) fill(dst, src []byte) {
	size := x.Type.RowBytes(x.Block)
	for len(dst) > 0 {
		x.block(dst[:size], src[:x.bytes])
		dst, src = dst[size:], src[x.bytes:]
	}
}

// points are the grids with a byte for each value, four or eight in a word.
type points struct{ xxs2, xs2, s2, xxs3, s3, s1 []uint64 }

var grids = points{
	xxs2: grid(grid2XXS, 2), xs2: grid(grid2XS, 2), s2: grid(grid2S, 2),
	xxs3: grid(grid3XXS, 3), s3: grid(grid3S, 3), s1: grid(grid1S, 2),
}

// grid reads points of values of some bits.
func grid(text string, width int) []uint64 {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic("quant: a grid: " + err.Error())
	}
	words := make([]uint64, len(data)/2)
	for i := range words {
		p := binary.LittleEndian.Uint16(data[2*i:])
		for v := range 16 / width {
			words[i] |= uint64(p>>(width*v)&(1<<width-1)) << (8 * v)
		}
	}
	return words
}

const ones = 0x0101010101010101

// eachByte gives each bit a byte of its own.
func eachByte(b byte) uint64 {
	const each = 0x8040201008040201
	return (uint64(b)*ones&each + 0x7f7f7f7f7f7f7f7f) >> 7 & ones
}

// even adds to 7 signs the eighth, which makes their number even.
func even(signs uint32) byte {
	return byte(signs&127) | byte(bits.OnesCount32(signs&127)&1)<<7
}

// withSigns2 gives eight codes of 2 bits their signs, withSigns3 those of 3 bits.
func withSigns2(codes uint64, signs byte) uint64 { return codes | eachByte(signs)<<2 }
func withSigns3(codes uint64, signs byte) uint64 { return codes | eachByte(signs)<<3 }

// odd is 2 s + 1: all of these types scale by such numbers.
func odd(s byte) byte { return 2*s + 1 }

// chosen is a block with a table: its scale, those of 16 values each, codes in bytes.
type chosen struct {
	d      uint16
	scales [16]byte
	codes  [32]uint64
}

// q3 writes it as a block Q3_K.
func (c *chosen) q3(b []byte) {
	clear(b)
	for at, w := range c.codes {
		group, i := at/4, at%4 // 32 columns, and which eight of them
		or64(b[8*i:], w>>2&ones<<group)
		or64(b[32+group/4*32+8*i:], w&(3*ones)<<(group%4*2))
	}
	for g, s := range c.scales {
		s += 32
		b[96+g%8] |= s & 15 << (g / 8 * 4)
		b[104+g%4] |= s >> 4 << (g / 4 * 2)
	}
	binary.LittleEndian.PutUint16(b[108:], c.d)
}

// iq4 writes it as a block IQ4_XS, where 32 values share a scale.
func (c *chosen) iq4(b []byte) {
	clear(b)
	binary.LittleEndian.PutUint16(b, c.d)
	high := uint16(0)
	for g := range 8 {
		s := c.scales[2*g] + 32
		high |= uint16(s>>4) << (2 * g)
		b[4+g/2] |= s & 15 << (g % 2 * 4)
		w := c.codes[4*g:][:4]
		binary.LittleEndian.PutUint64(b[8+16*g:], w[0]|w[2]<<4)
		binary.LittleEndian.PutUint64(b[16+16*g:], w[1]|w[3]<<4)
	}
	binary.LittleEndian.PutUint16(b[2:], high)
}

func or64(b []byte, v uint64) {
	binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)|v)
}

// recastIQ2_XXS reads 66 bytes: d F16; for each 32 values four numbers of points of eight,
// then 32 bits: 7 signs for each point, from the lowest bits up, and a scale.
// value = d (2 scale + 1) / 8 * magnitude (ggml block_iq2_xxs).
func recastIQ2_XXS(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.xxs2
	for g := range 8 {
		q := b[2+8*g:]
		w := binary.LittleEndian.Uint32(q[4:])
		for i := range 4 {
			c.codes[4*g+i] = withSigns2(grid[q[i]], even(w>>(7*i)))
		}
		c.scales[2*g] = odd(byte(w >> 28))
		c.scales[2*g+1] = c.scales[2*g]
	}
	c.q3(dst)
}

// recastIQ2_XS reads 74 bytes: d F16; 32 words of 16 bits: the number of a point, 9 bits,
// and 7 signs; 16 scales of 4 bits. Values as in IQ2_XXS (ggml block_iq2_xs).
func recastIQ2_XS(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.xs2
	for i := range c.codes {
		q := binary.LittleEndian.Uint16(b[2+2*i:])
		c.codes[i] = withSigns2(grid[q&511], even(uint32(q>>9)))
	}
	c.nibbles(b[66:])
	c.q3(dst)
}

// nibbles reads the scales of 16 values each.
func (c *chosen) nibbles(b []byte) {
	for g := range c.scales {
		c.scales[g] = odd(b[g/2] >> (g % 2 * 4) & 15)
	}
}

// recastIQ2_S reads 82 bytes: d F16; the low 8 bits of 32 numbers of points; 32 bytes of
// signs; the upper 2 bits, four to a byte; 16 scales of 4 bits. Values as in IQ2_XXS
// (ggml block_iq2_s).
func recastIQ2_S(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.s2
	for i := range c.codes {
		high := b[66+i/4] >> (i % 4 * 2) & 3
		c.codes[i] = withSigns2(grid[int(b[2+i])|int(high)<<8], b[34+i])
	}
	c.nibbles(b[74:])
	c.q3(dst)
}

// recastIQ3_XXS reads 98 bytes: d F16; 64 numbers of points of four; for each 32 values 32
// bits: 7 signs for each eight, and a scale. value = d (2 scale + 1) / 4 * magnitude (ggml
// block_iq3_xxs).
func recastIQ3_XXS(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.xxs3
	for g := range 8 {
		w := binary.LittleEndian.Uint32(b[66+4*g:])
		for i := range 4 {
			q := b[2+8*g+2*i:]
			c.codes[4*g+i] = withSigns3(grid[q[0]]|grid[q[1]]<<32, even(w>>(7*i)))
		}
		c.scales[2*g] = odd(byte(w >> 28))
	}
	c.iq4(dst)
}

// recastIQ3_S reads 110 bytes: d F16; the low 8 bits of 64 numbers of points of four; the
// ninth, eight to a byte; 32 bytes of signs; 8 scales of 4 bits.
// value = d (2 scale + 1) * magnitude (ggml block_iq3_s).
func recastIQ3_S(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.s3
	point := func(i int) uint64 { return grid[int(b[2+i])|int(b[66+i/8]>>(i%8)&1)<<8] }
	for i := range c.codes {
		c.codes[i] = withSigns3(point(2*i)|point(2*i+1)<<32, b[74+i])
	}
	for g := range 8 {
		c.scales[2*g] = odd(b[106+g/2] >> (g % 2 * 4) & 15)
	}
	c.iq4(dst)
}

// recastIQ1_S reads 50 bytes: d F16; the low 8 bits of 32 numbers of points of eight; for
// each 32 values 16 bits: the upper 3 bits of four numbers, a scale of 3 bits, and whether
// values are an eighth less, not more. value = d (2 scale + 1) (point +- 1/8) (ggml
// block_iq1_s).
func recastIQ1_S(dst, b []byte) {
	c, grid := chosen{d: binary.LittleEndian.Uint16(b)}, grids.s1
	for g := range 8 {
		high := binary.LittleEndian.Uint16(b[34+2*g:])
		less := uint64(high>>15) * ones << 2
		for i := range 4 {
			c.codes[4*g+i] = grid[int(b[2+4*g+i])|int(high>>(3*i)&7)<<8] | less
		}
		c.scales[2*g] = odd(byte(high >> 12 & 7))
		c.scales[2*g+1] = c.scales[2*g]
	}
	c.q3(dst)
}

// recastIQ1_M reads 56 bytes: the low 8 bits of 32 numbers of points of eight; for each a
// nibble: their upper 3 bits, and whether values are an eighth less; four words of 16 bits
// with four scales of 3 bits, and in their highest nibbles d F16, the lowest first. Values
// as in IQ1_S (ggml block_iq1_m).
func recastIQ1_M(dst, b []byte) {
	c, grid := chosen{}, grids.s1
	for i := range c.codes {
		high := b[32+i/2] >> (i % 2 * 4)
		c.codes[i] = grid[int(b[i])|int(high&7)<<8] | uint64(high>>3&1)*ones<<2
	}
	for i := range 4 {
		w := binary.LittleEndian.Uint16(b[48+2*i:])
		c.d |= w >> 12 << (4 * i)
		for g := range 4 {
			c.scales[4*i+g] = odd(byte(w >> (3 * g) & 7))
		}
	}
	c.q3(dst)
}

// recastTQ2_0 reads 66 bytes: codes as in Q2_K, d F16. value = d (code - 1) (ggml
// block_tq2_0).
func recastTQ2_0(dst, b []byte) {
	for i := range 16 {
		dst[i] = 0x11
	}
	copy(dst[16:], b[:64])
	copy(dst[80:], b[64:])
	copy(dst[82:], b[64:])
}

// recastTQ1_0 reads 54 bytes: 32 bytes for the first 160 values, 16 for the next 80, 4 for
// the last 16; d F16. Byte i of n has values i, n+i and so on: a byte is a fraction of 256,
// and its first digit to base 3 the first of them. value = d (digit - 1) (ggml block_tq1_0).
func recastTQ1_0(dst, b []byte) {
	var codes [66]byte
	first := 0
	for _, part := range [][]byte{b[:32], b[32:48], b[48:52]} {
		for at := first; at < min(256, first+5*len(part)); at++ {
			digits := part[(at-first)%len(part)]
			for range (at - first) / len(part) {
				digits *= 3
			}
			codes[at/128*32+at%32] |= byte(uint16(digits)*3>>8) << (at % 128 / 32 * 2)
		}
		first += 5 * len(part)
	}
	copy(codes[64:], b[52:])
	recastTQ2_0(dst, codes[:])
}

// recastQ1_0 reads 18 bytes: d F16; 128 codes of a bit, from the lowest up.
// value = d (2 code - 1) (ggml block_q1_0).
func recastQ1_0(dst, b []byte) {
	for g := range 4 {
		blockQ4_0(dst[18*g:], b[:2], func(i int) byte { return 7 + b[2+4*g+i/8]>>(i%8)&1*2 })
	}
}

// recastQ2_0 reads 18 bytes: d F16; 64 codes of 2 bits, from the lowest up.
// value = d (code - 1) (ggml block_q2_0).
func recastQ2_0(dst, b []byte) {
	for g := range 2 {
		blockQ4_0(dst[18*g:], b[:2], func(i int) byte { return 7 + b[2+8*g+i/4]>>(i%4*2)&3 })
	}
}

// blockQ4_0 writes one.
func blockQ4_0(b, d []byte, code func(i int) byte) {
	copy(b, d)
	for i := range 16 {
		b[2+i] = code(i) | code(16+i)<<4
	}
}
