package cuda

import (
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

// TestManifest: it speaks of every kernel.
func TestManifest(t *testing.T) {
	if !fatbin.Embedded {
		t.Skip("built without compiled kernels")
	}
	text := fatbin.Manifest()
	for _, k := range kernelsFor(9, 0) {
		require.Contains(t, text, " "+k.name+" params ", "%s", k.name)
	}
}
