package cpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// normals returns n numbers of which some are zeros, some large and some too small
// to be normal ones in BF16.
func normals(rng *rand.Rand, n int) []float32 {
	x := alignedFloats(n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
		switch rng.IntN(40) {
		case 0:
			x[i] = 0
		case 1:
			x[i] *= 1e18
		case 2:
			x[i] *= 1e-39
		}
	}
	return x
}

// withTiles returns the variants of this machine that have tile loops besides the
// plain ones; a test that finds none is skipped.
func withTiles(t *testing.T) []variant {
	all := slices.DeleteFunc(variants(), func(v variant) bool { return v.tiles == nil || v.name == "genericbf16-int8" })
	if len(all) == 0 {
		t.Skip("this processor has no tiles of BF16, or the system does not permit them")
	}
	return all
}

// TestTilesRound: inputs and weights become the tiles of the plain Go.
func TestTilesRound(t *testing.T) {
	const blocks = 5
	rng := rand.New(rand.NewPCG(6, 0))
	x, plain := normals(rng, blocks*tileCols*lanes), genericTiles()
	for _, v := range withTiles(t) {
		want, got := alignedHalves(blocks*tileSize), alignedHalves(blocks*tileSize)
		plain.round(&want[3*tileCols], &x[0], blocks)
		v.tiles.round(&got[3*tileCols], &x[0], blocks)
		require.Equal(t, want, got, v.name)
		for _, typ := range []kernels.DType{kernels.F32, kernels.F16} {
			src := unsafe.Pointer(&x[0]) // any bits are halves
			for _, stride := range []int{lanes, 2 * lanes} {
				n := blocks * tileCols * lanes / stride
				plain.pair[typ](&want[0], src, stride, n)
				v.tiles.pair[typ](&got[0], src, stride, n)
				require.Equal(t, want, got, "%s: columns of %v", v.name, typ)
			}
			plain.pairRows[typ](&want[0], src, blocks*tileCols, blocks*tileCols)
			v.tiles.pairRows[typ](&got[0], src, blocks*tileCols, blocks*tileCols)
			require.Equal(t, want, got, "%s: rows of %v", v.name, typ)
		}
	}
}

// TestTilesUnpack: packed columns become the tiles of the plain Go.
func TestTilesUnpack(t *testing.T) {
	plain := generic()
	for _, v := range withTiles(t) {
		for typ, unpack := range v.tiles.unpack {
			if unpack == nil {
				continue
			}
			p := packings[typ]
			for _, n := range []int{max(tileCols, p.cols), 256} {
				rng := rand.New(rand.NewPCG(uint64(n), uint64(typ)))
				src := randomPacked(rng, kernels.DType(typ), n, randomTable(rng, kernels.DType(typ)))
				panel, want, got := alignedFloats(n*lanes), alignedHalves(int64(n*lanes)), alignedHalves(int64(n*lanes))
				plain.unpack[typ](&panel[0], unsafe.Pointer(&src[0]), n)
				pairF32Generic(&want[0], unsafe.Pointer(&panel[0]), lanes, n)
				unpack(&got[0], unsafe.Pointer(&src[0]), unsafe.Pointer(&src[0]), n)
				for i := range want {
					require.Equal(t, want[i], minifloat.ToBF16(flush(minifloat.BF16(got[i]))), "%s: %v, half %d of %d columns", v.name, kernels.DType(typ), i, n)
				}
			}
		}
	}
}

