package engine

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/model/demo"
	"trona/model/modeltest"
	"trona/tokenizer"
	"trona/tokenizer/grammar"
)

// allows returns the tokens below n that a constraint allows.
func allows(c Constraint, n int) (ids []int32) {
	mask := make([]uint32, (n+31)/32)
	c.Mask(mask)
	for id := range int32(n) {
		if hasBit(mask, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func except(n int32, without ...int32) (ids []int32) {
	for id := range n {
		if !slices.Contains(without, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestAllowTokens(t *testing.T) {
	a := AllowTokens([]int32{40, 3, 3, math.MaxInt32, -1})
	require.Equal(t, []int32{3, 40}, allows(a, 50))
	require.True(t, a.Accept(40))
	require.False(t, a.Accept(41))
	require.Empty(t, allows(AllowTokens(nil), 50))
}

func TestForbidSequences(t *testing.T) {
	f := ForbidSequences([]int32{1, 2, 3}, []int32{2, 7}, []int32{9}, nil, []int32{60, -1})
	require.Equal(t, except(50, 9), allows(f, 50))
	require.True(t, f.Accept(1))
	require.True(t, f.Accept(2))
	require.Equal(t, except(50, 3, 7, 9), allows(f, 50))
	place := f.Save()
	require.False(t, f.Accept(3))
	require.False(t, f.Accept(7))
	require.True(t, f.Accept(1))
	require.Equal(t, except(50, 9), allows(f, 50))
	f.Restore(place)
	require.Equal(t, except(50, 3, 7, 9), allows(f, 50))
	require.Equal(t, except(50), allows(ForbidSequences(), 50))
}

func TestAllOf(t *testing.T) {
	a := AllOf(AllowTokens([]int32{1, 2, 3}), ForbidSequences([]int32{1, 2}), ForbidSequences([]int32{3}))
	require.Equal(t, []int32{1, 2}, allows(a, 40))
	place := a.Save()
	require.True(t, a.Accept(1))
	require.Equal(t, []int32{1}, allows(a, 40))
	require.False(t, a.Accept(2))
	a.Restore(place)
	require.Equal(t, []int32{1, 2}, allows(a, 40))
	require.False(t, a.Accept(3))
	require.Equal(t, except(40), allows(AllOf(), 40))
}

// ruled is a constraint whose mask is a function of the tokens before.
type ruled struct {
	seen   []int32
	rule   func(seen []int32) (only []int32) // nil: all
	accept func(seen []int32, id int32) bool // nil: always
}

func (r *ruled) Mask(dst []uint32) {
	for i := range dst {
		dst[i] = ^uint32(0) // beyond the vocabulary too
	}
	if only := r.rule(r.seen); only != nil {
		clear(dst)
		AllowTokens(only).Mask(dst)
	}
}

func (r *ruled) Accept(id int32) bool {
	r.seen = append(r.seen, id)
	return r.accept == nil || r.accept(r.seen, id)
}
func (r *ruled) Save() any         { return len(r.seen) }
func (r *ruled) Restore(place any) { r.seen = r.seen[:place.(int)] }

// budget forces tokens after some that are free, as the end of thinking is.
func budget(free int, forced ...int32) *ruled {
	return &ruled{rule: func(seen []int32) []int32 {
		if at := len(seen) - free; at >= 0 && at < len(forced) {
			return forced[at : at+1]
		}
		return nil
	}}
}

// constrained are constraints, and what is true of answers that keep them.
var constrained = map[string]struct {
	make func() Constraint
	kept func(tokens []int32) bool
}{
	"allow": {
		func() Constraint { return AllowTokens([]int32{20, 22, 40, 41}) },
		func(tokens []int32) bool { return len(outsideOf(tokens, 20, 22, 40, 41)) == 0 },
	},
	"forbid": {
		func() Constraint { return ForbidSequences([]int32{20, 21}, []int32{21, 22, 20}, []int32{22, 22}) },
		func(tokens []int32) bool {
			text := fmt.Sprint(tokens)
			return !contain(text, "20 21", "21 22 20", "22 22")
		},
	},
	"budget": {
		func() Constraint { return budget(30, 9, 8, 7, 9, 8, 7) },
		func(tokens []int32) bool { return slices.Equal(tokens[30:36], []int32{9, 8, 7, 9, 8, 7}) },
	},
	"nothing": {
		func() Constraint { return budget(0) },
		func([]int32) bool { return true },
	},
}

func outsideOf(tokens []int32, of ...int32) []int32 {
	return slices.DeleteFunc(slices.Clone(tokens), func(id int32) bool { return slices.Contains(of, id) })
}

func contain(text string, any ...string) bool {
	return slices.ContainsFunc(any, func(s string) bool { return len(s) > 0 && strings.Contains(text, s) })
}

// A constraint is kept, and so is every bit of the answer whatever happens to
// the request.
func TestConstraints(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	for name, tc := range constrained {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(21, 0))
			free := babbler(rng, randomTokens(rng, 150), 100)
			request := func() Request {
				r := free
				r.Constraint = tc.make()
				return r
			}
			want := complete(t, rig{path: path}.engine(t), request())
			require.NoError(t, want.err)
			require.Len(t, want.tokens, 100)
			require.True(t, tc.kept(want.tokens), want.tokens)
			unlimited := complete(t, rig{path: path}.engine(t), free)
			require.Equal(t, name == "nothing", slices.Equal(unlimited.tokens, want.tokens))
			for _, speculate := range []int{0, 6} {
				g := rig{path: path, rows: 48, Options: Options{SpeculateTokens: speculate}}
				e := g.engine(t)
				require.Equal(t, want.events, complete(t, e, request()).events)
				require.Equal(t, want.events, complete(t, e, request()).events, "after a hit")
				noteGuesses(t, e)
				inLimitedCompany(t, g, request, want)
			}
		})
	}
}

// inLimitedCompany runs among others with constraints that crowd it out.
func inLimitedCompany(t *testing.T, g rig, request func() Request, want answer) {
	h := newHooks()
	g.blocks, g.wrap, g.logits = 8, h.wrap, 12
	e := g.engine(t)
	h.hold(t)
	r := request()
	seen := &ruled{rule: func([]int32) []int32 { return nil }}
	r.Constraint, r.Priority = AllOf(r.Constraint, seen), 1
	s, err := e.Submit(t.Context(), r)
	require.NoError(t, err)
	h.await(t)
	var others []*Stream
	for range 3 {
		other := request()
		other.Prompt = other.Prompt[:60]
		s, err := e.Submit(t.Context(), other)
		require.NoError(t, err)
		others = append(others, s)
	}
	h.release()
	a := read(t.Context(), s)
	require.NoError(t, a.err)
	require.Equal(t, want.events, a.events)
	require.GreaterOrEqual(t, len(seen.seen), 99-g.SpeculateTokens, "all but those of the last step")
	require.Equal(t, a.tokens[:len(seen.seen)], seen.seen, "each token is accepted once")
	for _, s := range others {
		require.NoError(t, read(t.Context(), s).err)
	}
	require.Positive(t, e.Stats().Preemptions)
}

// A constraint that leaves nothing, or that fails, ends its request at the same
// token with and without guesses, and nobody else's.
func TestConstraintFails(t *testing.T) {
	path := tiny(t, modeltest.Shape{})
	fail := func(free int) func([]int32) []int32 {
		return func(seen []int32) []int32 {
			if len(seen) >= free {
				return []int32{}
			}
			return nil
		}
	}
	crash := func(seen []int32) []int32 {
		if len(seen) >= 12 {
			panic("a mistake")
		}
		return nil
	}
	for name, tc := range map[string]struct {
		limit   ruled
		tokens  int
		message string
	}{
		"empty":      {ruled{rule: fail(12)}, 12, "no token may follow the 12 drawn"},
		"at once":    {ruled{rule: fail(0)}, 0, "no token may follow the 0 drawn"},
		"stops only": {ruled{rule: func([]int32) []int32 { return []int32{40, 41} }}, 0, "no token may follow"},
		"beyond":     {ruled{rule: func([]int32) []int32 { return []int32{vocab, vocab + 1} }}, 0, "no token may follow"},
		"panic":      {ruled{rule: crash}, 12, "panic: a mistake"},
		"refused": {ruled{
			rule:   func([]int32) []int32 { return nil },
			accept: func(seen []int32, _ int32) bool { return len(seen) < 13 },
		}, 13, "which it has allowed"},
		"panic later": {ruled{
			rule:   func([]int32) []int32 { return nil },
			accept: func(seen []int32, _ int32) bool { return len(seen) < 13 || crash(seen) == nil },
		}, 13, "panic: a mistake"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, speculate := range []int{0, 6} {
				rng := rand.New(rand.NewPCG(22, 0))
				r := babbler(rng, randomTokens(rng, 30), 100)
				r.StopIDs, r.MinTokens = []int32{40, 41}, 50
				free := complete(t, rig{path: path}.engine(t), r)
				bad := r
				limit := tc.limit
				bad.Constraint = &limit

				h := newHooks()
				e := rig{path: path, wrap: h.wrap, logits: 32, Options: Options{SpeculateTokens: speculate}}.engine(t)
				h.hold(t)
				streams := submitAll(t, e, r, bad, r)
				h.release()
				for i, s := range streams {
					a := read(t.Context(), s)
					if i != 1 {
						require.NoError(t, a.err)
						require.Equal(t, free.events, a.events)
						continue
					}
					require.ErrorIs(t, a.err, ErrConstraint)
					require.ErrorContains(t, a.err, tc.message)
					require.Equal(t, FinishError, a.finish)
					require.Len(t, a.tokens, tc.tokens)
					require.True(t, slices.Equal(free.tokens[:tc.tokens], a.tokens), "%v, %v", free.tokens, a.tokens)
				}
				require.NoError(t, e.Healthy())
			}
		})
	}
}

// matcher makes a constraint of a grammar, as the server does.
type matcher struct{ *grammar.Matcher }

func (m matcher) Save() any         { return m.Matcher.Save() }
func (m matcher) Restore(place any) { m.Matcher.Restore(place.(grammar.State)) }

// What a grammar lets through satisfies it, at any temperature and with
// guesses, which do not change it.
func TestGrammar(t *testing.T) {
	c := newChat(t)
	ckpt, err := demo.Open()
	require.NoError(t, err)
	defer ckpt.Close()
	v := grammar.NewVocabulary(c.tok.VocabSize(), func(id int32) []byte {
		if c.tok.IsSpecial(id) {
			return nil
		}
		return c.tok.TokenBytes(id)
	}, []int32{c.eot})
	compiler, err := grammar.NewCompiler(v, grammar.DefaultLimits(), 1<<20)
	require.NoError(t, err)
	g, err := compiler.JSONSchema([]byte(`{
		"type": "array", "minItems": 6, "maxItems": 6,
		"items": {"type": "object", "properties": {"name": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 0, "maximum": 99}},
			"required": ["name", "count"], "additionalProperties": false}
	}`), grammar.SchemaOptions{DigitsOnly: true}) // as Go's integers want it
	require.NoError(t, err)
	plain, ahead := rig{}.demo(t), rig{logits: 16, Options: Options{SpeculateTokens: 8}}.demo(t)
	for seed := range uint64(short(3, 6)) {
		r := c.request(c.begin("off", "Give me a list."))
		r.Sampling.Temperature, r.Sampling.Seed, r.Sampling.TopLogprobs = 1.5, seed, 3
		r.Constraint = matcher{g.NewMatcher()}
		want := complete(t, plain, r)
		require.NoError(t, want.err)
		require.Equal(t, FinishStop, want.finish)
		r.Constraint = matcher{g.NewMatcher()}
		require.Equal(t, want.events, complete(t, ahead, r).events)

		text := c.tok.Decode(want.tokens[:len(want.tokens)-1], tokenizer.DecodeOptions{})
		var list []struct {
			Name  string
			Count int
		}
		require.NoError(t, json.Unmarshal([]byte(text), &list), text)
		require.Len(t, list, 6)
		for _, item := range list {
			require.Contains(t, []string{"red", "green"}, item.Name)
			require.True(t, item.Count >= 0 && item.Count <= 99, "%+v", item)
		}
	}
	s := ahead.Stats()
	require.Positive(t, s.AcceptedTokens)
	t.Logf("%d of %d guesses right, %d tokens in %d steps", s.AcceptedTokens, s.DraftedTokens, s.GeneratedTokens, s.Steps)
}
