package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/demo"
	"trona/server"
	"trona/testdata"
)

// The numbers are those of llama-perplexity (llama.cpp, commit 0c1e570, and for sums that of
// llama-cpp-python 0.3.36) for the same text and the demo model in F32: `-c 512 -b 512 -ub 512`, and
// 100. Loops that round inputs, to 8 bits or to BF16, move the loss of a short text by some
// thousandths: they are held to those of the long one.
func TestPerplexity(t *testing.T) {
	for _, want := range []perplexityResult{
		{Model: "identity", CtxSize: 512, Chunks: 4, Tokens: 4 * 255, Perplexity: 197.9126, Error: 39.4703},
		{Model: "identity", CtxSize: 100, Chunks: 21, Tokens: 21 * 49, Perplexity: 373.6252, Error: 77.17563},
		{Model: "sums", CtxSize: 512, Chunks: 72, Tokens: 72 * 255, Perplexity: 625.3650, Error: 29.25170},
		{Model: "sums", CtxSize: 100, Chunks: 371, Tokens: 371 * 49, Perplexity: 4024.9433, Error: 183.97752},
	} {
		t.Run(fmt.Sprintf("%s/%d", want.Model, want.CtxSize), func(t *testing.T) {
			path := testdata.Path(t, "demo", "eval", want.Model+".jsonl")
			if want.Model == "sums" {
				comparePerplexity(t, path, want, 5e-3)
			}
			t.Setenv("TRONA_CPU", "exact")
			comparePerplexity(t, path, want, 5e-4)
		})
	}
	require.Regexp(t, `^demo, 4 chunks of 512 tokens, 1020 of them count: loss 5\.2\d+ ± 0\.19\d+, perplexity 19\d\.\d+ ± 39\.\d+\n$`,
		ok(t, "", "perplexity", "demo", "-f", testdata.Path(t, "demo", "eval", "identity.jsonl")))
}

// comparePerplexity measures a text, up to a relative error, twice that of the error itself.
func comparePerplexity(t *testing.T, path string, want perplexityResult, most float64) {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var got perplexityResult
	require.NoError(t, json.Unmarshal([]byte(ok(t, string(text), "perplexity", "-c", strconv.Itoa(want.CtxSize), "--json")), &got))
	require.InEpsilon(t, want.Perplexity, got.Perplexity, most)
	require.InEpsilon(t, want.Error, got.Error, 2*most)
	require.InDelta(t, got.Error/got.Perplexity, got.LossError, 1e-9)
	want.Model = "demo"
	want.Loss, want.LossError, want.Perplexity, want.Error = got.Loss, got.LossError, got.Perplexity, got.Error
	require.Equal(t, want, got)
}

// A chunk may be as long as the context, and no longer.
func TestPerplexityWholeContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "short.gguf")
	ok(t, "", "quantize", "demo", path, "--type", "Q8_0")
	file, err := os.ReadFile(path)
	require.NoError(t, err)
	const context = "deci.context_length\x04\x00\x00\x00" // a uint32 follows
	short := bytes.Replace(file, []byte(context+"\x00\x00\x02\x00"), []byte(context+"\x80\x00\x00\x00"), 1)
	require.NotEqual(t, file, short)
	require.NoError(t, os.WriteFile(path, short, 0o600))

	text := strings.Repeat("a b c ", 100)
	require.Contains(t, ok(t, text, "perplexity", path, "-c", "128"), "chunks of 128 tokens")
	longer := trona(t, text, "perplexity", path, "-c", "129")
	require.Equal(t, exitFailed, longer.code)
	require.Equal(t, "trona: --ctx-size 129: the model declares 128\n", longer.err)
}

// What a tokenizer tells is told before weights are loaded.
func TestLoaderOpened(t *testing.T) {
	why := errors.New("not this one")
	l := loader{sources: []source{{path: demo.Name}}, cache: cacheFlags{kvFlags: kvFlags{"auto"}, MaxNumSeqs: 1}, device: deviceFlags{Device: "cpu"}}
	l.opened = func(m *server.Model) error {
		require.NotNil(t, m.Tokenizer)
		require.Nil(t, m.Engine)
		return why
	}
	_, err := l.load(newProgress(io.Discard, ""))
	require.ErrorIs(t, err, why)
}
