package model

import "trona/kernels"

// arena hands out tensors one after another from one allocation. With base 0
// it only counts.
type arena struct {
	base uintptr
	size int64 // bytes handed out so far
}

// take returns the next tensor, aligned to 64 bytes; the zero Tensor where a
// dimension is 0.
func (a *arena) take(t kernels.DType, shape ...int64) kernels.Tensor {
	for _, n := range shape {
		if n == 0 {
			return kernels.Tensor{}
		}
	}
	v := kernels.View(a.base+uintptr(a.size), t, shape...)
	a.size += (v.Bytes() + 63) &^ 63
	return v
}

// ffnBytes bounds the memory of an FFN's inner values: a wider one runs in
// several tiles of rows. A row's result depends on that row alone, so tiles change nothing.
const ffnBytes = 256 << 20

// tileRows returns how many rows of an FFN run at a time: all, or as many as
// fit ffnBytes, in steps that matrix kernels like.
func tileRows(rows, width int64) int64 {
	return min(rows, max(16, ffnBytes/(4*width)&^15))
}

// workspace is what a step computes with. n = rows and m = logits are the
// most a batch may have; the tensors below have exactly these shapes.
type workspace struct {
	rows, logitRows int64

	ints           kernels.Tensor // I32 [4*stride + m]: the five below, uploaded at once
	ids, pos, slot kernels.Tensor // I32 [n]: token ids, positions, KV slots
	drawn          kernels.Tensor // I32 [n]: rows of the last Sample that draw ids
	wanted         kernels.Tensor // I32 [m]: rows whose logits are wanted

	x, h, delta kernels.Tensor // [n, d]: residual stream, normed, output of a part

	// Attention and FFN never run at the same time: their memory is shared.
	q, attn []kernels.Tensor // by layer [n, heads, dim]
	k, v    []kernels.Tensor // by layer [n, kvHeads, dim]
	kNormed []kernels.Tensor // by layer [n, kvHeads, dim], with QKNorm
	inner   []kernels.Tensor // by layer [tile, width]
	up      []kernels.Tensor // by layer [tile, width], with FFN.Bias

	lastX, lastDelta kernels.Tensor // [m, d]: the rows of x and delta that are wanted
	logits           kernels.Tensor // [m, vocab]
}

// The arrays in workspace.ints, in their order.
const (
	idsArray = iota
	posArray
	slotArray
	drawnArray
	wantedArray
)

// stride is the distance of the arrays in workspace.ints, a multiple of 64 bytes.
func (w *workspace) stride() int64 { return (w.rows + 15) &^ 15 }

// newWorkspace lays the workspace out at base and returns its size. Base 0
// only counts.
func newWorkspace(c *Config, base uintptr, rows, logitRows int) (*workspace, int64) {
	n, m, d := int64(rows), int64(logitRows), int64(c.HiddenSize)
	w := &workspace{rows: n, logitRows: m}
	a := &arena{base: base}
	s := w.stride()
	w.ints = a.take(kernels.I32, wantedArray*s+m)
	for i, t := range []*kernels.Tensor{&w.ids, &w.pos, &w.slot, &w.drawn} {
		*t = w.ints.Slice(int64(i)*s, int64(i)*s+n)
	}
	w.wanted = w.ints.Slice(wantedArray*s, wantedArray*s+m)
	w.x, w.h, w.delta = a.take(kernels.F32, n, d), a.take(kernels.F32, n, d), a.take(kernels.F32, n, d)
	w.lastX, w.lastDelta = a.take(kernels.F32, m, d), a.take(kernels.F32, m, d)
	w.logits = a.take(kernels.F32, m, int64(c.VocabSize))
	layers := len(c.Layers)
	w.q, w.attn, w.k = make([]kernels.Tensor, layers), make([]kernels.Tensor, layers), make([]kernels.Tensor, layers)
	w.v, w.kNormed = make([]kernels.Tensor, layers), make([]kernels.Tensor, layers)
	w.inner, w.up = make([]kernels.Tensor, layers), make([]kernels.Tensor, layers)
	shared := a.size
	most := shared
	for i, l := range c.Layers {
		if at := l.Attention; at != nil && !at.Linear {
			a.size = shared
			w.layAttention(a, i, at)
			most = max(most, a.size)
		}
		if l.FFN != nil && !l.FFN.Linear {
			a.size = shared
			w.layFFN(a, i, l.FFN)
			most = max(most, a.size)
		}
	}
	return w, most
}

func (w *workspace) layAttention(a *arena, i int, at *Attention) {
	heads, kv, dim := int64(at.Heads), int64(at.KVHeads), int64(at.HeadDim)
	w.q[i], w.attn[i] = a.take(kernels.F32, w.rows, heads, dim), a.take(kernels.F32, w.rows, heads, dim)
	w.k[i], w.v[i] = a.take(kernels.F32, w.rows, kv, dim), a.take(kernels.F32, w.rows, kv, dim)
	if at.QKNorm {
		w.kNormed[i] = a.take(kernels.F32, w.rows, kv, dim)
	}
}

func (w *workspace) layFFN(a *arena, i int, f *FFN) {
	width := int64(f.Width)
	if !f.Bias {
		w.inner[i] = a.take(kernels.F32, tileRows(w.rows, width), width)
		return
	}
	tile := tileRows(w.rows, 2*width)
	w.inner[i], w.up[i] = a.take(kernels.F32, tile, width), a.take(kernels.F32, tile, width)
}
