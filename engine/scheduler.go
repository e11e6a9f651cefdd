package engine

import (
	"cmp"
	"slices"
)

// Limits bounds what a Scheduler plans.
type Limits struct {
	Seqs        int // most sequences in work, at most Logits
	Rows        int // most rows of a step, at least Logits
	Logits      int // most rows of a step with logits
	PrefillRows int // most rows of prompts in a step in which others decode
	Tables      int // most blocks of all sequences of a step, shared ones each time, at least those of any; 0: no limit
	Block       int // tokens of a block
}

// Scheduler decides what is computed next. It is a state machine of integers:
// the same calls give the same plans. It knows no clock, no device and no
// chance.
//
// Sequences rank by priority, then by arrival. Every step first lets waiting
// sequences in, by rank, as long as there are rows and memory for them; then
// each sequence that decodes gets its row; what rows are left go to prompts,
// and what those leave to drafts. Where their block tables are too long for one
// step, the last by rank sit it out.
//
// # Why does every request end?
//
// Submit refuses what the cache could never hold, so the first by rank always
// finds room: a sequence that needs a block takes it from the last by rank.
// The last may be itself. Who lost its blocks waits again, at its rank; when
// it runs the next time it gets a block more than it needs and keeps all until
// it has drawn as many tokens as fill one. Until then, whoever would take its
// blocks waits for it: it needs none meanwhile, so it gets there.
type Scheduler struct {
	limits  Limits
	blocks  *BlockManager
	waiting []*Sequence // by rank
	running []*Sequence // by rank
	arrived int64
	room    int      // blocks that tables of the step being planned may have besides
	plan    *Plan    // the last
	plans   [2]*Plan // that one, and the one before it

	started []*Sequence // let in for the first time by the last call of Next
	stats   Stats       // the counters only
}

// NewScheduler returns a scheduler without sequences that shares out blocks.
func NewScheduler(l Limits, blocks *BlockManager) *Scheduler {
	l.Tables = cmp.Or(l.Tables, l.Seqs*blocks.Total())
	return &Scheduler{limits: l, blocks: blocks, plans: [2]*Plan{{}, {}}}
}

// Idle reports whether there is nothing to do.
func (s *Scheduler) Idle() bool { return len(s.waiting)+len(s.running) == 0 }

// All returns the sequences that have not ended.
func (s *Scheduler) All() []*Sequence { return slices.Concat(s.waiting, s.running) }

// Stats returns what the scheduler holds and has done.
func (s *Scheduler) Stats() Stats {
	now := s.stats
	now.Running, now.Waiting = len(s.running), len(s.waiting)
	now.Blocks, now.BlocksUsed, now.BlocksCached = s.blocks.Total(), s.blocks.Used(), s.blocks.Cached()
	return now
}

// Add lets a sequence wait. It must be one that the cache can hold.
func (s *Scheduler) Add(q *Sequence) {
	q.number = s.arrived
	s.arrived++
	s.wait(q)
}

func (s *Scheduler) wait(q *Sequence) {
	q.state = waiting
	s.waiting = insert(s.waiting, q)
}

// insert puts q into a list at its rank.
func insert(list []*Sequence, q *Sequence) []*Sequence {
	at, _ := slices.BinarySearchFunc(list, q, (*Sequence).compare)
	return slices.Insert(list, at, q)
}

// Drop ends sequences, wherever they stand, and frees their blocks. Those that
// have ended already stay as they are.
func (s *Scheduler) Drop(list []*Sequence, why FinishReason) {
	for _, q := range list {
		if q.state != finished {
			s.end(q, why)
		}
	}
	s.sweep()
	s.waiting = slices.DeleteFunc(s.waiting, (*Sequence).ended)
}

func (q *Sequence) ended() bool { return q.state == finished }

// end frees what a sequence holds. sweep must follow.
func (s *Scheduler) end(q *Sequence, why FinishReason) {
	if why == FinishError {
		s.blocks.Forget(q.table) // what made no sense to one helps nobody
	}
	s.blocks.Release(q.table)
	q.table = q.table[:0]
	q.state, q.finish = finished, why
}

