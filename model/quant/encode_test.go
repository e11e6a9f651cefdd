package quant

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
)

// encoded are the types that Encode knows.
func encoded() []kernels.DType {
	var list []kernels.DType
	for t := kernels.F32; t.Valid(); t++ {
		if CanEncode(t) {
			list = append(list, t)
		}
	}
	return list
}

// rmse is the root of the mean squared error that a type makes of a row.
func rmse(t *testing.T, typ kernels.DType, row []float32) float64 {
	t.Helper()
	return distance(row, roundTrip(t, typ, row))
}

func roundTrip(t *testing.T, typ kernels.DType, row []float32) []float32 {
	t.Helper()
	blocks := make([]byte, typ.RowBytes(int64(len(row))))
	for i := range blocks {
		blocks[i] = 0xa5 // every byte must be written
	}
	require.NoError(t, Encode(blocks, typ, row))
	got := make([]float32, len(row))
	Decode(got, typ, blocks)
	return got
}

func distance(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		off := float64(v) - float64(b[i])
		sum += off * off
	}
	return math.Sqrt(sum / float64(len(a)))
}

// TestQuantisers: no row is worse than the reference makes it.
func TestQuantisers(t *testing.T) {
	all, values := index(t).Quantisers, fixtureFloats(t, "quantise.f32")
	require.Len(t, all, 4)
	for name, q := range all {
		typ, err := kernels.ParseDType(name)
		require.NoError(t, err)
		for r, reference := range q.RMSE {
			got := rmse(t, typ, values[r*q.Columns:][:q.Columns])
			require.LessOrEqual(t, got, 1.02*reference+1e-9, "%s: row %d", name, r)
		}
	}
}

// normal returns normally distributed values, now and then one far out.
func normal(rng *rand.Rand, n int, scale float64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(scale * rng.NormFloat64())
		if rng.IntN(200) == 0 {
			x[i] *= 8
		}
	}
	return x
}

// spread rounds blocks of 32 to n+1 numbers evenly spread from the least value
// to the greatest, or where signed from the greatest magnitude to its negative:
// what a quantiser does that does not search.
func spread(x []float32, n int, signed bool) []float32 {
	y := make([]float32, len(x))
	for from := 0; from < len(x); from += 32 {
		low, high := float64(x[from]), float64(x[from])
		for _, v := range x[from : from+32] {
			low, high = min(low, float64(v)), max(high, float64(v))
		}
		step := (high - low) / float64(n)
		if signed {
			low = -max(high, -low)
			step = -2 * low / float64(n+1)
		}
		for i, v := range x[from : from+32] {
			q := max(0, min(float64(n), math.RoundToEven((float64(v)-low)/step)))
			y[from+i] = float32(low + q*step)
		}
	}
	return y
}

// TestSearchPays: every type is as much better than evenly spread numbers as it was when this
// was written, and a type of more bits is better than one of fewer.
func TestSearchPays(t *testing.T) {
	x := normal(rand.New(rand.NewPCG(7, 8)), 1<<14, 0.02)
	for _, c := range []struct {
		typ    kernels.DType
		n      int
		signed bool
		atMost float64 // of the error of spread numbers
	}{
		{kernels.Q4_0, 15, true, 0.88},
		{kernels.Q4_1, 15, false, 0.895},
		{kernels.Q5_0, 31, true, 0.885},
		{kernels.Q5_1, 31, false, 0.89},
		{kernels.Q8_0, 254, true, 0.885},
		{kernels.Q4_K, 15, false, 0.905},
		{kernels.Q5_K, 31, false, 0.93},
		{kernels.Q6_K, 63, true, 0.69}, // of 16 values each
		{kernels.Q3_K, 7, true, 0.69},
		{kernels.Q2_K, 3, false, 0.59},
		{kernels.IQ4_NL, 15, true, 0.715},
		{kernels.IQ4_XS, 15, true, 0.725},
	} {
		plain := distance(x, spread(x, c.n, c.signed))
		got := rmse(t, c.typ, x)
		require.Less(t, got, c.atMost*plain, "%v", c.typ)
	}
	order := []kernels.DType{kernels.Q2_K, kernels.Q3_K, kernels.Q4_0, kernels.Q4_1, kernels.Q5_0, kernels.Q6_K, kernels.Q8_0, kernels.F16, kernels.F32}
	for i, typ := range order[1:] {
		require.Less(t, rmse(t, typ, x), rmse(t, order[i], x), "%v, %v", typ, order[i])
	}
	require.Zero(t, rmse(t, kernels.F32, x))
}

