package main

// speculateFlags say how many tokens are guessed ahead. No answer changes with
// them, only how fast it comes.
type speculateFlags struct {
	NumSpeculativeTokens int `help:"Most tokens that a request guesses ahead in a step, from what followed where its text was like now; answers stay the same. 0: none." default:"0" placeholder:"N"`
}

// mostDrafts bounds --num-speculative-tokens.
const mostDrafts = 256

// drafts returns how many tokens a sequence may guess ahead in a step.
func (f *speculateFlags) drafts() int { return f.NumSpeculativeTokens }

func (f *speculateFlags) check() error {
	if f.NumSpeculativeTokens < 0 || f.NumSpeculativeTokens > mostDrafts {
		return usagef("--num-speculative-tokens %d: must be 0 to %d", f.NumSpeculativeTokens, mostDrafts)
	}
	return nil
}
