package tokenizer

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// uniFile returns the own SentencePiece vocabulary with scores of no meaning, as a
// Unigram model.
func uniFile(t testing.TB) object {
	t.Helper()
	file, vocab := spmFile(t), []any{}
	for id, token := range ownSentencePiece(t).vocab.tokens {
		score := 0.0
		if id >= 259 { // after the special tokens and the bytes
			score = -float64(800+id*7919%1000) / 100
		}
		vocab = append(vocab, []any{token.text, score})
	}
	file["model"] = object{"type": "Unigram", "unk_id": 0, "byte_fallback": true, "vocab": vocab}
	return file
}

// TestUnknownPieces: without bytes a run of unknown characters is one unknown token.
func TestUnknownPieces(t *testing.T) {
	file := uniFile(t)
	model := at(t, file, "model")
	model["byte_fallback"] = false
	model["vocab"] = []any{[]any{"<unk>", 0}, []any{"a", -1}, []any{"ab", -3.5}, []any{"b", -2}, []any{spaceMark, -2}, []any{"\u00e9b", -2}}
	file["added_tokens"], file["decoder"] = []any{}, replace(spaceMark, " ")
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []int32{4, 1, 3, 0, 5, 1, 0, 1}, tok.Encode("abxy\u00e9ba\u00e9\u00e9a", EncodeOptions{}))
}

// TestDecoders: what each decoder makes of ids, as the reference does.
func TestDecoders(t *testing.T) {
	for _, c := range readLines[struct {
		Name    string              `json:"name"`
		Bytes   bool                `json:"bytes"` // the vocabulary has them
		Decoder object              `json:"decoder"`
		Texts   [][3]jsontext.Value `json:"texts"`
	}](t, testdata.Path(t, "tokenizer", "pipelines", "decoders.jsonl.gz")) {
		t.Run(c.Name, func(t *testing.T) {
			file := uniFile(t)
			if model := at(t, file, "model"); !c.Bytes {
				model["byte_fallback"] = false
				model["vocab"] = slices.DeleteFunc(model["vocab"].([]any), func(piece any) bool {
					_, ok := byteToken(piece.([]any)[0].(string))
					return ok
				})
			}
			if file["decoder"] = c.Decoder; c.Decoder == nil {
				file["decoder"] = nil
			}
			tok, err := fromObject(t, file)
			require.NoError(t, err)
			for _, text := range c.Texts {
				var ids []int32
				require.NoError(t, json.Unmarshal(text[0], &ids))
				for i, show := range []bool{false, true} {
					var want string
					require.NoError(t, json.Unmarshal(text[i+1], &want))
					require.Equal(t, want, tok.Decode(ids, DecodeOptions{ShowSpecial: show}), "%v", ids)
				}
			}
		})
	}
}

// TestNoDecoder: tokens of bytes, too, are joined as they are spelled, as the reference does.
func TestNoDecoder(t *testing.T) {
	file := bpeFile(t)
	file["decoder"] = nil
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	ids := tok.Encode("the the\u00e9", EncodeOptions{})
	require.Equal(t, "th e \u0120the \u00c3\u00a9", tok.Decode(ids, DecodeOptions{}))
	require.Equal(t, " \u0120the", tok.Decode(ids[2:3], DecodeOptions{Continue: true}))
}

// TestWholeWords: where nothing cuts a text, ignore_merges looks up all of it, and no part.
func TestWholeWords(t *testing.T) {
	file := spmFile(t)
	at(t, file, "model")["ignore_merges"] = true
	file["added_tokens"], file["normalizer"] = []any{}, replace(" ", spaceMark)
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	require.Equal(t, []int32{1}, tok.Encode("<s>", EncodeOptions{}))
	require.Equal(t, []int32{707, 672, 704, 664}, tok.Encode("<s> ", EncodeOptions{}), "the reference's")
}

