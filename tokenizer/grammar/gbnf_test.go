package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGBNF(t *testing.T) {
	c := newTestCompiler(t)
	tests := map[string]struct{ yes, no []string }{
		`root ::= "a" [b-d]+ "\n"?`: {[]string{"ab", "abcd\n"}, []string{"a", "abe"}},
		"# a comment\nroot ::= yes | no # both\nyes ::= \"yes\"\n\nno ::= \"no\" digit{2,3}\ndigit ::= [0-9]": {
			[]string{"yes", "no12", "no123"}, []string{"no", "no1", "no1234"}},
		"root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= \"(\" expr \")\" | [0-9]+": {
			[]string{"1", "1+2", "(1+(2+3))+4"}, []string{"", "(1", "1+", "()"}},
		"root ::= \"(\" root \")\" | \"\"":           {[]string{"", "()", "((()))"}, []string{"(", "())"}},
		"root ::=\n  \"a\" |\n  \"b\"\n  | \"c\"":    {[]string{"a", "b", "c"}, []string{"d"}},
		"root ::= a{2} a{0,1}\na ::= \"[\" a? \"]\"": {[]string{"[][]", "[[]][][]"}, []string{"[]", "[][][][]"}},
		`root ::= [^"\\\]] . "\u00e9\x41"`:           {[]string{"ab\u00e9A"}, []string{"\"bc\u00e9A"}},
		"root ::= a+\na ::= \"<\" a* \">\"":          {[]string{"<>", "<<><>><>"}, []string{"", "<"}},
	}
	for text, test := range tests {
		g, err := c.GBNF(text)
		require.NoError(t, err, text)
		for _, s := range test.yes {
			require.True(t, accepts(g, s), "%s: %q", text, s)
		}
		for _, s := range test.no {
			require.False(t, accepts(g, s), "%s: %q", text, s)
		}
	}
}

func TestGBNFRefuses(t *testing.T) {
	c := newTestCompiler(t)
	for text, want := range map[string]string{
		``: "no rule named root", `root`: "::=", `root ::= "a`: "line 1: the literal has no end", `root ::= [a`: "the class has no end",
		`root ::= x`: `there is no rule "x"`, "root ::= \"a\"\nroot ::= \"b\"": "twice", `root ::= (`: "want )", `root ::= "a"{3,2}`: "second",
		`root ::= "a"{x}`: "number", `root ::= [z-a]`: "empty", `root ::= "\q"`: "no escape", `root ::= "a" )`: "does not belong",
		"root ::= root \"a\" | \"b\"": "begins with itself", "root ::= a\na ::= \"(\" a \")\"": "allows no text",
		"root ::= \"a\"{10001}": "10000", "root ::= " + strings.Repeat("(", 60_000): "nests too deeply",
		"root ::= (([a-z]{1000}){1000}){1000}": "", "\xff": "UTF-8", "root ::= \"\\ud800\"": "no character",
	} {
		_, err := c.GBNF(text)
		var e *Error
		require.ErrorAs(t, err, &e, "%.40s", text)
		require.ErrorContains(t, err, want, "%.40s", text)
	}
}

func FuzzGBNF(f *testing.F) {
	f.Add("root ::= \"a\" [b-d]+ x\nx ::= (x | \"c\"){1,2}", "abc")
	f.Add("root ::= \"(\" root \")\" | \"\"", "(())")
	c := newTestCompiler(f)
	mask := make([]uint32, c.Vocabulary().Words())
	f.Fuzz(func(t *testing.T, text, input string) {
		if len(text) > 2000 || len(input) > 200 {
			return
		}
		g, err := c.GBNF(text)
		if err != nil {
			return
		}
		m := g.NewMatcher()
		m.Mask(mask)
		if m.AcceptBytes([]byte(input)) {
			m.Mask(mask)
		}
	})
}