// sweep takes ended sequences out of the running ones.
func (s *Scheduler) sweep() { s.running = slices.DeleteFunc(s.running, (*Sequence).ended) }

// Next plans a step and reserves the memory for it. The plan is empty only
// where the scheduler is idle, or all that it holds waits for a step under way.
func (s *Scheduler) Next() *Plan {
	s.plans[0], s.plans[1] = s.plans[1], s.plans[0]
	s.plan = s.plans[0]
	s.plan.Decode, s.plan.Prefill = s.plan.Decode[:0], s.plan.Prefill[:0]
	s.started = s.started[:0]
	s.admit()
	s.seat()
	s.decode()
	decoding := len(s.plan.Decode)
	s.draft(s.plan.Decode[:decoding], s.prefill())
	return s.plan
}

// Expect lets the next plan go on behind the tokens that a step under way draws.
// It must be the only one. It has no drafts.
func (s *Scheduler) Expect(p *Plan) {
	for i := range p.Len() {
		if r := p.Run(i); r.Draw && r.Seq.state == running {
			r.Seq.pending = 1
		}
	}
}

// Commit takes what a step gave: for each run, those of Decode first, the
// tokens that its rows drew. A negative one, where nothing could be drawn, ends
// the sequence. A sequence that has ended since the step was planned gets nothing.
func (s *Scheduler) Commit(p *Plan, drawn [][]int32) {
	for i := range p.Len() {
		s.commit(p.Run(i), drawn[i])
	}
	s.stats.Steps++
	s.sweep()
}

func (s *Scheduler) commit(r *Run, drawn []int32) {
	q := r.Seq
	if q.state == finished {
		return
	}
	q.pending = 0
	why, right := q.take(r, drawn)
	s.stats.GeneratedTokens += int64(r.Took)
	s.stats.DraftedTokens += int64(r.Drafts)
	s.stats.AcceptedTokens += int64(right)
	if r.Took > 0 && q.drawn() == r.Took {
		s.stats.PromptTokens += int64(q.prompt)
	}
	q.computed += max(r.Took-1, 0) // rows of drafts, which were right
	if why != FinishNone {
		q.computed = min(q.computed, len(q.tokens)-1) // the row of the last token, if there is one, counts for nothing
	}
	s.seal(q)
	if why == FinishNone {
		return
	}
	if q.state == waiting { // it lost its blocks meanwhile
		s.waiting = slices.DeleteFunc(s.waiting, func(w *Sequence) bool { return w == q })
	}
	s.end(q, why)
	r.Ended = true
}

// admit lets waiting sequences in, the first by rank first.
func (s *Scheduler) admit() {
	left := s.prefillRows(s.decoding())
	for _, q := range s.running {
		if !q.decoding() {
			left -= share(q, left)
		}
	}
	for left > 0 && len(s.waiting) > 0 {
		q := s.waiting[0]
		if q.pending > 0 {
			return // it is about to be a token longer
		}
		for !s.enter(q) {
			victim := s.displaced(q)
			if victim == nil {
				return
			}
			s.preempt(victim)
		}
		s.waiting = slices.Delete(s.waiting, 0, 1)
		left -= share(q, left)
	}
}

// decoding returns how many sequences decode.
func (s *Scheduler) decoding() int {
	n := 0
	for _, q := range s.running {
		if q.decoding() {
			n++
		}
	}
	return n
}

// prefillRows returns how many rows of a step are for prompts where so many
// sequences decode.
func (s *Scheduler) prefillRows(decoding int) int {
	left := s.limits.Rows - decoding
	if decoding > 0 {
		left = min(left, s.limits.PrefillRows)
	}
	return left
}

// share returns what q gets of the rows for prompts when those before it have
// theirs: at most three quarters, so that a long prompt does not hold up short
// ones behind it.
func share(q *Sequence, left int) int { return min(q.left(), (3*left+3)/4) }

