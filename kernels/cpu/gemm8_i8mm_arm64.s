//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "gemm8_arm64.h"

// SMMLA multiplies eight columns of two tokens with those of two rows, which stand together
// in these panels. Two tokens and two rows have a sum: those of the first of two rows and of
// the first two tokens are in V0, of the last two in V1, and so on. V16 to V19 are 16
// columns of two tokens each, V24 to V31 eight columns of 16 rows.

#define CODES \
	VLD1.P 64(R8), [V24.B16, V25.B16, V26.B16, V27.B16] \
	VLD1.P 64(R8), [V28.B16, V29.B16, V30.B16, V31.B16]

#define EIGHT1(X) \
	CODES \
	SMMLA(0, X, 24) \
	SMMLA(1, X, 25) \
	SMMLA(2, X, 26) \
	SMMLA(3, X, 27) \
	SMMLA(4, X, 28) \
	SMMLA(5, X, 29) \
	SMMLA(6, X, 30) \
	SMMLA(7, X, 31)

// One token is both of two.
#define SIXTEEN1(AT) \
	LOADQ(20, 11, AT) \
	VDUP V20.D[0], V16.D2 \
	VDUP V20.D[1], V18.D2 \
	EIGHT1(16) \
	EIGHT1(18)

#define PAIR(A, P, Q, W) \
	SMMLA(A, P, W) \
	SMMLA((A+1), Q, W)

#define EIGHT4(P, Q) \
	CODES \
	PAIR(0, P, Q, 24) \
	PAIR(2, P, Q, 25) \
	PAIR(4, P, Q, 26) \
	PAIR(6, P, Q, 27) \
	PAIR(8, P, Q, 28) \
	PAIR(10, P, Q, 29) \
	PAIR(12, P, Q, 30) \
	PAIR(14, P, Q, 31)

#define SIXTEEN4(AT) \
	LOADQ(20, 11, AT) \
	LOADQ(21, 11, (AT+48)) \
	LOADQ(22, 11, (AT+96)) \
	LOADQ(23, 11, (AT+144)) \
	VZIP1 V21.D2, V20.D2, V16.D2 \
	VZIP1 V23.D2, V22.D2, V17.D2 \
	VZIP2 V21.D2, V20.D2, V18.D2 \
	VZIP2 V23.D2, V22.D2, V19.D2 \
	EIGHT4(16, 17) \
	EIGHT4(18, 19)

#define ZERO1 \
	ZEROS(0) \
	ZEROS(4)

#define ZERO4 \
	ZERO1 \
	ZEROS(8) \
	ZEROS(12)

#define TOKENS1(MIN) \
	VZIP1 V1.D2, V0.D2, V0.D2 \
	VZIP1 V3.D2, V2.D2, V2.D2 \
	VZIP1 V5.D2, V4.D2, V4.D2 \
	VZIP1 V7.D2, V6.D2, V6.D2 \
	FINISH(0, 2, 4, 6, 0, 0, MIN)

// APART makes F, C, A and D four rows of each token in turn; B is free then.
#define APART(A, B, C, D, F) \
	VZIP1 C.D2, A.D2, F.D2 \
	VZIP2 C.D2, A.D2, C.D2 \
	VZIP1 D.D2, B.D2, A.D2 \
	VZIP2 D.D2, B.D2, D.D2

#define TOKENS4(MIN) \
	APART(V0, V1, V2, V3, V24) \
	APART(V4, V5, V6, V7, V1) \
	APART(V8, V9, V10, V11, V5) \
	APART(V12, V13, V14, V15, V9) \
	FINISH(24, 1, 5, 9, 0, 0, MIN) \
	FINISH(2, 6, 10, 14, 48, 64, MIN) \
	FINISH(0, 4, 8, 12, 96, 128, MIN) \
	FINISH(3, 7, 11, 15, 144, 192, MIN)

// func gemm8I8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 32 columns.
TEXT ·gemm8I8MM(SB), NOSPLIT, $0-48
	GEMM(PLAIN1, PLAIN4)

// func gemm8MinI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 32 columns.
TEXT ·gemm8MinI8MM(SB), NOSPLIT, $0-48
	GEMM(MIN1, MIN4)

// func gemm8SixteenI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 16 columns.
TEXT ·gemm8SixteenI8MM(SB), NOSPLIT, $0-48
	GEMM(HALVES1, HALVES4)

// func gemm8SixteenMinI8MM(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 16 columns.
TEXT ·gemm8SixteenMinI8MM(SB), NOSPLIT, $0-48
	GEMM(HALVES_MIN1, HALVES_MIN4)

// func pairRowsNEON(p *panel8, n int)
// Of each eight columns the second four come to the first, row by row.
TEXT ·pairRowsNEON(SB), NOSPLIT, $0-16
	MOVD p+0(FP), R0
	MOVD n+8(FP), R1

loop:
	MOVD   R0, R2
	VLD1.P 64(R2), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1   (R2), [V4.B16, V5.B16, V6.B16, V7.B16]
	VZIP1  V4.S4, V0.S4, V16.S4
	VZIP2  V4.S4, V0.S4, V17.S4
	VZIP1  V5.S4, V1.S4, V18.S4
	VZIP2  V5.S4, V1.S4, V19.S4
	VZIP1  V6.S4, V2.S4, V20.S4
	VZIP2  V6.S4, V2.S4, V21.S4
	VZIP1  V7.S4, V3.S4, V22.S4
	VZIP2  V7.S4, V3.S4, V23.S4
	VST1.P [V16.B16, V17.B16, V18.B16, V19.B16], 64(R0)
	VST1.P [V20.B16, V21.B16, V22.B16, V23.B16], 64(R0)
	SUBS   $8, R1
	BNE    loop
	RET
