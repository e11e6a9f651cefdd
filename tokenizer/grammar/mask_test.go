package grammar

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// llamaVocabulary is the vocabulary of Llama 3: 128,000 tokens and an end.
func llamaVocabulary(t testing.TB) *Vocabulary {
	f, err := os.Open(testdata.Shared(t, "nemotron", "tokenizer", "llama3-encoder.json.gz"))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var ids map[string]int32
	require.NoError(t, json.NewDecoder(z).Decode(&ids))
	// GPT-2 spells bytes as printable characters.
	bytes := map[rune]byte{}
	next := rune(256)
	for b := range 256 {
		if r := rune(b); b >= '!' && b <= '~' || b >= 0xa1 && b != 0xad {
			bytes[r] = byte(b)
		} else {
			bytes[next] = byte(b)
			next++
		}
	}
	tokens := make([][]byte, len(ids)+1)
	for text, id := range ids {
		for _, r := range text {
			tokens[id] = append(tokens[id], bytes[r])
		}
	}
	return NewVocabulary(len(tokens), func(id int32) []byte { return tokens[id] }, []int32{int32(len(ids))})
}

// constraints are grammars of all kinds, for tests of masks.
func constraints(t testing.TB, c *Compiler) map[string]*Grammar {
	list := map[string]*Grammar{}
	add := func(name string, g *Grammar, err error) {
		require.NoError(t, err, name)
		list[name] = g
	}
	schema := func(name, text string) {
		g, err := c.JSONSchema([]byte(text), SchemaOptions{})
		add(name, g, err)
	}
	g, err := c.JSONObject()
	add("object", g, err)
	g, err = c.Regex(`[a-z]{2,8}(-\d+)?|ü+`)
	add("regex", g, err)
	g, err = c.Regex(`(.|\n)*`)
	add("anything", g, err)
	g, err = c.Choice([]string{"true", "tree", "日本", "12"})
	add("choice", g, err)
	g, err = c.GBNF("root ::= list\nlist ::= \"[\" (item (\",\" item)*)? \"]\"\nitem ::= list | [0-9]+ | \"\\\"\" [^\"]* \"\\\"\"")
	add("gbnf", g, err)
	schema("members", `{"type":"object","properties":{"name":{"type":"string","maxLength":5},"na":{"enum":[1,"a",null]},"age":{"type":"integer","minimum":0,"maximum":120}},"required":["name"],"additionalProperties":false}`)
	schema("open members", `{"type":"object","properties":{"abc":{"type":"boolean"}},"patternProperties":{"^x":{"type":"null"}},"additionalProperties":{"type":"string","minLength":2}}`)
	schema("distinct", `{"type":"array","uniqueItems":true,"items":{"type":["string","integer"]},"minItems":2}`)
	schema("once", `{"type":"array","uniqueItems":true,"items":{"enum":["a","ab",1,12]}}`)
	schema("recursive", `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"number"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["v","next"],"additionalProperties":false}}}`)
	schema("contains", `{"type":"array","contains":{"const":1},"minContains":2,"maxContains":3,"items":{"type":"integer"}}`)
	schema("pattern", `{"type":"string","pattern":"^[A-Z][a-z]+( [A-Z][a-z]+)*$","maxLength":20}`)
	schema("format", `{"type":"array","items":{"type":"string","format":"date-time"}}`)
	schema("host", `{"type":"array","items":{"type":"string","format":"hostname"}}`)
	schema("mail", `{"type":"array","items":{"type":"string","format":"email"}}`)
	return list
}

// A mask has exactly the tokens that can be read, along random texts that never
// come to a dead end.
func TestMask(t *testing.T) {
	c := newTestCompiler(t)
	v := c.Vocabulary()
	mask := make([]uint32, v.Words())
	list := constraints(t, c)
	for _, name := range sortedKeys(list) {
		g := list[name]
		rng := rand.New(rand.NewPCG(1, 3))
		ended := 0
		for range 8 {
			m := g.NewMatcher()
			for range 40 {
				m.Mask(mask)
				allowed := checkMask(t, m, mask, name)
				id := allowed[rng.IntN(len(allowed))]
				require.True(t, m.Accept(id))
				if slices.Contains(v.end, id) {
					ended++
					m.Mask(mask)
					require.Zero(t, count(mask))
					break
				}
			}
		}
		if name != "recursive" && name != "contains" {
			require.Positive(t, ended, name)
		}
	}
}

// checkMask holds a mask against what a matcher can read, and returns the tokens.
func checkMask(t *testing.T, m *Matcher, mask []uint32, name string) (allowed []int32) {
	t.Helper()
	v := m.g.vocabulary
	for id := range int32(v.size) {
		before := m.Save()
		can := m.Accept(id)
		m.Restore(before)
		require.Equal(t, can, mask[id>>5]>>(id&31)&1 == 1, "%s: token %d %q", name, id, v.tokens[id])
		if can {
			allowed = append(allowed, id)
		}
	}
	require.NotEmpty(t, allowed, "%s: a dead end", name)
	require.Equal(t, len(allowed), count(mask))
	return allowed
}

