package grammar

import "strings"

// lookAhead is an assertion at the beginning of an expression: a text begins
// with it, or must not.
type lookAhead struct {
	expression string
	not        bool
}

// lookAheads takes the look-aheads off the beginning of an expression. It takes
// none where they do not speak of the beginning of the text and of every
// alternative; parseRegex refuses those.
func lookAheads(pattern string, whole bool) (rest string, looks []lookAhead) {
	rest, anchored := strings.CutPrefix(pattern, "^")
	for strings.HasPrefix(rest, "(?=") || strings.HasPrefix(rest, "(?!") {
		end := outside(rest[3:], ')')
		if end < 0 {
			return pattern, nil
		}
		looks = append(looks, lookAhead{"^(?:" + rest[3:][:end] + ")[^]*", rest[2] == '!'})
		rest = rest[3+end+1:]
	}
	quantified := rest != "" && strings.IndexByte("*+?{", rest[0]) >= 0
	if !anchored && !whole || quantified || outside(rest, '|') >= 0 {
		return pattern, nil
	}
	return "^" + rest, looks
}

// outside returns where a byte stands outside of all groups and classes; -1:
// nowhere.
func outside(pattern string, b byte) int {
	depth, class := 0, false
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case class:
			class = c != ']'
		case c == '[':
			class = true
		case depth == 0 && c == b:
			return i
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	return -1
}

// looking compiles an expression whose look-aheads are expressions of their own.
func looking(pattern string, whole bool, budget *budget, compile func(string) (*dfa, error)) (*dfa, error) {
	rest, looks := lookAheads(pattern, whole)
	if looks == nil {
		return compile(pattern)
	}
	d, err := compile(rest)
	for _, look := range looks {
		if err != nil {
			return nil, err
		}
		other, failed := compile(look.expression)
		switch {
		case failed != nil:
			return nil, failed
		case look.not:
			d, err = without(d, other, budget)
		default:
			d, err = intersect(d, other, budget)
		}
	}
	return d, err
}
