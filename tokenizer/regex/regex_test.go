package regex

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// classes are Go's own.
func classes(name string) func(rune) bool {
	table := unicode.Categories[name]
	switch name {
	case "Space":
		table = unicode.White_Space
	case "Han":
		table = unicode.Han
	case `\w`:
		return func(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Pc) }
	}
	if table == nil {
		return nil
	}
	return func(r rune) bool { return unicode.Is(table, r) }
}

// parts returns the parts that an expression cuts a text into.
func parts(t *testing.T, source, text string) []string {
	t.Helper()
	r, err := New(source, classes)
	require.NoError(t, err)
	require.Equal(t, source, r.String())
	list, begin := []string{}, 0
	r.Split(text, func(end int) {
		list = append(list, text[begin:end])
		begin = end
	})
	require.Equal(t, len(text), begin)
	return list
}

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		source, text string
		want         []string
	}{
		{`b+`, "abbcb", []string{"a", "bb", "c", "b"}},
		{`b+`, "", []string{}},
		{`x`, "abc", []string{"abc"}},
		{`a|ab`, "ab", []string{"a", "b"}},
		{`(?:a|ab)c`, "abc", []string{"abc"}},
		{`a{2}`, "aaaaa", []string{"aa", "aa", "a"}},
		{`a{2,}`, "a aaaaa", []string{"a ", "aaaaa"}},
		{`a{1,2}`, "aaaaa", []string{"aa", "aa", "a"}},
		{`a{2}?b`, "aabb", []string{"aab", "b"}},
		{`a{2,2}?`, "aaa", []string{"aa", "a"}},
		{`a{2}??b`, "aab", []string{"aab"}},
		{`a{,2}b`, "aaab", []string{"a", "aab"}},
		{`a+?b?`, "aab", []string{"a", "ab"}},
		{`a??b`, "ab", []string{"ab"}},
		{`a++a`, "aaa", []string{"aaa"}},
		{`(?>a|ab)c`, "abc", []string{"abc"}},
		{`(?>a|ab)c`, "acabc", []string{"ac", "abc"}},
		{`a*+b|a`, "aac", []string{"a", "a", "c"}},
		{`\s+(?!\S)|\s+`, "a   b  ", []string{"a", "  ", " ", "b", "  "}},
		{`(?=(?:\d{3})+(?!\d))`, "1234567", []string{"1", "234", "567"}},
		{`(?<=a)b`, "bab", []string{"ba", "b"}},
		{`(?<!a)b`, "bab", []string{"b", "ab"}},
		{`(?i:'s|k)x`, "'Sx\u212ax", []string{"'Sx", "\u212ax"}},
		{`(?i:\p{Lu}|[\p{Lu}]!)`, "aA!a!", []string{"a", "A", "!", "a!"}},
		{`(?i:[[^a-z]!]+)`, "KkA!", []string{"KkA!"}},
		{`(?i)ab|c`, "aBC", []string{"aB", "C"}},
		{`(?i:a(?-i:b))`, "AbAB", []string{"Ab", "AB"}},
		{`[^\s\p{L}]+`, "a1!b", []string{"a", "1!", "b"}},
		{`[a-c\-\]x]+`, "a-]xd", []string{"a-]x", "d"}},
		{`[]a]+`, "a]b", []string{"a]", "b"}},
		{`[\p{L}&&[^\p{Han}]]+`, "ab\u4e2dc", []string{"ab", "\u4e2d", "c"}},
		{`[^\p{L}&&[a-z1]]+`, "ab1 2", []string{"ab", "1 2"}},
		{`\P{L}+`, "a12b", []string{"a", "12", "b"}},
		{`\p{^L}+`, "a12b", []string{"a", "12", "b"}},
		{`\x41\u0042\x{1F600}|\r\n`, "AB\U0001f600\r\n", []string{"AB\U0001f600", "\r\n"}},
		{`^a|b$`, "aab\nab", []string{"a", "a", "b", "\n", "a", "b"}},
		{`\s+^`, "a\n\nb\n", []string{"a", "\n\n", "b\n"}},
		{`\Aa|b\z`, "aab\nab", []string{"a", "ab\na", "b"}},
		{`\bb`, "ab b", []string{"ab ", "b"}},
		{`.`, "a\nb", []string{"a", "\n", "b"}},
		{`.+`, "é\x80x", []string{"é\x80x"}},
		{`(a*)*b`, "aab", []string{"aab"}},
		{`(a|b)*?c`, "abc", []string{"abc"}},
		{`\p{N}{1,3}`, "12345", []string{"123", "45"}},
		{`\R`, "a\r\nb\n\r\x0b\u2028", []string{"a", "\r\n", "b", "\n", "\r", "\x0b", "\u2028"}},
		{`\R\n`, "\r\n\n\r\n", []string{"\r\n\n", "\r\n"}},
		{`\X`, "e\u0301x\U0001f469\u200d\U0001f467\r\n", []string{"e\u0301", "x", "\U0001f469\u200d\U0001f467", "\r\n"}},
		{`\N+|\O`, "ab\n\nc", []string{"ab", "\n", "\n", "c"}},
		{`b\Z`, "abb\n", []string{"ab", "b", "\n"}},
		{`(?m:a.)+|(?m)b.`, "a\na!b\n.\n", []string{"a\na!", "b\n", ".\n"}},
		{`(?i-m:A.)|(?im)B.`, "a\nab\nb\n", []string{"a\n", "ab", "\n", "b\n"}},
		{"(?x) a b # both\n | c [ ] +", "ab c  ", []string{"ab", " ", "c  "}},
		{`(?#both)a(?#two)+|(?<n>b)|(?'m'c)`, "aabc", []string{"aa", "b", "c"}},
		{`a(?#\)\\)b`, "ab", []string{"ab"}},
		{`(?<=ab|c)d`, "abdcdbd", []string{"ab", "d", "c", "d", "bd"}},
		{`(?<!\r\n|x{2,3})d`, "\r\nd\ndxxdxd", []string{"\r\nd\n", "d", "xxdx", "d"}},
		{`(?<=^|\d)[a-z]`, "ab1c", []string{"a", "b1", "c"}},
		// What is within what is looked for; so does Oniguruma.
		{`(?<=b(?<=ab)aa)c`, "abaacbaac", []string{"abaa", "c", "baac"}},
		{`(?<=(?<=b)a)c`, "bacaac", []string{"ba", "c", "aac"}},
		{`(?=a(?=b|(?<=ca)c))a`, "abacacaab", []string{"a", "bac", "a", "ca", "a", "b"}},
		{`(?<!(?<!a)b)d`, "abdcbdcdd", []string{"ab", "d", "cbdc", "d", "d"}},
		{`(?=a(?>a+(?!b)|c))a`, "aaaabacaac", []string{"a", "a", "aab", "a", "c", "a", "a", "c"}},
		{`(?>a+(?<=aa))c?`, "aacaaca", []string{"aac", "aac", "a"}},
		{`a{|}{b{x}`, "a{}{b{x}", []string{"a{", "}{b{x}"}},
		{`\Vi\q[\b]`, "aViq\bb", []string{"a", "Viq\b", "b"}},
	} {
		require.Equal(t, c.want, parts(t, c.source, c.text), "%s on %q", c.source, c.text)
	}
}

