package server

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"trona/engine"
)

// What NVIDIA recommends for its reasoning models: this where they reason, the
// likeliest token where they do not (model cards of Nano, Super and Ultra).
const (
	thinkingTemperature = 0.6
	thinkingTopP        = 0.95
)

// recommend draws tokens as the model's makers recommend, where neither the
// request nor the checkpoint says how. Several answers are to differ.
func (p *params) recommend(reasons reasoning) {
	switch {
	case p.drawn || reasons == reasonUnsaid:
	case reasons == reasonOn || p.choices > 1:
		p.sampling.Temperature, p.sampling.TopP = thinkingTemperature, thinkingTopP
	default:
		p.sampling.Temperature, p.sampling.TopP = 0, 1
	}
}

// readSampling takes the fields that say how tokens are drawn.
func (p *params) readSampling(o *object, m *Model) {
	s := &p.sampling
	p.drawn = m.Defaults.Temperature != nil || m.Defaults.TopP != nil
	for _, name := range []string{"temperature", "top_p", "top_k", "min_p"} {
		p.drawn = p.drawn || o.take(name) != nil
	}
	real := func(name string, least, most float64, absent *float64, otherwise float64) float32 {
		if given := o.number(name, least, most); given != nil {
			return float32(*given)
		}
		if absent != nil {
			return float32(*absent)
		}
		return float32(otherwise)
	}
	s.Temperature = real("temperature", 0, maxTemperature, m.Defaults.Temperature, 1)
	if v := o.take("top_p"); v != nil {
		v.above(0, 1)
	}
	s.TopP = real("top_p", 0, 1, m.Defaults.TopP, 1)
	s.MinP = real("min_p", 0, 1, m.Defaults.MinP, 0)
	s.PresencePenalty = real("presence_penalty", -maxPenalty, maxPenalty, nil, 0)
	s.FrequencyPenalty = real("frequency_penalty", -maxPenalty, maxPenalty, nil, 0)
	s.RepetitionPenalty = real("repetition_penalty", 0, maxRepetition, m.Defaults.RepetitionPenalty, 1)
	if v := o.take("repetition_penalty"); v != nil {
		s.RepetitionPenalty = v.repetition()
	}
	if v := o.take("top_k"); v != nil {
		s.TopK = v.topK(m)
	} else if m.Defaults.TopK != nil {
		s.TopK = min(max(*m.Defaults.TopK, 0), m.VocabSize)
	}
	if v := o.take("seed"); v != nil {
		s.Seed = uint64(v.integer(math.MinInt64, math.MaxInt64))
	} else {
		s.Seed = rand.Uint64()
	}
	readBias(o.take("logit_bias"), m, s)
}

// topK returns a number of tokens, 0 for all; vLLM writes -1 for that.
func (v *value) topK(m *Model) int {
	return int(min(max(v.integer(-1, math.MaxInt32), 0), int64(m.VocabSize)))
}

// repetition returns a factor.
func (v *value) repetition() float32 { return float32(v.above(0, maxRepetition)) }

// readBias reads an object from ids, as strings, to numbers.
func readBias(v *value, m *Model, s *engine.Sampling) {
	if v == nil {
		return
	}
	members := v.object().members
	if len(members) > maxBiasEntries {
		v.fail("must not have more than %d entries", maxBiasEntries)
		return
	}
	s.Bias = slices.Grow(s.Bias, len(members))[:len(members)]
	for i := range members {
		entry := &members[i]
		id, err := strconv.ParseUint(entry.name, 10, 31)
		if err != nil || id >= uint64(m.VocabSize) {
			v.fail("its names must be token ids from 0 to %d, not %.32q", m.VocabSize-1, entry.name)
			return
		}
		s.Bias[i].Token = int32(id)
		s.Bias[i].Bias = float32(entry.number(-100, 100))
		for j := range i { // "7" and "07"
			if s.Bias[j].Token == s.Bias[i].Token {
				v.fail("names token %d twice", id)
				return
			}
		}
	}
}

// choiceSeed returns the seed of choice i: the request's own for the first, then
// the values of SplitMix64 (Steele et al., OOPSLA 2014) that starts there.
func choiceSeed(seed uint64, i int) uint64 {
	if i == 0 {
		return seed
	}
	z := seed + uint64(i)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
