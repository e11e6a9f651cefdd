package tokenizer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// object is a JSON object.
type object = map[string]any

// bpeFile returns the committed byte-level tokenizer.json, to be changed.
func bpeFile(t testing.TB) object {
	t.Helper()
	var file object
	require.NoError(t, json.Unmarshal(readFile(t, testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json")), &file))
	return file
}

// spmFile returns the own SentencePiece vocabulary as a tokenizer.json of the
// Llama 2 kind: every way to make a piece of two is a merge, by score.
func spmFile(t testing.TB) object {
	t.Helper()
	tok := ownSentencePiece(t)
	vocab, merges := object{}, []any{}
	for id, token := range tok.vocab.tokens {
		vocab[token.text] = id
		if token.kind != normal {
			continue
		}
		for i := range token.text {
			_, left := tok.vocab.pieces.find(token.text[:i])
			_, right := tok.vocab.pieces.find(token.text[i:])
			if left && right {
				merges = append(merges, []any{token.text[:i], token.text[i:]})
			}
		}
	}
	special := func(id int, text string) object {
		return object{"id": id, "content": text, "special": true}
	}
	return object{
		"version":       "1.0",
		"added_tokens":  []any{special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")},
		"normalizer":    object{"type": "Sequence", "normalizers": []any{object{"type": "Prepend", "prepend": spaceMark}, replace(" ", spaceMark)}},
		"pre_tokenizer": nil,
		"decoder": object{"type": "Sequence", "decoders": []any{
			replace(spaceMark, " "), object{"type": "ByteFallback"}, object{"type": "Fuse"},
			object{"type": "Strip", "content": " ", "start": 1, "stop": 0},
		}},
		"model": object{
			"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": vocab, "merges": merges,
		},
	}
}

func replace(old, new string) object {
	return object{"type": "Replace", "pattern": object{"String": old}, "content": new}
}

func metaspace(scheme string, split bool) object {
	return object{"type": "Metaspace", "replacement": spaceMark, "prepend_scheme": scheme, "split": split}
}

func fromObject(t testing.TB, file object) (*Tokenizer, error) {
	t.Helper()
	data, err := json.Marshal(file)
	require.NoError(t, err)
	return FromFiles(Files{Tokenizer: data})
}

// at returns the object at a path like "pre_tokenizer.pretokenizers.1".
func at(t testing.TB, file object, path string) object {
	t.Helper()
	var value any = file
	for part := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case object:
			value = v[part]
		case []any:
			var i int
			_, err := fmt.Sscan(part, &i)
			require.NoError(t, err)
			value = v[i]
		}
	}
	found, ok := value.(object)
	require.True(t, ok, path)
	return found
}

func TestLlama2File(t *testing.T) {
	tok, err := fromObject(t, spmFile(t))
	require.NoError(t, err)
	want := ownSentencePiece(t)
	for _, text := range readLines[[2]string](t, testdata.Path(t, "tokenizer", "own-sentencepiece", "strings.jsonl.gz")) {
		ids := want.Encode(text[1], EncodeOptions{})
		require.Equal(t, ids, tok.Encode(text[1], EncodeOptions{}), "%q", text[1])
		require.Equal(t, want.Decode(ids, DecodeOptions{}), tok.Decode(ids, DecodeOptions{}))
	}
}

func TestMetaspace(t *testing.T) {
	pieces := func(t *testing.T, scheme string, split bool, text string) []string {
		file := spmFile(t)
		file["normalizer"] = nil
		file["pre_tokenizer"] = metaspace(scheme, split)
		tok, err := fromObject(t, file)
		require.NoError(t, err)
		texts := []string{}
		for _, id := range tok.Encode(text, EncodeOptions{ParseSpecial: true}) {
			texts = append(texts, tok.Token(id))
		}
		return texts
	}
	for _, c := range []struct {
		scheme string
		split  bool
		text   string
		want   string
	}{
		{"always", false, "x</s>x", "\u2581 x </s> \u2581 x"},
		{"first", false, "x</s>x", "\u2581 x </s> x"},
		{"first", false, "</s>x", "</s> x"},
		{"never", false, "x</s>x", "x </s> x"},
		{"always", false, " x", "\u2581 x"},
		{"always", false, "  x", "\u2581\u2581 x"},
		{"always", true, "  x", "\u2581 \u2581 x"},
		{"always", true, "x x", "\u2581 x \u2581 x"},
	} {
		require.Equal(t, c.want, strings.Join(pieces(t, c.scheme, c.split, c.text), " "), "%+v", c)
	}
}

func TestNormalizedAddedTokens(t *testing.T) {
	file := spmFile(t)
	for _, e := range file["added_tokens"].([]any) {
		e.(object)["normalized"] = true
	}
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	// The normalizer makes "▁<s>" of the token too, so it is found after a space.
	require.Equal(t, int32(1), tok.Encode("<s>x", EncodeOptions{ParseSpecial: true})[0])
	require.Contains(t, tok.Encode("x <s>", EncodeOptions{ParseSpecial: true}), int32(1))
	require.NotContains(t, tok.Encode("x<s>", EncodeOptions{ParseSpecial: true}), int32(1))
}

// TestSpacesFirst: the space that decoding drops may be that of an added token.
func TestSpacesFirst(t *testing.T) {
	file := spmFile(t)
	file["added_tokens"] = append(file["added_tokens"].([]any), object{"id": 5000, "content": "  "})
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, "   x", tok.Decode(tok.Encode("   x", EncodeOptions{}), DecodeOptions{}))
}

func TestStrippingAddedTokens(t *testing.T) {
	file := bpeFile(t)
	at(t, file, "added_tokens.9")["lstrip"] = true
	at(t, file, "added_tokens.8")["rstrip"] = true
	at(t, file, "added_tokens.7")["special"] = false
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	x := tok.Encode("x", EncodeOptions{})[0]
	require.Equal(t, []int32{x, 4329, x}, tok.Encode("x \n<|eot_id|>x", EncodeOptions{ParseSpecial: true}))
	require.Equal(t, []int32{4328, x}, tok.Encode("<|eom_id|>\u00a0 x", EncodeOptions{ParseSpecial: true}))
	require.Equal(t, []int32{x, 4327}, tok.Encode("x<|end_header_id|>", EncodeOptions{}), "not special: always found")
	require.False(t, tok.IsSpecial(4327))
	require.Equal(t, "<|end_header_id|>", tok.Decode([]int32{4327}, DecodeOptions{}))
}

// TestMissingBytes: a vocabulary that grew from texts may lack the tokens of bytes. Ids
// are those of tokenizers 0.23.3.
func TestMissingBytes(t *testing.T) {
	for name, c := range map[string]struct {
		unknown any
		fuse    bool
		want    []string
	}{
		"left out":      {nil, false, []string{"a", "b", "ab"}},
		"unknown":       {"<unk>", false, []string{"a", "<unk>", "<unk>", "b", "<unk>", "<unk>", "ab"}},
		"unknown fused": {"<unk>", true, []string{"a", "<unk>", "b", "<unk>", "ab"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := bpeFile(t)
			model := at(t, file, "model")
			model["vocab"] = object{"a": 0, "b": 1, "ab": 2, "<unk>": 3}
			model["merges"], model["unk_token"], model["fuse_unk"] = []any{"a b"}, c.unknown, c.fuse
			file["added_tokens"], file["post_processor"] = []any{}, nil
			tok, err := fromObject(t, file)
			require.NoError(t, err)
			got := []string{}
			for _, id := range tok.Encode("a\n\nb\u00e9ab", EncodeOptions{}) {
				got = append(got, tok.Token(id))
			}
			require.Equal(t, c.want, got)
		})
	}
}

// TestWhiteSpaceTokens: white space that a token takes along is still found as a token.
func TestWhiteSpaceTokens(t *testing.T) {
	file := bpeFile(t)
	tokens := file["added_tokens"].([]any)
	file["added_tokens"] = append(tokens, object{"id": 5000, "content": "  "}, object{"id": 5001, "content": "<x>", "rstrip": true}, object{"id": 5002, "content": "<y>", "lstrip": true})
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	special := EncodeOptions{ParseSpecial: true}
	x := tok.Encode("x", EncodeOptions{})[0]
	require.Equal(t, []int32{5001, 5000, x}, tok.Encode("<x>  x", special))
	require.Equal(t, []int32{5001, 5000}, tok.Encode("<x>  ", special))
	require.Equal(t, []int32{5001, 5000, 5002, x}, tok.Encode("<x>  <y>x", special))
	require.Equal(t, []int32{x, 5000, 5002, x}, tok.Encode("x  <y>x", special))
	tokens[0].(object)["content"], tokens[0].(object)["rstrip"] = "<z>", true
	file["added_tokens"].([]any)[len(tokens)].(object)["lstrip"] = true
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []int32{5001, x}, tok.Encode("<x>  x", special), "its white space is all taken")
}

