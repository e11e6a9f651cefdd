package grammar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// composeCompiler has a token for each byte, some that reach over the borders of
// parts, and an end.
func composeCompiler(t *testing.T) (*Compiler, []string) {
	tokens := make([]string, 256, 300)
	for b := range 256 {
		tokens[b] = string([]byte{byte(b)})
	}
	tokens = append(tokens, "</", "</think>", "k>\n", ">{", "}]", "think>{\"a\"", "x</", "<<")
	c, err := NewCompiler(NewVocabulary(len(tokens)+1, func(id int32) []byte {
		if int(id) == len(tokens) {
			return nil
		}
		return []byte(tokens[id])
	}, []int32{int32(len(tokens))}), DefaultLimits(), 1<<20)
	require.NoError(t, err)
	return c, tokens
}

// allowedBy reports whether a text is allowed, and holds the masks to it.
func allowedBy(t *testing.T, g *Grammar, c *Compiler, tokens []string, text string) bool {
	m := g.NewMatcher()
	mask := make([]uint32, c.Vocabulary().Words())
	for i := range len(text) {
		m.Mask(mask)
		for id, token := range tokens { // each token is allowed just where its bytes are
			before := m.Save()
			require.Equal(t, m.AcceptBytes([]byte(token)), mask[id>>5]>>(id&31)&1 != 0, "%q after %q", token, text[:i])
			m.Restore(before)
		}
		if !m.AcceptBytes([]byte(text[i : i+1])) {
			return false
		}
	}
	return m.MayEnd()
}

func TestCompose(t *testing.T) {
	c, tokens := composeCompiler(t)
	must := func(g *Grammar, err error) *Grammar {
		require.NoError(t, err)
		return g
	}
	open, until := must(c.Choice([]string{"<think>"})), must(c.Until("</think>"))
	space := must(c.Regex(`[ \t\r\n]{0,4}`))
	inner := must(c.JSONSchema([]byte(`{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"],"additionalProperties":false}`), SchemaOptions{}))
	g := OneOf(inner, Sequence(open, until, space, inner))
	for text, want := range map[string]bool{
		`{"a":1}`: true, `{"a": 12 }`: true, `{}`: false, ``: false,
		`<think></think>{"a":1}`: true, `<think>a < b </ </thin <</think>` + "\n\n" + `{"a":1}`: true,
		`<think>{"a":1}`: false, `<think></think></think>{"a":1}`: false, `x{"a":1}`: false, `<think>` + "\xff\x00" + `</think>{"a":1}`: true,
		`{"a":1}<think></think>{"a":1}`: false,
	} {
		require.Equal(t, want, allowedBy(t, g, c, tokens, text), "%q", text)
	}
	list := Sequence(must(c.Choice([]string{"[", "("})), inner, must(c.Choice([]string{"]"})))
	require.True(t, allowedBy(t, list, c, tokens, `[{"a":1}]`))
	require.False(t, allowedBy(t, list, c, tokens, `[{"a":1}`))
	require.Positive(t, list.Bytes())
	many := Sequence(must(c.Choice([]string{"["})), List(inner, must(c.Regex(", ?"))), must(c.Choice([]string{"]"})))
	for text, want := range map[string]bool{`[{"a":1}]`: true, `[{"a":1},{"a":2}, {"a":3}]`: true, `[]`: false, `[{"a":1},]`: false, `[{"a":1}{"a":1}]`: false} {
		require.Equal(t, want, allowedBy(t, many, c, tokens, text), "%q", text)
	}
	unlike := must(c.Unlike([]string{"ac\n", "ab\n", "é-]\n"}))
	for text, want := range map[string]bool{
		"": true, " \n": true, "a": true, "ab": true, "abc\n": true, "b\n": true, "é-": true, "é-]]\n": true, "\xff": true, "\nab \nab\n": true,
		"ab\n": false, "ac\nx": false, "é-]\n": false, "\n ab\n": false,
	} {
		require.Equal(t, want, allowedBy(t, unlike, c, tokens, text), "%q", text)
	}
	var long []string
	for i := range 128 {
		long = append(long, strings.Repeat(string(rune('!'+i%90)), 1+i/90)+strings.Repeat("long", 16))
	}
	must(c.Unlike(long))
	_, err := c.Until("")
	require.Error(t, err)
}
