package cuda

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"trona/kernels"
	"trona/kernels/cuda/driver"
)

// planBuffer is the attention plan of a step on the device: items, then block
// tables. It is sent when it differs from what is there.
type planBuffer struct {
	device  driver.Memory
	arrived driver.Memory // decodeArgs
	sent    []byte        // what lies on the device
	next    []byte
}

const (
	planBytes    = 8 << 20  // of a plan at most: items of 16 bytes, block tables of 4 bytes a block
	mostTables   = 27 << 16 // blocks of tables, which leave room for as many items as any step has
	arrivedBytes = 256 << 10
)

func (p *planBuffer) open(t *thread) (err error) {
	if p.device, err = t.Alloc(planBytes + arrivedBytes); err != nil {
		return err
	}
	p.arrived = p.device + planBytes
	return t.Fill(p.arrived, 0, arrivedBytes, t.main)
}

func (p *planBuffer) close(t *thread) {
	if p.device != 0 {
		t.Free(p.device)
	}
}

const planHead = 16 // the numbers of items, and what aligns them

// planShape is the room that a plan has: rows that decode, one an item, and
// other items of up to prefillQueries rows.
type planShape struct{ decode, prefill int64 }

func shapeOf(plan *kernels.AttentionPlan, rows int64) planShape {
	return planShape{plan.Decode, rows - plan.Decode}
}

// itemsAt returns the offsets of both kinds of items, and of the block tables.
func (s planShape) itemsAt() (decode, prefill, tables int64) {
	size := int64(unsafe.Sizeof(attentionItem{}))
	return planHead, planHead + s.decode*size, planHead + (s.decode+s.prefill)*size
}

// encode writes a plan to p.next: the numbers of items, the items, with room
// for those of a shape, and the tables.
func (p *planBuffer) encode(plan *kernels.AttentionPlan, shape planShape) error {
	decodeAt, prefillAt, tablesAt := shape.itemsAt()
	blocks := int64(0)
	for i := range plan.Seqs {
		blocks += blocksOf(&plan.Seqs[i])
	}
	size := tablesAt + 4*blocks
	if size > planBytes {
		return fmt.Errorf("%s: a plan of %d rows and %d blocks is too large", kernels.OpAttention, shape.decode+shape.prefill, blocks)
	}
	if int64(cap(p.next)) < size {
		p.next = make([]byte, size, 2*size)
	}
	p.next = p.next[:size]
	clear(p.next[:tablesAt])
	counts := (*[2]int32)(unsafe.Pointer(&p.next[0]))
	lists := [2][]attentionItem{
		unsafe.Slice((*attentionItem)(unsafe.Pointer(&p.next[decodeAt])), shape.decode),
		unsafe.Slice((*attentionItem)(unsafe.Pointer(&p.next[prefillAt])), shape.prefill),
	}
	table := int32(0)
	for i := range plan.Seqs {
		s := &plan.Seqs[i]
		kind, most := 0, int64(1)
		if s.Row >= plan.Decode {
			kind, most = 1, prefillQueries
		}
		for r := int64(0); r < s.Rows; r += most {
			lists[kind][counts[kind]] = attentionItem{
				row: int32(s.Row + r), rows: int32(min(most, s.Rows-r)), position: int32(s.Position + r), table: table,
			}
			counts[kind]++
		}
		n := blocksOf(s)
		copy(p.next[tablesAt+4*int64(table):], bytesOf(s.Blocks[:n]))
		table += int32(n)
	}
	return nil
}

// blocksOf returns the number of blocks that a sequence's rows see.
func blocksOf(s *kernels.AttentionSeq) int64 { return pieces(s.Position+s.Rows, kernels.BlockSize) }

// everything is a window of all positions.
const everything = 1 << 30

// Attention is softmax attention over the cache, with a running maximum and sum
// (Milakov and Gimelshein, arXiv 1805.02867). A row's arithmetic depends on its
// own position and the window only; blocks before a window are not read.
func (d *Device) Attention(out, q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	kernels.CheckAttention(out, q, cache, window, plan)
	shape := shapeOf(plan, q.Shape[0])
	if d.recording {
		d.recorded.shape = shape // the plan comes with Replay
	} else {
		d.sendPlan(plan, shape)
	}
	base := addr(d.plan.device)
	decodeAt, prefillAt, tablesAt := shape.itemsAt()
	if window == 0 {
		window = everything
	}
	a := attentionArgs{
		cache: cacheArgs(cache), out: addr(out.Addr), q: addr(q.Addr), table: base + addr(tablesAt),
		heads: int32(q.Shape[1]), scale: float32(1 / math.Sqrt(float64(q.Shape[2]))),
		window: int32(min(window, everything)),
	}
	if shape.prefill > 0 {
		a.count, a.items = base+4, base+addr(prefillAt)
		items := shape.prefill
		if !d.recording {
			items = prefillItems(plan)
		}
		d.prefillAttention(a, cache.K.Type, items)
	}
	// Last, for what it converts has to stay in the workspace.
	if shape.decode > 0 {
		a.count, a.items = base, base+addr(decodeAt)
		d.decodeAttention(a, cache.K.Type, shape.decode)
	}
}

