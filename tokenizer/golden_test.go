package tokenizer

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// metadata is a GGUF file's key-value part for tests.
type metadata map[string]any

func get[T any](m metadata, key string) (T, bool) {
	v, ok := m[key].(T)
	return v, ok
}

func (m metadata) String(key string) (string, bool)    { return get[string](m, key) }
func (m metadata) Int(key string) (int64, bool)        { return get[int64](m, key) }
func (m metadata) Ints(key string) ([]int64, bool)     { return get[[]int64](m, key) }
func (m metadata) Floats(key string) ([]float64, bool) { return get[[]float64](m, key) }
func (m metadata) Bool(key string) (bool, bool)        { return get[bool](m, key) }

func (m metadata) Texts(key string) (string, []uint32, bool) {
	list, ok := get[texts](m, key)
	if !ok {
		var each []string
		each, ok = get[[]string](m, key)
		list = textsFrom(each)
	}
	return list.all, list.bounds, ok
}

// textsFrom puts texts one behind the other.
func textsFrom(each []string) texts {
	list := texts{all: strings.Join(each, ""), bounds: make([]uint32, 1, len(each)+1)}
	end := 0
	for _, text := range each {
		end += len(text)
		list.bounds = append(list.bounds, uint32(end))
	}
	return list
}

// llama3Special are the names of Llama 3.1's special tokens that are not
// reserved, by their offset.
var llama3Special = map[int]string{
	0: "<|begin_of_text|>", 1: "<|end_of_text|>", 4: "<|finetune_right_pad_id|>", 6: "<|start_header_id|>",
	7: "<|end_header_id|>", 8: "<|eom_id|>", 9: "<|eot_id|>", 10: "<|python_tag|>",
}

// llama3Metadata describes the Llama 3 tokenizer as a GGUF file does.
func llama3Metadata(t testing.TB) metadata {
	t.Helper()
	var vocab map[string]int
	require.NoError(t, json.Unmarshal(readFile(t, testdata.Shared(t, "nemotron", "tokenizer", "llama3-encoder.json.gz")), &vocab))
	tokens := make([]string, 128256)
	kinds := make([]int64, len(tokens))
	for text, id := range vocab {
		tokens[id] = text
		kinds[id] = int64(normal)
	}
	reserved := 0
	for i := range 256 {
		name, ok := llama3Special[i]
		if !ok {
			name = fmt.Sprintf("<|reserved_special_token_%d|>", reserved)
			reserved++
		}
		tokens[128000+i] = name
		kinds[128000+i] = int64(control)
	}
	lines := strings.Split(strings.TrimRight(string(readFile(t, testdata.Shared(t, "nemotron", "tokenizer", "llama3-vocab.bpe.gz"))), "\n"), "\n")
	merges := slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "#version") })
	require.Len(t, merges, 280147)
	return metadata{
		"tokenizer.ggml.model":        "gpt2",
		"tokenizer.ggml.pre":          "llama-bpe",
		"tokenizer.ggml.tokens":       tokens,
		"tokenizer.ggml.token_type":   kinds,
		"tokenizer.ggml.merges":       merges,
		"tokenizer.ggml.bos_token_id": int64(128000),
		"tokenizer.ggml.eos_token_id": int64(128009),
	}
}

func llama3(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := FromGGUF(llama3Metadata(t))
	require.NoError(t, err)
	return tok
}

