//go:build linux

package cpu

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"trona/kernels"
)

// guards makes memory that ends where none is.
type guards struct{ *testing.T }

func (g guards) bytes(n int) unsafe.Pointer {
	page := unix.Getpagesize()
	size := (n + page - 1) / page * page
	m, err := unix.Mmap(-1, 0, size+page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(g, err)
	require.NoError(g, unix.Mprotect(m[size:], unix.PROT_NONE))
	g.Cleanup(func() { require.NoError(g, unix.Munmap(m)) })
	return unsafe.Pointer(&m[size-n])
}

func (g guards) floats(n int) *float32 { return (*float32)(g.bytes(4 * n)) }
func (g guards) codes(n int) *int16    { return (*int16)(g.bytes(2 * n)) }
func (g guards) blocks(n int) *block8  { return (*block8)(g.bytes(n * int(unsafe.Sizeof(block8{})))) }

// TestGuards: no loop touches what is behind its memory; prefetching does no harm.
func TestGuards(t *testing.T) {
	for _, v := range variants() {
		for typ, loops := range v.integers {
			if loops != nil {
				t.Run(v.name+"/"+kernels.DType(typ).String(), func(t *testing.T) { guards{t}.packed(&v, kernels.DType(typ), loops) })
			}
			if loops != nil && loops.table != nil {
				t.Run(v.name+"/table of "+kernels.DType(typ).String(), func(t *testing.T) { guards{t}.packed(&v, kernels.DType(typ), loops.table) })
			}
		}
		t.Run(v.name+"/logits", func(t *testing.T) {
			logits := guards{t}.floats(tokenGroup)
			v.survivors(logits, 0, 1, &prefilter{})
			v.above(logits, 0, 1, 1)
			v.mass(logits, tokenGroup, 0, 1)
		})
		t.Run(v.name+"/rows", func(t *testing.T) { guards{t}.rows(&v) })
		t.Run(v.name+"/floats", func(t *testing.T) { guards{t}.products(&v) })
		t.Run(v.name+"/attention", func(t *testing.T) { guards{t}.attention(&v) })
		t.Run(v.name+"/packing", func(t *testing.T) { guards{t}.packing(&v) })
		if v.halvesF8 != nil {
			t.Run(v.name+"/F8_E4M3", func(t *testing.T) { guards{t}.f8(&v) })
		}
		for _, typ := range v.bf16() {
			t.Run(v.name+"/pairs of "+typ.String(), func(t *testing.T) { guards{t}.pairs(&v, typ) })
		}
		if v.attention16 != nil {
			t.Run(v.name+"/I16", func(t *testing.T) { guards{t}.codes16(&v) })
		}
		if v.tiles != nil {
			t.Run(v.name+"/tiles", func(t *testing.T) { guards{t}.tiles(v.tiles) })
		}
	}
}

func (g guards) packed(v *variant, typ kernels.DType, loops *integer) {
	g.panels(v, typ, loops)
	p := packings[typ]
	for _, n := range []int{max(32, p.cols), 3 * max(32, p.cols)} {
		src, factors := g.bytes(n/p.cols*p.bytes), g.floats(lanes)
		panel := (*panel8)(g.bytes(int(unsafe.Sizeof(panel8{}))))
		loops.unpack(panel, src, min(n, chunk))
		for i := range loops.direct {
			tokens := 1 << i
			x, out := g.blocks(tokens*n/32), g.floats(tokens*lanes)
			if loops.direct[i] != nil {
				loops.direct[i](out, src, x, n)
			}
			if loops.scaled[i] != nil {
				loops.scaled[i](out, src, x, n, factors)
			}
		}
		if loops.beside != nil {
			loops.beside(g.floats(lanes), g.floats(lanes), src, g.bytes(n/p.cols*p.bytes), g.blocks(n/32), n)
		}
		for tokens := 8; tokens <= 12 && loops.many != nil; tokens += 4 {
			loops.many(g.floats(tokens*lanes), src, g.blocks(tokens*n/32), 4*n/32, tokens, n, panel, factors)
		}
	}
}

func (g guards) panels(v *variant, typ kernels.DType, loops *integer) {
	const n = chunk
	panels := (*[2]panel8)(g.bytes(2 * int(unsafe.Sizeof(panel8{}))))
	for _, tokens := range []int{1, 2, 4, 8} {
		width := min(4, tokens)
		x, out := g.blocks(tokens*n/32), g.floats(2*tokens*lanes)
		v.round8(blockAt(x, (tokens-width)*n/32+width-1), width, g.floats(n), n, typ, loops)
		loops.gemm((*float32)(unsafe.Add(unsafe.Pointer(out), 4*tokens*lanes)), &panels[1], x, width*n/32, tokens, n)
		if loops.gemm2 != nil && width == 4 {
			loops.gemm2(out, tokens*lanes, panels, x, width*n/32, tokens, n)
		}
	}
}

func (g guards) products(v *variant) {
	for typ, unpack := range v.unpack {
		if p := packings[typ]; unpack != nil {
			unpack(g.floats(p.cols*lanes), g.bytes(p.bytes), p.cols)
		}
	}
	const k, apart = 7, 20
	for n := 1; n <= 9; n++ {
		out, x, panel := g.floats((n-1)*apart+lanes), g.floats((n-1)*apart+k), 2*((k-1)*apart+lanes)
		v.gemm(out, apart, (*float32)(g.bytes(2*panel)), apart, x, apart, n, k)
		for _, gemm := range v.gemm16 {
			if gemm != nil {
				gemm(out, apart, g.bytes(panel), apart, x, apart, n, k, unsafe.Pointer(x))
			}
		}
		if v.gemmPairs != nil {
			v.gemmPairs(out, apart, g.bytes(4*((k/2-1)*apart+lanes)), apart, x, apart, n, k&^1, unsafe.Pointer(x))
		}
		for _, gemm := range v.wide16 {
			if gemm != nil {
				gemm(g.floats((n-1)*80+4*lanes), 80, g.bytes(2*((k-1)*80+4*lanes)), 80, x, apart, n, k, unsafe.Pointer(x))
			}
		}
		if v.keysI8 != nil {
			v.keysI8(out, apart, g.bytes(panel/2), apart, x, apart, n, k, unsafe.Pointer(x), g.floats(lanes))
			v.valuesI8(out, apart, g.bytes(panel/2), apart, x, apart, n, k, unsafe.Pointer(x), g.floats(k))
		}
	}
}

func (g guards) attention(v *variant) {
	const cols, block = 32, kernels.BlockSize
	for rows := 8; rows <= block; rows += 8 {
		all := (cols-1)*block + rows
		v.transpose(g.floats(all), g.floats(rows*cols), rows, cols)
		if v.transpose16 != nil {
			v.transpose16(g.bytes(2*all), g.bytes(2*rows*cols), rows, cols)
			v.transpose8(g.bytes(all), g.bytes(rows*cols), rows, cols)
		}
	}
	for n := 1; n <= 9; n++ {
		s, m := g.floats(n*block), g.floats(n)
		v.maxima(g.floats(n), m, s, n)
		v.expSum(g.floats(n), s, m, n)
	}
}

func (g guards) packing(v *variant) {
	const stride = 400
	for n := 1; n <= 9; n++ {
		words := (*word)(g.bytes(4 * lanes * n))
		v.gather(words, g.bytes((lanes-1)*stride+4*n), stride, n)
		v.columns16(g.bytes(4*lanes*n), words, n)
		v.columns8(g.bytes(4*lanes*n), words, n)
		for _, bits := range []int{1, 2, 4} {
			v.fields((*word)(g.bytes(4*lanes*n)), (*word)(g.bytes(4*lanes*n*8/bits)), n, bits, 8-bits)
		}
	}
}

func (g guards) rows(v *variant) {
	for n := 1; n <= 48; n++ {
		x, y, z, bytes := g.floats(n), g.floats(n), g.floats(n), g.bytes(n)
		v.add(x, y, n)
		v.sumSquares(x, n)
		v.times(z, x, y, 1, n)
		v.divide(z, x, 1, n)
		v.join(x, y, 1, 1, n)
		v.swiglu(z, x, y, n)
		for _, typ := range []kernels.DType{kernels.F16, kernels.BF16} {
			halves := g.bytes(2 * n)
			v.narrow[typ](halves, x, n)
			v.widen[typ](x, halves, n)
		}
		v.widenI8(x, bytes, y, 1, n)
		if n%2 == 0 {
			v.rotate(x, y, n, true)
			v.rotate(x, y, n, false)
		}
		v.scale(g.floats(n*lanes), g.floats(lanes), n)
		v.spread(g.floats(n*lanes), lanes, g.floats(n*lanes), n*lanes, 1, n)
		v.swigluSums(g.floats(n*lanes), lanes, g.floats(2*n*lanes), n*lanes, 1, n)
	}
}

func (g guards) f8(v *variant) {
	for n := 1; n <= 5; n++ {
		src := [2]unsafe.Pointer{g.bytes(n * lanes), g.bytes(n * lanes)}
		v.halvesF8((*uint16)(g.bytes(2*n*lanes)), src[0], n)
		for i, multiply := range []func(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int){v.matvec[kernels.F8E4M3], v.matvec2[kernels.F8E4M3]} {
			if tokens := i + 1; multiply != nil {
				multiply(g.floats(tokens*lanes), g.floats(tokens*lanes), src[0], src[1], g.floats(tokens*n), n)
			}
		}
	}
}

func (g guards) pairs(v *variant, typ kernels.DType) {
	p := packings[typ]
	for n := 2; n <= 10; n += 2 {
		src := g.bytes(n / p.cols * p.bytes)
		for i, multiply := range v.pairs.multiply[typ] {
			x, out := g.bytes(2*n<<i), g.floats(lanes<<i)
			multiply(out, src, (*uint16)(x), n)
		}
	}
}

func (g guards) codes16(v *variant) {
	const dim = 48
	loops, cache, scales := v.attention16, g.codes(kernels.BlockSize*dim), g.floats(kernels.BlockSize)
	for n := 1; n <= 13; n++ {
		queries, weights, s, sums, each := g.codes(n*dim), g.codes(n*kernels.BlockSize), g.floats(n*kernels.BlockSize), g.floats(n*dim), g.floats(n)
		v.round16(queries, each, g.floats(n*dim), n, dim, codesLength, codesMost)
		loops.scores(s, cache, queries, dim, scales, each, n, unsafe.Pointer(cache))
		v.maxima(each, g.floats(n), s, n)
		loops.weigh(weights, each, s, scales, n)
		loops.add(sums, dim, cache, weights, each, n, unsafe.Pointer(cache))
	}
}

func (g guards) tiles(loops *tiles) {
	const row = 2 * tileCols
	for steps := 1; steps <= 4; steps++ {
		n := steps * tileCols
		for tokens := 1; tokens <= 5; tokens++ {
			for groups := 2; groups <= 4; groups += 2 {
				sums := tileSums{g.floats(groups * tokens * lanes * lanes), 4 * tokens * lanes * lanes, 4 * lanes, 8 * lanes * lanes}
				loops.multiply(&tileProduct{
					from: sums, to: sums, x: (*uint16)(g.bytes(2 * tokens * steps * tileSize)), weights: (*uint16)(g.bytes(2 * groups * steps * tileSize)),
					tokens: tokens, groups: groups, steps: steps, xStride: 2 * steps * tileSize, weightsPair: 2 * steps * tileSize, weightsNext: 4 * steps * tileSize,
				})
			}
		}
		loops.round((*uint16)(g.bytes(2*(steps-1)*tileSize+row)), g.floats(n), steps)
		for typ, size := range map[kernels.DType]int{kernels.F32: 4, kernels.F16: 2} {
			loops.pair[typ]((*uint16)(g.bytes(2*n*lanes)), g.bytes(size*n*lanes), lanes, n)
			loops.pairRows[typ]((*uint16)(g.bytes(2*n*lanes)), g.bytes(size*n*lanes), n, n)
		}
	}
	for typ, unpack := range loops.unpack {
		if unpack != nil {
			p := packings[typ]
			n := max(tileCols, p.cols)
			src := g.bytes(n / p.cols * p.bytes)
			unpack((*uint16)(g.bytes(2*n*lanes)), src, src, n)
		}
	}
	for _, dim := range []int{tileCols, 4 * tileCols} {
		for blocks := 1; blocks <= 3; blocks++ {
			n := blocks * kernels.BlockSize
			for _, seen := range []int32{0, 1, int32(n)} {
				see := unsafe.Slice((*int32)(g.bytes(4*2*pairQueries)), 2*pairQueries)
				for i := range pairQueries {
					see[i], see[pairQueries+i] = seen, seen/2
				}
				p := (*tilesAttend)(g.bytes(int(unsafe.Sizeof(tilesAttend{}))))
				*p = tilesAttend{
					queries: (*uint16)(g.bytes(2 * pairQueries * dim)), keys: (*uint16)(g.bytes(2 * n * dim)), values: (*uint16)(g.bytes(2 * n * dim)),
					scores: g.floats(2 * pairQueries * kernels.BlockSize), m: g.floats(pairQueries), l: g.floats(pairQueries), acc: g.floats(pairQueries * dim),
					seen: &see[0], dim: dim, blocks: blocks, rows: g.floats(pairQueries * 2 * lanes),
				}
				loops.attend(p)
			}
		}
	}
}
