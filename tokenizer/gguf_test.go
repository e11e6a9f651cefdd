package tokenizer

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// ggufReader reads just enough of a trusted GGUF file: its metadata.
type ggufReader struct{ data []byte }

func (r *ggufReader) uint(size int) uint64 {
	var buf [8]byte
	copy(buf[:], r.data[:size])
	r.data = r.data[size:]
	return binary.LittleEndian.Uint64(buf[:])
}

func (r *ggufReader) text() string {
	n := r.uint(8)
	text := string(r.data[:n])
	r.data = r.data[n:]
	return text
}

func (r *ggufReader) value(t testing.TB, kind uint64) any {
	switch kind {
	case 0, 1, 7:
		v := r.uint(1)
		if kind == 7 {
			return v == 1
		}
		return int64(v)
	case 2, 3:
		return int64(r.uint(2))
	case 4, 5:
		return int64(int32(r.uint(4)))
	case 6:
		return float64(math.Float32frombits(uint32(r.uint(4))))
	case 8:
		return r.text()
	case 9:
		return r.array(t)
	case 10, 11:
		return int64(r.uint(8))
	case 12:
		return math.Float64frombits(r.uint(8))
	}
	require.Failf(t, "unknown type", "%d", kind)
	return nil
}

func (r *ggufReader) array(t testing.TB) any {
	kind, n := r.uint(4), r.uint(8)
	var texts []string
	var ints []int64
	var floats []float64
	for range n {
		switch v := r.value(t, kind).(type) {
		case string:
			texts = append(texts, v)
		case int64:
			ints = append(ints, v)
		case float64:
			floats = append(floats, v)
		}
	}
	switch {
	case texts != nil:
		return texts
	case ints != nil:
		return ints
	}
	return floats
}

func readGGUF(t testing.TB, path string) metadata {
	r := &ggufReader{readFile(t, path)}
	require.Equal(t, "GGUF", string(r.data[:4]))
	r.data = r.data[16:] // magic, version, number of tensors
	m := metadata{}
	for range r.uint(8) {
		key := r.text()
		m[key] = r.value(t, r.uint(4))
	}
	return m
}

// The files of the small models and the answers that belong to them.
func TestModelFiles(t *testing.T) {
	for _, c := range []struct{ file, golden string }{
		{"llama-spm-F16.gguf", "tokenizer-spm.json"},
		{"llama-tiny-Q4_0.gguf", "tokenizer-bpe.json"},
		{"nas-ultra-Q4_K_M.gguf", "tokenizer-bpe.json"},
	} {
		t.Run(c.file, func(t *testing.T) {
			var golden struct {
				Cases []struct {
					Text string  `json:"text"`
					IDs  []int32 `json:"ids"`
				} `json:"cases"`
			}
			require.NoError(t, json.Unmarshal(readFile(t, testdata.Shared(t, "models", "golden", c.golden)), &golden))
			require.NotEmpty(t, golden.Cases)
			tok, err := FromGGUF(readGGUF(t, testdata.Shared(t, "models", c.file)))
			require.NoError(t, err)
			for _, v := range golden.Cases {
				require.Equal(t, v.IDs, append([]int32{}, tok.Encode(v.Text, EncodeOptions{})...), "%q", v.Text)
				require.Equal(t, v.Text, tok.Decode(v.IDs, DecodeOptions{}))
			}
			require.True(t, tok.AddBOS())
			require.NotEmpty(t, tok.EOS())
		})
	}
}

// smallGGUF is a byte-level vocabulary of the 256 bytes, one merge and two
// special tokens.
func smallGGUF() metadata {
	tokens, kinds := []string{}, []int64{}
	for _, r := range byteRunes {
		tokens, kinds = append(tokens, string(r)), append(kinds, int64(normal))
	}
	return metadata{
		"tokenizer.ggml.model":        "gpt2",
		"tokenizer.ggml.pre":          "gpt-2",
		"tokenizer.ggml.tokens":       append(tokens, "th", "<s>", "</s>", "<think>"),
		"tokenizer.ggml.token_type":   append(kinds, int64(normal), int64(control), int64(control), int64(userDefined)),
		"tokenizer.ggml.merges":       []string{"t h"},
		"tokenizer.ggml.bos_token_id": int64(257),
		"tokenizer.ggml.eos_token_id": int64(258),
	}
}

