package grammar

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestRegex(t *testing.T) {
	c := newTestCompiler(t)
	tests := map[string]struct{ yes, no []string }{
		`abc`:                                 {[]string{"abc"}, []string{"", "ab", "abcd"}},
		`a*b+c?`:                              {[]string{"b", "aabbc"}, []string{"", "a", "bcc"}},
		`(a|bc){2,3}`:                         {[]string{"aa", "abc", "bcabc"}, []string{"a", "aaaa"}},
		`[^a-z]\d{2,}`:                        {[]string{"A12", "é123"}, []string{"a12", "A1"}},
		`^a$|^$`:                              {[]string{"a", ""}, []string{"b", "aa"}},
		`a$b`:                                 {nil, nil},
		`.`:                                   {[]string{"x", "é", "日", "🙂"}, []string{"\n", "\r", "\u2028", "ab"}},
		`\s\S\w\W`:                            {[]string{"\u00a0x_é", "\tßa-"}, []string{"  a-"}},
		`\u00e9\x41\u{1F642}\/`:               {[]string{"éA🙂/"}, []string{"éA🙂"}},
		`\uD83D\uDE42`:                        {[]string{"🙂"}, nil},
		`\cJ`:                                 {[]string{"\n"}, []string{"J"}},
		`[]|a`:                                {[]string{"a"}, []string{""}},
		`[^]`:                                 {[]string{"\n", "a"}, []string{""}},
		`[\s\d]`:                              {[]string{" ", "7"}, []string{"a"}},
		`[\b-\n]`:                             {[]string{"\b", "\t", "\n"}, []string{"\a"}},
		`[[a]`:                                {[]string{"[", "a"}, []string{"]"}},
		`\p{L}\p{Lu}`:                         {[]string{"éÉ", "日A"}, []string{"1A", "aa"}},
		`(?:a)(?<n>b)`:                        {[]string{"ab"}, []string{"a"}},
		`(?!-)[a-z-]+`:                        {[]string{"a-", "a"}, []string{"-a", ""}},
		`^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{3,}$`: {[]string{"aB3", "3Baa"}, []string{"aB", "ab3", "AB3!", "ABC"}},
		`^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$`:      {[]string{"1", "-1.5", "+.5", "007"}, []string{"", "-", ".", "+.", "1e5"}},
		`^(?!(?:a|b[)]|\))x?$)[^]*`:           {[]string{"", "ax ", "bx", "x)"}, []string{"a", "ax", ")", "b)", ")x"}},
		`(?=a)(?!ab)`:                         {nil, nil},
		`a{0}`:                                {[]string{""}, []string{"a"}},
	}
	for pattern, test := range tests {
		g, err := c.Regex(pattern)
		if test.yes == nil && test.no == nil {
			require.ErrorContains(t, err, "allows no text", pattern)
			continue
		}
		require.NoError(t, err, pattern)
		for _, text := range test.yes {
			require.True(t, accepts(g, text), "%s: %q", pattern, text)
		}
		for _, text := range test.no {
			require.False(t, accepts(g, text), "%s: %q", pattern, text)
		}
	}
}

func TestRegexRefuses(t *testing.T) {
	c := newTestCompiler(t)
	for pattern, want := range map[string]string{
		`b(?=a)`: "look-around", `(?!a)|b`: "look-around", `(?=a)*b`: "look-around", `(?=(?=a))a`: "look-around", `(?=a`: "look-around", `(?<!a)b`: "look-around", `(a)\1`: "back references", `\bword`: "word boundary",
		`a(`: "missing", `[z-a]`: "range", `\`: "backslash", `(?i:a)`: "group", `\uD800`: "no escape",
		`(a{1000}){1000}`: "", "\xff": "UTF-8", strings.Repeat("(", 2000) + strings.Repeat(")", 2000): "",
	} {
		_, err := c.Regex(pattern)
		var e *Error
		require.ErrorAs(t, err, &e, pattern)
		require.ErrorContains(t, err, want, pattern)
	}
}

// In a schema an expression may match anywhere; one that begins with ^ may look
// ahead. Lengths count all the same.
func TestSchemaTexts(t *testing.T) {
	c := newTestCompiler(t)
	for schema, test := range map[string]struct{ yes, no []string }{
		`{"not":{"pattern":"x"},"type":"string","maxLength":2}`:                                     {[]string{`"ab"`, `""`}, []string{`"abc"`, `"x"`, `"ax"`}},
		`{"not":{"format":"date"},"type":"string","maxLength":12}`:                                  {[]string{`"2026-11-27x"`}, []string{`"2026-11-27"`, `"2026-11-27xxx"`}},
		`{"not":{"const":"ab"},"type":"string","maxLength":2}`:                                      {[]string{`"ac"`, `"a"`}, []string{`"ab"`, `"abc"`}},
		`{"anyOf":[{"const":"ab","enum":["b"]},{"const":"c"}]}`:                                     {[]string{`"c"`}, []string{`"ab"`, `"b"`}},
		`{"not":{"enum":["ab","c"]},"type":"string","maxLength":2}`:                                 {[]string{`"cc"`}, []string{`"ab"`, `"c"`, `"abc"`}},
		`{"oneOf":[{"pattern":"^a"},{"pattern":"b$"}],"type":"string","maxLength":3}`:               {[]string{`"ac"`, `"cb"`}, []string{`"ab"`, `"c"`, `"accc"`}},
		`{"type":"string","pattern":"^(?!-)(?=.*x)","maxLength":3}`:                                 {[]string{`"x"`, `"ax-"`}, []string{`"-x"`, `"ab"`, `"xabc"`}},
		`{"type":"string","pattern":"^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$"}`:                           {[]string{`"-1.5"`}, []string{`"-"`, `""`}},
		`{"type":"string","not":{"pattern":"^(?!-)a"},"maxLength":2}`:                               {[]string{`"-a"`, `"b"`, `""`}, []string{`"a"`, `"bbb"`}},
		`{"type":"object","patternProperties":{"^(?!x)":false},"additionalProperties":{"const":1}}`: {[]string{`{"xy":1}`, `{}`}, []string{`{"y":1}`}},
	} {
		g, err := c.JSONSchema([]byte(schema), SchemaOptions{})
		require.NoError(t, err, schema)
		for _, text := range test.yes {
			require.True(t, accepts(g, text), "%s: %s", schema, text)
		}
		for _, text := range test.no {
			require.False(t, accepts(g, text), "%s: %s", schema, text)
		}
	}
}

// Expressions that Go reads the same way match the same texts.
func FuzzRegex(f *testing.F) {
	for _, pattern := range []string{`a|b*`, `^[a-c]{1,3}$`, `(ab?)+c`, `[^x]y?`, `\d+\.\d*`} {
		f.Add(pattern, "abc")
	}
	c := newTestCompiler(f)
	f.Fuzz(func(t *testing.T, pattern, text string) {
		g, err := c.Regex(pattern)
		if err != nil {
			return
		}
		// What ECMA-262 and Go read differently is left to the table above.
		if strings.ContainsAny(pattern, `\.[(?$^`) || !utf8.ValidString(text) {
			g.NewMatcher().AcceptBytes([]byte(text))
			return
		}
		re, err := regexp.Compile(`^(?:` + pattern + `)$`)
		if err != nil {
			return
		}
		require.Equal(t, re.MatchString(text) && !strings.HasSuffix(text, "\n"), accepts(g, text) && !strings.HasSuffix(text, "\n"))
	})
}
