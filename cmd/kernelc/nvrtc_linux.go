package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"
)

// compiler is NVRTC, NVIDIA's compiler as a library (NVRTC documentation,
// "Basic Usage"). Its functions may be called from several threads at once.
type compiler struct {
	create     func(program *uintptr, source, name string, headers int32, texts, names unsafe.Pointer) int32
	compile    func(program uintptr, options int32, texts unsafe.Pointer) int32
	logSize    func(program uintptr, size *uintptr) int32
	log        func(program uintptr, text unsafe.Pointer) int32
	cubinSize  func(program uintptr, size *uintptr) int32
	cubin      func(program uintptr, code unsafe.Pointer) int32
	ptxSize    func(program uintptr, size *uintptr) int32
	ptx        func(program uintptr, text unsafe.Pointer) int32
	destroy    func(program *uintptr) int32
	resultName func(result int32) string
}

func openCompiler(library string) (*compiler, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, err
	}
	c := &compiler{}
	for name, fn := range map[string]any{
		"nvrtcCreateProgram": &c.create, "nvrtcCompileProgram": &c.compile, "nvrtcDestroyProgram": &c.destroy,
		"nvrtcGetProgramLogSize": &c.logSize, "nvrtcGetProgramLog": &c.log,
		"nvrtcGetCUBINSize": &c.cubinSize, "nvrtcGetCUBIN": &c.cubin,
		"nvrtcGetPTXSize": &c.ptxSize, "nvrtcGetPTX": &c.ptx, "nvrtcGetErrorString": &c.resultName,
	} {
		purego.RegisterLibFunc(fn, handle, name)
	}
	return c, nil
}

func (c *compiler) failed(what string, result int32) error {
	if result == 0 {
		return nil
	}
	return fmt.Errorf("%s: %s", what, c.resultName(result))
}

// ptxVersion is what every driver since R525 reads; the text uses nothing newer.
const ptxVersion = ".version 8.0"

var ptxVersionLine = regexp.MustCompile(`(?m)^\.version .*$`)

// build compiles a file for sm_XX to machine code, for compute_XX to PTX text,
// and returns what the compiler said.
func (c *compiler) build(path string, source []byte, arch string) (code []byte, log string, err error) {
	program := new(uintptr)
	if err := c.failed("create", c.create(program, string(source), filepath.Base(path), 0, nil, nil)); err != nil {
		return nil, "", err
	}
	defer c.destroy(program)
	var options []*byte
	for _, o := range append([]string{"-I" + filepath.Dir(path), "-arch=" + arch}, flags...) {
		text := append([]byte(o), 0)
		options = append(options, &text[0])
	}
	result := c.compile(*program, int32(len(options)), unsafe.Pointer(&options[0]))
	runtime.KeepAlive(options)
	text, err := c.text(*program, c.logSize, c.log)
	if err != nil {
		return nil, "", err
	}
	log = string(bytes.TrimRight(text, "\x00"))
	if err := c.failed("compile", result); err != nil {
		return nil, log, err
	}
	if !strings.HasPrefix(arch, "compute_") {
		code, err = c.text(*program, c.cubinSize, c.cubin)
		return code, log, err
	}
	code, err = c.text(*program, c.ptxSize, c.ptx)
	code = ptxVersionLine.ReplaceAll(bytes.TrimRight(code, "\x00"), []byte(ptxVersion))
	return code, log, err
}

// text asks for a size and then for that many bytes.
func (c *compiler) text(program uintptr, size func(uintptr, *uintptr) int32, get func(uintptr, unsafe.Pointer) int32) ([]byte, error) {
	n := new(uintptr)
	if err := c.failed("size", size(program, n)); err != nil {
		return nil, err
	}
	if *n == 0 {
		return nil, nil
	}
	b := make([]byte, *n)
	return b, c.failed("get", get(program, unsafe.Pointer(&b[0])))
}
