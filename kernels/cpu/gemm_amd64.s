//go:build !purego

#include "textflag.h"

// Registers of gemm: AX panel, R9 its stride in bytes, DX x, R10 its stride,
// DI out, R8 its stride, R11 tokens left. Inside a tile: SI panel, BX x of
// tokens 0 to 2, R12 x of tokens 3 to 5, CX columns left, R13 what is prefetched;
// Y0 to Y11 two vectors of sums for each token. Few sums wait for
// themselves: three tokens are a tile of their own, seven and eight are two tiles,
// not a tile of six and what is left.

#define NOTHING
#define AHEAD MOVQ ahead+64(FP), R13

#define AHEAD_SCALES \
	AHEAD \
	MOVQ scales+72(FP), R15

#define TILE(START) \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ k+56(FP), CX \
	START

// A column of a panel of F32, F16 or BF16 to Y12, Y13, which ADD uses.
#define COLUMN32(ADD) \
	VMOVUPS (SI), Y12 \
	VMOVUPS 32(SI), Y13 \
	ADD

#define COLUMN_F16(ADD) \
	PREFETCHT0 (R13) \
	ADDQ $32, R13 \
	VCVTPH2PS (SI), Y12 \
	VCVTPH2PS 16(SI), Y13 \
	ADD

#define COLUMN_BF16(ADD) \
	PREFETCHT0 (R13) \
	ADDQ $32, R13 \
	VPMOVZXWD (SI), Y12 \
	VPMOVZXWD 16(SI), Y13 \
	VPSLLD    $16, Y12, Y12 \
	VPSLLD    $16, Y13, Y13 \
	ADD

// Two columns of packed BF16.
DATA high16<>+0(SB)/8, $0xffff0000ffff0000
DATA high16<>+8(SB)/8, $0xffff0000ffff0000
DATA high16<>+16(SB)/8, $0xffff0000ffff0000
DATA high16<>+24(SB)/8, $0xffff0000ffff0000
GLOBL high16<>(SB), RODATA|NOPTR, $32

#define COLUMNS_PAIR(ADD) \
	PREFETCHT0 (R13) \
	ADDQ $64, R13 \
	VMOVDQU (SI), Y12 \
	VMOVDQU 32(SI), Y13 \
	VPSLLD $16, Y12, Y12 \
	VPSLLD $16, Y13, Y13 \
	ADD \
	VMOVDQU high16<>(SB), Y13 \
	VPAND (SI), Y13, Y12 \
	VPAND 32(SI), Y13, Y13 \
	ADD

#define AHEAD_PAIRS \
	AHEAD \
	SHRQ $1, CX

#define CODES \
	PREFETCHT0 (R13) \
	ADDQ $16, R13 \
	VPMOVSXBD (SI), Y12 \
	VPMOVSXBD 8(SI), Y13 \
	VCVTDQ2PS Y12, Y12 \
	VCVTDQ2PS Y13, Y13

// A column of a panel of codes, with the scales of its rows at R15, or one at R15 that
// the next column's follows.
#define COLUMN_KEYS(ADD) \
	CODES \
	VMULPS (R15), Y12, Y12 \
	VMULPS 32(R15), Y13, Y13 \
	ADD

#define COLUMN_VALUES(ADD) \
	CODES \
	VBROADCASTSS (R15), Y14 \
	VMULPS Y14, Y12, Y12 \
	VMULPS Y14, Y13, Y13 \
	ADDQ $4, R15 \
	ADD

// MULADD adds a column to the sums LO, HI of the token whose x is at ADDR.
#define MULADD(ADDR, T, LO, HI) \
	VBROADCASTSS ADDR, T \
	VFMADD231PS Y12, T, LO \
	VFMADD231PS Y13, T, HI

// ONE to SIX do so for as many tokens and go to the next column of x.
#define ONE \
	MULADD((BX), Y14, Y0, Y1) \
	ADDQ $4, BX

#define TWO \
	MULADD((BX)(R10*1), Y15, Y2, Y3) \
	ONE

#define THREE \
	MULADD((BX)(R10*2), Y14, Y4, Y5) \
	TWO

#define FOUR \
	MULADD((R12), Y14, Y4, Y5) \
	MULADD((R12)(R10*1), Y15, Y6, Y7) \
	ADDQ $4, R12 \
	TWO

