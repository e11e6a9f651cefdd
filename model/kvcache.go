package model

import (
	"fmt"
	"math"

	"trona/kernels"
)

// KVCache is the device memory of the keys and values: one pool of blocks for
// each layer that has attention. A block number means the same positions in
// every layer.
//
// The pool of a layer is in one piece, except where memory is backed as it is written and
// all layers have blocks of the same size. There the keys that all layers hold of a block
// lie side by side, and so do the values, so that a short text needs few pages.
type KVCache struct {
	Type   kernels.DType
	Blocks int // blocks of kernels.BlockSize positions
	Layers []kernels.KV
	apart  int32 // how far a layer's blocks lie apart, in blocks
	dev    kernels.Device
	allocs []uintptr
	bytes  int64
}

// NewKVCache allocates a cache of that many blocks.
func NewKVCache(dev kernels.Device, c *Config, t kernels.DType, blocks int) (*KVCache, error) {
	// A slot, block*BlockSize + offset, travels as an int32.
	const most = math.MaxInt32 / kernels.BlockSize
	if blocks < 1 || blocks > most {
		return nil, fmt.Errorf("a KV cache of %d blocks: must be 1 to %d", blocks, most)
	}
	kv := &KVCache{Type: t, Blocks: blocks, Layers: make([]kernels.KV, len(c.Layers)), apart: 1, dev: dev}
	alike := layersAlike(c)
	var err error
	if n := len(alike); n > 0 && blocks <= most/n && dev.Info().Lazy {
		err = kv.allocAlike(c, alike)
	} else {
		err = kv.allocLayers(c)
	}
	if err != nil {
		kv.Close()
		return nil, err
	}
	return kv, nil
}

// layersAlike returns the layers that have attention, none unless their blocks have the same size.
func layersAlike(c *Config) []int {
	var layers []int
	for i := range c.Layers {
		if c.KVHeads(i) == 0 {
			continue
		}
		layers = append(layers, i)
		first := layers[0]
		if c.KVHeads(i) != c.KVHeads(first) || c.Layers[i].Attention.HeadDim != c.Layers[first].Attention.HeadDim {
			return nil
		}
	}
	return layers
}

// allocLayers allocates a pool for each layer.
func (c *KVCache) allocLayers(config *Config) error {
	for i := range config.Layers {
		bytes := kvLayerBytes(config, i, c.Type, int64(c.Blocks))
		if bytes == 0 {
			continue
		}
		addr, err := c.alloc(bytes)
		if err != nil {
			return fmt.Errorf("KV cache of layer %d: %w", i, err)
		}
		c.Layers[i], _ = kvLayer(addr, config, i, c.Type, int64(c.Blocks))
	}
	return nil
}

// allocAlike allocates one pool for all layers, in which their blocks take turns.
func (c *KVCache) allocAlike(config *Config, layers []int) error {
	n := int64(len(layers))
	blocks := n * int64(c.Blocks)
	addr, err := c.alloc(kvLayerBytes(config, layers[0], c.Type, blocks))
	if err != nil {
		return fmt.Errorf("KV cache: %w", err)
	}
	c.apart = int32(n)
	all, _ := kvLayer(addr, config, layers[0], c.Type, blocks)
	for turn, i := range layers {
		of := func(pool kernels.Tensor) kernels.Tensor {
			if pool.Absent() {
				return pool
			}
			return pool.Slice(int64(turn), blocks-n+int64(turn)+1)
		}
		c.Layers[i] = kernels.KV{K: of(all.K), V: of(all.V), KScale: of(all.KScale), VScale: of(all.VScale)}
	}
	return nil
}

func (c *KVCache) alloc(bytes int64) (uintptr, error) {
	addr, err := c.dev.Alloc(bytes)
	if err == nil {
		c.allocs = append(c.allocs, addr)
		c.bytes += bytes
	}
	return addr, err
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
