package quant

import (
	"fmt"

	"trona/kernels"
	"trona/kernels/minifloat"
)

// decoders has one function for each type of a weight: it writes the values of
// one block.
var decoders = [...]func(dst []float32, block []byte){
	kernels.F32:      decodeF32,
	kernels.F16:      decodeF16,
	kernels.BF16:     decodeBF16,
	kernels.F8E4M3:   decodeF8E4M3,
	kernels.Q4_0:     decodeQ4_0,
	kernels.Q4_1:     decodeQ4_1,
	kernels.Q5_0:     decodeQ5_0,
	kernels.Q5_1:     decodeQ5_1,
	kernels.Q8_0:     decodeQ8_0,
	kernels.Q2_K:     decodeQ2_K,
	kernels.Q3_K:     decodeQ3_K,
	kernels.Q4_K:     decodeQ4_K,
	kernels.Q5_K:     decodeQ5_K,
	kernels.Q6_K:     decodeQ6_K,
	kernels.IQ4_NL:   decodeIQ4_NL,
	kernels.IQ4_XS:   decodeIQ4_XS,
	kernels.MXFP4:    decodeMXFP4,
	kernels.NVFP4:    decodeNVFP4,
	kernels.NVFP4x16: decodeNVFP4x16,
}

// Decode writes the values of whole blocks to dst: for the types with scales
// beside the tensor (F8E4M3, NVFP4x16) those of the codes alone. It panics
// where t is not the type of a weight, dst is not a number of blocks or src
// does not hold exactly as many.
func Decode(dst []float32, t kernels.DType, src []byte) {
	if int(t) >= len(decoders) || decoders[t] == nil {
		panic(fmt.Sprintf("quant: %v is not the type of a weight", t))
	}
	if want := t.RowBytes(int64(len(dst))); int64(len(src)) != want {
		panic(fmt.Sprintf("quant: %d bytes for %d values of %v, want %d", len(src), len(dst), t, want))
	}
	decode, n, size := decoders[t], t.Block(), t.BlockBytes()
	for len(dst) > 0 {
		decode(dst[:n], src[:size])
		dst, src = dst[n:], src[size:]
	}
}

// decodeTable is Decode of blocks whose codes have other values.
func decodeTable(dst []float32, t kernels.DType, table []int8, src []byte) {
	values := make([]float32, len(table))
	for i, v := range table {
		values[i] = float32(v)
	}
	decode := map[kernels.DType]func(dst []float32, b []byte, values []float32){kernels.Q3_K: valuesQ3_K, kernels.IQ4_XS: valuesIQ4_XS}[t]
	n, size := t.Block(), t.BlockBytes()
	for len(dst) > 0 {
		decode(dst[:n], src[:size], values)
		dst, src = dst[n:], src[size:]
	}
}

// Row writes row r of a weight, m.Cols values, with all of its scales:
// value = (code * GroupScale) * Scale, each product rounded. m must be whole:
// data, and GroupScale where the type has it, as kernels.Matrix describes them.
func Row(row []float32, m *kernels.Matrix, r int64) { RowOf(row, m, r, m.Reader(1).Rows(r, 1)) }

// RowOf does so where data is row r as Data has it.
func RowOf(row []float32, m *kernels.Matrix, r int64, data []byte) {
	row = row[:m.Cols]
	if m.Table != nil {
		decodeTable(row, m.Type, m.Table, data)
	} else {
		Decode(row, m.Type, data)
	}
	if m.Type == kernels.NVFP4x16 {
		for g, s := range m.GroupScale[r*(m.Cols/16):][:m.Cols/16] {
			scale(row[16*g:][:16], minifloat.E4M3(s))
		}
	}
	if m.Scale == nil {
		return
	}
	for c := int64(0); c < m.Cols; c += m.ScaleCols {
		scale(row[c:min(m.Cols, c+m.ScaleCols)], m.ScaleAt(r, c))
	}
}

func scale(x []float32, factor float32) {
	for i := range x {
		x[i] *= factor
	}
}