// enter gives a waiting sequence blocks for its tokens, and for the next to come,
// and lets it run, if there is room for it.
func (s *Scheduler) enter(q *Sequence) bool {
	if len(s.running) == s.limits.Seqs {
		return false
	}
	table := s.blocks.Match(q.table[:0], q.blockKeys(q.reusable()))
	cached := len(table) * q.block
	ahead := 1
	if q.preempted > 0 {
		ahead = q.block
	}
	more := q.blocks(min(len(q.tokens)+ahead, q.longest())) - len(table)
	if s.blocks.Available() < more+s.headroom(q) {
		s.blocks.Release(table)
		return false
	}
	q.table, _ = s.blocks.Grow(table, more)
	q.computed, q.sealed = cached, cached/q.block
	if q.preempted > 0 {
		q.shelter = len(q.tokens) + q.block
	} else {
		s.started = append(s.started, q)
		s.stats.PrefixQueryTokens += int64(q.prompt)
		s.count(q, cached)
	}
	q.state = running
	s.running = insert(s.running, q)
	return true
}

// count notes prompt tokens found in the cache.
func (s *Scheduler) count(q *Sequence, cached int) {
	if q.preempted == 0 {
		q.cached += cached
		s.stats.PrefixHitTokens += int64(cached)
	}
}

// headroom returns the blocks that should be free besides those of q: the
// sequences before it may each grow by a block in as many steps, for as long
// as its prompt takes, and would take it from q.
func (s *Scheduler) headroom(q *Sequence) int {
	before := 0
	for _, r := range s.running {
		if r.before(q) {
			before++
		}
	}
	return before * (1 + q.left()/s.limits.PrefillRows/q.block)
}

// displaced returns the sequence whose place q may take: the last by rank, if
// its priority is worse.
func (s *Scheduler) displaced(q *Sequence) *Sequence {
	for _, v := range slices.Backward(s.running) {
		if v.priority <= q.priority {
			break
		}
		if !v.sheltered() {
			return v
		}
	}
	return nil
}

// preempt takes all blocks of a running sequence, which waits again.
func (s *Scheduler) preempt(v *Sequence) {
	s.blocks.Release(v.table)
	v.table, v.computed, v.sealed, v.drafts = v.table[:0], 0, 0, 0
	v.preempted++
	s.stats.Preemptions++
	at, _ := slices.BinarySearchFunc(s.running, v, (*Sequence).compare)
	s.running = slices.Delete(s.running, at, at+1)
	s.wait(v)
}

// seat chooses who takes part in the step: as many by rank as its tables have room for, the
// sheltered first, for others may wait for them.
func (s *Scheduler) seat() {
	s.room = s.limits.Tables
	for _, sheltered := range []bool{true, false} {
		for _, q := range s.running {
			if q.sheltered() != sheltered {
				continue
			}
			need := q.blocks(q.length())
			if q.seated = need <= s.room; q.seated {
				s.room -= need
			}
		}
	}
}

// decode plans a row of each sequence that needs no more. Growing one may cost
// others that come after it, or itself, their place.
func (s *Scheduler) decode() {
	for i := 0; i < len(s.running); i++ {
		q := s.running[i]
		if !q.seated || !q.decoding() {
			continue
		}
		if !s.grow(q) {
			if q.state == waiting {
				i--
			}
			continue
		}
		s.plan.Decode = append(s.plan.Decode, Run{Seq: q, Position: q.computed, Rows: 1, Logits: 1, Draw: true})
		s.advance(q, 1)
	}
}

// grow makes room for all tokens of q. Without success q is preempted, or must
// wait for a sheltered sequence.
func (s *Scheduler) grow(q *Sequence) bool {
	for {
		var ok bool
		if q.table, ok = s.blocks.Grow(q.table, q.blocks(q.length())-len(q.table)); ok {
			return true
		}
		v := s.victim(q)
		if v == nil {
			return false
		}
		s.preempt(v)
		if v == q {
			return false
		}
	}
}

// victim returns the last sequence by rank that is not sheltered, down to q
// itself; but q does not give way to those after it.
func (s *Scheduler) victim(q *Sequence) *Sequence {
	for i, v := range slices.Backward(s.running) {
		if v == q && i < len(s.running)-1 {
			break
		}
		if !v.sheltered() {
			return v
		}
	}
	return nil
}

