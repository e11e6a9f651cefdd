package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// words returns the words of a text.
func (p splitter) words(text string) []string {
	words := []string{}
	p.each(text, true, func(word string) { words = append(words, word) })
	return words
}

// plain returns the steps of expressions, which splitters with loops of their own
// must equal.
func plain(t testing.TB, sources ...string) splitter {
	s, err := newSteps(sources)
	require.NoError(t, err)
	return splitter{steps: s}
}

func TestSplitGoldens(t *testing.T) {
	texts := readLines[[2]string](t, testdata.Shared(t, "tokenizer-goldens", "pretokens", "strings.jsonl.gz"))
	splits := readLines[[]int](t, testdata.Shared(t, "tokenizer-goldens", "pretokens", "splits.jsonl.gz"))
	require.Len(t, texts, 20000)
	require.Len(t, splits, len(texts))
	for name, p := range map[string]splitter{"loops": splitLlama3, "expression": plain(t, llama3Words)} {
		for i, text := range texts {
			got := []int{}
			p.each(text[1], true, func(word string) { got = append(got, len(word)) })
			require.Equal(t, splits[i], got, "%s: line %d, %s: %q", name, i, text[0], text[1])
		}
	}
}

func TestSplit(t *testing.T) {
	cases := []struct {
		p    splitter
		text string
		want []string
	}{
		{splitLlama3, "it'stuff 's ''s", []string{"it", "'s", "tuff", " '", "s", " ''", "s"}},
		{splitLlama3, "I'VE '\u017f\u017f", []string{"I", "'VE", " '", "\u017f\u017f"}},
		{splitLlama3, "x'\u017ft", []string{"x", "'\u017f", "t"}},
		{splitLlama3, "1½²³", []string{"1½²", "³"}},
		{splitLlama3, " \r\n \rx", []string{" \r\n \r", "x"}},
		{splitLlama3, "a   b", []string{"a", "  ", " b"}},
		{splitLlama3, "e\u0301x", []string{"e", "\u0301x"}},
		{splitLlama3, " \u00a0x", []string{" ", "\u00a0x"}},
		{splitLlama3, "!!\n\n x", []string{"!!\n\n", " x"}},
		{splitLlama3, "\x80\xffa", []string{"\x80\xff", "a"}},
		{splitQwen2, "123 4", []string{"1", "2", "3", " ", "4"}},
		{splitGPT2, "I'VE I've 1234!\n\n x", []string{"I", "'", "VE", " I", "'ve", " 1234", "!", "\n\n", " x"}},
		{splitGPT2, "a\t\tb\u00a0c", []string{"a", "\t", "\t", "b", "\u00a0", "c"}},
		{splitNumbers, "ab  12 c", []string{"ab", "  ", "1", "2", " c"}},
		{splitNumbers, "½x", []string{"½", "x"}},
		{plain(t, tekken), "HelloWorld ABCdef/\n'S 12", []string{"Hello", "World", " ABCdef", "/\n", "'S", " ", "1", "2"}},
		{plain(t, tekken), "e\u0301X\u4e2da", []string{"e\u0301", "X\u4e2da"}},
		{plain(t, gpt4o), "Don'T we'LL 12345", []string{"Don'T", " we'LL", " ", "123", "45"}},
		{plain(t, `[\r\n]`, deepSeekLetters, deepSeekSigns, `\s+$`, deepSeekCJK, numbers), "Hi you!\n\u4e2d\u6587x 12 ", []string{"Hi", " you", "!", "\n", "\u4e2d\u6587", "x", " ", "12", " "}},
		{plain(t, `\p{N}{1,3}`, `[一-龥]+`, deepSeekV3), "a.b 1234中x!", []string{"a", ".b", " ", "123", "4", "中", "x", "!"}},
	}
	for _, c := range cases {
		require.Equal(t, c.want, c.p.words(c.text), "%+v %q", c.p, c.text)
	}
}

func TestPreTokenizerNames(t *testing.T) {
	for name, want := range map[string]preTokenizer{
		"llama-bpe": {splitter: splitLlama3, ignoreMerges: true, addBOS: true},
		"smaug-bpe": {splitter: splitLlama3},
		"qwen2":     {splitter: splitQwen2},
		"gpt-2":     {splitter: splitGPT2},
		"smollm":    {splitter: splitNumbers},
	} {
		got, err := preTokenizerOf(name)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	names := map[string]bool{}
	for _, p := range preTokenizers {
		for _, name := range p.names {
			require.False(t, names[name], "%s twice", name)
			names[name] = true
			got, err := preTokenizerOf(name)
			require.NoError(t, err)
			require.Equal(t, p.sources[0] == llama3Words || p.sources[0] == qwen2Words || p.sources[len(p.sources)-1] == gpt2Words, got.steps == nil, name)
		}
	}
	_, err := preTokenizerOf("kimi-k2")
	require.ErrorContains(t, err, `"kimi-k2"`)
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "Hello, world!", "it's 'S '\u017f 'll 'LL", " \r\n \n  x", "1½²³ 12345", "a\u00a0\u3000b e\u0301x",
		"\t\t\u2028\u0085!?\r\n\r", "\U00010d6f\U00010d40 \U0001f642", "\u2160\u2161 \u0966\u0967\u0968\u0969",
	} {
		f.Add(seed)
	}
	oracles := map[string]splitter{}
	for expression := range expressions {
		oracles[expression] = plain(f, expression)
	}
	numbers := plain(f, everyNumber, gpt2Words)
	f.Fuzz(func(t *testing.T, text string) {
		text = text[:min(len(text), 1000)]
		for expression, p := range expressions {
			require.Equal(t, oracles[expression].words(text), p.words(text), "%s %q", expression, text)
		}
		require.Equal(t, numbers.words(text), splitNumbers.words(text))
	})
}

func BenchmarkSplit(b *testing.B) {
	general, err := newSteps([]string{tekken})
	require.NoError(b, err)
	for name, p := range map[string]splitter{"loops": splitLlama3, "expression": {steps: general}} {
		for _, text := range speedTexts(b) {
			b.Run(name+"/"+text.name, func(b *testing.B) {
				b.SetBytes(int64(len(text.text)))
				for b.Loop() {
					p.each(text.text, true, func(string) {})
				}
			})
		}
	}
}
