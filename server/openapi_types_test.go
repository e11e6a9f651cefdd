package server

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
)

// responseTypes are the types of answers and the schemas that describe them.
// Where a type stands for several schemas, its members are those of all, and
// only what all of them have is always there.
var responseTypes = []struct {
	value   any
	schemas []string
}{
	{chatResponse{}, []string{"Chat"}},
	{chatChunk{}, []string{"ChatChunk"}},
	{callPart{}, []string{"ToolCall", "ToolCallDelta"}},
	{chatLogprobs{}, []string{"ChatLogprobs"}},
	{logprob{}, []string{"TokenLogprob"}},
	{completionResponse{}, []string{"Completion", "CompletionChunk"}},
	{completionChoice{}, []string{"CompletionChoice"}},
	{completionLogprobs{}, []string{"CompletionLogprobs"}},
	{renderedPrompt{}, []string{"RenderedPrompt"}},
	{usage{}, []string{"Usage"}},
	{completionDetails{}, []string{"CompletionTokensDetails"}},
	{timings{}, []string{"Timings"}},
	{anthropicMessage{}, []string{"Message"}},
	{contentBlock{}, []string{"ContentBlock"}},
	{anthropicUsage{}, []string{"MessageUsage"}},
	{messageEvent{}, []string{"MessageEvent"}},
	{anthropicError{}, []string{"MessageError"}},
	{responseObject{}, []string{"Response"}},
	{outputItem{}, []string{"OutputItem"}},
	{inputItem{}, []string{"OutputItem", "KeptItem"}},
	{itemList{}, []string{"InputItemList"}},
	{outputPart{}, []string{"TextPart", "ReasoningPart"}},
	{responseEvent{}, []string{"ResponseEvent"}},
	{tokenizeResponse{}, []string{"Tokens"}},
	{modelList{}, []string{"ModelList"}},
	{modelCard{}, []string{"Model"}},
	{health{}, []string{"Health"}},
	{license{}, []string{"License"}},
	{metadata{}, []string{"Metadata"}},
	{errorBody{}, []string{"Error"}},
}

// typeCheck holds types against schemas, member by member.
type typeCheck struct {
	*testing.T
	requestWalk
	several map[reflect.Type]bool // types that stand for several schemas
}

// The members of answers, which of them are always there and of which types they
// are, is the same in the code and in the document.
func TestOpenAPITypes(t *testing.T) {
	c := &typeCheck{t, requestWalk{document: documents().Own}, map[reflect.Type]bool{}}
	for _, r := range responseTypes {
		c.several[reflect.TypeOf(r.value)] = len(r.schemas) > 1
	}
	for _, r := range responseTypes {
		var schemas []map[string]any
		for _, name := range r.schemas {
			schemas = append(schemas, map[string]any{"$ref": "#/components/schemas/" + name})
		}
		c.check(strings.Join(r.schemas, "|"), reflect.TypeOf(r.value), schemas, false)
	}
}

// check holds a type against the schemas that it stands for; in part: it stands
// for further ones elsewhere, which have members that these have not.
func (c *typeCheck) check(name string, typ reflect.Type, schemas []map[string]any, part bool) {
	typ = pointed(typ)
	var all []map[string]any
	for _, schema := range schemas {
		for _, one := range c.alternatives(c.merged(schema)) {
			if one["type"] != "null" {
				all = append(all, one)
			}
		}
	}
	switch {
	case typ == reflect.TypeFor[jsontext.Value](), typ.Kind() == reflect.Interface:
		return // any
	case typ.Kind() == reflect.Struct:
		c.checkMembers(name, typ, all, part)
	case typ.Kind() == reflect.Slice:
		for _, one := range all {
			if items, ok := one["items"].(map[string]any); ok {
				c.check(name+"[]", typ.Elem(), []map[string]any{items}, part || c.several[pointed(typ.Elem())])
			}
		}
	}
	for _, one := range all {
		if kinds := schemaKinds(one); len(kinds) > 0 {
			require.Contains(c, kinds, jsonKind(typ), name)
		}
	}
}

func (c *typeCheck) checkMembers(name string, typ reflect.Type, all []map[string]any, part bool) {
	described := map[string][]map[string]any{}
	required := map[string]int{}
	for _, one := range all {
		properties, _ := one["properties"].(map[string]any)
		for member, schema := range properties {
			described[member] = append(described[member], schema.(map[string]any))
		}
		list, _ := one["required"].([]any)
		for _, member := range slices.Compact(slices.Sorted(maps.Keys(asSet(list)))) {
			required[member]++
		}
	}
	var has []string
	for field := range members(typ) {
		member, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		has = append(has, member)
		c.check(name+"."+member, field.Type, described[member], part || c.several[pointed(field.Type)])
		always := !strings.Contains(options, "omit")
		if always || !part && len(all) == 1 {
			require.Equal(c, always, required[member] == len(all), "%s.%s: whether it is always there", name, member)
		}
	}
	if part {
		require.Subset(c, has, slices.Collect(maps.Keys(described)), name)
	} else {
		require.ElementsMatch(c, has, slices.Collect(maps.Keys(described)), name)
	}
}

func pointed(typ reflect.Type) reflect.Type {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ
}

func asSet(list []any) map[string]bool {
	set := map[string]bool{}
	for _, v := range list {
		set[v.(string)] = true
	}
	return set
}

// members returns the fields of a struct that are in its JSON.
func members(typ reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for _, field := range reflect.VisibleFields(typ) {
			if field.Tag.Get("json") != "" && !yield(field) {
				return
			}
		}
	}
}

// jsonKind is how JSON schemas call a type.
func jsonKind(typ reflect.Type) string {
	switch typ.Kind() {
	case reflect.Struct, reflect.Map:
		return "object"
	case reflect.Slice:
		return "array"
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float32, reflect.Float64:
		return "number"
	}
	return "integer"
}

// schemaKinds returns the types that a schema allows.
func schemaKinds(schema map[string]any) (kinds []string) {
	switch given := schema["type"].(type) {
	case string:
		return []string{given}
	case []any:
		for _, kind := range given {
			kinds = append(kinds, kind.(string))
		}
	}
	if values, ok := schema["enum"].([]any); ok {
		for _, v := range values {
			if _, ok := v.(string); ok {
				return []string{"string"}
			}
		}
	}
	switch schema["const"].(type) {
	case string:
		return []string{"string"}
	case bool:
		return []string{"boolean"}
	}
	return kinds
}
