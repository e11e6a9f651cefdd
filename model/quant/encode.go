package quant

import (
	"fmt"
	"math"

	"trona/kernels"
)

// encoder writes one block of a type. Every value must be at most limit: then
// no scale overflows.
type encoder struct {
	encode func(block []byte, src []float32)
	limit  float64
}

const (
	limitF16  = 65504
	limitBF16 = 0x1.fep127
	// limitLine is for types that store an offset: a line of least squares may
	// begin below the least value.
	limitLine = 32768
)

var encoders = [...]encoder{
	kernels.F32:  {encodeF32, math.MaxFloat32},
	kernels.F16:  {encodeF16, limitF16},
	kernels.BF16: {encodeBF16, limitBF16},
	kernels.Q4_0: {encodeQ4_0, limitF16},
	kernels.Q4_1: {encodeQ4_1, limitLine},
	kernels.Q5_0: {encodeQ5_0, limitF16},
	kernels.Q5_1: {encodeQ5_1, limitLine},
	kernels.Q8_0: {encodeQ8_0, limitF16},
	kernels.Q2_K: {encodeQ2_K, limitF16},
	kernels.Q3_K: {encodeQ3_K, limitF16},
	kernels.Q4_K: {encodeQ4_K, limitF16},
	kernels.Q5_K: {encodeQ5_K, limitF16},
	kernels.Q6_K: {encodeQ6_K, limitF16},

	kernels.IQ4_NL: {encodeIQ4_NL, limitF16},
	kernels.IQ4_XS: {encodeIQ4_XS, limitF16},
}

// CanEncode reports whether Encode knows the type.
func CanEncode(t kernels.DType) bool { return int(t) < len(encoders) && encoders[t].encode != nil }

// ValueError is a value that a type cannot hold: NaN, an infinity, or one that
// is too large.
type ValueError struct {
	Type  kernels.DType
	Index int // of the value
	Value float32
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("value %d is %v, which %v cannot hold", e.Index, e.Value, e.Type)
}

// Encode writes values as whole blocks of t: len(src) is a multiple of its
// block, and dst has exactly t.RowBytes(len(src)) bytes. Other sizes and types
// that CanEncode denies panic. The error is a *ValueError.
func Encode(dst []byte, t kernels.DType, src []float32) error {
	if !CanEncode(t) {
		panic(fmt.Sprintf("quant: no encoder for %v", t))
	}
	if want := t.RowBytes(int64(len(src))); int64(len(dst)) != want {
		panic(fmt.Sprintf("quant: %d values of %v take %d bytes, not %d", len(src), t, want, len(dst)))
	}
	e := &encoders[t]
	for i, v := range src {
		if !(math.Abs(float64(v)) <= e.limit) {
			return &ValueError{Type: t, Index: i, Value: v}
		}
	}
	n, size := t.Block(), t.BlockBytes()
	for len(src) > 0 {
		e.encode(dst[:size], src[:n])
		dst, src = dst[size:], src[n:]
	}
	return nil
}