// TestSingleWord: such a token is no part of a word, and does not hide what follows.
func TestSingleWord(t *testing.T) {
	file := bpeFile(t)
	file["added_tokens"] = append(file["added_tokens"].([]any), object{"id": 5000, "content": "zqz", "single_word": true})
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	for text, want := range map[string]int{
		"zqz": 1, "zqz zqz": 2, "-zqz.": 1, "\u00e9zqz": 0, "zqz\u0308": 0, "zqz1": 0, "a_zqz": 0, "zqz\u24d0": 0, "zqz\u200d": 0, "zqzzqz": 0, "zqzzqz zqz": 1, "\u3042zqz": 0, "\u00b2zqz": 1,
	} {
		n := 0
		for _, id := range tok.Encode(text, EncodeOptions{}) {
			if id == 5000 {
				n++
			}
		}
		require.Equal(t, want, n, "%q", text)
	}
}

// A prefix of an added token must not hide it, whatever the order.
func TestAddedPrefixes(t *testing.T) {
	for _, order := range [][]string{{"<a", "<a>", "<a>b"}, {"<a>b", "<a>", "<a"}} {
		tokens := []addedToken{}
		for i, text := range order {
			tokens = append(tokens, addedToken{id: int32(i), text: text, special: true})
		}
		m, err := newMatcher(tokens)
		require.NoError(t, err)
		for _, want := range order {
			found, ok := m.find("x"+want+"c", 0, 0, sight{special: true})
			require.True(t, ok)
			require.Equal(t, match{1, 1 + len(want), 1 + len(want), int32(slices.Index(order, want))}, found)
		}
	}
}

