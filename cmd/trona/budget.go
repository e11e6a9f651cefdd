package main

import (
	"fmt"
	"math"

	"trona/kernels"
	"trona/model"
)

// leastContext is what free memory must do for where no flag says so.
const leastContext = 1024

// options returns how a model is planned and loaded: serve, run and plan agree.
func (f *cacheFlags) options(c *model.Config, kv kernels.DType) (model.PlanOptions, error) {
	if f.MaxModelLen > c.ContextLength {
		return model.PlanOptions{}, fmt.Errorf("--max-model-len %d: the model declares %d", f.MaxModelLen, c.ContextLength)
	}
	return model.PlanOptions{MaxModelLen: f.MaxModelLen, MaxNumSeqs: f.MaxNumSeqs, Drafts: f.drafts(), KVType: kv}, nil
}

// budget is the memory that a model may take.
type budget struct {
	free  int64 // bytes that this process may take; 0: unknown
	cache int64 // bytes of --kv-cache-memory; 0: what the requests can use
}

// spare is what stays free for everything that no plan counts: text,
// connections, Go's own heap.
func (b budget) spare() int64 { return min(b.free/10, 2<<30) }

// blocks returns the blocks of the KV cache, and the most tokens of a sequence
// that fit it. Where the memory does not do for a sequence of context tokens
// (--max-model-len, 0 where absent), that is an error.
func (b budget) blocks(p *model.Plan, context int) (blocks, tokens int, err error) {
	fixed, block := p.Weights+p.Workspace, p.KVBytesPerToken*kernels.BlockSize
	longest := p.Options.MaxModelLen
	least := blocksOf(context)
	if context == 0 && b.cache == 0 {
		least = blocksOf(min(longest, leastContext))
	}
	least = max(least, 1)
	n := min(p.Blocks, math.MaxInt32/kernels.BlockSize)
	switch {
	case block == 0: // no layer has attention
	case b.cache > 0:
		n = min(b.cache/block, math.MaxInt32/kernels.BlockSize)
		if n < least {
			return 0, 0, fmt.Errorf("--kv-cache-memory %s holds %s tokens, a request may need %s: raise it or lower --max-model-len",
				human(b.cache), count(n*kernels.BlockSize), count(least*kernels.BlockSize))
		}
		if b.free > 0 && fixed+n*block > b.free {
			return 0, 0, b.short(p, n*block, "lower --kv-cache-memory")
		}
	case b.free > 0:
		n = min(n, max(b.free-b.spare()-fixed, 0)/block)
		if n < least {
			return 0, 0, b.short(p, least*block, "a lower --max-model-len or --kv-cache-dtype int8 needs less")
		}
	}
	return int(n), int(min(int64(longest), n*kernels.BlockSize)), nil
}

// short says what does not fit where.
func (b budget) short(p *model.Plan, cache int64, advice string) error {
	fixed := p.Weights + p.Workspace
	if fixed > b.free-b.spare() {
		advice = "weights of another type need less: trona quantize"
	}
	return fmt.Errorf("the model does not fit: weights %s, workspace %s and a KV cache of %s need %s, but %s are free; %s",
		human(p.Weights), human(p.Workspace), human(cache), human(fixed+cache), human(b.free), advice)
}

// addSizes adds two sizes, up to the largest int64.
func addSizes(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// blocksOf returns the blocks of a sequence of n tokens.
func blocksOf(n int) int64 { return (int64(n) + kernels.BlockSize - 1) / kernels.BlockSize }
