package test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// hopperArgs is HopperArgs.
type hopperArgs struct {
	tensorMap [16]uint64
	out, in   uintptr
	n         int32
	_         [11]int32
}

// launchConfig is CUlaunchConfig with one attribute.
type launchConfig struct {
	grid, block [3]uint32
	shared      uint32
	stream      uintptr
	attributes  unsafe.Pointer
	count       uint32
}

// launchAttribute is CUlaunchAttribute.
type launchAttribute struct {
	id, _ uint32
	value [64]byte
}

const dependent = 6 // CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION

// hopper loads the kernels of testdata/hopper.cu besides the others.
func (d *device) hopper(names ...string) {
	d.Helper()
	text := planted(int(unsafe.Sizeof(hopperArgs{})), names...)
	d.module = d.make("cuModuleLoadData", d.text(strings.Replace(text, "sm_80", "sm_90", 1)))
}

// startHopper queues a launch, as dependent on the one before or not.
func (d *device) startHopper(name string, shared int, a *hopperArgs, follows bool) {
	d.Helper()
	require.Zero(d, d.launchHopper(name, shared, a, follows), "%s", d.report())
}

func (d *device) launchHopper(name string, shared int, a *hopperArgs, follows bool) int {
	d.Helper()
	var pinner runtime.Pinner
	defer pinner.Unpin()
	pinner.Pin(a)
	params := &[1]unsafe.Pointer{unsafe.Pointer(a)}
	attribute := &launchAttribute{id: dependent}
	if follows {
		attribute.value[0] = 1
	}
	pinner.Pin(attribute)
	c := &launchConfig{
		grid: [3]uint32{1, 1, 1}, block: [3]uint32{threads, 1, 1}, shared: uint32(shared), stream: d.stream,
		attributes: unsafe.Pointer(attribute), count: 1,
	}
	return d.call("cuLaunchKernelEx", uintptr(unsafe.Pointer(c)), d.function(name), uintptr(unsafe.Pointer(params)), 0)
}

// encode makes a map of rows of 64 numbers of F16.
func (d *device) encode(a *hopperArgs, at uintptr, rows uint64) {
	d.Helper()
	b := make([]uint64, 24) // so that 128 bytes of it are aligned to 64
	i := (64 - uintptr(unsafe.Pointer(&b[0]))%64) % 64 / 8
	sizes, strides := &[2]uint64{64, rows}, &[1]uint64{128}
	box, steps := &[2]uint32{64, 64}, &[2]uint32{1, 1}
	d.must("cuTensorMapEncodeTiled", uintptr(unsafe.Pointer(&b[i])), 6, 2, at, uintptr(unsafe.Pointer(sizes)), uintptr(unsafe.Pointer(strides)),
		uintptr(unsafe.Pointer(box)), uintptr(unsafe.Pointer(steps)), 0, 3, 2, 0)
	copy(a.tensorMap[:], b[i:])
}

// halves are small whole numbers as F16 and as floats.
func halves(n int) (bits []uint16, values []float32) {
	for i := range n {
		v := i * 7 % 11 // 0 to 10
		bits = append(bits, []uint16{0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800, 0x4880, 0x4900}[v])
		values = append(values, float32(v))
	}
	return bits, values
}

