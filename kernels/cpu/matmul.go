package cpu

import (
	"unsafe"

	"trona/kernels"
)

const (
	// panelGroups is the number of groups of rows that use a chunk of the input each time it
	// is read.
	panelGroups = 8
	// fewTokens is up to how many tokens weights are used as they are read, without panels.
	fewTokens = 32
	// panelPart is the number of tokens that are multiplied with a panel of floats in one go.
	panelPart = 24
)

type matmulJob struct {
	kern   *variant
	w      kernels.Weight
	l      *layout
	out, x uintptr
	n      int64 // tokens of a block
	span   int64 // groups of rows in a piece
	// up is the other product of a gated one: pieces do the same groups of both. nil: out has
	// the gate's products, if gated, and becomes silu(out) times these.
	up    *matmulJob
	gated bool
}

// MatMul computes Out = x · Wᵀ, product by product. Decode and prefill arithmetic are
// the same unless the variant has products in tiles.
func (d *Device) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	kernels.CheckMatMul(x, decode, products)
	d.inputs = inputs{}
	for from := int64(0); from < x.Shape[0]; {
		n := d.blockRows(x, products[0].W, decode, from)
		for i := range products {
			d.multiply(d.product(products[i].Out, x, products[i].W, from, n), from >= decode)
		}
		from += n
	}
}

// GatedMatMul computes out = silu(x · gateᵀ) * (x · upᵀ).
func (d *Device) GatedMatMul(out, x kernels.Tensor, gate, up kernels.Weight, decode int64) {
	kernels.CheckGatedMatMul(out, x, gate, up, decode)
	d.inputs = inputs{}
	for from := int64(0); from < x.Shape[0]; {
		n, prefill := d.blockRows(x, gate, decode, from), from >= decode
		j := d.product(out, x, gate, from, n)
		d.jobs.up = d.product(out, x, up, from, n)
		if j.meets(&d.jobs.up, prefill) {
			j.up = &d.jobs.up
			d.multiply(j, prefill)
		} else {
			d.multiply(j, prefill)
			d.jobs.up.gated = true
			d.multiply(d.jobs.up, prefill)
		}
		from += n
	}
}

// blockRows returns how many rows of x, from `from` on, make a block for w: those that decode
// and those that prefill apart, where their arithmetic is not the same.
func (d *Device) blockRows(x kernels.Tensor, w kernels.Weight, decode, from int64) int64 {
	most, end := d.kern.panelTokens, x.Shape[0]
	if d.kern.rounds(w, layoutOf(w)) {
		most = d.kern.roundedTokens
	}
	switch {
	case d.kern.tiles == nil:
	case from < decode:
		end = decode
	default:
		most = tileTokens
	}
	return min(most, end-from)
}

// product returns the job that multiplies n rows of x with w.
func (d *Device) product(out, x kernels.Tensor, w kernels.Weight, from, n int64) matmulJob {
	return matmulJob{
		kern: d.kern, w: w, l: layoutOf(w), n: n,
		out: out.Addr + uintptr(4*from*w.Rows), x: x.Addr + uintptr(4*from*w.Cols),
	}
}

// meets reports whether a piece can compute the products of gate and up both, so that the
// products themselves are never written: where both have the same loops, for more than a few
// rows.
func (j *matmulJob) meets(up *matmulJob, prefill bool) bool {
	if prefill && j.kern.inTiles(j.w) {
		return j.kern.inTiles(up.w)
	}
	if loops := j.kern.integer(j.w, j.l); loops != nil {
		return loops == j.kern.integer(up.w, up.l) && j.n > loops.directTokens
	}
	return j.w.Type == up.w.Type && j.kern.inPairs(j.w, j.l) && j.kern.inPairs(up.w, up.l) && j.n > fewTokens
}

