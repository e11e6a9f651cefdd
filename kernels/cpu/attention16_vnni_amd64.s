//go:build !purego

#include "textflag.h"
#include "attention16_amd64.h"

// The products of attention16_amd64.s with VPDPWSSD, which multiplies and adds a pair of
// 16 columns at once. The registers are those there, and R15 is seven strides of codes, Z31
// the keys' scales, R8 in small tiles what is prefetched; Z0 to Z7 are sums of even pairs, Z8 to Z15 of odd ones.

#define FOUR16(AT, PAIR, A, B, C, D) \
	VPDPWSSD.BCST AT(BX), PAIR, A \
	VPDPWSSD.BCST AT(BX)(R10*1), PAIR, B \
	VPDPWSSD.BCST AT(BX)(R10*2), PAIR, C \
	VPDPWSSD.BCST AT(BX)(R12*1), PAIR, D

#define MORE16(AT, PAIR, A, B, C, D) \
	VPDPWSSD.BCST AT(BX)(R10*4), PAIR, A \
	VPDPWSSD.BCST AT(BX)(R8*1), PAIR, B \
	VPDPWSSD.BCST AT(BX)(R12*2), PAIR, C \
	VPDPWSSD.BCST AT(BX)(R15*1), PAIR, D

#define TWO_PAIRS \
	VMOVDQU32 (SI), Z16 \
	VMOVDQU32 (SI)(R9*1), Z17

#define SCORES(EVEN, ODD) \
	VPADDD      ODD, EVEN, EVEN \
	VCVTDQ2PS   EVEN, EVEN \
	VMULPS.BCST (R13), EVEN, EVEN \
	VMULPS      Z31, EVEN, EVEN \
	VMOVUPS     EVEN, (DI) \
	ADDQ        $4, R13 \
	ADDQ        R9, DI

#define WEIGHTED(EVEN, ODD) \
	VPADDD       ODD, EVEN, EVEN \
	VCVTDQ2PS    EVEN, EVEN \
	VBROADCASTSS (R13), Z16 \
	VFMADD213PS  (DI), Z16, EVEN \
	VMOVUPS      EVEN, (DI) \
	ADDQ         $4, R13 \
	ADDQ         R9, DI

#define PRODUCT16(AHEAD, STORE) \
	LEAQ (R10)(R10*2), R12 \
	LEAQ (R10)(R10*4), R8 \
	LEAQ (R12)(R10*4), R15 \
eight: \
	CMPQ R11, $8 \
	JLT  four \
	TILE16 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	VPXORD Z4, Z4, Z4 \
	VPXORD Z5, Z5, Z5 \
	VPXORD Z6, Z6, Z6 \
	VPXORD Z7, Z7, Z7 \
	VPXORD Z8, Z8, Z8 \
	VPXORD Z9, Z9, Z9 \
	VPXORD Z10, Z10, Z10 \
	VPXORD Z11, Z11, Z11 \
	VPXORD Z12, Z12, Z12 \
	VPXORD Z13, Z13, Z13 \
	VPXORD Z14, Z14, Z14 \
	VPXORD Z15, Z15, Z15 \
eightLoop: \
	TWO_PAIRS \
	FOUR16(0, Z16, Z0, Z1, Z2, Z3) \
	MORE16(0, Z16, Z4, Z5, Z6, Z7) \
	FOUR16(4, Z17, Z8, Z9, Z10, Z11) \
	MORE16(4, Z17, Z12, Z13, Z14, Z15) \
	NEXT16(eightLoop) \
	STORE(Z0, Z8) \
	STORE(Z1, Z9) \
	STORE(Z2, Z10) \
	STORE(Z3, Z11) \
	STORE(Z4, Z12) \
	STORE(Z5, Z13) \
	STORE(Z6, Z14) \
	STORE(Z7, Z15) \
	LEAQ (DX)(R10*8), DX \
	SUBQ $8, R11 \
	JMP  eight \
four: \
	CMPQ R11, $4 \
	JLT  one \
	TILE16 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	VPXORD Z8, Z8, Z8 \
	VPXORD Z9, Z9, Z9 \
	VPXORD Z10, Z10, Z10 \
	VPXORD Z11, Z11, Z11 \
	AHEAD \
fourLoop: \
	AHEAD16 \
	TWO_PAIRS \
	FOUR16(0, Z16, Z0, Z1, Z2, Z3) \
	FOUR16(4, Z17, Z8, Z9, Z10, Z11) \
	NEXT16(fourLoop) \
	STORE(Z0, Z8) \
	STORE(Z1, Z9) \
	STORE(Z2, Z10) \
	STORE(Z3, Z11) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
	JMP  four \
one: \
	TESTQ R11, R11 \
	JEQ   done \
	TILE16 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z8, Z8, Z8 \
	AHEAD \
oneLoop: \
	AHEAD16 \
	TWO_PAIRS \
	VPDPWSSD.BCST (BX), Z16, Z0 \
	VPDPWSSD.BCST 4(BX), Z17, Z8 \
	NEXT16(oneLoop) \
	STORE(Z0, Z8) \
	ADDQ R10, DX \
	DECQ R11 \
	JMP  one \
done: \
	VZEROUPPER \
	RET

// func scores16VNNI(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX512F, AVX512_VNNI
TEXT ·scores16VNNI(SB), NOSPLIT, $0-64
	MOVQ    s+0(FP), DI
	MOVQ    keys+8(FP), AX
	MOVQ    queries+16(FP), DX
	MOVQ    dim+24(FP), R14
	MOVQ    keyScales+32(FP), SI
	MOVQ    queryScales+40(FP), R13
	MOVQ    n+48(FP), R11
	VMOVUPS (SI), Z31
	MOVQ    $256, R9
	LEAQ    (R14*2), R10
	SHRQ    $1, R14
	PRODUCT16(AHEAD_OF_KEYS, SCORES)

// func add16VNNI(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX512F, AVX512_VNNI
TEXT ·add16VNNI(SB), NOSPLIT, $0-56
	MOVQ acc+0(FP), DI
	MOVQ dim+8(FP), R9
	MOVQ values+16(FP), AX
	MOVQ weights+24(FP), DX
	MOVQ scales+32(FP), R13
	MOVQ n+40(FP), R11
	SHLQ $2, R9
	MOVQ $128, R10
	MOVQ $32, R14
	PRODUCT16(AHEAD_OF_VALUES, WEIGHTED)
