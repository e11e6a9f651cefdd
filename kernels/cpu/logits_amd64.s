//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"

// func aboveAVX2(logits *float32, from, groups int, bound float32) (group int, which uint64)
// Requires: AVX2
TEXT ·aboveAVX2(SB), NOSPLIT, $0-48
	MOVQ         logits+0(FP), DI
	MOVQ         from+8(FP), BX
	MOVQ         groups+16(FP), CX
	VBROADCASTSS bound+24(FP), Y8
	MOVQ         BX, AX
	SHLQ         $8, AX
	ADDQ         AX, DI
	XORQ         R8, R8

group:
	CMPQ      BX, CX
	JGE       done
	VCMPPS    $9, (DI), Y8, Y0    // not bound >= logit
	VCMPPS    $9, 32(DI), Y8, Y1
	VCMPPS    $9, 64(DI), Y8, Y2
	VCMPPS    $9, 96(DI), Y8, Y3
	VCMPPS    $9, 128(DI), Y8, Y4
	VCMPPS    $9, 160(DI), Y8, Y5
	VCMPPS    $9, 192(DI), Y8, Y6
	VCMPPS    $9, 224(DI), Y8, Y7
	VPACKSSDW Y1, Y0, Y0
	VPACKSSDW Y3, Y2, Y2
	VPACKSSDW Y5, Y4, Y4
	VPACKSSDW Y7, Y6, Y6
	VPOR      Y2, Y0, Y9
	VPOR      Y6, Y4, Y10
	VPOR      Y10, Y9, Y9
	VPTEST    Y9, Y9
	JNE       found
	ADDQ      $256, DI
	INCQ      BX
	JMP       group

found:
	VPACKSSWB Y2, Y0, Y0 // halves of each: 0 2 4 6, then 1 3 5 7
	VPACKSSWB Y6, Y4, Y4
	VMOVDQU   eighths<>(SB), Y1
	VPERMD    Y0, Y1, Y0
	VPERMD    Y4, Y1, Y4
	VPMOVMSKB Y0, R8
	VPMOVMSKB Y4, AX
	SHLQ      $32, AX
	ORQ       AX, R8

done:
	MOVQ BX, group+32(FP)
	MOVQ R8, which+40(FP)
	VZEROUPPER
	RET

// Fours of tokens lie as 0 2 4 6 1 3 5 7 after they were packed.
DATA eighths<>+0(SB)/8, $0x0000000400000000
DATA eighths<>+8(SB)/8, $0x0000000500000001
DATA eighths<>+16(SB)/8, $0x0000000600000002
DATA eighths<>+24(SB)/8, $0x0000000700000003
GLOBL eighths<>(SB), RODATA|NOPTR, $32

// exp64 of portable.go in vectors, in the same order: products and sums are not fused.

VECTOR(series14<>, 0x3da93974a8c07c9d)
VECTOR(series13<>, 0x3de6124613a86d09)
VECTOR(series12<>, 0x3e21eed8eff8d898)
VECTOR(series11<>, 0x3e5ae64567f544e4)
VECTOR(series10<>, 0x3e927e4fb7789f5c)
VECTOR(series9<>, 0x3ec71de3a556c734)
VECTOR(series8<>, 0x3efa01a01a01a01a)
VECTOR(series7<>, 0x3f2a01a01a01a01a)
VECTOR(series6<>, 0x3f56c16c16c16c17)
VECTOR(series5<>, 0x3f81111111111111)
VECTOR(series4<>, 0x3fa5555555555555)
VECTOR(series3<>, 0x3fc5555555555555)
VECTOR(half<>, 0x3fe0000000000000)
VECTOR(one<>, 0x3ff0000000000000)
VECTOR(lowest<>, 0xc086200000000000)
VECTOR(log2e<>, 0x3ff71547652b82fe)
VECTOR(ln2Hi<>, 0x3fe62e42fee00000)
VECTOR(ln2Lo<>, 0x3dea39ef35793c76)
VECTOR(exponent<>, 0x43380000000003ff) // added to n, its low bits are those of 2^n's exponent

// EACH does an operation with one operand to four vectors, FROM to four others,
// PAIRS with an operand for each.
#define EACH(OP, M, A, B, C, D) \
	OP M, A, A \
	OP M, B, B \
	OP M, C, C \
	OP M, D, D

#define FROM(OP, M, A, B, C, D, E, F, G, H) \
	OP M, A, E \
	OP M, B, F \
	OP M, C, G \
	OP M, D, H

#define PAIRS(OP, E, F, G, H, A, B, C, D) \
	OP E, A, A \
	OP F, B, B \
	OP G, C, C \
	OP H, D, D

#define TERM(ADD, AT, A, B, C, D, I, J, K, L) \
	PAIRS(VMULPD, A, B, C, D, I, J, K, L) \
	EACH(ADD, AT, I, J, K, L)