// TestExact: what a type can hold it keeps.
func TestExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, typ := range encoded() {
		zeros := make([]float32, 512)
		require.Equal(t, zeros, roundTrip(t, typ, zeros), "%v", typ)
		x := make([]float32, 512)
		for i := range x {
			x[i] = float32(rng.IntN(15) - 7) // in each group -7 to 7, which every type has codes for
			if i%16 < 2 {
				x[i] = [2]float32{-8, 7}[i%16]
			}
		}
		switch typ {
		case kernels.Q8_0, kernels.Q2_K, kernels.Q3_K, kernels.IQ4_NL, kernels.IQ4_XS: // they have no 16 even steps
			continue
		}
		for i, v := range roundTrip(t, typ, x) {
			require.InDelta(t, x[i], v, 0.01, "%v: value %d", typ, i)
		}
	}
	for _, typ := range []kernels.DType{kernels.F32, kernels.F16, kernels.BF16} {
		x := []float32{1, -1.5, 0.375, 0x1p-14, -0x1p10, 0}
		require.Equal(t, x, roundTrip(t, typ, x), "%v", typ)
	}
}

// full gives a random block scales of about 1, of which one is the greatest, and the
// greatest code: blocks as an encoder would write them.
func full(rng *rand.Rand, t kernels.DType) []byte {
	b := randomBlock(rng, t)
	for _, at := range scalesAt[t] {
		b[at+1] = byte(0x34 + rng.IntN(8)) // 1/4 to 1
	}
	switch t {
	case kernels.Q4_0, kernels.IQ4_NL:
		b[2] = 0
	case kernels.Q5_0:
		b[2] &^= 1
		b[6] &^= 15
	case kernels.Q8_0:
		b[2] = 127
	case kernels.Q2_K:
		b[0] = 255
	case kernels.Q3_K:
		b[96] &^= 15
		b[104] &^= 3
	case kernels.Q4_K, kernels.Q5_K:
		b[4] |= 63
		b[8] |= 63
	case kernels.Q6_K:
		b[192] = 128
	case kernels.IQ4_XS:
		b[2] &^= 3
		b[4] &^= 15
	}
	return b
}

// TestKeeps: what a block held already is kept, but for what the search of two numbers misses.
func TestKeeps(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, typ := range encoded() {
		if typ.Block() == 1 {
			continue
		}
		x := make([]float32, 500*typ.Block())
		for at := 0; at < len(x); at += typ.Block() {
			Decode(x[at:][:typ.Block()], typ, full(rng, typ))
		}
		share := 0.01
		switch typ {
		case kernels.Q4_0, kernels.Q5_0, kernels.IQ4_NL: // one number
			share = 1e-9
		}
		require.Less(t, rmse(t, typ, x), share*distance(x, make([]float32, len(x))), "%v", typ)
	}
}

// TestEdges: the largest, the smallest and lonely values give numbers near them.
func TestEdges(t *testing.T) {
	for _, typ := range encoded() {
		limit := float32(min(limitF16, encoders[typ].limit))
		for _, v := range []float32{limit, -limit, 1, 6e-5, 1e-7, -3e-8, 1e-20, math.SmallestNonzeroFloat32} {
			for _, where := range []int{0, 31, 255} {
				x := make([]float32, 256)
				x[where] = v
				got := roundTrip(t, typ, x)
				tolerance := math.Abs(float64(v))/16 + 0x1p-25
				if typ == kernels.Q4_0 || typ == kernels.Q5_0 || typ == kernels.Q6_K {
					tolerance += math.Abs(float64(v)) / 64 // the least scale may be too large
				}
				if typ == kernels.IQ4_NL || typ == kernels.IQ4_XS {
					tolerance += 0x1p-21 // several steps of it lie between the codes about 0
				}
				require.InDelta(t, v, got[where], tolerance, "%v: %v", typ, v)
			}
		}
	}
}

