//go:build !purego

#include "textflag.h"
#include "exp_amd64.h"

// func transposeAVX2(dst, src *float32, rows, cols)
// dst[c][r] = src[r][c], dst rows being 64 long src rows cols long; rows
// and cols are multiples of 8.
// Requires: AVX
TEXT ·transposeAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ rows+16(FP), R8
	MOVQ cols+24(FP), R9
	LEAQ (R9*4), R10
	LEAQ (R10)(R10*2), R11

row:
	// Rows 0 to 3 of the tile at AX, rows 4 to 7 at BX.
	MOVQ SI, AX
	LEAQ (SI)(R10*4), BX
	MOVQ DI, DX
	MOVQ R9, CX

tile:
	VMOVUPS    (AX), Y0
	VMOVUPS    (AX)(R10*1), Y1
	VMOVUPS    (AX)(R10*2), Y2
	VMOVUPS    (AX)(R11*1), Y3
	VMOVUPS    (BX), Y4
	VMOVUPS    (BX)(R10*1), Y5
	VMOVUPS    (BX)(R10*2), Y6
	VMOVUPS    (BX)(R11*1), Y7
	VUNPCKLPS  Y1, Y0, Y8
	VUNPCKHPS  Y1, Y0, Y9
	VUNPCKLPS  Y3, Y2, Y10
	VUNPCKHPS  Y3, Y2, Y11
	VUNPCKLPS  Y5, Y4, Y12
	VUNPCKHPS  Y5, Y4, Y13
	VUNPCKLPS  Y7, Y6, Y14
	VUNPCKHPS  Y7, Y6, Y15
	VSHUFPS    $0x44, Y10, Y8, Y0
	VSHUFPS    $0xEE, Y10, Y8, Y1
	VSHUFPS    $0x44, Y11, Y9, Y2
	VSHUFPS    $0xEE, Y11, Y9, Y3
	VSHUFPS    $0x44, Y14, Y12, Y4
	VSHUFPS    $0xEE, Y14, Y12, Y5
	VSHUFPS    $0x44, Y15, Y13, Y6
	VSHUFPS    $0xEE, Y15, Y13, Y7
	VPERM2F128 $0x20, Y4, Y0, Y8
	VPERM2F128 $0x20, Y5, Y1, Y9
	VPERM2F128 $0x20, Y6, Y2, Y10
	VPERM2F128 $0x20, Y7, Y3, Y11
	VPERM2F128 $0x31, Y4, Y0, Y12
	VPERM2F128 $0x31, Y5, Y1, Y13
	VPERM2F128 $0x31, Y6, Y2, Y14
	VPERM2F128 $0x31, Y7, Y3, Y15
	VMOVUPS    Y8, (DX)
	VMOVUPS    Y9, 256(DX)
	VMOVUPS    Y10, 512(DX)
	VMOVUPS    Y11, 768(DX)
	VMOVUPS    Y12, 1024(DX)
	VMOVUPS    Y13, 1280(DX)
	VMOVUPS    Y14, 1536(DX)
	VMOVUPS    Y15, 1792(DX)
	ADDQ       $32, AX
	ADDQ       $32, BX
	ADDQ       $2048, DX
	SUBQ       $8, CX
	JNZ        tile
	LEAQ       (SI)(R10*8), SI
	ADDQ       $32, DI
	SUBQ       $8, R8
	JNZ        row
	VZEROUPPER
	RET

// func transpose16AVX2(dst, src unsafe.Pointer, rows, cols int)
// dst[c][r] = src[r][c] of 16-bit elements, dst rows being 64 long, src rows cols
// long; rows is a multiple of 8, cols of 16.
// Requires: AVX2
TEXT ·transpose16AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ rows+16(FP), R8
	MOVQ cols+24(FP), R9
	LEAQ (R9*2), R10
	LEAQ (R10)(R10*2), R11

row:
	// Rows 0 to 3 of the tile at AX, rows 4 to 7 at BX.
	MOVQ SI, AX
	LEAQ (SI)(R10*4), BX
	MOVQ DI, DX
	MOVQ R9, CX

