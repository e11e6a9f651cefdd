package jinja

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// Whatever the template and its variables are: an *Error or valid text within
// the limits, and the same each time.
func FuzzTemplate(f *testing.F) {
	for _, c := range readCases(f, testdata.Path(f, "jinja", "cases.json")) {
		f.Add(c.Template, string(c.Context))
	}
	for _, template := range hostile {
		f.Add(template, "{}")
	}
	limits := Limits{Steps: 20_000, Memory: 1 << 20, Output: 1 << 16, Depth: 500}
	f.Fuzz(func(t *testing.T, template, context string) {
		v, err := FromJSON(jsontext.Value(context))
		if err != nil {
			v = NewDict()
		}
		vars, ok := v.(*Dict)
		if !ok {
			vars = NewDict()
			vars.Set("x", v)
		}
		compiled, err := New(template)
		var failed *Error
		if err != nil {
			require.ErrorAs(t, err, &failed)
			require.Equal(t, PhaseCompile, failed.Phase)
			return
		}
		out, err := compiled.Render(vars, Options{Limits: limits})
		if err != nil {
			require.ErrorAs(t, err, &failed)
			require.NotEmpty(t, failed.Kind)
		}
		require.LessOrEqual(t, len(out), limits.Output)
		require.True(t, utf8.ValidString(out))
		again, err2 := compiled.Render(vars, Options{Limits: limits})
		require.Equal(t, out, again)
		require.Equal(t, errors.Is(err, nil), errors.Is(err2, nil))
	})
}

// The tokens of a template cover it in order, and end with the end.
func FuzzLex(f *testing.F) {
	for _, c := range readCases(f, testdata.Path(f, "jinja", "cases.json")) {
		f.Add(c.Template)
	}
	f.Fuzz(func(t *testing.T, template string) {
		tokens := lex(string(NewString(template)))
		require.Equal(t, tokEOF, tokens[len(tokens)-1].typ)
		line := 1
		for i, token := range tokens {
			require.GreaterOrEqual(t, token.line, line)
			line = token.line
			require.Equal(t, token.typ == tokError, token.err != nil)
			require.True(t, token.err == nil || i == len(tokens)-2)
		}
	})
}
