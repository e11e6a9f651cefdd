// Command tidy checks what gofmt and vet do not know: who imports whom, sizes
// of files and functions, package-level state, and what may lie in the
// repository. It prints the lines of each package, so that a review sees growth.
//
// Usage: tidy [FOLDER]
package main

import (
	"fmt"
	"io"
	"os"
	"slices"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	problems, err := check(root, exceptions, os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "tidy: %v\n", err)
		os.Exit(1)
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, p)
	}
	if len(problems) > 0 {
		fmt.Fprintf(os.Stderr, "tidy: %d problems\n", len(problems))
		os.Exit(1)
	}
}

// report collects problems and remembers which exceptions were needed.
type report struct {
	problems   []string
	exceptions map[string]string
	excepted   map[string]bool // subjects
}

// fail records a problem of a subject, unless the subject is excepted.
func (r *report) fail(subject, format string, args ...any) {
	if _, ok := r.exceptions[subject]; ok {
		r.excepted[subject] = true
		return
	}
	r.problems = append(r.problems, subject+": "+fmt.Sprintf(format, args...))
}

// check returns the problems of the repository at root, sorted, and prints the
// lines of its packages.
func check(root string, exceptions map[string]string, out io.Writer) ([]string, error) {
	r := &report{exceptions: exceptions, excepted: map[string]bool{}}
	files, err := r.files(root)
	if err != nil {
		return nil, err
	}
	packages, err := load(root, files)
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		r.imports(p)
		r.source(p)
		r.assembly(p)
	}
	r.ops(packages)
	for subject, reason := range exceptions {
		if !r.excepted[subject] {
			r.problems = append(r.problems, fmt.Sprintf("%s: remove its exception (%s), it is no longer needed", subject, reason))
		}
	}
	slices.Sort(r.problems)
	return r.problems, printLines(out, packages)
}
