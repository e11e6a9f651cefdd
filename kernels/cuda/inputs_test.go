package cuda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/kernels/cuda/cudatest"
	"trona/kernels/kerneltest"
)

// deviceFloats puts floats on a device.
func deviceFloats(t *testing.T, dev kernels.Device, v []float32, shape ...int64) kernels.Tensor {
	at, err := dev.Alloc(4 * int64(len(v)))
	require.NoError(t, err)
	x := kernels.View(at, kernels.F32, shape...)
	dev.Upload(x, bytesOf(v))
	return x
}

func hostFloats(dev kernels.Device, x kernels.Tensor) []float32 {
	v := make([]float32, x.Len())
	dev.Download(bytesOf(v), x)
	return v
}

// TestEarlyNorms: a norm of few rows, which converts them, has the bits of one of
// many, and products that find its inputs those of products that convert them.
func TestEarlyNorms(t *testing.T) {
	const many = earlyRows + 1
	for _, d := range []int64{100, 2048, 4096, 5004, 8192, 16384} {
		t.Run(fmt.Sprint(d), func(t *testing.T) {
			dev := kerneltest.Open(t, "emulator", func() (kernels.Device, error) { return Open(Options{Usual: true}) }).(*Device)
			rng := newRand()
			w := deviceFloats(t, dev, randomFloats(rng, d), d)
			xs, deltas := randomFloats(rng, many*d), deviceFloats(t, dev, randomFloats(rng, many*d), many, d)
			out := deviceFloats(t, dev, make([]float32, many*d), many, d)
			norms := func(n int64) (sums, normed []float32) {
				x := deviceFloats(t, dev, xs[:n*d], n, d)
				dev.AddRMSNorm(out.Slice(0, n), x, deltas.Slice(0, n), w, 1e-5)
				added := hostFloats(dev, out.Slice(0, n))
				dev.RMSNorm(out.Slice(0, n), x, w, 1e-5)
				require.Equal(t, added, hostFloats(dev, out.Slice(0, n)))
				return hostFloats(dev, x), added
			}
			wantX, want := norms(many)
			for _, n := range []int64{1, 3} {
				x, got := norms(n)
				require.Equal(t, wantX[:n*d], x)
				require.Equal(t, want[:n*d], got)
				require.True(t, dev.converted.serve(converted{x: addr(out.Addr), scale: dev.converted.scale, n: n, cols: d, decode: true}))
				requireSameProducts(t, dev, out.Slice(0, n))
			}
		})
	}
}

// requireSameProducts multiplies x, of which the device has inputs, and again
// with inputs that it makes then.
func requireSameProducts(t *testing.T, dev *Device, x kernels.Tensor) {
	in := dev.converted
	for _, kind := range []kernels.DType{kernels.BF16, kernels.Q4_K, kernels.Q6_K} {
		cols := x.Shape[1]
		if cols%int64(kind.Block()) != 0 {
			continue
		}
		const rows = 21
		m := randomMatrix(newRand(), kind, rows, cols)
		for i := 1; kind == kernels.BF16 && i < len(m.Data); i += 2 {
			m.Data[i] = m.Data[i]&0x83 | 0x38 // below 1
		}
		w, err := dev.Pack(m)
		require.NoError(t, err)
		out := deviceFloats(t, dev, make([]float32, rows*x.Shape[0]), x.Shape[0], rows)
		var products [][]uint32
		for _, found := range []bool{true, false} {
			dev.converted = converted{}
			if found {
				dev.converted = in
			}
			converts := 1
			if found && (in.sums || !layouts[kind].readsSums()) {
				converts = 0
			}
			special := 0
			if dev.hopper != nil && x.Shape[0] <= 8 {
				special = 1
			}
			before := cudatest.Launches(t)
			dev.MatMul(x, x.Shape[0], []kernels.Product{{Out: out, W: w}})
			products = append(products, floatBits(hostFloats(dev, out)))
			after, sm90 := cudatest.Launches(t), "matmul_sm90_"+strings.ToLower(kind.String())
			require.Equal(t, converts, after["convert_f16"]-before["convert_f16"], "%v", kind)
			require.Equal(t, special, after[sm90]-before[sm90], "%v", kind)
		}
		require.Equal(t, products[0], products[1], "%v", kind)
		require.False(t, slices.Contains(products[0], 0), "%v", kind)
	}
}

// TestEarlyAttention: likewise attention, of a few rows at positions that make few
// and many parts, by one layer after the other, each of which may begin early. One sees
// all, the next a window, which makes other parts.
func TestEarlyAttention(t *testing.T) {
	const many, blocks, layers = earlyRows + 1, 80, 2
	windows := [layers]int64{0, 1000}
	for seed, s := range [][3]int64{{8, 2, 64}, {3, 1, 128}, {1, 1, 64}, {40, 8, 128}} {
		heads, kvHeads, dim := s[0], s[1], s[2]
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			schedule(t, fmt.Sprint(seed+1))
			dev := kerneltest.Open(t, "emulator", func() (kernels.Device, error) { return Open(Options{Usual: true}) }).(*Device)
			rng := newRand()
			kv := deviceCache(t, dev, rng, blocks, kvHeads, dim)
			var qs, outs [layers]kernels.Tensor
			for i := range layers {
				qs[i] = deviceFloats(t, dev, randomFloats(rng, many*heads*dim), many, heads, dim)
				outs[i] = deviceFloats(t, dev, make([]float32, many*heads*dim), many, heads, dim)
			}
			table := make([]int32, blocks)
			for i, b := range rng.Perm(blocks) {
				table[i] = int32(b)
			}
			attend := func(n int64) (found []float32) {
				plan := &kernels.AttentionPlan{Decode: n}
				for i := range n {
					position := []int64{5000, 0, 300, 1100, 63, 64}[i%6]
					plan.Seqs = append(plan.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Position: position, Blocks: table})
				}
				for i := range layers {
					dev.Attention(outs[i].Slice(0, n), qs[i].Slice(0, n), kv, windows[i], plan)
				}
				for i := range layers {
					found = append(found, hostFloats(dev, outs[i].Slice(0, n))...)
				}
				return found
			}
			want := attend(many)
			for _, n := range []int64{1, 5} {
				got, width := attend(n), heads*dim
				for i := range int64(layers) {
					require.Equal(t, want[i*many*width:][:n*width], got[i*n*width:][:n*width])
				}
				last := outs[layers-1].Slice(0, n)
				require.True(t, dev.converted.serve(converted{x: addr(last.Addr), scale: dev.converted.scale, n: n, cols: width, decode: true}))
				requireSameProducts(t, dev, last.Reshape(n, width))
			}
		})
	}
}

