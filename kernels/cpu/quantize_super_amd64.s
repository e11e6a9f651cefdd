//go:build !purego

#include "textflag.h"

DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA smallest<>+0(SB)/4, $0x0d800000 // 2^-100
GLOBL smallest<>(SB), RODATA|NOPTR, $4
DATA one<>+0(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x42fe0000 // 127
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA units<>+0(SB)/4, $0x467c0400 // 127 * 127
GLOBL units<>(SB), RODATA|NOPTR, $4
DATA byteOnes<>+0(SB)/4, $0x01010101
GLOBL byteOnes<>(SB), RODATA|NOPTR, $4
DATA wordOnes<>+0(SB)/4, $0x00010001
GLOBL wordOnes<>(SB), RODATA|NOPTR, $4
DATA eight<>+0(SB)/4, $8
GLOBL eight<>(SB), RODATA|NOPTR, $4

// FOLD leaves the largest of four integers of X0 in all of them.
#define FOLD \
	VPSHUFD $0x4e, X0, X1 \
	VPMAXSD X1, X0, X0 \
	VPSHUFD $0xb1, X0, X1 \
	VPMAXSD X1, X0, X0

// MAXIMUM keeps the largest magnitude of the I-th 32 columns, as an integer: a NaN is the
// largest of all.
#define MAXIMUM(I) \
	VPANDD        (128*I)(SI), Z31, Z0 \
	VPANDD        (128*I+64)(SI), Z31, Z1 \
	VPMAXSD       Z1, Z0, Z0 \
	VEXTRACTI64X4 $1, Z0, Y1 \
	VPMAXSD       Y1, Y0, Y0 \
	VEXTRACTI128  $1, Y0, X1 \
	VPMAXSD       X1, X0, X0 \
	FOLD \
	VMOVD         X0, maxima-32+(4*I)(SP)

// ROUND writes the codes of the I-th 32 columns; four sums of them stay in SUMS.
#define ROUND(I, SUMS, Y_SUMS) \
	VBROADCASTSS inverses-64+(4*I)(SP), Z0 \
	VMULPS       (128*I)(SI), Z0, Z1 \
	VMULPS       (128*I+64)(SI), Z0, Z2 \
	VCVTPS2DQ    Z1, Z1 \
	VCVTPS2DQ    Z2, Z2 \
	VPMOVSDB     Z1, X1 \
	VPMOVSDB     Z2, X2 \
	VINSERTI128  $1, X2, Y1, Y1 \
	VMOVDQU      Y1, (R8) \
	VPMADDUBSW   Y1, Y7, Y1 \
	VPMADDWD     Y6, Y1, Y_SUMS \
	VEXTRACTI128 $1, Y_SUMS, X1 \
	VPADDD       X1, SUMS, SUMS \
	ADDQ         DX, R8

// TAIL writes what two blocks of 32 columns share.
#define TAIL(X) \
	VMOVDQU X, 32(R8) \
	VMOVDQU X, 32(R8)(DX*1) \
	LEAQ    (R8)(DX*2), R8

// func quantizeSuperAVX512(dst *block8, step int, x *float32, n, bits int)
// Requires: AVX512F
TEXT ·quantizeSuperAVX512(SB), NOSPLIT, $64-40
	MOVQ         dst+0(FP), DI
	MOVQ         step+8(FP), DX
	LEAQ         (DX)(DX*2), DX
	SHLQ         $4, DX
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), CX
	SHRQ         $8, CX
	MOVQ         bits+32(FP), AX
	ADDQ         $127, AX
	SHLQ         $23, AX
	VMOVD        AX, X30 // 2^bits
	VPBROADCASTD magnitude<>(SB), Z31
	VPBROADCASTD byteOnes<>(SB), Y7
	VPBROADCASTD wordOnes<>(SB), Y6

block:
	MAXIMUM(0)
	MAXIMUM(1)
	MAXIMUM(2)
	MAXIMUM(3)
	MAXIMUM(4)
	MAXIMUM(5)
	MAXIMUM(6)
	MAXIMUM(7)
	VMOVDQU      maxima-32(SP), Y3
	VEXTRACTI128 $1, Y3, X1
	VPMAXSD      X1, X3, X0
	FOLD
	VMOVSS       smallest<>(SB), X1
	VPMAXSD      X1, X0, X0

	// Scales of 32 columns in units of the 256, from 1 to 127.
	VMOVSS       most<>(SB), X1
	VDIVSS       X0, X1, X1
	VBROADCASTSS X1, Y2
	VMULPS       Y2, Y3, Y3
	VROUNDPS     $10, Y3, Y3
	VBROADCASTSS one<>(SB), Y2
	VMAXPS       Y2, Y3, Y3 // 1 for a NaN
	VBROADCASTSS most<>(SB), Y2
	VMINPS       Y2, Y3, Y3
	VMULSS       most<>(SB), X1, X1
	VBROADCASTSS X1, Y1
	VDIVPS       Y3, Y1, Y1
	VMOVUPS      Y1, inverses-64(SP)
	VCVTPS2DQ    Y3, Y3
	VDIVSS       units<>(SB), X0, X4
	VMULSS       X30, X4, X4
	VSUBSS       X0, X0, X5 // 0, or NaN for an infinity
	VADDSS       X5, X4, X4
	VINSERTPS    $0x0e, X4, X4, X4

	MOVQ         DI, R8
	ROUND(0, X8, Y8)
	ROUND(1, X9, Y9)
	ROUND(2, X10, Y10)
	ROUND(3, X11, Y11)
	ROUND(4, X12, Y12)
	ROUND(5, X13, Y13)
	ROUND(6, X14, Y14)
	ROUND(7, X15, Y15)
	VPHADDD      X9, X8, X8
	VPHADDD      X11, X10, X10
	VPHADDD      X13, X12, X12
	VPHADDD      X15, X14, X14
	VPHADDD      X10, X8, X8
	VPHADDD      X14, X12, X12
	VINSERTI128  $1, X12, Y8, Y8

	// Sums times scales, in units of 16.
	VPMULLD      Y3, Y8, Y8
	VPBROADCASTD eight<>(SB), Y9
	VPADDD       Y9, Y8, Y8
	VPSRAD       $4, Y8, Y8
	VEXTRACTI128 $1, Y8, X9
	VPACKSSDW    X9, X8, X8
	VEXTRACTI128 $1, Y3, X9
	VPACKSSDW    X9, X3, X3
	VPUNPCKLDQ   X8, X3, X9
	VPUNPCKHDQ   X8, X3, X10
	MOVQ         DI, R8
	VPUNPCKLQDQ  X9, X4, X0
	TAIL(X0)
	VSHUFPD      $2, X9, X4, X0
	TAIL(X0)
	VPUNPCKLQDQ  X10, X4, X0
	TAIL(X0)
	VSHUFPD      $2, X10, X4, X0
	TAIL(X0)
	MOVQ         R8, DI
	ADDQ         $1024, SI
	DECQ         CX
	JNZ          block
	VZEROUPPER
	RET