#define SIX \
	MULADD((R12), Y15, Y6, Y7) \
	MULADD((R12)(R10*1), Y14, Y8, Y9) \
	MULADD((R12)(R10*2), Y15, Y10, Y11) \
	ADDQ $4, R12 \
	THREE

#define NEXT(LOOP) \
	ADDQ R9, SI \
	DECQ CX \
	JNZ  LOOP

// STORE adds the sums of a token to out and goes to the next token.
#define STORE(LO, HI) \
	VADDPS (DI), LO, LO \
	VADDPS 32(DI), HI, HI \
	VMOVUPS LO, (DI) \
	VMOVUPS HI, 32(DI) \
	ADDQ R8, DI

#define GEMM(COLUMN, LOG_SIZE, START) \
	MOVQ out+0(FP), DI \
	MOVQ outStride+8(FP), R8 \
	MOVQ panel+16(FP), AX \
	MOVQ panelStride+24(FP), R9 \
	MOVQ x+32(FP), DX \
	MOVQ xStride+40(FP), R10 \
	MOVQ tokens+48(FP), R11 \
	SHLQ $2, R8 \
	SHLQ $LOG_SIZE, R9 \
	SHLQ $2, R10 \
six: \
	CMPQ R11, $6 \
	JLT  four \
	JEQ  sixTile \
	CMPQ R11, $8 \
	JLE  four \
sixTile: \
	TILE(START) \
	LEAQ (DX)(R10*2), R12 \
	ADDQ R10, R12 \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7 \
	VXORPS Y8, Y8, Y8 \
	VXORPS Y9, Y9, Y9 \
	VXORPS Y10, Y10, Y10 \
	VXORPS Y11, Y11, Y11 \
sixLoop: \
	COLUMN(SIX) \
	NEXT(sixLoop) \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	STORE(Y4, Y5) \
	STORE(Y6, Y7) \
	STORE(Y8, Y9) \
	STORE(Y10, Y11) \
	LEAQ (R10)(R10*2), R12 \
	LEAQ (DX)(R12*2), DX \
	SUBQ $6, R11 \
	JMP  six \
four: \
	CMPQ R11, $4 \
	JLT  three \
	TILE(START) \
	LEAQ (DX)(R10*2), R12 \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7 \
fourLoop: \
	COLUMN(FOUR) \
	NEXT(fourLoop) \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	STORE(Y4, Y5) \
	STORE(Y6, Y7) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
	JMP  six \
three: \
	CMPQ R11, $3 \
	JLT  two \
	TILE(START) \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
threeLoop: \
	COLUMN(THREE) \
	NEXT(threeLoop) \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	STORE(Y4, Y5) \
	JMP  done \
two: \
	CMPQ R11, $2 \
	JLT  one \
	TILE(START) \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3 \
twoLoop: \
	COLUMN(TWO) \
	NEXT(twoLoop) \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	JMP  done \
one: \
	TESTQ R11, R11 \
	JEQ   done \
	TILE(START) \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
oneLoop: \
	COLUMN(ONE) \
	NEXT(oneLoop) \
	STORE(Y0, Y1) \
done: \
	VZEROUPPER \
	RET

// func gemmAVX2(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
// Requires: AVX, FMA
TEXT ·gemmAVX2(SB), NOSPLIT, $0-64
	GEMM(COLUMN32, 2, NOTHING)

// func gemmF16AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX, FMA, F16C
TEXT ·gemmF16AVX2(SB), NOSPLIT, $0-72
	GEMM(COLUMN_F16, 1, AHEAD)

// func gemmBF16AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX2, FMA
TEXT ·gemmBF16AVX2(SB), NOSPLIT, $0-72
	GEMM(COLUMN_BF16, 1, AHEAD)

// func gemmPairsAVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX2, FMA
TEXT ·gemmPairsAVX2(SB), NOSPLIT, $0-72
	GEMM(COLUMNS_PAIR, 2, AHEAD_PAIRS)

// func keysI8AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
// Requires: AVX2, FMA
TEXT ·keysI8AVX2(SB), NOSPLIT, $0-80
	GEMM(COLUMN_KEYS, 0, AHEAD_SCALES)

// func valuesI8AVX2(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
// Requires: AVX2, FMA
TEXT ·valuesI8AVX2(SB), NOSPLIT, $0-80
	GEMM(COLUMN_VALUES, 0, AHEAD_SCALES)
