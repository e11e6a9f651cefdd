//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "unpack8_arm64.h"

// One token straight from packed weights: V13, V14, V15 and V28 are its sums, in R0, R11 its
// blocks, R2 columns left. V16 to V19 are integer sums of a group, V24 to V27 scales of a block,
// V20 to V23 its mins; where it has none V20 and V21 are 32 columns of x, and V23 is the offset
// of codes, negative.

#define ARGUMENTS \
	MOVD out+0(FP), R0 \
	MOVD src+8(FP), R1 \
	MOVD x+16(FP), R11 \
	MOVD n+24(FP), R2 \
	LOADQ(13, 0, 0) \
	LOADQ(14, 0, 16) \
	LOADQ(15, 0, 32) \
	LOADQ(28, 0, 48)

#define RESULT \
	STOREQ(13, 0, 0) \
	STOREQ(14, 0, 16) \
	STOREQ(15, 0, 32) \
	STOREQ(28, 0, 48) \
	RET

// COLUMNS adds four columns, in A and after it, times dword I of X; EIGHT adds those that
// SPLIT and JOIN make, times two dwords, and prefetches.
#define COLUMNS(A, X, I) \
	SDOT(16, A, X, I) \
	SDOT(17, (A+1), X, I) \
	SDOT(18, (A+2), X, I) \
	SDOT(19, (A+3), X, I)

#define EIGHT(X, I) \
	PRFM 2048(R5), PLDL1KEEP \
	COLUMNS(0, X, I) \
	COLUMNS(4, X, (I+1))

// OFFSET begins integer sums with the offset times the sum of 16 columns of x, OFFSETS of 32.
#define OFFSET(X) \
	ZERO(0) \
	SDOTV(0, X, 23) \
	VADDP V0.S4, V0.S4, V0.S4 \
	VADDP V0.S4, V0.S4, V16.S4 \
	COPIES

#define OFFSETS(X, Y) \
	ZERO(0) \
	SDOTV(0, X, 23) \
	SDOTV(0, Y, 23) \
	VADDP V0.S4, V0.S4, V0.S4 \
	VADDP V0.S4, V0.S4, V16.S4 \
	COPIES

#define COPIES \
	VORR V16.B16, V16.B16, V17.B16 \
	VORR V16.B16, V16.B16, V18.B16 \
	VORR V16.B16, V16.B16, V19.B16

// GROUP adds one, whose scales are in S and after it. V30 is what x has beside codes.
#define GROUP(S) \
	LOADQ(30, 11, 32) \
	FMUL(4, S, 30, 0) \
	FMUL(5, (S+1), 30, 0) \
	FMUL(6, (S+2), 30, 0) \
	FMUL(7, (S+3), 30, 0) \
	SCVTF(16, 16) \
	SCVTF(17, 17) \
	SCVTF(18, 18) \
	SCVTF(19, 19) \
	FMLAV(13, 4, 16) \
	FMLAV(14, 5, 17) \
	FMLAV(15, 6, 18) \
	FMLAV(28, 7, 19)

#define SCALES(B, B2, A) \
	VLD1.P 16(R6), [V0.B16] \
	FLOATS(B, B2, A)

// MINS takes off mins, V4 to V7, times the sum of x.
#define MINS \
	FMLS(13, 4, 30, 1) \
	FMLS(14, 5, 30, 1) \
	FMLS(15, 6, 30, 1) \
	FMLS(28, 7, 30, 1)

// BLOCK begins a block of 32 columns.
#define BLOCK \
	HALVES(R1, 24) \
	ADD $32, R1, R5 \
	LOADQ(20, 11, 0) \
	LOADQ(21, 11, 16)

// func directQ4_0DotProd(out *float32, src unsafe.Pointer, x *block8, n int)
TEXT ·directQ4_0DotProd(SB), NOSPLIT, $0-32
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(-8, V23)

block:
	BLOCK
	OFFSETS(20, 21)
	SPLIT
	EIGHT(20, 0)
	SPLIT
	EIGHT(20, 2)
	SPLIT
	EIGHT(21, 0)
	SPLIT
	EIGHT(21, 2)
	GROUP(24)
	ADD  $48, R11
	MOVD R5, R1
	SUBS $32, R2
	BNE  block
	RESULT

#define CODES(X, I) \
	VLD1.P 64(R5), [V0.B16, V1.B16, V2.B16, V3.B16] \
	VLD1.P 64(R5), [V4.B16, V5.B16, V6.B16, V7.B16] \
	PRFM 1984(R5), PLDL1KEEP \
	EIGHT(X, I)

