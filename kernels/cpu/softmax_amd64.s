//go:build !purego

#include "textflag.h"

// Softmax of four queries at once, each with a row of 64 numbers, so that what crosses lanes is
// shared. SI is at the first row, R9, R10 and R11 say how far the others are, R8 how many
// queries are left. Of fewer than four the last is done again; K1 says which there are.

#define ROWS \
	MOVQ $256, R9 \
	MOVQ $512, R10 \
	MOVQ $768, R11

#define FOUR \
	XORQ    AX, AX \
	MOVQ    $4, CX \
	CMPQ    R8, $2 \
	CMOVQLT AX, R9 \
	CMPQ    R8, $3 \
	CMOVQLT R9, R10 \
	CMPQ    R8, CX \
	CMOVQLT R10, R11 \
	CMOVQLT R8, CX \
	MOVQ    $1, AX \
	SHLQ    CX, AX \
	DECQ    AX \
	KMOVW   AX, K1

// FOLD joins 16 numbers of each of four queries to one, in the first four numbers of A: each
// with that half of them away, until one is left. B, C, D and Z0 to Z3 are lost.
#define FOLD(OP, A, B, C, D) \
	VSHUFF64X2 $0x44, B, A, Z0 \
	VSHUFF64X2 $0xEE, B, A, Z1 \
	VSHUFF64X2 $0x44, D, C, Z2 \
	VSHUFF64X2 $0xEE, D, C, Z3 \
	OP         Z1, Z0, Z0 \
	OP         Z3, Z2, Z2 \
	VSHUFF64X2 $0x88, Z2, Z0, A \
	VSHUFF64X2 $0xDD, Z2, Z0, B \
	OP         B, A, A \
	VPERMILPS  $0x4E, A, B \
	OP         B, A, A \
	VPERMILPS  $0xB1, A, B \
	OP         B, A, A \
	VPERMPS    A, Z20, A

// everyFourth, in Z20, are the numbers that FOLD leaves.
DATA everyFourth<>+0(SB)/8, $0x0000000400000000
DATA everyFourth<>+8(SB)/8, $0x0000000c00000008
GLOBL everyFourth<>(SB), RODATA|NOPTR, $16

DATA lowest<>(SB)/4, $0xff800000 // -Inf
GLOBL lowest<>(SB), RODATA|NOPTR, $4

// GREATEST finds the greatest numbers of a row in 16 lanes. The second of two sources wins
// where the first is a NaN.
#define GREATEST(ROW, OUT) \
	VMOVUPS 0 ROW, Z0 \
	VMOVUPS 64 ROW, Z1 \
	VMOVUPS 128 ROW, Z2 \
	VMOVUPS 192 ROW, Z3 \
	VMAXPS  Z21, Z0, Z0 \
	VMAXPS  Z21, Z1, Z1 \
	VMAXPS  Z0, Z2, Z2 \
	VMAXPS  Z1, Z3, Z3 \
	VMAXPS  Z2, Z3, OUT

// func maximaAVX512(most, m, s *float32, n int)
// Requires: AVX512F
TEXT ·maximaAVX512(SB), NOSPLIT, $0-32
	MOVQ            most+0(FP), DI
	MOVQ            m+8(FP), DX
	MOVQ            s+16(FP), SI
	MOVQ            n+24(FP), R8
	VBROADCASTI32X4 everyFourth<>(SB), Z20
	VBROADCASTSS    lowest<>(SB), Z21
	ROWS

queries:
	FOUR
	GREATEST((SI), Z4)
	GREATEST((SI)(R9*1), Z5)
	GREATEST((SI)(R10*1), Z6)
	GREATEST((SI)(R11*1), Z7)
	FOLD(VMAXPS, Z4, Z5, Z6, Z7)
	VMOVUPS.Z  (DX), K1, Z5
	VMAXPS     Z5, Z4, Z4
	VMOVUPS    Z4, K1, (DI)
	ADDQ       $1024, SI
	ADDQ       $16, DX
	ADDQ       $16, DI
	SUBQ       $4, R8
	JGT        queries
	VZEROUPPER
	RET

