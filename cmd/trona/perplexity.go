package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"

	"trona/engine"
	"trona/server"
	"trona/tokenizer"
)

// perplexityCommand measures how well a model predicts a text, in the way of
// llama-perplexity: the text is cut into chunks, of which each begins anew with the
// begin token, if the model has texts begin with one; the tokens of its second half
// count.
type perplexityCommand struct {
	Model   string `arg:"" help:"Model to measure." default:"demo" optional:""`
	File    string `short:"f" help:"Text to read; absent or -: stdin." placeholder:"FILE"`
	CtxSize int    `short:"c" help:"Tokens of a chunk." default:"512" placeholder:"512"`
	JSON    bool   `name:"json" help:"Print JSON."`
	kvFlags
	deviceFlags
}

// perplexityResult is the JSON of the command. Losses are in nats a token.
type perplexityResult struct {
	Model      string  `json:"model"`
	CtxSize    int     `json:"n_ctx"`
	Chunks     int     `json:"n_chunks"`
	Tokens     int     `json:"n_tokens"` // that count
	Loss       float64 `json:"loss"`
	LossError  float64 `json:"loss_stderr"`
	Perplexity float64 `json:"perplexity"`
	Error      float64 `json:"perplexity_stderr"`
}

// chunksAtOnce is how many are read at once: as many rows of logits are computed
// together.
const chunksAtOnce = 32

// Run reads the text and prints one line.
func (c *perplexityCommand) Run(std stdio) error {
	if c.CtxSize < 4 {
		return usagef("--ctx-size %d: must be at least 4", c.CtxSize)
	}
	text, err := c.text(std.in)
	if err != nil {
		return err
	}
	bar := newProgress(std.err, "loading "+c.Model)
	var chunks [][]int32
	from := loader{
		sources: []source{{path: c.Model}}, device: c.deviceFlags,
		cache: cacheFlags{MaxModelLen: c.CtxSize, lengthFlag: "--ctx-size", MaxNumSeqs: chunksAtOnce, kvFlags: c.kvFlags},
		opened: func(m *server.Model) (err error) {
			chunks, err = c.chunks(m.Tokenizer, text)
			return err
		},
	}
	models, err := from.load(bar)
	if err != nil {
		return err
	}
	defer models.close()
	r := perplexityResult{Model: c.Model, CtxSize: c.CtxSize, Chunks: len(chunks)}
	counted := newProgress(std.err, "chunks")
	counted.plain = true
	defer counted.stop()
	if err := r.measure(models[0].engine, chunks, counted); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std.out, r)
	}
	_, err = fmt.Fprintf(std.out, "%s, %d chunks of %d tokens, %d of them count: loss %.5f ± %.5f, perplexity %.4f ± %.5f\n",
		r.Model, r.Chunks, r.CtxSize, r.Tokens, r.Loss, r.LossError, r.Perplexity, r.Error)
	return err
}

// text reads what the model is to predict.
func (c *perplexityCommand) text(in io.Reader) (string, error) {
	if c.File == "" || c.File == "-" {
		text, err := io.ReadAll(in)
		return string(text), err
	}
	text, err := os.ReadFile(c.File)
	return string(text), err
}

// chunks cuts a text. Tokens behind the last whole chunk are left out.
func (c *perplexityCommand) chunks(t *tokenizer.Tokenizer, text string) ([][]int32, error) {
	ids := t.Encode(text, tokenizer.EncodeOptions{AddBOS: t.AddBOS()})
	n := len(ids) / c.CtxSize
	if n == 0 {
		return nil, fmt.Errorf("the text has %d tokens, a chunk %d: give a longer one, or a smaller --ctx-size", len(ids), c.CtxSize)
	}
	chunks := make([][]int32, n)
	for i := range chunks {
		chunks[i] = ids[i*c.CtxSize:][:c.CtxSize]
		if t.AddBOS() {
			copy(chunks[i], t.Begin())
		}
	}
	return chunks, nil
}

// measure reads the chunks in order and sums their losses. The last token of a
// chunk is its answer, so that a chunk may be as long as the context.
func (r *perplexityResult) measure(e *engine.Engine, chunks [][]int32, bar *progress) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var streams []*engine.Stream
	sum, squares := 0.0, 0.0
	count := func(logprob float32) {
		loss := -float64(logprob)
		sum, squares = sum+loss, squares+loss*loss
		r.Tokens++
	}
	for i := range chunks {
		for len(streams) < min(i+chunksAtOnce, len(chunks)) {
			chunk, last := chunks[len(streams)], r.CtxSize-1
			s, err := e.Submit(ctx, engine.Request{
				Prompt: chunk[:last], PromptLogprobs: 0,
				MaxTokens: 1, Constraint: engine.AllowTokens(chunk[last:]), Sampling: engine.Sampling{Logprob: true},
			})
			if err != nil {
				return err
			}
			streams = append(streams, s)
		}
		last, err := streams[i].Next(ctx)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i+1, err)
		}
		count(last.Logprob)
		for _, token := range streams[i].PromptLogprobs()[r.CtxSize/2:] {
			count(token.Logprob)
		}
		streams[i] = nil
		bar.set(int64(i+1), int64(len(chunks)))
	}
	n := float64(r.Tokens)
	r.Loss = sum / n
	r.LossError = math.Sqrt(max(squares/n-r.Loss*r.Loss, 0) / max(n-1, 1))
	r.Perplexity = math.Exp(r.Loss)
	r.Error = r.LossError * r.Perplexity
	return nil
}