// TestTilesGeneric: the plain loops compute products of rounded numbers.
func TestTilesGeneric(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 0))
	x, panel := normals(rng, lanes*tileCols), normals(rng, lanes*tileCols)
	in, weights, sums := alignedHalves(tileSize), alignedHalves(tileSize), alignedFloats(lanes*lanes)
	for r := range lanes {
		roundTilesGeneric(&in[r*tileCols], &x[r*tileCols], 1)
	}
	pairF32Generic(&weights[0], unsafe.Pointer(&panel[0]), lanes, tileCols)
	p := tileProduct{
		to: tileSums{at: &sums[0], row: 4 * lanes}, x: &in[0], weights: &weights[0], tokens: 1, groups: 1, steps: 1, begin: 1,
	}
	multiplyTilesGeneric(&p)
	for i, got := range sums {
		want, size := 0.0, 0.0
		for k := range tileCols {
			product := float64(RoundPair(flush(x[i/lanes*tileCols+k]))) * float64(RoundPair(flush(panel[k*lanes+i%lanes])))
			want += product
			size += max(product, -product)
		}
		require.InDelta(t, want, got, size*1e-6, "token %d, row %d", i/lanes, i%lanes)
	}
}

// TestTiles: every instruction set has the bits of the plain Go, for any number of
// tiles and of steps, and does not write beside its sums.
func TestTiles(t *testing.T) {
	for steps := 1; steps <= 5; steps++ {
		testTiles(t, steps)
	}
}

func testTiles(t *testing.T, steps int) {
	const tokens, groups = 5, 4
	rng := rand.New(rand.NewPCG(8, 0))
	x, weights := alignedHalves(int64(tokens*steps*tileSize)), alignedHalves(int64(groups*(steps+1)*tileSize))
	for _, f := range []struct {
		halves []uint16
		apart  int // of rows
	}{{x, tileCols}, {weights, 2}} {
		for i, v := range normals(rng, len(f.halves)) {
			// Some are too small, and some have products near the smallest normal number.
			f.halves[i] = minifloat.ToBF16(v * [4]float32{1, 1, 1e-39, 1e-19}[i/f.apart%4])
		}
	}
	for _, v := range withTiles(t) {
		for n := 1; n <= tokens; n++ {
			for g := 1; g <= groups; g++ {
				for begin := range 2 {
					const group = (tokens + 1) * lanes * lanes
					before := normals(rng, (groups+1)*group)
					lines := normals(rng, 64*groups*2) // read ahead
					p := tileProduct{
						from: tileSums{&before[0], 4 * group, 4 * lanes, 8 * lanes * lanes}, x: &x[0], weights: &weights[0], tokens: n, groups: g, steps: steps,
						begin: begin, xStride: 2 * steps * tileSize, weightsPair: groups * (steps + 1) * tileSize, weightsNext: 2 * (steps + 1) * tileSize,
						ahead: uintptr(unsafe.Pointer(&lines[0])), aheadPair: 64, aheadNext: 128, aheadStep: 64 * (n % 3) / steps,
					}
					want, got := alignedFloats(2*len(before)), alignedFloats(2*len(before))
					p.to = tileSums{&want[0], 8 * group, 8 * lanes, 16 * lanes * lanes} // every second row
					multiplyTilesGeneric(&p)
					p.to.at = &got[0]
					v.tiles.multiply(&p)
					unused := 2 * g * group // a group may be done twice
					clear(want[unused:][:2*group*(g%2)])
					clear(got[unused:][:2*group*(g%2)])
					same(t, want, got, "%s: %d steps, %d tiles of tokens, %d groups, begin %d", v.name, steps, n, g, begin)
				}
			}
		}
	}
}

// TestTilesInPlace: sums may be added to where they are.
func TestTilesInPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 0))
	x, weights := alignedHalves(2*tileSize), alignedHalves(2*tileSize)
	for _, s := range [][]uint16{x, weights} {
		for i, v := range normals(rng, len(s)) {
			s[i] = minifloat.ToBF16(v)
		}
	}
	for _, v := range withTiles(t) {
		want := normals(rng, 4*lanes*lanes)
		got := slices.Clone(want)
		p := tileProduct{x: &x[0], weights: &weights[0], tokens: 2, groups: 2, steps: 1, xStride: 2 * tileSize, weightsPair: 2 * tileSize, weightsNext: 4 * tileSize}
		for _, s := range []struct {
			sums     []float32
			multiply func(*tileProduct)
		}{{want, multiplyTilesGeneric}, {got, v.tiles.multiply}} {
			p.from = tileSums{at: &s.sums[0], stride: 4 * lanes, row: 8 * lanes}
			p.to = p.from
			s.multiply(&p)
		}
		same(t, want, got, "%s", v.name)
	}
}