// prefillItems returns how many items of rows that do not decode a plan has.
func prefillItems(plan *kernels.AttentionPlan) (n int64) {
	for i := range plan.Seqs {
		if s := &plan.Seqs[i]; s.Row >= plan.Decode {
			n += pieces(s.Rows, prefillQueries)
		}
	}
	return n
}

// decodeAttention splits the positions of each row among blocks, as many rows
// at a time as the workspace has room for their parts. Few rows are converted, for
// the product that is likely to follow.
func (d *Device) decodeAttention(a attentionArgs, t kernels.DType, items int64) {
	heads, kvHeads, dim := int64(a.heads), int64(a.cache.kvHeads), int64(a.cache.dim)
	k := d.attentionKernel(&d.kernels.decodeAtt, t, dim)
	if k == nil {
		d.anyAttention(a, t, items, 1)
		return
	}
	parts, width := 4*decodeSplits*align(heads*(dim+2), 4), heads*dim
	groups := kvHeads * pieces(heads/kvHeads, decodeHeads)
	launch := func(a decodeArgs) {
		// No more blocks than there is room for: each does several splits.
		abreast := max(1, decodeBlocks(dim)*int64(d.info.Processors)/groups)
		d.launch(k, min(int64(a.items)*decodeSplits, abreast), groups, attentionThreads, decodeShared(dim), words(a))
	}
	args := decodeArgs{a: a, arrived: addr(d.plan.arrived)}
	inputs := align(inputBytes(items, width), 256)
	if d.convertsEarly(items, width, a.out) && inputs+items*parts <= d.work && 4*items*(groups+1) <= arrivedBytes {
		to, in := d.convertEarly(a.out, items, width)
		args.a.parts, args.to, args.items = d.at(inputs), to, int32(items)
		launch(args)
		d.converted = in
		return
	}
	most := min(d.work/parts, arrivedBytes/(4*(groups+1)))
	if most == 0 {
		d.fail(errWorkspace(kernels.OpAttention, d.work))
		return
	}
	args.a.parts = d.at(0)
	for from := int64(0); from < items; from += most {
		args.a.first, args.items = int32(from), int32(min(most, items-from))
		launch(args)
	}
}

// prefillAttention does items of many rows.
func (d *Device) prefillAttention(a attentionArgs, t kernels.DType, items int64) {
	if d.sm90Attention(a, t, items) {
		return
	}
	k := d.attentionKernel(&d.kernels.prefillAtt, t, int64(a.cache.dim))
	if k == nil {
		d.anyAttention(a, t, items, prefillQueries)
		return
	}
	d.launch(k, items, int64(a.heads), attentionThreads, prefillShared(int64(a.cache.dim)), words(a))
}

// anyAttention does every type and head size, each row by itself.
func (d *Device) anyAttention(a attentionArgs, t kernels.DType, items, rows int64) {
	kvHeads := int64(a.cache.kvHeads)
	shared := attentionShared(int64(a.heads)/kvHeads, int64(a.cache.dim))
	if shared > sharedMost {
		d.fail(fmt.Errorf("%s: %d heads of %d that share a KV head need %d bytes of shared memory, a block has %d",
			kernels.OpAttention, int64(a.heads)/kvHeads, a.cache.dim, shared, sharedMost))
		return
	}
	if kvHeads*rows > mostBlocks {
		d.fail(fmt.Errorf("%s: %d KV heads of %d in a cache of type %v, at most %d; heads of %v in F16 may be more",
			kernels.OpAttention, kvHeads, a.cache.dim, t, mostBlocks/rows, headSizes))
		return
	}
	d.launch(&d.kernels.attention[t], items, kvHeads*rows, attentionThreads, shared, words(a))
}

// attentionKernel returns the kernel for a type and a head size, nil if there is none.
func (d *Device) attentionKernel(set *[numTypes][len(headSizes)]kernel, t kernels.DType, dim int64) *kernel {
	i := slices.Index(headSizes[:], dim)
	if i < 0 || set[t][i].name == "" {
		return nil
	}
	return &set[t][i]
}

// sendPlan brings a plan to the device, unless it lies there.
func (d *Device) sendPlan(plan *kernels.AttentionPlan, shape planShape) {
	p := &d.plan
	if err := p.encode(plan, shape); err != nil {
		d.fail(err)
		return
	}
	if !bytes.Equal(p.next, p.sent) {
		d.send(p.device, p.next)
		p.next, p.sent = p.sent, p.next
	}
}
