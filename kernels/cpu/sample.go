package cpu

import (
	"math"
	"slices"

	"trona/kernels"
)

type sampleJob struct {
	kern   *variant
	dst    []kernels.Sampled
	logits []float32
	rows   []kernels.SampleRow
	vocab  int64
}

// sampleScratch is a worker's memory for one row.
type sampleScratch struct {
	counts     []int32 // by token; all zero between rows
	candidates []candidate
	raw        []float32
	prefilter  prefilter
	steps      [massSteps]int32 // tokens of each step of z
}

// Sample draws a token for each row, as kernels.SampleRow says.
func (d *Device) Sample(dst []kernels.Sampled, logits kernels.Tensor, rows []kernels.SampleRow) {
	kernels.CheckSample(dst, logits, rows)
	j := &d.jobs.sample
	for _, w := range d.pool.workers {
		w.sample.reserve(int(logits.Shape[1]))
	}
	*j = sampleJob{d.kern, dst, floatsOf(logits.Addr, logits.Len()), rows, logits.Shape[1]}
	d.run(kernels.OpSample, j, int64(len(rows)), false)
	*j = sampleJob{}
}

// reserve makes room, so that draws allocate nothing.
func (s *sampleScratch) reserve(vocab int) {
	if len(s.counts) < vocab {
		s.counts, s.raw = make([]int32, vocab), make([]float32, vocab)
		s.candidates = make([]candidate, 0, vocab)
	}
}

func (j *sampleJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.row(w, i)
	}
}

func (j *sampleJob) row(w *worker, i int64) {
	logits := j.logits[i*j.vocab:][:j.vocab]
	j.dst[i] = sampler{kern: j.kern, row: &j.rows[i], logits: logits, sampleScratch: &w.sample}.draw()
}

type sampler struct {
	kern   *variant
	row    *kernels.SampleRow
	logits []float32 // raw, then adjusted in place
	*sampleScratch
}

var invalid = kernels.Sampled{Token: -1, Invalid: true}

func (s sampler) draw() kernels.Sampled {
	best := s.argmax()
	if best < 0 {
		return invalid
	}
	r := s.row
	var out kernels.Sampled
	var lse logSumExp
	if r.Logprob || r.Logprobs > 0 {
		lse = s.logSumExp(s.logits[best])
		out.Top = s.top(&lse)
		copy(s.raw, s.logits)
	}
	if s.adjusts() {
		if !s.adjust() {
			return invalid
		}
		best = s.argmax()
	}
	if best < 0 || s.logits[best] == negInf {
		return invalid
	}
	out.Token = best
	if r.Temperature > 0 {
		out.Token = s.random(best)
	}
	if r.Logprob {
		out.Logprob = lse.logprob(s.raw[out.Token])
	}
	return out
}

// logSumExp is the normaliser of log-softmax over raw logits. Where some
// logits are +Inf, they share all probability.
type logSumExp struct {
	max, log float64
}

func (s sampler) logSumExp(highest float32) logSumExp {
	if !math.IsInf(float64(highest), 0) {
		return logSumExp{float64(highest), ln(s.mass(highest, 1))}
	}
	sum := 0.0
	for _, v := range s.logits {
		if v == highest {
			sum++
		}
	}
	return logSumExp{float64(highest), ln(sum)}
}

func (l *logSumExp) logprob(v float32) float32 {
	if float64(v) == l.max {
		return float32(-l.log)
	}
	return float32(float64(v) - l.max - l.log)
}

// top returns the most likely tokens of the raw logits.
func (s sampler) top(l *logSumExp) []kernels.TokenLogprob {
	if s.row.Logprobs <= 0 {
		return nil
	}
	s.keep(s.row.Logprobs)
	slices.SortFunc(s.candidates, candidate.compare)
	top := make([]kernels.TokenLogprob, len(s.candidates))
	for i, c := range s.candidates {
		top[i] = kernels.TokenLogprob{Token: c.token, Logprob: l.logprob(c.logit)}
	}
	return top
}

// adjusts reports whether the row changes its logits.
func (s sampler) adjusts() bool {
	r := s.row
	return len(r.Bias) > 0 || s.penalises() || len(r.Banned) > 0 || r.Mask != nil
}

func (s sampler) repeats() bool { return s.row.Repetition != 0 && s.row.Repetition != 1 }

func (s sampler) penalises() bool {
	return s.row.Presence != 0 || s.row.Frequency != 0 || s.repeats()
}