// TestPlain: special tokens are text where an offset says so; all else is as without.
func TestPlain(t *testing.T) {
	file := spmFile(t)
	file["normalizer"], file["pre_tokenizer"] = nil, metaspace("first", true)
	special := file["added_tokens"].([]any)
	special[2].(object)["rstrip"] = true
	for _, normalized := range []bool{false, true} {
		special[1].(object)["normalized"] = normalized
		tok, err := fromObject(t, file)
		require.NoError(t, err)
		encode := func(text string, plain ...int) []int32 {
			return tok.Encode(text, EncodeOptions{ParseSpecial: true, Plain: plain})
		}
		const text = "<s>the </s>  people < <s>"
		all := encode(text)
		require.Equal(t, all, encode(text, strings.LastIndex(text, " <s>")))
		require.Equal(t, all, encode(text, 0, 3, 4, len(text)))
		for _, at := range []int{len(text) - 2, len(text) - 1} {
			hidden := encode(text, at)
			require.Equal(t, all[:len(all)-2], hidden[:len(all)-2])
			require.NotContains(t, hidden[1:], int32(1))
			require.Equal(t, "the people < <s>", tok.Decode(hidden, DecodeOptions{}))
		}
	}
}

// TestPlainRune: so is a special token of one rune, or that begins with one.
func TestPlainRune(t *testing.T) {
	m, err := newMatcher([]addedToken{{id: 0, text: "\u00e9", special: true}, {id: 1, text: "\u00e9a", special: true}})
	require.NoError(t, err)
	for plain, end := range map[int]int{0: 3, 2: 0, 3: 3} {
		found, ok := m.find("\u00e9a", 0, 0, sight{true, []int{plain}})
		require.Equal(t, end > 0, ok, "%d", plain)
		require.Equal(t, end, found.end, "%d", plain)
	}
}

// TestWrittenByNormalizer: with Plain a special token is what is spelled as one, and not
// what a normalizer makes one of. Where no step can do that it is as the reference has it.
func TestWrittenByNormalizer(t *testing.T) {
	file := spmFile(t)
	file["normalizer"], file["pre_tokenizer"] = object{"type": "NFKC"}, metaspace("first", true)
	file["added_tokens"].([]any)[1].(object)["normalized"] = true
	tok, err := fromObject(t, file)
	require.NoError(t, err)
	wide, plain := "\uff1cs\uff1ethe", EncodeOptions{ParseSpecial: true, Plain: []int{}}
	require.Equal(t, int32(1), tok.Encode(wide, EncodeOptions{ParseSpecial: true})[0], "the reference's")
	require.Equal(t, tok.Encode(wide, EncodeOptions{}), tok.Encode(wide, plain))
	require.Equal(t, tok.Encode("<s>the", EncodeOptions{ParseSpecial: true}), tok.Encode("<s>the", plain))

	file = spmFile(t)
	file["added_tokens"].([]any)[1].(object)["normalized"] = true
	tok, err = fromObject(t, file)
	require.NoError(t, err)
	for _, text := range []string{"<s>the", "a <s>the", "a<s>the"} {
		require.Equal(t, tok.Encode(text, EncodeOptions{ParseSpecial: true}), tok.Encode(text, plain), "%q", text)
	}
}