// prefill shares out rows among prompts, and among answers that are computed
// again. It returns how many rows with logits are left.
func (s *Scheduler) prefill() int {
	left := s.prefillRows(len(s.plan.Decode))
	for _, q := range s.running {
		q.grant = 0
		if q.seated && !q.decoding() {
			q.grant = share(q, left)
			left -= q.grant
		}
	}
	extra := s.limits.Logits - len(s.running) // rows of logits beyond one for each sequence
	for _, q := range s.running {
		if !q.seated || q.left() == 0 || q.decoding() {
			continue
		}
		more := min(q.left()-q.grant, left)
		q.grant += more
		left -= more
		extra -= s.planRun(q, extra)
	}
	return min(left, extra)
}

// spare returns how many drafts the next step has room for, at most.
func (s *Scheduler) spare() int {
	return max(min(s.prefillRows(s.decoding()), s.limits.Logits-len(s.running)), 0)
}

// draft appends drafts to the rows of sequences that decode, in equal shares of
// the rows that are left. They cost nobody anything: a draft that needs a block
// gets one only where each sequence could have another.
func (s *Scheduler) draft(decode []Run, left int) {
	sharers := 0
	for i := range decode {
		if decode[i].Seq.drafts > 0 {
			sharers++
		}
	}
	for i := range decode {
		r := &decode[i]
		q := r.Seq
		if q.drafts == 0 {
			continue
		}
		n := min(q.drafts, (left+sharers-1)/sharers)
		more := q.blocks(len(q.tokens)+n) - len(q.table)
		if more > 0 && s.blocks.Available() >= more+len(s.running) {
			q.table, _ = s.blocks.Grow(q.table, more)
		}
		has := q.blocks(len(q.tokens))
		n = min(n, min(len(q.table), has+s.room)*q.block-len(q.tokens))
		s.room -= q.blocks(len(q.tokens)+n) - has
		r.Rows, r.Logits, r.Drafts = r.Rows+n, r.Logits+n, n
		left -= n
		sharers--
	}
}

// planRun plans a run of q of up to q.grant rows, with up to extra+1 rows of
// logits, and returns how many beyond one it takes.
func (s *Scheduler) planRun(q *Sequence, extra int) int {
	s.reuse(q)
	from := q.computed
	end := min(from+q.grant, len(q.tokens))
	runs := &s.plan.Decode
	if from < q.prompt {
		runs, end = &s.plan.Prefill, min(end, q.prompt)
	}
	if over := q.wanted(from, end) - 1 - extra; over > 0 {
		end -= over
	}
	if end <= from {
		return 0
	}
	wanted := q.wanted(from, end)
	*runs = append(*runs, Run{Seq: q, Position: from, Rows: end - from, Logits: wanted, Draw: end == len(q.tokens)})
	q.scored = max(q.scored, min(end, q.score))
	s.advance(q, end-from)
	return max(wanted-1, 0)
}

// reuse exchanges blocks that q is about to compute for sealed ones: others
// that began alike may have come before it, even in this step.
func (s *Scheduler) reuse(q *Sequence) {
	keys := q.blockKeys(q.reusable())
	for b := q.computed / q.block; b < len(keys); b++ {
		own := q.table[b]
		if found := s.blocks.Match(q.table[:b], keys[b:b+1]); len(found) == b {
			return
		} // else it took the place of own
		s.blocks.Release([]int32{own})
		s.count(q, (b+1)*q.block-q.computed)
		q.computed, q.sealed = (b+1)*q.block, b+1
	}
}

// advance counts rows as computed and seals the blocks they fill. Within a
// step too, keys and values are stored before they are read.
func (s *Scheduler) advance(q *Sequence, rows int) {
	q.computed += rows
	s.seal(q)
}

// seal gives the full blocks of q their keys, as far as its tokens are known.
func (s *Scheduler) seal(q *Sequence) {
	if q.state != running {
		return
	}
	full := min(q.computed, len(q.tokens)) / q.block
	for ; q.sealed < full; q.sealed++ {
		s.blocks.Seal(q.table[q.sealed], q.blockKeys(full)[q.sealed])
	}
}
