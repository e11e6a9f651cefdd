//go:build !purego

#include "textflag.h"

// Twelve independent chains, so that two units of a latency of four or five
// cycles never wait. All values are 0: no sum grows, none is denormal.

// func multiplyAddAVX2(rounds int64)
TEXT ·multiplyAddAVX2(SB), NOSPLIT, $0-8
	MOVQ   rounds+0(FP), CX
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	VXORPS Y12, Y12, Y12

loop:
	VFMADD231PS Y12, Y12, Y0
	VFMADD231PS Y12, Y12, Y1
	VFMADD231PS Y12, Y12, Y2
	VFMADD231PS Y12, Y12, Y3
	VFMADD231PS Y12, Y12, Y4
	VFMADD231PS Y12, Y12, Y5
	VFMADD231PS Y12, Y12, Y6
	VFMADD231PS Y12, Y12, Y7
	VFMADD231PS Y12, Y12, Y8
	VFMADD231PS Y12, Y12, Y9
	VFMADD231PS Y12, Y12, Y10
	VFMADD231PS Y12, Y12, Y11
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET

// ZEROS begins the sums, Z0 to Z11, and the factors, Z12.
#define ZEROS \
	VPXORQ Z0, Z0, Z0 \
	VPXORQ Z1, Z1, Z1 \
	VPXORQ Z2, Z2, Z2 \
	VPXORQ Z3, Z3, Z3 \
	VPXORQ Z4, Z4, Z4 \
	VPXORQ Z5, Z5, Z5 \
	VPXORQ Z6, Z6, Z6 \
	VPXORQ Z7, Z7, Z7 \
	VPXORQ Z8, Z8, Z8 \
	VPXORQ Z9, Z9, Z9 \
	VPXORQ Z10, Z10, Z10 \
	VPXORQ Z11, Z11, Z11 \
	VPXORQ Z12, Z12, Z12