// TestZeros: a group of zeros beside others stays one.
func TestZeros(t *testing.T) {
	for _, typ := range encoded() {
		x := make([]float32, 256)
		for i := range 32 {
			x[64+i] = float32(i-15) / 8
		}
		got := roundTrip(t, typ, x)
		for i, v := range slices.Concat(got[:64], got[96:]) {
			require.Zero(t, v, "%v: value %d", typ, i)
		}
	}
}

// TestEncodeErrors: what no block can hold is an error that says where.
func TestEncodeErrors(t *testing.T) {
	for _, typ := range encoded() {
		for _, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 65520} {
			if v == 65520 && (typ == kernels.F32 || typ == kernels.BF16) {
				continue
			}
			x := make([]float32, 512)
			x[300] = v
			var e *ValueError
			err := Encode(make([]byte, typ.RowBytes(512)), typ, x)
			require.True(t, errors.As(err, &e), "%v: %v", typ, v)
			require.Equal(t, 300, e.Index)
			require.Equal(t, typ, e.Type)
			require.Contains(t, err.Error(), "value 300")
		}
	}
	require.Error(t, Encode(make([]byte, 2), kernels.BF16, []float32{math.MaxFloat32}), "rounds to infinity")
	require.False(t, CanEncode(kernels.MXFP4))
	require.False(t, CanEncode(200))
	require.Panics(t, func() { _ = Encode(nil, kernels.MXFP4, nil) }, "no encoder")
	require.Panics(t, func() { _ = Encode(make([]byte, 34), kernels.Q8_0, make([]float32, 31)) }, "part of a block")
	require.Panics(t, func() { _ = Encode(make([]byte, 33), kernels.Q8_0, make([]float32, 32)) }, "too little room")
}

// scaleSteps is what codes multiply a scale and a minimum of F16 by at most, which are off by up
// to 2^-25 where they are small. Types without a scale have none.
var scaleSteps = map[kernels.DType]float64{
	kernels.F16: 1, kernels.Q4_0: 8, kernels.Q4_1: 15 + 1, kernels.Q5_0: 16, kernels.Q5_1: 31 + 1, kernels.Q8_0: 127,
	kernels.Q2_K: 15*3 + 15, kernels.Q3_K: 32 * 4, kernels.Q4_K: 63*15 + 63, kernels.Q5_K: 63*31 + 63, kernels.Q6_K: 128 * 32,
	kernels.IQ4_NL: 127, kernels.IQ4_XS: 32 * 127,
}

// FuzzEncode: any floats give an error or numbers that are not far away.
func FuzzEncode(f *testing.F) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 4 {
		seed := make([]byte, 1024)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Add(bytes.Repeat([]byte{0x37}, 1024)) // 1e-5
	f.Fuzz(func(t *testing.T, data []byte) {
		x := make([]float32, 256)
		top := 0.0
		for i := range x {
			if len(data) < 4*i+4 {
				break
			}
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
			top = max(top, math.Abs(float64(x[i])))
		}
		for _, typ := range encoded() {
			b := make([]byte, typ.RowBytes(256))
			if err := Encode(b, typ, x); err != nil {
				require.True(t, math.IsNaN(top) || top > limitLine, "%v: %v", typ, err)
				continue
			}
			got := make([]float32, 256)
			Decode(got, typ, b)
			require.LessOrEqual(t, distance(x, got), top/8+scaleSteps[typ]*0x1p-25, "%v", typ)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	x := normal(rand.New(rand.NewPCG(13, 14)), 1<<14, 0.02)
	for _, typ := range encoded() {
		b.Run(typ.String(), func(b *testing.B) {
			dst := make([]byte, typ.RowBytes(int64(len(x))))
			b.SetBytes(int64(4 * len(x)))
			for b.Loop() {
				require.NoError(b, Encode(dst, typ, x))
			}
		})
	}
}
