//go:build !purego

#include "textflag.h"

// Unpacking writes panel[k][r] for 16 rows: two vectors a column. DI is the
// panel, SI the packed blocks, CX columns left.

DATA low4<>+0(SB)/4, $15
GLOBL low4<>(SB), RODATA|NOPTR, $4
DATA bit4<>+0(SB)/4, $16
GLOBL bit4<>(SB), RODATA|NOPTR, $4
DATA bits45<>+0(SB)/4, $48
GLOBL bits45<>(SB), RODATA|NOPTR, $4
DATA eight<>+0(SB)/4, $0x41000000
GLOBL eight<>(SB), RODATA|NOPTR, $4
DATA thirtyTwo<>+0(SB)/4, $0x42000000
GLOBL thirtyTwo<>(SB), RODATA|NOPTR, $4

// func widenF16AVX2(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
// Requires: AVX, F16C
TEXT ·widenF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	JMP  test

loop:
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

// func widenBF16AVX2(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
// Requires: AVX2
TEXT ·widenBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	JMP  test

loop:
	VPMOVZXWD (SI), Y0
	VPSLLD    $16, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

// func unpackQ8_0AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackQ8_0AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

block:
	VCVTPH2PS (SI), Y4
	VCVTPH2PS 16(SI), Y5
	ADDQ      $32, SI
	MOVQ      $32, R8

column:
	VPMOVSXBD (SI), Y0
	VPMOVSXBD 8(SI), Y1
	VCVTDQ2PS Y0, Y0
	VCVTDQ2PS Y1, Y1
	VMULPS    Y4, Y0, Y0
	VMULPS    Y5, Y1, Y1
	VMOVUPS   Y0, (DI)
	VMOVUPS   Y1, 32(DI)
	ADDQ      $16, SI
	ADDQ      $64, DI
	DECQ      R8
	JNZ       column
	SUBQ      $32, CX
	JNZ       block
	VZEROUPPER
	RET

// NIBBLE writes column J of a dword: code * Y4 - Y6, code * Y5 - Y7. The
// codes are in Y8, Y9, the mask in Y12.
#define NIBBLE(J) \
	CODE(J) \
	AFFINE(J)

#define CODE(J) \
	VPSRLD $(4*J), Y8, Y0 \
	VPSRLD $(4*J), Y9, Y1 \
	VPAND  Y12, Y0, Y0 \
	VPAND  Y12, Y1, Y1

#define AFFINE(J) \
	VCVTDQ2PS   Y0, Y0 \
	VCVTDQ2PS   Y1, Y1 \
	VFMSUB213PS Y6, Y4, Y0 \
	VFMSUB213PS Y7, Y5, Y1 \
	VMOVUPS     Y0, (64*J)(DI) \
	VMOVUPS     Y1, (64*J+32)(DI)

#define EIGHT_NIBBLES(BASE, OFFSET) \
	VMOVDQU OFFSET(BASE), Y8 \
	VMOVDQU (OFFSET+32)(BASE), Y9 \
	NIBBLE(0) \
	NIBBLE(1) \
	NIBBLE(2) \
	NIBBLE(3) \
	NIBBLE(4) \
	NIBBLE(5) \
	NIBBLE(6) \
	NIBBLE(7) \
	ADDQ $512, DI

// func unpackQ4_0AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ4_0AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VBROADCASTSS eight<>(SB), Y13

block:
	VCVTPH2PS (SI), Y4
	VCVTPH2PS 16(SI), Y5
	VMULPS    Y13, Y4, Y6
	VMULPS    Y13, Y5, Y7
	EIGHT_NIBBLES(SI, 32)
	EIGHT_NIBBLES(SI, 96)
	EIGHT_NIBBLES(SI, 160)
	EIGHT_NIBBLES(SI, 224)
	ADDQ      $288, SI
	SUBQ      $32, CX
	JNZ       block
	VZEROUPPER
	RET

// K_SCALES reads scales and mins of 32 columns of Q4_K or Q5_K: d and dmin at
// SI, the group's bytes at R9.
#define K_SCALES \
	VPMOVZXBD (R9), Y4 \
	VPMOVZXBD 8(R9), Y5 \
	VPMOVZXBD 16(R9), Y6 \
	VPMOVZXBD 24(R9), Y7 \
	VCVTDQ2PS Y4, Y4 \
	VCVTDQ2PS Y5, Y5 \
	VCVTDQ2PS Y6, Y6 \
	VCVTDQ2PS Y7, Y7 \
	VCVTPH2PS (SI), Y0 \
	VCVTPH2PS 16(SI), Y1 \
	VMULPS    Y0, Y4, Y4 \
	VMULPS    Y1, Y5, Y5 \
	VCVTPH2PS 32(SI), Y0 \
	VCVTPH2PS 48(SI), Y1 \
	VMULPS    Y0, Y6, Y6 \
	VMULPS    Y1, Y7, Y7 \
	ADDQ      $32, R9