// A token may end one element and hold another one, which differs from it too.
func TestDistinctMask(t *testing.T) {
	c := newTestCompiler(t)
	mask := make([]uint32, c.Vocabulary().Words())
	g, err := c.JSONSchema([]byte(`{"type":"array","uniqueItems":true,"items":{"type":["string","integer","null"]}}`), SchemaOptions{})
	require.NoError(t, err)
	for _, begin := range []string{`[`, `[1`, `["`, `["a`, `["b`, `["b","a`, `[null`, `["a",`, `["a","`, `[12,1`} {
		m := g.NewMatcher()
		require.True(t, m.AcceptBytes([]byte(begin)))
		m.Mask(mask)
		checkMask(t, m, mask, begin)
	}
}

func TestMatcherRefuses(t *testing.T) {
	c := newTestCompiler(t)
	g, err := c.Choice([]string{"ab"})
	require.NoError(t, err)
	m := g.NewMatcher()
	end := c.Vocabulary().end[0]
	require.False(t, m.Accept(-1))
	require.False(t, m.Accept(end+1))
	require.False(t, m.Accept(end), "nothing was read")
	require.False(t, m.Accept('b'))
	require.True(t, m.Accept('a'))
	require.False(t, m.MayEnd())
	at := m.Save()
	require.True(t, m.Accept('b'))
	require.True(t, m.MayEnd() && m.Complete())
	m.Restore(at)
	require.False(t, m.MayEnd())
	require.True(t, m.Accept('b'))
	require.True(t, m.Accept(end))
	require.False(t, m.Accept('a'), "after the end")
}

// BenchmarkMask makes masks for a vocabulary of 128,000 tokens along random
// texts. It reports percentiles in microseconds of the thread's own time; what a
// state costs when it is met for the first time is in them.
func BenchmarkMask(b *testing.B) {
	v := llamaVocabulary(b)
	c, err := NewCompiler(v, DefaultLimits(), 256<<20)
	require.NoError(b, err)
	mask := make([]uint32, v.Words())
	list := constraints(b, c)
	for _, name := range sortedKeys(list) {
		b.Run(name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			rng := rand.New(rand.NewPCG(3, 4))
			var times []float64
			m := list[name].NewMatcher()
			for b.Loop() {
				start := clock()
				m.Mask(mask)
				times = append(times, float64(clock()-start)/1e3)
				id := pick(rng, mask)
				if id < 0 || !m.Accept(id) || m.Complete() || len(times)%200 == 0 {
					m = list[name].NewMatcher()
				}
			}
			reportTimes(b, times)
		})
	}
}

// reportTimes reports the median, the 99th percentile and the most, in microseconds.
func reportTimes(b *testing.B, times []float64) {
	sort.Float64s(times)
	for _, p := range []int{50, 99} {
		b.ReportMetric(times[len(times)*p/100], fmt.Sprintf("p%d-µs", p))
	}
	b.ReportMetric(times[len(times)-1], "max-µs")
}

// BenchmarkRealSchemas makes the masks along the valid instances of schemas in
// use, each step once: what is met for the first time after compiling is in them.
func BenchmarkRealSchemas(b *testing.B) {
	v := llamaVocabulary(b)
	var file struct{ Schemas []schemaCase }
	readFixture(b, &file, "jsonschema", "real-world.json.gz")
	mask := make([]uint32, v.Words())
	var times []float64
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for b.Loop() {
		c, err := NewCompiler(v, DefaultLimits(), 256<<20)
		require.NoError(b, err)
		for _, s := range file.Schemas {
			g, err := c.JSONSchema(s.Schema, SchemaOptions{})
			if err != nil {
				continue // it is refused
			}
			for _, i := range s.Instances {
				m := g.NewMatcher()
				for _, id := range longestTokens(v, i.Data) {
					start := clock()
					m.Mask(mask)
					times = append(times, float64(clock()-start)/1e3)
					if !m.Accept(id) {
						break
					}
				}
			}
		}
	}
	b.ReportMetric(float64(len(times)), "steps")
	reportTimes(b, times)
}

// longestTokens cuts a text into the longest tokens from its beginning on.
func longestTokens(v *Vocabulary, text []byte) (ids []int32) {
	t := &v.trie
	for len(text) > 0 {
		id, size := int32(-1), 0
		for i, depth := 0, 0; i < len(t.nodes) && depth < len(text); {
			n := &t.nodes[i]
			switch {
			case int(n.depth) != depth+1: // nothing below the last node fits
				i = len(t.nodes)
			case n.b != text[depth]:
				i = int(n.skip)
			default:
				if depth++; n.first < n.last {
					id, size = t.ids[n.first], depth
				}
				i++
			}
		}
		if id < 0 {
			break
		}
		ids, text = append(ids, id), text[size:]
	}
	return ids
}

// pick returns a random token of a mask; -1 where it is empty.
func pick(rng *rand.Rand, mask []uint32) int32 {
	n := count(mask)
	if n == 0 {
		return -1
	}
	skip := rng.IntN(n)
	for i, w := range mask {
		for ; w != 0; w &= w - 1 {
			if skip == 0 {
				bit := int32(0)
				for w>>bit&1 == 0 {
					bit++
				}
				return int32(i)<<5 + bit
			}
			skip--
		}
	}
	return -1
}

func BenchmarkCompile(b *testing.B) {
	v := llamaVocabulary(b)
	for b.Loop() {
		c, err := NewCompiler(v, DefaultLimits(), 256<<20)
		require.NoError(b, err)
		constraints(b, c)
	}
}

// count returns the number of tokens that a mask allows.
func count(mask []uint32) int {
	n := 0
	for _, w := range mask {
		n += bits.OnesCount32(w)
	}
	return n
}