func TestGGUF(t *testing.T) {
	m := smallGGUF()
	tok, err := FromGGUF(m)
	require.NoError(t, err)
	require.False(t, tok.AddBOS(), "not the habit of gpt-2")
	require.Equal(t, []int32{257, 256, 'x'}, tok.Encode("<s>thx", EncodeOptions{ParseSpecial: true}))
	require.Equal(t, []int32{259, 256}, tok.Encode("<think>th", EncodeOptions{}))
	require.Equal(t, "<think>th", tok.Decode([]int32{257, 259, 256, 258}, DecodeOptions{}))

	m["tokenizer.ggml.padding_token_id"] = int64(math.MaxUint32) // "none"
	m["tokenizer.ggml.add_bos_token"] = true
	m["tokenizer.ggml.add_eos_token"] = true
	m["tokenizer.ggml.eot_token_id"] = int64(257)
	m["tokenizer.chat_template"] = "one"
	m["tokenizer.chat_templates"] = []string{"tool_use", "absent"}
	m["tokenizer.chat_template.tool_use"] = "two"
	tok, err = FromGGUF(m)
	require.NoError(t, err)
	require.True(t, tok.AddBOS())
	require.True(t, tok.AddEOS())
	require.Equal(t, []int32{258, 257}, tok.EOS())
	for _, name := range []string{"<|im_end|>", "<|observation|>"} {
		renamed := maps.Clone(m)
		renamed["tokenizer.ggml.tokens"] = append(slices.Clone(m["tokenizer.ggml.tokens"].([]string)[:259]), name)
		ended, err := FromGGUF(renamed)
		require.NoError(t, err)
		require.Equal(t, []int32{258, 257, 259}, ended.EOS(), "%s: added, and known by name", name)
	}
	require.Equal(t, []ChatTemplate{{"default", "one"}, {"tool_use", "two"}}, tok.ChatTemplates())
	text, _ := tok.NamedToken("eos_token")
	require.Equal(t, "</s>", text)

	// Whatever a repeated token's text is, the lowest id stands for it.
	m["tokenizer.ggml.tokens"].([]string)[259] = "</s>"
	m["tokenizer.ggml.token_type"].([]int64)[259] = int64(control)
	tok, err = FromGGUF(m)
	require.NoError(t, err)
	require.Equal(t, []int32{258}, tok.Encode("</s>", EncodeOptions{ParseSpecial: true}))
}