// runHopper runs a kernel under a seed. It returns the CUresult, whether the
// output is right, and the report.
func runHopper(t *testing.T, kernel string, seed int) (result int, right bool, report string) {
	const n, pieceCount = 128 * 64, 5
	l := load(t)
	l.set("SEED", fmt.Sprint(seed))
	l.set("TIMEOUT", "0.3")
	d := l.open(0)
	d.hopper(kernel)
	bits, values := halves(n)
	matrix := d.alloc(n / 2)
	d.must("cuMemcpyHtoD_v2", matrix, uintptr(unsafe.Pointer(&bits[0])), 2*n)
	a := &hopperArgs{out: d.words(64 * 64), in: d.floats(ramp(pieceCount * threads)), n: pieceCount}
	d.encode(a, matrix, 128)
	shared, want := 2*64*128+8, []float32(nil)
	switch kernel {
	case "right_product", "product_no_fence", "product_no_wait", "product_no_commit", "product_overwritten", "product_plain_store",
		"product_early", "product_changed", "product_one_warp", "product_two_operands", "right_registers":
		want = matrixProduct(values, func(k, c int) float32 { return values[(64+c)*64+k] })
	case "right_columns":
		want = matrixProduct(values, func(k, c int) float32 { return values[(64+k)*64+c] })
	case "right_outside":
		want = matrixProduct(values, func(k, c int) float32 {
			if c >= 32 {
				return 0
			}
			return values[(96+c)*64+k]
		})
	case "right_registers_given":
		want = ramp(threads)
	default:
		shared, want = 2*512+4*8, pieces(pieceCount)
	}
	d.startHopper(kernel, shared, a, false)
	if result = d.wait(); result != 0 {
		return result, false, l.report()
	}
	return 0, slices.Equal(want, d.read(a.out, len(want))), ""
}

func matrixProduct(a []float32, b func(k, c int) float32) []float32 {
	out := make([]float32, 64*64)
	for i := range out {
		for k := range 64 {
			out[i] += a[i/64*64+k] * b(k, i%64)
		}
	}
	return out
}

// TestRightHopper: what has no bug gives the right answer under every schedule.
func TestRightHopper(t *testing.T) {
	for _, kernel := range []string{"right_bulk", "right_product", "right_columns", "right_registers", "right_outside", "right_registers_given"} {
		for seed := range 2 * seeds {
			t.Run(fmt.Sprintf("%s/seed %d", kernel, seed), func(t *testing.T) {
				result, right, report := runHopper(t, kernel, seed)
				require.Zero(t, result, report)
				require.True(t, right)
			})
		}
	}
}

// TestHopperRaces: each bug of order shows, as a wrong answer or an error,
// under at least one of the schedules that continuous integration runs.
func TestHopperRaces(t *testing.T) {
	for _, kernel := range []string{"bulk_no_wait", "bulk_no_empty", "bulk_wrong_parity", "bulk_twice", "product_no_wait", "product_early", "product_overwritten", "bulk_not_taken"} {
		var caught []int
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed %d", kernel, seed), func(t *testing.T) {
				if _, right, _ := runHopper(t, kernel, seed); !right {
					caught = append(caught, seed)
				}
			})
		}
		require.NotEmpty(t, caught, "no schedule shows %s", kernel)
		t.Logf("%s: seeds that show it: %v", kernel, caught)
	}
}

// TestHopperFaults: these bugs are found under every schedule, and the report
// says where.
func TestHopperFaults(t *testing.T) {
	for _, c := range []struct {
		kernel  string
		result  int
		reports string // a part of the report
	}{
		{"bulk_few_bytes", launchFailed, "256 bytes came that no arrival expected"},
		{"bulk_many_bytes", launchTimeout, "lacks 0 of 1 arrivals and 512 bytes"},
		{"bulk_no_publish", launchFailed, "publish_mbarriers is missing"},
		{"bulk_no_begin", launchFailed, "is no barrier"},
		{"bulk_overwritten", launchFailed, "is no barrier"},
		{"lapped", launchTimeout, "its phase of parity 0 lacks 1 of 1 arrivals"},
		{"product_no_fence", launchFailed, "no fence_products"},
		{"product_no_commit", launchFailed, "products are on their way"},
		{"product_plain_store", launchFailed, "without fence_async"},
		{"product_changed", launchFailed, "changed before its product was waited for"},
		{"product_one_warp", launchFailed, "another of its group"},
		{"product_two_operands", launchFailed, "another product than the others of its group"},
		{"registers_missing", launchTimeout, "set_registers"},
		{"registers_odd", launchFailed, "from 248 registers to 100"},
	} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed %d", c.kernel, seed), func(t *testing.T) {
				result, right, report := runHopper(t, c.kernel, seed)
				require.False(t, right)
				if c.result != 0 {
					require.Equal(t, c.result, result, report)
					require.Contains(t, report, c.reports)
					require.Contains(t, report, "kernel "+c.kernel)
				}
			})
		}
	}
}

