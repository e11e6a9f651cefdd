package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// apiNames are the names that the source of package server holds.
type apiNames struct {
	routes   []string // "GET /health"
	fields   []string // of requests and responses
	literals []string // every string
}

// readers are the methods of package server that take a field of a request.
var readers = []string{"take", "flag", "text", "integer", "number", "need", "accept", "refuseTrue", "real"}

// readAPI reads the names from the source.
func readAPI(t *testing.T) *apiNames {
	names := &apiNames{}
	files, err := filepath.Glob(filepath.Join("..", "..", "server", "*.go"))
	require.NoError(t, err)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			names.add(n)
			return true
		})
	}
	return names
}

func (a *apiNames) add(n ast.Node) {
	switch n := n.(type) {
	case *ast.BasicLit:
		if text, ok := literal(n); ok {
			a.literals = append(a.literals, text)
		}
	case *ast.Field:
		if n.Tag != nil {
			tag, _ := literal(n.Tag)
			name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
			a.fields = append(a.fields, name)
		}
	case *ast.CallExpr:
		name := called(n)
		if slices.Contains(readers, name) {
			for _, arg := range n.Args {
				if field, ok := literal(arg); ok {
					a.fields = append(a.fields, field)
				}
			}
		}
	case *ast.RangeStmt:
		a.fields = append(a.fields, loopFields(n)...)
	case *ast.CompositeLit:
		values := map[string]string{}
		for _, e := range n.Elts {
			if pair, ok := e.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok {
					values[key.Name], _ = literal(pair.Value)
				}
			}
		}
		if values["method"] != "" && values["path"] != "" {
			a.routes = append(a.routes, values["method"]+" "+values["path"])
		}
	}
}

// called returns the name of what a call calls.
func called(n *ast.CallExpr) string {
	switch f := n.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

// loopFields returns the names that a loop lists and takes from a request.
func loopFields(loop *ast.RangeStmt) (names []string) {
	list, ok := loop.X.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	takes := false
	ast.Inspect(loop.Body, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && slices.Contains(readers, called(call)) && len(call.Args) > 0 {
			arg, isName := call.Args[0].(*ast.Ident)
			value, named := loop.Value.(*ast.Ident)
			takes = takes || isName && named && arg.Name == value.Name
		}
		return true
	})
	for _, e := range list.Elts {
		if name, ok := literal(e); ok && takes {
			names = append(names, name)
		}
	}
	return names
}

func literal(e ast.Expr) (string, bool) {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		text, err := strconv.Unquote(l.Value)
		return text, err == nil
	}
	return "", false
}

var (
	quoted      = regexp.MustCompile("`([^`]+)`")
	routeInDocs = regexp.MustCompile("^\\| `((?:GET|POST|DELETE) [^`]+)` \\|")
	fieldsCell  = regexp.MustCompile("(?m)^\\| ((?:`[a-z_]+`(?:, )?)+) \\|")
)

// compare returns what the document and the source do not agree on.
func (a *apiNames) compare(doc string) (problems []string) {
	var words, routes []string
	for _, m := range quoted.FindAllStringSubmatch(doc, -1) {
		words = append(words, m[1])
	}
	for line := range strings.Lines(doc) {
		if m := routeInDocs.FindStringSubmatch(line); m != nil {
			routes = append(routes, m[1])
			if !slices.Contains(a.routes, m[1]) {
				problems = append(problems, "there is no route "+m[1])
			}
		}
	}
	for _, route := range a.routes {
		if !slices.Contains(routes, route) {
			problems = append(problems, "docs/api.md does not name the route "+route)
		}
	}
	for _, field := range a.fields {
		if field != "" && field != "-" && field != "error" && !slices.Contains(words, field) { // error stands in the shape of errors
			problems = append(problems, "docs/api.md does not name the field "+field)
		}
	}
	requests, _, _ := strings.Cut(doc, "## Fields of responses")
	for _, cell := range fieldsCell.FindAllStringSubmatch(requests, -1) {
		for _, m := range quoted.FindAllStringSubmatch(cell[1], -1) {
			if !slices.Contains(a.literals, m[1]) {
				problems = append(problems, "package server does not know the field "+m[1])
			}
		}
	}
	return problems
}

// TestDocsAPI holds docs/api.md against the source of package server.
func TestDocsAPI(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "api.md"))
	require.NoError(t, err)
	names := readAPI(t)
	require.Greater(t, len(names.routes), 8)
	require.Greater(t, len(names.fields), 60)
	doc := string(data)
	require.Empty(t, names.compare(doc))

	// Each of these changes must be noticed.
	for _, route := range names.routes {
		require.NotEmpty(t, names.compare(strings.Replace(doc, "| `"+route+"` |", "| route |", 1)), route)
	}
	for _, field := range []string{"min_p", "max_completion_tokens", "safety_identifier", "finish_reason", "queue_ms", "token_strs"} {
		require.Contains(t, names.fields, field)
		require.NotEmpty(t, names.compare(strings.ReplaceAll(doc, "`"+field+"`", field)), field)
	}
	for _, row := range []string{"| `GET /v1/none` | |\n", "| `n`, `no_such_field` | | |\n"} {
		require.NotEmpty(t, names.compare(strings.Replace(doc, "## Fields of responses", row+"\n## Fields of responses", 1)), row)
	}
}
