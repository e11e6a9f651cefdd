//go:build !purego

#include "textflag.h"

// The products of attention16.go with VPDPWSSD, which multiplies and adds pairs of 16 columns
// at once. 64 columns, a row of keys or a part of a row of values, are multiplied with four
// queries at a time: the panel is read in order, which the processor's own prefetch follows.
// Ours goes to the second-level cache: the buffers of the first are few. What finds none is
// dropped all the same, and a line that is missing then holds up a whole row, so each is asked
// for twice: up to four queries take two passes over the panel.
//
// Registers: AX panel, DI out, R9 the stride of both in bytes, R8 how far from the panel what
// comes next is, DX codes of queries, R10 and R12 one and three of their strides, R11 queries
// left, R13 the queries' scales, R14 rows of pairs; of values, R15 columns left, K1 to K4
// which of 64. Inside a tile: SI panel, BX codes, CX rows left; Z0 to Z15 four vectors of sums for
// each query, Z16 to Z19 a row, Z20 to Z23 a pair of each query; Z28 to Z31 the keys' scales.

#define TILE16 \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ R14, CX

#define NEXT16(LOOP) \
	ADDQ R9, SI \
	ADDQ $4, BX \
	DECQ CX \
	JNZ  LOOP

#define AHEAD16 \
	PREFETCHT1 (SI)(R8*1) \
	PREFETCHT1 64(SI)(R8*1) \
	PREFETCHT1 128(SI)(R8*1) \
	PREFETCHT1 192(SI)(R8*1)

#define ROW16 \
	AHEAD16 \
	VMOVDQU32.Z (SI), K1, Z16 \
	VMOVDQU32.Z 64(SI), K2, Z17 \
	VMOVDQU32.Z 128(SI), K3, Z18 \
	VMOVDQU32.Z 192(SI), K4, Z19

#define ZEROS16(A, B, C, D) \
	VPXORD A, A, A \
	VPXORD B, B, B \
	VPXORD C, C, C \
	VPXORD D, D, D

#define MULADD16(PAIR, A, B, C, D) \
	VPDPWSSD Z16, PAIR, A \
	VPDPWSSD Z17, PAIR, B \
	VPDPWSSD Z18, PAIR, C \
	VPDPWSSD Z19, PAIR, D

// SCALED makes floats of a query's sums, and goes on to the next query's scale.
#define SCALED(A, B, C, D) \
	VCVTDQ2PS    A, A \
	VCVTDQ2PS    B, B \
	VCVTDQ2PS    C, C \
	VCVTDQ2PS    D, D \
	VBROADCASTSS (R13), Z16 \
	ADDQ         $4, R13

#define SCORES(A, B, C, D) \
	SCALED(A, B, C, D) \
	VMULPS  Z16, A, A \
	VMULPS  Z16, B, B \
	VMULPS  Z16, C, C \
	VMULPS  Z16, D, D \
	VMULPS  Z28, A, A \
	VMULPS  Z29, B, B \
	VMULPS  Z30, C, C \
	VMULPS  Z31, D, D \
	VMOVUPS A, (DI) \
	VMOVUPS B, 64(DI) \
	VMOVUPS C, 128(DI) \
	VMOVUPS D, 192(DI) \
	ADDQ    R9, DI

#define WEIGHTED(A, B, C, D) \
	SCALED(A, B, C, D) \
	VFMADD213PS (DI), Z16, K1, A \
	VFMADD213PS 64(DI), Z16, K2, B \
	VFMADD213PS 128(DI), Z16, K3, C \
	VFMADD213PS 192(DI), Z16, K4, D \
	VMOVUPS     A, K1, (DI) \
	VMOVUPS     B, K2, 64(DI) \
	VMOVUPS     C, K3, 128(DI) \
	VMOVUPS     D, K4, 192(DI) \
	ADDQ        R9, DI

#define PRODUCT16(STORE) \
	CMPQ R11, $4 \
	JGT  four \
	CMPQ R11, $2 \
	JGT  two \
	JEQ  one \
	TILE16 \
ask: \
	AHEAD16 \
	NEXT16(ask) \
	JMP  one \
four: \
	CMPQ R11, $4 \
	JLT  two \
	TILE16 \
	ZEROS16(Z0, Z1, Z2, Z3) \
	ZEROS16(Z4, Z5, Z6, Z7) \
	ZEROS16(Z8, Z9, Z10, Z11) \
	ZEROS16(Z12, Z13, Z14, Z15) \
