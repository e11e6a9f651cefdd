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

// func transpose16AVX2(dst, src, ahead unsafe.Pointer, rows, cols int)
// dst[c][r] = src[r][c] of 16-bit elements, dst rows being 64 long, src rows cols
// long; rows is a multiple of 8, cols of 16. What is at ahead, as large as src, is
// prefetched meanwhile.
// Requires: AVX2
TEXT ·transpose16AVX2(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ ahead+16(FP), R13
	MOVQ rows+24(FP), R8
	MOVQ cols+32(FP), R9
	LEAQ (R9*2), R10
	LEAQ (R10)(R10*2), R11

row:
	// Rows 0 to 3 of the tile at AX, rows 4 to 7 at BX.
	MOVQ SI, AX
	LEAQ (SI)(R10*4), BX
	MOVQ DI, DX
	MOVQ R9, CX

tile:
	PREFETCHT0   (R13)
	PREFETCHT0   64(R13)
	PREFETCHT0   128(R13)
	PREFETCHT0   192(R13)
	ADDQ         $256, R13
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

// func maxAVX2(s *float32, m float32) float32
// The second of two sources wins where the first is a NaN.
// Requires: AVX
TEXT ·maxAVX2(SB), NOSPLIT, $0-20
	MOVQ         s+0(FP), SI
	VBROADCASTSS m+8(FP), Y0
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
	VMOVSS       X0, ret+16(FP)
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

// func expSumAVX2(s *float32, m float32) float32
// Requires: AVX2, FMA
TEXT ·expSumAVX2(SB), NOSPLIT, $0-20
	MOVQ         s+0(FP), DI
	VBROADCASTSS m+8(FP), Y5
	VXORPS       Y4, Y4, Y4
	MOVQ         $8, CX
	EXP_CONSTANTS

loop:
	VMOVUPS (DI), Y0
	VSUBPS  Y5, Y0, Y0
	EXP(Y0, Y1, Y2, Y3)
	VADDPS  Y0, Y4, Y4
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	DECQ    CX
	JNZ     loop

	VEXTRACTF128 $1, Y4, X0
	VADDPS       X0, X4, X4
	VMOVHLPS     X4, X4, X0
	VADDPS       X0, X4, X4
	VMOVSHDUP    X4, X0
	VADDSS       X0, X4, X4
	VMOVSS       X4, ret+16(FP)
	VZEROUPPER
	RET

