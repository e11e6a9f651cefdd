package grammar

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

// randomSchema writes schemas of all keywords that are kept.
type randomSchema struct{ *rand.Rand }

func (r *randomSchema) schema(depth int) any {
	if depth == 0 {
		return r.scalar()
	}
	switch r.IntN(12) {
	case 0, 1, 2:
		return r.object(depth)
	case 3, 4:
		return r.array(depth)
	case 5:
		return map[string]any{"anyOf": []any{r.schema(depth - 1), r.schema(depth - 1)}}
	case 6:
		return map[string]any{"allOf": []any{map[string]any{"type": "integer", "minimum": r.IntN(5)}, map[string]any{"maximum": 5 + r.IntN(900)}}}
	case 7:
		return map[string]any{"oneOf": []any{map[string]any{"type": "string", "maxLength": 5}, r.object(depth), map[string]any{"const": r.IntN(3)}}}
	case 8:
		return map[string]any{"$ref": "#/$defs/shared"}
	case 9:
		return map[string]any{"type": []any{"string", "null", "boolean"}, "not": map[string]any{"enum": []any{"a", true}}}
	}
	return r.scalar()
}

func (r *randomSchema) scalar() any {
	switch r.IntN(10) {
	case 0:
		return map[string]any{"type": "string", "minLength": r.IntN(4), "maxLength": 4 + r.IntN(20)}
	case 1:
		return map[string]any{"type": "string", "pattern": []string{`^[a-c]+$`, `\d{2}`, `^x|y$`, `^(ab|cd)*e?$`}[r.IntN(4)]}
	case 2:
		low := r.IntN(2000) - 1000
		return map[string]any{"type": "integer", "minimum": low, "maximum": low + r.IntN(500)}
	case 3:
		return map[string]any{"type": "number", "exclusiveMinimum": float64(r.IntN(100)) / 8, "multipleOf": 0.25}
	case 4:
		return map[string]any{"enum": []any{"a", "ab", 1, 2.5, nil, true, []any{1, "x"}, map[string]any{"k": 1}}[:1+r.IntN(8)]}
	case 5:
		return map[string]any{"type": "string", "format": []string{"date", "date-time", "ipv4", "uuid", "email", "time", "hostname"}[r.IntN(7)]}
	case 6:
		return map[string]any{"type": []string{"boolean", "null", "number", "integer", "string"}[r.IntN(5)]}
	case 7:
		not := []map[string]any{{"pattern": "^b"}, {"enum": []any{"ab", "c"}}, {"format": "date"}}[r.IntN(3)]
		return map[string]any{"type": "string", "not": not, "maxLength": 2 + r.IntN(12)}
	case 8:
		return map[string]any{"type": "number", "minimum": -1.5, "maximum": float64(r.IntN(1000)) / 100}
	}
	return map[string]any{"const": fmt.Sprintf("c%d\n\"", r.IntN(3))}
}

func (r *randomSchema) object(depth int) any {
	members, required := map[string]any{}, []any{}
	for i := range r.IntN(4) {
		name := []string{"a", "ab", "é\"", "name"}[i]
		members[name] = r.schema(depth - 1)
		if r.IntN(2) == 0 {
			required = append(required, name)
		} else if r.IntN(4) == 0 {
			members[name] = false
		}
	}
	s := map[string]any{"type": "object", "properties": members, "required": required}
	switch r.IntN(5) {
	case 0:
		s["additionalProperties"] = r.schema(0)
		s["maxProperties"] = len(required) + r.IntN(3)
	case 1:
		s["patternProperties"] = map[string]any{"^x": r.schema(0), "y$": map[string]any{"type": "string"}}
		s["additionalProperties"] = false
	case 2:
		s["dependentRequired"] = map[string]any{"a": []any{"ab"}}
		s["propertyNames"] = map[string]any{"maxLength": 5}
	default:
		s["additionalProperties"] = false
	}
	return s
}

func (r *randomSchema) array(depth int) any {
	s := map[string]any{"type": "array", "items": r.schema(depth - 1)}
	switch r.IntN(4) {
	case 0:
		s["minItems"], s["maxItems"] = r.IntN(3), 2+r.IntN(4)
	case 1:
		s["prefixItems"] = []any{r.schema(0), r.schema(0)}
		s["items"] = false
	case 2:
		s["items"] = map[string]any{"type": "integer"}
		s["contains"], s["maxContains"] = map[string]any{"minimum": 5}, 2
		if r.IntN(2) == 0 {
			s["minContains"], s["maxItems"] = 1+r.IntN(2), 2+r.IntN(2)
		}
	default:
		s["uniqueItems"], s["items"] = true, map[string]any{"type": []any{"string", "integer"}}
		s["maxItems"] = 5
	}
	return s
}

