package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// Integers is a matrix of whole numbers as quantisers write them beside scales:
//
//	value(r, c) = (code(r, c) - zero(r, c/Group)) * scale(r, c/Group)
//
// with codes of 4 bits (0 to 15) or 8 (0 to 255; signed in the order Bytes).
type Integers struct {
	Order      Order
	Bits       int   // 4 or 8
	Rows, Cols int64 // out-features, in-features; Cols is a multiple of 32
	Group      int64 // columns that share scale and zero: a multiple of 32, or all; the last may be fewer
	Codes      []byte
	Scale      []float32 // [Rows, groups]; GPTQ and AWQ [groups, Rows]; one: the same for all
	Zero       []byte    // packed as the order says; nil: the middle of the codes; Bytes: one will do
	// ZeroLess: what Zero holds is less by 1, whole words of 32 bits taken as one number.
	ZeroLess bool
}

// Order is how codes and zeros stand in their tensors. Words are I32, the first number
// in their lowest bits, and n is how many numbers a word has: 32/Bits.
type Order uint8

// The orders. Sources are the packing functions of compressed-tensors 0.11
// (pack_to_int32), AutoGPTQ 0.7 (QuantLinear.pack) and AutoAWQ 0.2 (WQLinear_GEMM).
const (
	Bytes   Order = iota // codes I8 [Rows, Cols], zeros I8 [Rows, groups], both signed
	Columns              // codes [Rows, Cols/n], zeros [ceil(Rows/n), groups]: compressed-tensors
	GPTQ                 // codes [Cols/n, Rows], zeros [groups, Rows/n]
	AWQ                  // codes [Cols, Rows/8], zeros [groups, Rows/8]: of eight rows in the order 0 2 4 6 1 3 5 7
)

// awqPlace is where a word of AWQ has each of its eight rows.
var awqPlace = [8]int64{0, 4, 1, 5, 2, 6, 3, 7}

// GroupError is a group whose scale or zero cannot be read.
type GroupError struct {
	Zero       bool // it is the zero, otherwise the scale
	Row, Group int64
	Message    string
}

func (e *GroupError) Error() string {
	what := "scale"
	if e.Zero {
		what = "zero"
	}
	return fmt.Sprintf("the %s of row %d, group %d %s", what, e.Row, e.Group, e.Message)
}

// integerRows makes rows of blocks.
type integerRows struct {
	*Integers
	typ    kernels.DType
	groups int64
	step   []uint16 // d of blocks, F16 [Rows, groups]
	min    []uint16 // m of blocks; Q4_1
	flip   uint64   // what makes codes signed; Q8_0
	// Words of 32 bits between those of a row that follow each other, and between rows.
	alongStride, rowStride int64
}

// Matrix returns the same matrix in a type of ggml, whose rows are made when they are
// asked for: Q4_0 and Q8_0, where every zero is the middle of the codes, or Q4_1. Codes
// keep their bits. Scales are rounded to F16; those of bf16 are exact from 2^-17 up to
// 65504. What Q4_1 adds, -zero * scale, is rounded to F16 too: by at most 1/128 of a
// scale. The error is a *GroupError.
func (x *Integers) Matrix(t kernels.DType) (*kernels.Matrix, error) {
	rows := &integerRows{Integers: x, typ: t, groups: (x.Cols + x.Group - 1) / x.Group}
	rows.alongStride, rows.rowStride = 1, x.Cols/int64(32/x.Bits)
	switch x.Order {
	case GPTQ:
		rows.alongStride, rows.rowStride = x.Rows, 1
	case AWQ:
		rows.alongStride, rows.rowStride = x.Rows/8, 1
	}
	if x.Bits == 8 && x.Order != Bytes {
		rows.flip = 0x8080808080808080
	}
	if err := rows.heads(); err != nil {
		return nil, err
	}
	return &kernels.Matrix{Type: t, Rows: x.Rows, Cols: x.Cols, Fill: rows.fill}, nil
}

// heads fills step and min.
func (x *integerRows) heads() error {
	x.step = make([]uint16, x.Rows*x.groups)
	if x.typ == kernels.Q4_1 {
		x.min = make([]uint16, len(x.step))
	}
	middle := 1 << (x.Bits - 1)
	if x.Order == Bytes {
		middle = 0
	}
	for r := range x.Rows {
		for g := range x.groups {
			at := r*x.groups + g
			x.step[at] = minifloat.ToF16(x.scale(r, g))
			d := minifloat.F16(x.step[at])
			if !(math.Abs(float64(d)) <= limitF16) {
				return &GroupError{Row: r, Group: g, Message: fmt.Sprintf("is %v, which F16 cannot hold", x.scale(r, g))}
			}
			zero := middle
			if x.Zero != nil {
				zero = x.zero(r, g)
			}
			if x.min == nil {
				if zero != middle {
					return &GroupError{Zero: true, Row: r, Group: g, Message: fmt.Sprintf("is %d, not %d", zero, middle)}
				}
				continue
			}
			x.min[at] = minifloat.ToF16(float32(-zero) * d)
			if !(math.Abs(float64(minifloat.F16(x.min[at]))) <= limitF16) {
				return &GroupError{Row: r, Group: g, Message: fmt.Sprintf("is %v, of which %d are more than F16 can hold", d, zero)}
			}
		}
	}
	return nil
}

func (x *integerRows) scale(r, g int64) float32 {
	switch {
	case len(x.Scale) == 1:
		return x.Scale[0]
	case x.Order == GPTQ || x.Order == AWQ:
		return x.Scale[g*x.Rows+r]
	}
	return x.Scale[r*x.groups+g]
}

func (x *integerRows) zero(r, g int64) int {
	n := int64(32 / x.Bits)
	at, place := g*(x.Rows/n)+r/n, r%n
	switch x.Order {
	case Bytes:
		return int(int8(x.Zero[(r*x.groups+g)%int64(len(x.Zero))])) // one, or all
	case Columns:
		at = r/n*x.groups + g
	case AWQ:
		place = awqPlace[place]
	}
	word := binary.LittleEndian.Uint32(x.Zero[4*at:])
	if x.ZeroLess {
		word += math.MaxUint32 / (1<<x.Bits - 1) // 1 in every number
	}
	return int(word >> (int64(x.Bits) * place) & (1<<x.Bits - 1))
}
