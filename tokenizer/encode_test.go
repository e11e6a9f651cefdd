package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/encoding/unicode"
)

// eachTokenizer runs a test on the committed vocabularies of both families.
func eachTokenizer(t *testing.T, test func(t *testing.T, tok *Tokenizer)) {
	t.Run("bpe", func(t *testing.T) { test(t, ownBPE(t)) })
	t.Run("sentencepiece", func(t *testing.T) { test(t, ownSentencePiece(t)) })
}

func TestEveryCodePoint(t *testing.T) {
	test := func(t *testing.T, tok *Tokenizer) {
		var text strings.Builder
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) || string(r) == spaceMark && tok.charLevel {
				continue
			}
			text.WriteRune(r)
			if r%64 == 63 || r == utf8.MaxRune {
				ids := tok.Encode(text.String(), EncodeOptions{})
				if got := tok.Decode(ids, DecodeOptions{}); got != text.String() {
					require.Equal(t, text.String(), got, "up to %U", r)
				}
				text.Reset()
			}
		}
	}
	eachTokenizer(t, test)
	t.Run("llama3", func(t *testing.T) { test(t, llama3(t)) })
}

// symbolsOf returns the symbols of a word before merging.
func symbolsOf(tok *Tokenizer, word string) (ids []int32, pairs *pairTable) {
	switch m := tok.model.(type) {
	case *byteLevel:
		for _, b := range []byte(word) {
			ids = append(ids, m.bytes[b])
		}
		return ids, m.pairs
	case *charLevel:
		for _, r := range word {
			id, ok := m.symbols[r]
			if !ok {
				id = -1
			}
			ids = append(ids, id)
		}
		return ids, m.pairs
	}
	panic("no such model")
}

// mergeSlowly merges as the definition says: look for the best pair, merge,
// look again.
func mergeSlowly(ids []int32, pairs *pairTable) []int32 {
	for {
		best, at, to := int32(noRank), 0, int32(0)
		for i := range len(ids) - 1 {
			if ids[i] < 0 || ids[i+1] < 0 {
				continue
			}
			rank, merged := pairs.find(ids[i], ids[i+1])
			if rank != noRank && (best == noRank || rank < best) {
				best, at, to = rank, i, merged
			}
		}
		if best == noRank {
			return ids
		}
		ids = append(append(ids[:at:at], to), ids[at+2:]...)
	}
}

func mergeFast(ids []int32, pairs *pairTable) (merged []int32, steps int) {
	var m merger
	m.reset(len(ids))
	for i, id := range ids {
		m.append(id, i)
	}
	m.merge(pairs)
	for i := int32(0); i >= 0 && len(ids) > 0; i = m.symbols[i].next {
		merged = append(merged, m.symbols[i].id)
	}
	return merged, m.steps
}

func TestMergeAsDefined(t *testing.T) {
	eachTokenizer(t, func(t *testing.T, tok *Tokenizer) {
		random := rand.New(rand.NewPCG(1, 2))
		for range 2000 {
			var word strings.Builder
			for range random.IntN(60) {
				token := tok.TokenBytes(random.Int32N(int32(tok.VocabSize())))
				word.Write(token[:min(len(token), 4)])
			}
			ids, pairs := symbolsOf(tok, strings.ToValidUTF8(word.String(), "?"))
			got, _ := mergeFast(ids, pairs)
			require.Equal(t, mergeSlowly(ids, pairs), got, "%q", word.String())
		}
	})
}

// Every step of the queue ends a pair, and a symbol begins at most three: its
// first one, one as the left part of a merge and one before a merge.
func TestMergeStepsAreLinear(t *testing.T) {
	test := func(t *testing.T, tok *Tokenizer) {
		for _, run := range runs {
			word := strings.ToValidUTF8(strings.Repeat(run.text, 1<<17/len(run.text)), "?")
			ids, pairs := symbolsOf(tok, word)
			_, steps := mergeFast(ids, pairs)
			require.LessOrEqual(t, steps, 3*len(ids), run.name)
		}
	}
	eachTokenizer(t, test)
	t.Run("llama3", func(t *testing.T) { test(t, llama3(t)) })
}

func TestLongRuns(t *testing.T) {
	eachTokenizer(t, func(t *testing.T, tok *Tokenizer) {
		for _, run := range runs {
			text := strings.Repeat(run.text, 1<<18/len(run.text))
			ids := tok.Encode(text, EncodeOptions{})
			require.LessOrEqual(t, len(ids), len(text)+1)
			require.True(t, strings.TrimPrefix(string(allBytes(tok, ids)), " ") == strings.TrimPrefix(text, " ") || run.name == "space", run.name)
		}
	})
}

