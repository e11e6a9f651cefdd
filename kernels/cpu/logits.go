package cpu

import (
	"iter"
	"math"
	"math/bits"
	"unsafe"
)

// tokenGroup is the number of tokens that one word has bits for.
const tokenGroup = 64

// above yields in order the tokens whose logits are not at most *bound, which may rise
// meanwhile: those above it, and NaNs.
func (s sampler) above(bound *float32) iter.Seq2[int32, float32] {
	return func(yield func(int32, float32) bool) {
		groups := len(s.logits) / tokenGroup
		for g := 0; g < groups; g++ {
			var which uint64
			for g, which = s.kern.above(&s.logits[0], g, groups, *bound); which != 0; which &= which - 1 {
				token := g*tokenGroup + bits.TrailingZeros64(which)
				if v := s.logits[token]; !(v <= *bound) && !yield(int32(token), v) {
					return
				}
			}
		}
		for token := groups * tokenGroup; token < len(s.logits); token++ {
			if v := s.logits[token]; !(v <= *bound) && !yield(int32(token), v) {
				return
			}
		}
	}
}

// argmax returns the lowest id of the greatest logit, -1 if one is NaN.
func (s sampler) argmax() int32 {
	best, at := negInf, int32(0)
	for i, v := range s.above(&best) {
		if v != v {
			return -1
		}
		best, at = v, i
	}
	return at
}

// mass is the sum of e^((logit - highest) / temperature).
func (s sampler) mass(highest float32, temperature float64) float64 {
	whole := len(s.logits) / tokenGroup * tokenGroup
	sum := s.kern.mass(unsafe.SliceData(s.logits), whole, float64(highest), temperature)
	for _, v := range s.logits[whole:] {
		sum += massOf(v, float64(highest), temperature)
	}
	return sum
}

// massOf is a token's part of mass. What is below e^-708 counts as that, which is lost
// beside the 1 of the highest.
func massOf(logit float32, highest, temperature float64) float64 {
	return exp64(max((float64(logit)-highest)/temperature, -708))
}

// aboveGeneric is variant.above.
func aboveGeneric(logits *float32, from, groups int, bound float32) (group int, which uint64) {
	for group = from; group < groups; group++ {
		for i, v := range unsafe.Slice(floatAt(logits, group*tokenGroup), tokenGroup) {
			if !(v <= bound) {
				which |= 1 << i
			}
		}
		if which != 0 {
			return group, which
		}
	}
	return groups, 0
}

// massGeneric is variant.mass.
func massGeneric(logits *float32, n int, highest, temperature float64) float64 {
	var sums [16]float64
	for i, v := range unsafe.Slice(logits, n) {
		sums[i%16] += massOf(v, highest, temperature)
	}
	for half := 8; half > 0; half /= 2 {
		for i := range half {
			sums[i] += sums[i+half]
		}
	}
	return sums[0]
}

var negInf = float32(math.Inf(-1))
