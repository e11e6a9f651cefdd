package grammar

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// byteVocabulary has a token for each byte, some longer ones, and an end.
func byteVocabulary(t testing.TB) *Vocabulary {
	longer := []string{"xn", "xn--", "ai.", `kva"`, `.x`, `-une"`, `".`, `,1,`, `1,1,`, `","a",`, `", "a"`, `{"`, `":`, `",`, `"}`, `": "`, `", "`, "true", "null", "    ", "\n  ", "12", "0.", `\"`, `\u00`, "é", "日本", "abc", `"]}`, `[[`, `]]`, "name", `"name"`}
	end := int32(256 + len(longer))
	return NewVocabulary(int(end)+1, func(id int32) []byte {
		switch {
		case id < 256:
			return []byte{byte(id)}
		case id < end:
			return []byte(longer[id-256])
		}
		return nil
	}, []int32{end})
}

func newTestCompiler(t testing.TB) *Compiler {
	c, err := NewCompiler(byteVocabulary(t), DefaultLimits(), 64<<20)
	require.NoError(t, err)
	return c
}

// accepts reports whether a grammar allows a whole text.
func accepts(g *Grammar, text string) bool {
	m := g.NewMatcher()
	return m.AcceptBytes([]byte(text)) && m.MayEnd()
}

func readFixture(t testing.TB, v any, elem ...string) {
	f, err := os.Open(testdata.Shared(t, elem...))
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	data, err := io.ReadAll(z)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(data))
	require.NoError(t, d.Decode(v))
}

// schemaCase is a schema with instances.
type schemaCase struct {
	Name, Description string
	Schema            json.RawMessage
	Remote            bool
	Tests, Instances  []struct {
		Description string
		Data        json.RawMessage
		Valid       bool
	}
}

// tally counts what a grammar does with instances.
type tally struct {
	schemas, refused                        int
	accepted, rejected, wrongly, overstrict int
	reasons                                 map[string]int
}

func (y *tally) run(t *testing.T, c *Compiler, s *schemaCase, o SchemaOptions) {
	y.schemas++
	g, err := c.JSONSchema(s.Schema, o)
	if err != nil {
		var e *Error
		require.True(t, errors.As(err, &e), "%s: %v", s.Name, err)
		y.refused++
		reason := e.Message
		if i := strings.LastIndexByte(e.Where, '/'); i >= 0 {
			reason = e.Where[i:] + " " + reason
		}
		y.reasons[reason]++
		if e.Message == "no instance can satisfy the schema" {
			for _, i := range append(s.Tests, s.Instances...) {
				require.False(t, i.Valid, "%s: %s: %s", s.Name, s.Schema, i.Data)
			}
		}
		return
	}
	for _, i := range append(s.Tests, s.Instances...) {
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, i.Data))
		ok := accepts(g, compact.String())
		switch {
		case ok && i.Valid:
			y.accepted++
		case !ok && !i.Valid:
			y.rejected++
		case ok:
			y.wrongly++
			t.Errorf("%s: %s %s: accepts %s", s.Name, s.Schema, i.Description, compact.String())
		case o.DigitsOnly && strings.ContainsAny(compact.String(), ".e"):
			y.overstrict++
		default:
			y.overstrict++
			t.Errorf("%s: %.300s %s: refuses %.300s", s.Name, s.Schema, i.Description, compact.String())
		}
	}
}

func (y *tally) print(t *testing.T, name string) {
	t.Logf("%s: %d schemas, %d refused; instances: %d valid accepted, %d invalid refused, %d valid refused, %d invalid accepted",
		name, y.schemas, y.refused, y.accepted, y.rejected, y.overstrict, y.wrongly)
	if os.Getenv("VERBOSE") != "" {
		for _, r := range sortedKeys(y.reasons) {
			t.Logf("  %3d %s", y.reasons[r], r)
		}
	}
}

func TestSuite(t *testing.T) {
	var suite struct {
		Groups map[string]map[string][]schemaCase
	}
	readFixture(t, &suite, "jsonschema", "draft2020-12.json.gz")
	c := newTestCompiler(t)
	for _, group := range sortedKeys(suite.Groups) {
		for _, digits := range []bool{false, true} {
			y := &tally{reasons: map[string]int{}}
			for _, file := range sortedKeys(suite.Groups[group]) {
				for _, s := range suite.Groups[group][file] {
					if s.Remote {
						continue
					}
					s.Name = file + "/" + s.Description
					y.run(t, c, &s, SchemaOptions{AnnotateFormat: group != "format", DigitsOnly: digits})
				}
			}
			y.print(t, fmt.Sprintf("%s, integers of digits only: %t", group, digits))
			require.LessOrEqual(t, y.refused, map[string]int{"core": 20, "extra": 90, "format": 7}[group])
			require.LessOrEqual(t, y.overstrict, map[bool]int{true: 8}[digits])
		}
	}
}

