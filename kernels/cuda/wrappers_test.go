package cuda

import (
	_ "embed"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/cuda/fatbin"
	"trona/kernels/kerneltest"
)

var recordTo = flag.String("record", "", "write what a GPU makes of TestWrappers' words to this file")

// vectors has what the functions of gpu.h make of words. Its first line says where
// they come from.
//
//go:embed testdata/wrappers.txt
var vectors string

// wrapperIn and wrapperOut are the words of the threads of wrappers.cu.
type (
	wrapperIn  [64][8]uint32
	wrapperOut [64][4]uint32
)

type wrapperArgs struct {
	out, in addr
	op      int32
	_       int32
}

// wrapper is a case of wrappers.cu.
type wrapper struct {
	name  string
	op    int32
	words func(rng *rand.Rand) *wrapperIn
	// want computes the results as the PTX ISA documents the instructions.
	want func(in *wrapperIn) *wrapperOut
	// units is by how much the first word, a float, may differ: of approx_ functions.
	units uint32
}

// TestWrappers: every function of gpu.h gives on this device what the vectors say,
// and these are what its documentation asks for.
func TestWrappers(t *testing.T) {
	if !fatbin.Embedded {
		t.Skip("built without compiled kernels")
	}
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	if *rewrite {
		writeVectors(t, "testdata/wrappers.txt", "computed from the documentation: no GPU has recorded them", func(w *wrapper) *wrapperOut {
			return w.want(w.in())
		})
		t.Skip("rewritten: run again")
	}
	k := wrappersKernel(t, dev)
	if *recordTo != "" {
		require.Empty(t, os.Getenv(cudatest.Emulated), "an emulator records nothing")
		writeVectors(t, *recordTo, fmt.Sprintf("recorded on %s, driver for CUDA %s", dev.info.Name, cudaVersion(dev.version)), func(w *wrapper) *wrapperOut { return w.run(t, dev, k) })
	}
	stored := readVectors(t)
	for _, w := range wrappers() {
		t.Run(w.name, func(t *testing.T) {
			require.Contains(t, stored, w.name)
			w.compare(t, stored[w.name], w.want(w.in()), "documentation")
			w.compare(t, stored[w.name], w.run(t, dev, k), "device")
		})
		delete(stored, w.name)
	}
	require.Empty(t, stored, "vectors of nothing")
}

// wrappersKernel loads wrappers.cu, which no op uses.
func wrappersKernel(t *testing.T, dev *Device) *kernel {
	k := define[wrapperArgs]("wrappers", "wrappers")
	archs, err := architectures(dev.info.Major, dev.info.Minor)
	require.NoError(t, err)
	require.NoError(t, dev.thread.call(func(t *thread) error {
		modules, err := t.loadKernels([]*kernel{&k}, archs)
		dev.modules = append(dev.modules, modules...)
		return err
	}))
	return &k
}

// in makes the words of a case, the same every time.
func (w *wrapper) in() *wrapperIn { return w.words(rand.New(rand.NewPCG(uint64(w.op), 1))) }

// run has the device do a case.
func (w *wrapper) run(t *testing.T, dev *Device, k *kernel) *wrapperOut {
	const outBytes = 4 * (64*4 + 128) // with scratch
	in, out := w.in(), new(wrapperOut)
	at, err := dev.Alloc(outBytes + 4*64*8)
	require.NoError(t, err)
	defer dev.Free(at)
	from := kernels.View(at+outBytes, kernels.I32, 64, 8)
	dev.Upload(from, bytesOf(in[:]))
	dev.launch(k, 1, 1, 64, 1024, words(wrapperArgs{out: addr(at), in: addr(from.Addr), op: w.op}))
	dev.Download(bytesOf(out[:]), kernels.View(at, kernels.I32, 64, 4))
	require.NoError(t, dev.Sync())
	return out
}

// compare demands that results are the vectors, but for the units of approx_
// functions.
func (w *wrapper) compare(t *testing.T, want, got *wrapperOut, whose string) {
	for i := range want {
		a, b := want[i], got[i]
		if w.units > 0 && a[0] != b[0] {
			require.LessOrEqual(t, unitsBetween(a[0], b[0]), w.units, "%s: thread %d: %08x, want about %08x", whose, i, b[0], a[0])
			a[0] = b[0]
		}
		require.Equal(t, a, b, "%s: thread %d: %08x, want %08x", whose, i, b, a)
	}
}

// unitsBetween counts the floats between two words. Those of different signs, and
// NaN, have none that count.
func unitsBetween(a, b uint32) uint32 {
	x, y := math.Float32frombits(a), math.Float32frombits(b)
	if (a^b)>>31 != 0 || x != x || y != y {
		return math.MaxUint32
	}
	return max(a, b) - min(a, b)
}

func writeVectors(t *testing.T, path, origin string, of func(*wrapper) *wrapperOut) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", origin)
	for _, w := range wrappers() {
		fmt.Fprintf(&b, "%s\n", w.name)
		for _, d := range of(&w) {
			fmt.Fprintf(&b, "%08x %08x %08x %08x\n", d[0], d[1], d[2], d[3])
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644))
}

func readVectors(t *testing.T) map[string]*wrapperOut {
	all, name, n := map[string]*wrapperOut{}, "", 0
	for line := range strings.Lines(vectors) {
		fields := strings.Fields(line)
		switch {
		case fields[0] == "#":
		case len(fields) == 1:
			name, n = fields[0], 0
			all[name] = new(wrapperOut)
		default:
			for i, f := range fields {
				_, err := fmt.Sscanf(f, "%x", &all[name][n][i])
				require.NoError(t, err)
			}
			n++
		}
	}
	return all
}

// TestWrappersComplete: no function of gpu.h is left out, but those that KERNEL
// calls and report, which ops test.
func TestWrappersComplete(t *testing.T) {
	header, err := os.ReadFile("gpu.h")
	require.NoError(t, err)
	source, err := os.ReadFile("wrappers.cu")
	require.NoError(t, err)
	functions := regexp.MustCompile(`(?m)^(?:template <.*> )?DEVICE .*?\b(\w+)\(`).FindAllStringSubmatch(string(header), -1)
	require.Greater(t, len(functions), 80)
	for _, f := range functions {
		switch f[1] {
		case "wait_for_previous", "let_next_start", "report", "name":
			continue
		}
		require.True(t, regexp.MustCompile(`\b`+f[1]+`(<\w+>)?\(`).Match(source), "wrappers.cu does not call %s", f[1])
	}
}