// multiply computes a product.
func (d *Device) multiply(m matmulJob, prefill bool) {
	if prefill && d.kern.inTiles(m.w) {
		d.matmulTiles(m)
		return
	}
	if loops := d.kern.integer(m.w, m.l); loops != nil {
		d.matmul8(m, loops)
		return
	}
	if d.kern.inPairs(m.w, m.l) {
		d.matmul16(m)
		return
	}
	j := &d.jobs.matmul
	*j = m
	groups := (m.w.Rows + lanes - 1) / lanes
	j.span = 2
	if j.fused() == nil {
		j.span = d.reserveSums(groups, m.n, j.mostGroups())
	}
	d.run(kernels.OpMatMul, j, (groups+j.span-1)/j.span, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

// inputs says what rounded inputs were made of, so that an op rounds an input once for all its
// products.
type inputs struct{ codes, halves, tiled input }

// input is rows of x, rounded for a type of weights, of which `piece` columns stand together.
type input struct {
	x              uintptr
	n, cols, piece int64
	t              kernels.DType
}

// become notes what an input is made of, and reports whether that is new.
func (in *input) become(next input) bool {
	changed := *in != next
	*in = next
	return changed
}

// reserveSums makes room for sums of some tokens and returns how many groups of rows a piece
// has, no more than `most`.
func (d *Device) reserveSums(groups, tokens, most int64) int64 {
	span := max(1, min(most, groups/int64(2*len(d.pool.workers))))
	for _, w := range d.pool.workers {
		grow(&w.sums, span*tokens*lanes)
		grow(&w.row, max(tileGroups, span)*lanes)
	}
	return span
}

func layoutOf(w kernels.Weight) *layout {
	l, ok := w.Layout.(*layout)
	if !ok {
		panic("cpu: matmul: the weight was packed by another device")
	}
	return l
}

// mostGroups returns how many groups of rows use a chunk of the input each time it is read.
// The input of few tokens stays in a cache anyway.
func (j *matmulJob) mostGroups() int64 {
	if j.n <= fewTokens {
		return 2
	}
	return panelGroups
}

// fewFlops is how much work is worth waking a thread.
const fewFlops = 1 << 16

// fused returns the loop that decodes columns and uses them in one go; nil: there is
// none. Scales beside the tensor must then be the same for all columns.
func (j *matmulJob) fused() func(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int) {
	switch {
	case !j.l.constant(j.w.Cols), !j.evenPairs():
		return nil
	case j.n == 1:
		return j.kern.matvec[j.w.Type]
	case j.n == 2:
		return j.kern.matvec2[j.w.Type]
	}
	return nil
}

func (j *matmulJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		if j.fused() != nil {
			j.vectors(w, 2*i)
			continue
		}
		first := i * j.span
		j.groups(w, first, min(j.span, (j.w.Rows+lanes-1)/lanes-first))
	}
}

// vectors computes groups g and g+1 of the output for one or two tokens.
func (j *matmulJob) vectors(w *worker, g int64) {
	each := j.n * lanes
	tile := w.tile[:2*each]
	clear(tile)
	last := g + 1
	if last*lanes >= j.w.Rows {
		last = g // computed twice and dropped
	}
	j.fused()(&tile[0], &tile[each], j.packed(g, 0), j.packed(last, 0), (*float32)(pointer(j.x)), int(j.w.Cols))
	for i := g; i <= last; i++ {
		sums := tile[(i-g)*each:][:each]
		j.finish(w, sums, i)
		j.write(i, sums)
	}
}

// groups computes groups of 16 rows of the output for all tokens of the block.
func (j *matmulJob) groups(w *worker, first, groups int64) {
	each := j.n * lanes
	clear(w.sums[:groups*each])
	if j.narrow() {
		for g := range groups {
			j.stream(w, w.sums[g*each:][:each], first+g)
		}
		j.store(w, w.sums, each, first, groups, 0, j.n)
		return
	}
	for from := int64(0); from < j.w.Cols; from += chunk {
		to := min(from+chunk, j.w.Cols)
		for g := range groups {
			panel, next := j.codes(w, first+g, from, to), j.next(first, g+1, groups, from, 1)
			next.parts = int((j.n + panelPart - 1) / panelPart)
			for t := int64(0); t < j.n; t += panelPart {
				next.prefetch()
				tokens := min(panelPart, j.n-t)
				j.products(w, w.sums[g*each+t*lanes:][:tokens*lanes], panel, first+g, t, from, to)
			}
		}
	}
	for g := range groups {
		j.finish(w, w.sums[g*each:][:each], first+g)
	}
	j.store(w, w.sums, each, first, groups, 0, j.n)
}

// products adds the products with a panel, columns [from, to) of group g, to the sums of
// tokens from t on.
func (j *matmulJob) products(w *worker, sums []float32, panel *float32, g, t, from, to int64) {
	for c := from; c < to; {
		next, run := j.alike(c, to), j.begin(w, sums)
		x := (*float32)(pointer(j.x + uintptr(4*(t*j.w.Cols+c))))
		j.kern.gemm(&run[0], lanes, floatAt(panel, int(c-from)*lanes), lanes, x, int(j.w.Cols), len(sums)/lanes, int(next-c))
		j.end(w, sums, run, g, c)
		c = next
	}
}

// aheadBytes is how far ahead of its use a stream of weights is prefetched.
const aheadBytes = 1024

// stream computes group g from weights of 16 or 8 bits as they are packed.
func (j *matmulJob) stream(w *worker, sums []float32, g int64) {
	for from := int64(0); from < j.w.Cols; {
		to := j.alike(from, min(j.w.Cols, from/chunk*chunk+chunk))
		x, n := (*float32)(pointer(j.x+uintptr(4*from))), int(to-from)
		run, src, halves := j.begin(w, sums), j.packed(g, from), unsafe.Pointer(&w.panel[0])
		ahead := unsafe.Add(src, aheadBytes)
		switch t := j.w.Type; {
		case t == kernels.BF16:
			j.kern.gemmPairs(&run[0], lanes, src, lanes, x, int(j.w.Cols), int(j.n), n, ahead)
		case t == kernels.F16:
			j.kern.gemm16[t](&run[0], lanes, src, lanes, x, int(j.w.Cols), int(j.n), n, ahead)
		case j.kern.halvesF8((*uint16)(halves), src, n):
			j.kern.gemm(&run[0], lanes, j.codes(w, g, from, to), lanes, x, int(j.w.Cols), int(j.n), n)
		default:
			j.kern.gemm16[kernels.F16](&run[0], lanes, halves, lanes, x, int(j.w.Cols), int(j.n), n, ahead)
		}
		j.end(w, sums, run, g, from)
		from = to
	}
	j.finish(w, sums, g)
}

// narrow reports whether floats are widened as they are used, not before.
func (j *matmulJob) narrow() bool {
	switch j.w.Type {
	case kernels.F16, kernels.BF16, kernels.F8E4M3:
		return j.n <= j.kern.narrowTokens && j.evenPairs()
	}
	return false
}

// evenPairs reports whether loops that use weights as they are packed find whole pairs of BF16.
func (j *matmulJob) evenPairs() bool {
	return j.w.Type != kernels.BF16 || j.l.evenRuns(j.w.Cols)
}

// next returns what a piece unpacks after the groups before g: some from there on, or
// the next chunk of its first ones.
func (j *matmulJob) next(first, g, groups, from, some int64) ahead {
	if g == groups {
		g, from = 0, from+chunk
	}
	var a ahead
	if from < j.w.Cols {
		a.bytes = j.packedBytes(min(chunk, j.w.Cols-from))
		for i := range min(some, groups-g) {
			m, g := j.part(g + i)
			a.at[i] = m.address(first+g, from)
		}
	}
	return a
}

// weights returns the number of weights of a product.
func (j *matmulJob) weights() int64 {
	if j.up == nil {
		return 1
	}
	return 2
}

// part returns the product and its group that is the i-th of a piece: those of gate and up
// alternate.
func (j *matmulJob) part(i int64) (*matmulJob, int64) {
	switch {
	case j.up == nil:
		return j, i
	case i%2 == 0:
		return j, i / 2
	}
	return j.up, i / 2
}

// packed returns column `from` of group g of the weight.
func (j *matmulJob) packed(g, from int64) unsafe.Pointer {
	return pointer(j.address(g, from))
}

func (j *matmulJob) address(g, from int64) uintptr {
	return j.w.Addr + uintptr(g*j.l.groupBytes+from/int64(j.l.cols)*int64(j.l.bytes))
}

// packedBytes returns the size of n columns of a group.
func (j *matmulJob) packedBytes(n int64) int { return int(n) / j.l.cols * j.l.bytes }

// panel returns columns [from, from+n) of group g as [n, 16].
func (j *matmulJob) panel(w *worker, g, from int64, n int) *float32 {
	to, src := from+int64(n), j.packed(g, from)
	if j.w.Type == kernels.F32 && j.l.scale == nil {
		return (*float32)(src)
	}
	j.unpack(w, src, n)
	for c := from; c < to; {
		next := j.alike(c, to)
		j.scale(w, w.panel[(c-from)*lanes:(next-from)*lanes], g, c)
		c = next
	}
	return &w.panel[0]
}

// codes is panel without scales beside the tensor: columns [from, to) of group g.
func (j *matmulJob) codes(w *worker, g, from, to int64) *float32 {
	src := j.packed(g, from)
	if j.w.Type == kernels.F32 {
		return (*float32)(src)
	}
	j.unpack(w, src, int(to-from))
	return &w.panel[0]
}

// unpack unpacks n columns to the worker's panel, and what else is packed with the last.
func (j *matmulJob) unpack(w *worker, src unsafe.Pointer, n int) {
	cols := j.l.cols
	j.kern.unpack[j.w.Type](&w.panel[0], src, (n+cols-1)/cols*cols)
}

// gemmGeneric is variant.gemm. The conversions forbid fused multiply-adds,
// which some processors would use in one of two loops and not in the other.
func gemmGeneric(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int) {
	p := unsafe.Slice(panel, (k-1)*panelStride+lanes)
	for t := range tokens {
		row := unsafe.Slice((*float32)(unsafe.Add(unsafe.Pointer(x), 4*t*xStride)), k)
		var sum [lanes]float32
		for i, v := range row {
			column := (*[lanes]float32)(p[i*panelStride:])
			for r := range sum {
				sum[r] += float32(column[r] * v)
			}
		}
		o := (*[lanes]float32)(unsafe.Add(unsafe.Pointer(out), 4*t*outStride))
		for r := range sum {
			o[r] += sum[r]
		}
	}
}
