//go:build !purego

package cpu

import (
	"bytes"
	"debug/elf"
	"debug/gosym"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// loopSets are the loops of assembly by what ends their names, the first that fits, with what a
// variant asks of the processor before it uses them (variants, hasAMX, pairsBF16), in words of
// the GNU assembler.
func loopSets() [][2]string {
	const avx2 = "+avx2+fma+f16c"
	const avx512, vnni = avx2 + "+avx512f", avx2 + "+avx512f+avx512bw+avx512_vnni"
	return [][2]string{
		{`AVX2$`, avx2},
		{`AVXVNNI$`, avx2 + "+avx_vnni"},
		{`AVX512$`, avx512},
		{`VNNI$`, vnni},
		{`^pairs.*F8$`, vnni + "+avx512_bf16+avx512vbmi"},
		{`^pairs|^roundPairs`, vnni + "+avx512_bf16"},
		{`AMX$|^tiles`, vnni + "+avx512dq+avx512_bf16+bmi2+amx_tile+amx_bf16"},
		{``, ""},
	}
}

// TestInstructions: no loop has an instruction that its variant did not ask the processor for. The
// loops are taken apart, and the assembler must accept what they have with these extensions alone.
func TestInstructions(t *testing.T) {
	for _, tool := range []string{"as", "objdump"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	loops := disassemble(t, assembly(t))
	for _, set := range loopSets() {
		var code, names []string
		for name, lines := range loops {
			if regexp.MustCompile(set[0]).MatchString(name) {
				delete(loops, name)
				for _, line := range lines {
					code, names = append(code, line), append(names, name)
				}
			}
		}
		require.NotEmpty(t, code, set[0])
		as := exec.Command("as", "-march=generic64"+set[1], "-o", os.DevNull)
		as.Stdin = strings.NewReader(strings.Join(code, "\n") + "\n")
		out, failed := as.CombinedOutput()
		refused := regexp.MustCompile(`:(\d+): Error: (.*)`).FindAllSubmatch(out, -1)
		require.Equal(t, failed != nil, len(refused) > 0, "%v: %s", failed, out)
		for _, m := range refused {
			line, err := strconv.Atoi(string(m[1]))
			require.NoError(t, err)
			t.Errorf("%s, which asks for %q: %s: %s", names[line-1], set[1], code[line-1], m[2])
		}
	}
}

// assembly returns the names of the functions that are written in it.
func assembly(t *testing.T) map[string]bool {
	paths, err := filepath.Glob("*_amd64.s")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^\w*TEXT\w* ·(\w+)\(SB\)`).FindAllSubmatch(text, -1) {
			names[string(m[1])] = true
		}
	}
	return names
}

// disassemble returns the instructions of this package's functions of some names, as they are
// in memory.
func disassemble(t *testing.T, names map[string]bool) map[string][]string {
	self, err := os.Executable()
	require.NoError(t, err)
	file, err := elf.Open(self)
	require.NoError(t, err)
	defer file.Close()
	lines, err := file.Section(".gopclntab").Data()
	require.NoError(t, err)
	table, err := gosym.NewTable(nil, gosym.NewLineTable(lines, 0))
	require.NoError(t, err)

	const here = "trona/kernels/cpu."
	start := uint64(reflect.ValueOf(choose).Pointer()) - table.LookupFunc(here+"choose").Entry
	var code bytes.Buffer
	var owners []string // of each byte
	for _, f := range table.Funcs {
		if name, ok := strings.CutPrefix(f.Name, here); ok && names[name] {
			body := unsafe.Slice((*byte)(pointer(uintptr(start+f.Entry))), f.End-f.Entry)
			code.Write(body)
			for range body {
				owners = append(owners, name)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "code")
	require.NoError(t, os.WriteFile(path, code.Bytes(), 0o600))
	out, err := exec.Command("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", path).Output()
	require.NoError(t, err)
	loops := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^ *([0-9a-f]+):\t(.*)$`).FindAllSubmatch(out, -1) {
		at, err := strconv.ParseUint(string(m[1]), 16, 64)
		require.NoError(t, err)
		loops[owners[at]] = append(loops[owners[at]], string(m[2]))
	}
	require.Len(t, loops, len(names))
	return loops
}
