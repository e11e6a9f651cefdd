package cpu

import (
	"math"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// # Products in tiles
//
// Where a variant has tile loops, rows that prefill get arithmetic of their own:
// both factors are rounded to BF16, the weight after it was unpacked, and tiles of
// 16 rows and 32 columns are multiplied by 32 columns of 16 rows. The columns of a
// tile make two sums, of even and of odd columns, each a chain of multiply-adds
// that begins at 0; the two are added, then added to the sum of the tiles before.
// Numbers below the smallest normal one count as zeros. This is TDPBF16PS (Intel
// 64 and IA-32 Architectures Software Developer's Manual, volume 2), whose bits do
// not depend on what else is in a tile.
const (
	tileCols = 32               // columns of a tile
	tileSize = lanes * tileCols // elements of a tile
	// tileDepth is the number of columns for which two tiles of tokens stay in the
	// first-level cache, of 48 KiB, while they are multiplied with the weights of a piece,
	// which bypass it: 32 KiB, and 8 of sums, which are loaded and stored once for that many
	// columns.
	tileDepth = 2 * chunk
	// tileTokens is the number of tokens for which weights are unpacked once.
	tileTokens = 512
	// tileGroups is the most groups of 16 rows in a piece. Beyond leastGroups it has only what
	// tileBytes of a second-level cache of 2 MiB hold: sums of 16 groups and 512 tokens take 512
	// KiB, tiles 256, and what comes next of BF16 as much. The input passes through, once for each
	// piece.
	tileGroups  = 32
	leastGroups = 16
	tileBytes   = 920 << 10
)

// tiles has the loops of products in tiles.
type tiles struct {
	// round writes blocks of 32 columns of a row of x to a row of each of as many
	// tiles: dst[block][0][k%32].
	round func(dst *uint16, x *float32, blocks int)
	// pair writes n columns, an even number, of a panel of F32 or F16 as tiles:
	// dst[k/2][r][k%2]. Its columns are stride numbers apart.
	pair [kernels.F16 + 1]pairLoop
	// pairRows writes n columns, a multiple of 32, of 16 rows that are stride numbers
	// apart: dst[k/2][r][k%2].
	pairRows [kernels.F16 + 1]pairLoop
	// unpack does the same with n packed columns, a multiple of 32, and prefetches as many
	// at ahead; nil: variant.unpack, then pair.
	unpack [numTypes]func(dst *uint16, src, ahead unsafe.Pointer, n int)
	// multiply does a tileProduct.
	multiply func(p *tileProduct)
	// attend does a tilesAttend.
	attend func(p *tilesAttend)
}

type pairLoop func(dst *uint16, src unsafe.Pointer, stride, n int)

// tileProduct adds products of tiles of tokens with tiles of weights to sums:
//
//	to[g][t][r] = from[g][t][r] + Σ_k x[t/16][k/32][t%16][k%32] * weights[g][k/32][k%32/2][r][k%2]
//
// for t < 16*tokens, r < 16, k < 32*steps. Of an odd number of groups the last may
// be done twice, into the group of sums behind it. Assembly knows the fields by
// their places.
type tileProduct struct {
	from, to   tileSums
	x, weights *uint16
	// ahead is memory that will be read next: each step of two tiles of tokens and two
	// groups prefetches a line there and one aheadPair bytes behind, then goes aheadStep
	// bytes on. That of the next two groups is aheadNext bytes behind, and that of the
	// next tiles of tokens where steps before have ended.
	ahead                uintptr
	tokens               int // tiles of tokens
	groups               int
	steps                int
	xStride, weightsPair int // distances of tiles of tokens and of two groups in bytes
	aheadPair, aheadNext int
	aheadStep            int
	begin                int // not 0: from is 0
	aheadLines           int // lines that each step of one tile of tokens prefetches there
	weightsNext          int // distance of two groups and the next two in bytes
}

// tileSums are sums of groups and tokens: distances in bytes of groups, of tokens and of two
// tiles of tokens.
type tileSums struct {
	at                *float32
	stride, row, pair int
}

// place returns how far the sums of a group and a tile of tokens are behind the first ones.
func (s *tileSums) place(g, t int) int { return g*s.stride + t/2*s.pair + t%2*lanes*s.row }

// tile returns the sums of a group and a tile of tokens.
func (s *tileSums) tile(g, t int) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(s.at), s.place(g, t))
}

// genericTiles are the loops in plain Go.
func genericTiles() *tiles {
	return &tiles{
		round: roundTilesGeneric, multiply: multiplyTilesGeneric, attend: attendTilesGeneric,
		pair:     [kernels.F16 + 1]pairLoop{kernels.F32: pairF32Generic, kernels.F16: pairF16Generic},
		pairRows: [kernels.F16 + 1]pairLoop{kernels.F32: pairRowsF32Generic, kernels.F16: pairRowsF16Generic},
	}
}