// step is a launch that depends on the one before it: out = in + 1, of memory by
// number.
type step struct {
	kernel  string
	in, out int
}

// follow runs steps, of a graph or of a stream that has all of them when it begins
// the first. Memory 0 and 1 is a ramp, all other NaN. It returns what is in number
// `of` at the end.
func follow(t *testing.T, steps []step, recorded bool, seed, of int) (result int, got []float32, report string) {
	l := load(t)
	l.set("SEED", fmt.Sprint(seed))
	d := l.open(0)
	d.hopper("right_follow", "follow_late", "follow_silent", "follow_reads", "follow_writes", "follow_far", "follow_no_wait")
	memory := []uintptr{d.floats(ramp(threads)), d.floats(ramp(threads))}
	for range steps {
		memory = append(memory, d.alloc(threads))
	}
	flag, other := d.words(1), d.make("cuStreamCreate", 1)
	if recorded {
		d.must("cuStreamBeginCapture_v2", d.stream, 1)
	} else {
		d.must("cuStreamWaitValue32_v2", d.stream, flag, 1, 0)
	}
	for i, s := range steps {
		d.startHopper(s.kernel, 0, &hopperArgs{in: memory[s.in], out: memory[s.out]}, i > 0)
	}
	if recorded {
		graph := new(uintptr)
		d.must("cuStreamEndCapture", d.stream, uintptr(unsafe.Pointer(graph)))
		d.must("cuGraphLaunch", d.make("cuGraphInstantiateWithFlags", *graph, 0), d.stream)
	} else {
		d.must("cuStreamWriteValue32_v2", other, flag, 1, 0)
	}
	if result = d.wait(); result != 0 {
		return result, nil, l.report()
	}
	return 0, d.read(memory[of], threads), ""
}

// apart puts n launches that touch nothing of them between two steps.
func apart(first, second step, kernel string, n int) []step {
	steps := []step{first}
	for i := range n {
		steps = append(steps, step{kernel, 1, 5 + i})
	}
	return append(steps, second, step{"right_follow", 1, 4})
}

// TestFollow: a dependent launch may begin before the one before it, and one that
// lets the next begin before it waits lets it begin before all of those. What is
// read or written too early is wrong under some schedule, whether what it clashes
// with is the launch before or an earlier one; nothing is wrong where a launch
// between them is the first to wait.
func TestFollow(t *testing.T) {
	write, read := step{"right_follow", 0, 2}, step{"follow_reads", 2, 3}
	overwrite := step{"follow_writes", 1, 0} // what write reads
	var chain []step
	for i := range 15 {
		chain = append(chain, step{[]string{"right_follow", "follow_late", "follow_silent"}[i%3], i, i + 1})
	}
	chain[1].in = 0
	for _, c := range []struct {
		name  string
		steps []step
		of    int     // number of the memory that counts
		adds  float32 // what must be added to a ramp there
		bug   bool
	}{
		{"right", chain, 15, 14, false},
		{"reads", apart(write, read, "", 0), 3, 2, true},
		{"reads of 2 before", apart(write, read, "right_follow", 1), 3, 2, true},
		{"reads of 6 before", apart(write, read, "right_follow", 5), 3, 2, true},
		{"reads of 12 before", apart(write, read, "right_follow", 11), 3, 2, true},
		{"reads of 2 before, which is late", apart(step{"follow_late", 0, 2}, read, "right_follow", 1), 3, 2, true},
		{"reads after a late one", apart(write, read, "follow_late", 1), 3, 2, false},
		{"reads after a silent one", apart(write, read, "follow_silent", 1), 3, 2, false},
		{"writes", apart(write, overwrite, "", 0), 2, 1, true},
		{"writes of 2 before", apart(write, overwrite, "right_follow", 1), 2, 1, true},
		{"writes of 12 before", apart(write, overwrite, "right_follow", 11), 2, 1, true},
		{"writes after a late one", apart(write, overwrite, "follow_late", 1), 2, 1, false},
		{"writes after a silent one", apart(write, overwrite, "follow_silent", 1), 2, 1, false},
	} {
		for _, recorded := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/recorded %v", c.name, recorded), func(t *testing.T) {
				want := ramp(threads)
				for i := range want {
					want[i] += c.adds
				}
				var caught []int
				for seed := range seeds {
					result, got, report := follow(t, c.steps, recorded, seed, c.of)
					require.Zero(t, result, report)
					if !slices.Equal(want, got) {
						caught = append(caught, seed)
					}
				}
				require.Equal(t, c.bug, len(caught) > 0, "seeds that show it: %v", caught)
				t.Logf("seeds that show it: %v", caught)
			})
		}
	}
}

