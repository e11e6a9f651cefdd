package grammar

import (
	"bytes"
	"encoding/json"
	"io"
	"net/url"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// document is a JSON schema with all its parts that can be referred to.
type document struct {
	root     any
	legacy   bool // draft 7 or older: $ref stands alone
	draft    int  // 4, 6 or 7; 0: newer
	byURI    map[string]place
	parts    map[string]place // by JSON pointer
	pointers int              // bytes of all pointers and URIs
}

// place is a schema within a document.
type place struct {
	schema any    // an object or a boolean
	where  string // its JSON pointer, as "#/properties/a"
	base   string // URI that its references are relative to
	origin string // "made": by this package; "": the document
}

// parseDocument reads a schema and finds its parts.
func parseDocument(text []byte, maxDepth int) (*document, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	d := &document{byURI: map[string]place{}, parts: map[string]place{}}
	if err := decoder.Decode(&d.root); err != nil {
		return nil, failf("", "the schema is no JSON: %v", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, failf("", "something follows the schema")
	}
	root, _ := d.root.(map[string]any)
	if dialect, ok := root["$schema"].(string); ok {
		for _, old := range []int{3, 4, 6, 7} {
			if strings.Contains(dialect, "draft-0"+itoa(old)) {
				d.legacy, d.draft = true, old
			}
		}
	}
	d.byURI[""] = place{d.root, "#", "", ""}
	return d, d.index(d.root, "#", "", maxDepth)
}

// maxPointers bounds the bytes of all pointers and URIs in a schema. Each repeats
// the names above it, so that one long name could make a small schema cost much.
const maxPointers = 16 << 20

// positions numbers the members of a document in the order in which they stand,
// by their pointers. Those beyond maxPointers have no number.
func positions(text []byte) map[string]int {
	order, total := map[string]int{}, 0
	// What is no JSON in a stricter sense was read all the same: it has no order.
	for d := jsontext.NewDecoder(bytes.NewReader(text), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); total <= maxPointers; {
		if _, err := d.ReadToken(); err != nil {
			break
		}
		if kind, n := d.StackIndex(d.StackDepth()); kind == '{' && n%2 == 1 { // a name was read
			where := "#" + string(d.StackPointer())
			order[where] = len(order)
			total += len(where)
		}
	}
	return order
}

// later are keywords by the draft that introduced them.
var later = map[string]int{
	"const": 6, "contains": 6, "propertyNames": 6, "if": 7, "then": 7, "else": 7,
	"prefixItems": 8, "dependentRequired": 8, "dependentSchemas": 8, "minContains": 8, "maxContains": 8,
	"unevaluatedItems": 8, "unevaluatedProperties": 8, "$dynamicRef": 8, "$recursiveRef": 8,
}

// known returns a schema without the keywords that its draft does not have.
func (d *document) known(schema map[string]any) map[string]any {
	if d.draft == 0 {
		return schema
	}
	kept := map[string]any{}
	for keyword, v := range schema {
		if later[keyword] <= d.draft {
			kept[keyword] = v
		}
	}
	return kept
}

// whole returns the schema itself.
func (d *document) whole() place {
	if p, ok := d.parts["#"]; ok {
		return p
	}
	return place{d.root, "#", "", ""}
}

// index notes a value and all below it. Where keywords hold no schema nothing is
// lost: only what is referred to is looked up.
func (d *document) index(v any, where, base string, depth int) error {
	if depth == 0 {
		return &Error{Where: where[:min(len(where), 80)], Message: "the schema nests too deeply", Limit: true}
	}
	if d.pointers += len(where) + len(base); d.pointers > maxPointers {
		return &Error{Where: where[:min(len(where), 80)], Message: "the names in the schema are too long", Limit: true}
	}
	switch v := v.(type) {
	case map[string]any:
		base = d.identify(v, where, base)
		d.parts[where] = place{v, where, base, ""}
		for _, key := range sortedKeys(v) {
			if key == "enum" || key == "const" {
				continue
			}
			if err := d.index(v[key], where+"/"+escapePointer(key), base, depth-1); err != nil {
				return err
			}
		}
	case []any:
		for i, item := range v {
			if err := d.index(item, where+"/"+itoa(i), base, depth-1); err != nil {
				return err
			}
		}
	case bool:
		d.parts[where] = place{v, where, base, ""}
	}
	return nil
}

// identify notes the URI and the anchors of a schema, and returns the base for
// what is inside it.
func (d *document) identify(v map[string]any, where, base string) string {
	for _, key := range []string{"$id", "id"} {
		id, ok := v[key].(string)
		if !ok || d.legacy && v["$ref"] != nil {
			continue
		}
		if strings.HasPrefix(id, "#") { // an anchor of old drafts
			d.byURI[base+id] = place{v, where, base, ""}
			continue
		}
		base = strings.TrimSuffix(resolve(base, id), "#")
		d.byURI[base] = place{v, where, base, ""}
	}
	for _, key := range []string{"$anchor", "$dynamicAnchor"} {
		if name, ok := v[key].(string); ok {
			d.byURI[base+"#"+name] = place{v, where, base, ""}
		}
	}
	return base
}

func resolve(base, reference string) string {
	b, err := url.Parse(base)
	if err != nil {
		return reference
	}
	r, err := b.Parse(reference)
	if err != nil {
		return reference
	}
	return r.String()
}

// refer finds what a reference at a place means.
func (d *document) refer(from place, reference string) (place, error) {
	whole := resolve(from.base, reference)
	uri, fragment, _ := strings.Cut(whole, "#")
	if text, err := url.PathUnescape(fragment); err == nil {
		fragment = text
	}
	if fragment != "" && !strings.HasPrefix(fragment, "/") {
		if p, ok := d.byURI[uri+"#"+fragment]; ok {
			return p, nil
		}
		return place{}, failf(from.where+"/$ref", "%q refers to nothing in this schema", reference)
	}
	root, ok := d.byURI[uri]
	if !ok {
		return place{}, failf(from.where+"/$ref", "%q is outside this schema; only references within it are supported", reference)
	}
	if p, ok := d.parts[root.where+fragment]; ok {
		return p, nil
	}
	return place{}, failf(from.where+"/$ref", "%q refers to nothing in this schema", reference)
}

func escapePointer(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}
