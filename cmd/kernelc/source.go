package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// architectures are those that there may be code for; a file is compiled for
// all where it does not say which: Ampere, Ada, Hopper, Blackwell of data
// centres and of desks, and text for chips that came later.
var architectures = []string{"sm_80", "sm_89", "sm_90a", "sm_100", "sm_120", "compute_80"}

// sources are the files that compiled code is made from.
type sources struct {
	folder  string
	headers string // hash of all headers
	tools   string // the compiler's line of toolchain.txt
	files   []sourceFile
}

// sourceFile is one .cu file. Comments in it direct the build:
//
//	// only sm_90a                     architectures other than all
//	// expect HMMA LDSM: gemm_         opcodes that kernels with this prefix must have
type sourceFile struct {
	stem    string // file name without .cu
	hash    string // of this file and all that its code depends on
	only    []string
	expects []expectation
}

type expectation struct {
	prefix  string
	opcodes []string
}

var (
	onlyLine   = regexp.MustCompile(`(?m)^// only ((?:sm|compute)_.+)$`)
	expectLine = regexp.MustCompile(`(?m)^// expect ([A-Z0-9 ]+): (\w+)$`)
)

func sum(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

// readSources reads the .cu files, headers and toolchain of a folder.
func readSources(folder string) (*sources, error) {
	s := &sources{folder: folder}
	headers, err := filepath.Glob(filepath.Join(folder, "*.h"))
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for _, path := range headers {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&all, "%s %s\n", filepath.Base(path), sum(data))
	}
	s.headers = sum([]byte(all.String()))
	list, err := os.ReadFile(filepath.Join(folder, "toolchain.txt"))
	if err != nil {
		return nil, err
	}
	if s.tools, err = compilerOf(string(list)); err != nil {
		return nil, err
	}
	paths, err := filepath.Glob(filepath.Join(folder, "*.cu"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		f, err := s.parse(strings.TrimSuffix(filepath.Base(path), ".cu"), string(data))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		s.files = append(s.files, f)
	}
	if len(s.files) == 0 {
		return nil, fmt.Errorf("no .cu file in %s", folder)
	}
	return s, nil
}

// parse reads the directions in a file and computes its hash.
func (s *sources) parse(stem, text string) (sourceFile, error) {
	f := sourceFile{stem: stem, only: architectures}
	if m := onlyLine.FindStringSubmatch(text); m != nil {
		f.only = strings.Fields(m[1])
		for _, a := range f.only {
			if !slices.Contains(architectures, a) {
				return f, fmt.Errorf("only %s: there are %v", a, architectures)
			}
		}
	}
	for _, m := range expectLine.FindAllStringSubmatch(text, -1) {
		f.expects = append(f.expects, expectation{m[2], strings.Fields(m[1])})
	}
	key := strings.Join([]string{s.tools, strings.Join(flags, " "), strings.Join(f.only, " "), s.headers, sum([]byte(text))}, "\n")
	f.hash = sum([]byte(key))
	return f, nil
}

// compilerOf returns the requirement of the compiler library.
func compilerOf(list string) (string, error) {
	for line := range strings.Lines(list) {
		if strings.HasPrefix(line, "nvidia-cuda-nvrtc") {
			return strings.TrimSpace(line), nil
		}
	}
	return "", fmt.Errorf("toolchain.txt names no nvidia-cuda-nvrtc")
}

// staleSources returns the files whose code is missing or was made from
// something else, and those that are no more.
func staleSources(s *sources, m *manifest) []string {
	old := map[string]string{}
	if m != nil {
		for _, f := range m.sources {
			old[f.stem] = f.hash
		}
	}
	var stale []string
	for _, f := range s.files {
		if old[f.stem] != f.hash {
			stale = append(stale, f.stem+".cu")
		}
		delete(old, f.stem)
	}
	for stem := range old {
		stale = append(stale, stem+".cu")
	}
	slices.Sort(stale)
	return stale
}