func TestNFC(t *testing.T) {
	file := bpeFile(t)
	file["normalizer"] = object{"type": "NFC"}
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, ownBPE(t).Encode("\u00e9", EncodeOptions{}), tok.Encode("e\u0301", EncodeOptions{}))
}

func TestNumberSplitters(t *testing.T) {
	file := bpeFile(t)
	steps := at(t, file, "pre_tokenizer")["pretokenizers"].([]any)
	steps[0] = object{"type": "Digits", "individual_digits": true}
	steps[1].(object)["use_regex"] = true
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, splitNumbers, tok.model.(*byteLevel).splitter)

	steps[0] = object{"type": "Punctuation"}
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "!", "?", " b"}, tok.model.(*byteLevel).splitter.words("a!? b"))
	steps[0] = object{"type": "Digits", "individual_digits": false}
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "12", " b"}, tok.model.(*byteLevel).splitter.words("a12 b"))
	steps[0] = object{"type": "Split", "pattern": object{"Regex": tekken}, "behavior": "Isolated", "invert": false}
	steps[1].(object)["use_regex"] = false
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []string{"Hello", "World"}, tok.model.(*byteLevel).splitter.words("HelloWorld"))

	file["pre_tokenizer"] = object{"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, splitGPT2, tok.model.(*byteLevel).splitter)
}

