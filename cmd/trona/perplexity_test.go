package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/demo"
	"trona/server"
	"trona/testdata"
)

// The numbers are those of llama-perplexity (llama.cpp, commit 0c1e570) for the same text
// and the demo model in F32: `-c 512 -b 512 -ub 512`, and 100. Loops that round inputs, be they to
// 8 bits or to BF16, move the loss of so short a text by some thousandths, but make it no worse.
func TestPerplexity(t *testing.T) {
	path := testdata.Path(t, "demo", "eval", "identity.jsonl")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for size, want := range map[string]perplexityResult{
		"512": {Model: "demo", CtxSize: 512, Chunks: 4, Tokens: 4 * 255, Perplexity: 197.9126, Error: 39.4703},
		"100": {Model: "demo", CtxSize: 100, Chunks: 21, Tokens: 21 * 49, Perplexity: 373.6252, Error: 77.17563},
	} {
		t.Run(size, func(t *testing.T) {
			measure := func() (got perplexityResult) {
				require.NoError(t, json.Unmarshal([]byte(ok(t, string(text), "perplexity", "-c", size, "--json")), &got))
				return got
			}
			require.Less(t, measure().Perplexity, want.Perplexity*(1+5e-3))
			t.Setenv("TRONA_CPU", "exact")
			got := measure()
			require.InEpsilon(t, want.Perplexity, got.Perplexity, 5e-4)
			require.InEpsilon(t, want.Error, got.Error, 1e-3)
			require.InDelta(t, got.Error/got.Perplexity, got.LossError, 1e-9)
			want.Loss, want.LossError, want.Perplexity, want.Error = got.Loss, got.LossError, got.Perplexity, got.Error
			require.Equal(t, want, got)
		})
	}
	require.Regexp(t, `^demo, 4 chunks of 512 tokens, 1020 of them count: loss 5\.2\d+ ± 0\.19\d+, perplexity 19\d\.\d+ ± 39\.\d+\n$`,
		ok(t, "", "perplexity", "demo", "-f", path))
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
	l := loader{sources: []source{{path: demo.Name}}, cache: cacheFlags{KVCacheDtype: "auto", MaxNumSeqs: 1}, device: deviceFlags{Device: "cpu"}}
	l.opened = func(m *server.Model) error {
		require.NotNil(t, m.Tokenizer)
		require.Nil(t, m.Engine)
		return why
	}
	_, err := l.load(newProgress(io.Discard, ""))
	require.ErrorIs(t, err, why)
}