// TestFirstAfter: steps that change where the text begins hide whether a part comes first.
func TestFirstAfter(t *testing.T) {
	for _, step := range []object{
		{"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "StripAccents"}, replace("a", "b"), {"type": "Prepend", "prepend": "a"},
	} {
		file := spmFile(t)
		file["normalizer"], file["pre_tokenizer"] = step, metaspace("first", true)
		_, err := fromObject(t, file)
		require.ErrorContains(t, err, "pre_tokenizer.prepend_scheme: first after "+step["type"].(string)+" is not supported")
	}
	file := spmFile(t)
	file["normalizer"] = object{"type": "NFKC"}
	file["pre_tokenizer"] = object{"type": "Sequence", "pretokenizers": []object{{"type": "WhitespaceSplit"}, metaspace("first", true)}}
	_, err := fromObject(t, file)
	require.ErrorContains(t, err, "pre_tokenizer.pretokenizers[1].prepend_scheme: first after NFKC is not supported", "a sign may become several words")
}

// TestPrecompiled: in a tokenizer.json a key stands for all of a short character that
// begins with it, as the reference has it.
func TestPrecompiled(t *testing.T) {
	for _, c := range readLines[struct {
		Name   string `json:"name"`
		Change object `json:"change"`
	}](t, testdata.Path(t, "tokenizer", "pipelines", "cases.jsonl.gz")) {
		if c.Name != "table, never" {
			continue
		}
		file := uniFile(t)
		maps.Copy(file, c.Change)
		tok, err := fromObject(t, file)
		require.NoError(t, err)
		for text, want := range map[string]string{
			"A\u0301b": "ab", "A\u0301\u0302\u0303b": "a\u0301\u0302\u0303b", "abe\u0301e\u0302": "ab\u00e9e\u0302", "\r\nx": "\r x",
			"\n\u0301x": " \u0301x", "\u200b\u0301x": "\u0301x", "\u0600A": "\u0600a", "A\u200d\u3000": "a ", "A\xff": "a\xff",
		} {
			require.Equal(t, want, tok.normalizers[0].apply(text), "%q", text)
		}
		return
	}
	require.Fail(t, "no such case")
}

// TestPipelines: normalizers and pre-tokenizers of every kind, with the ids that the
// reference gives.
func TestPipelines(t *testing.T) {
	files := map[string]object{"bpe": bpeFile(t), "spm": spmFile(t), "uni": uniFile(t)}
	for _, c := range readLines[struct {
		Name       string              `json:"name"`
		Vocabulary string              `json:"vocabulary"`
		Change     object              `json:"change"`
		Texts      [][2]jsontext.Value `json:"texts"`
	}](t, testdata.Path(t, "tokenizer", "pipelines", "cases.jsonl.gz")) {
		t.Run(c.Vocabulary+" "+c.Name, func(t *testing.T) {
			file := maps.Clone(files[c.Vocabulary])
			maps.Copy(file, c.Change)
			tok, err := fromObject(t, file)
			require.NoError(t, err)
			for _, pair := range c.Texts {
				var text string
				var want []int32
				require.NoError(t, json.Unmarshal(pair[0], &text))
				require.NoError(t, json.Unmarshal(pair[1], &want))
				require.Equal(t, want, tok.Encode(text, EncodeOptions{ParseSpecial: true}), "%q", text)
			}
		})
	}
}

// TestWordsOfBytes: what is not UTF-8 makes a word unknown.
func TestWordsOfBytes(t *testing.T) {
	for _, name := range []string{"WordLevel", "WordPiece"} {
		file := spmFile(t)
		file["added_tokens"], file["decoder"], file["normalizer"] = []any{}, nil, object{"type": "BertNormalizer", "clean_text": false, "handle_chinese_chars": false, "lowercase": false}
		file["pre_tokenizer"] = object{"type": "WhitespaceSplit"}
		file["model"] = object{"type": name, "unk_token": "<unk>", "vocab": object{"<unk>": 0, "a": 1, "##b": 2}}
		tok, err := fromObject(t, file)
		require.NoError(t, err)
		require.Equal(t, []int32{0, 1}, tok.Encode("a\xff a", EncodeOptions{}), name)
	}
}

// TestWordEnds: a suffix of BPEDecoder is a space wherever it is, and nothing in the last token.
// What it decodes to is the reference's.
func TestWordEnds(t *testing.T) {
	for _, c := range []struct {
		suffix string
		tokens []string
		want   string
	}{
		{"</w>", []string{"a", "b</w>"}, "ab"},
		{"</w>", []string{"c</w></w>"}, "c"},
		{"</w>", []string{"c</w></w>", "a"}, "c  a"},
		{"</w>", []string{"</w>", "</w>"}, " "},
		{"</w>", []string{"d</w>e", "a"}, "d ea"},
		{"</w>", []string{"d</w>e"}, "de"},
		{"</w>", []string{"x</w>y</w>", "x</w>y</w>"}, "x y xy"},
		{"</w>", []string{"b</w>", "c</w></w>", "d</w>e", "x</w>y</w>", "</w>", "a"}, "b c  d ex y  a"},
		{"aa", []string{"aaa"}, "a"},
		{"aa", []string{"aaa", "b"}, " ab"},
		{"aa", []string{"baaab", "b"}, "b abb"},
		{"aa", []string{"a", "a", "b"}, "aab"},
		{"aa", []string{"caa", "aaa", "b"}, "c  ab"},
		{"aa", []string{"b", "aaaa"}, "b"},
		{" ", []string{"a ", "b", "a "}, "a ba"},
		{"aba", []string{"ababa", "x"}, " bax"},
		{"aba", []string{"cababa", "cababa"}, "c bacba"},
	} {
		vocab := object{"<unk>": 0}
		for _, text := range c.tokens {
			if vocab[text] == nil {
				vocab[text] = len(vocab)
			}
		}
		tok := wordsOf(t, object{"type": "BPE", "unk_token": "<unk>", "vocab": vocab, "merges": []any{}}, object{"type": "BPEDecoder", "suffix": c.suffix})
		var ids []int32
		for _, text := range c.tokens {
			ids = append(ids, int32(vocab[text].(int)))
		}
		requireStream(t, tok, ids, c.want)
		d := tok.NewDecoder(DecodeOptions{})
		require.Equal(t, strings.ReplaceAll(c.tokens[0], c.suffix, " ")+"!", d.Append(ids[0])+d.Insert("!"))
		require.Empty(t, d.Flush())
	}
}

// TestCTC: of tokens that repeat the first counts, pads are nothing. What it decodes to is the
// reference's, which leaves delimiters where it does not clean up.
func TestCTC(t *testing.T) {
	texts := []string{"<unk>", "<pad>", "a", "b", "|", "n't", "do not", " .", "x<pad>y", "||", "a<pad>", " do not|", "  ' .n:"}
	vocab := object{}
	for id, text := range texts {
		vocab[text] = id
	}
	decoder := object{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true}
	file := wordsFile(t, object{"type": "WordLevel", "unk_token": "<unk>", "vocab": vocab}, decoder)
	for _, c := range []struct {
		ids               []int32
		want, raw, hidden string // not cleaned; with a pad that is special
	}{
		{[]int32{2, 2, 1, 2, 3, 3}, "aab", "aab", "ab"},
		{[]int32{2, 4, 4, 3}, "a b", "a|b", "a b"},
		{[]int32{4, 2}, " a", "|a", " a"},
		{[]int32{2, 4}, "a ", "a|", "a "},
		{[]int32{2, 7, 7}, "a.", "a .", "a."},
		{[]int32{8, 8, 2}, "xya", "xya", "xya"},
		{[]int32{9, 9, 4, 2}, "   a", "|||a", "   a"},
		{[]int32{1, 1}, "", "", ""},
		{[]int32{2, 10, 2}, "aaa", "aaa", "aaa"},
		{[]int32{6, 11, 2}, "do not don't a", "do not do not|a", "do not don't a"},
		{[]int32{2, 0, 0, 2}, "a<unk>a", "a<unk>a", "a<unk>a"},
		{[]int32{12, 2}, "  '.n:a", "  ' .n:a", "  '.n:a"},
	} {
		for _, variant := range []struct {
			clean bool
			added []any
			want  string
		}{
			{true, []any{}, c.want}, {false, []any{}, c.raw}, {true, []any{object{"id": 1, "content": "<pad>", "special": true}}, c.hidden},
		} {
			decoder["cleanup"], file["added_tokens"] = variant.clean, variant.added
			tok, err := fromObject(t, file)
			require.NoError(t, err)
			require.True(t, tok.Contextual())
			requireStream(t, tok, c.ids, variant.want)
		}
	}
}

// TestLongWords: pieces of a word may be as long as tokens may.
func TestLongWords(t *testing.T) {
	long := strings.Repeat("ab", maxPieceBytes/2)
	vocab := object{"<unk>": 0, "a": 1, "##b": 2, long: 3, "##" + long[2:]: 4}
	entry := object{"type": "WordPiece", "unk_token": "<unk>", "max_input_chars_per_word": 5000, "vocab": vocab}
	tok := wordsOf(t, entry, nil)
	require.Equal(t, []int32{3, 4, 1}, tok.Encode(long+long[2:]+" a", EncodeOptions{}))
	require.Equal(t, []int32{1, 2, 0}, tok.Encode("ab "+long+"ab", EncodeOptions{}))
	vocab["a"+long] = 5
	_, err := fromObject(t, wordsFile(t, entry, nil))
	require.ErrorContains(t, err, "token 5 has 1025 bytes")
}

// wordsFile is a tokenizer.json of words between spaces.
func wordsFile(t *testing.T, model object, decoder any) object {
	file := spmFile(t)
	file["added_tokens"], file["normalizer"], file["pre_tokenizer"] = []any{}, nil, object{"type": "WhitespaceSplit"}
	file["model"], file["decoder"] = model, decoder
	return file
}

func wordsOf(t *testing.T, model object, decoder any) *Tokenizer {
	tok, err := fromObject(t, wordsFile(t, model, decoder))
	require.NoError(t, err)
	return tok
}
