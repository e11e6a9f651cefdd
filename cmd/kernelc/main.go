// Command kernelc compiles kernels/cuda/*.cu ahead of time, without a GPU: for
// each file and architecture machine code (or PTX text, for later chips) into
// kernels/cuda/fatbin, and a MANIFEST that says what each kernel costs.
//
// Usage: kernelc [-check] [-root FOLDER] [-cache FOLDER]
//
// It installs the compiler library that kernels/cuda/toolchain.txt pins into
// the cache, by pip. Where that is not possible it succeeds only if the
// committed code was made from the sources as they are.
//
// # Why does it pass -fmad=false?
//
// So that a*b+c rounds twice wherever it stands, on every architecture and in
// the emulator. Kernels write fma() where they want one rounding.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	root := flag.String("root", ".", "the repository")
	cache := flag.String("cache", "build/kernelc", "where the compiler is installed")
	check := flag.Bool("check", false, "change nothing; fail where the committed code is not what the sources give")
	flag.Parse()
	if err := run(*root, *cache, *check, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "kernelc: %v\n", err)
		os.Exit(1)
	}
}

const (
	sourceFolder = "kernels/cuda"
	outputFolder = "kernels/cuda/fatbin"
)

func run(root, cache string, check bool, out io.Writer) error {
	sources, err := readSources(filepath.Join(root, sourceFolder))
	if err != nil {
		return err
	}
	committed, err := readManifest(filepath.Join(root, outputFolder))
	if err != nil && (check || !errors.Is(err, os.ErrNotExist)) {
		return err
	}
	stale := staleSources(sources, committed)
	if len(stale) == 0 && !check {
		fmt.Fprintf(out, "kernels are up to date: %d files\n", len(sources.files))
		return verify(root, sources, committed)
	}
	tools, err := install(filepath.Join(root, sourceFolder, "toolchain.txt"), cache)
	if err != nil {
		if len(stale) > 0 {
			return fmt.Errorf("%s changed and the kernel compiler is not available: %w", strings.Join(stale, ", "), err)
		}
		fmt.Fprintf(out, "kernel compiler not available, using the committed code (%v)\n", err)
		return verify(root, sources, committed)
	}
	built, err := compile(tools, sources, committed, check)
	if err != nil {
		return err
	}
	if check {
		return compare(root, built, out)
	}
	return write(filepath.Join(root, outputFolder), built, out)
}

// verify demands that the committed files are those of the MANIFEST and pass
// the gates. It needs no compiler.
func verify(root string, sources *sources, m *manifest) error {
	if stale := staleSources(sources, m); len(stale) > 0 {
		return fmt.Errorf("%s and the compiled code disagree: run make kernels", strings.Join(stale, ", "))
	}
	problems := gate(sources, m)
	for i := range m.images {
		image := &m.images[i]
		data, err := readImage(filepath.Join(root, outputFolder), image.file())
		if err != nil {
			return err
		}
		if sum(data) != image.hash {
			problems = append(problems, fmt.Sprintf("%s is not what the MANIFEST says", image.file()))
		}
	}
	if len(problems) > 0 {
		return errors.New(strings.Join(problems, "\n"))
	}
	return leftovers(filepath.Join(root, outputFolder), m)
}

// leftovers demands that fatbin holds the images of the MANIFEST and no others.
func leftovers(folder string, m *manifest) error {
	known := map[string]bool{"MANIFEST": true}
	for i := range m.images {
		known[m.images[i].file()] = true
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !known[e.Name()] && !strings.HasSuffix(e.Name(), ".go") {
			return fmt.Errorf("%s/%s is not in the MANIFEST", outputFolder, e.Name())
		}
	}
	return nil
}

// compare demands that what was built now is what was committed, byte for byte.
func compare(root string, built *manifest, out io.Writer) error {
	folder := filepath.Join(root, outputFolder)
	want, err := os.ReadFile(filepath.Join(folder, "MANIFEST"))
	if err != nil {
		return err
	}
	if got := built.String(); got != string(want) {
		return fmt.Errorf("the MANIFEST is stale: run make kernels (%s)", firstDifference(string(want), got))
	}
	for i := range built.images {
		image := &built.images[i]
		data, err := readImage(folder, image.file())
		if err != nil {
			return err
		}
		if string(data) != string(image.code) {
			return fmt.Errorf("%s is not what the sources give: run make kernels", image.file())
		}
	}
	if err := leftovers(folder, built); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d kernels in %d images are what the sources give, byte for byte\n", len(built.kernels), len(built.images))
	return nil
}

// firstDifference returns the first line that two texts do not share.
func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) {
			return fmt.Sprintf("line %d: %q is gone", i+1, x[i])
		}
		if x[i] != y[i] {
			return fmt.Sprintf("line %d: %q became %q", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("line %d is new", len(x)+1)
}

// write puts images and MANIFEST into the folder and removes what is no more.
func write(folder string, built *manifest, out io.Writer) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(folder, "*.zst"))
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	packed, packer := 0, newPacker()
	defer packer.Close()
	for i := range built.images {
		image := &built.images[i]
		keep[image.file()] = true
		data := packer.EncodeAll(image.code, nil)
		packed += len(data)
		if err := os.WriteFile(filepath.Join(folder, image.file()), data, 0o644); err != nil {
			return err
		}
	}
	for _, path := range old {
		if !keep[filepath.Base(path)] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "MANIFEST"), []byte(built.String()), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d kernels in %d images, %d KiB\n", len(built.kernels), len(built.images), packed>>10)
	return nil
}