func TestRefusedFiles(t *testing.T) {
	const split, level = "pre_tokenizer.pretokenizers.0", "pre_tokenizer.pretokenizers.1"
	set := func(path, name string, value any) func(object) {
		return func(file object) {
			target := file
			if path != "" {
				target = at(t, file, path)
			}
			target[name] = value
		}
	}
	add := func(entry object) func(object) {
		return func(file object) { file["added_tokens"] = append(file["added_tokens"].([]any), entry) }
	}
	merge := func(value any) func(object) {
		return func(file object) {
			at(t, file, "model")["merges"] = append(at(t, file, "model")["merges"].([]any), value)
		}
	}
	long := strings.Repeat("a", maxTokenBytes+1)
	for _, c := range []struct {
		name   string
		change func(object)
		want   string
	}{
		{"unknown member", set("", "extra", 1), "extra: not supported"},
		{"model member", set("model", "extra", 1), "model.extra"},
		{"model type", set("model", "type", "Words"), `model.type: "Words"`},
		{"words without an unknown one", set("model", "type", "WordLevel"), "model.unk_token: missing"},
		{"words of bytes", func(f object) { at(t, f, "model")["type"], at(t, f, "model")["unk_token"] = "WordPiece", "!" }, "WordPiece with a ByteLevel"},
		{"vocabulary of another", set("model", "type", "Unigram"), `model.vocab: not as a model of type "Unigram"`},
		{"list of pieces", set("model", "vocab", []any{[]any{"a", 1}}), `model.vocab: not as a model of type "BPE"`},
		{"a piece that is none", set("model", "vocab", []any{[]any{1, 1}}), "vocab[0]: 1 is not a string"},
		{"a score that is none", set("model", "vocab", []any{[]any{"a", "x"}}), `the score of "a"`},
		{"a score less", set("model", "vocab", []any{[]any{"a"}}), "tokenizer.json"},
		{"Unigram of bytes", func(f object) {
			at(t, f, "model")["type"], at(t, f, "model")["vocab"] = "Unigram", []any{[]any{"a", 1}}
		}, "Unigram with a ByteLevel"},
		{"unknown piece of BPE", set("model", "unk_id", 1), "model.unk_id: not supported"},
		{"unknown token of Unigram", func(f object) {
			at(t, f, "model")["type"], at(t, f, "model")["vocab"], at(t, f, "model")["unk_token"] = "Unigram", []any{[]any{"a", 1}}, "a"
		}, "model.unk_token: not supported"},
		{"unknown piece", func(f object) {
			at(t, f, "model")["type"], at(t, f, "model")["vocab"], at(t, f, "model")["unk_id"] = "Unigram", []any{[]any{"a", 1}}, 1
		}, "model.unk_id: 1"},
		{"bytes of bytes", func(f object) {
			at(t, f, "model")["byte_fallback"], at(t, f, "model.vocab")["<0x00>"] = true, 4000
		}, "model.byte_fallback with"},
		{"dropout", set("model", "dropout", 0.1), "model.dropout"},
		{"prefix of bytes", set("model", "continuing_subword_prefix", "##"), "model.continuing_subword_prefix"},
		{"suffix of bytes", set("model", "end_of_word_suffix", "</w>"), "model.end_of_word_suffix"},
		{"unknown token", set("model", "unk_token", "nowhere"), "model.unk_token"},
		{"no vocabulary", set("model", "vocab", object{}), "model.vocab"},
		{"no bytes", func(f object) {
			at(t, f, "model")["vocab"], at(t, f, "model")["merges"] = object{"<unk>": 4000}, []any{}
		}, "no token for any byte"},
		{"repeated id", set("model.vocab", "!", 1), "have the id 1"},
		{"negative id", set("model.vocab", "new", -1), "the id of"},
		{"huge id", set("model.vocab", "new", int64(1)<<31), "the id of"},
		{"sparse ids", set("model.vocab", "new", 1<<30), "ids go up to"},
		{"fractional id", set("model.vocab", "new", 1.5), "the id of"},
		{"empty token", set("model.vocab", "", 5000), "is empty"},
		{"long token", set("model.vocab", long, 5000), "4097 bytes"},
		{"unknown merge", merge([]any{"!", "nowhere"}), "not in the vocabulary"},
		{"unmade merge", merge([]any{"!", "\u0100"}), "not in the vocabulary"},
		{"empty merge", merge([]any{"", "!"}), "not in the vocabulary"},
		{"repeated merge", merge([]any{"e", "r"}), "repeats"},
		{"merge of one", merge("er"), "not two tokens"},
		{"merge of three", merge([]any{"e", "r", "r"}), "more than two"},
		{"merge of numbers", merge([]any{1, 2}), "not a string"},
		{"added twice", add(object{"id": 4320, "content": "<|begin_of_text|>"}), "twice"},
		{"added elsewhere", add(object{"id": 5000, "content": "!"}), "in model.vocab"},
		{"added over another", add(object{"id": 0, "content": "new"}), "is also"},
		{"added huge", add(object{"id": int64(1) << 40, "content": "new"}), "added_tokens[256].id"},
		{"added empty", add(object{"id": 5000, "content": ""}), "empty"},
		{"added member", add(object{"id": 5000, "content": "x", "extra": true}), "added_tokens[256].extra"},
		{"normalizer", set("", "normalizer", object{"type": "Mystery"}), "normalizer: Mystery"},
		{"bytes, then more", set("", "normalizer", object{"type": "Sequence", "normalizers": []object{{"type": "ByteLevel"}, {"type": "NFC"}}}), "normalizer.normalizers[0]: ByteLevel"},
		{"normalizer in lists", set("", "normalizer", object{"type": "Sequence", "normalizers": []object{{"type": "NFC"}, {"type": "Sequence", "normalizers": []object{{"type": "Precompiled"}}}}}),
			"normalizer.normalizers[1].normalizers[0].precompiled_charsmap: has no size"},
		{"member of a list", set("", "normalizer", object{"type": "Sequence", "extra": 1}), "normalizer.extra"},
		{"nothing to replace", set("", "normalizer", object{"type": "Replace", "content": "x"}), "normalizer.pattern: neither"},
		{"empty to replace", set("", "normalizer", object{"type": "Replace", "content": "x", "pattern": object{"String": ""}}), "normalizer.pattern: is empty"},
		{"growing", set("", "normalizer", object{"type": "Sequence", "normalizers": slices.Repeat([]object{replace("a", "aa")}, 13)}), "normalizer.normalizers[12]: with the steps"},
		{"expression to replace", set("", "normalizer", object{"type": "Replace", "content": "x", "pattern": object{"Regex": "("}}), "normalizer.pattern: the expression"},
		{"expression", set(split+".pattern", "Regex", `\p{L`), `pre_tokenizer.pretokenizers[1]: the expression "\\p{L", byte 3: } is missing`},
		{"pattern", set(split, "pattern", object{}), "pre_tokenizer.pretokenizers[0].pattern: neither"},
		{"behavior", set(split, "behavior", "Merged"), `pre_tokenizer.pretokenizers[0].behavior: "Merged"`},
		{"splitter", set(split, "type", "UnicodeScripts"), "pre_tokenizer.pretokenizers[0]: UnicodeScripts"},
		{"no length", set("", "pre_tokenizer", object{"type": "FixedLength", "length": 0}), "pre_tokenizer.length: 0"},
		{"after bytes", set("pre_tokenizer", "pretokenizers", []object{{"type": "ByteLevel"}, {"type": "Digits"}, {"type": "ByteLevel"}}), "pre_tokenizer.pretokenizers[2]: ByteLevel after ByteLevel"},
		{"splitter member", set(split, "extra", 1), "pre_tokenizer.pretokenizers[0].extra"},
		{"decoder", set("decoder", "type", "CTC"), "decoder: CTC"},
		{"decoder of characters", set("", "decoder", object{"type": "Fuse"}), "decoder: does not undo"},
		{"post-processor", set("post_processor", "type", "Mystery"), "post_processor: Mystery"},
		{"post-processor without tokens", set("", "post_processor", object{"type": "BertProcessing", "sep": []any{"x", 1}}), "post_processor: has no cls or sep"},
		{"template", set("post_processor", "single", []any{}), "post_processor.single"},
		{"template token", set("post_processor.single.0.SpecialToken", "id", "nothing"), "post_processor.single[0]"},
		{"template id", set("post_processor.special_tokens.<|begin_of_text|>", "ids", []int{9999}), "begin token is 9999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := bpeFile(t)
			c.change(file)
			_, err := fromObject(t, file)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "tokenizer.json: ")
		})
	}
	for name, data := range map[string]string{
		"nothing": "", "null": "null", "array": "[]", "repeated name": `{"model":{},"model":{}}`,
		"deep": strings.Repeat(`{"normalizer":`, 20000), "broken string": "{\"version\":\"\xff\"}",
	} {
		_, err := FromFiles(Files{Tokenizer: []byte(data)})
		require.ErrorContains(t, err, "tokenizer.json", name)
	}
}

