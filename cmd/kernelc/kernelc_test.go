package main

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCommitted: the committed code was made from the sources as they are,
// and passes the gates. It needs no compiler.
func TestCommitted(t *testing.T) {
	const root = "../.."
	s, err := readSources(filepath.Join(root, sourceFolder))
	require.NoError(t, err)
	m, err := readManifest(filepath.Join(root, outputFolder))
	require.NoError(t, err)
	require.NoError(t, verify(root, s, m))
	text, err := os.ReadFile(filepath.Join(root, outputFolder, "MANIFEST"))
	require.NoError(t, err)
	require.Equal(t, string(text), m.String())
}

// header stands in for gpu.h.
const header = `#define KERNEL(name) extern "C" __global__ void __launch_bounds__(64) name(const __grid_constant__ Args a)
struct Args { float* x; long long n; };
`

const source = `#include "gpu.h"
// expect FADD: twice
KERNEL(twice) { a.x[threadIdx.x] += a.x[threadIdx.x]; }
`

// repository makes one with a single kernel.
func repository(t *testing.T, source string) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"gpu.h": header, "twice.cu": source, "toolchain.txt": "# tools\nnvidia-cuda-nvrtc-cu12==0.0.1 --hash=sha256:00\n",
	} {
		path := filepath.Join(root, sourceFolder, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func readAll(t *testing.T, root string) *sources {
	s, err := readSources(filepath.Join(root, sourceFolder))
	require.NoError(t, err)
	return s
}

// built is a manifest of the repository as if it had been compiled.
func built(t *testing.T, root string) *manifest {
	s := readAll(t, root)
	m := &manifest{compiler: s.tools, flags: strings.Join(flags, " ")}
	for _, f := range s.files {
		m.sources = append(m.sources, manifestSource{f.stem, f.hash})
		for _, arch := range f.only {
			code := []byte(f.stem + arch)
			m.images = append(m.images, manifestImage{stem: f.stem, arch: arch, bytes: len(code), hash: sum(code), code: code})
			m.kernels = append(m.kernels, manifestKernel{
				stem: f.stem, arch: arch, name: f.stem, params: 16, threads: 64, registers: 8,
				opcodes: map[string]int{total: 9, "FADD": 1},
			})
		}
	}
	return m
}

// TestVerify: without a compiler, whatever does not fit the sources is an error.
func TestVerify(t *testing.T) {
	touch := func(file, text string) func(string) {
		return func(root string) {
			f, err := os.OpenFile(filepath.Join(root, file), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
			require.NoError(t, err)
			_, err = f.WriteString(text)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		}
	}
	for _, c := range []struct {
		name   string
		change func(root string)
		want   string
	}{
		{"nothing", func(string) {}, ""},
		{"source", touch("kernels/cuda/twice.cu", "\n"), "twice.cu changed"},
		{"header", touch("kernels/cuda/gpu.h", "\n"), "twice.cu changed"},
		{"new source", touch("kernels/cuda/new.cu", "x"), "new.cu changed"},
		{"image", func(root string) {
			path := filepath.Join(root, outputFolder, "twice.sm_80.zst")
			require.NoError(t, os.WriteFile(path, newPacker().EncodeAll([]byte("other"), nil), 0o644))
		}, "twice.sm_80.zst is not what the MANIFEST says"},
		{"no image", func(root string) {
			require.NoError(t, os.Remove(filepath.Join(root, outputFolder, "twice.sm_80.zst")))
		}, "twice.sm_80.zst"},
		{"leftover", touch("kernels/cuda/fatbin/old.sm_80.zst", "x"), "old.sm_80.zst is not in the MANIFEST"},
		{"manifest", touch("kernels/cuda/fatbin/MANIFEST", "source x\n"), "MANIFEST: line"},
		{"source gone", func(root string) {
			require.NoError(t, os.Rename(filepath.Join(root, sourceFolder, "twice.cu"), filepath.Join(root, sourceFolder, "two.cu")))
		}, "twice.cu, two.cu changed"},
	} {
		root := repository(t, source)
		var out bytes.Buffer
		require.NoError(t, write(filepath.Join(root, outputFolder), built(t, root), &out), c.name)
		c.change(root)
		err := run(root, filepath.Join(root, "nowhere"), false, &out)
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.Contains(t, out.String(), "up to date")
			continue
		}
		require.ErrorContains(t, err, c.want, c.name)
	}
}

func TestGate(t *testing.T) {
	for _, c := range []struct {
		change func(k *manifestKernel)
		want   string
	}{
		{func(k *manifestKernel) { k.spills = 4 }, "4 bytes spilled"},
		{func(k *manifestKernel) { k.stack = 8 }, "8 bytes of stack"},
		{func(k *manifestKernel) { k.opcodes["STL"] = 2 }, "2 instructions on local memory"},
		{func(k *manifestKernel) { k.shared = 16 }, "16 bytes of static shared memory"},
		{func(k *manifestKernel) { k.threads = 0 }, "no launch bounds"},
		{func(k *manifestKernel) { delete(k.opcodes, "FADD") }, "no FADD"},
	} {
		root := repository(t, source)
		m := built(t, root)
		require.Empty(t, gate(readAll(t, root), m))
		c.change(&m.kernels[0])
		require.Equal(t, 1, len(gate(readAll(t, root), m)), c.want)
		require.Contains(t, gate(readAll(t, root), m)[0], "twice of twice.cu for sm_80: ")
		require.Contains(t, gate(readAll(t, root), m)[0], c.want)
	}
}

func TestOnly(t *testing.T) {
	require.Equal(t, []string{"sm_90a"}, readAll(t, repository(t, "// only sm_90a\n")).files[0].only)
	_, err := readSources(filepath.Join(repository(t, "// only sm_20\n"), sourceFolder))
	require.ErrorContains(t, err, "only sm_20")
}

func TestManifestText(t *testing.T) {
	m := built(t, repository(t, source))
	again, err := parseManifest(m.String())
	require.NoError(t, err)
	for i := range m.images {
		m.images[i].code = nil
	}
	require.Equal(t, m, again)
	for _, text := range []string{"x", "source a", "image a b bytes x sha256 y", "kernel a b c params", "kernel a b c params 1 threads 2 registers 3 stack 4 spills 5 shared -1"} {
		_, err := parseManifest(text)
		require.ErrorContains(t, err, "line 1", text)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add("compiler a\nsource a b\nkernel a b c params 1 threads 2 registers 3 stack 4 spills 5 shared 6 all 7\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseManifest(text); err == nil {
			again, err := parseManifest(m.String())
			require.NoError(t, err)
			require.Equal(t, m.String(), again.String())
		}
	})
}

// TestReports: what ptxas and nvdisasm print is read right.
func TestReports(t *testing.T) {
	require.Equal(t, map[string]int{"a": 752, "b": 0}, spillsOf(`ptxas info    : Function properties for a
ptxas         .     200 bytes stack frame, 364 bytes spill stores, 388 bytes spill loads
ptxas info    : Function properties for b
ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
`))
	require.Equal(t, map[string]map[string]int{"k": {total: 4, "LDG": 1, "FADD": 1, "BRA": 1}}, count(`
.text.k:
        /*0000*/                   MOV R1, c[0x0][0x28] ;
        /*0010*/              @!P0 LDG.E R11, [R60.64] ;
.L_x_3:
        /*0020*/                   FADD R1, R2, R3 ;
        /*0030*/               @P0 BRA 0x10;
        /*0040*/                   NOP;
`))
	require.True(t, complaint.MatchString("ptxas info : (C7508) Potential Performance Loss: 'setmaxnreg' ignored"))
}

// TestUnpack: of a wheel only what is wanted is taken, by its last name.
func TestUnpack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.whl")
	file, err := os.Create(path)
	require.NoError(t, err)
	z := zip.NewWriter(file)
	for _, name := range []string{"nvidia/lib/libnvrtc.so.12", "nvidia/lib/libnvrtc.alt.so.12", "../nvdisasm"} {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(name))
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	require.NoError(t, file.Close())
	folder := filepath.Join(t.TempDir(), "out")
	require.NoError(t, unpack(path, folder))
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(folder, "libnvrtc.so.12"), filepath.Join(folder, "nvdisasm")}, names)
}

