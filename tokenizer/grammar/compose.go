package grammar

import (
	"slices"
	"strings"
)

// Sequence allows a text of each part, one after the other. The parts are of
// one compiler.
func Sequence(parts ...*Grammar) *Grammar {
	return compose(parts, [][]symbol{roots(parts)})
}

// OneOf allows what one of the parts allows. They are of one compiler.
func OneOf(parts ...*Grammar) *Grammar {
	var alts [][]symbol
	for _, root := range roots(parts) {
		alts = append(alts, []symbol{root})
	}
	return compose(parts, alts)
}

// List allows one item or more, with separators between them.
func List(item, separator *Grammar) *Grammar {
	g := compose([]*Grammar{item, separator}, nil)
	list := g.root.(*rule)
	list.alts = [][]symbol{{item.root}, {item.root, separator.root, list}}
	return g
}

func compose(parts []*Grammar, alts [][]symbol) *Grammar {
	g := &Grammar{vocabulary: parts[0].vocabulary, marks: parts[0].marks, root: &rule{alts: alts}}
	for _, part := range parts {
		g.maxDepth = max(g.maxDepth, part.maxDepth+1)
		g.bytes += part.bytes
	}
	return g
}

func roots(parts []*Grammar) (list []symbol) {
	for _, part := range parts {
		list = append(list, part.root)
	}
	return list
}

// Until compiles any bytes that end with the first tag in them.
func (c *Compiler) Until(tag string) (*Grammar, error) {
	return c.compile("until", tag, func(b *budget) (symbol, error) {
		if tag == "" {
			return nil, failf("", "the tag is empty")
		}
		// A state is how much of the tag the text ends with: the automaton of
		// Knuth, Morris and Pratt (SIAM J. Comput. 6(2), 1977).
		a := automaton[int]{
			step: func(n int, x byte) (int, bool) {
				if n == len(tag) {
					return 0, false
				}
				text := tag[:n] + string([]byte{x})
				for len(text) > 0 && text != tag[:min(len(text), len(tag))] {
					text = text[1:]
				}
				return len(text), true
			},
			accept: func(n int) int32 {
				if n == len(tag) {
					return 1
				}
				return 0
			},
			same: func(x byte) byte {
				if slices.Contains([]byte(tag), x) {
					return x
				}
				return other(tag)
			},
		}
		d, err := a.build(b)
		if err != nil {
			return nil, err
		}
		return newTerminal(d), nil
	})
}

// Unlike compiles any bytes that begin with none of some words of UTF-8. White space may
// come before.
func (c *Compiler) Unlike(words []string) (*Grammar, error) {
	const blank = " \t\r\n"
	words = slices.Sorted(slices.Values(words))
	all := strings.Join(words, "")
	return c.compile("unlike", strings.Join(words, "\xff"), func(b *budget) (symbol, error) {
		type state struct {
			read string // the beginning of a word
			free bool   // the text has left them all
		}
		a := automaton[state]{
			step: func(s state, x byte) (state, bool) {
				if s.free || s.read == "" && strings.IndexByte(blank, x) >= 0 {
					return s, true
				}
				s.read += string([]byte{x})
				i, whole := slices.BinarySearch(words, s.read)
				if i < len(words) && strings.HasPrefix(words[i], s.read) {
					return s, !whole
				}
				return state{free: true}, true
			},
			accept: func(state) int32 { return 1 },
			same: func(x byte) byte {
				if strings.IndexByte(all+blank, x) >= 0 {
					return x
				}
				return 0xff
			},
		}
		d, err := a.build(b)
		if err != nil {
			return nil, err
		}
		return newTerminal(d), nil
	})
}

// other returns a byte that the tag does not hold; it is shorter than 256 bytes.
func other(tag string) byte {
	b := byte(0)
	for slices.Contains([]byte(tag), b) {
		b++
	}
	return b
}
