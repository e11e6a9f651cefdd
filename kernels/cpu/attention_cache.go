package cpu

import (
	"unsafe"

	"trona/kernels"
)

// at returns where block b of the sequence begins, in rows of the cache.
func (t *attentionTile) at(b int64) int64 {
	return (int64(t.seq.Blocks[b])*t.kvHeads + t.head) * kernels.BlockSize
}

// source returns the address of a row of a cache.
func (t *attentionTile) source(c kernels.Tensor, at int64) unsafe.Pointer {
	return pointer(c.Addr + uintptr(at*t.rowBytes))
}

// scale returns the address of the scale of a row of a cache.
func (t *attentionTile) scale(scales kernels.Tensor, at int64) *float32 {
	return (*float32)(pointer(scales.Addr + uintptr(4*at)))
}

// load reads n positions of block b into keys and values.
func (t *attentionTile) load(b, n int64) {
	if t.narrow {
		transpose := t.kern.transpose16
		if t.cache.K.Type == kernels.I8 {
			transpose = t.kern.transpose8
		}
		transpose(unsafe.Pointer(&t.keys[0]), t.source(t.cache.K, t.at(b)), int(n+7)&^7, int(t.dim))
		return
	}
	keys := t.widenKeys(t.wide, b, n)
	t.kern.transpose(&t.keys[0], keys, int(n), int(t.dim))
	wide := t.wideDim()
	if wide == t.dim {
		t.widenValues(t.values, b, n)
		return
	}
	t.widenValues(t.wide, b, n)
	for p := range n {
		row := t.values[p*wide:][:wide]
		copy(row, t.wide[p*t.dim:][:t.dim])
		clear(row[t.dim:])
	}
}

// widenKeys and widenValues convert n positions of block b to rows of dst, and return where
// they are.
func (t *attentionTile) widenKeys(dst []float32, b, n int64) *float32 {
	return t.widen(dst, t.cache.K, t.cache.KScale, keyCodes, b, n)
}

func (t *attentionTile) widenValues(dst []float32, b, n int64) *float32 {
	return t.widen(dst, t.cache.V, t.cache.VScale, valueCodes, b, n)
}

func (t *attentionTile) widen(dst []float32, c, scale kernels.Tensor, places func(position, dim int64) codePlaces, b, n int64) *float32 {
	at := t.at(b)
	src := t.source(c, at)
	switch c.Type {
	case kernels.I16:
		t.widenCodes(dst, c, t.scale(scale, at), b, n, places)
	case kernels.F32:
		copy(dst, unsafe.Slice((*float32)(src), n*t.dim))
	case kernels.I8:
		t.kern.widenI8(&dst[0], src, t.scale(scale, at), int(n), int(t.dim))
	default:
		t.kern.widen[c.Type](&dst[0], src, int(n*t.dim))
	}
	return &dst[0]
}

// following returns where a cache has what is read after block b: the next head's, or the first
// one's of the next block.
func (t *attentionTile) following(c kernels.Tensor, b int64) unsafe.Pointer {
	return t.source(c, t.atNext(b))
}

func (t *attentionTile) atNext(b int64) int64 {
	if (t.head+1)%t.pieceHeads != 0 {
		return t.at(b) + kernels.BlockSize
	}
	return t.at(t.after(b)) - (t.pieceHeads-1)*kernels.BlockSize
}

// after returns the block after b, or b if it is the last.
func (t *attentionTile) after(b int64) int64 {
	if (b+1)*kernels.BlockSize < t.position+t.rows {
		b++
	}
	return b
}

// next returns what is read after block b, in parts.
func (t *attentionTile) next(b, parts int64) ahead {
	a := ahead{parts: int(parts)}
	if !t.narrow && ((t.head+1)%t.pieceHeads != 0 || t.after(b) != b) {
		at := t.atNext(b)
		a.at = [2]uintptr{uintptr(t.source(t.cache.K, at)), uintptr(t.source(t.cache.V, at))}
		a.bytes = int(kernels.BlockSize * t.rowBytes)
	}
	return a
}
