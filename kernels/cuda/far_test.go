package cuda

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/kerneltest"
)

// farBytes is memory in which offsets of any type are beyond 2^32 elements. Tests touch
// little of it, and so does the emulated device.
const farBytes = 24 << 30

// farWeight copies a weight's strips to so far from one another that the last ends with
// the memory.
func farWeight(t *testing.T, dev *Device, w kernels.Weight, at uintptr) kernels.Weight {
	l := *w.Layout.(*layout)
	rows, _ := layouts[w.Type].strip()
	n, size := pieces(w.Rows, rows), l.args.pitch
	pitch := (farBytes - size) / max(1, n-1) &^ 255
	strip := make([]byte, size)
	for i := range n {
		dev.Download(strip, kernels.View(uintptr(l.args.data)+uintptr(i*size), kernels.I8, size))
		dev.Upload(kernels.View(at+uintptr(i*pitch), kernels.I8, size), strip)
	}
	l.args.data, l.args.pitch = addr(at), pitch
	w.Layout = &l
	return w
}

// TestFarWeights: weights of more than 2^32 elements, as the widest models have, give
// the bits of small ones.
func TestFarWeights(t *testing.T) {
	const rows, cols, most = 72, 512, 40
	rng := newRand()
	xs := make([]float32, most*cols)
	for i := range xs {
		xs[i] = float32(rng.NormFloat64())
	}
	for name, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		t.Run(name, func(t *testing.T) {
			dev := kerneltest.Open(t, "emulator", open).(*Device)
			at, err := dev.alloc(farBytes)
			require.NoError(t, err)
			memory, err := dev.Alloc(4 * most * (rows + cols))
			require.NoError(t, err)
			for _, typ := range packed() {
				near, err := dev.Pack(randomMatrix(rng, typ, rows, cols))
				require.NoError(t, err)
				var want [][]uint32
				for _, w := range []kernels.Weight{near, farWeight(t, dev, near, at)} {
					var got [][]uint32
					for _, c := range [][2]int64{{1, 1}, {8, 8}, {20, 20}, {most, 0}} { // rows, those that decode
						x := kernels.View(memory, kernels.F32, c[0], cols)
						out := kernels.View(memory+uintptr(4*most*cols), kernels.F32, c[0], rows)
						dev.Upload(x, bytesOf(xs[:x.Len()]))
						dev.MatMul(x, c[1], []kernels.Product{{Out: out, W: w}})
						got = append(got, floatBits(floats(dev, out)))
					}
					x, ids := kernels.View(memory, kernels.F32, 1, cols), kernels.View(memory+4*cols, kernels.I32, 1)
					dev.Upload(ids, bytesOf([]int32{rows - 1}))
					dev.Embed(x, w, ids)
					got = append(got, floatBits(floats(dev, x)))
					require.NoError(t, dev.Sync())
					if want == nil {
						want = got
					}
					require.Equal(t, want, got, typ)
				}
				dev.Free(near.Addr)
			}
		})
	}
}

// floats downloads a tensor of them.
func floats(dev *Device, x kernels.Tensor) []float32 {
	got := make([]float32, x.Len())
	dev.Download(bytesOf(got), x)
	return got
}

// TestFarRows: so does a row of as large an input.
func TestFarRows(t *testing.T) {
	const cols = 8192
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	n := int64(farBytes / 4 / cols)
	at, err := dev.alloc(farBytes)
	require.NoError(t, err)
	memory, err := dev.Alloc(4 * (cols + 1))
	require.NoError(t, err)
	x, want := kernels.View(at, kernels.F32, n, cols), make([]float32, cols)
	for i := range want {
		want[i] = float32(i)
	}
	dev.Upload(x.Slice(n-1, n), bytesOf(want))
	out, rows := kernels.View(memory, kernels.F32, 1, cols), kernels.View(memory+4*cols, kernels.I32, 1)
	dev.Upload(rows, bytesOf([]int32{int32(n - 1)}))
	dev.Gather(out, x, rows)
	require.Equal(t, want, floats(dev, out))
	require.NoError(t, dev.Sync())
}

