package tokenizer

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// Set makes metadata a MetadataWriter: it keeps values as a reader gives them.
func (m metadata) Set(key string, value any) error {
	switch v := value.(type) {
	case uint32:
		value = int64(v)
	case []int32:
		list := make([]int64, len(v))
		for i, n := range v {
			list[i] = int64(n)
		}
		value = list
	case []float32:
		list := make([]float64, len(v))
		for i, x := range v {
			list[i] = float64(x)
		}
		value = list
	}
	if _, ok := m[key]; ok {
		return errors.New(key + " is set twice")
	}
	m[key] = value
	return nil
}

// writeObject writes a tokenizer.json into a folder of its own.
func writeObject(t testing.TB, file object) string {
	t.Helper()
	data, err := json.Marshal(file)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), data, 0o600))
	return dir
}

// throughGGUF returns a folder's tokenizer, and what becomes of it in a GGUF file.
func throughGGUF(t *testing.T, dir string, more int) (before, after *Tokenizer, m metadata) {
	t.Helper()
	before, err := Open(dir)
	require.NoError(t, err)
	m = metadata{}
	require.NoError(t, ToGGUF(m, dir, "llama", before.VocabSize()+more))
	after, err = FromGGUF(m)
	require.NoError(t, err)
	require.Equal(t, before.VocabSize()+more, after.VocabSize())
	return before, after, m
}

// TestToGGUF: a vocabulary gives the same tokens and the same text after it
// went through the metadata of a GGUF file.
func TestToGGUF(t *testing.T) {
	for name, c := range map[string]struct {
		dir, texts string
		more       int
	}{
		"byte-level":    {testdata.Path(t, "tokenizer", "own-bpe"), testdata.Path(t, "tokenizer", "own-bpe", "strings.jsonl.gz"), 0},
		"padded":        {writeObject(t, bpeFile(t)), testdata.Path(t, "tokenizer", "own-bpe", "strings.jsonl.gz"), 7},
		"SentencePiece": {writeObject(t, spmFile(t)), testdata.Path(t, "tokenizer", "own-sentencepiece", "strings.jsonl.gz"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, _ := throughGGUF(t, c.dir, c.more)
			for i, text := range readLines[[2]string](t, c.texts) {
				if testing.Short() && i > 2000 {
					break
				}
				for _, o := range []EncodeOptions{{}, {ParseSpecial: true, AddBOS: true}} {
					want := before.Encode(text[1], o)
					require.Equal(t, want, after.Encode(text[1], o), "%q", text[1])
					require.Equal(t, before.Decode(want, DecodeOptions{}), after.Decode(want, DecodeOptions{}))
				}
			}
			for id := range int32(before.VocabSize()) {
				require.Equal(t, before.TokenBytes(id), after.TokenBytes(id), "token %d", id)
			}
			require.Equal(t, before.EOS(), after.EOS())
			require.Equal(t, before.AddBOS(), after.AddBOS())
		})
	}
}

// TestToGGUFConfig: names of special tokens and chat templates go along.
func TestToGGUFConfig(t *testing.T) {
	dir := writeObject(t, bpeFile(t))
	config := `{"bos_token": "<|begin_of_text|>", "eos_token": {"content": "<|eot_id|>"}, "add_eos_token": true,
		"chat_template": [{"name": "default", "template": "one"}, {"name": "tool_use", "template": "two"}]}`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer_config.json"), []byte(config), 0o600))
	before, after, m := throughGGUF(t, dir, 0)
	require.Equal(t, []ChatTemplate{{"default", "one"}, {"tool_use", "two"}}, after.ChatTemplates())
	require.Equal(t, before.EOS(), after.EOS())
	require.True(t, after.AddEOS())
	for _, name := range []string{"bos_token", "eos_token"} {
		want, ok := before.NamedToken(name)
		require.True(t, ok)
		got, _ := after.NamedToken(name)
		require.Equal(t, want, got)
	}
	require.Equal(t, "llama-bpe", m["tokenizer.ggml.pre"])
	require.Equal(t, true, m["tokenizer.ggml.add_eos_token"])
}

// TestToGGUFRefused: what GGUF cannot say is an error.
func TestToGGUFRefused(t *testing.T) {
	bpe := func(change func(file, model object)) string {
		file := bpeFile(t)
		change(file, file["model"].(object))
		return writeObject(t, file)
	}
	spm := func(change func(file, model object)) string {
		file := spmFile(t)
		change(file, file["model"].(object))
		return writeObject(t, file)
	}
	merges := func(model object) []any { return model["merges"].([]any) }
	for name, c := range map[string]struct {
		dir, want string
	}{
		"a merge less": {spm(func(_, m object) { m["merges"] = merges(m)[1:] }), "have no merge"},
		"out of order": {spm(func(_, m object) {
			list := merges(m)
			result := func(i int) string { return list[i].([]any)[0].(string) + list[i].([]any)[1].(string) }
			for i := range list {
				if i > 0 && result(i) == result(i-1) { // two ways to one piece
					m["merges"] = append(slices.Delete(slices.Clone(list), i, i+1), list[i])
					break
				}
			}
		}), "different places"},
		"a pair of characters": {spm(func(_, m object) {
			vocab := m["vocab"].(object)
			vocab["\u2620\u2620"] = len(vocab)
		}), "which make a token and have no merge"},
		"white space": {bpe(func(f, _ object) { f["added_tokens"].([]any)[0].(object)["lstrip"] = true }), "white space"},
		"missing":     {t.TempDir(), "tokenizer.json"},
		"unknown bytes": {bpe(func(_, m object) {
			m["unk_token"] = "!"
			delete(m["vocab"].(object), "\u0100")
		}), "an unknown token for bytes"},
		"Unigram": {writeObject(t, uniFile(t)), "a Unigram model"},
		"words":   {spm(func(file, _ object) { file["decoder"] = nil }), "this way of decoding"},
		"left out": {spm(func(_, model object) {
			delete(model["vocab"].(object), "<0x00>")
			model["unk_token"] = nil
		}), "characters that are left out"},
		"normalizer":     {bpe(func(f, _ object) { f["normalizer"] = object{"type": "NFKC"} }), "the normalizer NFKC"},
		"cut bytes":      {bpe(func(f, _ object) { f["pre_tokenizer"] = object{"type": "ByteLevel", "use_regex": false} }), "splitting into words"},
		"cut characters": {spm(func(f, _ object) { f["pre_tokenizer"] = object{"type": "Digits"} }), "splitting into words"},
		"single word":    {bpe(func(f, _ object) { f["added_tokens"].([]any)[0].(object)["single_word"] = true }), "a word of its own"},
		"a prefix for some texts": {spm(func(f, _ object) {
			f["normalizer"] = nil
			f["pre_tokenizer"] = object{"type": "Metaspace", "replacement": spaceMark, "prepend_scheme": "first", "split": false}
		}), "depends on the text"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, ToGGUF(metadata{}, c.dir, "llama", 1<<20), c.want)
		})
	}
	require.ErrorContains(t, ToGGUF(metadata{}, writeObject(t, bpeFile(t)), "llama", 10), "embedding table of 10 rows")
	full := metadata{"tokenizer.ggml.merges": nil}
	require.ErrorContains(t, ToGGUF(full, writeObject(t, bpeFile(t)), "llama", 1<<20), "set twice")
}
