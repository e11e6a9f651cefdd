package jinja

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What Jinja cannot write into the code that it generates, so that only
// variables can hold it: infinities, not-a-number, very large integers. The
// answers are those of Python 3.11.
func TestUnusualNumbers(t *testing.T) {
	const digits = "ValueError: Exceeds the limit (4300 digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit"
	for template, want := range map[string]string{
		"{{ i>10**400 }}{{ -i<10**400 }}{{ [i,-i,n]|tojson }}{{ i|round(2) }}{{ n|round(1) }}{{ n == n }}{{ n < 1 }}{{ n > 1 }}{{ n|int(5) }}{{ i|float }}": "TrueTrue[Infinity, -Infinity, NaN]infnanFalseFalseFalse5inf",
		"{{ '%f %e %g %s' % (i,-i,n,i) }}{{ '{:.2f} {:5} {:+}'.format(i,n,i) }}":                                                                            "inf -inf nan infinf   nan +inf",
		"{{ i|int }}":             "OverflowError: cannot convert float infinity to integer",
		"{{ '%d'|format(i) }}":    "OverflowError: cannot convert float infinity to integer",
		"{{ '%d'|format(n) }}":    "ValueError: cannot convert float NaN to integer",
		"{{ i|round }}":           "inf",
		"{{ n|round(0,'ceil') }}": "ValueError: cannot convert float NaN to integer",
		"{{ i//1 }}{{ 5%i }}{{ -5%i }}{{ 5//i }}{{ -5//i }}{{ i-i }}{{ i*0 }}{{ i**0 }}{{ i**-1 }}{{ 0**i }}": "nan5.0inf0.0-1.0nannan1.00.00.0",
		"{{ i.hex() }}{{ n.hex() }}{{ i.is_integer() }}":                                                      "infnanFalse",
		"{{ i.as_integer_ratio() }}":                                                                          "OverflowError: cannot convert Infinity to integer ratio",
		"{{ n.as_integer_ratio() }}":                                                                          "ValueError: cannot convert NaN to integer ratio",
		"{{ {i: 1, n: 2} }}{{ i in [1, i] }}{{ [1, i]|max }}{{ [i, 1]|sort }}{{ i in range(3) }}":             "{inf: 1, nan: 2}Trueinf[1, inf]False",
		"{{ big|string }}":         digits,
		"{{ big|tojson }}":         digits,
		"{{ '%d' % big }}":         digits,
		"{{ '{:,}'.format(big) }}": digits,
		"{{ big|float }}":          "OverflowError: int too large to convert to float",
		"{{ big * 1.5 }}":          "OverflowError: int too large to convert to float",
		"{{ big > 1.5 }}{{ big == big }}{{ -big < i }}": "TrueTrueTrue",
	} {
		got, err := renderText("{% set big = 10**4400 %}{% set i = x %}{% set n = x - x %}"+template, `{"x": 1e999}`, Limits{})
		if failed, ok := err.(*Error); ok {
			got = failed.Kind + ": " + failed.Message
		}
		require.Equal(t, want, got, "%s", template)
	}
}

// What Python refuses to compile, with its words but without the line of the
// code that Jinja generates.
func TestPythonSyntax(t *testing.T) {
	for template, want := range map[string]string{
		"{% break %}":    "'break' outside loop",
		"{% continue %}": "'continue' not properly in loop",
		"{% for i in x %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}": "'break' outside loop",
		"{% for i in x %}{% else %}{% break %}{% endfor %}":                    "'break' outside loop",
		"{{ f(a=1, a=2) }}":                 "keyword argument repeated: a",
		"{% macro f(a, a) %}{% endmacro %}": "duplicate argument 'a' in function definition",
		"{{ x[1:2, 3] }}":                   "invalid syntax",
	} {
		_, err := New(template)
		require.Equal(t, &Error{Kind: "SyntaxError", Phase: PhaseCompile, Message: want, Line: 1}, err, "%s", template)
	}
	_, err := New("{% for i in x %}{% if i %}{% with %}{% filter upper %}{% break %}{% endfilter %}{% endwith %}{% endif %}{% endfor %}")
	require.NoError(t, err)
}
