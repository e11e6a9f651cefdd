package cpu

import (
	"fmt"
	"math"
	"unsafe"

	"trona/kernels"
	"trona/kernels/minifloat"
)

type appendKVJob struct {
	kern         *variant
	cache        kernels.KV
	k, v         uintptr
	slots        []int32
	kvHeads, dim int64
}

// appendKV stores keys and values in the cache's type.
func (d *Device) appendKV(cache kernels.KV, k, v, slots kernels.Tensor) {
	n := k.Shape[0]
	j := &d.jobs.appendKV
	*j = appendKVJob{d.kern, cache, k.Addr, v.Addr, intsOf(slots.Addr, n), k.Shape[1], k.Shape[2]}
	for _, s := range j.slots {
		if s < -1 || int64(s) >= cache.K.Shape[0]*kernels.BlockSize {
			d.fail(fmt.Errorf("cpu: %s: slot %d of %d", kernels.OpRoPEAppendKV, s, cache.K.Shape[0]*kernels.BlockSize))
		}
	}
	d.run(kernels.OpRoPEAppendKV, j, n, k.Len() < fewFlops/8)
}

func (j *appendKVJob) pieces(w *worker, from, to int64) {
	for i := from; i < to; i++ {
		j.row(w, i)
	}
}

func (j *appendKVJob) row(w *worker, i int64) {
	if j.slots[i] < 0 {
		return
	}
	block, offset := int64(j.slots[i])/kernels.BlockSize, int64(j.slots[i])%kernels.BlockSize
	for h := range j.kvHeads {
		at := (block*j.kvHeads+h)*kernels.BlockSize + offset // in rows of dim elements
		from := uintptr(4 * (i*j.kvHeads + h) * j.dim)
		k, v := floatsOf(j.k+from, j.dim), floatsOf(j.v+from, j.dim)
		if j.cache.K.Type == kernels.I16 {
			j.storeCodes(w, j.cache.K, j.cache.KScale, at, k, codesLength, codesMost, keyCodes(offset, j.dim))
			j.storeCodes(w, j.cache.V, j.cache.VScale, at, v, float32(math.Inf(1)), valuesMost, valueCodes(offset, j.dim))
			continue
		}
		j.store(j.cache.K, j.cache.KScale, at, k)
		j.store(j.cache.V, j.cache.VScale, at, v)
	}
}

// store writes src as row `at` of a cache.
func (j *appendKVJob) store(t, scale kernels.Tensor, at int64, src []float32) {
	n := int64(len(src))
	dst := t.Addr + uintptr(at*t.Type.RowBytes(n))
	switch t.Type {
	case kernels.F32:
		copy(floatsOf(dst, n), src)
	case kernels.I8:
		floatsOf(scale.Addr+uintptr(4*at), 1)[0] = storeI8(bytesOf(dst, n), src)
	default:
		j.kern.narrow[t.Type](pointer(dst), &src[0], int(n))
	}
}

// storeCodes writes codes of 16 bits, of that length and size at most: variant.round16. A row
// whose squares have no finite sum gets a NaN for its scale, so that it is not lost.
func (j *appendKVJob) storeCodes(w *worker, t, scale kernels.Tensor, at int64, src []float32, length, most float32, places codePlaces) {
	n := int64(len(src))
	if int64(len(w.codes)) < n {
		w.codes = alignedCodes(n)
	}
	s := &floatsOf(scale.Addr+uintptr(4*at), 1)[0]
	j.kern.round16(&w.codes[0], s, &src[0], 1, int(n), length, most)
	if *s-*s != 0 {
		*s = float32(math.NaN())
	}
	block := codesAt((*int16)(pointer(t.Addr+uintptr(2*n*(at-at%kernels.BlockSize)))), 0, int(n*kernels.BlockSize))
	for i := int64(0); i < n; i += 2 {
		block[places.first], block[places.first+places.next] = w.codes[i], w.codes[i+1]
		places.first += places.pair
	}
}

// storeI8 writes codes and returns their scale, amax/127. A NaN or infinity
// makes the scale NaN, so that it is not lost.
func storeI8(dst []byte, src []float32) float32 {
	amax := float32(0)
	for _, v := range src {
		amax = max(amax, v, -v)
	}
	scale := amax / 127
	if scale == 0 {
		clear(dst)
		return 0
	}
	if math.IsInf(float64(scale), 0) || scale != scale {
		clear(dst)
		return float32(math.NaN())
	}
	for i, v := range src {
		dst[i] = byte(int8(math.RoundToEven(float64(v) / float64(scale))))
	}
	return scale
}

func narrowF16Generic(dst unsafe.Pointer, src *float32, n int) {
	d := unsafe.Slice((*uint16)(dst), n)
	for i, v := range unsafe.Slice(src, n) {
		d[i] = minifloat.ToF16(v)
	}
}

func narrowBF16Generic(dst unsafe.Pointer, src *float32, n int) {
	d := unsafe.Slice((*uint16)(dst), n)
	for i, v := range unsafe.Slice(src, n) {
		d[i] = minifloat.ToBF16(v)
	}
}

func widenF16Generic(dst *float32, src unsafe.Pointer, n int) {
	d := unsafe.Slice(dst, n)
	for i, h := range unsafe.Slice((*uint16)(src), n) {
		d[i] = minifloat.F16(h)
	}
}

func widenBF16Generic(dst *float32, src unsafe.Pointer, n int) {
	d := unsafe.Slice(dst, n)
	for i, h := range unsafe.Slice((*uint16)(src), n) {
		d[i] = minifloat.BF16(h)
	}
}

func widenI8Generic(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int) {
	d := unsafe.Slice(dst, rows*dim)
	codes := unsafe.Slice((*int8)(src), rows*dim)
	for r, s := range unsafe.Slice(scale, rows) {
		for i := r * dim; i < (r+1)*dim; i++ {
			d[i] = s * float32(codes[i])
		}
	}
}
