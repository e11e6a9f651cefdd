package main

import (
	"errors"
	"fmt"

	"trona/kernels"
	"trona/model"
)

// speculateFlags say how many tokens are guessed ahead, and who guesses. No
// answer changes with them, only how fast it comes.
type speculateFlags struct {
	NumSpeculativeTokens int    `help:"Most tokens that a request guesses ahead in a step, from what followed where its text was like now, or with --speculative-model; answers stay the same. 0: none, with such a model 4." default:"0" placeholder:"N"`
	SpeculativeModel     string `help:"Small model of the same vocabulary that guesses; of several models for each that has its vocabulary." placeholder:"MODEL"`
}

const (
	// mostDrafts bounds --num-speculative-tokens.
	mostDrafts = 256
	// usualDrafts is its default where a model guesses.
	usualDrafts = 4
)

// drafts returns how many tokens a sequence may guess ahead in a step.
func (f *speculateFlags) drafts() int {
	if f.SpeculativeModel != "" && f.NumSpeculativeTokens == 0 {
		return usualDrafts
	}
	return f.NumSpeculativeTokens
}

func (f *speculateFlags) check() error {
	if f.NumSpeculativeTokens < 0 || f.NumSpeculativeTokens > mostDrafts {
		return usagef("--num-speculative-tokens %d: must be 0 to %d", f.NumSpeculativeTokens, mostDrafts)
	}
	return nil
}

// openDraft opens the model that guesses for one of so many models; nil where
// none does. Of several models it guesses for those that have its vocabulary,
// but not for itself.
func (f *speculateFlags) openDraft(ckpt *model.Checkpoint, models int) (*model.Checkpoint, error) {
	if f.SpeculativeModel == "" {
		return nil, nil
	}
	draft, err := openCheckpoint(f.SpeculativeModel)
	if err != nil {
		return nil, fmt.Errorf("--speculative-model: %w", err)
	}
	difference, err := compareVocabularies(ckpt, draft)
	switch {
	case err == nil && models > 1 && (difference != "" || draft.Path == ckpt.Path):
		return nil, draft.Close()
	case err == nil && difference != "":
		err = errors.New(difference)
	}
	if err != nil {
		return nil, fmt.Errorf("--speculative-model %s: %w", f.SpeculativeModel, errors.Join(err, draft.Close()))
	}
	return draft, nil
}

// unused is the error where a model was to guess, and does for none.
func (f *speculateFlags) unused() error {
	return fmt.Errorf("--speculative-model %s: none of the models has its vocabulary", f.SpeculativeModel)
}

// compareVocabularies returns how the tokens of two models differ; "": not at all.
func compareVocabularies(ckpt, draft *model.Checkpoint) (difference string, err error) {
	if own, other := ckpt.Config.VocabSize, draft.Config.VocabSize; own != other {
		return fmt.Sprintf("it has a vocabulary of %s tokens, the model one of %s; only a model with the same tokens can guess for it", count(int64(other)), count(int64(own))), nil
	}
	var digests [2]string
	for i, c := range []*model.Checkpoint{ckpt, draft} {
		tok, err := tokenizerOf(c)
		if err != nil {
			return "", err
		}
		digests[i] = tok.Digest()
	}
	if digests[0] != digests[1] {
		return "its vocabulary is another one than the model's, though as large; only a model with the same tokens can guess for it", nil
	}
	return "", nil
}

// plans are the memory of a model, of its draft model, and of both.
type plans struct {
	own   *model.Plan
	draft *model.Plan // nil: no model guesses
	both  *model.Plan
}

// plans computes the memory of a model, and of a draft model if there is one.
// Both hold the same positions of the same sequences. Guesses get a quarter of
// the rows of a step (see engine.Options), so the draft model needs no more.
func (f *cacheFlags) plans(ckpt, draft *model.Checkpoint, dev model.Sizer, kv kernels.DType, memory int64) (*plans, error) {
	options, err := f.options(&ckpt.Config, kv)
	if err != nil {
		return nil, err
	}
	options.DeviceMemory = memory
	own, err := model.MakePlan(ckpt, dev, options)
	if err != nil || draft == nil {
		return &plans{own: own, both: own}, err
	}
	if least := own.Options.MaxModelLen; draft.Config.ContextLength < least {
		return nil, fmt.Errorf("--speculative-model %s: it declares a context of %s tokens, the model is to have %s; lower --max-model-len",
			f.SpeculativeModel, count(int64(draft.Config.ContextLength)), count(int64(least)))
	}
	small, err := model.MakePlan(draft, dev, model.PlanOptions{
		MaxModelLen: own.Options.MaxModelLen, MaxNumSeqs: own.Options.MaxNumSeqs, KVType: kv, MaxRows: (own.Options.MaxRows + 3) / 4,
	})
	if err != nil {
		return nil, err
	}
	return &plans{own, small, addPlans(own, small)}, nil
}

// addPlans returns what two models need together, with the options of the first. Both are
// computed in the same scratch, which takes less than the sum.
func addPlans(a, b *model.Plan) *model.Plan {
	sum := *a
	fits := func(total int64) bool { return a.Options.DeviceMemory == 0 || total <= a.Options.DeviceMemory }
	sum.Weights += b.Weights
	sum.Workspace += b.Workspace
	sum.Scratch += b.Scratch
	sum.KVBytesPerToken += b.KVBytesPerToken
	sum.KV, sum.Total = addSizes(a.KV, b.KV), addSizes(a.Total, b.Total)
	sum.Fits = fits(sum.Total)
	sum.Table = nil
	for i, row := range a.Table {
		other := b.Table[i] // of the same context and concurrency
		row.Workspace += other.Workspace
		row.Scratch += other.Scratch
		row.KV, row.Total = addSizes(row.KV, other.KV), addSizes(row.Total, other.Total)
		row.Fits = fits(row.Total)
		sum.Table = append(sum.Table, row)
	}
	return &sum
}