// TestTilesProduct: every instruction set has the bits of the plain Go in any number
// of tokens, which whole tiles write to the output and others do not.
func TestTilesProduct(t *testing.T) {
	const rows, cols, most = 80, tileDepth + 64, 35
	rng := rand.New(rand.NewPCG(12, 0))
	src := randomBlocks(rng, rows*int(kernels.Q8_0.RowBytes(cols)))
	x, want := normals(rng, most*cols), []float32(nil)
	for _, v := range variants() {
		if v.tiles == nil {
			continue
		}
		dev, err := Open(Options{Threads: 2, Variant: v.name})
		require.NoError(t, err)
		defer func() { require.NoError(t, dev.Close()) }()
		w, err := dev.Pack(&kernels.Matrix{Type: kernels.Q8_0, Rows: rows, Cols: cols, Data: src})
		require.NoError(t, err)
		for _, n := range []int64{most, 32, 16, 7} {
			in, out := kernels.View(1, kernels.F32, n, cols), kernels.View(1, kernels.F32, n, rows)
			in.Addr, err = dev.Alloc(in.Bytes())
			require.NoError(t, err)
			out.Addr, err = dev.Alloc(out.Bytes())
			require.NoError(t, err)
			copy(floatsOf(in.Addr, n*cols), x)
			dev.MatMul(in, 0, []kernels.Product{{Out: out, W: w}})
			got := floatsOf(out.Addr, n*rows)
			if want == nil {
				want = slices.Clone(got)
			}
			same(t, want[:n*rows], got, "%s: %d tokens", v.name, n)
		}
	}
}

// TestTilesAttend: every instruction set has the bits of the plain Go, for queries that see some,
// all or none of the positions, from the first or a later one on, whose maximum grows or not.
func TestTilesAttend(t *testing.T) {
	for dim := tileCols; dim <= 4*tileCols; dim += tileCols {
		for blocks := 1; blocks <= 4; blocks++ {
			for _, size := range []float32{0, 1, 3, 20} {
				testTilesAttend(t, dim, blocks, size)
			}
		}
	}
}

func testTilesAttend(t *testing.T, dim, blocks int, size float32) {
	rng, n := rand.New(rand.NewPCG(9, uint64(dim+blocks))), blocks*kernels.BlockSize
	halves := func(n int, size float32) []uint16 {
		h := alignedHalves(int64(n))
		for i := range h {
			h[i] = minifloat.ToBF16(float32(rng.NormFloat64()) * size)
		}
		return h
	}
	q, keys, values := halves(pairQueries*dim, size), halves(n*dim, 1), halves(n*dim, 1)
	var seen [2 * pairQueries]int32
	for i := range pairQueries {
		seen[i] = [...]int32{0, 1, 15, 63, int32(n - 1), int32(n), int32(n), int32(rng.IntN(n + 1))}[rng.IntN(8)]
		if from := &seen[pairQueries+i]; i%2 == 0 && seen[i] > 0 {
			*from = max(-1, seen[i]-[...]int32{1, 16, 63, 64, 65, int32(n)}[rng.IntN(6)])
		}
	}
	run := func(attend func(*tilesAttend)) []float32 {
		x := normals(rng, pairQueries*(dim+2))
		attend(&tilesAttend{
			&q[0], &keys[0], &values[0], &alignedFloats(2 * pairQueries * kernels.BlockSize)[0],
			&x[pairQueries*dim], &x[pairQueries*(dim+1)], &x[0], &seen[0], dim, blocks, &alignedFloats(pairQueries * 2 * lanes)[0],
		})
		return x
	}
	want := run(attendTilesGeneric)
	for _, v := range withTiles(t) {
		same(t, want, run(v.tiles.attend), "%s: %d columns, %d blocks, size %v", v.name, dim, blocks, size)
	}
}

