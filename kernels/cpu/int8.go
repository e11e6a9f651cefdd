package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
)

// # Products in 8 bits
//
// Where a variant has integer loops for a type, a product rounds its input to
// 8 bits. Every 32 columns of a row have a scale of their own, amax/127, and
// codes to nearest even. For each group of columns that share a scale of the
// weight (32, or 16) the products of codes add up to an exact integer, and the
// groups follow one another in ascending order:
//
//	out = fma(float(Σ code·code), scale·scale, out)
//	out = fma(-min, Σ value of x, out)      where the weight has mins
//
// begun at 0; the values of x are those of the group's columns. The integers make it
// free in which order the columns of a group are taken, so one token and many, plain Go
// and assembly give the same bits. superblock.go has another arithmetic for blocks of 256.

// block8 is 32 columns of a row in 8 bits. Those of super-blocks with mins have other numbers
// beside their codes: roundSuper.
type block8 struct {
	code  [32]int8
	scale float32
	sum   float32 // scale * Σ code
	// bias makes up for codes of a weight that assembly stores with an offset
	// (integer.offset) to have no sign, or to keep sums small: -offset times the
	// sum of x's codes, for columns 0 and 1 of four, and for 2 and 3. With groups
	// of 16 there is one for each half, which is one number where the offset is
	// negative. With groups of 32 the first is for all 32 columns, and the second,
	// one number, is the sum of its words. For halfSums these are two floats
	// instead, scale * Σ code of each half.
	bias [2][2]int16
}

// panel8 is a chunk of a group of 16 rows as codes of 8 bits.
type panel8 struct {
	code  [chunk / 4][lanes][4]uint8 // plain Go: signed; assembly: with offset
	scale [chunk / 16][lanes]float32 // of each 16 or 32 columns; superblock.go has others
	min   [chunk / 16][lanes]float32
}

