package minifloat

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/testdata"
)

// codesOf reads codes and the values that a reference gives them, or the other way round.
func codesOf(t *testing.T, name string) ([]byte, []float32) {
	t.Helper()
	codes, err := os.ReadFile(testdata.Shared(t, "quant", name+".bin"))
	require.NoError(t, err)
	return codes, testdata.Floats(t, testdata.Shared(t, "quant", name+".f32"))
}

// TestCodes: every code of the 8-bit and 4-bit floats, and the edges of the
// 16-bit ones, have the value of the reference.
func TestCodes(t *testing.T) {
	for name, value := range map[string]func(c uint16) float32{
		"e4m3": func(c uint16) float32 { return E4M3(byte(c)) },
		"e2m1": func(c uint16) float32 { return E2M1(byte(c)) },
		"f16":  F16,
		"bf16": BF16,
	} {
		codes, want := codesOf(t, name)
		size := len(codes) / len(want)
		for i, w := range want {
			c := uint16(codes[size*i])
			if size == 2 {
				c = binary.LittleEndian.Uint16(codes[2*i:])
			}
			v := value(c)
			require.True(t, v == w || v != v && w != w, "%s: code %#x is %v, not %v", name, c, v, w)
			require.Equal(t, math.Signbit(float64(w)), math.Signbit(float64(v)), "%s: sign of code %#x", name, c)
		}
	}
}

// TestRounding: exact values, midpoints and their neighbours, and overflow.
func TestRounding(t *testing.T) {
	for name, code := range map[string]func(v float32) uint16{
		"to-e4m3": func(v float32) uint16 { return uint16(ToE4M3(v)) },
		"to-e2m1": func(v float32) uint16 { return uint16(ToE2M1(v)) },
		"to-f16":  ToF16,
		"to-bf16": ToBF16,
	} {
		want, values := codesOf(t, name)
		size := len(want) / len(values)
		for i, v := range values {
			c := uint16(want[size*i])
			if size == 2 {
				c = binary.LittleEndian.Uint16(want[2*i:])
			}
			require.Equal(t, c, code(v), "%s: %v", name, v)
		}
	}
}

// TestRoundTrip: every code of a float type is what its value rounds to.
func TestRoundTrip(t *testing.T) {
	for c := range 1 << 16 {
		h := uint16(c)
		if v := F16(h); v == v {
			require.Equal(t, h, ToF16(v))
		} else {
			require.Equal(t, uint16(0x7e00), ToF16(v)&0x7e00, "NaN stays NaN")
		}
		if v := BF16(h); v == v {
			require.Equal(t, h, ToBF16(v))
		} else {
			require.True(t, math.IsNaN(float64(BF16(ToBF16(v)))), "NaN stays NaN")
		}
	}
	for c := range 256 {
		if v := E4M3(byte(c)); v == v {
			require.Equal(t, byte(c), ToE4M3(v))
		}
	}
	require.Equal(t, byte(0x7f), ToE4M3(float32(math.NaN())))
	require.Equal(t, byte(0xfe), ToE4M3(float32(math.Inf(-1))))
}

// TestF16: values of IEEE 754, subnormal, infinite and none among them.
func TestF16(t *testing.T) {
	for bits, want := range map[uint16]float64{
		0x0000: 0, 0x3c00: 1, 0xc000: -2, 0x7bff: 65504, 0x0001: 0x1p-24, 0x03ff: 1023 * 0x1p-24, 0x0400: 0x1p-14,
		0x3555: 0x1.554p-2, 0x7c00: math.Inf(1), 0xfc00: math.Inf(-1),
	} {
		require.Equal(t, want, float64(F16(bits)), "%#x", bits)
	}
	require.True(t, math.IsNaN(float64(F16(0x7e00))))
	require.True(t, math.Signbit(float64(F16(0x8000))))
}

// TestNearest: a rounded value is no farther than either neighbour, over random
// values of all sizes.
func TestNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100_000 {
		v := math.Float32frombits(rng.Uint32())
		if v != v || math.Abs(float64(v)) > 60000 {
			continue
		}
		requireNearest(t, v, ToF16(v), F16)
		requireNearest(t, v, ToBF16(v), BF16)
		if small := float32(math.Mod(float64(v), 448)); small == small {
			requireNearest(t, small, uint16(ToE4M3(small)), func(c uint16) float32 { return E4M3(byte(c)) })
		}
	}
}

func requireNearest(t *testing.T, v float32, code uint16, value func(uint16) float32) {
	t.Helper()
	off := func(c uint16) float64 { return math.Abs(float64(value(c)) - float64(v)) }
	for _, c := range []uint16{code - 1, code + 1} {
		// Beyond zero or the largest code there is no neighbour, or NaN.
		require.False(t, off(c) < off(code), "%v: %v is nearer than %v", v, value(c), value(code))
	}
}

// TestHalfway: between two F16 numbers rounding is to the nearer, halfway to the even one.
func TestHalfway(t *testing.T) {
	for h := uint16(0); h < 0x7bff; h++ {
		low, high := F16(h), F16(h+1)
		mid := (low + high) / 2 // exact
		require.Equal(t, h+h&1, ToF16(mid), "halfway after %v", low)
		require.Equal(t, h+1, ToF16(math.Nextafter32(mid, high)), "after halfway after %v", low)
		require.Equal(t, h, ToF16(math.Nextafter32(mid, low)), "before halfway after %v", low)
	}
	require.Equal(t, uint16(0x7c00), ToF16(65520))
	require.Equal(t, uint16(0x7bff), ToF16(65519))
}
