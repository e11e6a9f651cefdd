package model

// Batch is what one step computes: some rows (tokens) of some sequences. It
// holds host arrays only; Forward uploads what the device needs. Rows of
// sequences with Decode set come first, so that the device can choose its
// arithmetic by row number.
type Batch struct {
	Tokens []int32 // [rows] token ids, sequence after sequence
	Seqs   []BatchSeq
	Logits []int32 // row numbers whose logits are wanted, ascending
	// Drawn [rows], where there is one, tells whose tokens the host does not know
	// yet: the row of the device's last Sample that draws it; negative: it is in
	// Tokens. The device must be a kernels.Pipeliner.
	Drawn []int32
}

// BatchSeq is a run of consecutive positions of one sequence.
type BatchSeq struct {
	Rows     int     // tokens of this run
	Position int64   // of the first
	Blocks   []int32 // block table of the sequence, covering Position+Rows positions
	// Decode: compute these rows with decode arithmetic. It is set for the
	// positions that decoding produced, also when they are replayed after a
	// preemption, so that a replay gives the same bits.
	Decode bool
}

// Reset empties b and keeps its memory.
func (b *Batch) Reset() {
	b.Tokens, b.Seqs, b.Logits, b.Drawn = b.Tokens[:0], b.Seqs[:0], b.Logits[:0], b.Drawn[:0]
}

// Decodes returns the number of leading rows with decode arithmetic.
func (b *Batch) Decodes() int {
	n := 0
	for _, s := range b.Seqs {
		if !s.Decode {
			break
		}
		n += s.Rows
	}
	return n
}