// adjust applies bias, penalties and masks. It reports whether all token ids
// are in the vocabulary.
func (s sampler) adjust() bool {
	r := s.row
	for _, b := range r.Bias {
		if !s.has(b.Token) {
			return false
		}
		s.logits[b.Token] += b.Bias
	}
	if s.penalises() && !s.penalise() {
		return false
	}
	for _, t := range r.Banned {
		if !s.has(t) {
			return false
		}
		s.logits[t] = negInf
	}
	if r.Mask != nil {
		for i := range s.logits {
			if i/32 >= len(r.Mask) || r.Mask[i/32]>>(i%32)&1 == 0 {
				s.logits[i] = negInf
			}
		}
	}
	return true
}

func (s sampler) has(token int32) bool { return token >= 0 && int(token) < len(s.logits) }

// inPrompt marks a count of a token that is in the prompt.
const inPrompt = 1 << 30

// penalise lowers the logits of tokens seen before, each once. A logit is
// rounded to float32 once.
func (s sampler) penalise() bool {
	r := s.row
	var prompt []int32
	if s.repeats() {
		prompt = r.Prompt
	}
	if slices.ContainsFunc(r.Generated, s.lacks) || slices.ContainsFunc(prompt, s.lacks) {
		return false
	}
	for _, t := range r.Generated {
		s.counts[t]++
	}
	for _, t := range prompt {
		s.counts[t] |= inPrompt
	}
	for _, list := range [2][]int32{r.Generated, prompt} {
		for _, t := range list {
			if n := s.counts[t]; n != 0 {
				s.counts[t] = 0
				s.logits[t] = s.penalised(s.logits[t], n&^inPrompt)
			}
		}
	}
	return true
}

func (s sampler) lacks(token int32) bool { return !s.has(token) }

// penalised returns logit v of a token that was generated n times.
func (s sampler) penalised(v float32, n int32) float32 {
	r, x := s.row, float64(v)
	if s.repeats() {
		if x > 0 {
			x /= float64(r.Repetition)
		} else {
			x *= float64(r.Repetition)
		}
	}
	if n > 0 {
		x -= float64(float64(r.Frequency)*float64(n)) + float64(r.Presence)
	}
	return float32(x)
}

// candidate is a token that may still be drawn.
type candidate struct {
	logit float32
	token int32
}

// compare orders the likelier first, then the lower id.
func (c candidate) compare(o candidate) int {
	switch {
	case c.logit > o.logit || c.logit == o.logit && c.token < o.token:
		return -1
	case c == o:
		return 0
	}
	return 1
}

// keep makes candidates the k likeliest tokens: a heap with the least likely
// on top.
func (s sampler) keep(k int) {
	h, bound := s.candidates[:0], negInf
	for i, v := range s.above(&bound) { // one that equals the top has a higher id
		if len(h) < k {
			h = append(h, candidate{v, i})
			if len(h) < k {
				continue
			}
			heapify(h, false)
		} else {
			h[0] = candidate{v, i}
			sift(h, 0, false)
		}
		bound = h[0].logit
	}
	s.candidates = h
}

// heapify orders h as a heap with the likeliest on top, or the least likely.
func heapify(h []candidate, likeliest bool) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		sift(h, i, likeliest)
	}
}

// sift moves entry i of a heap down to its place.
func sift(h []candidate, i int, likeliest bool) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && (h[c+1].compare(h[c]) < 0) == likeliest {
			c++
		}
		if (h[c].compare(h[i]) < 0) != likeliest {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

// random draws from softmax(logits / temperature) after the filters, best
// being the likeliest token.
func (s sampler) random(best int32) int32 {
	r := s.row
	if math.IsInf(float64(s.logits[best]), 1) {
		s.onlyInfinite()
	}
	d := newDrawer(r, s.logits[best])
	topP := r.TopP > 0 && r.TopP < 1
	sure, sum := 0, 0.0
	switch {
	case r.TopK > 0 && int(r.TopK) < len(s.logits):
		s.keep(int(r.TopK))
	case topP:
		sure, sum = s.likely(&d)
	default:
		s.offerAll(&d, best)
		return d.token
	}
	if topP {
		s.nucleus(&d, sure, sum)
	}
	for _, c := range s.candidates {
		d.offer(c.logit, c.token)
	}
	return d.token
}

// onlyInfinite leaves the infinite logits, all alike.
func (s sampler) onlyInfinite() {
	for i, v := range s.logits {
		s.logits[i] = negInf
		if math.IsInf(float64(v), 1) {
			s.logits[i] = 0
		}
	}
}