// TestFollowFaults: these bugs of a dependent launch are found under every schedule.
func TestFollowFaults(t *testing.T) {
	for _, c := range []struct {
		kernel  string
		result  int
		reports string
	}{
		{"follow_no_wait", launchFailed, "a dependent launch without wait_for_previous"},
		{"follow_far", illegalAddress, "reads from"},
	} {
		for seed := range seeds {
			t.Run(fmt.Sprintf("%s/seed %d", c.kernel, seed), func(t *testing.T) {
				result, _, report := follow(t, apart(step{"right_follow", 0, 2}, step{c.kernel, 1, 3}, "right_follow", 1), true, seed, 3)
				require.Equal(t, c.result, result)
				require.Contains(t, report, c.reports)
				require.Contains(t, report, "kernel "+c.kernel+", block (0, 0, 0)")
			})
		}
	}
}

// TestFollowBlindly: code for devices before 9.0 has no wait, so that a dependent
// launch of it, which a device accepts, is an error.
func TestFollowBlindly(t *testing.T) {
	l := load(t)
	d := l.open(0)
	d.module = d.make("cuModuleLoadData", d.text(planted(int(unsafe.Sizeof(hopperArgs{})), "right_follow")))
	a := &hopperArgs{out: d.alloc(threads), in: d.floats(ramp(threads))}
	require.Zero(t, d.launchHopper("right_follow", 0, a, false))
	require.Equal(t, notSupported, d.launchHopper("right_follow", 0, a, true))
	require.Contains(t, l.report(), "right_follow: its code is for 80 and cannot wait")
}

// TestTensorMap: what the copy engine refuses.
func TestTensorMap(t *testing.T) {
	l := load(t)
	d := l.open(0)
	at := d.alloc(4096)
	b := make([]uint64, 24)
	i := (64 - uintptr(unsafe.Pointer(&b[0]))%64) % 64 / 8
	for _, c := range []struct {
		name           string
		at             uintptr
		columns, pitch uint64
		box, swizzle   uint32
		want           int
	}{
		{"right", at, 64, 128, 64, 3, 0},
		{"odd address", at + 8, 64, 128, 64, 3, 1},
		{"odd pitch", at, 64, 136, 64, 3, 1},
		{"rows that overlap", at, 128, 128, 64, 3, 1},
		{"no columns", at, 0, 128, 64, 3, 1},
		{"large box", at, 64, 128, 257, 3, 1},
		{"other swizzle", at, 64, 128, 64, 2, 801},
	} {
		sizes, strides := &[2]uint64{c.columns, 16}, &[1]uint64{c.pitch}
		box, steps := &[2]uint32{64, c.box}, &[2]uint32{1, 1}
		require.Equal(t, c.want, d.call("cuTensorMapEncodeTiled", uintptr(unsafe.Pointer(&b[i])), 6, 2, c.at, uintptr(unsafe.Pointer(sizes)),
			uintptr(unsafe.Pointer(strides)), uintptr(unsafe.Pointer(box)), uintptr(unsafe.Pointer(steps)), 0, uintptr(c.swizzle), 2, 0), c.name)
	}
}
