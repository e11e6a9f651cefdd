package cpu

import (
	"trona/kernels"
)

// matmul8Job is a product in 8 bits: first of its input's rows, which are
// rounded, then of groups of rows of the weight.
type matmul8Job struct {
	matmulJob
	loops *integer
	group int // columns that share a scale of the weight
	rows  *block8
	// piece8 is the number of columns that stand together in rows: a chunk for
	// panels, which then read all tokens in order, or all.
	piece8 int64
	held   int64 // groups of rows whose sums a thread holds, at least those of a piece
	round  bool  // whether pieces are rows of the input to round
}

// integer returns the integer loops for a weight; nil: its product is exact.
// Scales beside the tensor must not change within 32 columns, or a super-block.
func (v *variant) integer(w kernels.Weight, l *layout) *integer {
	loops, unit := v.integers[w.Type], int64(32)
	if l.table && loops != nil && loops.table != nil {
		loops = loops.table
	}
	if loops != nil && loops.super {
		unit = 256
	}
	if loops == nil || w.Cols%32 != 0 || !l.constant(w.Cols) && l.scaleCols%unit != 0 {
		return nil
	}
	return loops
}

// matmul8 multiplies a block of tokens.
func (d *Device) matmul8(m matmulJob, loops *integer) {
	blocks := padded(m.n) * m.w.Cols / 32
	if int64(len(d.rounded)) < blocks {
		d.rounded = make([]block8, blocks)
	}
	j := &d.jobs.matmul8
	*j = matmul8Job{matmulJob: m, loops: loops, group: codings[m.w.Type].group, rows: &d.rounded[0], piece8: chunk, round: true}
	j.span = 4
	if j.direct() {
		j.piece8, j.span = m.w.Cols, 1
	}
	if d.inputs.codes.become(input{m.x, m.n, m.w.Cols, j.piece8, m.w.Type}) {
		d.run(kernels.OpMatMul, j, (m.n+j.span-1)/j.span, m.n*m.w.Cols < fewFlops/2)
	}
	j.round = false
	groups := (m.w.Rows + lanes - 1) / lanes
	if j.direct() {
		j.span, j.held = 1, d.reserveSums(groups, padded(m.n), directBytes/m.l.groupBytes)
	} else {
		j.span = d.reserveSums(groups, j.weights()*padded(m.n), panelGroups/j.weights())
		j.held = j.span
	}
	d.run(kernels.OpMatMul, j, (groups+j.span-1)/j.span, 2*m.n*m.w.Rows*m.w.Cols < fewFlops)
}

// directBytes is how much of a weight a thread reads before it stores sums: meanwhile it reads
// nothing.
const directBytes = 1 << 20

// direct reports whether the loops use packed codes as they are. Scales beside the
// tensor must then be the same for all columns.
func (j *matmul8Job) direct() bool {
	return j.n <= j.loops.directTokens && j.l.constant(j.w.Cols)
}

// late reports whether sums are multiplied by the scales beside a tensor, which are the same
// for all columns: where loops of its type take none.
func (j *matmul8Job) late(m *matmulJob) bool {
	return m.l.scale != nil && m.l.constant(m.w.Cols) && j.loops.scaled[0] == nil
}

func (j *matmul8Job) pieces(w *worker, from, to int64) {
	if j.round {
		for t := from * j.span; t < min(to*j.span, j.n); t += j.span {
			j.quantize(t, min(t+j.span, j.n))
		}
		return
	}
	end := min(to*j.span, (j.w.Rows+lanes-1)/lanes)
	for first := from * j.span; first < end; first += j.held {
		j.groups(w, first, min(j.held, end-first))
	}
}

// groups computes groups of 16 rows of the output for all tokens of the block.
func (j *matmul8Job) groups(w *worker, first, groups int64) {
	each, all := padded(j.n)*lanes, groups*j.weights()
	clear(w.sums[:all*each])
	if j.direct() {
		j.packs(w, first, groups, each)
	} else {
		j.panels(w, first, all, each)
	}
	for i := range all {
		if m, g := j.part(i); j.late(m) {
			m.factors(&w.factors, first+g, 0)
			j.kern.scale(&w.sums[i*each], &w.factors[0], int(each/lanes))
		}
	}
	j.store(w, w.sums, each, first, groups, 0, j.n)
}

// quantize rounds rows [t, end) of the input, of one tile: a piece of the columns of all, so
// that cache lines, which have blocks of several rows, are written in one go.
func (j *matmul8Job) quantize(t, end int64) {
	first, width := tileOf(t, j.n)
	for from := int64(0); from < j.w.Cols; from += j.piece8 {
		for t := t; t < end; t++ {
			x := (*float32)(pointer(j.x + uintptr(4*(t*j.w.Cols+from))))
			b := blockAt(j.block(first, from), int(t-first))
			j.kern.round8(b, int(width), x, int(min(j.piece8, j.w.Cols-from)), j.w.Type, j.loops)
		}
	}
}

// round8 rounds n columns of x for the loops of a type.
func (v *variant) round8(dst *block8, step int, x *float32, n int, t kernels.DType, loops *integer) {
	if loops.super && codings[t].min != nil {
		v.quantizeSuper(dst, step, x, n, superCodings[t].bits)
		return
	}
	v.quantize(dst, step, x, n, codings[t].group, loops.offset)
}