// func directQ8_0DotProd(out *float32, src unsafe.Pointer, x *block8, n int)
TEXT ·directQ8_0DotProd(SB), NOSPLIT, $0-32
	ARGUMENTS

block:
	BLOCK
	ZEROS(16)
	CODES(20, 0)
	CODES(20, 2)
	CODES(21, 0)
	CODES(21, 2)
	GROUP(24)
	ADD  $48, R11
	MOVD R5, R1
	SUBS $32, R2
	BNE  block
	RESULT

#define K_GROUP_END \
	SCALES(UXTLB, UXTLB2, 24) \
	GROUP(4) \
	SCALES(UXTLB, UXTLB2, 20) \
	MINS \
	ADD $48, R11

// func directQ4_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)
TEXT ·directQ4_KDotProd(SB), NOSPLIT, $256-32
	ARGUMENTS
	BYTES(0x0f, V31)

block:
	K_BLOCK

group:
	ZEROS(16)
	LOADQ(30, 11, 0)
	SPLIT
	EIGHT(30, 0)
	SPLIT
	EIGHT(30, 2)
	LOADQ(30, 11, 16)
	SPLIT
	EIGHT(30, 0)
	SPLIT
	EIGHT(30, 2)
	K_GROUP_END
	SUBS $1, R7
	BNE  group
	MOVD R5, R1
	SUBS $256, R2
	BNE  block
	RESULT

// func directQ5_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)
TEXT ·directQ5_KDotProd(SB), NOSPLIT, $256-32
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x10, V29)

block:
	K_BLOCK

group:
	ZEROS(16)
	LOADQ(30, 11, 0)
	VLD1.P 64(R5), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 3)
	EIGHT(30, 0)
	JOIN(VSHL, 2, VSHL, 1)
	EIGHT(30, 2)
	LOADQ(30, 11, 16)
	JOIN(VSHL, 0, VUSHR, 1)
	EIGHT(30, 0)
	JOIN(VUSHR, 2, VUSHR, 3)
	EIGHT(30, 2)
	K_GROUP_END
	SUBS   $1, R7
	BNE    group
	MOVD   R5, R1
	SUBS   $256, R2
	BNE    block
	RESULT

// SIXTEEN adds 16 columns of Q6_K.
#define SIXTEEN(X) \
	OFFSET(X) \
	VLD1.P 64(R8), [V8.B16, V9.B16, V10.B16, V11.B16] \
	JOIN(VSHL, 4, VSHL, 2) \
	EIGHT(X, 0) \
	JOIN(VSHL, 0, VUSHR, 2) \
	EIGHT(X, 2) \
	SCALES(SXTLB, SXTLB2, 24) \
	GROUP(4)

// func directQ6_KDotProd(out *float32, src unsafe.Pointer, x *block8, n int)
TEXT ·directQ6_KDotProd(SB), NOSPLIT, $0-32
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x30, V29)
	BYTES(-32, V23)

block:
	HALVES(R1, 24)
	ADD  $32, R1, R6
	ADD  $288, R1, R5
	MOVD $8, R7

group:
	ADD  $256, R5, R8
	LOADQ(20, 11, 0)
	LOADQ(21, 11, 16)
	SIXTEEN(20)
	SIXTEEN(21)
	ADD  $48, R11
	MOVD R8, R5
	SUBS $1, R7
	BNE  group
	MOVD R5, R1
	SUBS $256, R2
	BNE  block
	RESULT

// SIXTEEN_FLOATS adds 16 columns of NVFP4, whose values are in V12, with the factors V8 to V11.
#define SIXTEEN_FLOATS(X) \
	HALVES(R1, 24) \
	FMULV(24, 24, 8) \
	FMULV(25, 25, 9) \
	FMULV(26, 26, 10) \
	FMULV(27, 27, 11) \
	ADD  $32, R1, R5 \
	ZEROS(16) \
	VALUES(V12) \
	EIGHT(X, 0) \
	VALUES(V12) \
	EIGHT(X, 2) \
	GROUP(24) \
	MOVD R5, R1

// func directNVFP4DotProd(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
TEXT ·directNVFP4DotProd(SB), NOSPLIT, $0-40
	ARGUMENTS
	BYTES(0x0f, V31)
	MOVD $e2m1Codes<>(SB), R9
	VLD1 (R9), [V12.B16]
	MOVD factors+32(FP), R9
	VLD1 (R9), [V8.S4, V9.S4, V10.S4, V11.S4]

block:
	LOADQ(20, 11, 0)
	LOADQ(21, 11, 16)
	SIXTEEN_FLOATS(20)
	SIXTEEN_FLOATS(21)
	ADD  $48, R11
	SUBS $32, R2
	BNE  block
	RESULT