// TestAround: BERT's processors put one token before a text and one after it.
func TestAround(t *testing.T) {
	for _, name := range []string{"BertProcessing", "RobertaProcessing"} {
		file := bpeFile(t)
		file["post_processor"] = object{"type": name, "cls": []any{"<|begin_of_text|>", 4320}, "sep": []any{"<|eot_id|>", 4329}}
		tok, err := fromObject(t, file)
		require.NoError(t, err)
		require.Equal(t, []int32{4320, 0, 4329}, tok.Encode("!", EncodeOptions{AddBOS: tok.AddBOS(), AddEOS: tok.AddEOS()}))
	}
}

// TestBegin: two tokens come before a text, as in GLM-4.
func TestBegin(t *testing.T) {
	file := bpeFile(t)
	processor := at(t, file, "post_processor")
	processor["single"] = append([]any{object{"SpecialToken": object{"id": "<|eot_id|>", "type_id": 0}}}, processor["single"].([]any)...)
	at(t, file, "post_processor.special_tokens")["<|eot_id|>"] = object{"id": "<|eot_id|>", "ids": []int{4329}, "tokens": []string{"<|eot_id|>"}}
	data, err := json.Marshal(file)
	require.NoError(t, err)
	tok, err := FromFiles(Files{Tokenizer: data})
	require.NoError(t, err)
	require.True(t, tok.AddBOS())
	require.Equal(t, []int32{4329, 4320}, tok.Begin())
	require.Equal(t, []int32{4329, 4320, 'a' - '!'}, tok.Encode("a", EncodeOptions{AddBOS: true}))

	// Classes that make a post-processor of these names put one token first.
	tok, err = FromFiles(Files{Tokenizer: data, Config: []byte(`{"bos_token":"<|begin_of_text|>","add_bos_token":true,"tokenizer_class":"LlamaTokenizer"}`)})
	require.NoError(t, err)
	require.Equal(t, []int32{4320}, tok.Begin())
}

