package cuda

import (
	"fmt"
	"math"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/cuda/fatbin"
	"trona/kernels/kerneltest"
)

// hopperOpener opens a device that uses the kernels for compute capability 9.0.
func hopperOpener() (kernels.Device, error) {
	return Open(Options{Workspace: 4 << 20, Staging: 256 << 10})
}

// needHopper skips the test where the device is of another compute capability.
func needHopper(t *testing.T) {
	t.Helper()
	if !fatbin.Embedded {
		t.Skip("built without compiled kernels")
	}
	t.Setenv("TRONA_CUDA", "")
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	if dev.info.Major != 9 || dev.info.Minor != 0 {
		t.Skipf("the device has compute capability %d.%d", dev.info.Major, dev.info.Minor)
	}
}

// hopperSuite runs the part of the suite for an op that has such kernels.
func hopperSuite(op kernels.Op, types ...kernels.DType) func(*testing.T) {
	s := suite(hopperOpener)
	s.Brief, s.CacheTypes, s.Only = true, types, []string{op.String(), "record"}
	return s.Run
}

// TestHopperConformance runs the suite with the kernels for compute capability
// 9.0, and demands that it reached each of them.
func TestHopperConformance(t *testing.T) {
	needHopper(t)
	check := reached(t, newHopper().all())
	t.Run("matmul", hopperSuite(kernels.OpMatMul))
	hopperOps(t)
	check(t, "for Hopper")
}

// hopperOps is what reaches each kernel.
func hopperOps(t *testing.T) {
	t.Run("gated_matmul", hopperSuite(kernels.OpGatedMatMul))
	t.Run("attention", hopperSuite(kernels.OpAttention, kernels.F16, kernels.BF16))
	t.Run("sizes", hopperSizes)
	t.Run("types", hopperTypes)
}

// TestHopperSchedules reaches each under other schedules of the emulated device.
func TestHopperSchedules(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a while")
	}
	needHopper(t)
	for seed := 1; seed <= 4; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			check := reached(t, newHopper().all())
			cudatest.Set(t, "TRONA_EMU_SEED", fmt.Sprint(seed))
			defer cudatest.Set(t, "TRONA_EMU_SEED", "0")
			hopperOps(t)
			check(t, "for Hopper")
		})
	}
}

// hopperSizes: every size of a block of gemm_sm90 gives a row the same bits.
func hopperSizes(t *testing.T) {
	all, few := openBoth(t), openBoth(t)
	few.special.(*Device).info.Processors = fewProcessors // which take all sizes
	for _, kind := range []kernels.DType{kernels.F16, kernels.BF16} {
		want := all.product(t, kind, 300, 0, 512)
		for _, tokens := range []int64{20, 100, 250, 300} {
			got := few.product(t, kind, tokens, 0, 512)
			require.Equal(t, want[:len(got)], got, "%v, %d tokens", kind, tokens)
		}
	}
}

// hopperTypes: rows that decode have the same bits by matmul_sm90, which few
// tokens take, as by matmul; also where its blocks do several tiles, each of several
// stages, the last of them in part.
func hopperTypes(t *testing.T) {
	all, few := openBoth(t), openBoth(t)
	few.special.(*Device).info.Processors = fewProcessors
	const cols = 2304
	for _, kind := range weightTypes {
		if kind == kernels.F32 {
			continue // its products are of floats
		}
		want := all.product(t, kind, 20, 20, cols)
		for _, d := range []bothDevices{all, few} {
			got := d.product(t, kind, 3, 3, cols)
			require.Equal(t, want[:len(got)], got, kind)
		}
	}
}

// bothDevices use the kernels for compute capability 9.0 and the usual ones.
type bothDevices struct{ special, usual kernels.Device }

func openBoth(t *testing.T) bothDevices {
	return bothDevices{kerneltest.Open(t, "emulator", hopperOpener), kerneltest.Open(t, "emulator", opener)}
}

// product multiplies n rows, of which the first decode. The bits are those of
// the usual kernels where the device adds in the same order, as the emulated one
// does.
func (d bothDevices) product(t *testing.T, kind kernels.DType, n, decode, cols int64) []uint32 {
	m := randomMatrix(newRand(), kind, 150, cols)
	m.Table = randomTable(newRand(), kind)
	if kind == kernels.F16 || kind == kernels.BF16 {
		for i := 1; i < len(m.Data); i += 2 {
			m.Data[i] = m.Data[i]&0x83 | 0x38 // below 1
		}
	}
	x := make([]float32, n*m.Cols)
	rng := newRand()
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	got := floatBits(product(t, d.special, m, x, decode))
	if os.Getenv(cudatest.Emulated) == "1" {
		require.Equal(t, floatBits(product(t, d.usual, m, x, decode)), got, kind)
	}
	return got
}

// floatBits are numbers as words, all NaN the same.
func floatBits(x []float32) []uint32 {
	bits := make([]uint32, len(x))
	for i, v := range x {
		bits[i] = math.Float32bits(v)
		if v != v {
			bits[i] = math.Float32bits(float32(math.NaN()))
		}
	}
	return bits
}

// TestNoHopper: other devices do not take these kernels.
func TestNoHopper(t *testing.T) {
	emulate(t, map[string][2]string{"TRONA_EMU_CC": {"8.0", "9.0"}})
	require.Nil(t, kerneltest.Open(t, "emulator", hopperOpener).(*Device).hopper)
}

// TestUsual: the environment leaves these kernels aside; what it cannot mean is
// an error that says what it can.
func TestUsual(t *testing.T) {
	needHopper(t)
	require.NotNil(t, kerneltest.Open(t, "emulator", hopperOpener).(*Device).hopper)
	t.Setenv("TRONA_CUDA", "usual")
	require.Nil(t, kerneltest.Open(t, "emulator", hopperOpener).(*Device).hopper)
	t.Setenv("TRONA_CUDA", "fast")
	_, err := hopperOpener()
	require.EqualError(t, err, `cuda: TRONA_CUDA=fast: there are no such kernels, only "usual"`)
}