tile:
	VMOVDQU      (AX), Y0
	VMOVDQU      (AX)(R10*1), Y1
	VMOVDQU      (AX)(R10*2), Y2
	VMOVDQU      (AX)(R11*1), Y3
	VMOVDQU      (BX), Y4
	VMOVDQU      (BX)(R10*1), Y5
	VMOVDQU      (BX)(R10*2), Y6
	VMOVDQU      (BX)(R11*1), Y7
	VPUNPCKLWD   Y1, Y0, Y8
	VPUNPCKHWD   Y1, Y0, Y9
	VPUNPCKLWD   Y3, Y2, Y10
	VPUNPCKHWD   Y3, Y2, Y11
	VPUNPCKLWD   Y5, Y4, Y12
	VPUNPCKHWD   Y5, Y4, Y13
	VPUNPCKLWD   Y7, Y6, Y14
	VPUNPCKHWD   Y7, Y6, Y15
	VPUNPCKLDQ   Y10, Y8, Y0
	VPUNPCKHDQ   Y10, Y8, Y1
	VPUNPCKLDQ   Y11, Y9, Y2
	VPUNPCKHDQ   Y11, Y9, Y3
	VPUNPCKLDQ   Y14, Y12, Y4
	VPUNPCKHDQ   Y14, Y12, Y5
	VPUNPCKLDQ   Y15, Y13, Y6
	VPUNPCKHDQ   Y15, Y13, Y7
	VPUNPCKLQDQ  Y4, Y0, Y8
	VPUNPCKHQDQ  Y4, Y0, Y9
	VPUNPCKLQDQ  Y5, Y1, Y10
	VPUNPCKHQDQ  Y5, Y1, Y11
	VPUNPCKLQDQ  Y6, Y2, Y12
	VPUNPCKHQDQ  Y6, Y2, Y13
	VPUNPCKLQDQ  Y7, Y3, Y14
	VPUNPCKHQDQ  Y7, Y3, Y15
	VMOVDQU      X8, (DX)
	VMOVDQU      X9, 128(DX)
	VMOVDQU      X10, 256(DX)
	VMOVDQU      X11, 384(DX)
	VMOVDQU      X12, 512(DX)
	VMOVDQU      X13, 640(DX)
	VMOVDQU      X14, 768(DX)
	VMOVDQU      X15, 896(DX)
	VEXTRACTI128 $1, Y8, 1024(DX)
	VEXTRACTI128 $1, Y9, 1152(DX)
	VEXTRACTI128 $1, Y10, 1280(DX)
	VEXTRACTI128 $1, Y11, 1408(DX)
	VEXTRACTI128 $1, Y12, 1536(DX)
	VEXTRACTI128 $1, Y13, 1664(DX)
	VEXTRACTI128 $1, Y14, 1792(DX)
	VEXTRACTI128 $1, Y15, 1920(DX)
	ADDQ         $32, AX
	ADDQ         $32, BX
	ADDQ         $2048, DX
	SUBQ         $16, CX
	JNZ          tile
	LEAQ         (SI)(R10*8), SI
	ADDQ         $16, DI
	SUBQ         $8, R8
	JNZ          row
	VZEROUPPER
	RET

// COLUMNS stores eight rows of columns C, C+1, C+16 and C+17.
#define COLUMNS(C, ALL, LOW, HIGH) \
	VEXTRACTI128 $1, ALL, HIGH \
	VMOVLPS      LOW, (64*C)(DX) \
	VMOVHPS      LOW, (64*C+64)(DX) \
	VMOVLPS      HIGH, (64*C+1024)(DX) \
	VMOVHPS      HIGH, (64*C+1088)(DX)

// func transpose8AVX2(dst, src unsafe.Pointer, rows, cols int)
// dst[c][r] = src[r][c] of bytes, dst rows being 64 long, src rows cols long; rows is
// a multiple of 8, cols of 32.
// Requires: AVX2
TEXT ·transpose8AVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ rows+16(FP), R8
	MOVQ cols+24(FP), R9
	LEAQ (R9)(R9*2), R11

row:
	// Rows 0 to 3 of the tile at AX, rows 4 to 7 at BX.
	MOVQ SI, AX
	LEAQ (SI)(R9*4), BX
	MOVQ DI, DX
	MOVQ R9, CX

