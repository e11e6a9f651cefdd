package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"

	"trona/kernels/cuda/cubin"
)

// flags of the compiler, besides architecture and include path.
var flags = []string{"-std=c++17", "-default-device", "-fmad=false", "--ptxas-options=-v"}

// compile builds the images of files that are not as committed has them, or of
// all files, and takes over the others.
func compile(tools *toolchain, s *sources, committed *manifest, all bool) (*manifest, error) {
	c, err := openCompiler(tools.library)
	if err != nil {
		return nil, err
	}
	m := &manifest{compiler: s.tools, flags: strings.Join(flags, " ")}
	var jobs []*job
	for i := range s.files {
		f := &s.files[i]
		m.sources = append(m.sources, manifestSource{f.stem, f.hash})
		for _, arch := range f.only {
			j := &job{source: f, arch: arch}
			jobs = append(jobs, j)
			if !all && committed != nil && committed.has(f) {
				j.image, j.kernels = committed.image(f.stem, arch)
			}
		}
	}
	if err := runJobs(jobs, func(j *job) error { return j.run(c, tools, s.folder) }); err != nil {
		return nil, err
	}
	for _, j := range jobs {
		m.images = append(m.images, *j.image)
		m.kernels = append(m.kernels, j.kernels...)
	}
	if problems := gate(s, m); len(problems) > 0 {
		return nil, errors.New(strings.Join(problems, "\n"))
	}
	return m, nil
}

// job makes one image of one file.
type job struct {
	source  *sourceFile
	arch    string
	image   *manifestImage // set already if the committed one is right
	kernels []manifestKernel
}

// runJobs runs all jobs, as many at a time as there are processors.
func runJobs(jobs []*job, run func(*job) error) error {
	queue := make(chan int)
	errs := make([]error, len(jobs))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range queue {
				errs[i] = run(jobs[i])
			}
		})
	}
	for i := range jobs {
		queue <- i
	}
	close(queue)
	wg.Wait()
	return errors.Join(errs...)
}

// complaint is what ptxas says when it could not do what the source asked for:
// register reallocation ignored, wgmma serialised.
var complaint = regexp.MustCompile(`\(C75\d\d\)`)

func (j *job) run(c *compiler, tools *toolchain, folder string) error {
	path := filepath.Join(folder, j.source.stem+".cu")
	fail := func(err error, log string) error {
		return fmt.Errorf("%s for %s: %w\n%s", path, j.arch, err, log)
	}
	if j.image != nil {
		var err error
		j.image.code, err = readImage(filepath.Join(folder, "fatbin"), j.image.file())
		return err
	}
	source, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	code, log, err := c.build(path, source, j.arch)
	if err != nil {
		return fail(err, log)
	}
	if complaint.MatchString(log) {
		return fail(errors.New("the compiler complains"), log)
	}
	j.image = &manifestImage{stem: j.source.stem, arch: j.arch, bytes: len(code), hash: sum(code), code: code}
	file, err := cubin.Parse(code)
	if err != nil {
		return fail(err, log)
	}
	var census map[string]map[string]int
	if j.isCode() {
		if census, err = disassemble(tools.disassembler, code); err != nil {
			return fail(err, log)
		}
	}
	spills := spillsOf(log)
	for i := range file.Kernels {
		k := &file.Kernels[i]
		j.kernels = append(j.kernels, manifestKernel{
			stem: j.source.stem, arch: j.arch, name: k.Name, params: k.ParamBytes(), threads: k.MaxThreads,
			registers: k.Registers, stack: k.Stack, spills: spills[k.Name], shared: k.Shared, opcodes: census[k.Name],
		})
	}
	sortKernels(j.kernels)
	return nil
}

// isCode reports whether the image is machine code rather than text.
func (j *job) isCode() bool { return strings.HasPrefix(j.arch, "sm_") }

var (
	propertiesLine = regexp.MustCompile(`Function properties for (\w+)`)
	spillNumbers   = regexp.MustCompile(`(\d+) bytes spill stores, (\d+) bytes spill loads`)
)

// spillsOf returns the bytes spilled by each function, from ptxas -v.
func spillsOf(log string) map[string]int {
	spills, name := map[string]int{}, ""
	for line := range strings.Lines(log) {
		if m := propertiesLine.FindStringSubmatch(line); m != nil {
			name = m[1]
		}
		if m := spillNumbers.FindStringSubmatch(line); m != nil {
			var stores, loads int
			fmt.Sscan(m[1], &stores)
			fmt.Sscan(m[2], &loads)
			spills[name] += stores + loads
		}
	}
	return spills
}
