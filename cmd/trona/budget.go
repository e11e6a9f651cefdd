package main

import (
	"fmt"
	"math"
	"math/bits"
	"runtime/debug"
	"runtime/metrics"

	"trona/kernels"
	"trona/kernels/cpu"
	"trona/model"
)

// leastContext is what free memory must do for where no flag says so.
const leastContext = 1024

// budget is the memory that models may take together.
type budget struct {
	free  int64 // bytes that this process may take; 0: unknown
	cache int64 // bytes of --kv-cache-memory; 0: what the requests can use
}

// grant is the KV cache of one model.
type grant struct {
	blocks int
	tokens int // the most of a sequence
}

// need is what a model wants of the memory for KV caches, in bytes.
type need struct{ fixed, block, least, most int64 }

// spare is what stays free for everything that no plan counts: text,
// connections, Go's own heap. A server of a small model needs no less for these.
func (b budget) spare() int64 { return max(min(b.free/10, 2<<30), min(b.free/4, 32<<20)) }

// need returns what a plan needs besides, at least and at most. A sequence of
// context tokens (--max-model-len, 0 where absent) must fit.
func (b budget) need(p *model.Plan, context int) need {
	longest, block := p.Options.MaxModelLen, p.KVBytesPerToken*kernels.BlockSize
	least := blocksOf(min(context, longest))
	if context == 0 && b.cache == 0 {
		least = blocksOf(min(longest, leastContext))
	}
	least = max(least, 1)
	return need{fixed: p.Weights + p.Workspace + p.Scratch, block: block, least: least * block, most: max(least, min(p.Blocks, mostBlocks)) * block}
}

// host returns the budget of the host's memory, where this one is that of a device.
func (b budget) host(info kernels.Info) budget {
	if info.Name == "cpu" {
		return b
	}
	return budget{free: cpu.AvailableMemory()}
}

// restrain has Go's heap keep to three quarters of what was spared, beyond what it has and what a
// device still takes of it: garbage is collected earlier. The rest is for the system's part of the
// process: its text, stacks, what connections hold. A limit of the user's own (GOMEMLIMIT) stays.
func (b budget) restrain(scratch int64) {
	if b.free == 0 || debug.SetMemoryLimit(-1) != math.MaxInt64 {
		return
	}
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(held)
	debug.SetMemoryLimit(int64(held[0].Value.Uint64()-held[1].Value.Uint64()) + scratch + b.spare()/4*3)
}

// mostBlocks is what an engine can count.
const mostBlocks = math.MaxInt32 / kernels.BlockSize

// share gives models their KV caches. Each gets what a request needs at the
// least; what is left is divided in the ratio of what they could use beyond that.
// Where that does not do it is an error.
func (b budget) share(plans []*model.Plan, context int) ([]grant, error) {
	var sum need
	needs := make([]need, len(plans))
	for i, p := range plans {
		n := b.need(p, context)
		needs[i] = n
		sum.fixed, sum.least, sum.most = addSizes(sum.fixed, n.fixed), addSizes(sum.least, n.least), addSizes(sum.most, n.most)
	}
	room := sum.most
	switch {
	case sum.most == 0: // no layer has attention
	case b.cache > 0:
		if room = b.cache; room < sum.least {
			return nil, fmt.Errorf("--kv-cache-memory %s: a request to each model may need %s; raise it or lower --max-model-len", human(room), human(sum.least))
		}
		if b.free > 0 && addSizes(sum.fixed, room) > b.free {
			return nil, b.short(plans, room, "lower --kv-cache-memory")
		}
	case b.free > 0:
		if room = min(room, max(b.free-b.spare()-sum.fixed, 0)); room < sum.least {
			return nil, b.short(plans, sum.least, "a lower --max-model-len or --kv-cache-dtype int8 needs less")
		}
	}
	grants := make([]grant, len(plans))
	for i, p := range plans {
		blocks := min(p.Blocks, mostBlocks)
		if n := needs[i]; n.block > 0 {
			blocks = min(n.least+part(room-sum.least, n.most-n.least, sum.most-sum.least, len(plans)), mostBlocks*n.block) / n.block
		}
		grants[i] = grant{int(blocks), int(min(int64(p.Options.MaxModelLen), blocks*kernels.BlockSize))}
	}
	return grants, nil
}

// part returns the part of rest that a is of all; one of n where all is 0.
func part(rest, a, all int64, n int) int64 {
	if all == 0 {
		return rest / int64(n)
	}
	hi, lo := bits.Mul64(uint64(rest), uint64(a))
	quotient, _ := bits.Div64(hi, lo, uint64(all))
	return int64(quotient)
}

// short says what does not fit where.
func (b budget) short(plans []*model.Plan, cache int64, advice string) error {
	var weights, workspace int64
	for _, p := range plans {
		weights, workspace = addSizes(weights, p.Weights), addSizes(workspace, p.Workspace+p.Scratch)
	}
	fixed := addSizes(weights, workspace)
	if fixed > b.free-b.spare() {
		advice = "weights of another type need less: trona quantize"
	}
	subject := "the model does not fit"
	if len(plans) > 1 {
		subject = fmt.Sprintf("the %d models do not fit together", len(plans))
	}
	free := human(b.free) + " are free"
	if addSizes(fixed, cache) <= b.free {
		free += fmt.Sprintf(", of which %s stay for the rest of the program", human(b.spare()))
	}
	return fmt.Errorf("%s: weights %s, workspace %s and a KV cache of %s need %s, but %s; %s", subject,
		human(weights), human(workspace), human(cache), human(addSizes(fixed, cache)), free, advice)
}

// addSizes adds two sizes, up to the largest int64.
func addSizes(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }

// blocksOf returns the blocks of a sequence of n tokens.
func blocksOf(n int) int64 { return (int64(n) + kernels.BlockSize - 1) / kernels.BlockSize }

// freeMemory returns the bytes of a device that this process may take; 0 if unknown.
func freeMemory(info kernels.Info) int64 {
	if info.Name != "cpu" {
		return info.Memory
	}
	if free := cpu.AvailableMemory(); free > 0 {
		return free
	}
	return info.Memory
}