func roundTilesGeneric(dst *uint16, x *float32, blocks int) {
	for i, v := range unsafe.Slice(x, blocks*tileCols) {
		*halfAt(dst, i/tileCols*tileSize+i%tileCols) = minifloat.ToBF16(flush(v))
	}
}

func pairF32Generic(dst *uint16, panel unsafe.Pointer, stride, n int) {
	for i := range n * lanes {
		*halfAt(dst, pairOf(i)) = minifloat.ToBF16(flush(*floatAt((*float32)(panel), i/lanes*stride+i%lanes)))
	}
}

func pairF16Generic(dst *uint16, panel unsafe.Pointer, stride, n int) {
	for i := range n * lanes {
		*halfAt(dst, pairOf(i)) = minifloat.ToBF16(minifloat.F16(*halfAt((*uint16)(panel), i/lanes*stride+i%lanes)))
	}
}

func pairRowsF32Generic(dst *uint16, rows unsafe.Pointer, stride, n int) {
	for i := range n * lanes {
		*halfAt(dst, pairOf(i)) = minifloat.ToBF16(flush(*floatAt((*float32)(rows), i%lanes*stride+i/lanes)))
	}
}

func pairRowsF16Generic(dst *uint16, rows unsafe.Pointer, stride, n int) {
	for i := range n * lanes {
		*halfAt(dst, pairOf(i)) = minifloat.ToBF16(minifloat.F16(*halfAt((*uint16)(rows), i%lanes*stride+i/lanes)))
	}
}

// pairOf returns where element i of a panel is in tiles.
func pairOf(i int) int {
	k, r := i/lanes, i%lanes
	return k/2*2*lanes + 2*r + k%2
}

// halfAt returns the i-th half from p on.
func halfAt(p *uint16, i int) *uint16 { return (*uint16)(unsafe.Add(unsafe.Pointer(p), 2*i)) }

func multiplyTilesGeneric(p *tileProduct) {
	for g := range p.groups {
		for t := range p.tokens {
			x, weights := unsafe.Add(unsafe.Pointer(p.x), t*p.xStride), unsafe.Add(unsafe.Pointer(p.weights), g%2*p.weightsPair+g/2*p.weightsNext)
			var sums [lanes][lanes]float32
			for i := range sums {
				if p.begin == 0 {
					sums[i] = *(*[lanes]float32)(unsafe.Add(p.from.tile(g, t), i*p.from.row))
				}
			}
			for range p.steps {
				multiplyTile(&sums, (*[lanes][tileCols]uint16)(x), (*[tileCols / 2][lanes][2]uint16)(weights))
				x, weights = unsafe.Add(x, 2*tileSize), unsafe.Add(weights, 2*tileSize)
			}
			for i := range sums {
				*(*[lanes]float32)(unsafe.Add(p.to.tile(g, t), i*p.to.row)) = sums[i]
			}
		}
	}
}

// multiplyTile is TDPBF16PS.
func multiplyTile(sums *[lanes][lanes]float32, x *[lanes][tileCols]uint16, weights *[tileCols / 2][lanes][2]uint16) {
	var column [tileCols][lanes]float64
	for k := range column {
		for r := range column[k] {
			column[k][r] = float64(flush(minifloat.BF16(weights[k/2][r][k%2])))
		}
	}
	for t := range sums {
		var pair [2][lanes]float32
		for k, h := range x[t] {
			v, sum := float64(flush(minifloat.BF16(h))), &pair[k%2]
			for r, w := range column[k] {
				p, z := v*w, float64(sum[r])
				s := float64(p + z)
				next := float32(s)
				if s-p != z || s-z != p { // the sum is not exact: it was rounded twice
					next = roundSum(p, sum[r])
				}
				sum[r] = flush(next)
			}
		}
		for r, sum := range sums[t] {
			sums[t][r] = flush(flush(sum) + flush(pair[0][r]+pair[1][r]))
		}
	}
}

// flush makes a zero of what is below the smallest normal number.
func flush(v float32) float32 {
	if b := math.Float32bits(v); b&0x7f800000 == 0 {
		return math.Float32frombits(b & 0x80000000)
	}
	return v
}

// genericBF16 is genericInt8 with products in tiles, and of super-blocks: the oracle of the
// variants that have them.
func genericBF16() variant {
	v := genericInt8()
	v.name = "genericbf16-int8"
	v.tiles = genericTiles()
	for t := range superCodings {
		if superCodings[t].parts != nil {
			v.integers[t] = superGeneric(kernels.DType(t))
		}
	}
	return v
}