func TestRealWorld(t *testing.T) {
	var file struct{ Schemas []schemaCase }
	readFixture(t, &file, "jsonschema", "real-world.json.gz")
	c := newTestCompiler(t)
	y := &tally{reasons: map[string]int{}}
	for _, s := range file.Schemas {
		y.run(t, c, &s, SchemaOptions{AnnotateFormat: true})
	}
	y.print(t, "real-world")
	require.LessOrEqual(t, y.refused, 40)
}

// Two arrays whose elements have one schema are no less than one.
func TestDistinctTwice(t *testing.T) {
	g, err := newTestCompiler(t).JSONSchema([]byte(`{"$defs":{"list":{"type":"array","uniqueItems":true,"items":{"type":"string"}}},
		"properties":{"a":{"$ref":"#/$defs/list"},"b":{"anyOf":[{"$ref":"#/$defs/list"},{"type":"null"}]}}}`), SchemaOptions{})
	require.NoError(t, err)
	require.True(t, accepts(g, `{"a":["x","y"],"b":["x"]}`))
	require.False(t, accepts(g, `{"a":["x","x"]}`))
}

// What a schema does not name is left out where it says nothing of others.
func TestNamedOnly(t *testing.T) {
	c := newTestCompiler(t)
	for _, row := range []struct{ schema, takes, refuses string }{
		{`{"properties":{"a":{}}}`, `{"a":1}`, `{"b":1}`},
		{`{"properties":{"a":{}}}`, `{}`, `{"a":1,"b":1}`},
		{`{"properties":{}}`, `{}`, `{"a":1}`},
		{`{"properties":{"a":{}},"required":["a","b"]}`, `{"a":1,"b":[]}`, `{"a":1,"b":2,"c":3}`},
		{`{"properties":{"a":{"properties":{"b":{}}}}}`, `{"a":{"b":1}}`, `{"a":{"c":1}}`},
		{`{"allOf":[{"properties":{"a":{}}},{"properties":{"b":{}}}]}`, `{"a":1,"b":1}`, `{"c":1}`},
		{`{"properties":{"a":{}},"anyOf":[{"required":["a"]},{"properties":{"b":{}},"required":["b"]}]}`, `{"a":1,"b":1}`, `{"a":1,"c":1}`},
		{`{"$ref":"#/$defs/x","properties":{"a":{}},"$defs":{"x":{"properties":{"b":{}}}}}`, `{"a":1,"b":1}`, `{"c":1}`},
		{`{"properties":{"k":{"enum":[1,2]}},"if":{"properties":{"k":{"const":1}}},"then":{"properties":{"x":{}}},"else":{"properties":{"y":{}}}}`, `{"k":2,"y":1}`, `{"k":2,"x":1}`},
		{`{"properties":{"a":{}},"dependentRequired":{"a":["b"]}}`, `{"a":1,"b":1}`, `{"b":1,"c":1}`},
		{`{"properties":{"a":{},"b":{}},"minProperties":2}`, `{"a":1,"b":1}`, `{"a":1,"c":1}`},
		// Here something is said of others, or no member is named.
		{`{"properties":{"a":{}},"additionalProperties":true}`, `{"a":1,"b":1}`, `x`},
		{`{"properties":{"a":{}},"unevaluatedProperties":true}`, `{"a":1,"b":1}`, `x`},
		{`{"properties":{"a":{}},"additionalProperties":{"type":"string"},"unevaluatedProperties":true}`, `{"b":""}`, `{"b":1}`},
		{`{"properties":{"a":{}},"additionalProperties":{"type":"string"}}`, `{"a":1,"b":""}`, `{"b":1}`},
		{`{"properties":{"a":{}},"patternProperties":{"^x":{"type":"string"}}}`, `{"xa":"","b":1}`, `{"xa":1}`},
		{`{"allOf":[{"properties":{"a":{}}},{"additionalProperties":true}]}`, `{"b":1}`, `x`},
		{`{"properties":{"a":{}},"propertyNames":{"pattern":"^.$"}}`, `{"b":1}`, `{"bc":1}`},
		{`{"properties":{},"minProperties":1}`, `{"b":1}`, `{}`},
		{`{"type":"object"}`, `{"b":1}`, `x`},
		{`{"type":"object","required":["a"]}`, `{"a":1,"b":1}`, `{"b":1}`},
		{`{"type":"object","not":{"required":["a"]}}`, `{"b":1}`, `{"a":1}`},
	} {
		g, err := c.JSONSchema([]byte(row.schema), SchemaOptions{NamedOnly: true})
		require.NoError(t, err, row.schema)
		require.True(t, accepts(g, row.takes), row.schema)
		require.False(t, accepts(g, row.refuses), row.schema)
	}
}

