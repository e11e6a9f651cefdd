package cubin

import (
	"regexp"
	"strconv"
	"strings"
)

var (
	ptxTarget = regexp.MustCompile(`(?m)^\.target sm_(\d+)`)
	ptxEntry  = regexp.MustCompile(`\.entry\s+(\w+)\s*\(([^)]*)\)([^{]*)\{`)
	ptxParam  = regexp.MustCompile(`\.param\s+(?:\.align\s+(\d+)\s+)?\.(\w+)\s+\w+(?:\[(\d+)\])?`)
	ptxMax    = regexp.MustCompile(`\.maxntid\s+(\d+)(?:\s*,\s*(\d+))?(?:\s*,\s*(\d+))?`)
)

// parsePTX reads the entry points of PTX text (PTX ISA, "Kernel and Function
// Directives").
func parsePTX(text []byte) (*File, error) {
	target := ptxTarget.FindSubmatch(text)
	if target == nil {
		return nil, &FormatError{"PTX", 0, "no .target"}
	}
	f := &File{SM: number(string(target[1]))}
	for _, m := range ptxEntry.FindAllSubmatch(text, -1) {
		k := Kernel{Name: string(m[1])}
		at := 0
		for _, p := range ptxParam.FindAllSubmatch(m[2], -1) {
			size := ptxBytes(string(p[2]))
			if size == 0 {
				return nil, &FormatError{"PTX", 0, "parameter type ." + string(p[2]) + " of " + k.Name}
			}
			align := max(size, number(string(p[1])))
			at = (at + align - 1) / align * align
			if len(p[3]) > 0 {
				size *= number(string(p[3]))
			}
			k.Params = append(k.Params, Param{at, size})
			at += size
		}
		if t := ptxMax.FindSubmatch(m[3]); t != nil {
			k.MaxThreads = number(string(t[1])) * max(1, number(string(t[2]))) * max(1, number(string(t[3])))
		}
		f.Kernels = append(f.Kernels, k)
	}
	return f, nil
}

// ptxBytes returns the size of a fundamental type, 0 for no such type.
func ptxBytes(t string) int {
	bits := number(strings.TrimLeft(t, "bsuf"))
	switch bits {
	case 8, 16, 32, 64:
		return bits / 8
	}
	return 0
}

// number is 0 where s is no number that fits.
func number(s string) int {
	n, err := strconv.ParseUint(s, 10, 24)
	if err != nil {
		return 0
	}
	return int(n)
}
