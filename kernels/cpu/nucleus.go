package cpu

import (
	"math"
	"slices"
)

// massSteps is the number of steps of z by which top-p is decided for most tokens.
const massSteps = 4096

// likely makes candidates the tokens that top-p may keep, first those that it certainly
// does, and returns their number and the sum of their exp(z); d.mass is that of all tokens.
// Tokens below (1-p)/vocab sum to less than 1-p, so the smallest set with sum p has none.
func (s sampler) likely(d *drawer) (sure int, sum float64) {
	d.mass = s.mass(d.highest, d.temperature)
	least := (1 - float64(d.row.TopP)) / float64(len(s.logits)) / 2 // half: for rounding
	perStep := -ln(least) / massSteps
	steps := 1 / (perStep * d.temperature)
	clear(s.steps[:])
	bound := d.below(massSteps * perStep)
	for _, v := range s.above(&bound) {
		if i := d.step(v, steps); i < massSteps {
			s.steps[i]++
		}
	}
	first, last := s.span(float64(d.row.TopP)*d.mass, perStep)
	s.candidates = s.candidates[:0]
	bound = d.below(float64(last+1) * perStep)
	for i, v := range s.above(&bound) {
		at := d.step(v, steps)
		if at <= last {
			s.candidates = append(s.candidates, candidate{v, i})
		}
		if at < first {
			end := len(s.candidates) - 1
			s.candidates[sure], s.candidates[end] = s.candidates[end], s.candidates[sure]
			sure++
			sum += exp64(d.z(v))
		}
	}
	return sure, sum
}

// step is the step of z that a logit is in, there being so many for 1 of a logit: in step i
// it has z from -i to -(i+1) times what a step is, but for rounding.
func (d *drawer) step(logit float32, steps float64) int {
	return int(min((float64(d.highest)-float64(logit))*steps, massSteps))
}

// below returns a logit below all whose z is -distance or more.
func (d *drawer) below(distance float64) float32 {
	return math.Nextafter32(float32(float64(d.highest)-float64(d.temperature*distance*(1+stepSlack))), negInf)
}

// stepSlack is more than what rounding changes, of a distance and of a sum.
const stepSlack = 1e-9

// span returns the first step at whose end tokens may sum to want, and the last that may
// be needed for it.
func (s sampler) span(want, perStep float64) (first, last int) {
	e, ratio := 1.0, exp64(-perStep)
	least, most := 0.0, 0.0 // of the sum so far
	for i, n := range s.steps {
		most += float64(float64(n) * e)
		e *= ratio
		least += float64(float64(n) * e)
		if most < want*(1-stepSlack) {
			first = i + 1
		}
		if least >= want*(1+stepSlack) {
			return first, i
		}
	}
	return first, massSteps - 1
}

// nucleus reduces candidates to the smallest set of the likeliest with a
// share of TopP. The first of them are in it, and have that sum of exp(z).
func (s sampler) nucleus(d *drawer, sure int, sum float64) {
	h := s.candidates[sure:]
	if d.mass == 0 { // after top-k: of what it kept, in order of their ids
		slices.SortFunc(h, func(a, b candidate) int { return int(a.token) - int(b.token) })
		for _, c := range h {
			d.mass += exp64(d.z(c.logit))
		}
	}
	want := float64(float64(d.row.TopP) * d.mass)
	heapify(h, true)
	for len(h) > 0 && sum < want {
		sum += exp64(d.z(h[0].logit))
		last := len(h) - 1
		h[0], h[last] = h[last], h[0] // the kept gather behind the heap
		h = h[:last]
		sift(h, 0, true)
	}
	// To the front: a slice that begins later would lose its room for good.
	s.candidates = append(s.candidates[:sure], s.candidates[sure+len(h):]...)
}
