package engine

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	simulated = flag.Int("simulate", 10_000_000, "events of TestSimulation; a fortieth with -short")
	simSeed   = flag.Uint64("simulate-seed", 0, "seed of its first episode")
)

// Random requests come, are cancelled, share prefixes and crowd each other out
// of caches that are far too small. After every step the keys and values of
// all sequences must be what each would have computed alone.
func TestSimulation(t *testing.T) {
	want := *simulated
	if testing.Short() {
		want /= 40
	}
	var total tally
	seed := *simSeed
	for ; total.events < want; seed++ {
		w := newWorld(seed)
		if err := w.episode(20_000); err != nil {
			t.Fatalf("-simulate-seed=%d: step %d: %v", seed, w.steps, err)
		}
		total.add(w)
	}
	t.Logf("seeds %d to %d: %+v", *simSeed, seed-1, total)
	for what, n := range map[string]int{
		"preemptions": total.preempted, "second preemptions": total.again, "prompt tokens found": total.found,
		"cancelled while waiting": total.cancelled[waiting], "cancelled while running": total.cancelled[running],
		"failed": total.failed, "drafts": total.drafted, "right drafts": total.accepted, "wrong drafts": total.drafted - total.accepted,
		"rows of prompts with logits": total.scored, "steps in which one waits for another": total.stalled,
		"rows too many": total.surplus, "ends while waiting": total.late,
	} {
		require.Greater(t, n, want/100_000, "hardly any: %s", what)
	}
}

// tally is what a simulation has seen.
type tally struct {
	events, steps, submitted, preempted, again, found, failed, scored, stalled, drafted, accepted, surplus, late int
	cancelled                                                                                                    [finished + 1]int
	oldest                                                                                                       float64 // greatest share of the steps that a sequence may take
}

func (t *tally) add(w *world) {
	t.events += w.events
	t.steps += w.steps
	t.submitted += w.submitted
	t.preempted += int(w.Scheduler.stats.Preemptions)
	t.again += w.again
	t.found += int(w.Scheduler.stats.PrefixHitTokens)
	t.drafted += int(w.Scheduler.stats.DraftedTokens)
	t.accepted += int(w.Scheduler.stats.AcceptedTokens)
	t.failed += w.failed
	t.scored += w.scored
	t.stalled += w.stalled
	t.surplus += w.surplus
	t.late += w.late
	for i, n := range w.cancelled {
		t.cancelled[i] += n
	}
	t.oldest = max(t.oldest, w.oldest)
}

// world is a scheduler among users, with a memory of numbers instead of keys
// and values: what stands for a position is a digest of all tokens up to it
// and of the arithmetic that computed each.
type world struct {
	*Scheduler
	tally
	rng     *rand.Rand
	memory  []uint64 // by slot
	alive   []*life
	of      map[*Sequence]*life
	past    [][]int32 // tokens of sequences that ended
	crowd   int       // about how many are there at a time
	ranked  bool      // priorities differ
	uniform bool      // the arithmetics agree
	guesses bool      // sequences guess
	ahead   bool      // a step is planned while the one before it is under way
	under   *passage  // that one
}

// passage is a plan on its way through the device, with the blocks that it has
// in mind.
type passage struct {
	*Plan
	lives  []*life
	tables [][]int32
}

// life is what the world knows of a sequence.
type life struct {
	*Sequence
	seed    uint64
	digests []uint64 // of each token
	born    int      // step
	due     int      // steps that it may take
	rows    int      // of its prompt with logits so far
	lost    int      // times it was preempted
	decodes bool     // it needed a single row before the step was planned
	had     int      // its tokens at that time
	kept    int      // its tokens when it was preempted last
}

func newWorld(seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	seqs := 1 + rng.IntN(8)
	logits := seqs + rng.IntN(8)
	rows := logits + rng.IntN(24)
	l := Limits{Seqs: seqs, Rows: rows, Logits: logits, PrefillRows: 1 + rng.IntN(rows), Block: 1 + rng.IntN(6)}
	blocks := 2 + rng.IntN(40)
	if rng.IntN(3) == 0 {
		l.Tables = 2 + rng.IntN(4*blocks)
	}
	w := &world{
		Scheduler: NewScheduler(l, NewBlockManager(blocks)), rng: rng, of: map[*Sequence]*life{},
		memory: make([]uint64, blocks*l.Block), crowd: 1 + rng.IntN(20), ranked: rng.IntN(2) == 0, uniform: rng.IntN(2) == 0,
		guesses: rng.IntN(3) > 0,
	}
	w.ahead = !w.guesses || rng.IntN(3) == 0
	w.guesses = w.guesses && !w.ahead
	return w
}

