package cuda

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
)

// TestTogether: a launch has products of one type, as many as its arguments hold,
// or a gate and what it gates.
func TestTogether(t *testing.T) {
	of := func(kind kernels.DType) factor {
		return factor{layout: &layout{kind: kind, args: weightArgs{rows: 8, cols: 256}}}
	}
	gated := func(f factor) factor { f.gated = 1; return f }
	tiled := func(cols int32) factor {
		f := of(kernels.F8E4M3)
		f.args.scale, f.args.scaleCols = 1, cols
		return f
	}
	withTable := func(table codeTable) factor {
		f := of(kernels.Q3_K)
		f.table = table
		return f
	}
	high := func(f factor) factor {
		f.layout = &layout{kind: f.kind, args: weightArgs{rows: 16 * 30_000, cols: 256}}
		return f
	}
	bf16, q4, q6 := of(kernels.BF16), of(kernels.Q4_K), of(kernels.Q6_K)
	one, two := withTable(codeTable{a: 1}), withTable(codeTable{b: 1})
	for name, c := range map[string]struct {
		with []factor
		want []int
	}{
		"one":               {[]factor{q4}, []int{1}},
		"q, k and v":        {[]factor{q4, q4, q4}, []int{3}},
		"v of another type": {[]factor{q4, q4, q6}, []int{2, 1}},
		"k of another type": {[]factor{q4, q6, q4}, []int{1, 1, 1}},
		"seven":             {[]factor{bf16, bf16, bf16, bf16, bf16, bf16, bf16}, []int{3, 3, 1}},
		"high ones":         {[]factor{high(q4), high(q4), high(q4)}, []int{2, 1}},
		"a high gate":       {[]factor{high(q4), gated(high(q4))}, []int{2}},
		"a gate":            {[]factor{bf16, gated(bf16)}, []int{2}},
		"a gate of another": {[]factor{q6, gated(q4)}, []int{1, 1}},
		"rows and tiles":    {[]factor{tiled(256), gated(tiled(128))}, []int{1, 1}},
		"other tiles":       {[]factor{tiled(128), gated(tiled(64))}, []int{1, 1}},
		"equal tiles":       {[]factor{tiled(128), gated(tiled(128))}, []int{2}},
		"tables":            {[]factor{one, one, two, one}, []int{2, 1, 1}},
		"equal tables":      {[]factor{one, gated(one)}, []int{2}},
		"other tables":      {[]factor{one, gated(two)}, []int{1, 1}},
		"a scale a row":     {[]factor{tiled(256), gated(of(kernels.F8E4M3))}, []int{2}},
	} {
		var got []int
		for rest := c.with; len(rest) > 0; {
			got = append(got, len(oneLaunch(rest)))
			rest = rest[got[len(got)-1]:]
		}
		require.Equal(t, c.want, got, name)
	}
}

// TestPair: a gate and what it gates have the bits in one launch that they have in
// two, by either kind of kernels.
func TestPair(t *testing.T) {
	needHopper(t)
	for name, open := range map[string]func() (kernels.Device, error){"usual": opener, "hopper": hopperOpener} {
		dev := kerneltest.Open(t, "emulator", open).(*Device)
		for _, kind := range []kernels.DType{kernels.BF16, kernels.F8E4M3, kernels.Q8_0, kernels.Q3_K, kernels.Q4_K, kernels.Q6_K, kernels.NVFP4} {
			for _, n := range []int64{1, 7, 20} {
				t.Run(fmt.Sprintf("%s/%v/n=%d", name, kind, n), func(t *testing.T) { samePair(t, dev, kind, n) })
			}
		}
	}
}

func samePair(t *testing.T, dev *Device, kind kernels.DType, n int64) {
	const rows, cols = 45, 512
	rng := newRand()
	pack := func(scaleRows int64) kernels.Weight {
		m := randomMatrix(rng, kind, rows, cols)
		m.Table = randomTable(newRand(), kind)
		switch kind {
		case kernels.BF16:
			for i := 1; i < len(m.Data); i += 2 {
				m.Data[i] = m.Data[i]&0x83 | 0x38 // below 1
			}
		case kernels.F8E4M3:
			m.ScaleRows, m.ScaleCols = scaleRows, 128
			m.Scale = randomFloats(rng, (rows+scaleRows-1)/scaleRows*(cols/128))
		}
		w, err := dev.Pack(m)
		require.NoError(t, err)
		return w
	}
	tensor := func(cols int64) kernels.Tensor {
		at, err := dev.Alloc(4 * n * cols)
		require.NoError(t, err)
		return kernels.View(at, kernels.F32, n, cols)
	}
	read := func(x kernels.Tensor) []uint32 {
		v := make([]float32, x.Len())
		dev.Download(bytesOf(v), x)
		return floatBits(v)
	}
	gate, up, x, one, two := pack(9), pack(16), tensor(cols), tensor(rows), tensor(rows)
	dev.Upload(x, bytesOf(randomFloats(rng, x.Len())))
	dev.GatedMatMul(one, x, gate, up, n)
	first, second := factorOf(kernels.OpGatedMatMul, two, gate), factorOf(kernels.OpGatedMatMul, two, up)
	second.gated = 1
	dev.multiply(x, n, []factor{first})
	dev.multiply(x, n, []factor{second})
	want := read(two)
	require.NoError(t, dev.Sync())
	require.Equal(t, want, read(one))
	finite := 0
	for _, v := range want {
		if v>>23&255 < 255 && v<<1 != 0 {
			finite++
		}
	}
	require.Greater(t, finite, len(want)/2)
}

func randomFloats(rng *rand.Rand, n int64) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}
