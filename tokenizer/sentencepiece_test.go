package tokenizer

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// modelFile returns the committed tokenizer.model.
func modelFile(t testing.TB) []byte {
	return readFile(t, testdata.Path(t, "tokenizer", "own-sentencepiece", "tokenizer.model"))
}

// message returns a field of protocol buffers with numbers as fields: number, value, ...
func message(number uint64, fields ...uint64) []byte {
	var body []byte
	for i := 0; i < len(fields); i += 2 {
		body = binary.AppendUvarint(binary.AppendUvarint(body, fields[i]<<3), fields[i+1])
	}
	return append(binary.AppendUvarint(binary.AppendUvarint(nil, number<<3|2), uint64(len(body))), body...)
}

// scored returns a piece with a score.
func scored(score float32) []byte {
	piece := binary.LittleEndian.AppendUint32([]byte{1<<3 | 2, 3, 'n', 'e', 'w', 2<<3 | 5}, math.Float32bits(score))
	return append([]byte{1<<3 | 2, byte(len(piece))}, piece...)
}

// userPiece is a piece that stands for its text whatever is around it.
var userPiece = []byte{1<<3 | 2, 5, 1<<3 | 2, 1, 'x', 3 << 3, 4}

// charsmapOf returns a normalizer_spec with that precompiled_charsmap.
func charsmapOf(table string) []byte {
	field := append(binary.AppendUvarint([]byte{2<<3 | 2}, uint64(len(table))), table...)
	return append(binary.AppendUvarint([]byte{3<<3 | 2}, uint64(len(field))), field...)
}

// TestModelFile: a folder with a tokenizer.model alone.
func TestModelFile(t *testing.T) {
	want := ownSentencePiece(t)
	for _, path := range []string{testdata.Path(t, "tokenizer", "own-sentencepiece"), testdata.Path(t, "tokenizer", "own-sentencepiece", "tokenizer.model")} {
		tok, err := Open(path)
		require.NoError(t, err)
		require.Equal(t, want.Digest(), tok.Digest())
		require.Equal(t, want.EOS(), tok.EOS())
		require.Equal(t, []int32{1}, tok.Begin())
		require.True(t, tok.AddBOS())
		for _, text := range readLines[[2]string](t, testdata.Path(t, "tokenizer", "own-sentencepiece", "strings.jsonl.gz")) {
			ids := want.Encode(text[1], EncodeOptions{})
			require.Equal(t, ids, tok.Encode(text[1], EncodeOptions{}), "%q", text[1])
			require.Equal(t, want.Decode(ids, DecodeOptions{}), tok.Decode(ids, DecodeOptions{}))
		}
	}
}

