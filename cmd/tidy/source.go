package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build/constraint"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// imports holds a package against the table.
func (r *report) imports(p *pkg) {
	allowed, known := mayImport[p.path]
	all := slices.Contains(anything, p.path)
	if !known && !all {
		r.fail(p.path, "has no row in the import table of cmd/tidy")
		return
	}
	for name, file := range p.files {
		for _, path := range ownImports(file) {
			forTests := slices.Contains(testOnly, path) && !slices.Contains(testOnly, p.path)
			if !all && !slices.Contains(allowed, path) || forTests {
				r.fail(name, "imports %s, which %s may not", path, p.path)
			}
		}
	}
}

// ownImports lists what a file imports of this module.
func ownImports(file *ast.File) (paths []string) {
	for _, spec := range file.Imports {
		path, err := strconv.Unquote(spec.Path.Value)
		if path, own := strings.CutPrefix(path, module); err == nil && own {
			paths = append(paths, path)
		}
	}
	return paths
}

// source checks sizes, init functions and package-level variables.
func (r *report) source(p *pkg) {
	for name, file := range p.files {
		if ast.IsGenerated(file) {
			continue
		}
		if n := bytes.Count(p.text[name], []byte("\n")); n > maxFileLines {
			r.fail(name, "%d lines, more than %d", n, maxFileLines)
		}
		for _, decl := range file.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				r.function(p, d)
			case *ast.GenDecl:
				if d.Tok == token.VAR {
					r.variables(p, d)
				}
			}
		}
	}
	for _, file := range p.files {
		r.mutations(p, file)
	}
}

// assembly wants the tag purego to leave out all of it.
func (r *report) assembly(p *pkg) {
	for name, text := range p.text {
		if strings.HasSuffix(name, ".s") && built(string(text)) {
			r.fail(name, "is not left out by the tag purego")
		}
	}
}

// built reports whether a file is part of a build with every tag there is.
func built(text string) bool {
	for line := range strings.Lines(text) {
		if expr, err := constraint.Parse(strings.TrimSpace(line)); err == nil {
			return expr.Eval(func(string) bool { return true })
		}
	}
	return true
}

func (r *report) function(p *pkg, d *ast.FuncDecl) {
	subject := p.path + "." + d.Name.Name
	if d.Recv != nil {
		subject = fmt.Sprintf("%s.%s.%s", p.path, receiver(d.Recv.List[0].Type), d.Name.Name)
	} else if d.Name.Name == "init" {
		r.fail(subject, "init functions hide work")
	}
	lines := p.fset.Position(d.End()).Line - p.fset.Position(d.Pos()).Line + 1
	if lines > maxFunctionLines {
		r.fail(subject, "%d lines, more than %d", lines, maxFunctionLines)
	}
}

func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return "?"
}

// variables wants a value for each variable of the package: one without was
// made to be changed. What go:embed fills has none.
func (r *report) variables(p *pkg, d *ast.GenDecl) {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		if v.Values == nil && !embedded(d.Doc) && !embedded(v.Doc) {
			r.fail(p.path+"."+v.Names[0].Name, "a package-level variable without a value")
		}
		for _, value := range v.Values {
			call, ok := value.(*ast.CallExpr)
			if !ok || v.Names[0].Name == "_" {
				continue
			}
			if f, ok := call.Fun.(*ast.SelectorExpr); ok {
				if x, ok := f.X.(*ast.Ident); ok && !slices.Contains(pureCalls, x.Name+"."+f.Sel.Name) {
					r.fail(p.path+"."+v.Names[0].Name, "its value comes from %s.%s, which is not known to be constant", x.Name, f.Sel.Name)
				}
			}
		}
	}
}

func embedded(doc *ast.CommentGroup) bool {
	return doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") })
}

// mutations finds assignments to variables of the package and to what is in them.
func (r *report) mutations(p *pkg, file *ast.File) {
	changed := func(e ast.Expr) {
		v, ok := p.uses[root(e)].(*types.Var)
		if ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope() {
			r.fail(p.path+"."+v.Name(), "changed at %s", p.fset.Position(e.Pos()))
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				for _, e := range n.Lhs {
					changed(e)
				}
			}
		case *ast.IncDecStmt:
			changed(n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				changed(n.Key)
				changed(n.Value)
			}
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (f.Name == "delete" || f.Name == "clear" || f.Name == "copy") {
				changed(n.Args[0])
			}
		}
		return true
	})
}

// root returns the identifier that an operand begins with; nil where there is none.
func root(e ast.Expr) *ast.Ident {
	switch e := e.(type) {
	case *ast.Ident:
		return e
	case *ast.SelectorExpr:
		return root(e.X)
	case *ast.IndexExpr:
		return root(e.X)
	case *ast.SliceExpr:
		return root(e.X)
	case *ast.StarExpr:
		return root(e.X)
	case *ast.ParenExpr:
		return root(e.X)
	}
	return nil
}

// ops wants a check, a cost and a reference for every op of the device contract.
func (r *report) ops(packages []*pkg) {
	declared, called := map[string]bool{}, map[string]bool{}
	var names []string
	for _, p := range packages {
		for _, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					declared[p.path+"."+n.Name.Name] = true
				case *ast.SelectorExpr:
					called[p.path+"."+n.Sel.Name] = true
				case *ast.TypeSpec:
					if t, ok := n.Type.(*ast.InterfaceType); ok && p.path == "kernels" && n.Name.Name == "Ops" {
						for _, method := range t.Methods.List {
							names = append(names, method.Names[0].Name)
						}
					}
				}
				return true
			})
		}
	}
	for _, op := range names {
		for _, want := range []string{"Check" + op, op + "Cost"} {
			if !declared["kernels."+want] {
				r.fail("kernels.Ops."+op, "has no %s", want)
			}
		}
		if !called["kernels/kerneltest."+op] {
			r.fail("kernels.Ops."+op, "is not called by kernels/kerneltest")
		}
	}
}
