package jinja

import (
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// Errors name the line of the innermost expression or statement that fails.
func TestErrorLines(t *testing.T) {
	for template, line := range map[string]int{
		"a\n{{ 1 / 0 }}":                                          2,
		"{% if x %}\n{{ 1 +\n }}\n{% endif %}":                    3,
		"\n\n{% for a in 5 %}\n{% endfor %}":                      3,
		"{% macro f() %}\n\n{{ x.y.z }}{% endmacro %}\n{{ f() }}": 3,
		"{#\n\n#}\n{{ raise_exception('x') }}":                    4,
		"a\r\nb\r\n{{ 'x' + 1 }}":                                 3,
		"{{ '\n\n' }}{{ 1|nofilter }}":                            3,
		"{% set x = [1,\n2,\n3]\n%}\n{{ x + 1 }}":                 5,
		"{% endif %}":      1,
		"\n{% if 1 %}\n":   2,
		"{{\n1\n+\n'a' }}": 2,
	} {
		_, err := renderText(template, "", Limits{})
		var failed *Error
		require.ErrorAs(t, err, &failed, "%q", template)
		require.Equal(t, line, failed.Line, "%q: %v", template, err)
	}
	require.Equal(t, "TypeError: x (line 3)", (&Error{Kind: "TypeError", Message: "x", Line: 3}).Error())
	require.Equal(t, "TypeError: x", (&Error{Kind: "TypeError", Message: "x"}).Error())
}

func TestVariables(t *testing.T) {
	vars := NewDict()
	vars.Set("a", NewString("x\xffy")) // not UTF-8
	vars.Set("range", Int(5))          // over the function
	vars.Set("nothing", None)
	template, err := New("{{ a }} {{ range }} {{ nothing }} {{ dict is callable }} {{ b is defined }}{% set a = 1 %} {{ a }}")
	require.NoError(t, err)
	for range 2 { // the variables are not changed
		out, err := template.Render(vars, Options{})
		require.NoError(t, err)
		require.Equal(t, "x\uFFFDy 5 None True False 1", out)
	}
}

func TestNow(t *testing.T) {
	template, err := New("{{ strftime_now('%d %b %Y') }}")
	require.NoError(t, err)
	out, err := template.Render(NewDict(), Options{Now: time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)})
	require.NoError(t, err)
	require.Equal(t, "03 Feb 2031", out)
}

// One template and its variables serve many goroutines, with equal results.
func TestConcurrent(t *testing.T) {
	template, err := New(`{% set ns = namespace(n=0) %}{% macro f(m) %}{{ m.role|upper }}{% endmacro %}{% for m in messages if m.content %}` +
		`{% set ns.n = ns.n + loop.index %}{{ f(m) }}:{{ m.content|trim }}{{ [1, 2, 3]|random }}{{ m|tojson }}{{ loop.length }}{% endfor %}{{ ns.n }}`)
	require.NoError(t, err)
	v, err := FromJSON(jsontext.Value(`{"messages": [{"role": "user", "content": " a "}, {"role": "x", "content": ""}, {"role": "é", "content": "ß"}]}`))
	require.NoError(t, err)
	want, err := template.Render(v.(*Dict), Options{})
	require.NoError(t, err)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 50 {
				got, err := template.Render(v.(*Dict), Options{})
				if got != want || err != nil {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	wait.Wait()
}

// The filters and functions that are left out say so.
func TestLeftOut(t *testing.T) {
	for template, want := range map[string]string{
		"{{ 'a'|urlize }}": "No filter named 'urlize'.", "{{ 'a'|wordwrap }}": "No filter named 'wordwrap'.", "{{ lipsum() }}": "there is no filler text",
		"{{ -8 ** 0.5 }}": "complex numbers are not supported", "{% import 'x' as y %}": "no loader for this environment specified", "{{ 'a'.encode() }}": "'str object' has no attribute 'encode'",
	} {
		_, err := renderText(template, "", Limits{})
		require.ErrorContains(t, err, want)
	}
}

// No attribute leads out of the values that templates have.
func TestSandbox(t *testing.T) {
	for _, x := range []string{
		"''", "[]", "{}", "()", "1", "1.5", "true", "range(3)", "dict", "range", "namespace", "namespace()", "cycler(1)", "joiner()", "self", "loop", "f", "caller",
		"''.upper", "[].count", "raise_exception", "strftime_now", "lipsum", "[1]|map('upper')", "{}.items()", "[]|reverse", "self.a", "nope",
	} {
		for _, attr := range []string{"__class__", "__init__", "__globals__", "__subclasses__", "__mro__", "__base__", "__dict__", "__code__", "__self__", "__builtins__", "__func__", "_x", "gi_frame", "mro"} {
			out, err := renderText("{% macro f() %}{% endmacro %}{% block a %}{% endblock %}{% for i in [1] %}{{ ("+x+")."+attr+" }}{{ ("+x+")['"+attr+"'] }}{{ ("+x+")|attr('"+attr+"') }}{% endfor %}", "", Limits{})
			require.True(t, out == "" || err != nil, "%s.%s gives %q", x, attr, out)
			_, err = renderText("{% macro f() %}{% endmacro %}{% block a %}{% endblock %}{{ ("+x+")."+attr+".y }}", "", Limits{})
			require.Error(t, err, "%s.%s", x, attr)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	template, err := New(`{{- bos_token }}{% for m in messages %}{{- '<|start|>' + m.role + '<|end|>\n\n' }}{%- if m.role == 'assistant' and '</think>' in m.content %}` +
		`{{- m.content.split('</think>')[-1]|trim }}{% else %}{{- m.content }}{% endif %}{{- '<|eot|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant' }}{% endif %}`)
	require.NoError(b, err)
	v, err := FromJSON(jsontext.Value(`{"bos_token": "<s>", "add_generation_prompt": true, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>x</think>Hello"}, {"role": "user", "content": "Who are you?"}]}`))
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		_, err := template.Render(v.(*Dict), Options{})
		require.NoError(b, err)
	}
}
