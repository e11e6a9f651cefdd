//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func aboveNEON(logits *float32, from, groups int, bound float32) (group int, which uint64)
// FMAX keeps NaNs.
TEXT ·aboveNEON(SB), NOSPLIT, $0-48
	MOVD  logits+0(FP), R0
	MOVD  from+8(FP), R1
	MOVD  groups+16(FP), R2
	FMOVS bound+24(FP), F27
	VDUP  V27.S[0], V27.S4
	ADD   R1<<8, R0
	MOVD  $0, R8

group:
	CMP    R2, R1
	BGE    done
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R0), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1.P 64(R0), [V12.S4, V13.S4, V14.S4, V15.S4]
	FMAX(16, 0, 8)
	FMAX(17, 1, 9)
	FMAX(18, 2, 10)
	FMAX(19, 3, 11)
	FMAX(20, 4, 12)
	FMAX(21, 5, 13)
	FMAX(22, 6, 14)
	FMAX(23, 7, 15)
	FMAX(16, 16, 20)
	FMAX(17, 17, 21)
	FMAX(18, 18, 22)
	FMAX(19, 19, 23)
	FMAX(16, 16, 18)
	FMAX(17, 17, 19)
	FMAX(16, 16, 17)
	FMAXV(16, 16)
	FCMPS  F27, F16
	BHI    found // above, or a NaN
	ADD    $1, R1
	B      group

found:
	POWERS(R4)
	FCMGE(0, 27, 0)
	FCMGE(1, 27, 1)
	FCMGE(2, 27, 2)
	FCMGE(3, 27, 3)
	FCMGE(4, 27, 4)
	FCMGE(5, 27, 5)
	FCMGE(6, 27, 6)
	FCMGE(7, 27, 7)
	FCMGE(8, 27, 8)
	FCMGE(9, 27, 9)
	FCMGE(10, 27, 10)
	FCMGE(11, 27, 11)
	FCMGE(12, 27, 12)
	FCMGE(13, 27, 13)
	FCMGE(14, 27, 14)
	FCMGE(15, 27, 15)
	BITS32(V0, V1, V2, V3, V4, V5, V6, V7, R8)
	BITS32(V8, V9, V10, V11, V12, V13, V14, V15, R7)
	ORR  R7<<32, R8
	MVN  R8, R8

done:
	MOVD R1, group+32(FP)
	MOVD R8, which+40(FP)
	RET

// exp64 of portable.go in vectors, in the same order: products and sums are not fused.
DATA exp64Constants<>+0(SB)/8, $0xc086200000000000  // -708
DATA exp64Constants<>+8(SB)/8, $0x3ff71547652b82fe  // log2(e)
DATA exp64Constants<>+16(SB)/8, $0x3fe0000000000000 // 1/2
DATA exp64Constants<>+24(SB)/8, $0x3ff0000000000000 // 1
DATA exp64Constants<>+32(SB)/8, $0x3fe62e42fee00000 // ln2Hi
DATA exp64Constants<>+40(SB)/8, $0x3dea39ef35793c76 // ln2Lo
GLOBL exp64Constants<>(SB), RODATA|NOPTR, $48

// Added to n, the first has in its low bits those of 2^n's exponent; then 1/14! to 1/3!.
DATA exp64Series<>+0(SB)/8, $0x43380000000003ff
DATA exp64Series<>+8(SB)/8, $0x3da93974a8c07c9d
DATA exp64Series<>+16(SB)/8, $0x3de6124613a86d09
DATA exp64Series<>+24(SB)/8, $0x3e21eed8eff8d898
DATA exp64Series<>+32(SB)/8, $0x3e5ae64567f544e4
DATA exp64Series<>+40(SB)/8, $0x3e927e4fb7789f5c
DATA exp64Series<>+48(SB)/8, $0x3ec71de3a556c734
DATA exp64Series<>+56(SB)/8, $0x3efa01a01a01a01a
DATA exp64Series<>+64(SB)/8, $0x3f2a01a01a01a01a
DATA exp64Series<>+72(SB)/8, $0x3f56c16c16c16c17
DATA exp64Series<>+80(SB)/8, $0x3f81111111111111
DATA exp64Series<>+88(SB)/8, $0x3fa5555555555555
DATA exp64Series<>+96(SB)/8, $0x3fc5555555555555
GLOBL exp64Series<>(SB), RODATA|NOPTR, $104