// TestBesideModelFile: added tokens, their ends, and where spaces come first. The ids
// are those of transformers 4.44.2.
func TestBesideModelFile(t *testing.T) {
	const text = "<|im_start|>a b<|im_end|> a"
	for name, c := range map[string]struct {
		files Files
		want  []int32
	}{
		"alone": {Files{}, nil},
		"config": {Files{Config: []byte(`{"eos_token": "<|im_end|>", "added_tokens_decoder": {
			"1": {"content": "<s>", "special": true, "normalized": true}, "1001": {"content": "<|im_start|>", "normalized": true},
			"1000": {"content": "<|im_end|>", "special": true}}}`)}, []int32{1001, 268, 270, 1000, 265, 668}},
		"older": {Files{
			AddedTokens:      []byte(`{"<|im_end|>": 1000, "<|im_start|>": 1001}`),
			SpecialTokensMap: []byte(`{"eos_token": {"content": "<|im_end|>"}, "additional_special_tokens": ["<|im_start|>"]}`),
		}, []int32{1001, 268, 270, 1000, 265, 668}},
		"spaces at the beginning": {Files{
			AddedTokens: []byte(`{"<|im_end|>": 1000, "<|im_start|>": 1001}`), Config: []byte(`{"legacy": false, "eos_token": "<|im_end|>"}`),
		}, []int32{1001, 668, 270, 1000, 268}},
		"no spaces": {Files{
			AddedTokens: []byte(`{"<|im_end|>": 1000, "<|im_start|>": 1001}`), Config: []byte(`{"add_prefix_space": false, "eos_token": "<|im_end|>"}`),
		}, []int32{1001, 668, 270, 1000, 268}},
	} {
		t.Run(name, func(t *testing.T) {
			c.files.SentencePiece = modelFile(t)
			tok, err := FromFiles(c.files)
			require.NoError(t, err)
			if c.want == nil {
				require.Equal(t, []int32{2}, tok.EOS())
				return
			}
			require.Equal(t, c.want, tok.Encode(text, EncodeOptions{ParseSpecial: true}))
			require.Equal(t, int32(1000), tok.EOS()[0])
			require.True(t, tok.IsSpecial(1000))
			c.files.Rows = 1001
			less, err := FromFiles(c.files)
			require.NoError(t, err)
			require.Equal(t, 1001, less.VocabSize())
		})
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.model"), modelFile(t), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "added_tokens.json"), []byte(`{"<new>": 1000}`), 0o600))
	before, after, _ := throughGGUF(t, dir, 3)
	require.Equal(t, before.Encode("a <new> b\n\u00e9", EncodeOptions{}), after.Encode("a <new> b\n\u00e9", EncodeOptions{}))
}

// TestUnigramModelFile: the same pieces as a Unigram model are those of its tokenizer.json.
func TestUnigramModelFile(t *testing.T) {
	tok, err := FromFiles(Files{SentencePiece: append(modelFile(t), message(2, 3, 1)...)})
	require.NoError(t, err)
	file, vocab := uniFile(t), []any{}
	for id, score := range tok.model.(*charLevel).lattice.scores {
		vocab = append(vocab, []any{tok.Token(int32(id)), score})
	}
	at(t, file, "model")["vocab"] = vocab
	want, err := fromObject(t, file)
	require.NoError(t, err)
	for _, text := range []string{"", "a", "the quick  fox", "\u00e9\n\u65e5 don't 12345"} {
		require.Equal(t, want.Encode(text, EncodeOptions{}), tok.Encode(text, EncodeOptions{}), "%q", text)
	}
	require.Equal(t, "<0x41>", tok.Decode(tok.Encode("<0x41>", EncodeOptions{}), DecodeOptions{}), "text, not a byte")
}

// TestModelFileNormalizers: the rules by which a model normalises text, with the ids
// that sentencepiece gives.
func TestModelFileNormalizers(t *testing.T) {
	cases := readLines[struct {
		Name  string    `json:"name"`
		Spec  []byte    `json:"spec"` // fields of the ModelProto that replace those of the own one
		Texts []string  `json:"texts"`
		IDs   [][]int32 `json:"ids"`
	}](t, testdata.Path(t, "tokenizer", "charsmap", "cases.jsonl.gz"))
	require.Len(t, cases, 6)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			tok, err := FromFiles(Files{SentencePiece: append(modelFile(t), c.Spec...)})
			require.NoError(t, err)
			for i, text := range c.Texts {
				require.Equal(t, c.IDs[i], tok.Encode(text, EncodeOptions{}), "%q", text)
			}
			random := rand.New(rand.NewPCG(7, 8))
			for range 50 {
				damaged := bytes.Clone(c.Spec)
				damaged[random.IntN(len(damaged))] = byte(random.Uint32())
				requireModelFile(t, append(modelFile(t), damaged...))
			}
		})
	}
}

