package cpu_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/kernels/kerneltest"
)

func TestMain(m *testing.M) {
	kerneltest.EmulateAMX()
	os.Exit(m.Run())
}

func opener(o cpu.Options) func() (kernels.Device, error) {
	return func() (kernels.Device, error) { return cpu.Open(o) }
}

// TestVariants: every instruction set of this machine opens by its name, and the
// last without one. What it prints is what the tests below cover.
func TestVariants(t *testing.T) {
	names := cpu.Variants()
	said := strings.Join(names, ", ")
	if kerneltest.EmulateAMX() {
		require.Equal(t, "amxbf16-int8", names[len(names)-1])
		said += " (emulated)"
	}
	t.Log("instruction sets:", said)
	t.Setenv("TRONA_CPU", "")
	for _, name := range append(names, "") {
		dev := kerneltest.Open(t, "cpu", opener(cpu.Options{Threads: 1, Variant: name}))
		if name == "" {
			name = names[len(names)-1]
		}
		require.Equal(t, []string{name}, dev.Info().Features)
	}
	require.Equal(t, len(names), len(slices.Compact(slices.Sorted(slices.Values(names)))))
}

// TestConformance runs the suite on every instruction set of this machine, and
// of those in 8 bits what differs.
func TestConformance(t *testing.T) {
	names := cpu.Variants()
	for _, v := range names {
		t.Run(v, func(t *testing.T) {
			if kerneltest.Race && v != "generic" && v != "genericbf16-int8" {
				t.Skip("the race detector sees what plain Go reads and writes")
			}
			s := kerneltest.Suite{
				Name:  "cpu",
				Brief: testing.Short(),
				Open:  opener(cpu.Options{Threads: 2, Variant: v}),
				Peers: []func() (kernels.Device, error){
					opener(cpu.Options{Threads: 1, Variant: v}),
					opener(cpu.Options{Threads: 5, Variant: v}),
				},
			}
			if kerneltest.Race {
				s.CacheTypes = []kernels.DType{kernels.F16} // the others share its goroutines
			}
			if v == names[len(names)-1] {
				s.Peers = append(s.Peers, opener(cpu.Options{Threads: 128, Variant: v}))
			}
			if strings.HasSuffix(v, "-int8") {
				s.Only = []string{"matmul", "uniform", "misuse"}
				if cpu.Rounds16(v) {
					s.Only, s.CacheTypes = append(s.Only, "attention"), []kernels.DType{kernels.I16}
					s.AttentionRounding, s.AttentionLost = 0x1p-10, 0x1p-9
				}
				s.Brief = s.Brief || v == "generic-int8" // TestInt8 has its bits in all the others
				s.Rounded = func(t kernels.DType, x []float32, cols, decode int64) []float32 {
					decode *= cols
					if !cpu.RoundsTiles(v, t) {
						decode = int64(len(x))
					}
					seen := slices.Concat(x[:decode], round16(x[decode:]))
					if cpu.Rounds(v, t) && cols%32 == 0 {
						copy(seen, round8(x[:decode], 32))
					}
					if _, mins := cpu.RoundsSuper(v, t); mins {
						copy(seen, round8(x[:decode], 256))
					}
					if cpu.RoundsPairs(v, t) && cols%2 == 0 {
						copy(seen, round16(x[:decode]))
					}
					return seen
				}
				s.Lost = map[kernels.DType]float64{}
				for _, t := range []kernels.DType{kernels.Q4_K, kernels.Q5_K, kernels.Q6_K} {
					if super, _ := cpu.RoundsSuper(v, t); super {
						s.Lost[t] = 0x1p-9
					}
				}
				if cpu.RoundsTiles(v, kernels.Q4_K) {
					s.Only, s.CacheTypes = append(s.Only, "gated_matmul"), nil
					if v == "genericbf16-int8" { // TestTiles has its bits in the others
						s.Brief, s.CacheTypes = true, []kernels.DType{kernels.F16, kernels.I16}
					}
					s.Rounding, s.AttentionRounding = 0x1p-8, 0x1p-7 // weights too are rounded to BF16
				}
			}
			s.Run(t)
		})
	}
}

func round16(x []float32) []float32 {
	rounded := make([]float32, len(x))
	for i, v := range x {
		rounded[i] = cpu.RoundPair(v)
	}
	return rounded
}

// round8 rounds every 32 values to multiples of a 127th of the largest; or of the next greater
// scale that is one of 127 parts of the largest of `shared` values.
func round8(x []float32, shared int) []float32 {
	rounded := make([]float32, 0, len(x))
	for all := range slices.Chunk(x, shared) {
		inverse := 127 / amax(all)
		for block := range slices.Chunk(all, 32) {
			to, unit := 127/amax(block), amax(block)/127
			if shared > 32 { // in the device's order: a code that falls to the other side counts
				scale := min(127, max(1, float32(math.Ceil(float64(amax(block)*inverse)))))
				to, unit = 127*inverse/scale, scale/inverse/127
			}
			for _, v := range block {
				rounded = append(rounded, float32(math.RoundToEven(float64(v*to)))*unit)
			}
		}
	}
	return rounded
}

// amax returns the largest magnitude.
func amax(x []float32) (most float32) {
	for _, v := range x {
		most = max(most, v, -v)
	}
	return most
}

// BenchmarkOps measures every instruction set with one thread and with all.
func BenchmarkOps(b *testing.B) {
	for _, v := range cpu.Variants() {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", v, threads), func(b *testing.B) {
				kerneltest.Bench(b, opener(cpu.Options{Threads: threads, Variant: v}))
			})
		}
	}
}

// BenchmarkPrefill measures what reads a prompt, by every instruction set with
// assembly, with one thread and with two.
func BenchmarkPrefill(b *testing.B) {
	for _, v := range cpu.Variants() {
		for _, threads := range []int{1, 2} {
			if !strings.HasPrefix(v, "generic") {
				b.Run(fmt.Sprintf("%s/threads=%d", v, threads), func(b *testing.B) {
					kerneltest.BenchPrefill(b, opener(cpu.Options{Threads: threads, Variant: v}))
				})
			}
		}
	}
}

// BenchmarkPack measures loading: the repacking of 64 MiB of a type.
func BenchmarkPack(b *testing.B) {
	for _, t := range []kernels.DType{kernels.BF16, kernels.Q4_0, kernels.Q8_0, kernels.Q3_K, kernels.Q4_K, kernels.Q6_K} {
		b.Run(t.String(), func(b *testing.B) {
			const cols = 2048
			rows := 64 << 20 / t.RowBytes(cols)
			m := &kernels.Matrix{Type: t, Rows: rows, Cols: cols, Data: make([]byte, rows*t.RowBytes(cols))}
			dev := kerneltest.Open(b, "cpu", opener(cpu.Options{Threads: 1}))
			b.SetBytes(int64(len(m.Data)))
			for b.Loop() {
				w, err := dev.Pack(m)
				require.NoError(b, err)
				dev.Free(w.Addr)
			}
		})
	}
}
