package model

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"trona/kernels"
	"trona/testdata"
)

// eager is a device of which all memory is there from the beginning.
type eager struct{ kernels.Device }

func (e eager) Info() kernels.Info {
	info := e.Device.Info()
	info.Lazy = false
	return info
}

// TestKVCacheOrder: the order of blocks in memory changes no result and no size.
func TestKVCacheOrder(t *testing.T) {
	for _, kv := range []kernels.DType{kernels.F16, kernels.I16} {
		path := testdata.Path(t, "models", "biases", "llama")
		lazy, whole := loadOn(t, openCPU(t), path, kv, 8, 200), loadOn(t, eager{openCPU(t)}, path, kv, 8, 200)
		require.Greater(t, lazy.cache.apart, whole.cache.apart)
		require.Equal(t, whole.cache.Bytes(), lazy.cache.Bytes())
		require.Equal(t, KVCacheBytes(&lazy.Config, kv, int64(lazy.cache.Blocks)), lazy.cache.Bytes())
		for position := 0; position < 192; position += 8 {
			tokens := []int32{1, 2, 3, int32(position) % 90, 5, 6, 7, 8}
			require.Equal(t, whole.feed(t, tokens, position, false, 0, 7), lazy.feed(t, tokens, position, false, 0, 7))
		}
	}
}

// TestKVCacheSideBySide: what the layers hold of a block lies side by side where memory is
// backed as it is written, if they are alike, and no two parts of it overlap.
func TestKVCacheSideBySide(t *testing.T) {
	layer := func(heads, kvHeads int) Layer {
		return Layer{Attention: &Attention{Heads: heads, KVHeads: kvHeads, HeadDim: 32}}
	}
	dev := openCPU(t)
	const blocks = 5
	for name, c := range map[string]struct {
		layers []Layer
		apart  int32
	}{
		"alike":           {[]Layer{layer(8, 4), {}, layer(4, 4), layer(8, 4)}, 3},
		"other KV heads":  {[]Layer{layer(8, 4), layer(8, 2)}, 1},
		"without a cache": {[]Layer{{}, {}}, 1},
	} {
		for _, kv := range []kernels.DType{kernels.F16, kernels.I16} {
			cache, err := NewKVCache(dev, &Config{Layers: c.layers}, kv, blocks)
			require.NoError(t, err, name)
			require.Equal(t, c.apart, cache.apart, name)
			var parts []kernels.Tensor
			for _, l := range cache.Layers {
				for _, pool := range []kernels.Tensor{l.K, l.V, l.KScale, l.VScale} {
					for b := int64(0); b < blocks && !pool.Absent(); b++ {
						at := b * int64(cache.apart)
						parts = append(parts, pool.Slice(at, at+1))
					}
				}
			}
			slices.SortFunc(parts, func(a, b kernels.Tensor) int { return cmp.Compare(a.Addr, b.Addr) })
			sum := int64(0)
			for i, p := range parts {
				require.True(t, i == 0 || parts[i-1].Addr+uintptr(parts[i-1].Bytes()) <= p.Addr, name)
				sum += p.Bytes()
			}
			require.Equal(t, cache.Bytes(), sum, name)
			cache.Close()
		}
	}
}

// boundless is a device that has memory of any size, as long as it is not used.
type boundless struct{ kernels.Device }

func (boundless) Alloc(int64) (uintptr, error) { return 1 << 20, nil }
func (boundless) Free(uintptr)                 {}

// TestKVCacheLimit: blocks whose slots would not fit an int32 side by side lie in layers, and
// more than those have are refused.
func TestKVCacheLimit(t *testing.T) {
	c := Config{Layers: []Layer{{Attention: &Attention{Heads: 1, KVHeads: 1, HeadDim: 32}}, {Attention: &Attention{Heads: 1, KVHeads: 1, HeadDim: 32}}}}
	const most = math.MaxInt32 / kernels.BlockSize
	for blocks, apart := range map[int]int32{most / 2: 2, most/2 + 1: 1, most: 1} {
		cache, err := NewKVCache(boundless{openCPU(t)}, &c, kernels.I16, blocks)
		require.NoError(t, err)
		require.Equal(t, apart, cache.apart, "%d blocks", blocks)
	}
	for _, blocks := range []int{0, most + 1} {
		_, err := NewKVCache(boundless{openCPU(t)}, &c, kernels.I16, blocks)
		require.ErrorContains(t, err, "blocks: must be 1 to")
	}
}