// episode goes on for about so many events and lets everything end.
func (w *world) episode(events int) error {
	for w.events < events {
		for len(w.alive) < w.crowd && w.rng.IntN(3) > 0 {
			w.submit()
		}
		w.cancel()
		if err := w.step(); err != nil {
			return err
		}
	}
	for len(w.alive) > 0 || w.under != nil {
		if err := w.step(); err != nil {
			return err
		}
	}
	if p := w.Next(); p.Len() > 0 || !w.Idle() || w.blocks.Used() > 0 {
		return fmt.Errorf("%d runs planned and %d blocks used when all have ended", p.Len(), w.blocks.Used())
	}
	return w.blocks.Check()
}

// mix is a step of a digest (the finaliser of SplitMix64).
func mix(h, v uint64) uint64 {
	h += v*0x9e3779b97f4a7c15 + 1
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// tenants are where the digests of each salt begin.
var tenants = map[string]uint64{"": 0, "a": 1, "b": 2}

// submit adds a sequence, mostly one that begins like others.
func (w *world) submit() {
	most := min(w.blocks.Total(), w.limits.Tables) * w.limits.Block // positions
	prompt := w.prompt(1 + w.rng.IntN(most))
	salt := []string{"", "a", "b"}[w.rng.IntN(3)]
	q := newSequence(prompt, 1+w.rng.IntN(most-len(prompt)+1), w.limits.Block, salt)
	q.uniform = w.uniform
	if w.ranked {
		q.priority = w.rng.IntN(3)
	}
	if w.rng.IntN(6) == 0 {
		q.score = len(prompt) - 1
	}
	l := &life{Sequence: q, seed: w.rng.Uint64(), born: w.steps, digests: []uint64{tenants[salt]}}
	if w.rng.IntN(4) == 0 {
		l.seed = 7 // draws what others draw
	}
	w.Add(q)
	for _, o := range w.alive {
		if o.before(q) {
			l.due += w.cost(o)
		} else {
			o.due += w.cost(l)
		}
	}
	l.due += w.cost(l)
	w.alive = append(w.alive, l)
	w.of[q] = l
	w.events++
	w.submitted++
}

// cost bounds the steps in which l keeps others waiting while it is the first
// by rank: a row each, and the shelter of one that comes after it and computes
// again all that fits the cache.
func (w *world) cost(l *life) int { return 2*(l.prompt+l.maxTokens) + len(w.memory) + l.block }

// prompt returns n tokens: of one of a few documents, or after an earlier
// sequence.
func (w *world) prompt(n int) []int32 {
	prompt := make([]int32, n)
	document, same := int32(100*w.rng.IntN(3)), w.rng.IntN(n+1)
	for i := range prompt {
		prompt[i] = document + int32(i%7)
		if i >= same {
			prompt[i] = w.rng.Int32N(1000)
		}
	}
	if len(w.past) > 0 && w.rng.IntN(3) == 0 {
		copy(prompt, w.past[w.rng.IntN(len(w.past))])
	}
	return prompt
}

// cancel now and then cancels one or all.
func (w *world) cancel() {
	if len(w.alive) == 0 || w.rng.IntN(60) > 0 {
		return
	}
	some := []*Sequence{w.alive[w.rng.IntN(len(w.alive))].Sequence}
	if w.rng.IntN(20) == 0 {
		some = w.All()
	}
	for _, q := range some {
		w.cancelled[q.state]++
		w.events++
	}
	w.Drop(append(some, some[0]), FinishCancelled) // twice does no harm
	w.bury()
}

// bury forgets what has ended.
func (w *world) bury() {
	w.alive = slices.DeleteFunc(w.alive, func(l *life) bool {
		if l.state != finished {
			return false
		}
		delete(w.of, l.Sequence)
		if len(w.past) == 8 {
			w.past = w.past[1:]
		}
		w.past = append(w.past, l.tokens)
		w.events++
		return true
	})
}

func (w *world) step() error {
	if w.under != nil {
		w.Expect(w.under.Plan)
	}
	for _, l := range w.alive {
		l.had = len(l.tokens)
		if l.decodes = l.decoding(); l.decodes && w.guesses {
			l.guess(w.rng)
		}
	}
	p := w.Next()
	w.steps++
	if p.Len() == 0 && len(w.alive) > 0 && w.under == nil {
		return fmt.Errorf("nothing is planned for %d sequences", len(w.alive))
	}
	if err := w.checkPlan(p); err != nil {
		return err
	}
	now := w.launch(p)
	if w.ahead {
		now, w.under = w.under, now
	}
	if now != nil {
		if err := w.complete(now); err != nil {
			return err
		}
	}
	if err := w.checkLives(); err != nil {
		return err
	}
	w.bury()
	if w.steps%16 == 0 {
		return w.check(w.ahead)
	}
	return nil
}

// launch sends a plan to the device; an empty one is none.
func (w *world) launch(p *Plan) *passage {
	if p.Len() == 0 {
		return nil
	}
	now := &passage{Plan: p}
	for i := range p.Len() {
		q := p.Run(i).Seq
		now.lives, now.tables = append(now.lives, w.of[q]), append(now.tables, slices.Clone(q.table))
	}
	return now
}

// complete lets the device compute a plan, which gives its tokens.
func (w *world) complete(p *passage) error {
	if err := w.compute(p); err != nil {
		return err
	}
	waits := w.waiting
	for _, l := range p.lives {
		if l.state == finished {
			w.surplus++
		}
	}
	w.Commit(p.Plan, answers(p.Plan, w.draw))
	w.late += len(waits) - len(w.waiting)
	w.events += p.Len()
	return w.checkDrawn(p.Plan)
}

// draw draws the token of a row, or fails.
func (w *world) draw(r *Run, row int) int32 {
	if w.rng.IntN(5000) == 0 {
		return -1
	}
	l := w.of[r.Seq]
	if l == nil {
		return 0 // it has ended
	}
	l.stops = []int32{999}
	return l.token(len(l.tokens) + row)
}

// token is the one that l draws at a position, as sampling is a function of
// sequence and position.
func (l *life) token(at int) int32 {
	h := mix(l.seed, uint64(at))
	if h%64 == 0 {
		return 999
	}
	return int32(h % 5)
}

// guess proposes drafts, which may be wrong from some place on.
func (l *life) guess(rng *rand.Rand) {
	drafts := make([]int32, rng.IntN(7))
	wrong := rng.IntN(10)
	for i := range drafts {
		drafts[i] = l.token(len(l.tokens) + i)
		if i >= wrong {
			drafts[i] = rng.Int32N(5)
		}
	}
	l.propose(drafts...)
}

// checkDrawn holds what sequences got against what they would have got alone.
func (w *world) checkDrawn(p *Plan) error {
	for i := range p.Len() {
		r := p.Run(i)
		l, n := w.of[r.Seq], len(r.Seq.tokens)
		if r.Ended && r.Seq.finish == FinishError {
			w.failed++
		}
		for at := n - r.Took; at < n; at++ {
			if l.tokens[at] != l.token(at) {
				return fmt.Errorf("run %+v drew %v at %d, want %d", *r, l.tokens[at], at, l.token(at))
			}
			if l.tokens[at] == 999 && at < n-1 {
				return fmt.Errorf("run %+v goes on behind a stop", *r)
			}
		}
	}
	return nil
}

// checkPlan holds a plan against the limits.
func (w *world) checkPlan(p *Plan) error {
	seen, rows, logits, prefill, tables := map[*Sequence]bool{}, 0, 0, 0, 0
	decoding := false
	for i := range p.Len() {
		r := p.Run(i)
		q := r.Seq
		decode := i < len(p.Decode)
		end := r.Position + r.Rows - r.Drafts
		switch {
		case seen[q], q.state != running, r.Rows < 1, end != q.computed, end > q.length():
			return fmt.Errorf("run %+v of a sequence with %d of %d tokens computed, in state %d", *r, q.computed, len(q.tokens), q.state)
		case decode != (r.Position >= q.prompt), !decode && end > q.prompt:
			return fmt.Errorf("run %+v: decode %v, the prompt has %d tokens", *r, decode, q.prompt)
		case r.Draw != (end == q.length()), r.Logits < r.draws():
			return fmt.Errorf("run %+v: %d tokens", *r, len(q.tokens))
		case r.Drafts > 0 && !(decode && r.Rows == 1+r.Drafts), r.Drafts > q.drafts, end+r.Drafts > q.longest():
			return fmt.Errorf("run %+v: %d drafts of a sequence of up to %d positions", *r, q.drafts, q.longest())
		}
		seen[q] = true
		rows, logits, tables = rows+r.Rows, logits+r.Logits, tables+q.blocks(r.Position+r.Rows)
		prefill += r.Rows
		if decode && r.Draw && r.Rows == 1+r.Drafts { // it may have come to decode in this step
			decoding = decoding || w.of[q].decodes
			prefill--
		}
		if err := w.of[q].score(r); err != nil {
			return err
		}
		w.scored += r.Logits - r.draws()
	}
	for _, q := range w.running {
		if q.decoding() { // else it would not be any more
			w.stalled++
		}
	}
	if l := w.limits; rows > l.Rows || logits > l.Logits || decoding && prefill > l.PrefillRows || tables > l.Tables {
		return fmt.Errorf("%d rows (%d of prompts), %d of logits, %d blocks: limits %+v", rows, prefill, logits, tables, l)
	}
	return nil
}

// score checks that each row of a prompt has its logits once, if they are
// wanted.
func (l *life) score(r *Run) error {
	for i := range r.Logits - r.draws() {
		if at := r.Position + r.Rows - r.Logits + i; at != l.rows || at >= l.Sequence.score {
			return fmt.Errorf("logits of row %d of the prompt, %d of %d were there", at, l.rows, l.Sequence.score)
		}
		l.rows++
	}
	if r.Draw && l.rows != l.Sequence.score {
		return fmt.Errorf("a token is drawn, but %d of %d rows had their logits", l.rows, l.Sequence.score)
	}
	return nil
}

// compute stores what a step computes, then checks what it reads: everything
// up to its last row. What the row of a last token stores is nobody's.
func (w *world) compute(p *passage) error {
	for i, l := range p.lives {
		r := p.Run(i)
		tokens := l.ahead(r.Drafts)
		for at := len(l.digests) - 1; at < len(tokens); at++ {
			arithmetic := uint64(0)
			if at >= l.prompt && !w.uniform {
				arithmetic = 1 << 32
			}
			l.digests = append(l.digests, mix(l.digests[at], arithmetic|uint64(tokens[at])))
		}
		for at := r.Position; at < r.Position+r.Rows; at++ {
			digest := w.rng.Uint64()
			if at < l.valid(r) {
				digest = l.digests[at+1]
			}
			w.memory[p.slot(i, at)] = digest
		}
	}
	for i, l := range p.lives {
		r := p.Run(i)
		for at := range min(r.Position+r.Rows, l.valid(r)) {
			if got := w.memory[p.slot(i, at)]; got != l.digests[at+1] {
				return fmt.Errorf("run %+v reads position %d in block %d, which holds something else", *r, at, p.tables[i][at/l.block])
			}
		}
		l.digests = l.digests[:len(l.tokens)+1] // drafts may be wrong
	}
	return nil
}

// valid returns how many positions of a run make sense: those whose tokens came,
// but not that of a last one.
func (l *life) valid(r *Run) int {
	n := len(l.ahead(r.Drafts))
	if l.state == finished && l.finish != FinishCancelled {
		n--
	}
	return n
}

func (p *passage) slot(i, at int) int {
	block := p.lives[i].block
	return int(p.tables[i][at/block])*block + at%block
}

// checkLives looks for starvation, and for preemption before a block's worth
// of tokens was drawn since the last.
func (w *world) checkLives() error {
	for _, l := range w.alive {
		if l.preempted > l.lost {
			w.events += l.preempted - l.lost
			if l.lost > 0 {
				w.again++
				if l.had < l.kept+l.block {
					return fmt.Errorf("sequence %d is preempted again after %d tokens", l.number, l.had-l.kept)
				}
			}
			if l.preempted > l.lost+1 {
				return fmt.Errorf("sequence %d is preempted twice in a step", l.number)
			}
			l.lost, l.kept = l.preempted, l.had
		}
		age := w.steps - l.born
		w.oldest = max(w.oldest, float64(age)/float64(l.due))
		if age > l.due {
			return fmt.Errorf("sequence %d starves: %d steps old, due after %d, state %d", l.number, age, l.due, l.state)
		}
	}
	return nil
}
