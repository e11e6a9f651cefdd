package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"trona/testdata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Scripts of testdata/scheduler; `go test ./engine -run Scripts -rewrite`
// renews what they expect. The commands:
//
//	new blocks=8 size=4 [seqs=4] [rows=16] [logits=4] [prefill=16] [tables=9] [uniform]
//	    [ahead]          a step is planned before the one before it is committed:
//	                     step then tells of that one's ends
//	submit a prompt=10 max=3 [min=1] [priority=1] [salt=x] [scores]
//	         [like=(b,8)]  the first 8 tokens are those of b
//	         [after=b]   the prompt begins with all tokens of b, drawn ones too
//	step [n=2] [stop=(a,1)] [fail=a]  stop after row 1 of those that draw
//	     [draft=(a,3)]     a guesses three tokens, which are right,
//	     [wrong=(a,5,2)]   or five, of which the third is wrong
//	cancel a
//	show
func TestScripts(t *testing.T) {
	datadriven.Walk(t, testdata.Path(t, "scheduler"), func(t *testing.T, path string) {
		s := new(script)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			out := s.run(t, d)
			if s.Scheduler != nil {
				require.NoError(t, s.check(s.ahead), d.Pos)
			}
			return out
		})
	})
}

// script is a scheduler whose sequences have names.
type script struct {
	*Scheduler
	block   int
	uniform bool
	ahead   bool
	before  *Plan // under way, where steps are planned ahead
	names   []string
	byName  map[string]*Sequence
}

func (s *script) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "new":
		return s.start(t, d)
	case "submit":
		return s.submit(t, d)
	case "cancel":
		for _, a := range d.CmdArgs {
			s.Drop([]*Sequence{s.byName[a.Key]}, FinishCancelled)
		}
		return s.free()
	case "step":
		n := 1
		d.MaybeScanArgs(t, "n", &n)
		var out strings.Builder
		for range n {
			out.WriteString(s.step(t, d))
		}
		return out.String()
	case "show":
		return s.show()
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

func (s *script) start(t *testing.T, d *datadriven.TestData) string {
	var blocks int
	l := Limits{Seqs: 4, Rows: 16}
	d.ScanArgs(t, "blocks", &blocks)
	d.ScanArgs(t, "size", &l.Block)
	d.MaybeScanArgs(t, "seqs", &l.Seqs)
	d.MaybeScanArgs(t, "rows", &l.Rows)
	l.Logits, l.PrefillRows = l.Seqs, l.Rows
	d.MaybeScanArgs(t, "logits", &l.Logits)
	d.MaybeScanArgs(t, "prefill", &l.PrefillRows)
	d.MaybeScanArgs(t, "tables", &l.Tables)
	*s = script{Scheduler: NewScheduler(l, NewBlockManager(blocks)), block: l.Block, byName: map[string]*Sequence{}, uniform: d.HasArg("uniform"), ahead: d.HasArg("ahead")}
	return ""
}

func (s *script) submit(t *testing.T, d *datadriven.TestData) string {
	var n, most int
	var salt string
	name := d.CmdArgs[0].Key
	d.ScanArgs(t, "prompt", &n)
	d.ScanArgs(t, "max", &most)
	d.MaybeScanArgs(t, "salt", &salt)
	prompt := make([]int32, n)
	for i := range prompt {
		prompt[i] = int32(1000*(len(s.names)+1) + i)
	}
	if d.HasArg("like") {
		var other string
		var same int
		d.ScanArgs(t, "like", &other, &same)
		copy(prompt, s.byName[other].tokens[:same])
	}
	if d.HasArg("after") {
		var other string
		d.ScanArgs(t, "after", &other)
		copy(prompt, s.byName[other].tokens)
	}
	q := newSequence(prompt, most, s.block, salt)
	q.stops, q.uniform = []int32{-int32(len(s.names)) - 2}, s.uniform
	d.MaybeScanArgs(t, "priority", &q.priority)
	if d.HasArg("scores") {
		q.score = n - 1
	}
	s.names = append(s.names, name)
	s.byName[name] = q
	s.Add(q)
	return ""
}

// name returns the last name that was given to q.
func (s *script) name(q *Sequence) string {
	for _, name := range slices.Backward(s.names) {
		if s.byName[name] == q {
			return name
		}
	}
	return "?"
}

func (s *script) step(t *testing.T, d *datadriven.TestData) string {
	preempted := map[*Sequence]int{}
	cached := map[*Sequence]int{}
	for _, q := range s.byName {
		preempted[q], cached[q] = q.preempted, q.cached
	}
	s.draft(t, d)
	if s.before != nil {
		s.Expect(s.before)
	}
	p := s.Next()
	var words []string
	for i := range p.Len() {
		words = append(words, s.describe(p.Run(i), i < len(p.Decode), cached))
	}
	for _, name := range s.names {
		if q := s.byName[name]; preempted[q] < q.preempted {
			words = append(words, "preempted "+name)
		}
	}
	if s.ahead {
		p, s.before = s.before, p
	}
	if p != nil {
		s.Commit(p, s.tokens(t, d, p))
		words = append(words, s.ends(p)...)
	}
	if len(words) == 0 {
		return "idle\n"
	}
	return strings.Join(words, ", ") + "; " + s.free()
}