func TestConfig(t *testing.T) {
	file := bpeFile(t)
	file["post_processor"] = nil
	data, err := json.Marshal(file)
	require.NoError(t, err)

	tok, err := FromFiles(Files{Tokenizer: data})
	require.NoError(t, err)
	require.Empty(t, tok.Begin())
	require.False(t, tok.AddBOS())
	require.Equal(t, "", tok.ChatTemplate(false))

	tok, err = FromFiles(Files{
		Tokenizer:        data,
		Config:           []byte(`{"bos_token":{"content":"<|begin_of_text|>","lstrip":false},"eos_token":"<|eot_id|>","add_bos_token":true,"chat_template":"one","extra":[1]}`),
		SpecialTokensMap: []byte(`{"bos_token":"<|eom_id|>","pad_token":"<|finetune_right_pad_id|>"}`),
	})
	require.NoError(t, err)
	require.Equal(t, []int32{4320}, tok.Begin())
	require.True(t, tok.AddBOS())
	require.Equal(t, []int32{4329, 4321, 4328}, tok.EOS())
	require.Equal(t, "one", tok.ChatTemplate(true))
	for name, want := range map[string]string{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "pad_token": "<|finetune_right_pad_id|>"} {
		got, ok := tok.NamedToken(name)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	_, ok := tok.NamedToken("unk_token")
	require.False(t, ok)

	tok, err = FromFiles(Files{
		Tokenizer: data,
		Config:    []byte(`{"bos_token":null,"chat_template":[{"name":"default","template":"one"},{"name":"tool_use","template":"two"}]}`),
	})
	require.NoError(t, err)
	require.Equal(t, []ChatTemplate{{"default", "one"}, {"tool_use", "two"}}, tok.ChatTemplates())
	require.Equal(t, "one", tok.ChatTemplate(false))
	require.Equal(t, "two", tok.ChatTemplate(true))

	tok, err = FromFiles(Files{Tokenizer: data, Config: []byte(`{"chat_template":{"tool_use":"two","default":"one"}}`)})
	require.NoError(t, err)
	require.Equal(t, []ChatTemplate{{"default", "one"}, {"tool_use", "two"}}, tok.ChatTemplates())

	tok, err = FromFiles(Files{Tokenizer: data, Config: []byte(`{"chat_template":"one"}`), ChatTemplate: []byte("file")})
	require.NoError(t, err)
	require.Equal(t, "file", tok.ChatTemplate(false))

	for class, added := range map[string]bool{"LlamaTokenizerFast": true, "PreTrainedTokenizerFast": false, "TokenizersBackend": false} {
		config := `{"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>", "add_bos_token": true, "add_eos_token": true, "tokenizer_class": "` + class + `"}`
		tok, err := FromFiles(Files{Tokenizer: data, Config: []byte(config)})
		require.NoError(t, err)
		require.Equal(t, [2]bool{added, added}, [2]bool{tok.AddBOS(), tok.AddEOS()}, class)
	}

	for config, want := range map[string]string{
		`{"bos_token":1}`:         "bos_token",
		`{"chat_template":7}`:     "chat_template",
		`{"add_bos_token":"yes"}`: "add_bos_token",
		`[]`:                      "tokenizer_config.json",
	} {
		_, err := FromFiles(Files{Tokenizer: data, Config: []byte(config)})
		require.ErrorContains(t, err, want)
	}
}

func TestOpen(t *testing.T) {
	folder, err := Open(testdata.Path(t, "tokenizer", "own-bpe"))
	require.NoError(t, err)
	file, err := Open(testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json"))
	require.NoError(t, err)
	require.Equal(t, folder.Digest(), file.Digest())
	data, err := os.ReadFile(testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json"))
	require.NoError(t, err)
	dir := t.TempDir()
	named := filepath.Join(dir, "additional_chat_templates")
	require.NoError(t, os.Mkdir(named, 0o700))
	for path, text := range map[string]string{
		filepath.Join(dir, "tokenizer.json"): string(data), filepath.Join(dir, "chat_template.jinja"): "one",
		filepath.Join(named, "tool_use.jinja"): "two", filepath.Join(named, "README.md"): "no template",
	} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	tok, err := Open(dir)
	require.NoError(t, err)
	require.Equal(t, []ChatTemplate{{"default", "one"}, {"tool_use", "two"}}, tok.ChatTemplates())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte("{}"), 0o600))
	_, err = Open(dir)
	require.ErrorContains(t, err, dir, "it says which of several folders")
	_, err = Open(t.TempDir())
	require.ErrorContains(t, err, "tokenizer.json")
}

// TestRows opens a tokenizer whose last added tokens have no row in the model.
func TestRows(t *testing.T) {
	path := testdata.Path(t, "tokenizer", "own-bpe", "tokenizer.json")
	all, err := Open(path)
	require.NoError(t, err)
	last := int32(all.VocabSize() - 1)
	require.True(t, all.IsSpecial(last))
	same, err := OpenFor(path, all.VocabSize())
	require.NoError(t, err)
	require.Equal(t, all.Digest(), same.Digest())
	less, err := OpenFor(path, int(last))
	require.NoError(t, err)
	require.Equal(t, int(last), less.VocabSize())
	text := all.Token(last)
	special := EncodeOptions{ParseSpecial: true}
	require.Equal(t, []int32{last}, all.Encode(text, special))
	ids := less.Encode(text, special)
	require.Equal(t, text, less.Decode(ids, DecodeOptions{}), "its text is text")
	m := metadata{}
	require.NoError(t, ToGGUF(m, path, "llama", int(last)))
	require.Len(t, m["tokenizer.ggml.tokens"], int(last))
}

// smallFiles are a byte-level and a character-level tokenizer.json of a few KiB.
func smallFiles(t testing.TB) [][]byte {
	t.Helper()
	small := bpeFile(t)
	model := small["model"].(object)
	vocab, merges := object{}, []any{}
	for b, r := range byteRunes {
		vocab[string(r)] = b
	}
	for i, pair := range [][2]string{{"e", "r"}, {"\u0120", "t"}, {"\u0120t", "h"}} {
		merges = append(merges, []any{pair[0], pair[1]})
		vocab[pair[0]+pair[1]] = 256 + i
	}
	model["vocab"], model["merges"] = vocab, merges
	small["added_tokens"] = []any{object{"id": 300, "content": "<s>", "special": true}}
	small["post_processor"] = nil
	var files [][]byte
	for _, file := range []object{small, {
		"model": object{
			"vocab": object{"<unk>": 0, spaceMark: 1, "a": 2, spaceMark + "a": 3}, "merges": []any{spaceMark + " a"}, "unk_token": "<unk>",
		},
		"pre_tokenizer": metaspace("always", true),
		"decoder":       metaspace("always", true),
	}} {
		data, err := json.Marshal(file)
		require.NoError(t, err)
		_, err = FromFiles(Files{Tokenizer: data})
		require.NoError(t, err)
		files = append(files, data)
	}
	return files
}

// A file that is cut off anywhere is an error that names it, and one with
// changed bytes is an error or a tokenizer. Neither takes much memory.
func TestDamagedFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, file := range smallFiles(t) {
		for n := range file {
			requireDamaged(t, file[:n], true)
		}
		mutations := 10_000
		if testing.Short() {
			mutations = 500
		}
		for range mutations {
			damaged := bytes.Clone(file)
			for range 1 + random.IntN(4) {
				at, from, n := random.IntN(len(damaged)), random.IntN(len(file)), 1+random.IntN(20)
				switch random.IntN(3) {
				case 0:
					damaged[at] = byte(random.Uint32())
				case 1:
					damaged = append(slices.Delete(damaged, at, min(at+n, len(damaged))), ' ')
				default:
					damaged = slices.Insert(damaged, at, file[from:min(from+n, len(file))]...)
				}
			}
			requireDamaged(t, damaged, false)
		}
	}
}