// Members come in the order of the document, and none is passed by that must come.
func TestInOrder(t *testing.T) {
	c := newTestCompiler(t)
	const cba = `"properties":{"c":{},"b":{},"a":{}}`
	const last = `,"additionalProperties":false`
	for _, row := range []struct {
		schema         string
		takes, refuses []string
	}{
		{`{` + cba + `,"required":["b"]` + last + `}`,
			[]string{`{"c":1,"b":1,"a":1}`, `{"b":1}`, `{"b":1,"a":1}`, `{"c":1,"b":1}`}, []string{`{}`, `{"c":1,"a":1`, `{"a":1`, `{"b":1,"c":1`, `{"c":1,"b":1,"c"`}},
		{`{` + cba + last + `}`, []string{`{}`, `{"a":1}`, `{"c":1,"a":1}`}, []string{`{"a":1,"c":1}`, `{"b":1,"c"`}},
		{`{"allOf":[{` + cba + `},{"properties":{"d":{},"b":{"type":"string"}},"required":["z","y"],"additionalProperties":true}],"properties":{"e":{},"z":{}}}`,
			[]string{`{"z":1,"d":1,"y":1}`}, []string{`{"z":1,"e":1}`}}, // others may come: no order
		{`{"allOf":[{` + cba + `},{"properties":{"d":{},"b":{"type":"string"}},"required":["y"]}],"properties":{"e":{}}}`,
			[]string{`{"c":1,"b":"","a":1,"d":1,"e":1,"y":1}`, `{"e":1,"y":1}`}, []string{`{"y":1,"e":1`, `{"d":1,"b"`, `{"e":1,"c"`}},
		{`{"$ref":"#/$defs/~1~0","$defs":{"/~":{"properties":{"b":{"properties":{"y":{},"x":{}}},"a":{}}}}}`,
			[]string{`{"b":{"y":1,"x":1},"a":1}`}, []string{`{"b":{"x":1,"y":1`, `{"a":1,"b"`}},
		{`{` + cba + `,"maxProperties":2,"required":["a"]}`, []string{`{"c":1,"a":1}`, `{"a":1}`}, []string{`{"c":1,"b":1`, `{"a":1,"b"`}},
		// Here the order would lead to objects that cannot end.
		{`{` + cba + `,"minProperties":2}`, []string{`{"a":1,"c":1}`, `{"c":1,"a":1}`}, []string{`{"a":1}`}},
		{`{` + cba + `,"dependentRequired":{"a":["c"]}}`, []string{`{"a":1,"c":1}`}, []string{`{"a":1}`}},
		// propertyNames has no order; after its last name no comma may come.
		{`{"type":"object","propertyNames":{"enum":["a","b"]}}`, []string{`{"b":1,"a":1}`, `{"a":1}`}, []string{`{"b":1,"a":1,`, `{"c"`}},
	} {
		g, err := c.JSONSchema([]byte(row.schema), SchemaOptions{NamedOnly: true, InOrder: true})
		require.NoError(t, err, row.schema)
		for _, text := range row.takes {
			require.True(t, accepts(g, text), "%s: %s", row.schema, text)
		}
		for _, text := range row.refuses {
			m := g.NewMatcher()
			require.False(t, m.AcceptBytes([]byte(text)) && (m.MayEnd() || text[len(text)-1] != '}'), "%s: %s", row.schema, text)
		}
		free, err := c.JSONSchema([]byte(row.schema), SchemaOptions{NamedOnly: true})
		require.NoError(t, err)
		for _, text := range row.takes {
			require.True(t, accepts(free, text))
		}
	}
}

// TestContains: an element comes only where the array can still be completed.
func TestContains(t *testing.T) {
	c := newTestCompiler(t)
	for _, k := range []struct{ schema, after, next string }{
		{`{"maxItems":1,"contains":{"type":"array"}}`, "[", "["},
		{`{"maxItems":2,"contains":{"type":"array"},"minContains":2}`, "[[]", ","},
		{`{"maxItems":3,"contains":{"const":"x"}}`, "[1,2,", `"`},
		{`{"maxItems":3,"contains":{"const":"x"}}`, `["x",2`, ".,]0123456789Ee"},
		{`{"minItems":3,"maxItems":3,"contains":{"const":1},"items":{"enum":[1,2]},"maxContains":1}`, "[1,", "2"},
		{`{"prefixItems":[{"const":1},{"const":2},false],"contains":{"const":2}}`, "[1,2", "]"},
		{`{"prefixItems":[{"const":1},false],"contains":{"const":1},"minContains":1}`, "[1", "]"},
	} {
		g, err := c.JSONSchema([]byte(`{"type":"array",`+k.schema[1:]), SchemaOptions{DigitsOnly: true})
		require.NoError(t, err)
		m := g.NewMatcher()
		require.True(t, m.AcceptBytes([]byte(k.after)), "%s: %s", k.schema, k.after)
		next := ""
		for b := range byte(127) {
			if b > ' ' && mayCome(m, b) {
				next += string(b)
			}
		}
		require.ElementsMatch(t, []byte(k.next), []byte(next), "%s: %s", k.schema, k.after)
	}
	_, err := c.JSONSchema([]byte(`{"type":"array","prefixItems":[{"const":1},false],"contains":{"const":2}}`), SchemaOptions{})
	require.ErrorContains(t, err, "no instance")
}

// mayCome reports whether a byte may come next.
func mayCome(m *Matcher, b byte) bool {
	before := m.Save()
	defer m.Restore(before)
	return m.AcceptBytes([]byte{b})
}
