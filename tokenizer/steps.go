package tokenizer

import (
	"slices"

	"trona/tokenizer/regex"
)

// steps cut text into words by expressions: each cuts the parts that those before
// it left into its matches and what is between them. A splitter's own loops, where
// there are some, are many times as fast.
type steps struct {
	sources []string
	list    []*regex.Regex
}

// newSteps compiles expressions.
func newSteps(sources []string) (*steps, error) {
	s := &steps{sources: sources}
	for _, source := range sources {
		r, err := regex.New(source, runesOf)
		if err != nil {
			return nil, err
		}
		s.list = append(s.list, r)
	}
	return s, nil
}

// each calls yield with the words of a text.
func (s *steps) each(text string, yield func(word string)) { cut(s.list, text, yield) }

func cut(list []*regex.Regex, text string, yield func(word string)) {
	if len(list) == 0 {
		yield(text)
		return
	}
	begin := 0
	list[0].Split(text, func(end int) {
		cut(list[1:], text[begin:end], yield)
		begin = end
	})
}

// splitterOf returns the splitter for expressions: one with loops of its own where
// they are written as usual, otherwise their steps.
func splitterOf(sources []string) (splitter, error) {
	if s, ok := expressions[sources[len(sources)-1]]; ok {
		switch {
		case len(sources) == 1:
			return s, nil
		case len(sources) == 2 && sources[0] == everyNumber && s == splitGPT2:
			return splitNumbers, nil
		}
	}
	general, err := newSteps(sources)
	return splitter{steps: general}, err
}

// same reports whether two splitters are alike.
func (p splitter) same(o splitter) bool {
	if p.steps == nil || o.steps == nil {
		return p == o
	}
	return slices.Equal(p.steps.sources, o.steps.sources)
}
