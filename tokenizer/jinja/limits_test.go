package jinja

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// hostile are templates that would take too much of something.
var hostile = []string{
	// loops
	"{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
	"{% for a in range(100000) %}{% for b in range(100000) %}x{% endfor %}{% endfor %}",
	"{% set l = range(100000)|list %}{% for i in l %}{{ -1 in l }}{% endfor %}",
	"{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ s[i] }}{% endfor %}",
	"{% set s = 'a' * 1000000 %}{% for i in range(100000) %}{{ 'b' in s }}{{ s.find('b') }}{{ s|length }}{% endfor %}",
	"{% set d = dict.fromkeys(range(100000)) %}{% for i in range(100000) %}{% set x = d.items()|list %}{% endfor %}",
	// growing text and lists
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s]|join %}{% endfor %}",
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set ns.s = '%s%s' % (ns.s, ns.s) %}{% endfor %}",
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set ns.s = '{}{}'.format(ns.s, ns.s) %}{% endfor %}",
	"{% set ns = namespace(s='aaaa') %}{% for i in range(100) %}{% set x %}{{ ns.s }}{{ ns.s }}{% endset %}{% set ns.s = x %}{% endfor %}",
	"{% set ns = namespace(s='<') %}{% for i in range(1000) %}{% set ns.s = ns.s|forceescape %}{% endfor %}{% for i in range(100) %}{% set ns.s = ns.s|forceescape + ns.s %}{% endfor %}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"{% set ns = namespace(s=[]) %}{% for i in range(100000) %}{% set ns.s = ns.s + ['a' * 100000] %}{% endfor %}",
	"{{ 'a' * 10**9 }}", "{{ [0] * 10**9 }}", "{{ (0,) * 10**9 }}", "{{ 10**9 * 'a' }}", "{{ range(100000)|list * 100000 }}",
	"{{ ('a' * 100000).replace('', 'b' * 100000) }}", "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}", "{{ ('b' * 100000).join('a' * 100000) }}",
	"{{ ('a' * 100000)|list|join('b' * 100000) }}", "{{ ('a' * 100000).translate({97: 'b' * 100000}) }}", "{{ ('\\t' * 100000).expandtabs(100000) }}",
	"{{ 'a'.center(10**12) }}", "{{ 'a'|center(10**12) }}", "{{ 'a'.ljust(10**12) }}", "{{ 'a'.zfill(10**12) }}", "{{ '\\t'.expandtabs(10**12) }}", "{{ 'a'|indent(10**12) }}",
	"{{ [1]|batch(10**9, 'x')|list }}", "{{ [1]|slice(10**9)|list }}", "{{ [1]|tojson(indent=10**12) }}", "{{ [[[[1]]]]|tojson(indent=10**8) }}", "{{ ([1] * 100000)|tojson(indent=10**6) }}",
	// values that hold themselves twice, many times over
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s == ns.s }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s < ns.s }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|tojson }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(100) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s|pprint }}",
	"{% set ns = namespace(s=(1,)) %}{% for i in range(100) %}{% set ns.s = (ns.s, ns.s) %}{% endfor %}{{ {ns.s: 1} }}",
	// numbers
	"{{ 2**(2**62) }}", "{{ 10**(10**10) }}", "{{ (7**10000000) % 3 }}", "{{ 7**200000 // 3**100000 // 5**100000 }}{{ 1 / 0 }}",
	"{% set ns = namespace(n=3) %}{% for i in range(100) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
	"{% set n = 7**20000 %}{% for i in range(100000) %}{% set x = n + n %}{% endfor %}",
	"{% set n = 7**20000 %}{% for i in range(100000) %}{% set x = n == n %}{% set y = -n %}{% set z = n|abs %}{% endfor %}",
	"{% set n = 7**20000 %}{% for i in range(100000) %}{% set x = {n: 1} %}{% endfor %}",
	"{{ 12345|round(-(10**6)) }}", "{% for i in range(100000) %}{% set x = 12345|round(-4000) %}{% endfor %}", "{{ 1.5|round(10**9, 'ceil') }}",
	// formats
	"{{ '%999999999d' % 5 }}", "{{ '%.999999999f' % 1.5 }}", "{{ '%.99999999d' % 5 }}", "{{ '%*d' % (10**18, 5) }}", "{{ '{:999999999}'.format(5) }}",
	"{{ '{:.999999999f}'.format(5.0) }}", "{{ '{:0999999999,}'.format(5) }}", "{{ '{:{}}'.format(5, 10**18) }}", "{{ '%x' % (7**30000) * 1000 }}",
	// calls and nesting
	"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% block a %}{{ self.a() }}{% endblock %}", "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"{% macro f(x) %}{{ caller() if caller }}{% endmacro %}{% macro g(n) %}{% call f(n) %}{{ g(n + 1) }}{% endcall %}{% endmacro %}{{ g(0) }}",
	"{% macro f(n) %}{{ f(n - 1) ~ f(n - 1) if n else 'a' }}{% endmacro %}{{ f(100) }}",
	"{% macro f(a=f()) %}{% endmacro %}{{ f() }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = ns.s|map('string') %}{% endfor %}{{ ns.s|list }}",
	"{% set ns = namespace(s=[1]) %}{% for i in range(20000) %}{% set ns.s = ns.s|select %}{% endfor %}{{ ns.s|list }}",
}