// func multiplyAddAVX512(rounds int64)
TEXT ·multiplyAddAVX512(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	ZEROS

loop:
	VFMADD231PS Z12, Z12, Z0
	VFMADD231PS Z12, Z12, Z1
	VFMADD231PS Z12, Z12, Z2
	VFMADD231PS Z12, Z12, Z3
	VFMADD231PS Z12, Z12, Z4
	VFMADD231PS Z12, Z12, Z5
	VFMADD231PS Z12, Z12, Z6
	VFMADD231PS Z12, Z12, Z7
	VFMADD231PS Z12, Z12, Z8
	VFMADD231PS Z12, Z12, Z9
	VFMADD231PS Z12, Z12, Z10
	VFMADD231PS Z12, Z12, Z11
	DECQ        CX
	JNZ         loop
	VZEROUPPER
	RET

// func multiplyAddInt8AVX2(rounds int64)
// Products of 8 bits added in pairs, then to sums of 16 bits: what can be done
// at most, as nothing is widened.
TEXT ·multiplyAddInt8AVX2(SB), NOSPLIT, $0-8
	MOVQ  rounds+0(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPXOR Y8, Y8, Y8
	VPXOR Y9, Y9, Y9
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11
	VPXOR Y12, Y12, Y12

loop:
	VPMADDUBSW Y12, Y12, Y6
	VPMADDUBSW Y12, Y12, Y7
	VPMADDUBSW Y12, Y12, Y8
	VPMADDUBSW Y12, Y12, Y9
	VPMADDUBSW Y12, Y12, Y10
	VPMADDUBSW Y12, Y12, Y11
	VPADDW Y6, Y0, Y0
	VPADDW Y7, Y1, Y1
	VPADDW Y8, Y2, Y2
	VPADDW Y9, Y3, Y3
	VPADDW Y10, Y4, Y4
	VPADDW Y11, Y5, Y5
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// DOT is VPDPBUSD Y12, Y12, Y0 to Y11 with the prefix of AVX, which the assembler
// does not know; bytes 1 and 4 have the register.
#define DOT(B1, B4) \
	BYTE $0xC4 \
	BYTE $B1 \
	BYTE $0x1D \
	BYTE $0x50 \
	BYTE $B4

// func multiplyAddInt8AVXVNNI(rounds int64)
TEXT ·multiplyAddInt8AVXVNNI(SB), NOSPLIT, $0-8
	MOVQ  rounds+0(FP), CX
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	VPXOR Y8, Y8, Y8
	VPXOR Y9, Y9, Y9
	VPXOR Y10, Y10, Y10
	VPXOR Y11, Y11, Y11
	VPXOR Y12, Y12, Y12

loop:
	DOT(0xC2, 0xC4)
	DOT(0xC2, 0xCC)
	DOT(0xC2, 0xD4)
	DOT(0xC2, 0xDC)
	DOT(0xC2, 0xE4)
	DOT(0xC2, 0xEC)
	DOT(0xC2, 0xF4)
	DOT(0xC2, 0xFC)
	DOT(0x42, 0xC4)
	DOT(0x42, 0xCC)
	DOT(0x42, 0xD4)
	DOT(0x42, 0xDC)
	DECQ CX
	JNZ  loop
	VZEROUPPER
	RET

// func multiplyAddInt8VNNI(rounds int64)
TEXT ·multiplyAddInt8VNNI(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	ZEROS

loop:
	VPDPBUSD Z12, Z12, Z0
	VPDPBUSD Z12, Z12, Z1
	VPDPBUSD Z12, Z12, Z2
	VPDPBUSD Z12, Z12, Z3
	VPDPBUSD Z12, Z12, Z4
	VPDPBUSD Z12, Z12, Z5
	VPDPBUSD Z12, Z12, Z6
	VPDPBUSD Z12, Z12, Z7
	VPDPBUSD Z12, Z12, Z8
	VPDPBUSD Z12, Z12, Z9
	VPDPBUSD Z12, Z12, Z10
	VPDPBUSD Z12, Z12, Z11
	DECQ     CX
	JNZ      loop
	VZEROUPPER
	RET

// The assembler does not know VDPBF16PS.
#define PAIRS(P0, MODRM) \
	BYTE $0x62; BYTE P0; BYTE $0x1E; BYTE $0x48; BYTE $0x52; BYTE MODRM

// func multiplyAddBF16(rounds int64)
TEXT ·multiplyAddBF16(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	ZEROS

loop:
	PAIRS($0xD2, $0xC4) // VDPBF16PS Z12, Z12, Z0
	PAIRS($0xD2, $0xCC) // VDPBF16PS Z12, Z12, Z1
	PAIRS($0xD2, $0xD4) // VDPBF16PS Z12, Z12, Z2
	PAIRS($0xD2, $0xDC) // VDPBF16PS Z12, Z12, Z3
	PAIRS($0xD2, $0xE4) // VDPBF16PS Z12, Z12, Z4
	PAIRS($0xD2, $0xEC) // VDPBF16PS Z12, Z12, Z5
	PAIRS($0xD2, $0xF4) // VDPBF16PS Z12, Z12, Z6
	PAIRS($0xD2, $0xFC) // VDPBF16PS Z12, Z12, Z7
	PAIRS($0x52, $0xC4) // VDPBF16PS Z12, Z12, Z8
	PAIRS($0x52, $0xCC) // VDPBF16PS Z12, Z12, Z9
	PAIRS($0x52, $0xD4) // VDPBF16PS Z12, Z12, Z10
	PAIRS($0x52, $0xDC) // VDPBF16PS Z12, Z12, Z11
	DECQ     CX
	JNZ      loop
	VZEROUPPER
	RET

// Palette 1: eight tiles of 16 rows of 64 bytes.
DATA palette<>+0(SB)/8, $1
DATA palette<>+8(SB)/8, $0
DATA palette<>+16(SB)/8, $0x0040004000400040
DATA palette<>+24(SB)/8, $0x0040004000400040
DATA palette<>+32(SB)/8, $0
DATA palette<>+40(SB)/8, $0
DATA palette<>+48(SB)/8, $0x1010101010101010
DATA palette<>+56(SB)/8, $0
GLOBL palette<>(SB), RODATA|NOPTR, $64

// TILES is TDPBF16PS: T += T6 * T7, which the assembler does not know.
#define TILES(T) \
	BYTE $0xC4 \
	BYTE $0xE2 \
	BYTE $0x42 \
	BYTE $0x5C \
	BYTE $(0xC6|(T<<3))

// func multiplyAddAMX(rounds int64)
// Six chains, a unit of a latency of 52 cycles, one product in 16. LDTILECFG makes
// zeros of all tiles.
TEXT ·multiplyAddAMX(SB), NOSPLIT, $0-8
	MOVQ rounds+0(FP), CX
	LEAQ palette<>(SB), AX
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00 // LDTILECFG (AX)

loop:
	TILES(0)
	TILES(1)
	TILES(2)
	TILES(3)
	TILES(4)
	TILES(5)
	DECQ CX
	JNZ  loop
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0 // TILERELEASE
	RET

// func sumAVX2(words *uint64, n, far, near int64) uint64
// n must be a multiple of 32. Lines are prefetched far bytes ahead to the second-level cache
// and near bytes ahead to the first.
TEXT ·sumAVX2(SB), NOSPLIT, $0-40
	MOVQ  words+0(FP), SI
	MOVQ  n+8(FP), CX
	MOVQ  far+16(FP), R8
	MOVQ  near+24(FP), R9
	VPXOR Y0, Y0, Y0
	VPXOR Y1, Y1, Y1
	VPXOR Y2, Y2, Y2
	VPXOR Y3, Y3, Y3

next:
	PREFETCHT1 (SI)(R8*1)
	PREFETCHT1 64(SI)(R8*1)
	PREFETCHT1 128(SI)(R8*1)
	PREFETCHT1 192(SI)(R8*1)
	PREFETCHT0 (SI)(R9*1)
	PREFETCHT0 64(SI)(R9*1)
	PREFETCHT0 128(SI)(R9*1)
	PREFETCHT0 192(SI)(R9*1)
	VPADDQ (SI), Y0, Y0
	VPADDQ 32(SI), Y1, Y1
	VPADDQ 64(SI), Y2, Y2
	VPADDQ 96(SI), Y3, Y3
	VPADDQ 128(SI), Y0, Y0
	VPADDQ 160(SI), Y1, Y1
	VPADDQ 192(SI), Y2, Y2
	VPADDQ 224(SI), Y3, Y3
	ADDQ   $256, SI
	SUBQ   $32, CX
	JNZ    next

	VPADDQ       Y1, Y0, Y0
	VPADDQ       Y3, Y2, Y2
	VPADDQ       Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VPADDQ       X1, X0, X0
	VPSRLDQ      $8, X0, X1
	VPADDQ       X1, X0, X0
	VMOVQ        X0, AX
	VZEROUPPER
	MOVQ         AX, ret+32(FP)
	RET
