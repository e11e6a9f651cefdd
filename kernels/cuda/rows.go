package cuda

import "trona/kernels"

// Embed gathers rows of a table, as floats.
func (d *Device) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	kernels.CheckEmbed(out, table, ids)
	l := layoutOf(kernels.OpEmbed, table)
	d.launch(&d.kernels.embed[l.kind], ids.Shape[0], 1, rowThreads, 0, words(embedArgs{
		w: l.args, out: addr(out.Addr), ids: addr(ids.Addr), fault: d.results.fault(),
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
	d.launch(&d.kernels.rmsNorm, x.Shape[0], 1, wideThreads, normShared, words(rmsnormArgs{
		out: addr(out.Addr), x: addr(x.Addr), weight: addr(weight.Addr), d: int32(x.Shape[1]), eps: eps,
	}))
}

// AddRMSNorm adds delta to x and normalises the sum.
func (d *Device) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	kernels.CheckAddRMSNorm(out, x, delta, weight)
	d.launch(&d.kernels.addRMSNorm, x.Shape[0], 1, wideThreads, normShared, words(rmsnormArgs{
		out: addr(out.Addr), x: addr(x.Addr), delta: addr(delta.Addr), weight: addr(weight.Addr), d: int32(x.Shape[1]), eps: eps,
	}))
}

// Add adds delta to x.
func (d *Device) Add(x, delta kernels.Tensor) {
	kernels.CheckAdd(x, delta)
	d.launch(&d.kernels.add, pieces(x.Len(), flatItems), 1, flatThreads, 0, words(addArgs{
		x: addr(x.Addr), delta: addr(delta.Addr), n: x.Len(),
	}))
}

// RoPE rotates q and k by their positions (RoFormer, arXiv 2104.09864).
func (d *Device) RoPE(q, k, positions kernels.Tensor, r kernels.Rotary) {
	kernels.CheckRoPE(q, k, positions, r)
	a := ropeArgs{
		q: addr(q.Addr), k: addr(k.Addr), positions: addr(positions.Addr), inv: addr(r.Inv.Addr),
		heads: int32(q.Shape[1]), kvHeads: int32(k.Shape[1]), dim: int32(q.Shape[2]),
	}
	if r.Interleaved {
		a.interleaved = 1
	}
	d.launch(&d.kernels.rope, q.Shape[0], 1, rowThreads, 0, words(a))
}

// AppendKV stores keys and values in the cache's type.
func (d *Device) AppendKV(cache kernels.KV, k, v, slots kernels.Tensor) {
	kernels.CheckAppendKV(cache, k, v, slots)
	d.launch(&d.kernels.appendKV[cache.K.Type], k.Shape[0], pieces(2*k.Shape[1], rowThreads/warp), rowThreads, 0, words(appendArgs{
		cache: cacheArgs(cache), k: addr(k.Addr), v: addr(v.Addr), slots: addr(slots.Addr), fault: d.results.fault(),
	}))
}

func cacheArgs(c kernels.KV) kvArgs {
	return kvArgs{
		k: addr(c.K.Addr), v: addr(c.V.Addr), kScale: addr(c.KScale.Addr), vScale: addr(c.VScale.Addr),
		blocks: int32(c.K.Shape[0]), kvHeads: int32(c.K.Shape[1]), dim: int32(c.K.Shape[3]),
	}
}

// pieces returns how many pieces of a size n items are.
func pieces(n, size int64) int64 { return (n + size - 1) / size }
