//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

DATA firstPairs<>+0(SB)/8, $0x0000000100000000
DATA firstPairs<>+8(SB)/8, $0x0000000300000002
GLOBL firstPairs<>(SB), RODATA|NOPTR, $16

// Philox of 16 counters at a time, whose words C0 to C3 are in V0 to V15, four counters
// each. V30 and V31 are the multipliers, V28 and V29 the keys of a round.

// ROUND is a round of four counters: V16 and V17 are the products of C0, V18 and V19 of C2.
#define ROUND(C0, C1, C2, C3, I0, I2) \
	UMULL(16, I0, 30) \
	UMULL2(17, I0, 30) \
	UMULL(18, I2, 31) \
	UMULL2(19, I2, 31) \
	VEOR  V28.B16, C1.B16, C1.B16 \
	VEOR  V29.B16, C3.B16, C3.B16 \
	VUZP2 V19.S4, V18.S4, C0.S4 \
	VUZP2 V17.S4, V16.S4, C2.S4 \
	VEOR  C1.B16, C0.B16, C0.B16 \
	VEOR  C3.B16, C2.B16, C2.B16 \
	VUZP1 V19.S4, V18.S4, C1.S4 \
	VUZP1 V17.S4, V16.S4, C3.S4

// LAST makes C0 and C2 the second and the fourth words in turn, for eight tokens.
#define LAST(C0, C1, C2, C3, I0, I1, I2, I3) \
	MULV(I1, I2, 31) \
	MULV(I3, I0, 30) \
	VZIP1 C3.S4, C1.S4, C0.S4 \
	VZIP2 C3.S4, C1.S4, C2.S4

// NEAR makes words of noise ones where the next four tokens are near, else zeros. V20 to V23
// are what prefilter begins with, V24 and V25 are 32, V27 is 0.
#define NEAR(N, I) \
	VLD1.P 16(R0), [V16.S4] \
	FSUB(17, 20, 16) \
	FMULV(17, 17, 21) \
	FADD(17, 17, 22) \
	FMAXNM(17, 17, 27) \
	FMIN(17, 17, 24) \
	FCVTZS(17, 17) \
	VSUB   V25.S4, V17.S4, V17.S4 \
	NOT(I, I) \
	USHL(I, I, 17) \
	VCMEQ  V27.S4, N.S4, N.S4 \
	FCMGE(16, 16, 23) \
	VAND   V16.B16, N.B16, N.B16

// func survivorsNEON(logits *float32, from, groups int, p *prefilter) (group int, left uint64)
TEXT ·survivorsNEON(SB), NOSPLIT, $0-48
	MOVD logits+0(FP), R0
	MOVD from+8(FP), R1
	MOVD groups+16(FP), R2
	MOVD p+24(FP), R3
	ADD  R1<<8, R0
	VLD1 (R3), [V20.S4]
	VDUP V20.S[1], V21.S4
	VDUP V20.S[2], V22.S4
	VDUP V20.S[3], V23.S4
	VDUP V20.S[0], V20.S4
	MOVD $0x42000000, R4 // 32
	VDUP R4, V24.S4
	MOVD $32, R11
	VDUP R11, V25.S4
	POWERS(R4)
	ZERO(27)
	MOVD $0xD2511F53, R4
	VDUP R4, V30.S4
	MOVD $0xCD9E8D57, R4
	VDUP R4, V31.S4
	MOVD $0, R8

group:
	CMP    R2, R1
	BGE    done
	MOVD   R0, R5
	VLD1.P 64(R5), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R5), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R5), [V8.S4, V9.S4, V10.S4, V11.S4]
	VLD1.P 64(R5), [V12.S4, V13.S4, V14.S4, V15.S4]
	FMAXNM(0, 0, 8)
	FMAXNM(1, 1, 9)
	FMAXNM(2, 2, 10)
	FMAXNM(3, 3, 11)
	FMAXNM(4, 4, 12)
	FMAXNM(5, 5, 13)
	FMAXNM(6, 6, 14)
	FMAXNM(7, 7, 15)
	FMAXNM(0, 0, 4)
	FMAXNM(1, 1, 5)
	FMAXNM(2, 2, 6)
	FMAXNM(3, 3, 7)
	FMAXNM(0, 0, 2)
	FMAXNM(1, 1, 3)
	FMAXNM(0, 0, 1)
	FMAXNMV(0, 0)
	FCMPS  F23, F0
	BLT    low
	LSL    $5, R1, R4
	MOVD   $2, R9

half:
	MOVD  $firstPairs<>(SB), R5
	VLD1  (R5), [V28.S4]
	VDUP  R4, V0.S4
	VADD  V28.S4, V0.S4, V0.S4
	MOVD  $4, R5
	VDUP  R5, V28.S4
	VADD  V28.S4, V0.S4, V4.S4
	VADD  V28.S4, V4.S4, V8.S4
	VADD  V28.S4, V8.S4, V12.S4
	ADD   $16, R4
	ZERO(1)
	ZERO(5)
	ZERO(9)
	ZERO(13)
	ADD   $prefilter_upper, R3, R5
	VLD1R (R5), [V2.S4]
	ADD   $8, R5
	VLD1R (R5), [V3.S4]
	VORR  V2.B16, V2.B16, V6.B16
	VORR  V2.B16, V2.B16, V10.B16
	VORR  V2.B16, V2.B16, V14.B16
	VORR  V3.B16, V3.B16, V7.B16
	VORR  V3.B16, V3.B16, V11.B16
	VORR  V3.B16, V3.B16, V15.B16
	ADD   $prefilter_keys, R3, R6
	MOVD  $9, R10

round:
	VLD1R.P (R6)(R11), [V28.S4]
	VLD1R.P (R6)(R11), [V29.S4]
	ROUND(V0, V1, V2, V3, 0, 2)
	ROUND(V4, V5, V6, V7, 4, 6)
	ROUND(V8, V9, V10, V11, 8, 10)
	ROUND(V12, V13, V14, V15, 12, 14)
	SUBS    $1, R10
	BNE     round
	LAST(V0, V1, V2, V3, 0, 1, 2, 3)
	LAST(V4, V5, V6, V7, 4, 5, 6, 7)
	LAST(V8, V9, V10, V11, 8, 9, 10, 11)
	LAST(V12, V13, V14, V15, 12, 13, 14, 15)
	NEAR(V0, 0)
	NEAR(V2, 2)
	NEAR(V4, 4)
	NEAR(V6, 6)
	NEAR(V8, 8)
	NEAR(V10, 10)
	NEAR(V12, 12)
	NEAR(V14, 14)
	BITS32(V0, V2, V4, V6, V8, V10, V12, V14, R7)
	LSR     $32, R8
	ORR     R7<<32, R8
	SUBS    $1, R9
	BNE     half
	CBNZ    R8, done
	ADD     $1, R1
	B       group

low:
	ADD $256, R0
	ADD $1, R1
	B   group

done:
	MOVD R1, group+32(FP)
	MOVD R8, left+40(FP)
	RET
