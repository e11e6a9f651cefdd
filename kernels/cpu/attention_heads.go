package cpu

import "trona/kernels"

// attentionHeads are the KV heads of a tile. They are read block by block, all heads of one
// before the next. A head's arithmetic does not depend on the others.
type attentionHeads []attentionTile

// attend goes through all spans.
func (h attentionHeads) attend() {
	for k := range h {
		t := &h[k]
		t.begin()
		t.attentionSums = t.sums(&t.first)
	}
	h.span(0)
	for i := int64(1); i < h[0].spansSeen(); i++ {
		for k := range h {
			h[k].attentionSums = h[k].sums(&h[k].later)
		}
		h.span(i)
		for k := range h {
			sums := h[k].sums(&h[k].first)
			sums.add(h[k].kern, &h[k].attentionSums)
		}
	}
	for k := range h {
		sums := h[k].sums(&h[k].first)
		h[k].finish(&sums)
	}
}

// part computes the sums of a span of a piece.
func (h attentionHeads) part(piece, span int64) {
	for k := range h {
		t := &h[k]
		t.begin()
		t.attentionSums = t.attentionJob.part(piece*t.pieceHeads+int64(k), span, t.rows*t.share)
	}
	h.span(span)
}

// span computes the sums of the i-th span that is seen.
func (h attentionHeads) span(i int64) {
	t := &h[0]
	i += t.seesFrom(0) / attentionSpan
	from := max(i*attentionSpan, t.seesFrom(0)/kernels.BlockSize*kernels.BlockSize)
	end := min((i+1)*attentionSpan, t.position+t.rows)
	if t.tiled {
		for k := range h {
			h[k].spanTiled(from, end-from)
		}
		return
	}
	for k := range h {
		h[k].clear()
	}
	for ; from < end; from += kernels.BlockSize {
		for k := range h {
			h[k].block(from / kernels.BlockSize)
		}
	}
}