// A hostile template ends with an error that says so, and takes no more memory
// than a few times what it may.
func TestHostile(t *testing.T) {
	limits := Limits{Steps: 1_000_000, Memory: 16 << 20, Output: 4 << 20}
	for _, template := range hostile {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := renderText(template, "", limits)
		runtime.ReadMemStats(&after)
		var failed *Error
		require.ErrorAs(t, err, &failed, "%s gives %.100q", template, out)
		require.True(t, failed.Limit(), "%s: %v", template, err)
		require.Equal(t, PhaseRender, failed.Phase)
		require.Equal(t, 1, failed.Line, "%s", template)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(256<<20), "%s", template)
	}
}

// The same templates end within the default limits too.
func TestHostileDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for i, template := range hostile {
		if i%8 == 0 {
			_, err := renderText(template, "", Limits{})
			require.Error(t, err, "%s", template)
		}
	}
}

// A source that nests too deeply, or is too long, does not compile.
func TestHostileSource(t *testing.T) {
	const n = 20_000
	for _, template := range []string{
		"{{ " + strings.Repeat("(", n) + "1" + strings.Repeat(")", n) + " }}", "{{ " + strings.Repeat("[", n) + " }}", "{{ " + strings.Repeat("{1:", n) + " }}",
		"{{ " + strings.Repeat("f(", n) + " }}", "{{ " + strings.Repeat("x[", n) + " }}", "{{ " + strings.Repeat("-", n) + "1 }}", "{{ " + strings.Repeat("not ", n) + "1 }}",
		"{{ 1" + strings.Repeat("+1", n) + " }}", "{{ 1" + strings.Repeat("*1", n) + " }}", "{{ 1" + strings.Repeat("**1", n) + " }}", "{{ 1" + strings.Repeat(" and 1", n) + " }}",
		"{{ 1" + strings.Repeat(" or 1", n) + " }}", "{{ 1" + strings.Repeat("|abs", n) + " }}", "{{ x" + strings.Repeat(".a", n) + " }}", "{{ x" + strings.Repeat("[1]", n) + " }}",
		"{{ x" + strings.Repeat("()", n) + " }}", "{{ 1" + strings.Repeat(" if 1", n) + " }}", "{{ 1" + strings.Repeat(" if 1 else 1", n) + " }}",
		strings.Repeat("{% if 1 %}", n), strings.Repeat("{% for x in y %}", n), strings.Repeat("{% macro a() %}", n), strings.Repeat("{% set x %}", n), strings.Repeat("{% with %}", n),
		strings.Repeat("{% filter upper %}", n), strings.Repeat("{% call x() %}", n), strings.Repeat("{% if 1 %}{% else %}", n), strings.Repeat("{{", n), strings.Repeat("a", maxSource+1),
	} {
		_, err := New(template)
		var failed *Error
		require.ErrorAs(t, err, &failed)
		require.True(t, failed.Limit(), "%.60s: %v", template, err)
		require.Equal(t, PhaseCompile, failed.Phase)
	}
	for _, template := range []string{ // long, but not deep
		"{{ 1" + strings.Repeat("~1", n) + " }}", "{{ 1" + strings.Repeat(" == 1", n) + " }}", "{{ [" + strings.Repeat("1,", n) + "] }}", "{{ f(" + strings.Repeat("1,", n) + ") if 0 }}",
		strings.Repeat("{{ 1+1 }}", n), strings.Repeat("{%if 1%}{%endif%}", n), "{% if 0 %}" + strings.Repeat("{% elif 0 %}", n) + "{% endif %}", strings.Repeat("{% set x = 1 %}", n), strings.Repeat("a", maxSource),
		strings.Repeat("{%if x%}{%set a%}b{%endset%}{%endif%}", n/2),
	} {
		_, err := renderText(template, "", Limits{})
		require.NoError(t, err, "%.60s", template)
	}
	for _, template := range []string{"{{ " + strings.Repeat("9", 1_000_000), "{{ 0x" + strings.Repeat("f", 1_000_000), strings.Repeat("{#", n), strings.Repeat("{% raw %}", n), "{{ '" + strings.Repeat(`\`, n)} {
		_, err := New(template)
		require.Error(t, err)
	}
}

// A long conversation needs a small part of the default limits.
func TestLimitsSuffice(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"bos_token": "<|begin_of_text|>", "add_generation_prompt": true, "messages": [{"role": "system", "content": "detailed thinking on"}`)
	for i := range 1000 {
		fmt.Fprintf(&b, `, {"role": "user", "content": "%s"}, {"role": "assistant", "content": "<think>%s</think>%s"}`,
			strings.Repeat("Question. ", 100), strings.Repeat("So ", 200), strings.Repeat(fmt.Sprintf("Answer %d. ", i), 50))
	}
	b.WriteString("]}")
	require.Greater(t, b.Len(), 2<<20)
	limits := Limits{Steps: DefaultSteps / 20, Memory: DefaultMemory / 8, Output: DefaultOutput / 8}
	templates, err := filepath.Glob(filepath.Join(testdata.Shared(t, "nemotron", "templates"), "*.jinja"))
	require.NoError(t, err)
	require.Len(t, templates, 5)
	for _, name := range templates {
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		out, err := renderText(string(source), b.String(), limits)
		require.NoError(t, err, name)
		require.Greater(t, len(out), 1<<20)
	}
}