// TestCompile builds twice with the real compiler, where it is installed or
// REQUIRE_KERNELC=1 promised it.
func TestCompile(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles")
	}
	const root = "../.."
	list, cache := filepath.Join(root, sourceFolder, "toolchain.txt"), filepath.Join(root, "build/kernelc")
	data, err := os.ReadFile(list)
	require.NoError(t, err)
	if _, err := os.Stat(filepath.Join(cache, sum(data)[:16])); err != nil && os.Getenv("REQUIRE_KERNELC") != "1" {
		t.Skip("the kernel compiler is not installed: go run ./cmd/kernelc installs it")
	}
	temp := repository(t, source)
	require.NoError(t, os.WriteFile(filepath.Join(temp, sourceFolder, "toolchain.txt"), data, 0o644))
	var out bytes.Buffer
	require.NoError(t, run(temp, cache, false, &out))
	require.NoError(t, run(temp, cache, true, &out), "the same bytes again")
	require.Contains(t, out.String(), "byte for byte")
	manifest := filepath.Join(temp, outputFolder, "MANIFEST")
	text, err := os.ReadFile(manifest)
	require.NoError(t, err)
	require.Contains(t, string(text), "kernel twice sm_90a twice params 16 threads 64 registers ")
	require.NoError(t, os.WriteFile(manifest, bytes.Replace(text, []byte("threads 64"), []byte("threads 65"), 1), 0o644))
	require.ErrorContains(t, run(temp, cache, true, &out), "stale")

	broken := repository(t, "#include \"gpu.h\"\nKERNEL(k) { nothing }")
	require.NoError(t, os.WriteFile(filepath.Join(broken, sourceFolder, "toolchain.txt"), data, 0o644))
	err = run(broken, cache, false, &out)
	require.ErrorContains(t, err, "twice.cu for sm_80: compile: NVRTC_ERROR_COMPILATION")
	require.ErrorContains(t, err, `identifier "nothing" is undefined`)
}
