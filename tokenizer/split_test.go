package tokenizer

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// words returns the words of a text.
func (p splitter) words(text string) []string {
	words := []string{}
	for len(text) > 0 {
		part := text[:p.part(text)]
		text = text[len(part):]
		for i := 0; i < len(part); {
			end := p.next(part, i)
			words = append(words, part[i:end])
			i = end
		}
	}
	return words
}

func TestSplitGoldens(t *testing.T) {
	texts := readLines[[2]string](t, testdata.Shared(t, "tokenizer-goldens", "pretokens", "strings.jsonl.gz"))
	splits := readLines[[]int](t, testdata.Shared(t, "tokenizer-goldens", "pretokens", "splits.jsonl.gz"))
	require.Len(t, texts, 20000)
	require.Len(t, splits, len(texts))
	for i, text := range texts {
		got := []int{}
		for _, word := range splitLlama3.words(text[1]) {
			got = append(got, len(word))
		}
		require.Equal(t, splits[i], got, "line %d, %s: %q", i, text[0], text[1])
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
	_, err := preTokenizerOf("grok-2")
	require.ErrorContains(t, err, `"grok-2"`)
}

// oracle is an expression as Go's regexp package runs it, but for the one
// look-ahead.
type oracle struct {
	before *regexp.Regexp // the alternatives before \s+(?!\S)
	spaces *regexp.Regexp
}

func newOracle(t *testing.T, expression string) oracle {
	before, found := strings.CutSuffix(expression, `|\s+(?!\S)|\s+`)
	require.True(t, found)
	ranges := [4]strings.Builder{}
	classes := readClasses(t)
	for start := 0; start < len(classes); {
		end := start
		for end < len(classes) && classes[end] == classes[start] {
			end++
		}
		fmt.Fprintf(&ranges[classes[start]], `\x{%x}-\x{%x}`, start, end-1)
		start = end
	}
	replacer := strings.NewReplacer(
		`[^\s\p{L}\p{N}]`, "["+ranges[other].String()+"]",
		`[^\r\n\p{L}\p{N}]`, "["+ranges[other].String()+strings.ReplaceAll(ranges[space].String(), `\x{9}-\x{d}`, `\t\v\f`)+"]",
		`\p{L}`, "["+ranges[letter].String()+"]",
		`\p{N}`, "["+ranges[number].String()+"]",
		`\s`, "["+ranges[space].String()+"]")
	return oracle{
		before: regexp.MustCompile(`^(?:` + replacer.Replace(before) + `)`),
		spaces: regexp.MustCompile(`^` + replacer.Replace(`\s+`)),
	}
}

// words is only for valid UTF-8.
func (o oracle) words(text string) []string {
	words := []string{}
	for len(text) > 0 {
		end := len(o.before.FindString(text))
		if end == 0 {
			end = len(o.spaces.FindString(text))
			_, last := utf8.DecodeLastRuneInString(text[:end])
			if end < len(text) && end > last {
				end -= last
			}
		}
		words = append(words, text[:end])
		text = text[end:]
	}
	return words
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		"", "Hello, world!", "it's 'S '\u017f 'll 'LL", " \r\n \n  x", "1½²³ 12345", "a\u00a0\u3000b e\u0301x",
		"\t\t\u2028\u0085!?\r\n\r", "\U00010d6f\U00010d40 \U0001f642", "\u2160\u2161 \u0966\u0967\u0968\u0969",
	} {
		f.Add(seed)
	}
	oracles := map[splitter]oracle{}
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text[:min(len(text), 1000)], "\ufffd") // regexp is slow on these classes
		if len(oracles) == 0 {
			for expression, p := range expressions {
				if _, ok := oracles[p]; !ok && !strings.Contains(expression, "++") {
					oracles[p] = newOracle(t, expression)
				}
			}
			require.Len(t, oracles, 3)
		}
		for p, o := range oracles {
			require.Equal(t, o.words(text), p.words(text), "%+v %q", p, text)
		}
		require.Equal(t, text, strings.Join(splitNumbers.words(text), ""))
	})
}

func BenchmarkSplit(b *testing.B) {
	for _, text := range speedTexts(b) {
		b.Run(text.name, func(b *testing.B) {
			b.SetBytes(int64(len(text.text)))
			for b.Loop() {
				for i := 0; i < len(text.text); {
					i = splitLlama3.next(text.text, i)
				}
			}
		})
	}
}