func requireDamaged(t *testing.T, data []byte, fails bool) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	tok, err := FromFiles(Files{Tokenizer: data})
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*len(data)+8<<20), "%s", data) // 8 MiB: maxHoles ids without a token
	if err != nil {
		require.ErrorContains(t, err, "tokenizer.json: ")
		return
	}
	require.False(t, fails, "%s", data)
	tok.Decode(tok.Encode("the <s> \u00e9\xff", EncodeOptions{ParseSpecial: true}), DecodeOptions{})
}

func FuzzTokenizerJSON(f *testing.F) {
	for _, file := range smallFiles(f) {
		f.Add(file)
	}
	f.Add([]byte(`{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5],["ab",-2]]},"normalizer":{"type":"NFKC"},
		"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},{"type":"Metaspace","replacement":"\u2581"}]},"decoder":{"type":"Fuse"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := FromFiles(Files{Tokenizer: data})
		if err != nil {
			return
		}
		for _, text := range []string{"", "a b \u00e9<s>\xff", "the er\n"} {
			for _, id := range tok.Encode(text, EncodeOptions{ParseSpecial: true, AddBOS: true}) {
				require.True(t, tok.has(id))
			}
			tok.Decode(tok.Encode(text, EncodeOptions{}), DecodeOptions{})
		}
		require.LessOrEqual(t, tok.VocabSize(), len(data)+maxHoles)
	})
}
