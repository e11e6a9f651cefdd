package engine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/model/demo"
	"trona/tokenizer"
)

// chat is a conversation with the demo model, as token ids.
type chat struct {
	tok *tokenizer.Tokenizer
	eot int32
}

func newChat(t *testing.T) chat {
	ckpt, err := demo.Open()
	require.NoError(t, err)
	defer ckpt.Close()
	tok, err := tokenizer.FromGGUF(ckpt.GGUF())
	require.NoError(t, err)
	eot, ok := tok.ID("<|eot_id|>")
	require.True(t, ok)
	return chat{tok, eot}
}

func (c chat) encode(text string) []int32 {
	return c.tok.Encode(text, tokenizer.EncodeOptions{ParseSpecial: true})
}

// begin returns the prompt of a conversation's first turn.
func (c chat) begin(thinking, user string) []int32 {
	return slices.Concat(c.encode("<|begin_of_text|>"), c.turn("system", "detailed thinking "+thinking), c.ask(user))
}

// ask returns what a user's turn adds, up to where the answer begins.
func (c chat) ask(user string) []int32 {
	return slices.Concat(c.turn("user", user), c.encode("<|start_header_id|>assistant<|end_header_id|>\n\n"))
}

func (c chat) turn(role, text string) []int32 {
	return c.encode("<|start_header_id|>" + role + "<|end_header_id|>\n\n" + text + "<|eot_id|>")
}

// request asks for the best answer, with its log probabilities.
func (c chat) request(prompt []int32) Request {
	r := plain(prompt, 400)
	r.StopIDs = []int32{c.eot}
	r.Sampling.Logprob = true
	return r
}

func (r rig) demo(t *testing.T) *Engine {
	ckpt, err := demo.Open()
	require.NoError(t, err)
	defer ckpt.Close()
	return r.load(t, ckpt)
}

// The next turn of a chat finds the keys and values of the answer before it,
// and answers as if it had computed them.
func TestNextTurn(t *testing.T) {
	c := newChat(t)
	e := rig{}.demo(t)
	first := c.request(c.begin("off", "Count to 60."))
	one := complete(t, e, first)
	require.Equal(t, FinishStop, one.finish)
	require.Contains(t, c.tok.Decode(one.tokens, tokenizer.DecodeOptions{}), "57, 58, 59, 60.")

	second := c.request(slices.Concat(first.Prompt, one.tokens, c.ask("What is 23 + 45?")))
	two := complete(t, e, second)
	known := len(first.Prompt) + len(one.tokens) - 1 // the last token was drawn and never read
	if uniform(t) {
		require.Equal(t, known/kernels.BlockSize*kernels.BlockSize, two.Cached)
		require.Greater(t, two.Cached, len(first.Prompt)+kernels.BlockSize, "of the answer too")
	} else {
		require.Equal(t, len(first.Prompt)/kernels.BlockSize*kernels.BlockSize, two.Cached)
	}
	fresh := complete(t, rig{}.demo(t), second)
	require.Zero(t, fresh.Cached)
	require.Equal(t, fresh.events, two.events)
}