// block returns the first block of the tile that begins with token t, of the
// piece of its columns that begins with column from.
func (j *matmul8Job) block(t, from int64) *block8 {
	return blockAt(j.rows, int(from*padded(j.n)+t*min(j.piece8, j.w.Cols-from))/32)
}

// packs computes some groups from packed codes as they are. For one token two stretches of
// the weight are read side by side, where that keeps more lines on their way: a line of each at
// a time or a chunk of columns.
func (j *matmul8Job) packs(w *worker, first, groups, each int64) {
	half := groups / 2
	if !j.kern.sideBySide || j.n > 1 || j.loops.scaled[0] != nil {
		half = 0
	}
	for g := range half {
		if j.loops.beside != nil {
			one, two := first+g, first+half+g
			j.loops.beside(&w.sums[g*each], &w.sums[(half+g)*each], j.packed(one, 0), j.packed(two, 0), j.block(0, 0), int(j.w.Cols))
			continue
		}
		for from := int64(0); from < j.w.Cols; from += chunk {
			n := min(chunk, j.w.Cols-from)
			j.unpacked(w, w.sums[g*each:][:each], first+g, from, n)
			j.unpacked(w, w.sums[(half+g)*each:][:each], first+half+g, from, n)
		}
	}
	for g := 2 * half; g < groups; g++ {
		j.unpacked(w, w.sums[g*each:][:each], first+g, 0, j.w.Cols)
	}
}

// unpacked uses n columns of a packed group as they are: all, unless there is one token.
func (j *matmul8Job) unpacked(w *worker, sums []float32, g, from, n int64) {
	if j.loops.scaled[0] != nil {
		j.factors(&w.factors, g, 0)
	}
	t := int64(0)
	if fours := padded(j.n) &^ 3; fours > 4 && j.loops.many != nil {
		j.loops.many(&sums[0], j.packed(g, 0), j.block(0, 0), int(j.w.Cols/8), int(fours), int(j.w.Cols), &w.panels8[0], &w.factors[0])
		t = fours
	}
	for ; t < j.n; t += 4 {
		_, width := tileOf(t, j.n)
		out, src, x := &sums[t*lanes], j.packed(g, from), j.block(t, from)
		if scaled := j.loops.scaled[width/2]; scaled != nil {
			scaled(out, src, x, int(n), &w.factors[0])
			continue
		}
		j.loops.direct[width/2](out, src, x, int(n))
	}
}

// panels computes some groups for all tokens of the block: of a chunk of columns two
// groups at a time are unpacked.
func (j *matmul8Job) panels(w *worker, first, groups, each int64) {
	for from := int64(0); from < j.w.Cols; from += chunk {
		n := min(chunk, j.w.Cols-from)
		for g := int64(0); g < groups; g += 2 {
			both := min(2, groups-g)
			for i := range both {
				m, g := j.part(g + i)
				j.loadPanel(w, &w.panels8[i], m, first+g, from, n)
			}
			j.products(w, w.sums[g*each:(g+both)*each], from, n, j.next(first, g+both, groups, from, 2))
		}
	}
}

// loadPanel unpacks columns [from, from+n) of a product's group.
func (j *matmul8Job) loadPanel(w *worker, p *panel8, m *matmulJob, g, from, n int64) {
	j.loops.unpack(p, m.packed(g, from), int(n))
	if m.l.scale != nil && !j.late(m) {
		j.scale8(w, p, m, g, from, n)
	}
}

// products adds the products with one or two panels to the sums of their groups. What is
// unpacked next is prefetched a part at a time, so that few loads wait at once.
func (j *matmul8Job) products(w *worker, sums []float32, from, n int64, next ahead) {
	each, fours := padded(j.n)*lanes, padded(j.n)&^3
	panels, part := int64(len(sums))/each, max(4, (fours/4+3)/4*4)
	next.parts = int(panels * max(1, (fours+part-1)/part))
	both := panels == 2 && j.loops.gemm2 != nil
	if both && fours > 0 {
		next.parts = 1
		next.prefetch()
		j.loops.gemm2(&sums[0], int(each), w.panels8, j.block(0, from), int(n/8), int(fours), int(n))
	}
	for i := range panels {
		group, p := sums[i*each:], &w.panels8[i]
		for t := int64(0); t < fours && !both; t += part {
			next.prefetch()
			j.loops.gemm(&group[t*lanes], p, j.block(t, from), int(n/8), int(min(part, fours-t)), int(n))
		}
		if rest := j.n - fours; rest > 0 {
			next.prefetch()
			j.loops.gemm(&group[fours*lanes], p, j.block(fours, from), 0, int(rest), int(n))
		}
	}
}

// scale8 multiplies the scales of a panel by those beside the tensor.
func (j *matmul8Job) scale8(w *worker, p *panel8, m *matmulJob, g, from, n int64) {
	mins := codings[j.w.Type].min != nil
	if j.loops.super {
		m.factors(&w.factors, g, from)
		p.times(superFloats, &w.factors, mins)
		return
	}
	for c := 0; c < int(n); c += j.group {
		m.factors(&w.factors, g, from+int64(c))
		p.times(c/j.group, &w.factors, mins)
	}
}

// times multiplies row i of scales, and of mins.
func (p *panel8) times(i int, factors *[lanes]float32, mins bool) {
	for r, f := range factors {
		p.scale[i][r] *= f
		if mins {
			p.min[i][r] *= f
		}
	}
}
