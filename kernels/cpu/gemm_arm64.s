//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// A product of a panel with tokens, four at a time or one. R2 is the panel, R4 x, R0
// out, R6 tokens left. Inside a tile: R8 the column, R9 to R12 x of each token, R13
// columns left, R14 what to prefetch. V0 to V15 are sums of 16 rows of each token, V16 to
// V19 a column, V20 to V23 four columns of x of each token.

// MORE adds a column, times element I of X, to the sums from A on.
#define MORE(A, X, I) \
	FMLA(A, 16, X, I) \
	FMLA((A+1), 17, X, I) \
	FMLA((A+2), 18, X, I) \
	FMLA((A+3), 19, X, I)

// MORE4 adds the next column of each of four tokens, MORE1 of one.
#define MORE4(COLUMN, I) \
	COLUMN \
	MORE(0, 20, I) \
	MORE(4, 21, I) \
	MORE(8, 22, I) \
	MORE(12, 23, I)

#define MORE1(COLUMN, I) \
	COLUMN \
	MORE(0, 20, I)

// X4 loads a column of x of four tokens.
#define X4 \
	FMOVS.P 4(R9), F20 \
	FMOVS.P 4(R10), F21 \
	FMOVS.P 4(R11), F22 \
	FMOVS.P 4(R12), F23

// STORE adds the sums from A on, which are P to S, to a row of out.
#define STORE(A, P, Q, R, S) \
	VLD1 (R0), [V16.S4, V17.S4, V18.S4, V19.S4] \
	FADD(A, A, 16) \
	FADD((A+1), (A+1), 17) \
	FADD((A+2), (A+2), 18) \
	FADD((A+3), (A+3), 19) \
	VST1 [P.S4, Q.S4, R.S4, S.S4], (R0) \
	ADD  R1, R0

// GEMM is GEMM_PAIRS of columns that all load alike.
#define GEMM(SHIFT, COLUMN, BEGIN, AHEAD) GEMM_PAIRS(SHIFT, COLUMN, COLUMN, BEGIN, AHEAD)

// GEMM_PAIRS multiplies a panel whose elements have 2^SHIFT bytes. EVEN and ODD load a
// column, BEGIN and AHEAD prefetch, AHEAD for four columns.
#define GEMM_PAIRS(SHIFT, EVEN, ODD, BEGIN, AHEAD) \
	MOVD out+0(FP), R0 \
	MOVD outStride+8(FP), R1 \
	MOVD panel+16(FP), R2 \
	MOVD panelStride+24(FP), R3 \
	MOVD x+32(FP), R4 \
	MOVD xStride+40(FP), R5 \
	MOVD tokens+48(FP), R6 \
	LSL  $2, R1 \
	LSL  $SHIFT, R3 \
	LSL  $2, R5 \
four: \
	CMP  $4, R6 \
	BLT  one \
	MOVD R2, R8 \
	MOVD R4, R9 \
	ADD  R5, R9, R10 \
	ADD  R5, R10, R11 \
	ADD  R5, R11, R12 \
	ADD  R5, R12, R4 \
	MOVD k+56(FP), R13 \
	BEGIN \
	ZEROS(0) \
	ZEROS(4) \
	ZEROS(8) \
	ZEROS(12) \
fourColumns4: \
	CMP    $4, R13 \
	BLT    fourColumns1 \
	VLD1.P 16(R9), [V20.S4] \
	VLD1.P 16(R10), [V21.S4] \
	VLD1.P 16(R11), [V22.S4] \
	VLD1.P 16(R12), [V23.S4] \
	AHEAD \
	MORE4(EVEN, 0) \
	MORE4(ODD, 1) \
	MORE4(EVEN, 2) \
	MORE4(ODD, 3) \
	SUB    $4, R13 \
	B      fourColumns4 \
fourColumns1: \
	CBZ     R13, fourStore \
	X4 \
	MORE4(EVEN, 0) \
	SUB     $1, R13 \
	CBZ     R13, fourStore \
	X4 \
	MORE4(ODD, 0) \
	SUB     $1, R13 \
	B       fourColumns1 \
fourStore: \
	STORE(0, V0, V1, V2, V3) \
	STORE(4, V4, V5, V6, V7) \
	STORE(8, V8, V9, V10, V11) \
	STORE(12, V12, V13, V14, V15) \
	SUB $4, R6 \
	B   four \
one: \
	CBZ  R6, done \
	MOVD R2, R8 \
	MOVD R4, R9 \
	ADD  R5, R4 \
	MOVD k+56(FP), R13 \
	BEGIN \
	ZEROS(0) \
oneColumns4: \
	CMP    $4, R13 \
	BLT    oneColumns1 \
	VLD1.P 16(R9), [V20.S4] \
	AHEAD \
	MORE1(EVEN, 0) \
	MORE1(ODD, 1) \
	MORE1(EVEN, 2) \
	MORE1(ODD, 3) \
	SUB    $4, R13 \
	B      oneColumns4 \
oneColumns1: \
	CBZ     R13, oneStore \
	FMOVS.P 4(R9), F20 \
	MORE1(EVEN, 0) \
	SUB     $1, R13 \
	CBZ     R13, oneStore \
	FMOVS.P 4(R9), F20 \
	MORE1(ODD, 0) \
	SUB     $1, R13 \
	B       oneColumns1 \
oneStore: \
	STORE(0, V0, V1, V2, V3) \
	SUB $1, R6 \
	B   one \
done: \
	RET

