package jinja

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

func TestFromJSON(t *testing.T) {
	for text, want := range map[string]string{
		`null`: "None", `true`: "True", `false`: "False", `"a'b\u00e9\n"`: `"a'bé\n"`, `1`: "1", `-0`: "0", `-0.0`: "-0.0", `1.0`: "1.0",
		`1e5`: "100000.0", `1E-7`: "1e-07", `1e999`: "inf", `9223372036854775807`: "9223372036854775807", `9223372036854775808`: "9223372036854775808",
		`-123456789012345678901234567890`: "-123456789012345678901234567890", ` [ 1 , [ ] , {} ] `: "[1, [], {}]",
		`{"z": 1, "a": {"y": [null], "x": 2.5}}`: "{'z': 1, 'a': {'y': [None], 'x': 2.5}}", `"\ud83d\ude42"`: "'🙂'",
	} {
		v, err := FromJSON(jsontext.Value(text))
		require.NoError(t, err, text)
		require.Equal(t, want, Repr(v), text)
	}
}

func TestFromJSONErrors(t *testing.T) {
	for text, want := range map[string]string{
		``: "EOF", `{`: "EOF", `[1,]`: "offset 2", `{"a":1,"a":2}`: "duplicate", `1 2`: "offset 1", `1 x`: "offset 1", `nul`: "EOF", `"\ud800"`: "surrogate", "\"\xff\"": "UTF-8",
		strings.Repeat("9", maxDigits+2): "offset 4302", strings.Repeat("[", 20000): "depth", `[01]`: "offset 2", `{"a" 1}`: "offset 5", `NaN`: "invalid character 'N'",
	} {
		_, err := FromJSON(jsontext.Value(text))
		require.ErrorContains(t, err, want, "%.40s", text)
	}
}

// What tojson writes is read back as the same value.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a": [1, 2.5, null, true, "x\u2028\u0001é🙂"], "b": {}}`, `1e22`, `-0.0`, `123456789012345678901234567890`, `[[], [[]]]`, `"\\\"/"`} {
		f.Add(text)
	}
	template, err := New("{{ x|tojson }}\x00{{ x|tojson(indent=2, ensure_ascii=true) }}")
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		v, err := FromJSON(jsontext.Value(text))
		if err != nil {
			return
		}
		vars := NewDict()
		vars.Set("x", v)
		out, err := template.Render(vars, Options{})
		if err != nil {
			var failed *Error
			require.ErrorAs(t, err, &failed)
			require.True(t, failed.Limit(), "%v", err)
			return
		}
		r := &render{steps: DefaultSteps, memory: DefaultMemory, depth: DefaultDepth}
		for part := range strings.SplitSeq(out, "\x00") {
			if strings.Contains(part, "Infinity") { // which JSON does not have
				continue
			}
			back, err := FromJSON(jsontext.Value(part))
			require.NoError(t, err, "%s", part)
			same, err := r.equal(v, back)
			require.NoError(t, err)
			require.True(t, same, "%s gives %s", text, part)
		}
	})
}