// EXP64 makes I to L e^A to e^D; the others are lost. ADD, SUB, MUL and MAX take a
// constant in memory, ROUND with $11 rounds
// towards 0.
#define EXP64(ADD, SUB, MUL, MAX, ROUND, A, B, C, D, E, F, G, H, I, J, K, L) \
	EACH(MAX, lowest<>(SB), A, B, C, D) \
	FROM(MUL, log2e<>(SB), A, B, C, D, E, F, G, H) \
	EACH(SUB, half<>(SB), E, F, G, H) \
	EACH(ROUND, $11, E, F, G, H) \
	FROM(MUL, ln2Hi<>(SB), E, F, G, H, I, J, K, L) \
	PAIRS(VSUBPD, I, J, K, L, A, B, C, D) \
	FROM(MUL, ln2Lo<>(SB), E, F, G, H, I, J, K, L) \
	PAIRS(VSUBPD, I, J, K, L, A, B, C, D) \
	EACH(ADD, exponent<>(SB), E, F, G, H) \
	EACH(VPSLLQ, $52, E, F, G, H) \
	FROM(MUL, series14<>(SB), A, B, C, D, I, J, K, L) \
	EACH(ADD, series13<>(SB), I, J, K, L) \
	TERM(ADD, series12<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series11<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series10<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series9<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series8<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series7<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series6<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series5<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series4<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, series3<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, half<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, one<>(SB), A, B, C, D, I, J, K, L) \
	TERM(ADD, one<>(SB), A, B, C, D, I, J, K, L) \
	PAIRS(VMULPD, E, F, G, H, I, J, K, L)

// func massAVX2(logits *float32, n int, highest, temperature float64) float64
// Sums are in Y12 to Y15.
// Requires: AVX2
TEXT ·massAVX2(SB), NOSPLIT, $0-40
	MOVQ   logits+0(FP), DI
	MOVQ   n+8(FP), CX
	VXORPD Y12, Y12, Y12
	VXORPD Y13, Y13, Y13
	VXORPD Y14, Y14, Y14
	VXORPD Y15, Y15, Y15

loop:
	SUBQ         $16, CX
	JLT          done
	VCVTPS2PD    (DI), Y0
	VCVTPS2PD    16(DI), Y1
	VCVTPS2PD    32(DI), Y2
	VCVTPS2PD    48(DI), Y3
	VBROADCASTSD highest+16(FP), Y4
	VBROADCASTSD temperature+24(FP), Y5
	EACH(VSUBPD, Y4, Y0, Y1, Y2, Y3)
	EACH(VDIVPD, Y5, Y0, Y1, Y2, Y3)
	EXP64(VADDPD, VSUBPD, VMULPD, VMAXPD, VROUNDPD, Y0, Y1, Y2, Y3, Y8, Y9, Y10, Y11, Y4, Y5, Y6, Y7)
	PAIRS(VADDPD, Y4, Y5, Y6, Y7, Y12, Y13, Y14, Y15)
	ADDQ         $64, DI
	JMP          loop

done:
	VADDPD       Y14, Y12, Y12
	VADDPD       Y15, Y13, Y13
	VADDPD       Y13, Y12, Y12
	VEXTRACTF128 $1, Y12, X0
	VADDPD       X0, X12, X0
	VHADDPD      X0, X0, X0
	VMOVSD       X0, ret+32(FP)
	VZEROUPPER
	RET

// func massAVX512(logits *float32, n int, highest, temperature float64) float64
// n is a multiple of 32, sums are in Z12 and Z13.
// Requires: AVX512F
TEXT ·massAVX512(SB), NOSPLIT, $0-40
	MOVQ         logits+0(FP), DI
	MOVQ         n+8(FP), CX
	VBROADCASTSD highest+16(FP), Z14
	VBROADCASTSD temperature+24(FP), Z15
	VXORPD       X12, X12, X12
	VXORPD       X13, X13, X13

loop:
	SUBQ      $32, CX
	JLT       done
	VCVTPS2PD (DI), Z0
	VCVTPS2PD 32(DI), Z1
	VCVTPS2PD 64(DI), Z2
	VCVTPS2PD 96(DI), Z3
	EACH(VSUBPD, Z14, Z0, Z1, Z2, Z3)
	EACH(VDIVPD, Z15, Z0, Z1, Z2, Z3)
	EXP64(VADDPD.BCST, VSUBPD.BCST, VMULPD.BCST, VMAXPD.BCST, VRNDSCALEPD, Z0, Z1, Z2, Z3, Z8, Z9, Z10, Z11, Z4, Z5, Z6, Z7)
	VADDPD    Z4, Z12, Z12
	VADDPD    Z5, Z13, Z13
	VADDPD    Z6, Z12, Z12
	VADDPD    Z7, Z13, Z13
	ADDQ      $128, DI
	JMP       loop

done:
	VADDPD        Z13, Z12, Z12
	VEXTRACTF64X4 $1, Z12, Y0
	VADDPD        Y0, Y12, Y12
	VEXTRACTF128  $1, Y12, X0
	VADDPD        X0, X12, X0
	VHADDPD       X0, X0, X0
	VMOVSD        X0, ret+32(FP)
	VZEROUPPER
	RET