fourLoop: \
	ROW16 \
	VPBROADCASTD (BX), Z20 \
	VPBROADCASTD (BX)(R10*1), Z21 \
	VPBROADCASTD (BX)(R10*2), Z22 \
	VPBROADCASTD (BX)(R12*1), Z23 \
	MULADD16(Z20, Z0, Z1, Z2, Z3) \
	MULADD16(Z21, Z4, Z5, Z6, Z7) \
	MULADD16(Z22, Z8, Z9, Z10, Z11) \
	MULADD16(Z23, Z12, Z13, Z14, Z15) \
	NEXT16(fourLoop) \
	STORE(Z0, Z1, Z2, Z3) \
	STORE(Z4, Z5, Z6, Z7) \
	STORE(Z8, Z9, Z10, Z11) \
	STORE(Z12, Z13, Z14, Z15) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
	JMP  four \
two: \
	CMPQ R11, $2 \
	JLT  one \
	TILE16 \
	ZEROS16(Z0, Z1, Z2, Z3) \
	ZEROS16(Z4, Z5, Z6, Z7) \
twoLoop: \
	ROW16 \
	VPBROADCASTD (BX), Z20 \
	VPBROADCASTD (BX)(R10*1), Z21 \
	MULADD16(Z20, Z0, Z1, Z2, Z3) \
	MULADD16(Z21, Z4, Z5, Z6, Z7) \
	NEXT16(twoLoop) \
	STORE(Z0, Z1, Z2, Z3) \
	STORE(Z4, Z5, Z6, Z7) \
	LEAQ (DX)(R10*2), DX \
	SUBQ $2, R11 \
	JMP  two \
one: \
	TESTQ R11, R11 \
	JEQ   done \
	TILE16 \
	ZEROS16(Z0, Z1, Z2, Z3) \
oneLoop: \
	ROW16 \
	VPBROADCASTD (BX), Z20 \
	MULADD16(Z20, Z0, Z1, Z2, Z3) \
	NEXT16(oneLoop) \
	STORE(Z0, Z1, Z2, Z3) \
	ADDQ R10, DX \
	DECQ R11 \
	JMP  one \
done:

// func scores16VNNI(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·scores16VNNI(SB), NOSPLIT, $0-64
	MOVQ    s+0(FP), DI
	MOVQ    keys+8(FP), AX
	MOVQ    queries+16(FP), DX
	MOVQ    dim+24(FP), R14
	MOVQ    keyScales+32(FP), SI
	MOVQ    queryScales+40(FP), R13
	MOVQ    n+48(FP), R11
	MOVQ    ahead+56(FP), R8
	SUBQ    AX, R8
	VMOVUPS (SI), Z28
	VMOVUPS 64(SI), Z29
	VMOVUPS 128(SI), Z30
	VMOVUPS 192(SI), Z31
	KXNORQ  K1, K1, K1
	KXNORQ  K2, K2, K2
	KXNORQ  K3, K3, K3
	KXNORQ  K4, K4, K4
	MOVQ    $256, R9
	LEAQ    (R14*2), R10
	LEAQ    (R10)(R10*2), R12
	SHRQ    $1, R14
	PRODUCT16(SCORES)
	VZEROUPPER
	RET

// func add16VNNI(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·add16VNNI(SB), NOSPLIT, $0-56
	MOVQ dim+8(FP), R15
	MOVQ values+16(FP), AX
	MOVQ ahead+48(FP), R8
	SUBQ AX, R8
	LEAQ (R15*4), R9
	MOVQ $128, R10
	MOVQ $384, R12
	MOVQ $32, R14

columns:
	MOVQ    $-1, BX
	MOVQ    R15, CX
	CMPQ    CX, $64
	JGE     all
	SHLQ    CX, BX
	NOTQ    BX

all:
	KMOVQ    BX, K1
	KSHIFTRQ $16, K1, K2
	KSHIFTRQ $32, K1, K3
	KSHIFTRQ $48, K1, K4
	LEAQ     (R15*4), DI
	NEGQ     DI
	ADDQ     R9, DI
	ADDQ     acc+0(FP), DI
	MOVQ     weights+24(FP), DX
	MOVQ     scales+32(FP), R13
	MOVQ     n+40(FP), R11
	PRODUCT16(WEIGHTED)
	ADDQ     $256, AX
	SUBQ     $64, R15
	JGT      columns
	VZEROUPPER
	RET
