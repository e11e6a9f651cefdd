package cuda

import (
	"fmt"
	"math"
	"slices"

	"trona/kernels"
)

// Embed gathers rows of a table, as floats.
func (d *Device) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	kernels.CheckEmbed(out, table, ids)
	l := layoutOf(kernels.OpEmbed, table)
	d.launch(&d.kernels.embed[l.kind], ids.Shape[0], 1, rowThreads, 0, words(embedArgs{
		w: l.args, out: addr(out.Addr), ids: addr(ids.Addr), fault: d.results.fault(), table: l.table,
	}))
}

// Gather copies rows.
func (d *Device) Gather(out, x, rows kernels.Tensor) {
	kernels.CheckGather(out, x, rows)
	d.launch(&d.kernels.gather, out.Shape[0], 1, rowThreads, 0, words(gatherArgs{
		out: addr(out.Addr), x: addr(x.Addr), rows: addr(rows.Addr), fault: d.results.fault(),
		n: int32(x.Shape[0]), d: int32(x.Shape[1]),
	}))
}

// RMSNorm is root mean square normalisation (Zhang and Sennrich, arXiv 1910.07467).
func (d *Device) RMSNorm(out, x, weight kernels.Tensor, eps float32) {
	kernels.CheckRMSNorm(out, x, weight)
	d.norm(&d.kernels.rmsNorm, &d.kernels.normInputs, x, rmsnormArgs{
		out: addr(out.Addr), x: addr(x.Addr), weight: addr(weight.Addr), d: int32(x.Shape[1]), eps: eps,
	})
}

// AddRMSNorm adds delta to x and normalises the sum.
func (d *Device) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	kernels.CheckAddRMSNorm(out, x, delta, weight)
	d.norm(&d.kernels.addRMSNorm, &d.kernels.addNormInputs, x, rmsnormArgs{
		out: addr(out.Addr), x: addr(x.Addr), delta: addr(delta.Addr), weight: addr(weight.Addr), d: int32(x.Shape[1]), eps: eps,
	})
}

// norm normalises rows. Where they are few, products of them with decode
// arithmetic find their inputs converted.
func (d *Device) norm(plain *kernel, withInputs *[len(normSizes)]kernel, x kernels.Tensor, a rmsnormArgs) {
	n, cols := x.Shape[0], x.Shape[1]
	size := sizeFor(normSizes[:], cols)
	if size < 0 || !d.convertsEarly(n, cols, a.out|a.x|a.delta|a.weight) {
		d.launch(plain, n, 1, wideThreads, normShared, words(a))
		return
	}
	to, in := d.convertEarly(a.out, n, cols)
	a.to = to
	d.launch(&withInputs[size], n, 1, rowThreads, normInputShared, words(a))
	d.converted = in
}

// Add adds delta to x.
func (d *Device) Add(x, delta kernels.Tensor) {
	kernels.CheckAdd(x, delta)
	d.launch(&d.kernels.add, pieces(x.Len(), flatItems), 1, flatThreads, 0, words(addArgs{
		x: addr(x.Addr), delta: addr(delta.Addr), n: x.Len(),
	}))
}

// AddBias adds biases, up to biasParts in a launch.
func (d *Device) AddBias(sums []kernels.Biased) {
	kernels.CheckAddBias(sums)
	for len(sums) > 0 {
		some := sums[:min(len(sums), biasParts)]
		sums = sums[len(some):]
		var a addBiasArgs
		spans := int64(0)
		for i := range a.parts {
			a.parts[i].first = math.MaxInt32
			if i < len(some) {
				b := &some[i]
				a.parts[i] = biasPart{x: addr(b.X.Addr), bias: addr(b.Bias.Addr), d: int32(b.X.Shape[1]), first: int32(spans)}
				spans += pieces(b.X.Shape[1], flatItems)
			}
		}
		d.launch(&d.kernels.addBias, some[0].X.Shape[0], spans, flatThreads, 0, words(a))
	}
}

// SwiGLU adds biases to gate and up and multiplies silu of the one with the other.
func (d *Device) SwiGLU(gate, up kernels.Biased) {
	kernels.CheckSwiGLU(gate, up)
	n, cols := gate.X.Shape[0], gate.X.Shape[1]
	d.launch(&d.kernels.swiglu, n, pieces(cols, flatItems), flatThreads, 0, words(swigluArgs{
		gate: addr(gate.X.Addr), gateBias: addr(gate.Bias.Addr), up: addr(up.X.Addr), upBias: addr(up.Bias.Addr), d: int32(cols),
	}))
}

// RoPEAppendKV rotates q and k by their positions (RoFormer, arXiv 2104.09864),
// and stores keys and values in the cache's type.
func (d *Device) RoPEAppendKV(cache kernels.KV, q, k, v, positions, slots kernels.Tensor, r kernels.Rotary) {
	kernels.CheckRoPEAppendKV(cache, q, k, v, positions, slots, r)
	n, heads, kvHeads, dim := q.Shape[0], q.Shape[1], k.Shape[1], q.Shape[2]
	shared := ropeShared(dim)
	if shared > sharedMost {
		d.fail(fmt.Errorf("%s: heads of %d need %d bytes of shared memory, a block has %d", kernels.OpRoPEAppendKV, dim, shared, sharedMost))
		return
	}
	// A warp does a head, or, where there are enough rows for all processors, more.
	most := max(1, 4*int64(d.info.Processors)/max(1, n))
	rotating, values := min(most, pieces(heads+kvHeads, rowThreads/warp)), min(most, pieces(kvHeads, rowThreads/warp))
	a := ropeAppendKvArgs{
		cache: cacheArgs(cache), q: addr(q.Addr), k: addr(k.Addr), v: addr(v.Addr), positions: addr(positions.Addr), slots: addr(slots.Addr),
		inv: addr(r.Inv.Addr), fault: d.results.fault(), scale: r.Scaled(), heads: int32(heads), rotating: int32(rotating),
	}
	if r.Interleaved {
		a.interleaved = 1
	}
	d.launch(&d.kernels.ropeAppendKV[cache.K.Type], n, rotating+values, rowThreads, int(shared), words(a))
}

func cacheArgs(c kernels.KV) kvArgs {
	return kvArgs{
		k: addr(c.K.Addr), v: addr(c.V.Addr), kScale: addr(c.KScale.Addr), vScale: addr(c.VScale.Addr),
		blocks: int32(c.K.Shape[0]), kvHeads: int32(c.K.Shape[1]), dim: int32(c.K.Shape[3]),
	}
}

// sizeFor returns which of ascending sizes is the first that is enough, -1 if none.
func sizeFor(sizes []int64, n int64) int {
	return slices.IndexFunc(sizes, func(most int64) bool { return n <= most })
}

// pieces returns how many pieces of a size n items are.
func pieces(n, size int64) int64 { return (n + size - 1) / size }
