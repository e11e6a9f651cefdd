package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
)

const module = "trona/"

// pkg is one package: its files, parsed, without those of tests.
type pkg struct {
	path  string // below the module: "model/gguf"
	fset  *token.FileSet
	files map[string]*ast.File // by path below the root
	text  map[string][]byte    // of files and of assembly

	code, assembly, tests int // lines

	uses map[*ast.Ident]types.Object // filled by resolve
}

// load parses the Go files of all packages.
func load(root string, files []string) ([]*pkg, error) {
	packages := map[string]*pkg{}
	for _, name := range files {
		ext := path.Ext(name)
		if ext != ".go" && ext != ".s" || strings.Contains("/"+path.Dir(name)+"/", "/_") {
			continue
		}
		p := packages[path.Dir(name)]
		if p == nil {
			p = &pkg{path: path.Dir(name), fset: token.NewFileSet(), files: map[string]*ast.File{}, text: map[string][]byte{}}
			packages[p.path] = p
		}
		if err := p.add(root, name); err != nil {
			return nil, err
		}
	}
	var list []*pkg
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		packages[name].resolve()
		list = append(list, packages[name])
	}
	return list, nil
}

func (p *pkg) add(root, name string) error {
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	lines := bytes.Count(data, []byte("\n"))
	switch {
	case strings.HasSuffix(name, ".s"):
		p.assembly += lines
		p.text[name] = data
		return nil
	case strings.HasSuffix(name, "_test.go"):
		p.tests += lines
		return nil
	}
	p.code += lines
	file, err := parser.ParseFile(p.fset, name, data, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	p.files[name], p.text[name] = file, data
	return nil
}

// nothing is an importer of empty packages: names inside a package resolve
// without what it imports.
type nothing struct{}

func (nothing) Import(path string) (*types.Package, error) {
	return nil, fmt.Errorf("not read: %s", path)
}

// resolve finds what each identifier means, as far as the package itself tells.
// Files for other systems declare names twice, so errors are expected.
func (p *pkg) resolve() {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	files := slices.Collect(maps.Values(p.files))
	// The first error is that an import is absent, always.
	_, _ = config.Check(p.path, p.fset, files, info)
	p.uses = info.Uses
}

func printLines(out io.Writer, packages []*pkg) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "go\tassembly\ttests\t  package\t")
	var code, assembly, tests int
	for _, p := range packages {
		fmt.Fprintf(w, "%d\t%d\t%d\t  %s\t\n", p.code, p.assembly, p.tests, p.path)
		code, assembly, tests = code+p.code, assembly+p.assembly, tests+p.tests
	}
	fmt.Fprintf(w, "%d\t%d\t%d\t  total\t\n", code, assembly, tests)
	return w.Flush()
}