// func unpackQ4_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ4_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12

block:
	LEAQ 64(SI), R9
	LEAQ 320(SI), R10
	MOVQ $8, R8

group:
	K_SCALES
	EIGHT_NIBBLES(R10, 0)
	EIGHT_NIBBLES(R10, 64)
	EIGHT_NIBBLES(R10, 128)
	EIGHT_NIBBLES(R10, 192)
	ADDQ $256, R10
	DECQ R8
	JNZ  group
	ADDQ $2368, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// HIGH moves bits of Y10, Y11 to bit 4 and up and joins them to the codes. The
// mask is Y13.
#define HIGH(SHIFT, BY) \
	SHIFT $(BY), Y10, Y2 \
	SHIFT $(BY), Y11, Y3 \
	VPAND Y13, Y2, Y2 \
	VPAND Y13, Y3, Y3 \
	VPOR  Y2, Y0, Y0 \
	VPOR  Y3, Y1, Y1

#define WITH_HIGH(J, SHIFT, BY) \
	CODE(J) \
	HIGH(SHIFT, BY) \
	AFFINE(J)

// func unpackQ5_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ5_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bit4<>(SB), Y13

block:
	LEAQ 64(SI), R9
	LEAQ 320(SI), R10
	MOVQ $8, R8

group:
	K_SCALES
	VMOVDQU (R10), Y10
	VMOVDQU 32(R10), Y11
	ADDQ    $64, R10
	MOVQ    $4, R11

dword:
	VMOVDQU (R10), Y8
	VMOVDQU 32(R10), Y9
	WITH_HIGH(0, VPSLLD, 4)
	WITH_HIGH(1, VPSLLD, 3)
	WITH_HIGH(2, VPSLLD, 2)
	WITH_HIGH(3, VPSLLD, 1)
	WITH_HIGH(4, VPSLLD, 0)
	WITH_HIGH(5, VPSRLD, 1)
	WITH_HIGH(6, VPSRLD, 2)
	WITH_HIGH(7, VPSRLD, 3)
	VPSRLD  $8, Y10, Y10
	VPSRLD  $8, Y11, Y11
	ADDQ    $64, R10
	ADDQ    $512, DI
	DECQ    R11
	JNZ     dword
	DECQ    R8
	JNZ     group
	ADDQ    $2880, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

// func unpackQ6_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ6_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bits45<>(SB), Y13
	VBROADCASTSS thirtyTwo<>(SB), Y14

block:
	LEAQ 32(SI), R9
	LEAQ 288(SI), R10
	MOVQ $8, R8

group:
	LEAQ 256(R10), R12
	MOVQ $2, R11

half:
	// 16 columns with one scale: two dwords of low bits, one of high bits.
	VPMOVSXBD (R9), Y4
	VPMOVSXBD 8(R9), Y5
	VCVTDQ2PS Y4, Y4
	VCVTDQ2PS Y5, Y5
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VMULPS    Y0, Y4, Y4
	VMULPS    Y1, Y5, Y5
	VMULPS    Y14, Y4, Y6
	VMULPS    Y14, Y5, Y7
	ADDQ      $16, R9
	VMOVDQU   (R12), Y10
	VMOVDQU   32(R12), Y11
	ADDQ      $64, R12
	MOVQ      $2, R13

dword:
	VMOVDQU (R10), Y8
	VMOVDQU 32(R10), Y9
	WITH_HIGH(0, VPSLLD, 4)
	WITH_HIGH(1, VPSLLD, 2)
	WITH_HIGH(2, VPSLLD, 0)
	WITH_HIGH(3, VPSRLD, 2)
	WITH_HIGH(4, VPSRLD, 4)
	WITH_HIGH(5, VPSRLD, 6)
	WITH_HIGH(6, VPSRLD, 8)
	WITH_HIGH(7, VPSRLD, 10)
	VPSRLD  $16, Y10, Y10
	VPSRLD  $16, Y11, Y11
	ADDQ    $64, R10
	ADDQ    $512, DI
	DECQ    R13
	JNZ     dword
	DECQ    R11
	JNZ     half
	MOVQ    R12, R10
	DECQ    R8
	JNZ     group
	ADDQ    $3360, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET
