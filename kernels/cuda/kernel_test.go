package cuda

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels/cuda/cubin"
	"trona/kernels/cuda/fatbin"
)

// kernelsFor are those that a device of a compute capability may run.
func kernelsFor(major, minor int) []*kernel {
	list := newKernelSet().all()
	if major == 9 && minor == 0 {
		list = append(list, newHopper().all()...)
	}
	return list
}

// codeFor returns all kernels in the code for a device.
func codeFor(t *testing.T, list []*kernel, archs []string) map[string]cubin.Kernel {
	code := map[string]cubin.Kernel{}
	var files []string
	for _, k := range list {
		if !slices.Contains(files, k.file) {
			files = append(files, k.file)
		}
	}
	for _, file := range files {
		image, err := fatbin.Image(file, archs)
		require.NoError(t, err)
		f, err := cubin.Parse(image)
		require.NoError(t, err, file)
		for _, k := range f.Kernels {
			code[k.Name] = k
		}
	}
	return code
}

// TestCompiledKernels: for every device, the code has each kernel that Go
// names, with one parameter of the size of Go's struct, and no other.
func TestCompiledKernels(t *testing.T) {
	if !fatbin.Embedded {
		t.Skip("built without compiled kernels")
	}
	for _, capability := range [][2]int{{8, 0}, {8, 9}, {9, 0}, {10, 0}, {12, 0}, {13, 0}} {
		archs, err := architectures(capability[0], capability[1])
		require.NoError(t, err)
		list := kernelsFor(capability[0], capability[1])
		code := codeFor(t, list, archs)
		for _, k := range list {
			c, ok := code[k.name]
			require.True(t, ok, "%s of %s.cu is not in the code for %v", k.name, k.file, archs)
			require.Len(t, c.Params, 1, "%s for %v", k.name, archs)
			require.Equal(t, k.bytes, c.Params[0].Bytes, "%s for %v", k.name, archs)
			require.LessOrEqual(t, k.bytes, 8*paramWords, k.name)
			require.Zero(t, k.bytes%8, k.name)
			require.Equal(t, threadsOf(k.name), c.MaxThreads, "threads of %s for %v", k.name, archs)
			delete(code, k.name)
		}
		require.Empty(t, code, "kernels that Go does not name, for %v", archs)
	}
}

// threadsOf is the table of README.md.
func threadsOf(kernel string) int {
	for _, c := range []struct {
		prefix  string
		threads int
	}{
		{"gemm_sm90_", sm90Threads}, {"attention_sm90_", sm90Threads}, {"matmul_sm90_", sm90MatmulThreads}, {"gemv_", warp * gemvWarps}, {"gemm_", gemmThreads}, {"attention_", attentionThreads}, {"sample_", sampleThreads},
		{"add_rmsnorm_", rowThreads}, {"rmsnorm_", rowThreads}, {"add_rmsnorm", wideThreads}, {"rmsnorm", wideThreads}, {"convert_", convertThreads}, {"add", flatThreads}, {"swiglu", flatThreads},
	} {
		if strings.HasPrefix(kernel, c.prefix) {
			return c.threads
		}
	}
	return rowThreads
}

// TestManifest: what it says of a kernel is what the code says, for every kernel and
// architecture, so that lines of two builds cannot stand together.
func TestManifest(t *testing.T) {
	if !fatbin.Embedded {
		t.Skip("built without compiled kernels")
	}
	said, read := map[string][]string{}, map[string][]string{}
	for line := range strings.Lines(fatbin.Manifest()) {
		f := strings.Fields(line)
		image := strings.Join(f[1:min(3, len(f))], " ")
		switch f[0] {
		case "image":
			for _, k := range codeFor(t, []*kernel{{file: f[1]}}, f[2:3]) {
				read[image] = append(read[image], fmt.Sprintf("%s params %d threads %d registers %d stack %d shared %d",
					k.Name, k.ParamBytes(), k.MaxThreads, k.Registers, k.Stack, k.Shared))
			}
		case "kernel":
			said[image] = append(said[image], strings.Join(slices.Delete(f[3:16], 9, 11), " ")) // without spills
		}
	}
	require.Greater(t, len(read), 90)
	for image := range read {
		require.ElementsMatch(t, read[image], said[image], "%s", image)
		delete(said, image)
	}
	require.Empty(t, said)
}