// llama3JSON writes the same tokenizer in the form of a tokenizer.json.
func llama3JSON(t testing.TB, m metadata) []byte {
	t.Helper()
	var file map[string]any
	require.NoError(t, json.Unmarshal(readFile(t, testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json")), &file))
	tokens := m["tokenizer.ggml.tokens"].([]string)
	vocab := map[string]int{}
	for id, text := range tokens[:128000] {
		vocab[text] = id
	}
	added := []any{}
	for i, text := range tokens[128000:] {
		added = append(added, map[string]any{"id": 128000 + i, "content": text, "special": true})
	}
	file["added_tokens"] = added
	file["model"].(map[string]any)["vocab"] = vocab
	file["model"].(map[string]any)["merges"] = m["tokenizer.ggml.merges"]
	file["post_processor"] = nil
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return data
}

func ownBPE(t testing.TB) *Tokenizer {
	t.Helper()
	tok, err := Open(testdata.Path(t, "tokenizer", "own-bpe"))
	require.NoError(t, err)
	return tok
}

// ownSentencePiece reads vocab.json into the keys of a GGUF file.
func ownSentencePiece(t testing.TB) *Tokenizer {
	t.Helper()
	var vocab struct {
		BOS    int64               `json:"bos"`
		EOS    int64               `json:"eos"`
		UNK    int64               `json:"unk"`
		Tokens [][3]jsontext.Value `json:"tokens"`
	}
	require.NoError(t, json.Unmarshal(readFile(t, testdata.Path(t, "tokenizer", "own-sentencepiece", "vocab.json")), &vocab))
	n := len(vocab.Tokens)
	tokens, scores, kinds := make([]string, n), make([]float64, n), make([]int64, n)
	for i, e := range vocab.Tokens {
		require.NoError(t, json.Unmarshal(e[0], &tokens[i]))
		require.NoError(t, json.Unmarshal(e[1], &scores[i]))
		require.NoError(t, json.Unmarshal(e[2], &kinds[i]))
	}
	tok, err := FromGGUF(metadata{
		"tokenizer.ggml.model":            "llama",
		"tokenizer.ggml.pre":              "default",
		"tokenizer.ggml.tokens":           tokens,
		"tokenizer.ggml.scores":           scores,
		"tokenizer.ggml.token_type":       kinds,
		"tokenizer.ggml.bos_token_id":     vocab.BOS,
		"tokenizer.ggml.eos_token_id":     vocab.EOS,
		"tokenizer.ggml.unknown_token_id": vocab.UNK,
	})
	require.NoError(t, err)
	return tok
}

// bpeSets are the byte-level vocabularies with goldens.
func bpeSets(t *testing.T, test func(t *testing.T, tok *Tokenizer, file func(name string) string)) {
	t.Run("own", func(t *testing.T) {
		test(t, ownBPE(t), func(name string) string { return testdata.Path(t, "tokenizer", "own-bpe", name) })
	})
	t.Run("llama3", func(t *testing.T) {
		test(t, llama3(t), func(name string) string {
			folder := "llama3"
			if name == "strings.jsonl.gz" {
				folder = "pretokens"
			}
			return testdata.Shared(t, "tokenizer-goldens", folder, name)
		})
	})
}

func TestEncodeGoldens(t *testing.T) {
	bpeSets(t, func(t *testing.T, tok *Tokenizer, file func(string) string) {
		texts := readLines[[2]string](t, file("strings.jsonl.gz"))
		ids := readLines[[]int32](t, file("ids.jsonl.gz"))
		require.Len(t, ids, len(texts))
		for i, text := range texts {
			got := tok.Encode(text[1], EncodeOptions{})
			require.True(t, slices.Equal(ids[i], got), "line %d, %s: %q\nwant %v\ngot  %v", i, text[0], text[1], ids[i], got)
			require.Equal(t, text[1], tok.Decode(got, DecodeOptions{}))
		}
	})
}

func TestSpecialGoldens(t *testing.T) {
	bpeSets(t, func(t *testing.T, tok *Tokenizer, file func(string) string) {
		type vector struct {
			Text           string  `json:"text"`
			ParseSpecial   []int32 `json:"parse_special"`
			NoParseSpecial []int32 `json:"no_parse_special"`
			WithBOS        []int32 `json:"with_bos"`
			DecodeKeep     string  `json:"decode_keep"`
			DecodeSkip     string  `json:"decode_skip"`
		}
		for _, v := range readLines[vector](t, file("special.jsonl.gz")) {
			parsed := tok.Encode(v.Text, EncodeOptions{ParseSpecial: true})
			require.Equal(t, v.ParseSpecial, parsed, "%q", v.Text)
			require.Equal(t, v.NoParseSpecial, tok.Encode(v.Text, EncodeOptions{}), "%q", v.Text)
			require.Equal(t, v.WithBOS, tok.Encode(v.Text, EncodeOptions{ParseSpecial: true, AddBOS: true}), "%q", v.Text)
			require.Equal(t, v.DecodeKeep, tok.Decode(parsed, DecodeOptions{ShowSpecial: true}))
			require.Equal(t, v.DecodeSkip, tok.Decode(parsed, DecodeOptions{}))
		}
	})
}

func TestStreamGoldens(t *testing.T) {
	bpeSets(t, func(t *testing.T, tok *Tokenizer, file func(string) string) {
		type vector struct {
			Name   string   `json:"name"`
			IDs    []int32  `json:"ids"`
			Bytes  []string `json:"bytes"`
			Pieces []string `json:"pieces"`
			Flush  string   `json:"flush"`
			Text   string   `json:"text"`
		}
		for _, v := range readLines[vector](t, file("streams.jsonl.gz")) {
			d := tok.NewDecoder(DecodeOptions{ShowSpecial: true})
			for i, id := range v.IDs {
				require.Equal(t, v.Bytes[i], hex.EncodeToString(tok.TokenBytes(id)))
				require.Equal(t, v.Pieces[i], d.Append(id), "%s, token %d", v.Name, i)
			}
			require.Equal(t, v.Flush, d.Flush(), v.Name)
			require.Equal(t, v.Text, tok.Decode(v.IDs, DecodeOptions{ShowSpecial: true}), v.Name)
		}
	})
}

func TestInvalidUTF8Goldens(t *testing.T) {
	bpeSets(t, func(t *testing.T, tok *Tokenizer, file func(string) string) {
		type vector struct {
			Hex      string  `json:"hex"`
			Lossless []int32 `json:"lossless"`
		}
		for _, v := range readLines[vector](t, file("invalid-utf8.jsonl.gz")) {
			text, err := hex.DecodeString(v.Hex)
			require.NoError(t, err)
			ids := tok.Encode(string(text), EncodeOptions{})
			require.Equal(t, v.Lossless, ids, v.Hex)
			require.Equal(t, text, allBytes(tok, ids))
		}
	})
}

// allBytes returns the bytes that tokens stand for.
func allBytes(tok *Tokenizer, ids []int32) []byte {
	bytes := []byte{}
	for _, id := range ids {
		bytes = append(bytes, tok.TokenBytes(id)...)
	}
	return bytes
}

func TestLlamaBPEVectors(t *testing.T) {
	tok := llama3(t)
	inputs := strings.Split(string(readFile(t, testdata.Shared(t, "nemotron", "tokenizer", "llama-bpe.inp"))), "\n__ggml_vocab_test__\n")
	outputs := strings.Split(string(readFile(t, testdata.Shared(t, "nemotron", "tokenizer", "llama-bpe.out"))), "\n")
	require.Len(t, outputs, 47)
	require.Len(t, inputs, 47)
	for i, line := range outputs {
		want := []int32{}
		for _, field := range strings.Fields(line) {
			var id int32
			require.NoError(t, json.Unmarshal([]byte(field), &id))
			want = append(want, id)
		}
		require.Equal(t, want, tok.Encode(inputs[i], EncodeOptions{}), "%q", inputs[i])
	}
}

func TestSentencePieceGoldens(t *testing.T) {
	tok := ownSentencePiece(t)
	folders := map[string]func(name string) string{
		"committed": func(name string) string { return testdata.Path(t, "tokenizer", "own-sentencepiece", name) },
		"shared":    func(name string) string { return testdata.Shared(t, "tokenizer-goldens", "own-sentencepiece", name) },
	}
	for name, file := range folders {
		t.Run(name, func(t *testing.T) {
			texts := readLines[[2]string](t, file("strings.jsonl.gz"))
			answers := readLines[jsontext.Value](t, file("ids.jsonl.gz"))
			require.Len(t, answers, len(texts))
			for i, text := range texts {
				answer := struct {
					IDs    []int32 `json:"ids"`
					Decode string  `json:"decode"`
				}{Decode: text[1]}
				if answers[i].Kind() == '{' {
					require.NoError(t, json.Unmarshal(answers[i], &answer))
				} else {
					require.NoError(t, json.Unmarshal(answers[i], &answer.IDs))
				}
				got := tok.Encode(text[1], EncodeOptions{})
				require.True(t, slices.Equal(answer.IDs, got), "line %d, %s: %q\nwant %v\ngot  %v", i, text[0], text[1], answer.IDs, got)
				require.Equal(t, answer.Decode, tok.Decode(got, DecodeOptions{}))
			}
		})
	}
}

func TestSentencePieceStreams(t *testing.T) {
	type vector struct {
		Name     string   `json:"name"`
		IDs      []int32  `json:"ids"`
		Pieces   []string `json:"pieces"`
		Prefixes []string `json:"decode_prefixes"`
	}
	tok := ownSentencePiece(t)
	for _, v := range readLines[vector](t, testdata.Path(t, "tokenizer", "own-sentencepiece", "streams.jsonl.gz")) {
		stream := tok.NewDecoder(DecodeOptions{})
		emitted := ""
		for i, id := range v.IDs {
			require.Equal(t, v.Pieces[i], tok.Token(id))
			require.Equal(t, v.Prefixes[i], tok.Decode(v.IDs[:i+1], DecodeOptions{}), "%s, token %d", v.Name, i)
			emitted += stream.Append(id)
			require.True(t, strings.HasPrefix(v.Prefixes[len(v.Prefixes)-1], emitted), "%s, token %d", v.Name, i)
		}
		require.Equal(t, v.Prefixes[len(v.Prefixes)-1], emitted+stream.Flush(), v.Name)
	}
}

func TestModelGoldens(t *testing.T) {
	var golden struct {
		Cases []struct {
			Text string  `json:"text"`
			IDs  []int32 `json:"ids"`
		} `json:"cases"`
	}
	require.NoError(t, json.Unmarshal(readFile(t, testdata.Shared(t, "models", "golden", "tokenizer-bpe.json")), &golden))
	require.NotEmpty(t, golden.Cases)
	for _, model := range []string{"llama-tiny", "llama-tied", "nas-super", "nas-ultra"} {
		folder := testdata.Shared(t, "models", model)
		tok, err := Open(folder)
		require.NoError(t, err)
		for _, c := range golden.Cases {
			require.Equal(t, c.IDs, tok.Encode(c.Text, EncodeOptions{}), "%s: %q", model, c.Text)
		}
		require.Equal(t, []int32{368}, tok.Begin())
		require.True(t, tok.AddBOS())
		require.Contains(t, tok.EOS(), int32(377))
	}
}
