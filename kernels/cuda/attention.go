package cuda

import (
	"bytes"
	"fmt"
	"math"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// planBuffer is the attention plan of a step on the device: items, then block
// tables. It is sent when it differs from what is there.
type planBuffer struct {
	device driver.Memory
	sent   []byte // what lies on the device
	next   []byte
}

// planBytes bounds a plan: items of 32 bytes, block tables of 4 bytes a block.
const planBytes = 8 << 20

func (p *planBuffer) open(t *thread) (err error) {
	p.device, err = t.Alloc(planBytes)
	return err
}

func (p *planBuffer) close(t *thread) {
	if p.device != 0 {
		t.Free(p.device)
	}
}

const planHead = 16 // the number of items, and what aligns them

// tablesAt returns the offset of the block tables behind the items of n rows.
func tablesAt(rows int64) int64 { return planHead + rows*int64(unsafe.Sizeof(attentionItem{})) }

// encode writes the items and tables of a plan to p.next: the number of items,
// the items, one for each row, with room for `rows`, and the tables.
func (p *planBuffer) encode(plan *kernels.AttentionPlan, rows int64) error {
	used, blocks := int64(0), int64(0)
	for i := range plan.Seqs {
		used += plan.Seqs[i].Rows
		blocks += blocksOf(&plan.Seqs[i])
	}
	tables := tablesAt(rows)
	size := tables + 4*blocks
	if size > planBytes {
		return fmt.Errorf("%s: a plan of %d rows and %d blocks is too large", kernels.OpAttention, rows, blocks)
	}
	if int64(cap(p.next)) < size {
		p.next = make([]byte, size, 2*size)
	}
	p.next = p.next[:size]
	clear(p.next[:tables])
	*(*int32)(unsafe.Pointer(&p.next[0])) = int32(used)
	items := unsafe.Slice((*attentionItem)(unsafe.Pointer(&p.next[planHead])), rows)
	table := int32(0)
	for i := range plan.Seqs {
		s := &plan.Seqs[i]
		n := blocksOf(s)
		for r := range s.Rows {
			items[s.Row+r] = attentionItem{row: int32(s.Row + r), rows: 1, position: int32(s.Position + r), table: table}
		}
		copy(p.next[tables+4*int64(table):], bytesOf(s.Blocks[:n]))
		table += int32(n)
	}
	return nil
}

// blocksOf returns the number of blocks that a sequence's rows see.
func blocksOf(s *kernels.AttentionSeq) int64 { return pieces(s.Position+s.Rows, kernels.BlockSize) }

// Attention is softmax attention over the cache, with a running maximum and sum
// (Milakov and Gimelshein, arXiv 1805.02867). A row's arithmetic depends on its
// own position only.
func (d *Device) Attention(out, q kernels.Tensor, cache kernels.KV, plan *kernels.AttentionPlan) {
	kernels.CheckAttention(out, q, cache, plan)
	rows := q.Shape[0]
	if d.recording {
		d.recorded.rows = rows // the plan comes with Replay
	} else {
		d.sendPlan(plan, rows)
	}
	base := addr(d.plan.device)
	heads, kvHeads, dim := q.Shape[1], cache.K.Shape[1], q.Shape[2]
	d.launch(&d.kernels.attention[cache.K.Type], rows, kvHeads, attentionThreads, attentionShared(heads/kvHeads, dim), words(attentionArgs{
		cache: cacheArgs(cache), out: addr(out.Addr), q: addr(q.Addr),
		count: base, items: base + planHead, table: base + addr(tablesAt(rows)),
		heads: int32(heads), scale: float32(1 / math.Sqrt(float64(dim))),
	}))
}

// sendPlan brings a plan to the device, unless it lies there.
func (d *Device) sendPlan(plan *kernels.AttentionPlan, rows int64) {
	p := &d.plan
	if err := p.encode(plan, rows); err != nil {
		d.fail(err)
		return
	}
	if !bytes.Equal(p.next, p.sent) {
		d.send(p.device, p.next)
		p.next, p.sent = p.sent, p.next
	}
}