func TestErrors(t *testing.T) {
	for source, want := range map[string]string{
		`(a`:                     "byte 2: ) is missing",
		`a)`:                     "byte 1: a ) without a (",
		`*a`:                     "* has nothing to repeat",
		`a{2,1}`:                 "from 2 to 1",
		`a{1001}`:                "more than 1000",
		`[a`:                     "ends too early",
		`[b-a]`:                  "no range",
		`[a-\s]`:                 "no range",
		`\p{Nope}`:               `the property "Nope" is not known`,
		`\p{L`:                   "} is missing",
		`\1`:                     `\1 is not supported`,
		`\K`:                     `\K is not supported`,
		`\`:                      "ends too early",
		`(?P<n>a)`:               "not supported",
		`(?<>a)`:                 "the name of a group is missing",
		`(?#a`:                   ") is missing",
		`(?#a\)`:                 ") is missing",
		`(?#\`:                   ") is missing",
		`\p{d}`:                  `the property "d" is not known`,
		`\p{s}`:                  `the property "s" is not known`, // here, where names do not fold
		`(?<=ab*)c`:              "no greatest length",
		`(?<!\X)c`:               "no greatest length",
		`[[:nope:]]`:             "the class [:nope is not",
		`[[:alpha]`:              "the class [:alpha] is not",
		`\x{110000}`:             "no code point",
		`\xg`:                    "hexadecimal",
		"\xff":                   "not UTF-8",
		`((a{900}){900}){900}`:   "too large",
		`(?>(?>a{900}){900}){9}`: "too large",
		`(?=(?=a{900}){900}){9}`: "too large",
		`((a{900})*+){900}`:      "too large",
		strings.Repeat("(", 200): "too deep",
		strings.Repeat("[", 200): "too deep",
	} {
		_, err := New(source, classes)
		var e *Error
		require.ErrorAs(t, err, &e, source)
		require.Contains(t, e.Error(), want, source)
	}
}

// Time is proportional to the text, for expressions on which a backtracker without
// memory takes the square of it or worse.
func TestLinear(t *testing.T) {
	const n = 200_000 // the square of it takes hours
	for _, source := range []string{`\s+$`, `(?:\s*\s*)*x`, `(\s|\s\s)*y`, `\s+(?!\S)|\s+`} {
		parts(t, source, strings.Repeat(" ", n)+"a")
	}
}

// TestNested: what is looked for within what is looked for takes no multiple of its time. Of each,
// five levels took minutes.
func TestNested(t *testing.T) {
	for _, open := range []string{`(?<=b?a{0,9}`, `(?=a{0,9}b?`, `(?>a{0,9}b?`} {
		source := strings.Repeat(open, 30) + "x" + strings.Repeat(")", 30) + "|a"
		require.Len(t, parts(t, source, strings.Repeat("a", 500)), 500)
	}
}

// TestMatches: empty matches are those that Oniguruma's bindings of tokenizers find.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		source, text string
		want         [][2]int
	}{
		{`a`, "baac", [][2]int{{1, 2}, {2, 3}}},
		{`a*`, "aab", [][2]int{{0, 2}, {3, 3}}},
		{`a*`, "baac", [][2]int{{0, 0}, {1, 3}, {4, 4}}},
		{`^`, "ab", [][2]int{{0, 0}}},
		{`$`, "\u00e9b", [][2]int{{3, 3}}},
		{`b*$`, "abb", [][2]int{{1, 3}}},
		{`(?=\d)|x`, "a1x2", [][2]int{{1, 1}, {2, 3}}},
		{`$`, "", nil},
	} {
		r, err := New(c.source, classes)
		require.NoError(t, err)
		var got [][2]int
		r.Matches(c.text, func(start, end int) { got = append(got, [2]int{start, end}) })
		require.Equal(t, c.want, got, "%s in %q", c.source, c.text)
	}
}

// FuzzSplit: what Go's regexp knows too, it finds alike.
func FuzzSplit(f *testing.F) {
	for _, source := range []string{`a|ab`, `(?:a|b)*c`, `[^a-c]+`, `a{1,3}?b`, `(?i:ab)+|.`, `\pL`, `(a*)+b|`, `^a|b$`, `[\x61-c]`} {
		f.Add(source, "abcabAB\n aab")
	}
	f.Fuzz(func(t *testing.T, source, text string) {
		if len(source) > 100 || len(text) > 200 || !utf8.ValidString(text) {
			return
		}
		r, err := New(source, classes)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return
		}
		begin := 0
		var ends []int
		r.Split(text, func(end int) {
			require.Greater(t, end, begin)
			begin = end
			ends = append(ends, end)
		})
		require.Equal(t, len(text), begin)
		if strings.ContainsAny(source, `\?{[^$+(*`) { // where the two languages differ
			return
		}
		theirs, err := regexp.Compile(`(?m)` + source)
		if err != nil {
			return
		}
		var want []int
		for _, m := range theirs.FindAllStringIndex(text, -1) {
			want = append(want, m[0], m[1])
		}
		want = append(want, len(text))
		require.Subset(t, want, ends)
	})
}
