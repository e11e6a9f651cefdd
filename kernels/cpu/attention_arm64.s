//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func transposeNEON(dst, src *float32, rows, cols int)
// dst[c][r] = src[r][c], dst rows being 64 long, src rows cols long; rows and cols
// are multiples of 4.
TEXT ·transposeNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD cols+24(FP), R3
	LSL  $2, R3, R4
	MOVD $256, R5

row:
	MOVD R1, R6
	ADD  R4, R6, R7
	ADD  R4, R7, R8
	ADD  R4, R8, R9
	ADD  R4, R9, R1
	MOVD R0, R10
	MOVD R3, R11

tile:
	VLD1.P 16(R6), [V0.S4]
	VLD1.P 16(R7), [V1.S4]
	VLD1.P 16(R8), [V2.S4]
	VLD1.P 16(R9), [V3.S4]
	VZIP1  V2.S4, V0.S4, V4.S4
	VZIP2  V2.S4, V0.S4, V5.S4
	VZIP1  V3.S4, V1.S4, V6.S4
	VZIP2  V3.S4, V1.S4, V7.S4
	VZIP1  V6.S4, V4.S4, V0.S4
	VZIP2  V6.S4, V4.S4, V1.S4
	VZIP1  V7.S4, V5.S4, V2.S4
	VZIP2  V7.S4, V5.S4, V3.S4
	VST1.P [V0.S4], (R10)(R5)
	VST1.P [V1.S4], (R10)(R5)
	VST1.P [V2.S4], (R10)(R5)
	VST1.P [V3.S4], (R10)(R5)
	SUBS   $4, R11
	BNE    tile
	ADD    $16, R0
	SUBS   $4, R2
	BNE    row
	RET

// ZIPS is a step of turning eight rows to eight columns: rows A to H, whose second halves
// follow their first ones, to P to W.
#define ZIPS(T, A, B, C, D, E, F, G, H, P, Q, R, S, U, V, W, X) \
	VZIP1 E.T, A.T, P.T \
	VZIP2 E.T, A.T, Q.T \
	VZIP1 F.T, B.T, R.T \
	VZIP2 F.T, B.T, S.T \
	VZIP1 G.T, C.T, U.T \
	VZIP2 G.T, C.T, V.T \
	VZIP1 H.T, D.T, W.T \
	VZIP2 H.T, D.T, X.T

// TURN turns V0 to V7, elements of T, with V16 to V23 in between, which are the columns.
#define TURN(T) \
	ZIPS(T, V0, V1, V2, V3, V4, V5, V6, V7, V16, V17, V18, V19, V20, V21, V22, V23) \
	ZIPS(T, V16, V17, V18, V19, V20, V21, V22, V23, V0, V1, V2, V3, V4, V5, V6, V7) \
	ZIPS(T, V0, V1, V2, V3, V4, V5, V6, V7, V16, V17, V18, V19, V20, V21, V22, V23)

// ROWS makes R6 to R13 the next eight rows of R4 bytes from R1.
#define ROWS \
	MOVD R1, R6 \
	ADD  R4, R6, R7 \
	ADD  R4, R7, R8 \
	ADD  R4, R8, R9 \
	ADD  R4, R9, R10 \
	ADD  R4, R10, R11 \
	ADD  R4, R11, R12 \
	ADD  R4, R12, R13 \
	ADD  R4, R13, R1

#define LOAD_ROWS \
	VLD1.P 16(R6), [V0.B16] \
	VLD1.P 16(R7), [V1.B16] \
	VLD1.P 16(R8), [V2.B16] \
	VLD1.P 16(R9), [V3.B16] \
	VLD1.P 16(R10), [V4.B16] \
	VLD1.P 16(R11), [V5.B16] \
	VLD1.P 16(R12), [V6.B16] \
	VLD1.P 16(R13), [V7.B16]

// func transpose16NEON(dst, src unsafe.Pointer, rows, cols int)
// The same of 16 bits; rows and cols are multiples of 8.
TEXT ·transpose16NEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD cols+24(FP), R3
	LSL  $1, R3, R4
	MOVD $128, R5

row:
	ROWS
	MOVD R0, R14
	MOVD R3, R15

tile:
	LOAD_ROWS
	TURN(H8)
	VST1.P [V16.H8], (R14)(R5)
	VST1.P [V17.H8], (R14)(R5)
	VST1.P [V18.H8], (R14)(R5)
	VST1.P [V19.H8], (R14)(R5)
	VST1.P [V20.H8], (R14)(R5)
	VST1.P [V21.H8], (R14)(R5)
	VST1.P [V22.H8], (R14)(R5)
	VST1.P [V23.H8], (R14)(R5)
	SUBS   $8, R15
	BNE    tile
	ADD    $16, R0
	SUBS   $8, R2
	BNE    row
	RET

// BOTH writes two columns of bytes.
#define BOTH(V) \
	VST1.P V.D[0], (R14)(R5) \
	VST1.P V.D[1], (R14)(R5)

// func transpose8NEON(dst, src unsafe.Pointer, rows, cols int)
// The same of bytes; rows is a multiple of 8, cols of 16.
TEXT ·transpose8NEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD rows+16(FP), R2
	MOVD cols+24(FP), R4
	MOVD $64, R5

row:
	ROWS
	MOVD R0, R14
	MOVD R4, R15

tile:
	LOAD_ROWS
	TURN(B16)
	BOTH(V16)
	BOTH(V17)
	BOTH(V18)
	BOTH(V19)
	BOTH(V20)
	BOTH(V21)
	BOTH(V22)
	BOTH(V23)
	SUBS $16, R15
	BNE  tile
	ADD  $8, R0
	SUBS $8, R2
	BNE  row
	RET

