package server

import "time"

// totals adds up what the choices used so far.
func (j *job) totals() (usage, timings) {
	var u usage
	var t timings
	accepted := 0
	for i := range j.prompts {
		u.PromptTokens += len(j.prompts[i].ids)
		t.TruncatedN += j.prompts[i].truncated
	}
	for i, out := range j.outcomes {
		u.CompletionTokens += out.tokens
		u.CompletionTokensDetails.ReasoningTokens += out.reasoning
		t.PredictedN += out.tokens
		if i%j.params.choices == 0 { // the others find the prompt of the first
			u.PromptTokensDetails.CachedTokens += out.timings.Cached
			t.CacheN += out.timings.Cached
			t.PromptN += out.timings.Prompt - out.timings.Cached
		}
		t.DraftN += out.timings.Drafted
		accepted += out.timings.Accepted
		t.QueueMS = max(t.QueueMS, milliseconds(out.timings.Queue))
		t.PromptMS = max(t.PromptMS, milliseconds(out.timings.Prefill))
		t.PredictedMS = max(t.PredictedMS, milliseconds(out.timings.Decode))
	}
	if t.DraftN > 0 {
		t.DraftNAccepted = &accepted
	}
	u.TotalTokens = u.PromptTokens + u.CompletionTokens
	t.PromptPerSecond = perSecond(t.PromptN, t.PromptMS)
	t.PredictedPerSecond = perSecond(t.PredictedN, t.PredictedMS)
	return u, t
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perSecond returns 0 where the time was too short to measure.
func perSecond(n int, ms float64) float64 {
	if ms <= 0 {
		return 0
	}
	return float64(n) * 1000 / ms
}

// tail returns the usage and the timings of a chunk. Usage is absent, null or
// given as stream_options say; the last chunk of all has the timings.
func (j *job) tail(last bool) (chunkUsage any, chunkTimings *timings) {
	u, t := j.totals()
	if j.params.includeUsage {
		chunkUsage = (*usage)(nil)
		if j.params.continuousUsage {
			chunkUsage = &u
		}
	}
	if last && !j.params.includeUsage {
		chunkTimings = &t
	}
	return chunkUsage, chunkTimings
}
