// Package kerneltest is the suite that every device passes: each op on odd and
// typical shapes and all types, against obvious float64 references.
//
// Inputs are random from a seed that is printed on failure. Every buffer of a
// case stands between guard bands and begins as NaN, so that a stray write, a
// missing write or a read of what was never written shows.
package kerneltest

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// Suite says what to test and what to expect.
type Suite struct {
	Name string // of the device, for Open's REQUIRE_<NAME>
	Open func() (kernels.Device, error)
	// Peers open devices that must agree with Open's bit for bit, such as the
	// same with other thread counts.
	Peers []func() (kernels.Device, error)
	// Rounding is the relative error of a product of two inputs: 0 where they
	// stay F32, 2^-10 where both are rounded to F16, 2^-7 where to BF16.
	// AttentionRounding is that of attention, AttentionLost what small weights lose of the
	// greatest.
	Rounding, AttentionRounding, AttentionLost float64
	// Lost is what products with weights of a type lose beside.
	Lost map[kernels.DType]float64
	// Rounded returns what a product with a weight of type t sees of its input, rows
	// of cols values of which the first decode, where the device rounds it by a rule
	// of its own. nil: all of it.
	Rounded func(t kernels.DType, x []float32, cols, decode int64) []float32
	// Brief leaves out what takes long and asks no kernel for more: statistics of
	// many draws, long batches and invariance of every type where one or two stand for all.
	Brief bool
	// CacheTypes are those to test; nil: all that the device has.
	CacheTypes []kernels.DType
	// Only names the subtests to run, as in "matmul"; nil: all.
	Only []string
	// Lazy: the device may allocate on the host as ops run.
	Lazy bool
}

// lost bounds the error of products with a type, relative to the sum of their magnitudes.
func (s *Suite) lost(t kernels.DType) float64 { return 1e-5 + s.Rounding + s.Lost[t] }

// Open opens a device for a test and closes it at its end. It skips the test
// where the machine lacks the device, unless REQUIRE_<NAME>=1 promised it.
func Open(t testing.TB, name string, open func() (kernels.Device, error)) kernels.Device {
	t.Helper()
	dev, err := open()
	if errors.Is(err, kernels.ErrNoDevice) && os.Getenv("REQUIRE_"+strings.ToUpper(name)) != "1" {
		t.Skip(err)
	}
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, dev.Close()) })
	return dev
}

// Run runs all cases on a device of Open.
func (s Suite) Run(t *testing.T) {
	dev := Open(t, s.Name, s.Open)
	info := dev.Info()
	t.Logf("device %s: %s", info.Name, info.Detail)
	for _, c := range []struct {
		name string
		test func(*context)
	}{
		{"memory", testMemory},
		{kernels.OpEmbed.String(), testEmbed},
		{kernels.OpRMSNorm.String(), testRMSNorm},
		{kernels.OpAddRMSNorm.String(), testAddRMSNorm},
		{kernels.OpAdd.String(), testAdd},
		{kernels.OpMatMul.String(), testMatMul},
		{kernels.OpGatedMatMul.String(), testGatedMatMul},
		{kernels.OpAddBias.String(), testAddBias},
		{kernels.OpSwiGLU.String(), testSwiGLU},
		{kernels.OpRoPEAppendKV.String(), testRoPEAppendKV},
		{kernels.OpAttention.String(), testAttention},
		{kernels.OpGather.String(), testGather},
		{kernels.OpSample.String(), testSample},
		{"uniform", testUniform},
		{"record", testRecord},
		{kernels.OpFeed.String(), testFeed},
		{"misuse", testMisuse},
	} {
		if s.Only == nil || slices.Contains(s.Only, c.name) {
			t.Run(c.name, func(t *testing.T) { c.test(s.context(t, dev)) })
		}
	}
}

var seed = flag.Uint64("kerneltest.seed", 0, "seed of the random inputs; 0: from the clock")

// context is one subtest on one device.
type context struct {
	*testing.T
	suite   Suite
	dev     kernels.Device
	rng     *rand.Rand
	seed    uint64
	buffers []*buffer
}

func (s Suite) context(t *testing.T, dev kernels.Device) *context {
	n := *seed
	if n == 0 {
		n = uint64(time.Now().UnixNano())
	}
	c := &context{T: t, suite: s, dev: dev, seed: n, rng: rand.New(rand.NewPCG(n, 0))}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("inputs came from -kerneltest.seed=%d", n)
		}
	})
	return c
}

// on returns the same context, with the same random inputs to come, on another device.
func (c *context) on(dev kernels.Device) *context {
	return &context{T: c.T, suite: c.suite, dev: dev, seed: c.seed, rng: rand.New(rand.NewPCG(c.seed, 0))}
}

// run runs one named case. Its buffers are checked and freed at its end.
func (c *context) run(name string, test func(c *context)) {
	c.T.Run(name, func(t *testing.T) {
		sub := c.suite.context(t, c.dev)
		test(sub)
		sub.release()
	})
}

// normal returns n normally distributed values, some of them large.
func (c *context) normal(n int64, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(c.rng.NormFloat64() * scale)
		if c.rng.IntN(100) == 0 {
			x[i] *= 16
		}
	}
	return x
}

// close demands |got-want| <= tolerance[i] and no NaN.
func (c *context) close(got []float32, want, tolerance []float64) {
	c.Helper()
	require.Len(c, got, len(want))
	for i := range want {
		if diff := math.Abs(float64(got[i]) - want[i]); !(diff <= tolerance[i]) {
			require.FailNow(c, "wrong result", "element %d: got %v, want %v, off by %g, allowed %g", i, got[i], want[i], diff, tolerance[i])
		}
	}
}

// same demands equal bits.
func (c *context) same(want, got []float32, what string, args ...any) {
	c.Helper()
	require.Len(c, got, len(want))
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			require.FailNow(c, "bits differ", "element %d: %v, but %v %s", i, want[i], got[i], fmt.Sprintf(what, args...))
		}
	}
}

// noAllocs demands that op allocates nothing on the host, once it ran before.
func (c *context) noAllocs(op func()) {
	c.Helper()
	if c.suite.Lazy || Race {
		return
	}
	op()
	require.Zero(c, testing.AllocsPerRun(2, op), "allocations of one call")
}