tile:
	VMOVDQU    (AX), Y0
	VMOVDQU    (AX)(R9*1), Y1
	VMOVDQU    (AX)(R9*2), Y2
	VMOVDQU    (AX)(R11*1), Y3
	VMOVDQU    (BX), Y4
	VMOVDQU    (BX)(R9*1), Y5
	VMOVDQU    (BX)(R9*2), Y6
	VMOVDQU    (BX)(R11*1), Y7
	VPUNPCKLBW Y1, Y0, Y8
	VPUNPCKHBW Y1, Y0, Y9
	VPUNPCKLBW Y3, Y2, Y10
	VPUNPCKHBW Y3, Y2, Y11
	VPUNPCKLBW Y5, Y4, Y12
	VPUNPCKHBW Y5, Y4, Y13
	VPUNPCKLBW Y7, Y6, Y14
	VPUNPCKHBW Y7, Y6, Y15
	VPUNPCKLWD Y10, Y8, Y0
	VPUNPCKHWD Y10, Y8, Y1
	VPUNPCKLWD Y11, Y9, Y2
	VPUNPCKHWD Y11, Y9, Y3
	VPUNPCKLWD Y14, Y12, Y4
	VPUNPCKHWD Y14, Y12, Y5
	VPUNPCKLWD Y15, Y13, Y6
	VPUNPCKHWD Y15, Y13, Y7
	VPUNPCKLDQ Y4, Y0, Y8
	VPUNPCKHDQ Y4, Y0, Y9
	VPUNPCKLDQ Y5, Y1, Y10
	VPUNPCKHDQ Y5, Y1, Y11
	VPUNPCKLDQ Y6, Y2, Y12
	VPUNPCKHDQ Y6, Y2, Y13
	VPUNPCKLDQ Y7, Y3, Y14
	VPUNPCKHDQ Y7, Y3, Y15
	COLUMNS(0, Y8, X8, X0)
	COLUMNS(2, Y9, X9, X1)
	COLUMNS(4, Y10, X10, X2)
	COLUMNS(6, Y11, X11, X3)
	COLUMNS(8, Y12, X12, X4)
	COLUMNS(10, Y13, X13, X5)
	COLUMNS(12, Y14, X14, X6)
	COLUMNS(14, Y15, X15, X7)
	ADDQ       $32, AX
	ADDQ       $32, BX
	ADDQ       $2048, DX
	SUBQ       $32, CX
	JNZ        tile
	LEAQ       (SI)(R9*8), SI
	ADDQ       $8, DI
	SUBQ       $8, R8
	JNZ        row
	VZEROUPPER
	RET

// func maximaAVX2(most, m, s *float32, n int)
// The second of two sources wins where the first is a NaN.
// Requires: AVX
TEXT ·maximaAVX2(SB), NOSPLIT, $0-32
	MOVQ most+0(FP), DI
	MOVQ m+8(FP), DX
	MOVQ s+16(FP), SI
	MOVQ n+24(FP), CX

query:
	VBROADCASTSS (DX), Y0
	VMOVUPS      (SI), Y2
	VMOVUPS      32(SI), Y3
	VMOVUPS      64(SI), Y4
	VMOVUPS      96(SI), Y5
	VMAXPS       Y0, Y2, Y2
	VMAXPS       Y0, Y3, Y3
	VMAXPS       Y0, Y4, Y4
	VMAXPS       Y0, Y5, Y5
	VMOVUPS      128(SI), Y6
	VMOVUPS      160(SI), Y7
	VMOVUPS      192(SI), Y8
	VMOVUPS      224(SI), Y9
	VMAXPS       Y2, Y6, Y6
	VMAXPS       Y3, Y7, Y7
	VMAXPS       Y4, Y8, Y8
	VMAXPS       Y5, Y9, Y9
	VMAXPS       Y7, Y6, Y6
	VMAXPS       Y9, Y8, Y8
	VMAXPS       Y8, Y6, Y0
	VEXTRACTF128 $1, Y0, X1
	VMAXPS       X1, X0, X0
	VMOVHLPS     X0, X0, X1
	VMAXPS       X1, X0, X0
	VMOVSHDUP    X0, X1
	VMAXSS       X1, X0, X0
	VMOVSS       X0, (DI)
	ADDQ         $256, SI
	ADDQ         $4, DX
	ADDQ         $4, DI
	DECQ         CX
	JNZ          query
	VZEROUPPER
	RET

// func widenI8AVX2(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)
// dim is a multiple of 8.
// Requires: AVX2
TEXT ·widenI8AVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ scale+16(FP), DX
	MOVQ rows+24(FP), R8
	MOVQ dim+32(FP), R9

row:
	VBROADCASTSS (DX), Y1
	MOVQ         R9, CX

loop:
	VPMOVSXBD (SI), Y0
	VCVTDQ2PS Y0, Y0
	VMULPS    Y1, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $8, SI
	ADDQ      $32, DI
	SUBQ      $8, CX
	JNZ       loop
	ADDQ      $4, DX
	DECQ      R8
	JNZ       row
	VZEROUPPER
	RET

