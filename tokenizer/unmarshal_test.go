package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestWrongMembers: what does not fit is named by its path, in no words of Go.
func TestWrongMembers(t *testing.T) {
	for text, want := range map[string]string{
		`{"model": {"merges": 5}}`:               "model.merges: must be a list",
		`{"model": {"merges": [["a", 2]]}}`:      "model.merges[0]: 2 is not a string",
		`{"model": {"merges": ["a b", 5]}}`:      "model.merges[1]: 5 is not a string",
		`{"model": {"merges": ["a b", "c"]}}`:    `model.merges[1]: "c" is not two tokens`,
		`{"model": {"vocab": {"a": "x"}}}`:       `model.vocab: the id of "a" is not a number`,
		`{"model": {"vocab": [["a", 0.5], 3]}}`:  "model.vocab[1]: must not be a number",
		`{"model": {"dropout": "x"}}`:            "model.dropout: must not be a text",
		`{"model": []}`:                          "model: must not be a list",
		`{"decoder": 5}`:                         "decoder: must not be a number",
		`{"added_tokens": {}}`:                   "added_tokens: must not be an object",
		`{"added_tokens": [{"special": "yes"}]}`: "added_tokens[0].special: must not be a text",
		`{"normalizer": {"type": false}}`:        "normalizer.type: must not be false",
		`7`:                                      "must not be a number",
	} {
		_, err := readTokenizer([]byte(text), 0)
		require.EqualError(t, err, want, text)
	}
	require.ErrorContains(t, unmarshal([]byte(`{"a": 1,}`), new(any)), "after offset 7")
}
