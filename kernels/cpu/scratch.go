package cpu

import (
	"unsafe"

	"trona/kernels"
)

// scratch is how much of each kind of memory ops take, in bytes: the first three are the
// device's, the others each thread's.
type scratch struct{ codes, halves, tiled, sums, row, unpacked int64 }

// ScratchBytes returns what ops take while they run steps as large as s. Memory of ops grows to
// what the largest of them needs, which is that of the model's widest weights.
func (d *Device) ScratchBytes(s *kernels.Steps) int64 {
	var most scratch
	for _, m := range s.Weights {
		w, l := describe(m)
		most.product(d.kern, w, l, s)
	}
	threads := int64(len(d.pool.workers))
	each := int64(unsafe.Sizeof(worker{})+2*unsafe.Sizeof(panel8{})) + 4*lanes*(chunk+fewTokens) +
		most.sums + most.row + most.unpacked + d.attentionBytes(s, threads) + s.Vocab*int64(4+4+unsafe.Sizeof(candidate{}))
	angles := 4 * s.Rows * (s.Dim + 1)
	return most.codes + most.halves + most.tiled + angles + threads*(each+4*partFloats)
}

// product counts what a product with w takes.
func (m *scratch) product(v *variant, w kernels.Weight, l *layout, s *kernels.Steps) {
	n := s.Rows
	if v.inTiles(w) {
		tokens := upTo16(min(n, tileTokens))
		m.tiled = max(m.tiled, hugeBytes(2*(tokens*upTo32(w.Cols)+aheadHalves)))
		m.unpacked = max(m.unpacked, hugeBytes(lanes*tileGroups*(2*tileDepth+4*upTo32(tokens))))
		n = s.Decode
	}
	block := v.panelTokens
	if v.rounds(w, l) {
		block = v.roundedTokens
	}
	if v.tiles != nil && !v.inTiles(w) { // blockRows
		block = tileTokens
	}
	n = padded(min(n, block))
	loops := v.integer(w, l)
	groups, held := min(panelGroups, (w.Rows+lanes-1)/lanes), int64(0)
	switch {
	case loops != nil:
		m.codes = max(m.codes, n*w.Cols/32*int64(unsafe.Sizeof(block8{})))
		held = max(1, min(directBytes/l.groupBytes, (w.Rows+lanes-1)/lanes))
		m.sums = max(m.sums, 4*lanes*held*min(n, padded(loops.directTokens)))
	case v.inPairs(w, l):
		m.halves = max(m.halves, 2*n*w.Cols)
	}
	m.sums = max(m.sums, 4*lanes*max(groups, 2)*n)
	m.row = max(m.row, 4*lanes*max(tileGroups, held))
}

// attentionBytes returns what a thread takes for attention.
func (d *Device) attentionBytes(s *kernels.Steps, threads int64) int64 {
	wide, n := upTo16(s.Dim), int64(queryTile)
	if d.kern.tiles != nil {
		n = min(max(s.Rows*s.KVHeads*s.Share/(threadTiles*threads), leastTileQueries), mostTileQueries)
	}
	n = upToPair(max(n, s.Share, fewQueries*s.KVHeads))
	sides := s.KVHeads * int64(unsafe.Sizeof(attentionTile{}))
	bytes := sides + 2*s.Dim + 4*(3*kernels.BlockSize*wide+n*(s.Dim+kernels.BlockSize+1)+2*n*(wide+2))
	if d.kern.tiles != nil {
		bytes += 2*(n+2*attentionSpan)*s.Dim + 4*pairQueries*(2*kernels.BlockSize+2*lanes+wide+2)
	}
	if d.kern.attention16 != nil {
		bytes += n * (2*s.Dim + 2*kernels.BlockSize + 8)
	}
	return bytes
}