func TestConcurrentEncode(t *testing.T) {
	tok := ownBPE(t)
	texts := []string{}
	for i := range 500 {
		texts = append(texts, strings.Repeat("the word "+string(rune('a'+i%26))+string(rune(0x400+i)), 20))
	}
	want := make([][]int32, len(texts))
	for i, text := range texts {
		want[i] = tok.Encode(text, EncodeOptions{AddBOS: true})
	}
	fresh := ownBPE(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for i, text := range texts {
				if !slices.Equal(want[i], fresh.Encode(text, EncodeOptions{AddBOS: true})) {
					t.Errorf("text %d differs", i)
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, tok.Digest(), fresh.Digest())
}

func TestTokens(t *testing.T) {
	tok := ownBPE(t)
	require.Equal(t, []int32{4320}, tok.Begin())
	require.True(t, tok.AddBOS())
	require.False(t, tok.AddEOS())
	require.Equal(t, 4576, tok.VocabSize())
	require.Equal(t, []int32{4321, 4328, 4329}, tok.EOS(), "known by name")
	require.Len(t, tok.Digest(), 64)
	for id := range int32(tok.VocabSize()) {
		back, ok := tok.ID(tok.Token(id))
		require.True(t, ok)
		require.Equal(t, id, back)
		require.Equal(t, id >= 4320, tok.IsSpecial(id))
	}
	for _, id := range []int32{-1, 4576, 1 << 30} {
		require.Equal(t, "", tok.Token(id))
		require.Nil(t, tok.TokenBytes(id))
		require.False(t, tok.IsSpecial(id))
		require.Equal(t, "", tok.Decode([]int32{id}, DecodeOptions{ShowSpecial: true}))
	}
	_, ok := tok.ID("no such token")
	require.False(t, ok)
	require.Empty(t, tok.Encode("", EncodeOptions{}))
	require.Equal(t, []int32{4320, 4321}, tok.Encode("", EncodeOptions{AddBOS: true, AddEOS: true}))
}

func TestSentencePieceOptions(t *testing.T) {
	tok := ownSentencePiece(t)
	hello, ok := tok.ID("\u2581h")
	require.True(t, ok)
	require.Equal(t, "h", tok.Decode([]int32{hello}, DecodeOptions{}))
	require.Equal(t, " h", tok.Decode([]int32{hello}, DecodeOptions{Continue: true}))
	require.Equal(t, "<s> h</s>", tok.Decode([]int32{1, hello, 2}, DecodeOptions{ShowSpecial: true}))
	require.Equal(t, []int32{1, 2}, tok.Encode("<s></s>", EncodeOptions{ParseSpecial: true}))
	plain := tok.Encode("</s>", EncodeOptions{})
	require.NotContains(t, plain, int32(2))
	require.Equal(t, "</s>", tok.Decode(plain, DecodeOptions{}))
	require.True(t, tok.AddBOS())

	invalid := "a\xffb\xe2\x82"
	require.Equal(t, " "+invalid, string(allBytes(tok, tok.Encode(invalid, EncodeOptions{}))))
}

func FuzzEncodeDecode(f *testing.F) {
	for _, seed := range []string{
		"", "Hello, world!", "<|eot_id|>", "</s>", "  \n\n\t x", "1234567", "e\u0301\u0301", "\xff\xe2\x82", "\U0001f642\u200d", "\u2581 \u2581",
	} {
		f.Add(seed)
	}
	bpe, spm := ownBPE(f), ownSentencePiece(f)
	f.Fuzz(func(t *testing.T, text string) {
		ids := bpe.Encode(text, EncodeOptions{})
		require.Equal(t, text, string(allBytes(bpe, ids)))
		for _, id := range ids {
			require.False(t, bpe.IsSpecial(id))
		}
		parsed := bpe.Encode(text, EncodeOptions{ParseSpecial: true})
		require.Equal(t, text, string(allBytes(bpe, parsed)))

		ids = spm.Encode(text, EncodeOptions{})
		if text != "" {
			require.Equal(t, " "+strings.ReplaceAll(text, spaceMark, " "), string(allBytes(spm, ids)))
		}
		if len(text) < 200 && utf8.ValidString(text) && text != "" {
			normal := spm.model.normalize(text, true)
			want := mergeSlowly(symbolsOf(spm, normal))
			if !slices.ContainsFunc(want, func(id int32) bool { return id < 0 || int(id) >= spm.VocabSize() }) {
				require.Equal(t, want, ids)
			}
		}
	})
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("Hello \xf0\x9f\x99\x82"), uint64(1))
	f.Add([]byte("\xe2\x82a\xed\xa0\x80\xf4\x90\x80\x80\xc0\x80"), uint64(2))
	f.Add([]byte("\xf0\x9f\xf0\x9f\x99\x82\xff\xe0\x9f"), uint64(3))
	bpe, spm := ownBPE(f), ownSentencePiece(f)
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		data = data[:min(len(data), 1000)]
		// The bytes as tokens cut anywhere.
		var ids, single []int32
		for rest := data; len(rest) > 0; {
			n := 1 + random.IntN(min(4, len(rest)))
			if id, ok := bpe.vocab.pieces.find(string(rest[:n])); ok {
				ids = append(ids, id)
				rest = rest[n:]
			}
		}
		for _, b := range data {
			single = append(single, spm.model.(*charLevel).bytes[b])
		}
		want, err := unicode.UTF8.NewDecoder().String(string(data))
		require.NoError(t, err)
		requireStream(t, bpe, ids, want)

		var perByte strings.Builder
		for _, r := range string(data) {
			perByte.WriteRune(r)
		}
		requireStream(t, spm, single, perByte.String())
	})
}

// requireStream checks that tokens decode to text, whole and in a stream of
// whole runes.
func requireStream(t *testing.T, tok *Tokenizer, ids []int32, want string) {
	t.Helper()
	require.Equal(t, want, tok.Decode(ids, DecodeOptions{}))
	d := tok.NewDecoder(DecodeOptions{})
	var got strings.Builder
	for _, id := range ids {
		piece := d.Append(id)
		require.True(t, utf8.ValidString(piece))
		require.LessOrEqual(t, len(d.pending), 3)
		got.WriteString(piece)
	}
	got.WriteString(d.Flush())
	require.Equal(t, want, got.String())
	require.Equal(t, "", d.Flush())
}