// TestEarlyHopper: the products of compute capability 9.0 read what norms and
// attention converted, of as many rows as they do and of one more.
func TestEarlyHopper(t *testing.T) {
	needHopper(t)
	dev := kerneltest.Open(t, "emulator", func() (kernels.Device, error) { return Open(Options{}) }).(*Device)
	rng := newRand()
	table := []int32{4, 0, 3, 1, 2}
	for _, n := range []int64{1, 3, 8, 9} {
		for _, d := range []int64{2048, 5004} {
			t.Run(fmt.Sprintf("norm/n=%d/%d", n, d), func(t *testing.T) {
				x := deviceFloats(t, dev, randomFloats(rng, n*d), n, d)
				out := deviceFloats(t, dev, make([]float32, n*d), n, d)
				dev.RMSNorm(out, x, deviceFloats(t, dev, randomFloats(rng, d), d), 1e-5)
				require.Equal(t, addr(out.Addr), dev.converted.x)
				requireSameProducts(t, dev, out)
			})
		}
		for _, s := range [][3]int64{{8, 2, 64}, {3, 1, 128}} {
			heads, kvHeads, dim := s[0], s[1], s[2]
			t.Run(fmt.Sprintf("attention/n=%d/%v", n, s), func(t *testing.T) {
				q := deviceFloats(t, dev, randomFloats(rng, n*heads*dim), n, heads, dim)
				out := deviceFloats(t, dev, make([]float32, n*heads*dim), n, heads, dim)
				plan := &kernels.AttentionPlan{Decode: n}
				for i := range n {
					plan.Seqs = append(plan.Seqs, kernels.AttentionSeq{Row: i, Rows: 1, Position: 31 * i, Blocks: table})
				}
				dev.Attention(out, q, deviceCache(t, dev, rng, int64(len(table)), kvHeads, dim), 0, plan)
				require.Equal(t, addr(out.Addr), dev.converted.x)
				requireSameProducts(t, dev, out.Reshape(n, heads*dim))
			})
		}
	}
}

// deviceCache returns a cache of random numbers.
func deviceCache(t *testing.T, dev kernels.Device, rng *rand.Rand, blocks, kvHeads, dim int64) kernels.KV {
	fill := func() kernels.Tensor {
		at, err := dev.Alloc(2 * blocks * kvHeads * kernels.BlockSize * dim)
		require.NoError(t, err)
		x := kernels.View(at, kernels.F16, blocks, kvHeads, kernels.BlockSize, dim)
		halves := make([]uint16, x.Len())
		for i := range halves {
			halves[i] = uint16(rng.UintN(2)<<15 | 0x3000 + rng.UintN(0x1000)) // 1/8 to 2
		}
		dev.Upload(x, bytesOf(halves))
		return x
	}
	return kernels.KV{K: fill(), V: fill()}
}

// TestForgotten: inputs of products that are in the workspace serve the next product unless
// what they were made of has changed, by whatever way.
func TestForgotten(t *testing.T) {
	const n, d = 3, 256
	dev := kerneltest.Open(t, "emulator", opener).(*Device)
	rng := newRand()
	w, err := dev.Pack(randomMatrix(rng, kernels.Q8_0, d, d))
	require.NoError(t, err)
	x, y, out := deviceFloats(t, dev, randomFloats(rng, n*d), n, d), deviceFloats(t, dev, randomFloats(rng, n*d), n, d), deviceFloats(t, dev, make([]float32, n*d), n, d)
	recording, err := dev.Record(func() { dev.Add(x, y) })
	require.NoError(t, err)
	for name, change := range map[string]func(decode int64){
		"nothing":     func(int64) {},
		"an upload":   func(int64) { dev.Upload(x, bytesOf(randomFloats(rng, n*d))) },
		"an op":       func(int64) { dev.Add(x, y) },
		"a recording": func(int64) { dev.Replay(recording, nil) },
		"a product":   func(decode int64) { dev.MatMul(x, decode, []kernels.Product{{Out: x, W: w}}) },
		"products":    func(decode int64) { dev.GatedMatMul(x, x, w, w, decode) },
	} {
		for _, decode := range []int64{0, n} {
			multiply := func(x kernels.Tensor) []uint32 {
				dev.MatMul(x, decode, []kernels.Product{{Out: out, W: w}})
				return floatBits(hostFloats(dev, out))
			}
			dev.Upload(x, bytesOf(randomFloats(rng, n*d)))
			multiply(x)
			change(decode)
			got := multiply(x)
			require.Equal(t, multiply(deviceFloats(t, dev, hostFloats(dev, x), n, d)), got, "%s, %d decode", name, decode)
		}
	}
	require.NotZero(t, dev.converted)
	dev.Free(w.Addr) // others may have this memory then
	require.Zero(t, dev.converted)
}