// The constants of EXP as whole vectors, to be operands.
#define WHOLE(AT, X) \
	DATA expVectors<>+(AT+0)(SB)/4, $X \
	DATA expVectors<>+(AT+4)(SB)/4, $X \
	DATA expVectors<>+(AT+8)(SB)/4, $X \
	DATA expVectors<>+(AT+12)(SB)/4, $X \
	DATA expVectors<>+(AT+16)(SB)/4, $X \
	DATA expVectors<>+(AT+20)(SB)/4, $X \
	DATA expVectors<>+(AT+24)(SB)/4, $X \
	DATA expVectors<>+(AT+28)(SB)/4, $X

WHOLE(0, 0x3fb8aa3b) // log2e
WHOLE(32, 0x3f318000) // ln2Hi
WHOLE(64, 0xb95e8083) // ln2Lo
WHOLE(96, 0x39506967) // expP0
WHOLE(128, 0x3ab743ce)
WHOLE(160, 0x3c088908)
WHOLE(192, 0x3d2aa9c1)
WHOLE(224, 0x3e2aaaaa)
WHOLE(256, 0x3f000000) // expP5
GLOBL expVectors<>(SB), RODATA|NOPTR, $288

// EACH4 does a step for four vectors.
#define EACH4(STEP) \
	STEP(0, Y0, Y4, Y8) \
	STEP(32, Y1, Y5, Y9) \
	STEP(64, Y2, Y6, Y10) \
	STEP(96, Y3, Y7, Y11)

#define DIFFERENCE(AT, X, N, P) \
	VMOVUPS AT(DI), X \
	VSUBPS  Y13, X, X

#define EXPONENT(AT, X, N, P) \
	VMULPS   expVectors<>+0(SB), X, N \
	VROUNDPS $8, N, N

#define HIGH_PART(AT, X, N, P) VFNMADD231PS expVectors<>+32(SB), N, X
#define LOW_PART(AT, X, N, P) VFNMADD231PS expVectors<>+64(SB), N, X

#define POWER(AT, X, N, P) \
	VCVTPS2DQ N, N \
	VPSLLD    $23, N, N \
	VPADDD    Y15, N, N \
	VMOVUPS   expVectors<>+96(SB), P

#define TERM1(AT, X, N, P) VFMADD213PS expVectors<>+128(SB), X, P
#define TERM2(AT, X, N, P) VFMADD213PS expVectors<>+160(SB), X, P
#define TERM3(AT, X, N, P) VFMADD213PS expVectors<>+192(SB), X, P
#define TERM4(AT, X, N, P) VFMADD213PS expVectors<>+224(SB), X, P
#define TERM5(AT, X, N, P) VFMADD213PS expVectors<>+256(SB), X, P
#define TERM6(AT, X, N, P) VFMADD213PS Y15, X, P

#define PRODUCT(AT, X, N, P) \
	VMULPS  N, P, P \
	VMOVUPS AT(DI), X \
	VSUBPS  Y13, X, X \
	VCMPPS  $0x11, Y14, X, X \
	VANDNPS P, X, X \
	VADDPS  X, Y12, Y12 \
	VMOVUPS X, AT(DI)

// func expSumAVX2(l, s, m *float32, n int)
// EXP of four vectors at a time, step by step: the chain of one is long.
// Requires: AVX2, FMA
TEXT ·expSumAVX2(SB), NOSPLIT, $0-32
	MOVQ         l+0(FP), SI
	MOVQ         s+8(FP), DI
	MOVQ         m+16(FP), DX
	MOVQ         n+24(FP), R8
	VBROADCASTSS expLow<>(SB), Y14
	VBROADCASTSS expTable<>+36(SB), Y15

query:
	VBROADCASTSS (DX), Y13
	VXORPS       Y12, Y12, Y12
	MOVQ         $2, CX

loop:
	EACH4(DIFFERENCE)
	EACH4(EXPONENT)
	EACH4(HIGH_PART)
	EACH4(LOW_PART)
	EACH4(POWER)
	EACH4(TERM1)
	EACH4(TERM2)
	EACH4(TERM3)
	EACH4(TERM4)
	EACH4(TERM5)
	EACH4(TERM6)
	EACH4(TERM6)
	EACH4(PRODUCT)
	ADDQ $128, DI
	DECQ CX
	JNZ  loop

	VEXTRACTF128 $1, Y12, X0
	VADDPS       X0, X12, X12
	VMOVHLPS     X12, X12, X0
	VADDPS       X0, X12, X12
	VMOVSHDUP    X12, X0
	VADDSS       X0, X12, X12
	VADDSS       (SI), X12, X12
	VMOVSS       X12, (SI)
	ADDQ         $4, SI
	ADDQ         $4, DX
	DECQ         R8
	JNZ          query
	VZEROUPPER
	RET