func TestRefusedGGUF(t *testing.T) {
	sentencePiece := metadata{
		"tokenizer.ggml.model":            "llama",
		"tokenizer.ggml.tokens":           []string{"<unk>", "a", "b", "ab"},
		"tokenizer.ggml.token_type":       []int64{2, 1, 1, 1},
		"tokenizer.ggml.scores":           []float64{0, -1, -2, -3},
		"tokenizer.ggml.unknown_token_id": int64(0),
	}
	_, err := FromGGUF(sentencePiece)
	require.NoError(t, err)
	for _, c := range []struct {
		from  metadata
		key   string
		value any
		want  string
	}{
		{smallGGUF(), "tokenizer.ggml.model", "bert", `tokenizer.ggml.model: "bert"`},
		{smallGGUF(), "tokenizer.ggml.model", nil, "tokenizer.ggml.model"},
		{smallGGUF(), "tokenizer.ggml.pre", "kimi-k2", `tokenizer.ggml.pre: pre-tokenizer "kimi-k2"`},
		{smallGGUF(), "tokenizer.ggml.pre", nil, "tokenizer.ggml.pre: missing"},
		{smallGGUF(), "tokenizer.ggml.tokens", nil, "tokenizer.ggml.tokens: missing"},
		{smallGGUF(), "tokenizer.ggml.token_type", []int64{1}, "1 types for 260 tokens"},
		{smallGGUF(), "tokenizer.ggml.merges", nil, "tokenizer.ggml.merges: missing"},
		{smallGGUF(), "tokenizer.ggml.merges", []string{"th"}, "tokenizer.ggml: merges[0]"},
		{smallGGUF(), "tokenizer.ggml.merges", []string{"t h x"}, "tokenizer.ggml: merges[0]"},
		{smallGGUF(), "tokenizer.ggml.merges", []string{"t x"}, "not in the vocabulary"},
		{smallGGUF(), "tokenizer.ggml.bos_token_id", int64(1 << 31), "tokenizer.ggml.bos_token_id"},
		{smallGGUF(), "tokenizer.ggml.eos_token_id", int64(-1), "tokenizer.ggml.eos_token_id"},
		{sentencePiece, "tokenizer.ggml.scores", nil, "tokenizer.ggml.scores"},
		{sentencePiece, "tokenizer.ggml.scores", []float64{0, math.NaN(), 0, 0}, "not a number"},
		{sentencePiece, "tokenizer.ggml.tokens", []string{"<unk>", "a", "b", "\xff"}, "not UTF-8"},
		{sentencePiece, "tokenizer.ggml.token_type", []int64{6, 1, 1, 1}, "not a byte"},
		{sentencePiece, "tokenizer.ggml.token_type", []int64{9, 1, 1, 1}, "type 9"},
		{sentencePiece, "tokenizer.ggml.remove_extra_whitespaces", true, "remove_extra_whitespaces"},
	} {
		m := maps.Clone(c.from)
		m[c.key] = c.value
		_, err := FromGGUF(m)
		require.ErrorContains(t, err, c.want)
	}
}

// Vocabularies that grew from texts lack bytes; these are left out, as the reference
// implementations do.
func TestPartialVocabulary(t *testing.T) {
	without := func(lacking string) metadata {
		m := smallGGUF()
		tokens := slices.Clone(m["tokenizer.ggml.tokens"].([]string))
		for i, b := range []byte(lacking) {
			tokens[slices.Index(tokens, string(byteRunes[b]))] = "unused " + strconv.Itoa(i)
		}
		m["tokenizer.ggml.tokens"] = tokens
		return m
	}
	tok, err := FromGGUF(without("\xc0\xc1\xf1\xf2\xf3\xf4\xf5\xff"))
	require.NoError(t, err)
	text := "a\xc0\U000e0100\U0001f600"
	require.Equal(t, "a\ufffd\ufffd\ufffd\U0001f600", tok.Decode(tok.Encode(text, EncodeOptions{}), DecodeOptions{}))
	whole, err := FromGGUF(smallGGUF())
	require.NoError(t, err)
	text = strings.ToValidUTF8(text, "")
	require.Equal(t, text, whole.Decode(whole.Encode(text, EncodeOptions{}), DecodeOptions{}))
}

// A vocabulary without byte tokens gives one unknown token for a run, and a
// character that is no token still merges into one that holds it.
func TestUnknownCharacters(t *testing.T) {
	tok, err := FromGGUF(metadata{
		"tokenizer.ggml.model":            "llama",
		"tokenizer.ggml.tokens":           []string{"<unk>", "a", "b", "cb", spaceMark},
		"tokenizer.ggml.token_type":       []int64{2, 1, 1, 1, 1},
		"tokenizer.ggml.scores":           []float64{0, -1, -2, -3, -4},
		"tokenizer.ggml.add_space_prefix": false,
	})
	require.NoError(t, err)
	require.Equal(t, []int32{1, 0, 2, 3, 0, 4, 1}, tok.Encode("axyzbcbc a", EncodeOptions{}))
	require.Equal(t, "a \u2047 b", tok.Decode([]int32{1, 0, 2}, DecodeOptions{}))
}

