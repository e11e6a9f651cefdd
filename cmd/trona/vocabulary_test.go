package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTokensBeyond serves a checkpoint to whose tokenizer somebody added a token
// without a row in the model.
func TestTokensBeyond(t *testing.T) {
	source, folder := sharedModel(t, "llama-tiny"), t.TempDir()
	entries, err := os.ReadDir(source)
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(source, e.Name()))
		require.NoError(t, err)
		if e.Name() == "tokenizer.json" {
			const list, pad = `"added_tokens": [`, `{"id": 384, "content": "[PAD]", "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false},`
			require.Contains(t, string(data), list)
			data = []byte(strings.Replace(string(data), list, list+pad, 1))
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, e.Name()), data, 0o600))
	}
	body := object{"prompt": "a[PAD]b", "max_tokens": 8, "temperature": 0, "ignore_eos": true, "return_token_ids": true, "add_special_tokens": false}
	want := start(t, source, "--max-model-len", "256").ask(t, "/v1/completions", body)
	got := start(t, folder, "--max-model-len", "256").ask(t, "/v1/completions", body)
	require.Equal(t, want.Choices[0].PromptTokenIDs, got.Choices[0].PromptTokenIDs)
	require.Equal(t, want.Choices[0].TokenIDs, got.Choices[0].TokenIDs)
	require.Contains(t, ok(t, "a[PAD]b", "tokenize", "--special", folder), "384", "a tokenizer alone has all")
}