// What random walks through masks write satisfies the schema, by the verdict of
// another program: 10,000 pairs of a schema and a text.
func TestSamples(t *testing.T) {
	pairs := 10_000
	if testing.Short() {
		pairs = 1000
	}
	c := newTestCompiler(t)
	mask := make([]uint32, c.Vocabulary().Words())
	made, refused, unfinished := 0, 0, 0
	for seed := uint64(1); made < pairs; seed++ {
		r := &randomSchema{rand.New(rand.NewPCG(seed, 7))}
		schema := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": map[string]any{"shared": r.object(1)}, "allOf": []any{r.schema(3)}}
		text, err := json.Marshal(schema)
		require.NoError(t, err)
		g, err := c.JSONSchema(text, SchemaOptions{DigitsOnly: seed%2 == 0, NamedOnly: seed%3 == 0, InOrder: seed%5 < 3})
		if err != nil {
			refused++
			require.Less(t, refused, 1000+pairs/5, "%s: %v", text, err)
			continue
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
		require.NoError(t, err)
		oracle := jsonschema.NewCompiler()
		oracle.AssertFormat()
		require.NoError(t, oracle.AddResource("mem:///s.json", doc))
		valid, err := oracle.Compile("mem:///s.json")
		require.NoError(t, err, "%s", text)
		for range 10 {
			out, ok := sample(r.Rand, g, mask)
			if !ok {
				unfinished++
				continue
			}
			made++
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
			require.NoError(t, err, "%s: %q", text, out)
			require.NoError(t, valid.Validate(value), "%s: %q", text, out)
		}
	}
	t.Logf("%d texts satisfy their schemas; %d schemas refused, %d texts had no end after 400 tokens", made, refused, unfinished)
}

// sample writes a random text; false: it had no end after 400 tokens.
func sample(rng *rand.Rand, g *Grammar, mask []uint32) (string, bool) {
	m := g.NewMatcher()
	v := g.vocabulary
	var out strings.Builder
	for range 400 {
		m.Mask(mask)
		end := v.end[0]
		if mask[end>>5]>>(end&31)&1 == 1 && rng.IntN(3) == 0 {
			return out.String(), true
		}
		id := pick(rng, mask)
		if rng.IntN(3) > 0 { // prefer what closes
			for _, b := range []byte(`"}]`) {
				if mask[b>>5]>>(b&31)&1 == 1 {
					id = int32(b)
				}
			}
		}
		if id < 0 {
			panic("a dead end after " + out.String())
		}
		if !m.Accept(id) {
			panic("the mask allows what cannot be read")
		}
		if id == end {
			return out.String(), true
		}
		out.Write(v.tokens[id])
	}
	return "", false
}

func FuzzJSONSchema(f *testing.F) {
	f.Add(`{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"a":{}}`)
	f.Add(`{"anyOf":[{"type":"array","items":{"enum":[1,"x"]},"uniqueItems":true},{"not":{"type":"array"}}]}`, `[1]`)
	f.Add(`{"properties":{"b":{},"a":{}},"required":["a"],"maxProperties":2}`, `{"b":1,"a":2}`)
	f.Add(`{"oneOf":[{"required":["a"]},{"minimum":3}],"if":{"type":"string"},"then":{"pattern":"^a"}}`, `"abc"`)
	c, err := NewCompiler(byteVocabulary(f), Limits{Bytes: 1 << 16, States: 3000, Steps: 2_000_000, Depth: 64}, 1<<20)
	require.NoError(f, err)
	mask := make([]uint32, c.Vocabulary().Words())
	f.Fuzz(func(t *testing.T, schema, text string) {
		narrow := len(schema)%2 == 0
		g, err := c.JSONSchema([]byte(schema), SchemaOptions{AnnotateFormat: true, NamedOnly: narrow, InOrder: narrow})
		if err != nil {
			return
		}
		m := g.NewMatcher()
		m.Mask(mask)
		if len(text) < 200 && m.AcceptBytes([]byte(text)) {
			m.Mask(mask)
			if m.MayEnd() {
				require.True(t, json.Valid([]byte(text)), "%s: %q", schema, text)
			}
		}
	})
}
