package model

import (
	"fmt"
	"math"

	"trona/kernels"
)

// KVCache is the device memory of the keys and values: one pool of blocks for
// each layer that has attention. A block number means the same positions in
// every layer.
type KVCache struct {
	Type   kernels.DType
	Blocks int // blocks of kernels.BlockSize positions
	Layers []kernels.KV
	dev    kernels.Device
	allocs []uintptr
	bytes  int64
}

// NewKVCache allocates a cache of that many blocks.
func NewKVCache(dev kernels.Device, c *Config, t kernels.DType, blocks int) (*KVCache, error) {
	// A slot, block*BlockSize + offset, travels as an int32.
	if blocks < 1 || blocks > math.MaxInt32/kernels.BlockSize {
		return nil, fmt.Errorf("a KV cache of %d blocks: must be 1 to %d", blocks, math.MaxInt32/kernels.BlockSize)
	}
	kv := &KVCache{Type: t, Blocks: blocks, Layers: make([]kernels.KV, len(c.Layers)), dev: dev}
	for i := range c.Layers {
		bytes := kvLayerBytes(c, i, t, int64(blocks))
		if bytes == 0 {
			continue
		}
		addr, err := dev.Alloc(bytes)
		if err != nil {
			kv.Close()
			return nil, fmt.Errorf("KV cache of layer %d: %w", i, err)
		}
		kv.allocs = append(kv.allocs, addr)
		kv.bytes += bytes
		kv.Layers[i], _ = kvLayer(addr, c, i, t, int64(blocks))
	}
	return kv, nil
}

// kvLayer lays out the cache of layer i at base and returns its size; nothing
// where the layer needs none.
func kvLayer(base uintptr, c *Config, i int, t kernels.DType, blocks int64) (kernels.KV, int64) {
	heads := int64(c.KVHeads(i))
	if heads == 0 {
		return kernels.KV{}, 0
	}
	dim := int64(c.Layers[i].Attention.HeadDim)
	a := &arena{base: base}
	kv := kernels.KV{
		K: a.take(t, blocks, heads, kernels.BlockSize, dim),
		V: a.take(t, blocks, heads, kernels.BlockSize, dim),
	}
	if t.Coded() {
		kv.KScale = a.take(kernels.F32, blocks, heads, kernels.BlockSize)
		kv.VScale = a.take(kernels.F32, blocks, heads, kernels.BlockSize)
	}
	return kv, a.size
}

func kvLayerBytes(c *Config, i int, t kernels.DType, blocks int64) int64 {
	_, bytes := kvLayer(0, c, i, t, blocks)
	return bytes
}

// KVCacheBytes returns exactly what NewKVCache allocates.
func KVCacheBytes(c *Config, t kernels.DType, blocks int64) int64 {
	var sum int64
	for i := range c.Layers {
		sum += kvLayerBytes(c, i, t, blocks)
	}
	return sum
}

// KVBytesPerToken returns the cache memory of one position over all layers.
func KVBytesPerToken(c *Config, t kernels.DType) int64 {
	return KVCacheBytes(c, t, 1) / kernels.BlockSize
}

// Bytes returns the memory that the cache holds.
func (c *KVCache) Bytes() int64 { return c.bytes }

// Close frees the cache.
func (c *KVCache) Close() {
	for _, addr := range c.allocs {
		c.dev.Free(addr)
	}
	c.allocs, c.Layers = nil, nil
}