// TestStaleScratch: what a thread's memory held before does not reach a result.
func TestStaleScratch(t *testing.T) {
	const dim, rows = 64, 70
	for _, v := range variants() {
		dev, err := Open(Options{Threads: 1, Variant: v.name})
		require.NoError(t, err)
		defer func() { require.NoError(t, dev.Close()) }()
		tensor := func(t kernels.DType, shape ...int64) kernels.Tensor {
			x := kernels.View(1, t, shape...)
			x.Addr, err = dev.Alloc(x.Bytes())
			return x
		}
		kv := kernels.KV{K: tensor(kernels.F32, 2, 1, kernels.BlockSize, dim), V: tensor(kernels.F32, 2, 1, kernels.BlockSize, dim)}
		q, out := tensor(kernels.F32, rows, 1, dim), tensor(kernels.F32, rows, 1, dim)
		for i := range rows * dim {
			for _, x := range []kernels.Tensor{kv.K, kv.V, q} {
				floatsOf(x.Addr, rows*dim)[i] = float32(i%13) / 13
			}
		}
		plan := &kernels.AttentionPlan{Seqs: []kernels.AttentionSeq{{Rows: rows, Blocks: []int32{0, 1}}}}
		dev.Attention(out, q, kv, 0, plan)
		want := slices.Clone(floatsOf(out.Addr, rows*dim))
		a := &dev.(*Device).pool.workers[0].attn
		for _, scratch := range [][]float32{a.wide, a.keys, a.values, a.s, a.first.acc, a.halves.scores, a.halves.rows, a.halves.spare.acc} {
			for i := range scratch {
				scratch[i] = float32(math.NaN())
			}
		}
		for _, scratch := range [][]uint16{a.halves.queries, a.halves.keys, a.halves.values} {
			for i := range scratch {
				scratch[i] = minifloat.ToBF16(float32(math.NaN()))
			}
		}
		dev.Attention(out, q, kv, 0, plan)
		same(t, want, floatsOf(out.Addr, rows*dim), "%s", v.name)
	}
}

// TestManyRowsInWindow: of many rows in a tile some see none of two spans of positions, and have
// the bits that they have among few.
func TestManyRowsInWindow(t *testing.T) {
	const heads, dim, rows, position, window, blocks = 4, 32, 1060, 1000, 10, 33
	rng := rand.New(rand.NewPCG(10, 1060))
	for _, v := range variants() {
		dev, err := Open(Options{Threads: 1, Variant: v.name})
		require.NoError(t, err)
		defer func() { require.NoError(t, dev.Close()) }()
		tensor := func(shape ...int64) kernels.Tensor {
			x := kernels.View(1, kernels.F32, shape...)
			x.Addr, err = dev.Alloc(x.Bytes())
			require.NoError(t, err)
			for i := range floatsOf(x.Addr, x.Len()) {
				floatsOf(x.Addr, x.Len())[i] = float32(rng.NormFloat64())
			}
			return x
		}
		kv := kernels.KV{K: tensor(blocks, heads, kernels.BlockSize, dim), V: tensor(blocks, heads, kernels.BlockSize, dim)}
		q, out, few := tensor(rows, heads, dim), tensor(rows, heads, dim), tensor(rows, heads, dim)
		table := make([]int32, blocks)
		for i := range table {
			table[i] = int32(i)
		}
		attend := func(out kernels.Tensor, from, n int64) {
			dev.Attention(out.Slice(from, from+n), q.Slice(from, from+n), kv, window, &kernels.AttentionPlan{
				Seqs: []kernels.AttentionSeq{{Rows: n, Position: position + from, Blocks: table}},
			})
		}
		attend(out, 0, rows)
		for from := int64(0); from < rows; from += 53 {
			attend(few, from, 53)
		}
		same(t, floatsOf(few.Addr, few.Len()), floatsOf(out.Addr, out.Len()), "%s", v.name)
	}
}