// integer is a type's integer loops.
type integer struct {
	super bool // the arithmetic is that of superblock.go
	// offset is what is added to the codes of a panel to make them unsigned, negative where
	// the biases of 16 columns are wanted as one number; or halfSums.
	offset int16
	// unpack fills a panel with n columns, a multiple of the packed block's.
	unpack func(p *panel8, src unsafe.Pointer, n int)
	// gemm continues sums: out[t][r] for t < tokens, r < 16, over n columns. Tokens
	// are tiles of four, stride blocks apart, or one tile of one or two.
	gemm func(out *float32, p *panel8, x *block8, stride, tokens, n int)
	// gemm2 is gemm for tiles of four and two panels, the second with sums `each`
	// floats behind; nil: gemm, twice.
	gemm2 func(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
	// direct does the same for a tile of one, two or four tokens straight from a
	// packed group of rows. It pays up to that many tokens.
	direct       [3]direct
	directTokens int64
	// beside is direct for one token and two groups, a line of each in turns: out0[r] += ...,
	// out1[r] += .... nil: one after the other.
	beside func(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
	// many is direct, or scaled, for two tiles of four tokens or more, stride blocks
	// apart; p is scratch. nil: one after the other.
	many func(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
	// scaled is direct where rows have scales beside the tensor, too: factors.
	scaled [3]scaled
	// table has the loops for weights whose codes have values of their own; they round x as
	// these do. nil: these.
	table *integer
}

type (
	direct func(out *float32, src unsafe.Pointer, x *block8, n int)
	scaled func(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
)

// tileOf returns the first token and the width of the tile that token t of n is
// in: tiles of four, then one of two or one; three tokens get a tile of four, whose
// last is of no use. A tile's blocks stand together, those of its tokens side by
// side: for each 32 columns one block of each token.
func tileOf(t, n int64) (first, width int64) {
	if first = t &^ 3; n-first >= 3 {
		return first, 4
	}
	return first, n - first
}

// padded returns the number of tokens in the tiles of n.
func padded(n int64) int64 { return n + n>>1&n&1 }

// smallest is the least amax that rounds to codes: what is smaller counts as
// zeros of that size, so that 127/amax is finite.
const smallest = 0x1p-100

// quantizeGeneric is variant.quantize. A block with a NaN or an infinity gets a
// NaN for its scale, so that it is not lost.
func quantizeGeneric(dst *block8, step int, x *float32, n, group int, offset int16) {
	all := unsafe.Slice(x, n)
	for i := range n / 32 {
		b := blockAt(dst, i*step)
		b.round(all[32*i:][:32])
		b.count(group, offset)
	}
}

// blockAt returns the i-th block from b on.
func blockAt(b *block8, i int) *block8 {
	return (*block8)(unsafe.Add(unsafe.Pointer(b), i*int(unsafe.Sizeof(*b))))
}

// round sets scale and codes.
func (b *block8) round(x []float32) {
	amax := float32(smallest)
	for _, v := range x {
		if v != v || math.IsInf(float64(v), 0) {
			*b = block8{scale: float32(math.NaN())}
			return
		}
		amax = max(amax, v, -v)
	}
	b.scale = amax / 127
	inverse := 127 / amax
	for k, v := range x {
		b.code[k] = int8(math.RoundToEven(float64(v * inverse)))
	}
}

// halfSums stands for no offset where assembly multiplies mins of 16 columns.
const halfSums = math.MinInt16

// count sets sum and bias.
func (b *block8) count(group int, offset int16) {
	if offset == halfSums {
		for h := range b.bias {
			b.bias[h] = number(int32(math.Float32bits(b.sumOf(16*h, 16))))
		}
		b.sum = b.sumOf(0, 32)
		return
	}
	b.sum = b.sumOf(0, 32)
	b.bias = [2][2]int16{}
	if offset < 0 {
		for h := range b.bias {
			b.bias[h] = number(int32(offset) * b.sumOfCodes(16*h, 16))
		}
		return
	}
	for k, c := range b.code {
		b.bias[k/group][k%4/2] -= offset * int16(c)
	}
	if group == 32 {
		b.bias[1] = number(-int32(offset) * b.sumOfCodes(0, 32))
	}
}

// number returns n as two words.
func number(n int32) [2]int16 { return [2]int16{int16(n), int16(n >> 16)} }

// sumOf returns the sum of the values of columns [from, from+n).
func (b *block8) sumOf(from, n int) float32 { return b.scale * float32(b.sumOfCodes(from, n)) }

func (b *block8) sumOfCodes(from, n int) (sum int32) {
	for _, c := range b.code[from : from+n] {
		sum += int32(c)
	}
	return sum
}

// integerGeneric returns the plain loops of a type with a coding.
func integerGeneric(t kernels.DType) *integer {
	return &integer{
		unpack: func(p *panel8, src unsafe.Pointer, n int) { unpack8Generic(p, t, src, n) },
		gemm: func(out *float32, p *panel8, x *block8, stride, tokens, n int) {
			gemm8Generic(out, p, &codings[t], x, stride, tokens, n)
		},
	}
}

// unpack8Generic is integer.unpack.
func unpack8Generic(p *panel8, t kernels.DType, src unsafe.Pointer, n int) {
	c := &codings[t]
	eachGroup(t, src, n, func(block []byte, from, at, r int) {
		p.scale[from/c.group][r] = c.scale(block, at/c.group, r)
		if c.min != nil {
			p.min[from/c.group][r] = c.min(block, at/c.group, r)
		}
		for k := range c.group {
			p.code[(from+k)/4][r][k%4] = uint8(c.code(block, at+k, r))
		}
	})
}

// gemm8Generic is integer.gemm.
func gemm8Generic(out *float32, p *panel8, c *coding, x *block8, stride, tokens, n int) {
	width := min(4, tokens)
	for t := range tokens {
		sums := (*[lanes]float32)(unsafe.Add(unsafe.Pointer(out), 4*lanes*t))
		first := blockAt(x, t/4*stride+t%4)
		for from := 0; from < n; from += c.group {
			b, g := blockAt(first, from/32*width), from/c.group
			sum := b.sumOf(from%32, c.group)
			for r := range sums {
				products := int32(0)
				for k := from; k < from+c.group; k++ {
					products += int32(int8(p.code[k/4][r][k%4])) * int32(b.code[k%32])
				}
				sums[r] = fma(float32(products), p.scale[g][r]*b.scale, sums[r])
				if c.min != nil {
					sums[r] = fma(-p.min[g][r], sum, sums[r])
				}
			}
		}
	}
}

// fma is x*y + z, rounded once. In float64 the product is exact; rounding the
// sum to odd keeps what the rounding to float32 has to know (Boldo and
// Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
func fma(x, y, z float32) float32 { return roundSum(float64(x)*float64(y), z) }

// roundSum is p + z, rounded once.
func roundSum(p float64, z float32) float32 {
	s := p + float64(z)
	t := s - p
	lost := (p - (s - t)) + (float64(z) - t)
	if bits := math.Float64bits(s); lost != 0 && bits&1 == 0 {
		if (lost > 0) == (s > 0) {
			s = math.Float64frombits(bits + 1)
		} else {
			s = math.Float64frombits(bits - 1)
		}
	}
	return float32(s)
}