// ends tells what a committed plan gave, where that is not plain.
func (s *script) ends(p *Plan) (words []string) {
	for i := range p.Len() {
		r := p.Run(i)
		if r.Drafts > 0 {
			words = append(words, fmt.Sprintf("%s gets %d", s.name(r.Seq), r.Took))
		}
		if r.Ended {
			words = append(words, fmt.Sprintf("end %s %v", s.name(r.Seq), r.Seq.finish))
		}
	}
	return words
}

// describe prints a run: decode a@12 is the row of position 12, prefill a@0+8
// eight rows from 0 on; * draws a token.
func (s *script) describe(r *Run, decode bool, cached map[*Sequence]int) string {
	kind := "prefill"
	if decode {
		kind = "decode"
	}
	word := fmt.Sprintf("%s %s@%d", kind, s.name(r.Seq), r.Position)
	if r.Rows > 1 {
		word += fmt.Sprintf("+%d", r.Rows)
	}
	if r.Drafts > 0 {
		word += fmt.Sprintf(" drafts=%d", r.Drafts)
	}
	if r.Draw {
		word += "*"
	}
	if n := r.Logits; n > r.draws() {
		word += fmt.Sprintf(" logits=%d", n)
	}
	if n := r.Seq.cached - cached[r.Seq]; n > 0 {
		word += fmt.Sprintf(" found=%d", n)
	}
	return word
}

// draft lets sequences guess. The token at a position is its number.
func (s *script) draft(t *testing.T, d *datadriven.TestData) {
	for _, a := range d.CmdArgs {
		if a.Key != "draft" && a.Key != "wrong" {
			continue
		}
		var name string
		var n, wrong int
		a.Scan(t, 0, &name)
		a.Scan(t, 1, &n)
		q := s.byName[name]
		drafts := make([]int32, n)
		for i := range drafts {
			drafts[i] = int32(len(q.tokens) + i)
		}
		if a.Key == "wrong" {
			a.Scan(t, 2, &wrong)
			drafts[wrong] = -1
		}
		q.propose(drafts...)
	}
}

// propose gives a sequence drafts.
func (q *Sequence) propose(drafts ...int32) {
	q.drafts, q.guess.next = 0, len(drafts)
	for _, id := range drafts[:q.mostDrafts(len(drafts))] {
		q.draft(id)
	}
}

// tokens draws a token for each row.
func (s *script) tokens(t *testing.T, d *datadriven.TestData, p *Plan) [][]int32 {
	var stop, fail string
	var last int
	if d.HasArg("stop") {
		d.ScanArgs(t, "stop", &stop, &last)
	}
	d.MaybeScanArgs(t, "fail", &fail)
	return answers(p, func(r *Run, row int) int32 {
		token := int32(len(r.Seq.tokens) + row)
		if s.name(r.Seq) == fail && row == max(r.draws()-1, 0) {
			token = -1
		}
		if s.name(r.Seq) == stop && row == last {
			r.Seq.stops = []int32{token}
		}
		return token
	})
}

// answers draws a token for each row of a plan that draws, and those of -1 for
// runs without such rows too.
func answers(p *Plan, draw func(r *Run, row int) int32) [][]int32 {
	drawn := make([][]int32, p.Len())
	for i := range drawn {
		r := p.Run(i)
		if !r.Draw && draw(r, 0) < 0 {
			drawn[i] = []int32{-1}
		}
		for row := range r.draws() {
			drawn[i] = append(drawn[i], draw(r, row))
		}
	}
	return drawn
}

func (s *script) free() string {
	now := s.Stats()
	return fmt.Sprintf("used=%d cached=%d\n", now.BlocksUsed, now.BlocksCached)
}

// show prints who stands where.
func (s *script) show() string {
	var out strings.Builder
	for _, q := range s.running {
		fmt.Fprintf(&out, "running %s: %d of %d tokens in blocks %v", s.name(q), q.computed, len(q.tokens), q.table)
		if q.sheltered() {
			fmt.Fprintf(&out, ", sheltered to %d", q.shelter)
		}
		out.WriteByte('\n')
	}
	for _, q := range s.waiting {
		fmt.Fprintf(&out, "waiting %s: %d tokens, preempted %d times\n", s.name(q), len(q.tokens), q.preempted)
	}
	return out.String() + s.free()
}

// check proves the invariants of a scheduler between two steps, the second of
// which may be planned.
func (s *Scheduler) check(ahead bool) error {
	var tables [][]int32
	under := 0 // rows of last tokens
	if ahead {
		under = 1
	}
	for i, q := range s.running {
		if q.state != running || i > 0 && !s.running[i-1].before(q) {
			return fmt.Errorf("running sequence %d: state %d, or out of order", i, q.state)
		}
		if len(q.table) < q.blocks(q.computed) || q.computed >= len(q.tokens)+under || q.sealed != min(q.computed, len(q.tokens))/q.block || q.pending != 0 {
			return fmt.Errorf("sequence %d: %d of %d tokens computed, %d blocks", q.number, q.computed, len(q.tokens), len(q.table))
		}
		tables = append(tables, q.table)
	}
	for i, q := range s.waiting {
		if q.state != waiting || len(q.table) > 0 || q.computed > 0 || i > 0 && !s.waiting[i-1].before(q) {
			return fmt.Errorf("waiting sequence %d: state %d, %d blocks, or out of order", i, q.state, len(q.table))
		}
	}
	if len(s.running) > s.limits.Seqs {
		return fmt.Errorf("%d sequences run, %d may", len(s.running), s.limits.Seqs)
	}
	return s.blocks.Check(tables...)
}
