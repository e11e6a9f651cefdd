package main

import (
	"slices"

	"trona/kernels"
)

// costDevice is a device that adds up what its ops have to move and to compute.
type costDevice struct {
	kernels.Device
	info kernels.Info // what rounds to what
	tally
	recording *recordedCost    // nil: ops are done
	weights   []kernels.Weight // those of MatMul
}

// tally is what ops had to do.
type tally struct {
	total kernels.Cost
	int8  float64 // of total.Flops, those in 8 bits
	int16 float64 // those in 16 bits
	bf16  float64 // those in BF16
}

func (d *costDevice) add(c kernels.Cost) {
	d.total.Bytes += c.Bytes
	d.total.Flops += c.Flops
}

func (d *costDevice) Embed(out kernels.Tensor, table kernels.Weight, ids kernels.Tensor) {
	d.add(kernels.EmbedCost(out, table))
	d.Device.Embed(out, table, ids)
}

func (d *costDevice) RMSNorm(out, x, weight kernels.Tensor, eps float32) {
	d.add(kernels.RMSNormCost(x))
	d.Device.RMSNorm(out, x, weight, eps)
}

func (d *costDevice) AddRMSNorm(out, x, delta, weight kernels.Tensor, eps float32) {
	d.add(kernels.AddRMSNormCost(x))
	d.Device.AddRMSNorm(out, x, delta, weight, eps)
}

func (d *costDevice) Add(x, delta kernels.Tensor) {
	d.add(kernels.AddCost(x))
	d.Device.Add(x, delta)
}

func (d *costDevice) MatMul(x kernels.Tensor, decode int64, products []kernels.Product) {
	d.weights = d.weights[:0]
	for i := range products {
		d.weights = append(d.weights, products[i].W)
		d.product(x, products[i].W, decode)
	}
	d.add(kernels.MatMulCost(x, d.weights...))
	d.Device.MatMul(x, decode, products)
}

func (d *costDevice) GatedMatMul(out, x kernels.Tensor, gate, up kernels.Weight, decode int64) {
	d.add(kernels.GatedMatMulCost(x, gate, up))
	d.product(x, gate, decode)
	d.product(x, up, decode)
	d.Device.GatedMatMul(out, x, gate, up, decode)
}

// product counts the operations in 8 bits and in BF16 of a product.
func (d *costDevice) product(x kernels.Tensor, w kernels.Weight, decode int64) {
	n := x.Shape[0]
	if slices.Contains(d.info.Tiles, w.Type) {
		d.bf16 += float64(kernels.MatMulCost(x.Slice(decode, n), w).Flops)
		n = decode
	}
	switch rest := float64(kernels.MatMulCost(x.Slice(0, n), w).Flops); {
	case slices.Contains(d.info.BF16, w.Type):
		d.bf16 += rest
	case slices.Contains(d.info.Int8, w.Type):
		d.int8 += rest
	}
}

func (d *costDevice) AddBias(sums []kernels.Biased) {
	d.add(kernels.AddBiasCost(sums))
	d.Device.AddBias(sums)
}

func (d *costDevice) SwiGLU(gate, up kernels.Biased) {
	d.add(kernels.SwiGLUCost(gate))
	d.Device.SwiGLU(gate, up)
}

func (d *costDevice) RoPEAppendKV(cache kernels.KV, q, k, v, positions, slots kernels.Tensor, r kernels.Rotary) {
	d.add(kernels.RoPEAppendKVCost(cache, q, k))
	d.Device.RoPEAppendKV(cache, q, k, v, positions, slots, r)
}

func (d *costDevice) Attention(out, q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	if d.recording != nil {
		d.recording.attention = append(d.recording.attention, recordedAttention{q, cache, window})
	} else {
		d.attention(q, cache, window, plan)
	}
	d.Device.Attention(out, q, cache, window, plan)
}

// attention counts attention, and what of it is in 16 bits or in BF16.
func (d *costDevice) attention(q kernels.Tensor, cache kernels.KV, window int64, plan *kernels.AttentionPlan) {
	cost := kernels.AttentionCost(q, cache, window, plan)
	d.add(cost)
	if d.info.InCodes(cache.K.Type, q.Shape[2]) {
		d.int16 += float64(cost.Flops)
		return
	}
	if len(d.info.Tiles) == 0 || q.Shape[2]%32 != 0 {
		return
	}
	filled := kernels.AttentionPlan{Seqs: slices.Clone(plan.Seqs)}
	filled.Seqs = slices.DeleteFunc(filled.Seqs, func(s kernels.AttentionSeq) bool { return s.Row < plan.Decode })
	d.bf16 += float64(kernels.AttentionCost(q, cache, window, &filled).Flops)
}

func (d *costDevice) Gather(out, x, rows kernels.Tensor) {
	d.add(kernels.GatherCost(out))
	d.Device.Gather(out, x, rows)
}

func (d *costDevice) Sample(dst []kernels.Sampled, logits kernels.Tensor, rows []kernels.SampleRow) {
	d.add(kernels.SampleCost(logits))
	d.Device.Sample(dst, logits, rows)
}
