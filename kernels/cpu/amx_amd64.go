//go:build !purego

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"

	"trona/kernels"
)

// hasAMX reports whether the processor has tiles of BF16 and what else their loops
// need beside VNNI.
func hasAMX() bool {
	x := &cpu.X86
	return x.HasAMXTile && x.HasAMXBF16 && x.HasAVX512BF16 && x.HasAVX512DQ && x.HasBMI2
}

// tilesAMX adds products in tiles.
func tilesAMX(v variant) variant {
	v.name = "amxbf16-int8"
	v.tiles = &tiles{
		round: roundTilesAMX, multiply: multiplyTilesAMX, attend: attendTilesAMX,
		pair:     [kernels.F16 + 1]pairLoop{kernels.F32: pairF32AMX, kernels.F16: pairF16AMX},
		pairRows: [kernels.F16 + 1]pairLoop{kernels.F32: pairRowsF32AMX, kernels.F16: pairRowsF16AMX},
		unpack: [numTypes]func(dst *uint16, src, ahead unsafe.Pointer, n int){
			kernels.BF16: copyBF16, kernels.F16: tilesF16, kernels.Q8_0: tilesQ8_0,
			kernels.Q4_0: tilesQ4_0, kernels.Q4_1: tilesQ4_1, kernels.Q5_0: tilesQ5_0, kernels.Q5_1: tilesQ5_1,
			kernels.Q4_K: tilesQ4_K, kernels.Q5_K: tilesQ5_K, kernels.Q6_K: tilesQ6_K,
			kernels.IQ4_NL: tilesIQ4_NL, kernels.IQ4_XS: tilesIQ4_XS,
			kernels.MXFP4: tilesMXFP4, kernels.NVFP4: tilesNVFP4, kernels.NVFP4x16: tilesNVFP4,
		},
	}
	return v
}

// copyBF16 is tiles.unpack of what is packed in tiles.
func copyBF16(dst *uint16, src, ahead unsafe.Pointer, n int) {
	prefetch(ahead, 2*n*lanes)
	copy(unsafe.Slice(dst, n*lanes), unsafe.Slice((*uint16)(src), n*lanes))
}
