package engine

// Stats is what an engine holds, and what it has done since it started.
type Stats struct {
	Running int // requests in work
	Waiting int // requests in the queue, those that gave up their memory included

	Blocks       int   // of the KV cache, each kernels.BlockSize tokens
	BlocksUsed   int   // held by requests
	BlocksCached int   // held by nobody, kept for prompts that begin alike
	KVBytes      int64 // device memory of the KV cache
	ModelBytes   int64 // device memory of weights and workspace

	Steps             int64 // forward passes
	PromptTokens      int64 // of requests that got their first token
	GeneratedTokens   int64
	DraftedTokens     int64 // guesses that were computed, to save steps
	AcceptedTokens    int64 // generated tokens that were guessed right
	PrefixQueryTokens int64 // prompt tokens that were looked up in the cache
	PrefixHitTokens   int64 // prompt tokens that came from it
	Preemptions       int64 // times a request gave up its memory, to be computed again
}

// Add adds what another engine holds and has done.
func (s *Stats) Add(o *Stats) {
	s.Running += o.Running
	s.Waiting += o.Waiting
	s.Blocks += o.Blocks
	s.BlocksUsed += o.BlocksUsed
	s.BlocksCached += o.BlocksCached
	s.KVBytes += o.KVBytes
	s.ModelBytes += o.ModelBytes
	s.Steps += o.Steps
	s.PromptTokens += o.PromptTokens
	s.GeneratedTokens += o.GeneratedTokens
	s.DraftedTokens += o.DraftedTokens
	s.AcceptedTokens += o.AcceptedTokens
	s.PrefixQueryTokens += o.PrefixQueryTokens
	s.PrefixHitTokens += o.PrefixHitTokens
	s.Preemptions += o.Preemptions
}