// The vector form of exp in exp.go: the same constants in the same order, with
// fused multiply-adds.
DATA expTable<>+0(SB)/4, $0x3fb8aa3b // log2e
DATA expTable<>+4(SB)/4, $0x3f318000 // ln2Hi
DATA expTable<>+8(SB)/4, $0xb95e8083 // ln2Lo
DATA expTable<>+12(SB)/4, $0x39506967 // expP0
DATA expTable<>+16(SB)/4, $0x3ab743ce
DATA expTable<>+20(SB)/4, $0x3c088908
DATA expTable<>+24(SB)/4, $0x3d2aa9c1
DATA expTable<>+28(SB)/4, $0x3e2aaaaa
DATA expTable<>+32(SB)/4, $0x3f000000 // expP5
DATA expTable<>+36(SB)/4, $0x3f800000 // 1
DATA expTable<>+40(SB)/4, $0xc2aeac4f // expLow
DATA expTable<>+44(SB)/4, $0x42b00000 // expHigh
GLOBL expTable<>(SB), RODATA|NOPTR, $48

// EXP_CONSTANTS fills V20 to V31, which EXP reads.
#define EXP_CONSTANTS \
	MOVD    $expTable<>(SB), R9 \
	VLD1.P  16(R9), [V0.S4] \
	VLD1.P  16(R9), [V1.S4] \
	VLD1    (R9), [V2.S4] \
	VDUP    V0.S[0], V20.S4 \
	VDUP    V0.S[1], V21.S4 \
	VDUP    V0.S[2], V22.S4 \
	VDUP    V0.S[3], V23.S4 \
	VDUP    V1.S[0], V24.S4 \
	VDUP    V1.S[1], V25.S4 \
	VDUP    V1.S[2], V26.S4 \
	VDUP    V1.S[3], V27.S4 \
	VDUP    V2.S[0], V28.S4 \
	VDUP    V2.S[1], V29.S4 \
	VDUP    V2.S[2], V30.S4 \
	VDUP    V2.S[3], V31.S4

// TERM makes register D, which is TO, N * V0 + C.
#define TERM(D, TO, N, C) \
	VORR C.B16, C.B16, TO.B16 \
	FMLAV(D, N, 0)

// EXP makes V0 = e^V0, for V0 <= 88; V1 to V4 are lost. NaN stays.
#define EXP \
	FCMGT(4, 30, 0) \
	FMULV(1, 0, 20) \
	FRINTN(1, 1) \
	FMLSV(0, 1, 21) \
	FMLSV(0, 1, 22) \
	FCVTNS(1, 1) \
	VSHL  $23, V1.S4, V1.S4 \
	VADD  V29.S4, V1.S4, V1.S4 \
	TERM(3, V3, 23, V24) \
	TERM(2, V2, 3, V25) \
	TERM(3, V3, 2, V26) \
	TERM(2, V2, 3, V27) \
	TERM(3, V3, 2, V28) \
	TERM(2, V2, 3, V29) \
	TERM(3, V3, 2, V29) \
	FMULV(0, 3, 1) \
	BIC(0, 0, 4)

// func expSumNEON(l, s, m *float32, n int)
TEXT ·expSumNEON(SB), NOSPLIT, $0-32
	MOVD l+0(FP), R2
	MOVD s+8(FP), R0
	MOVD m+16(FP), R3
	MOVD n+24(FP), R4
	EXP_CONSTANTS

query:
	FMOVS.P 4(R3), F5
	VDUP    V5.S[0], V5.S4
	ZERO(6)
	MOVD    $16, R1

loop:
	VLD1   (R0), [V0.S4]
	FSUB(0, 0, 5)
	EXP
	FADD(6, 6, 0)
	VST1.P [V0.S4], 16(R0)
	SUBS   $1, R1
	BNE    loop
	FADDP(6, 6, 6)
	FADDP(6, 6, 6)
	FMOVS   (R2), F5
	FADDS   F5, F6, F6
	FMOVS.P F6, 4(R2)
	SUBS    $1, R4
	BNE     query
	RET

// func maximaNEON(most, m, s *float32, n int)
// NaNs are left out.
TEXT ·maximaNEON(SB), NOSPLIT, $0-32
	MOVD most+0(FP), R2
	MOVD m+8(FP), R3
	MOVD s+16(FP), R0
	MOVD n+24(FP), R4

query:
	FMOVS.P 4(R3), F4
	VDUP    V4.S[0], V4.S4
	MOVD    $4, R1

loop:
	VLD1.P 64(R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMAXNM(0, 0, 1)
	FMAXNM(2, 2, 3)
	FMAXNM(0, 0, 2)
	FMAXNM(4, 4, 0)
	SUBS   $1, R1
	BNE    loop
	FMAXNMV(4, 4)
	FMOVS.P F4, 4(R2)
	SUBS    $1, R4
	BNE     query
	RET

// func swigluNEON(out, gate, up *float32, n int)
// n is a multiple of 4.
TEXT ·swigluNEON(SB), NOSPLIT, $0-32
	MOVD out+0(FP), R0
	MOVD gate+8(FP), R1
	MOVD up+16(FP), R2
	MOVD n+24(FP), R3
	EXP_CONSTANTS
	CBZ  R3, done

loop:
	VLD1.P 16(R1), [V5.S4]
	VLD1.P 16(R2), [V6.S4]
	FNEG(0, 5)
	FMIN(0, 0, 31)
	EXP
	FADD(0, 0, 29)
	FDIV(0, 5, 0)
	FMULV(0, 0, 6)
	VST1.P [V0.S4], 16(R0)
	SUBS   $4, R3
	BNE    loop

done:
	RET
