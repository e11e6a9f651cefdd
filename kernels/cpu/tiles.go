package cpu

import (
	"math"
	"unsafe"
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
	// tileDepth is the number of columns that two tiles of tokens have in the
	// first-level cache while they meet the weights of a piece.
	tileDepth = 512
	// tileTokens is the number of tokens for which weights are unpacked once.
	tileTokens = 512
	// tileGroups is the most groups of 16 rows in a piece: their weights of tileDepth
	// columns and their sums of tileTokens fit the second-level cache.
	tileGroups = 16
)

// tiles has the loops of products in tiles.
type tiles struct {
	// round writes blocks of 32 columns of a row of x to a row of each of as many
	// tiles: dst[block][0][k%32].
	round func(dst *uint16, x *float32, blocks int)
	// pair writes n columns, an even number, of a panel as tiles: dst[k/2][r][k%2]. Its
	// columns are stride apart.
	pair func(dst *uint16, panel *float32, stride, n int)
	// pairPacked does the same with packed BF16.
	pairPacked func(dst *uint16, src unsafe.Pointer, n int)
	// multiply does a tileProduct.
	multiply func(p *tileProduct)
	// softmax does a tilesSoftmax.
	softmax func(p *tilesSoftmax)
}

// tileProduct adds products of tiles of tokens with tiles of weights to sums:
//
//	sums[g][t][r] += Σ_k x[t/16][k/32][t%16][k%32] * weights[g][k/32][k%32/2][r][k%2]
//
// for t < 16*tokens, r < 16, k < 32*steps. Of an odd number of groups the last may
// be done twice, into the group of sums behind it. Assembly knows the fields by
// their places.
type tileProduct struct {
	sums       *float32
	x, weights *uint16
	tokens     int // tiles of tokens
	groups     int
	steps      int
	// Distances in bytes: of groups of sums, tiles of tokens, groups of weights.
	sumsStride, xStride, weightsStride int
	begin                              int // not 0: sums begin at 0
	sumsRow                            int // distance of the sums of tokens in bytes
}

// pointers returns the sums, tokens and weights of a group and a tile of tokens.
func (p *tileProduct) pointers(g, t int) (sums, x, weights unsafe.Pointer) {
	sums = unsafe.Add(unsafe.Pointer(p.sums), g*p.sumsStride+t*lanes*p.sumsRow)
	return sums, unsafe.Add(unsafe.Pointer(p.x), t*p.xStride), unsafe.Add(unsafe.Pointer(p.weights), g*p.weightsStride)
}

// genericTiles are the loops in plain Go.
func genericTiles() *tiles {
	return &tiles{roundTilesGeneric, pairTilesGeneric, pairPackedGeneric, multiplyTilesGeneric, softmaxTilesGeneric}
}

func roundTilesGeneric(dst *uint16, x *float32, blocks int) {
	for i, v := range unsafe.Slice(x, blocks*tileCols) {
		*halfAt(dst, i/tileCols*tileSize+i%tileCols) = toBF16(flush(v))
	}
}

func pairTilesGeneric(dst *uint16, panel *float32, stride, n int) {
	for i := range n * lanes {
		*halfAt(dst, pairOf(i)) = toBF16(flush(*floatAt(panel, i/lanes*stride+i%lanes)))
	}
}

func pairPackedGeneric(dst *uint16, src unsafe.Pointer, n int) {
	for i, v := range unsafe.Slice((*uint16)(src), n*lanes) {
		*halfAt(dst, pairOf(i)) = v
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
			at, x, weights := p.pointers(g, t)
			var sums [lanes][lanes]float32
			for i := range sums {
				if p.begin == 0 {
					sums[i] = *(*[lanes]float32)(unsafe.Add(at, i*p.sumsRow))
				}
			}
			for range p.steps {
				multiplyTile(&sums, (*[lanes][tileCols]uint16)(x), (*[tileCols / 2][lanes][2]uint16)(weights))
				x, weights = unsafe.Add(x, 2*tileSize), unsafe.Add(weights, 2*tileSize)
			}
			for i := range sums {
				*(*[lanes]float32)(unsafe.Add(at, i*p.sumsRow)) = sums[i]
			}
		}
	}
}

// multiplyTile is TDPBF16PS.
func multiplyTile(sums *[lanes][lanes]float32, x *[lanes][tileCols]uint16, weights *[tileCols / 2][lanes][2]uint16) {
	var column [tileCols][lanes]float64
	for k := range column {
		for r := range column[k] {
			column[k][r] = float64(flush(bf16(weights[k/2][r][k%2])))
		}
	}
	for t := range sums {
		var pair [2][lanes]float32
		for k, h := range x[t] {
			v, sum := float64(flush(bf16(h))), &pair[k%2]
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

// genericBF16 is genericInt8 with products in tiles: the oracle of the variants
// that have them.
func genericBF16() variant {
	v := genericInt8()
	v.name = "genericbf16-int8"
	v.tiles = genericTiles()
	return v
}