// A token that holds a space after a letter must be found although words are
// otherwise cut at spaces.
func TestTokensAcrossSpaces(t *testing.T) {
	tokens, kinds, scores := []string{}, []int64{}, []float64{}
	for b := range 256 {
		tokens, kinds, scores = append(tokens, fmt.Sprintf("<0x%02X>", b)), append(kinds, int64(byteValue)), append(scores, 0)
	}
	m := metadata{
		"tokenizer.ggml.model":      "llama",
		"tokenizer.ggml.tokens":     append(tokens, "a", spaceMark, "aa", spaceMark+"a"),
		"tokenizer.ggml.token_type": append(kinds, 1, 1, 1, 1),
		"tokenizer.ggml.scores":     append(scores, -9, -9, -2, -1),
	}
	tok, err := FromGGUF(m)
	require.NoError(t, err)
	require.True(t, tok.model.(*charLevel).splitWords)
	require.Equal(t, []int32{259, 259}, tok.Encode("a a", EncodeOptions{}))

	m["tokenizer.ggml.tokens"].([]string)[258] = "a" + spaceMark
	m["tokenizer.ggml.scores"].([]float64)[258] = 0
	tok, err = FromGGUF(m)
	require.NoError(t, err)
	require.Equal(t, []int32{257, 258, 256}, tok.Encode("a a", EncodeOptions{}))
}

// TestTakeSpaces: special tokens of Phi-3 take white space after them along.
func TestTakeSpaces(t *testing.T) {
	m := metadata{
		"general.architecture": "phi3", "tokenizer.ggml.model": "llama", "tokenizer.ggml.add_space_prefix": false,
		"tokenizer.ggml.tokens":     []string{"<unk>", "<s>", "</s>", "<|user|>", spaceMark, "a"},
		"tokenizer.ggml.token_type": []int64{int64(unknown), int64(control), int64(userDefined), int64(control), int64(normal), int64(normal)},
		"tokenizer.ggml.scores":     make([]float64, 6), "tokenizer.ggml.unknown_token_id": int64(0),
	}
	for text, want := range map[string][]int32{
		"<|user|>\n a <|user|>": {3, 5, 4, 3}, "</s>  a": {2, 5}, "<s> a": {1, 4, 5}, " <|user|>": {4, 3},
	} {
		tok, err := FromGGUF(m)
		require.NoError(t, err)
		require.Equal(t, want, tok.Encode(text, EncodeOptions{ParseSpecial: true}), "%q", text)
	}
	m["general.architecture"] = "llama"
	tok, err := FromGGUF(m)
	require.NoError(t, err)
	require.Equal(t, []int32{3, 4, 5}, tok.Encode("<|user|> a", EncodeOptions{ParseSpecial: true}))
}

// TestTakeSpacesKept: a folder of Phi-3 gives the same tokens as a GGUF file.
func TestTakeSpacesKept(t *testing.T) {
	file := spmFile(t)
	added := file["added_tokens"].([]any)
	added[2].(object)["rstrip"] = true
	file["added_tokens"] = append(added, object{"id": len(at(t, file, "model.vocab")), "content": "<|user|>", "rstrip": true, "special": true})
	dir := writeObject(t, file)
	before, err := Open(dir)
	require.NoError(t, err)
	m := metadata{"general.architecture": "phi3"}
	require.NoError(t, ToGGUF(m, dir, "phi3", before.VocabSize()))
	after, err := FromGGUF(m)
	require.NoError(t, err)
	for _, text := range []string{"<|user|>\n the people</s> \n x<s> y", "<|user|>", " <|user|> "} {
		ids := before.Encode(text, EncodeOptions{ParseSpecial: true})
		require.Equal(t, ids, after.Encode(text, EncodeOptions{ParseSpecial: true}), "%q", text)
	}
	require.ErrorContains(t, ToGGUF(metadata{}, dir, "llama", before.VocabSize()), "which white space")
}
