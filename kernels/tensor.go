package kernels

import (
	"fmt"
	"strings"
)

// DType is the element type of a tensor. Quantised types store runs of
// elements of one row in fixed-size blocks; their layouts are those of ggml
// (GGUF) unless a comment says otherwise.
type DType uint8

// The element types. The zero value is invalid.
const (
	_ DType = iota
	F32
	F16
	BF16
	I8
	I16
	I32
	F8E4M3 // OCP 8-bit float, no infinities; scales stand beside the tensor
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q8_0
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	IQ4_NL
	IQ4_XS
	MXFP4
	NVFP4    // GGUF block layout: 4 e4m3 scales and 64 e2m1 codes
	NVFP4x16 // safetensors layout: codes two to a byte (low nibble the even column), e4m3 scales per 16 beside the tensor
)

type dtypeInfo struct {
	name  string
	block int // elements of a block
	bytes int // bytes of a block
}

var dtypes = [...]dtypeInfo{
	F32:      {"F32", 1, 4},
	F16:      {"F16", 1, 2},
	BF16:     {"BF16", 1, 2},
	I8:       {"I8", 1, 1},
	I16:      {"I16", 1, 2},
	I32:      {"I32", 1, 4},
	F8E4M3:   {"F8_E4M3", 1, 1},
	Q4_0:     {"Q4_0", 32, 18},
	Q4_1:     {"Q4_1", 32, 20},
	Q5_0:     {"Q5_0", 32, 22},
	Q5_1:     {"Q5_1", 32, 24},
	Q8_0:     {"Q8_0", 32, 34},
	Q2_K:     {"Q2_K", 256, 84},
	Q3_K:     {"Q3_K", 256, 110},
	Q4_K:     {"Q4_K", 256, 144},
	Q5_K:     {"Q5_K", 256, 176},
	Q6_K:     {"Q6_K", 256, 210},
	IQ4_NL:   {"IQ4_NL", 32, 18},
	IQ4_XS:   {"IQ4_XS", 256, 136},
	MXFP4:    {"MXFP4", 32, 17},
	NVFP4:    {"NVFP4", 64, 36},
	NVFP4x16: {"NVFP4x16", 16, 8},
}

func (t DType) info() dtypeInfo {
	if int(t) >= len(dtypes) || dtypes[t].block == 0 {
		panic(fmt.Sprintf("kernels: no element type %d", t))
	}
	return dtypes[t]
}

// Valid reports whether t is one of the types above.
func (t DType) Valid() bool { return int(t) < len(dtypes) && dtypes[t].block != 0 }

// Coded reports whether a cache of type t has scales beside it: see KV.
func (t DType) Coded() bool { return t == I8 || t == I16 }

// String returns the type's usual name, as in "Q4_K".
func (t DType) String() string {
	if !t.Valid() {
		return fmt.Sprintf("DType(%d)", uint8(t))
	}
	return dtypes[t].name
}

// ParseDType returns the type with that name, in either case.
func ParseDType(name string) (DType, error) {
	for i, d := range dtypes {
		if d.block != 0 && strings.EqualFold(d.name, name) {
			return DType(i), nil
		}
	}
	return 0, fmt.Errorf("unknown element type %q", name)
}

// Block returns the number of elements stored together: 1, or the block
// length of a quantised type.
func (t DType) Block() int { return t.info().block }

// BlockBytes returns the bytes of one block.
func (t DType) BlockBytes() int { return t.info().bytes }

// RowBytes returns the bytes of a row of n elements; n must be a multiple of
// Block.
func (t DType) RowBytes(n int64) int64 {
	d := t.info()
	if n%int64(d.block) != 0 {
		panic(fmt.Sprintf("kernels: row of %d elements is not a multiple of %s's block of %d", n, t, d.block))
	}
	return n / int64(d.block) * int64(d.bytes)
}

// Tensor is a view of device memory: address, element type and row-major
// shape. It owns nothing; copying it is free. The zero Tensor means "absent".
type Tensor struct {
	Addr  uintptr // on the device; never of memory that the Go runtime manages
	Type  DType
	Shape [4]int64 // outermost first; unused trailing dimensions are 0
}

// View returns a tensor of the given shape at addr.
func View(addr uintptr, t DType, shape ...int64) Tensor {
	if len(shape) == 0 || len(shape) > 4 {
		panic(fmt.Sprintf("kernels: a tensor has 1 to 4 dimensions, not %d", len(shape)))
	}
	v := Tensor{Addr: addr, Type: t}
	copy(v.Shape[:], shape)
	return v
}

// Rank returns the number of dimensions.
func (t Tensor) Rank() int {
	n := 0
	for n < 4 && t.Shape[n] != 0 {
		n++
	}
	return n
}

// Absent reports whether t is the zero Tensor.
func (t Tensor) Absent() bool { return t.Addr == 0 }

// Len returns the number of elements.
func (t Tensor) Len() int64 {
	n := int64(1)
	for i := range t.Rank() {
		n *= t.Shape[i]
	}
	if t.Rank() == 0 {
		return 0
	}
	return n
}

// Rows returns the product of all dimensions but the last, Cols the last.
func (t Tensor) Rows() int64 {
	if c := t.Cols(); c != 0 {
		return t.Len() / c
	}
	return 0
}

// Cols returns the last dimension: the length of a row.
func (t Tensor) Cols() int64 {
	if r := t.Rank(); r > 0 {
		return t.Shape[r-1]
	}
	return 0
}

// Bytes returns the size in memory.
func (t Tensor) Bytes() int64 { return t.Rows() * t.Type.RowBytes(t.Cols()) }

// Slice returns rows [begin, end) of the outermost dimension.
func (t Tensor) Slice(begin, end int64) Tensor {
	if begin < 0 || end < begin || end > t.Shape[0] {
		panic(fmt.Sprintf("kernels: slice [%d,%d) of %v", begin, end, t))
	}
	inner := t.Bytes() / t.Shape[0]
	t.Addr += uintptr(begin * inner)
	t.Shape[0] = end - begin
	return t
}

// Reshape returns the same elements under another shape.
func (t Tensor) Reshape(shape ...int64) Tensor {
	v := View(t.Addr, t.Type, shape...)
	if v.Len() != t.Len() {
		panic(fmt.Sprintf("kernels: reshape of %v to %v", t, shape))
	}
	return v
}

// String prints type and shape, for messages.
func (t Tensor) String() string {
	if t.Rank() == 0 {
		return "absent"
	}
	return fmt.Sprintf("%s%v", t.Type, t.Shape[:t.Rank()])
}