DATA weightsSum<>(SB)/4, $0x487fdc00 // 262000
GLOBL weightsSum<>(SB), RODATA|NOPTR, $4
DATA codesMost<>(SB)/4, $0x46fffe00 // 32767
GLOBL codesMost<>(SB), RODATA|NOPTR, $4
DATA smallest<>(SB)/4, $0x0d800000 // 2^-100
GLOBL smallest<>(SB), RODATA|NOPTR, $4
DATA one<>(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4

// inOrder are the parts of two vectors that were packed, in order.
DATA inOrder<>+0(SB)/8, $0
DATA inOrder<>+8(SB)/8, $2
DATA inOrder<>+16(SB)/8, $4
DATA inOrder<>+24(SB)/8, $6
DATA inOrder<>+32(SB)/8, $1
DATA inOrder<>+40(SB)/8, $3
DATA inOrder<>+48(SB)/8, $5
DATA inOrder<>+56(SB)/8, $7
GLOBL inOrder<>(SB), RODATA|NOPTR, $64

// PRODUCTS are those of a row with the values' scales.
#define PRODUCTS(ROW) \
	VMULPS 0 ROW, Z16, Z0 \
	VMULPS 64 ROW, Z17, Z1 \
	VMULPS 128 ROW, Z18, Z2 \
	VMULPS 192 ROW, Z19, Z3

// MEASURE finds the sum and the greatest of a row's products, each in 16 lanes.
#define MEASURE(ROW, SUM, MOST) \
	PRODUCTS(ROW) \
	VADDPS Z2, Z0, SUM \
	VMAXPS Z2, Z0, MOST \
	VADDPS Z3, Z1, Z2 \
	VMAXPS Z3, Z1, Z0 \
	VADDPS Z2, SUM, SUM \
	VMAXPS Z0, MOST, MOST

// CODES writes those of a row's products, times INVERSE.
#define CODES(ROW, INVERSE, OUT) \
	PRODUCTS(ROW) \
	VMULPS    INVERSE, Z0, Z0 \
	VMULPS    INVERSE, Z1, Z1 \
	VMULPS    INVERSE, Z2, Z2 \
	VMULPS    INVERSE, Z3, Z3 \
	VCVTPS2DQ Z0, Z0 \
	VCVTPS2DQ Z1, Z1 \
	VCVTPS2DQ Z2, Z2 \
	VCVTPS2DQ Z3, Z3 \
	VPACKSSDW Z1, Z0, Z0 \
	VPACKSSDW Z3, Z2, Z2 \
	VPERMQ    Z0, Z21, Z0 \
	VPERMQ    Z2, Z21, Z2 \
	VMOVDQU64 Z0, 0 OUT \
	VMOVDQU64 Z2, 64 OUT

// WEIGHTS begins a loop over the queries.
#define WEIGHTS \
	MOVQ codes+0(FP), DI \
	MOVQ s+16(FP), SI \
	MOVQ n+32(FP), R8 \
	ROWS

// func weigh16VNNI(codes *int16, scales, s, valueScales *float32, n int)
// Codes are made once all inverse scales are in their places: those of four rows in the
// first's. A division's latency holds up no more than one loop.
// Requires: AVX512F, AVX512BW
TEXT ·weigh16VNNI(SB), NOSPLIT, $0-40
	MOVQ            scales+8(FP), DX
	MOVQ            valueScales+24(FP), BX
	VMOVUPS         (BX), Z16
	VMOVUPS         64(BX), Z17
	VMOVUPS         128(BX), Z18
	VMOVUPS         192(BX), Z19
	VBROADCASTI32X4 everyFourth<>(SB), Z20
	VMOVDQU64       inOrder<>(SB), Z21
	VBROADCASTSS    weightsSum<>(SB), X12
	VBROADCASTSS    codesMost<>(SB), X13
	VBROADCASTSS    smallest<>(SB), X14
	VBROADCASTSS    one<>(SB), X15
	WEIGHTS

measure:
	FOUR
	MEASURE((SI), Z4, Z8)
	MEASURE((SI)(R9*1), Z5, Z9)
	MEASURE((SI)(R10*1), Z6, Z10)
	MEASURE((SI)(R11*1), Z7, Z11)
	FOLD(VADDPS, Z4, Z5, Z6, Z7)
	FOLD(VMAXPS, Z8, Z9, Z10, Z11)
	VDIVPS  X12, X4, X4
	VDIVPS  X13, X8, X8
	VMAXPS  X4, X8, X4
	VMOVUPS Z4, K1, (DX)
	VDIVPS  X4, X15, X5
	VCMPPS  $0x1d, X14, X4, X4
	VANDPS  X4, X5, X5
	VMOVUPS X5, (DI)
	ADDQ    $1024, SI
	ADDQ    $512, DI
	ADDQ    $16, DX
	SUBQ    $4, R8
	JGT     measure
	WEIGHTS

code:
	VBROADCASTSS (DI), Z4
	VBROADCASTSS 4(DI), Z5
	VBROADCASTSS 8(DI), Z6
	VBROADCASTSS 12(DI), Z7
	FOUR
	MOVQ         R9, AX
	MOVQ         R10, BX
	MOVQ         R11, CX
	SHRQ         $1, AX
	SHRQ         $1, BX
	SHRQ         $1, CX
	CODES((SI), Z4, (DI))
	CODES((SI)(R9*1), Z5, (DI)(AX*1))
	CODES((SI)(R10*1), Z6, (DI)(BX*1))
	CODES((SI)(R11*1), Z7, (DI)(CX*1))
	ADDQ       $1024, SI
	ADDQ       $512, DI
	SUBQ       $4, R8
	JGT        code
	VZEROUPPER
	RET
