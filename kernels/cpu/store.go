package cpu

import "unsafe"

// store writes sums of some groups of all weights, `each` of a group, to tokens from to to-1 of
// the output.
func (j *matmulJob) store(w *worker, sums []float32, each, first, groups, from, to int64) {
	rows := min(groups*lanes, j.w.Rows-first*lanes)
	at := j.out + uintptr(4*(from*j.w.Rows+first*lanes))
	if write := j.writer(); write != nil && rows == groups*lanes {
		write((*float32)(pointer(at)), int(j.w.Rows), &sums[0], int(each), int(groups), int(to-from))
		return
	}
	apart, row := each*j.weights(), w.row[:rows]
	for t := range to - from {
		out, sums := floatsOf(at+uintptr(4*t*j.w.Rows), rows), sums[t*lanes:]
		if !j.gated {
			gather(out, sums, apart)
		}
		if j.up != nil {
			sums = sums[each:]
		}
		if j.up != nil || j.gated {
			gather(row, sums, apart)
			j.kern.swiglu(&out[0], &out[0], &row[0], int(rows))
		}
	}
}

// writer returns the loop that writes sums of whole groups; nil: there is none.
func (j *matmulJob) writer() func(out *float32, outRow int, sums *float32, stride, groups, tokens int) {
	switch {
	case j.up != nil:
		return j.kern.swigluSums
	case j.gated:
		return nil
	}
	return j.kern.spread
}

// gather copies what a token has of groups `each` apart.
func gather(dst, sums []float32, each int64) {
	at := int64(0)
	for ; len(dst) >= lanes; at += each {
		*(*[lanes]float32)(dst) = [lanes]float32(sums[at:][:lanes])
		dst = dst[lanes:]
	}
	if len(dst) > 0 {
		copy(dst, sums[at:])
	}
}

// write copies a tile of results, [n, 16], to group g of the output.
func (j *matmulJob) write(g int64, tile []float32) {
	rows := min(lanes, j.w.Rows-g*lanes)
	for t := range j.n {
		j.put(j.out+uintptr(4*(t*j.w.Rows+g*lanes)), rows, tile[t*lanes:])
	}
}

// put writes sums to a part of the output.
func (j *matmulJob) put(at uintptr, rows int64, sums []float32) {
	out := floatsOf(at, rows)
	if j.gated {
		j.kern.swiglu(&out[0], &out[0], &sums[0], int(rows))
		return
	}
	copy(out, sums)
}

// spreadGeneric is variant.spread.
func spreadGeneric(out *float32, outRow int, sums *float32, stride, groups, tokens int) {
	for t := range tokens {
		gather(unsafe.Slice(floatAt(out, t*outRow), groups*lanes), unsafe.Slice(floatAt(sums, t*lanes), (groups-1)*stride+lanes), int64(stride))
	}
}

// swigluSumsOf returns variant.swigluSums of a loop over rows.
func swigluSumsOf(swiglu func(out, gate, up *float32, n int)) func(out *float32, outRow int, sums *float32, stride, groups, tokens int) {
	return func(out *float32, outRow int, sums *float32, stride, groups, tokens int) {
		for t := range tokens {
			for g := range groups {
				gate := floatAt(sums, 2*g*stride+t*lanes)
				swiglu(floatAt(out, t*outRow+g*lanes), gate, floatAt(gate, stride), lanes)
			}
		}
	}
}
