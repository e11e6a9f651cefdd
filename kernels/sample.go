package kernels

// SampleRow says how to draw one token from one row of logits. The zero value
// is greedy. Filters apply in this order: bias, penalties, mask, temperature,
// top-k, top-p, min-p; log probabilities are those of the raw logits.
type SampleRow struct {
	Temperature float32 // 0: greedy (ties: the lowest id); else logits are divided by it
	TopK        int32   // 0: off; ties at the k-th value are kept by lowest id
	TopP        float32 // 0 or 1: off; keeps the smallest set of most likely tokens with sum >= TopP
	MinP        float32 // 0: off; drops tokens less likely than MinP times the likeliest

	// Penalties. Presence and frequency (OpenAI) count generated tokens;
	// repetition (CTRL, arXiv 1909.05858) looks at prompt and generated tokens.
	Presence, Frequency float32
	Repetition          float32 // 0 or 1: off
	Prompt, Generated   []int32 // read only where a penalty is on

	Bias   []TokenBias // added to the raw logits
	Banned []int32     // never drawn, e.g. end tokens before min_tokens
	Mask   []uint32    // bit i of word i/32 set: token i allowed; nil: all

	// Noise is a function of (Seed, Position, token id) alone (Philox4x32-10,
	// Salmon et al. 2011; Gumbel-max), so a draw depends on nothing else.
	Seed     uint64
	Position int64 // of the token being drawn

	Logprobs int  // number of most likely tokens to report; 0: none
	Logprob  bool // report the drawn token's log probability
}

// TokenBias is one entry of logit_bias.
type TokenBias struct {
	Token int32
	Bias  float32
}

// Sampled is one drawn token.
type Sampled struct {
	Token   int32
	Logprob float32        // natural log, if asked for
	Top     []TokenLogprob // most likely first, ties by lowest id
	// Invalid: the logits held NaN or nothing was left to draw from. Token is
	// then -1 and the request must fail, not the batch.
	Invalid bool
}

// TokenLogprob is one alternative.
type TokenLogprob struct {
	Token   int32
	Logprob float32
}