// TestFarBlocks: the last block of a cache of more than 2^32 elements gives the bits of
// the first.
func TestFarBlocks(t *testing.T) {
	const heads, kvHeads, dim = 32, 16, 128
	const last = 1<<32/(kvHeads*kernels.BlockSize*dim) + 1
	rng := newRand()
	row := func(n int) []byte { // for each of two sequences
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return bytesOf(append(x, x...))
	}
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	for _, typ := range dev.Info().KVTypes {
		var parts [4]kernels.Tensor
		for i := range parts {
			parts[i] = kernels.View(1, typ, last+1, kvHeads, kernels.BlockSize, dim)
			if i > 1 { // scales
				parts[i] = kernels.View(1, kernels.F32, last+1, kvHeads, kernels.BlockSize)
			}
			at, err := dev.alloc(parts[i].Bytes())
			require.NoError(t, err)
			parts[i].Addr = at
		}
		kv := kernels.KV{K: parts[0], V: parts[1]}
		if typ.Coded() {
			kv.KScale, kv.VScale = parts[2], parts[3]
		}
		memory, err := dev.Alloc(1 << 20)
		require.NoError(t, err)
		at := memory
		place := func(data []byte, typ kernels.DType, shape ...int64) kernels.Tensor {
			x := kernels.View(at, typ, shape...)
			dev.Upload(x, data)
			at += uintptr(align(x.Bytes(), 256))
			return x
		}
		q := place(row(heads*dim), kernels.F32, 2, heads, dim)
		k, v := place(row(kvHeads*dim), kernels.F32, 2, kvHeads, dim), place(row(kvHeads*dim), kernels.F32, 2, kvHeads, dim)
		positions, slots := place(bytesOf([]int32{0, 0}), kernels.I32, 2), place(bytesOf([]int32{0, last * kernels.BlockSize}), kernels.I32, 2)
		still := kernels.Rotary{Inv: place(make([]byte, 4*dim/2), kernels.F32, dim/2)}
		dev.RoPEAppendKV(kv, q, k, v, positions, slots, still)
		for _, decode := range []int64{0, 2} {
			t.Run(fmt.Sprintf("%v, %d decode", typ, decode), func(t *testing.T) {
				out := place(make([]byte, 2*4*heads*dim), kernels.F32, 2, heads, dim)
				dev.Attention(out, q, kv, 0, &kernels.AttentionPlan{Decode: decode, Seqs: []kernels.AttentionSeq{
					{Row: 0, Rows: 1, Blocks: []int32{0}}, {Row: 1, Rows: 1, Blocks: []int32{last}},
				}})
				got := floats(dev, out)
				require.NoError(t, dev.Sync())
				require.NotZero(t, got[0])
				require.Equal(t, floatBits(got[:heads*dim]), floatBits(got[heads*dim:]))
			})
		}
		dev.Free(memory)
		for i := range parts {
			dev.Free(parts[i].Addr)
		}
	}
}

// TestWindowReads: blocks of the cache before a window are not read. They are not there.
func TestWindowReads(t *testing.T) {
	const heads, kvHeads, there, all, window = 4, 2, 3, 9, 2*kernels.BlockSize - 20
	rng := newRand()
	for name, open := range map[string]func() (kernels.Device, error){"usual": opener, "chosen": hopperOpener} {
		for _, dim := range []int64{48, 64, 128} {
			dev := kerneltest.Open(t, "emulator", open).(*Device)
			kv := deviceCache(t, dev, rng, there, kvHeads, dim)
			for _, c := range []struct{ decode, rows int64 }{{1, 1}, {0, 20}} {
				t.Run(fmt.Sprintf("%s/%d/%d rows", name, dim, c.rows), func(t *testing.T) {
					q := deviceFloats(t, dev, randomFloats(rng, c.rows*heads*dim), c.rows, heads, dim)
					attend := func(blocks int64, table []int32) []float32 {
						seen := kernels.KV{K: kernels.View(kv.K.Addr, kernels.F16, blocks, kvHeads, kernels.BlockSize, dim), V: kernels.View(kv.V.Addr, kernels.F16, blocks, kvHeads, kernels.BlockSize, dim)}
						out := deviceFloats(t, dev, make([]float32, q.Len()), c.rows, heads, dim)
						dev.Attention(out, q, seen, window, &kernels.AttentionPlan{Decode: c.decode, Seqs: []kernels.AttentionSeq{
							{Rows: c.rows, Position: int64(len(table))*kernels.BlockSize - c.rows, Blocks: table},
						}})
						return hostFloats(dev, out)
					}
					require.Equal(t, attend(there, []int32{2, 0, 1}), attend(all, []int32{8, 7, 6, 5, 4, 3, 2, 0, 1}))
				})
			}
		}
	}
}
