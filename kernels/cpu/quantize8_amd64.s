//go:build !purego

#include "textflag.h"

DATA magnitude<>+0(SB)/4, $0x7fffffff
GLOBL magnitude<>(SB), RODATA|NOPTR, $4
DATA smallest<>+0(SB)/4, $0x0d800000 // 2^-100
GLOBL smallest<>(SB), RODATA|NOPTR, $4
DATA most<>+0(SB)/4, $0x42fe0000 // 127
GLOBL most<>(SB), RODATA|NOPTR, $4
DATA byteOnes<>+0(SB)/4, $0x01010101
GLOBL byteOnes<>(SB), RODATA|NOPTR, $4
DATA wordOnes<>+0(SB)/4, $0x00010001
GLOBL wordOnes<>(SB), RODATA|NOPTR, $4

// The order of dwords that packing leaves, undone.
DATA inOrder<>+0(SB)/8, $0x0000000400000000
DATA inOrder<>+8(SB)/8, $0x0000000500000001
DATA inOrder<>+16(SB)/8, $0x0000000600000002
DATA inOrder<>+24(SB)/8, $0x0000000700000003
GLOBL inOrder<>(SB), RODATA|NOPTR, $32

// func quantizeAVX2(dst *block8, step int, x *float32, n, group int, offset int16)
// The largest magnitude is sought among integers: a NaN is the largest of all.
// Requires: AVX2
TEXT ·quantizeAVX2(SB), NOSPLIT, $0-42
	MOVQ         dst+0(FP), DI
	MOVQ         step+8(FP), DX
	LEAQ         (DX)(DX*2), DX
	SHLQ         $4, DX
	MOVQ         x+16(FP), SI
	MOVQ         n+24(FP), CX
	SHRQ         $5, CX
	MOVQ         group+32(FP), R8
	MOVWLSX      offset+40(FP), AX
	MOVL         AX, R9
	NEGL         AX
	CMOVLGT      R9, AX // -|offset|
	VMOVD        AX, X10
	VPBROADCASTW X10, X11
	VPBROADCASTD X10, X10
	VPBROADCASTD magnitude<>(SB), Y15
	VMOVSS       most<>(SB), X14
	VMOVDQU      inOrder<>(SB), Y13
	VPBROADCASTD byteOnes<>(SB), Y12
	VPBROADCASTD wordOnes<>(SB), X9
	VMOVSS       smallest<>(SB), X8

block:
	VMOVUPS      (SI), Y0
	VMOVUPS      32(SI), Y1
	VMOVUPS      64(SI), Y2
	VMOVUPS      96(SI), Y3
	VPAND        Y15, Y0, Y4
	VPAND        Y15, Y1, Y5
	VPAND        Y15, Y2, Y6
	VPAND        Y15, Y3, Y7
	VPMAXSD      Y5, Y4, Y4
	VPMAXSD      Y7, Y6, Y6
	VPMAXSD      Y6, Y4, Y4
	VEXTRACTI128 $1, Y4, X5
	VPMAXSD      X5, X4, X4
	VPSHUFD      $0x4E, X4, X5
	VPMAXSD      X5, X4, X4
	VPSHUFD      $0xB1, X4, X5
	VPMAXSD      X5, X4, X4
	VPMAXSD      X8, X4, X4
	VDIVSS       X14, X4, X5
	VDIVSS       X4, X14, X6
	VBROADCASTSS X6, Y6
	VSUBSS       X4, X4, X7 // 0, or NaN for an infinity
	VADDSS       X7, X5, X5
	VMULPS       Y6, Y0, Y0
	VMULPS       Y6, Y1, Y1
	VMULPS       Y6, Y2, Y2
	VMULPS       Y6, Y3, Y3
	VCVTPS2DQ    Y0, Y0
	VCVTPS2DQ    Y1, Y1
	VCVTPS2DQ    Y2, Y2
	VCVTPS2DQ    Y3, Y3
	VPACKSSDW    Y1, Y0, Y0
	VPACKSSDW    Y3, Y2, Y2
	VPACKSSWB    Y2, Y0, Y0
	VPERMD       Y0, Y13, Y0
	VMOVDQU      Y0, (DI)

	// The sums of columns 0 and 1 of four, and of 2 and 3, of each half.
	VPMADDUBSW   Y0, Y12, Y1
	VPSHUFD      $0x4E, Y1, Y2
	VPADDW       Y2, Y1, Y1
	VPSHUFD      $0xB1, Y1, Y2
	VPADDW       Y2, Y1, Y1
	VEXTRACTI128 $1, Y1, X2
	VPADDW       X2, X1, X3
	VPMADDWD     X9, X3, X4
	VPMULLD      X10, X4, X7
	VCVTDQ2PS    X4, X4
	VMULSS       X5, X4, X6
	VMOVSS       X5, 32(DI)
	VMOVSS       X6, 36(DI)
	CMPQ         R8, $32
	JEQ          whole
	CMPL         R9, $-32768
	JEQ          halves
	TESTL        R9, R9
	JLT          totals
	VPMULLW      X11, X1, X1
	VPMULLW      X11, X2, X2
	VMOVD        X1, 40(DI)
	VMOVD        X2, 44(DI)
	JMP          next

totals:
	VPMADDWD     X9, X1, X1
	VPMADDWD     X9, X2, X2
	VPMULLD      X10, X1, X1
	VPMULLD      X10, X2, X2
	VMOVD        X1, 40(DI)
	VMOVD        X2, 44(DI)
	JMP          next

halves:
	VPMADDWD     X9, X1, X1
	VPMADDWD     X9, X2, X2
	VCVTDQ2PS    X1, X1
	VCVTDQ2PS    X2, X2
	VMULSS       X5, X1, X1
	VMULSS       X5, X2, X2
	VMOVSS       X1, 40(DI)
	VMOVSS       X2, 44(DI)
	JMP          next

whole:
	VPMULLW      X11, X3, X3
	VMOVD        X3, 40(DI)
	VMOVD        X7, 44(DI)

next:
	ADDQ         $128, SI
	ADDQ         DX, DI
	DECQ         CX
	JNZ          block
	VZEROUPPER
	RET
