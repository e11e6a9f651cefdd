package engine

import (
	"fmt"
	"slices"

	"trona/kernels"
	"trona/model"
)

// Draft is a small model that guesses what a large one will draw (Leviathan et
// al., arXiv 2211.17192). Both must have the same vocabulary, token by token:
// that is the caller's to check. It stands on the same device.
type Draft struct {
	Model *model.Model
	Cache *model.KVCache
}

// check returns why d cannot guess for a vocabulary of that many tokens.
func (d *Draft) check(vocab int) error {
	if (d.Model == nil) != (d.Cache == nil) {
		return fmt.Errorf("engine: a draft model needs a cache, and a cache a model")
	}
	if d.Model != nil && d.Model.Config.VocabSize != vocab {
		return fmt.Errorf("engine: the draft model has %d tokens, the model %d", d.Model.Config.VocabSize, vocab)
	}
	return nil
}

// drafter runs a draft model. For each sequence it reads the tokens that it does
// not know yet, a step's worth at a time, and where it knows all it draws
// guesses, one after the other for all sequences at once, with the noise that
// the sequence will draw with. A sequence for which its cache has no room it
// leaves alone for good; prompt lookup then guesses.
type drafter struct {
	Draft
	dev    kernels.Device
	rows   int // most rows of a step
	blocks *BlockManager
	known  []*Sequence // those with a reading

	ready []*Sequence // that have room
	batch model.Batch
	asked []*Sequence // that draw
	draws []kernels.SampleRow
	drawn []kernels.Sampled
}

// reading is what a draft model knows of a sequence.
type reading struct {
	table  []int32
	tokens []int32 // whose keys and values are in the cache
	sure   int     // how many of them are known to be the sequence's
	closed bool    // there was no room for more
}

// newDrafter returns a drafter that computes at most so many rows at a time.
func newDrafter(d Draft, dev kernels.Device, rows int) *drafter {
	return &drafter{
		Draft: d, dev: dev, rows: min(rows, d.Model.MaxRows()), blocks: NewBlockManager(d.Cache.Blocks),
		drawn: make([]kernels.Sampled, d.Model.MaxLogits()),
	}
}

// close frees the model and its cache.
func (d *drafter) close() {
	d.Cache.Close()
	d.Model.Close()
}

// sweep forgets sequences that hold no blocks of the engine's.
func (d *drafter) sweep() {
	d.known = slices.DeleteFunc(d.known, func(q *Sequence) bool {
		if q.state == running {
			return false
		}
		d.blocks.Release(q.reading.table)
		q.reading = nil
		return true
	})
}

// guess gives sequences drafts, all in all about so many.
func (d *drafter) guess(list []*Sequence, most int) error {
	share := (most + len(list) - 1) / max(len(list), 1)
	if share == 0 {
		return nil
	}
	d.begin(list, share)
	for n := 1; len(d.batch.Tokens) > 0; n++ {
		if err := d.draw(); err != nil {
			return err
		}
		d.batch.Reset()
		d.asked = slices.DeleteFunc(d.asked, func(q *Sequence) bool { return q.drafts < n || n == q.mostDrafts(share) })
		for _, q := range d.asked {
			d.read(q, d.rows, true)
		}
	}
	return nil
}

// begin makes a batch of what the model has not read of sequences.
func (d *drafter) begin(list []*Sequence, share int) {
	d.batch.Reset()
	d.ready, d.asked = d.ready[:0], d.asked[:0]
	for _, q := range list {
		if d.open(q, share) {
			d.ready = append(d.ready, q)
		}
	}
	left := d.rows
	for _, few := range []bool{true, false} { // rows with decode arithmetic stand first
		for _, q := range d.ready {
			if (len(q.tokens)-len(q.reading.tokens) <= fewRows) == few {
				left -= d.read(q, left, few)
			}
		}
	}
}

// fewRows is how many rows of a sequence are computed as decoding is: as many as
// follow from a step in which all guesses were right.
const fewRows = 2

// open makes room for what q has and its drafts, and drops from its reading what
// was guessed wrong. It returns false where there is no room.
func (d *drafter) open(q *Sequence, share int) bool {
	r := q.reading
	if r == nil {
		r = new(reading)
		q.reading = r
		d.known = append(d.known, q)
	}
	if r.closed || q.mostDrafts(share) == 0 {
		return false
	}
	for r.sure < min(len(r.tokens), len(q.tokens)) && r.tokens[r.sure] == q.tokens[r.sure] {
		r.sure++
	}
	r.sure = min(r.sure, len(q.tokens)-1) // the last is read again: its logits draw
	r.tokens = r.tokens[:r.sure]
	need := (len(q.tokens) + q.mostDrafts(share) + kernels.BlockSize - 1) / kernels.BlockSize
	table, ok := d.blocks.Grow(r.table, max(need-len(r.table), 0))
	if r.table = table; !ok {
		d.blocks.Release(r.table)
		r.table, r.tokens, r.sure, r.closed = nil, nil, 0, true
	}
	return ok
}

// read appends to the batch the tokens and drafts of q that the model has not
// read, at most so many, and returns how many. Where it has read all it will
// draw.
func (d *drafter) read(q *Sequence, most int, decode bool) int {
	r := q.reading
	from, all := len(r.tokens), q.ahead(q.drafts)
	n := min(len(all)-from, most)
	whole := from+n == len(all)
	if n == 0 || whole && len(d.asked) == len(d.drawn) && q.drafts == 0 {
		return 0
	}
	d.batch.Tokens = append(d.batch.Tokens, all[from:from+n]...)
	d.batch.Seqs = append(d.batch.Seqs, model.BatchSeq{Rows: n, Position: int64(from), Blocks: r.table, Decode: decode})
	r.tokens = append(r.tokens, all[from:from+n]...)
	if whole {
		d.batch.Logits = append(d.batch.Logits, int32(len(d.batch.Tokens)-1))
		if q.drafts == 0 {
			d.asked = append(d.asked, q)
		}
	}
	return n
}

// draw computes the batch and gives a draft to each sequence that asked.
func (d *drafter) draw() error {
	logits := d.Model.Forward(&d.batch, d.Cache)
	d.draws = d.draws[:0]
	for _, q := range d.asked {
		row := q.row(q.drafts)
		row.Logprob, row.Logprobs = false, 0
		d.draws = append(d.draws, row)
	}
	drawn := d.drawn[:len(d.draws)]
	if len(drawn) > 0 {
		d.dev.Sample(drawn, logits, d.draws)
	}
	if err := d.dev.Sync(); err != nil {
		return fmt.Errorf("draft model: %w", err)
	}
	for i, q := range d.asked {
		if s := &drawn[i]; !s.Invalid && s.Token >= 0 && int(s.Token) < d.Model.Config.VocabSize {
			q.draft(s.Token)
		}
	}
	return nil
}
