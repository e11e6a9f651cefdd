// Package apitest holds what a server answers against OpenAPI documents. It is
// for tests only.
package apitest

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Document is an OpenAPI 3.1 document (spec.openapis.org/oas/v3.1.0) whose
// schemas are compiled as they are needed. Many goroutines may use it.
type Document struct {
	root       map[string]any
	operations []Operation

	mu       sync.Mutex
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema // by place
}

// Operation is what a document says of a method on a path.
type Operation struct {
	Method, Path string         // as the document writes them, the method in capitals
	Object       map[string]any // the operation itself
	place        string         // JSON pointer
	matches      *regexp.Regexp
}

// methods that a path can have.
var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

// Read takes a document apart. Its paths begin at prefix on the server. At the
// places nullable, JSON pointers, null is allowed too.
func Read(data []byte, prefix string, nullable ...string) (*Document, error) {
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	root, ok := parsed.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("the document is a %T", parsed)
	}
	for _, place := range nullable {
		if err := allowNull(root, place); err != nil {
			return nil, err
		}
	}
	d := &Document{root: root, schemas: map[string]*jsonschema.Schema{}, compiler: jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("open.json", root); err != nil {
		return nil, err
	}
	if err := d.compiler.AddResource("closed.json", closed(root)); err != nil {
		return nil, err
	}
	paths, _ := root["paths"].(map[string]any)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item, _ := paths[path].(map[string]any)
		for _, method := range methods {
			if object, ok := item[method].(map[string]any); ok {
				d.operations = append(d.operations, Operation{
					Method: strings.ToUpper(method), Path: prefix + path, Object: object,
					place: "#/paths/" + escape(path) + "/" + method, matches: pathPattern(prefix + path),
				})
			}
		}
	}
	return d, nil
}

// allowNull changes the schema at a place.
func allowNull(root map[string]any, place string) error {
	var at any = root
	for name := range strings.SplitSeq(strings.TrimPrefix(place, "#/"), "/") {
		switch whole := at.(type) {
		case map[string]any:
			at = whole[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(whole) {
				return fmt.Errorf("there is nothing at %s", place)
			}
			at = whole[i]
		}
	}
	schema, ok := at.(map[string]any)
	if !ok {
		return fmt.Errorf("there is no schema at %s", place)
	}
	before := maps.Clone(schema)
	clear(schema)
	schema["anyOf"] = []any{before, map[string]any{"type": "null"}}
	return nil
}

// pathPattern matches the paths that a template stands for; a variable at its
// end may hold slashes.
func pathPattern(template string) *regexp.Regexp {
	var pattern strings.Builder
	pattern.WriteString("^")
	for rest := template; rest != ""; {
		before, after, found := strings.Cut(rest, "{")
		pattern.WriteString(regexp.QuoteMeta(before))
		if _, rest, _ = strings.Cut(after, "}"); found && rest == "" {
			pattern.WriteString(".+")
		} else if found {
			pattern.WriteString("[^/]+")
		}
	}
	return regexp.MustCompile(pattern.String() + "$")
}

// escape spells a name for a JSON pointer in a URL (RFC 6901, section 6).
func escape(name string) string {
	name = strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	return strings.NewReplacer("{", "%7B", "}", "%7D").Replace(name)
}

// Operations returns all of them, sorted by path.
func (d *Document) Operations() []Operation { return d.operations }

// Find returns the operation of a request; nil where the document has none.
// HEAD is answered like GET.
func (d *Document) Find(method, path string) *Operation {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	var found *Operation
	for i := range d.operations {
		o := &d.operations[i]
		if !o.matches.MatchString(path) {
			continue
		}
		if o.Path == path { // goes before those with variables
			found = nil
			if o.Method == method {
				return o
			}
			method = "" // no other path will do
		} else if o.Method == method && (found == nil || len(o.Path) > len(found.Path)) {
			found = o
		}
	}
	return found
}

// Resolve follows the reference of an object, where it is one; its other
// members stay.
func (d *Document) Resolve(object map[string]any) map[string]any {
	ref, ok := object["$ref"].(string)
	if !ok {
		return object
	}
	var target any = d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		members, _ := target.(map[string]any)
		target = members[name]
	}
	referred, _ := target.(map[string]any)
	whole := maps.Clone(d.Resolve(referred))
	for name, member := range object {
		if name != "$ref" {
			whole[name] = member
		}
	}
	return whole
}

// Validate holds a value against the schema at a place, a JSON pointer that
// begins with #. Where strict is set, objects must have no members but those
// that their schemas name.
func (d *Document) Validate(place string, strict bool, value any) error {
	schema, err := d.compile(place, strict)
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

func (d *Document) compile(place string, strict bool) (*jsonschema.Schema, error) {
	url := "open.json" + place
	if strict {
		url = "closed.json" + place
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if schema := d.schemas[url]; schema != nil {
		return schema, nil
	}
	schema, err := d.compiler.Compile(url)
	if err == nil {
		d.schemas[url] = schema
	}
	return schema, err
}

// closed returns a copy of a document whose schemas of objects allow no members
// that they do not name, unless they say what others may be. What stands in
// an allOf is a part of an object and stays open.
func closed(root map[string]any) any {
	parts := map[string]bool{} // places
	each(root, func(schema map[string]any) {
		list, _ := schema["allOf"].([]any)
		for _, part := range list {
			if ref, ok := part.(map[string]any)["$ref"].(string); ok {
				parts[ref] = true
			}
		}
	})
	copied := deepCopy(root)
	closeAll(copied, "#", parts)
	return copied
}

// closeAll closes the schemas in a value but for those at the places open.
func closeAll(v any, place string, open map[string]bool) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			closeAll(element, place+"/-", open)
		}
	case map[string]any:
		for name, member := range v {
			if name != "examples" && name != "const" && name != "enum" && name != "default" {
				closeAll(member, place+"/"+name, open)
			}
		}
		_, isObject := v["properties"].(map[string]any)
		_, isWhole := v["allOf"].([]any)
		_, further := v["additionalProperties"]
		isPart := open[place] || strings.HasSuffix(place, "/allOf/-")
		if (isObject || isWhole) && !further && !isPart && !strings.HasSuffix(place, "/properties") {
			v["unevaluatedProperties"] = false
		}
	}
}

// each calls f with every object in a value.
func each(v any, f func(map[string]any)) {
	switch v := v.(type) {
	case []any:
		for _, element := range v {
			each(element, f)
		}
	case map[string]any:
		f(v)
		for _, member := range v {
			each(member, f)
		}
	}
}

func deepCopy(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = deepCopy(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for name := range v {
			object[name] = deepCopy(v[name])
		}
		return object
	}
	return v
}