// TestModelFileRefused: what would change the tokens, and files of other kinds.
func TestModelFileRefused(t *testing.T) {
	for want, files := range map[string]Files{
		"trainer_spec.model_type: 3":                                {SentencePiece: message(2, 3, 3)},
		"trainer_spec.treat_whitespace_as_suffix":                   {SentencePiece: message(2, 24, 1)},
		"remove_extra_whitespaces: not supported with user-defined": {SentencePiece: append(userPiece, message(3, 4, 1)...)},
		"legacy: false is not supported with remove_extra":          {SentencePiece: message(3, 4, 1), Config: []byte(`{"legacy": false}`)},
		"normalizer_spec.escape_whitespaces":                        {SentencePiece: message(3, 5, 0)},
		"precompiled_charsmap: has no size":                         {SentencePiece: charsmapOf("x")},
		"precompiled_charsmap: a trie of 8 bytes in 4":              {SentencePiece: charsmapOf("\x08\x00\x00\x00abcd")},
		"precompiled_charsmap: a trie of 3 bytes in 4":              {SentencePiece: charsmapOf("\x03\x00\x00\x00abcd")},
		"precompiled_charsmap: a trie of 0 bytes in 4":              {SentencePiece: charsmapOf("\x00\x00\x00\x00abcd")},
		"precompiled_charsmap: texts are not UTF-8":                 {SentencePiece: charsmapOf("\x04\x00\x00\x00abcd\xff")},
		"precompiled_charsmap: a text of 4097 bytes":                {SentencePiece: charsmapOf("\x04\x00\x00\x00abcd" + strings.Repeat("x", 4097))},
		"token 1000: its score is +Inf, which cannot be summed":     {SentencePiece: append(scored(float32(math.Inf(1))), message(2, 3, 1)...)},
		"token 1000: its score is NaN, which cannot be summed":      {SentencePiece: append(scored(float32(math.NaN())), message(2, 3, 1)...)},
		"pieces[1000]: \"\" is no text":                             {SentencePiece: message(1)},
		"field 1 is no message":                                     {SentencePiece: []byte{1 << 3, 1}},
		"a text is cut off: no model of SentencePiece":              {SentencePiece: []byte{1<<3 | 2, 200}},
		"a number is cut off":                                       {SentencePiece: []byte{9<<3 | 5, 1}},
		"a field has no number":                                     {SentencePiece: []byte{0}},
		"a field has no type":                                       {SentencePiece: []byte{9<<3 | 7}},
		"tokenizer_config.json: ":                                   {Config: []byte(`{"legacy": 1}`)},
		`added_tokens_decoder: "x" is no id`:                        {Config: []byte(`{"added_tokens_decoder": {"x": {"content": "y"}}}`)},
		"added_tokens_decoder: \"99999999\" is no id":               {Config: []byte(`{"added_tokens_decoder": {"99999999": {"content": "y"}}}`)},
		"added_tokens_decoder: \"69999\" is no id":                  {Config: []byte(`{"added_tokens_decoder": {"30000": {"content": "y"}, "69999": {"content": "z"}}}`)},
		"added_tokens[0].id: 1 is also":                             {AddedTokens: []byte(`{"new": 1}`)},
		"added_tokens.json: ":                                       {AddedTokens: []byte(`[]`)},
		"special_tokens_map.json: special tokens: 1 is not a token": {SpecialTokensMap: []byte(`{"additional_special_tokens": [1]}`)},
	} {
		t.Run(want, func(t *testing.T) {
			files.SentencePiece = append(modelFile(t), files.SentencePiece...)
			_, err := FromFiles(files)
			require.ErrorContains(t, err, want)
		})
	}
	_, err := FromFiles(Files{SentencePiece: []byte("IQ== 0\nIg== 1\n")}) // of tiktoken
	require.ErrorContains(t, err, "tokenizer.model: byte 0: ")
}

// TestDamagedModelFile: cut or changed bytes are an error or a tokenizer.
func TestDamagedModelFile(t *testing.T) {
	data := modelFile(t)
	for n := 0; n < len(data); n += 1 + n/50 { // densely at the beginning, and the end
		requireModelFile(t, data[:n])
		requireModelFile(t, data[:len(data)-1-n])
	}
	random := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		damaged := bytes.Clone(data)
		for range 1 + random.IntN(4) {
			damaged[random.IntN(len(damaged))] = byte(random.Uint32())
		}
		requireModelFile(t, damaged)
	}
}

func requireModelFile(t *testing.T, data []byte) {
	tok, err := FromFiles(Files{SentencePiece: data})
	if err != nil {
		require.ErrorContains(t, err, "tokenizer")
		return
	}
	tok.Decode(tok.Encode("the <s> \u00e9\xff", EncodeOptions{ParseSpecial: true}), DecodeOptions{})
}

func FuzzModelFile(f *testing.F) {
	f.Add(append(append(message(1), message(2, 3, 2)...), message(3, 4, 0)...))
	f.Add([]byte("\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02\x0a\x0a\x0a\x01a\x15\x00\x00\x80\xbf\x12\x02\x18\x02\x1a\x02\x20\x00"))
	f.Fuzz(func(t *testing.T, data []byte) { requireModelFile(t, data) })
}