#define FLOATS VLD1.P (R8)(R3), [V16.S4, V17.S4, V18.S4, V19.S4]
#define NOTHING

#define FLOATS_F16 \
	VLD1.P (R8)(R3), [V24.H8, V25.H8] \
	FCVTL(16, 24) \
	FCVTL2(17, 24) \
	FCVTL(18, 25) \
	FCVTL2(19, 25)

#define FLOATS_BF16 \
	VLD1.P (R8)(R3), [V24.H8, V25.H8] \
	SHLL(16, 24) \
	SHLL2(17, 24) \
	SHLL(18, 25) \
	SHLL2(19, 25)

#define BEGIN_AHEAD MOVD ahead+64(FP), R14

#define TWO_LINES \
	PRFM (R14), PLDL1KEEP \
	PRFM 64(R14), PLDL1KEEP \
	ADD  $128, R14

// CODES_I8 makes V16 to V19 a column of codes of 8 bits.
#define CODES_I8 \
	VLD1.P (R8)(R3), [V24.B16] \
	SXTLB(25, 24) \
	SXTLB2(26, 24) \
	SXTLH(16, 25) \
	SXTLH2(17, 25) \
	SXTLH(18, 26) \
	SXTLH2(19, 26) \
	SCVTF(16, 16) \
	SCVTF(17, 17) \
	SCVTF(18, 18) \
	SCVTF(19, 19)

#define FLOATS_KEYS \
	CODES_I8 \
	FMULV(16, 16, 28) \
	FMULV(17, 17, 29) \
	FMULV(18, 18, 30) \
	FMULV(19, 19, 31)

#define FLOATS_VALUES \
	CODES_I8 \
	FMOVS.P 4(R15), F27 \
	FMUL(16, 16, 27, 0) \
	FMUL(17, 17, 27, 0) \
	FMUL(18, 18, 27, 0) \
	FMUL(19, 19, 27, 0)

#define BEGIN_VALUES \
	BEGIN_AHEAD \
	MOVD scales+72(FP), R15

#define BEGIN_KEYS \
	BEGIN_VALUES \
	VLD1 (R15), [V28.S4, V29.S4, V30.S4, V31.S4]

#define LINE \
	PRFM (R14), PLDL1KEEP \
	ADD  $64, R14

// func gemmNEON(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
TEXT ·gemmNEON(SB), NOSPLIT, $0-64
	GEMM(2, FLOATS, NOTHING, NOTHING)

// func gemmF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
TEXT ·gemmF16NEON(SB), NOSPLIT, $0-72
	GEMM(1, FLOATS_F16, BEGIN_AHEAD, TWO_LINES)

// func gemmBF16NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
TEXT ·gemmBF16NEON(SB), NOSPLIT, $0-72
	GEMM(1, FLOATS_BF16, BEGIN_AHEAD, TWO_LINES)

// Packed BF16: EVEN_PAIR loads a pair of columns for ODD_PAIR too, which V28 masks.
#define EVEN_PAIR \
	VLD1.P (R8)(R3), [V24.S4, V25.S4, V26.S4, V27.S4] \
	VSHL   $16, V24.S4, V16.S4 \
	VSHL   $16, V25.S4, V17.S4 \
	VSHL   $16, V26.S4, V18.S4 \
	VSHL   $16, V27.S4, V19.S4

#define ODD_PAIR \
	VAND V28.B16, V24.B16, V16.B16 \
	VAND V28.B16, V25.B16, V17.B16 \
	VAND V28.B16, V26.B16, V18.B16 \
	VAND V28.B16, V27.B16, V19.B16

#define MASK_PAIR \
	MOVD $0xffff0000, R15 \
	VDUP R15, V28.S4

#define BEGIN_PAIRS \
	BEGIN_AHEAD \
	MASK_PAIR

// func gemmPairsNEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
TEXT ·gemmPairsNEON(SB), NOSPLIT, $0-72
	GEMM_PAIRS(2, EVEN_PAIR, ODD_PAIR, BEGIN_PAIRS, TWO_LINES)

// func unpackBF16NEON(panel *float32, src unsafe.Pointer, n int)
// n is even.
TEXT ·unpackBF16NEON(SB), NOSPLIT, $0-24
	MOVD panel+0(FP), R0
	MOVD src+8(FP), R8
	MOVD n+16(FP), R2
	MOVD $64, R3
	MASK_PAIR

loop:
	EVEN_PAIR
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0)
	ODD_PAIR
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0)
	SUBS   $2, R2
	BNE    loop
	RET

// func keysI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
TEXT ·keysI8NEON(SB), NOSPLIT, $0-80
	GEMM(0, FLOATS_KEYS, BEGIN_KEYS, LINE)

// func valuesI8NEON(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
TEXT ·valuesI8NEON(SB), NOSPLIT, $0-80
	GEMM(0, FLOATS_VALUES, BEGIN_VALUES, LINE)

// func widenF16NEON(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
TEXT ·widenF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	CBZ  R2, done

loop:
	VLD1.P 16(R1), [V0.H8]
	FCVTL(1, 0)
	FCVTL2(2, 0)
	VST1.P [V1.S4, V2.S4], 32(R0)
	SUBS   $8, R2
	BNE    loop

done:
	RET

// func widenBF16NEON(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
TEXT ·widenBF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	CBZ  R2, done

loop:
	VLD1.P 16(R1), [V0.H8]
	SHLL(1, 0)
	SHLL2(2, 0)
	VST1.P [V1.S4, V2.S4], 32(R0)
	SUBS   $8, R2
	BNE    loop

done:
	RET