// Eight logits at a time: V0 to V3 are what e is raised to, then the rest r, V4 to V7 the
// powers of two, V8 to V11 the series, V12 a constant. EACH does an operation with one
// operand to four vectors, PAIRS with an operand for each.
#define EACH(OP, D, N, M) \
	OP(D, N, M) \
	OP((D+1), (N+1), M) \
	OP((D+2), (N+2), M) \
	OP((D+3), (N+3), M)

#define PAIRS(OP, D, N, M) \
	OP(D, N, M) \
	OP((D+1), (N+1), (M+1)) \
	OP((D+2), (N+2), (M+2)) \
	OP((D+3), (N+3), (M+3))

#define NEXT VLD1R.P 8(R4), [V12.D2]

#define TERM(C) \
	PAIRS(FMULD, 8, 8, 0) \
	EACH(FADDD, 8, 8, C)

// EIGHT adds e^((logit - V24) / V25) to the sums from number S on.
#define EIGHT(S) \
	VLD1.P 32(R0), [V12.S4, V13.S4] \
	FCVTLD(0, 12) \
	FCVTLD2(1, 12) \
	FCVTLD(2, 13) \
	FCVTLD2(3, 13) \
	EACH(FSUBD, 0, 0, 24) \
	EACH(FDIVD, 0, 0, 25) \
	EACH(FMAXD, 0, 0, 26) \
	EACH(FMULD, 4, 0, 27) \
	EACH(FSUBD, 4, 4, 28) \
	FRINTZD(4, 4) \
	FRINTZD(5, 5) \
	FRINTZD(6, 6) \
	FRINTZD(7, 7) \
	EACH(FMULD, 8, 4, 30) \
	PAIRS(FSUBD, 0, 0, 8) \
	EACH(FMULD, 8, 4, 31) \
	PAIRS(FSUBD, 0, 0, 8) \
	MOVD $exp64Series<>(SB), R4 \
	NEXT \
	EACH(FADDD, 4, 4, 12) \
	VSHL $52, V4.D2, V4.D2 \
	VSHL $52, V5.D2, V5.D2 \
	VSHL $52, V6.D2, V6.D2 \
	VSHL $52, V7.D2, V7.D2 \
	NEXT \
	EACH(FMULD, 8, 0, 12) \
	NEXT \
	EACH(FADDD, 8, 8, 12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	NEXT \
	TERM(12) \
	TERM(28) \
	TERM(29) \
	TERM(29) \
	PAIRS(FMULD, 8, 8, 4) \
	PAIRS(FADDD, S, S, 8)

// func massNEON(logits *float32, n int, highest, temperature float64) float64
// n is a multiple of 16; sums are in V16 to V23.
TEXT ·massNEON(SB), NOSPLIT, $0-40
	MOVD    logits+0(FP), R0
	MOVD    n+8(FP), R1
	FMOVD   highest+16(FP), F24
	VDUP    V24.D[0], V24.D2
	FMOVD   temperature+24(FP), F25
	VDUP    V25.D[0], V25.D2
	MOVD    $exp64Constants<>(SB), R4
	VLD1R.P 8(R4), [V26.D2]
	VLD1R.P 8(R4), [V27.D2]
	VLD1R.P 8(R4), [V28.D2]
	VLD1R.P 8(R4), [V29.D2]
	VLD1R.P 8(R4), [V30.D2]
	VLD1R.P 8(R4), [V31.D2]
	ZEROS(16)
	ZEROS(20)
	CBZ     R1, done

loop:
	EIGHT(16)
	EIGHT(20)
	SUBS $16, R1
	BNE  loop

done:
	PAIRS(FADDD, 16, 16, 20)
	FADDD(16, 16, 18)
	FADDD(17, 17, 19)
	FADDD(16, 16, 17)
	FADDPD(16, 16, 16)
	FMOVD F16, ret+32(FP)
	RET
