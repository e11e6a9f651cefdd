package cuda

import (
	"fmt"
	"math"
	"strings"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// hopper has the kernels for compute capability 9.0, which do what the usual
// ones do, faster.
type hopper struct {
	gemm      [numTypes][len(sm90GemmSizes)]kernel // F16 and BF16: by type of the weights
	matmul    [numTypes]kernel                     // for up to 8 tokens
	attention [numTypes][len(headSizes)]kernel     // F16 and BF16: by type of the cache
}

// sm90GemmSizes are the numbers of tokens of a block of gemm_sm90.
var sm90GemmSizes = [...]int64{64, 128, 256}

// usualOnly reports whether TRONA_CUDA leaves these kernels aside.
func usualOnly(name string) (bool, error) {
	switch name {
	case "", "usual":
		return name != "", nil
	}
	return false, fmt.Errorf("TRONA_CUDA=%s: there are no such kernels, only \"usual\"", name)
}

// newHopper names the kernels.
func newHopper() *hopper {
	h := &hopper{}
	for _, t := range []kernels.DType{kernels.F16, kernels.BF16} {
		name := strings.ToLower(t.String())
		for i, n := range sm90GemmSizes {
			h.gemm[t][i] = define[gemmSm90Args]("gemm_sm90", fmt.Sprintf("gemm_sm90_%s_%d", name, n))
			h.gemm[t][i].shared = sm90GemmShared
		}
		for i, dim := range headSizes {
			h.attention[t][i] = define[attentionSm90Args]("attention_sm90", fmt.Sprintf("attention_sm90_%s_%d", name, dim))
			h.attention[t][i].shared = sm90AttentionShared(dim)
		}
	}
	for _, t := range weightTypes {
		if t != kernels.F32 {
			h.matmul[t] = define[matmulArgs]("matmul_sm90", "matmul_sm90_"+strings.ToLower(t.String()))
			h.matmul[t].shared = sm90MatmulShared
		}
	}
	return h
}

// all returns every kernel that has a name.
func (h *hopper) all() []*kernel {
	var list []*kernel
	for t := range numTypes {
		for i := range h.gemm[t] {
			list = append(list, &h.gemm[t][i])
		}
		list = append(list, &h.matmul[t])
		for i := range h.attention[t] {
			list = append(list, &h.attention[t][i])
		}
	}
	return named(list)
}

// sm90GEMM multiplies as gemm does.
func (d *Device) sm90GEMM(t kernels.DType, g gemmArgs) {
	processors := int64(d.info.Processors)
	size := chooseTile(sm90GemmSizes[:], sm90GemmRows, int64(g.n), int64(g.rows), processors)
	n := sm90GemmSizes[size]
	a := gemmSm90Args{
		out: g.out, xScale: g.xScale, wScale: g.wScale, ldOut: g.ldOut, n: g.n, rows: g.rows, cols: g.cols, gated: g.gated,
	}
	tiles := pieces(int64(g.rows), sm90GemmRows) * pieces(int64(g.n), n)
	d.launchMapped(&d.hopper.gemm[t][size], min(tiles, processors), 1, sm90Threads, sm90GemmShared, words(a), [2]driver.Boxes{
		boxes(g.w, int64(g.rows), int64(g.cols), 2*g.ldW, sm90GemmRows), boxes(g.x, int64(g.n), int64(g.cols), 2*g.ldX, n),
	})
}

// sm90Matmul multiplies up to 8 tokens as matmul does, and reports whether it did.
func (d *Device) sm90Matmul(t kernels.DType, a matmulArgs) bool {
	if d.hopper == nil || a.n > 8 {
		return false
	}
	d.launch(&d.hopper.matmul[t], min(int64(a.tiles), sm90MatmulBlocks*int64(d.info.Processors)), 1, sm90MatmulThreads, sm90MatmulShared, words(a))
	return true
}

// sm90Attention does what prefillAttention does, for cache types and head sizes
// that it knows, and reports whether it did.
func (d *Device) sm90Attention(a attentionArgs, t kernels.DType, items int64) bool {
	if d.hopper == nil {
		return false
	}
	dim, kvHeads := int64(a.cache.dim), int64(a.cache.kvHeads)
	rows := int64(a.cache.blocks) * kvHeads * kernels.BlockSize
	k := d.attentionKernel(&d.hopper.attention, t, dim)
	if k == nil || rows > math.MaxInt32 {
		return false
	}
	share := int64(a.heads) / kvHeads
	across := pieces(prefillQueries*share, sm90Queries)
	d.launchMapped(k, items, kvHeads*across, sm90Threads, sm90AttentionShared(dim), words(attentionSm90Args{a: a}), [2]driver.Boxes{
		boxes(a.cache.k, rows, dim, 2*dim, kernels.BlockSize), boxes(a.cache.v, rows, dim, 2*dim, kernels.BlockSize),
	})
	return true
}

// boxes describes a matrix of 16-bit numbers for the copy engine.
func boxes(at addr, rows, cols, pitch, box int64) driver.Boxes {
	return driver.Boxes{At: driver.Memory(at), Rows: rows, Cols: cols, Pitch: pitch, Box: int(box)}
}
