package main

import "strings"

const (
	maxFileLines     = 600
	maxFunctionLines = 70
	maxFileBytes     = 1 << 20
	maxTotalBytes    = 48 << 20
)

// exceptions are the subjects that need not follow a rule, and why. The list
// may only shrink: an entry that is not needed is a problem too. A subject is a
// file ("engine/engine.go") or a declaration ("engine.maxRows").
var exceptions = map[string]string{}

// mayImport lists what each package may import of this module. Tests may
// import anything that compiles.
var mayImport = map[string][]string{
	"kernels":                    {},
	"kernels/minifloat":          {},
	"kernels/cpu":                {"kernels", "kernels/minifloat"},
	"kernels/cpu/emulator/test":  {},
	"kernels/cuda":               {"kernels", "kernels/cuda/driver", "kernels/cuda/fatbin"},
	"kernels/cuda/driver":        {},
	"kernels/cuda/cubin":         {},
	"kernels/cuda/fatbin":        {},
	"kernels/cuda/emulator/test": {},
	"kernels/cuda/cudatest":      {},
	"kernels/kerneltest":         {"kernels", "kernels/minifloat", "model/quant"},
	"model":                      {"kernels", "kernels/minifloat", "model/gguf", "model/mmap", "model/safetensors", "model/quant"},
	"model/convert":              {"kernels", "model", "model/gguf", "model/mmap", "model/quant"},
	"model/gguf":                 {"model/fault", "model/mmap"},
	"model/fault":                {},
	"model/faulttest":            {"model/fault"},
	"model/golden":               {"testdata"},
	"model/mmap":                 {},
	"model/safetensors":          {"model/fault", "model/mmap"},
	"model/quant":                {"kernels", "kernels/minifloat"}, // its type names and matrices
	"model/demo":                 {"model", "model/gguf"},
	"model/modeltest":            {"kernels", "model", "model/gguf"},
	"tokenizer":                  {"tokenizer/jinja", "tokenizer/regex"},
	"tokenizer/jinja":            {},
	"tokenizer/regex":            {},
	"tokenizer/grammar":          {},
	"engine":                     {"kernels", "model"},
	"server":                     {"engine", "tokenizer", "tokenizer/grammar"},
	"server/apitest":             {},
	"testdata":                   {},
	"cmd/tidy":                   {},
	"cmd/kernelc":                {"kernels/cuda/cubin"},
}

// anything are the packages that may import all others but those of tests.
var anything = []string{"cmd/trona"}

// testOnly are the packages that only tests may import, and each other.
var testOnly = []string{"testdata", "model/golden", "model/faulttest", "model/modeltest", "kernels/kerneltest", "kernels/cuda/cudatest", "server/apitest"}

// pureCalls are the calls that may give a package-level variable its value;
// besides them functions of the package itself, which make tables.
var pureCalls = []string{
	"errors.New", "fmt.Errorf", "regexp.MustCompile", "strings.NewReplacer",
	"math.Inf", "math.NaN", "math.Sqrt", "math.Float32frombits", "big.NewInt", "big.NewFloat",
	"json.JoinOptions", "flag.Bool", "flag.Uint64", "flag.Int", "flag.String",
}

// skip tells what is never read: results of builds, and what git keeps, which
// is a file in a second work tree.
func skip(path string) bool {
	switch path {
	case ".git", "bin", "build":
		return true
	}
	return strings.HasSuffix(path, "node_modules")
}

// mayBeData reports whether a file may exceed maxFileBytes, and be other than text.
func mayBeData(path string) bool {
	for _, folder := range []string{"testdata/", "fatbin/", "model/demo/"} {
		if strings.Contains("/"+path, "/"+folder) {
			return true
		}
	}
	return false
}
