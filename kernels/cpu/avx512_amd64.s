//go:build !purego

#include "textflag.h"
#include "exp_amd64.h"

// AVX-512: a vector is a column of all 16 rows of a group. Registers are as in
// gemm_amd64.s, but for R15, what is prefetched, and R14, scales; Z12 is the column.

#define NOTHING
#define AHEAD MOVQ ahead+64(FP), R15

#define AHEAD_SCALES \
	AHEAD \
	MOVQ scales+72(FP), R14

#define TILE(START) \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ k+56(FP), CX \
	START

#define NEXT(LOOP) \
	ADDQ R9, SI \
	DECQ CX \
	JNZ  LOOP

#define STORE(SUM) \
	VADDPS  (DI), SUM, SUM \
	VMOVUPS SUM, (DI) \
	ADDQ    R8, DI

// ONE to EIGHT add a column to the sums of as many tokens and go to the next column of x.
#define ONE \
	VFMADD231PS.BCST (BX), Z12, Z0 \
	ADDQ $4, BX

#define TWO \
	VFMADD231PS.BCST (BX)(R10*1), Z12, Z1 \
	ONE

#define THREE \
	VFMADD231PS.BCST (BX)(R10*2), Z12, Z2 \
	TWO

#define FOUR \
	VFMADD231PS.BCST (R12), Z12, Z2 \
	VFMADD231PS.BCST (R12)(R10*1), Z12, Z3 \
	ADDQ $4, R12 \
	TWO

#define EIGHT \
	VFMADD231PS.BCST (R12), Z12, Z3 \
	VFMADD231PS.BCST (R12)(R10*1), Z12, Z4 \
	VFMADD231PS.BCST (R12)(R10*2), Z12, Z5 \
	VFMADD231PS.BCST (R13), Z12, Z6 \
	VFMADD231PS.BCST (R13)(R10*1), Z12, Z7 \
	ADDQ $4, R12 \
	ADDQ $4, R13 \
	THREE

// GEMM multiplies a panel of elements of 1<<SHIFT bytes, of which COLUMN reads one
// column and adds it, after START for each tile of tokens.
#define GEMM(SHIFT, COLUMN, START) \
	MOVQ out+0(FP), DI \
	MOVQ outStride+8(FP), R8 \
	MOVQ panel+16(FP), AX \
	MOVQ panelStride+24(FP), R9 \
	MOVQ x+32(FP), DX \
	MOVQ xStride+40(FP), R10 \
	MOVQ tokens+48(FP), R11 \
	SHLQ $2, R8 \
	SHLQ $SHIFT, R9 \
	SHLQ $2, R10 \
eight: \
	CMPQ   R11, $8 \
	JLT    four \
	TILE(START) \
	LEAQ   (R10)(R10*2), R13 \
	LEAQ   (DX)(R13*1), R12 \
	LEAQ   (DX)(R13*2), R13 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
	VPXORD Z4, Z4, Z4 \
	VPXORD Z5, Z5, Z5 \
	VPXORD Z6, Z6, Z6 \
	VPXORD Z7, Z7, Z7 \
eightLoop: \
	COLUMN(EIGHT) \
	NEXT(eightLoop) \
	STORE(Z0) \
	STORE(Z1) \
	STORE(Z2) \
	STORE(Z3) \
	STORE(Z4) \
	STORE(Z5) \
	STORE(Z6) \
	STORE(Z7) \
	LEAQ (DX)(R10*8), DX \
	SUBQ $8, R11 \
	JMP  eight \
four: \
	CMPQ   R11, $4 \
	JLT    three \
	TILE(START) \
	LEAQ   (DX)(R10*2), R12 \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
	VPXORD Z3, Z3, Z3 \
fourLoop: \
	COLUMN(FOUR) \
	NEXT(fourLoop) \
	STORE(Z0) \
	STORE(Z1) \
	STORE(Z2) \
	STORE(Z3) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
three: \
	CMPQ   R11, $3 \
	JLT    two \
	TILE(START) \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	VPXORD Z2, Z2, Z2 \
threeLoop: \
	COLUMN(THREE) \
	NEXT(threeLoop) \
	STORE(Z0) \
	STORE(Z1) \
	STORE(Z2) \
	JMP  done \
two: \
	CMPQ   R11, $2 \
	JLT    one \
	TILE(START) \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
twoLoop: \
	COLUMN(TWO) \
	NEXT(twoLoop) \
	STORE(Z0) \
	STORE(Z1) \
	JMP  done \
one: \
	TESTQ  R11, R11 \
	JEQ    done \
	TILE(START) \
	VPXORD Z0, Z0, Z0 \
oneLoop: \
	COLUMN(ONE) \
	NEXT(oneLoop) \
	STORE(Z0) \
done: \
	VZEROUPPER \
	RET

#define COLUMN32(ADD) \
	VMOVUPS (SI), Z12 \
	ADD

// func gemmAVX512(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
// Requires: AVX512F
TEXT ·gemmAVX512(SB), NOSPLIT, $0-64
	GEMM(2, COLUMN32, NOTHING)

#define COLUMN_F16(ADD) \
	PREFETCHT0 (R15) \
	ADDQ       $32, R15 \
	VCVTPH2PS  (SI), Z12 \
	ADD

// func gemmF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX512F
TEXT ·gemmF16AVX512(SB), NOSPLIT, $0-72
	GEMM(1, COLUMN_F16, AHEAD)

#define COLUMN_BF16(ADD) \
	PREFETCHT0 (R15) \
	ADDQ       $32, R15 \
	VPMOVZXWD  (SI), Z12 \
	VPSLLD     $16, Z12, Z12 \
	ADD

// func gemmBF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX512F
TEXT ·gemmBF16AVX512(SB), NOSPLIT, $0-72
	GEMM(1, COLUMN_BF16, AHEAD)

// Two columns of packed BF16: Z13 masks the second.
#define COLUMNS_PAIR(ADD) \
	PREFETCHT0 (R15) \
	ADDQ       $64, R15 \
	VPSLLD     $16, (SI), Z12 \
	ADD \
	VPANDD     (SI), Z13, Z12 \
	ADD

#define AHEAD_PAIRS \
	AHEAD \
	SHRQ       $1, CX \
	VPTERNLOGD $0xff, Z13, Z13, Z13 \
	VPSLLD     $16, Z13, Z13

// func gemmPairsAVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX512F
TEXT ·gemmPairsAVX512(SB), NOSPLIT, $0-72
	GEMM(2, COLUMNS_PAIR, AHEAD_PAIRS)

// WIDE is GEMM of four vectors of columns at a time, Z12 to Z15: the additions of one to four
// tokens to one vector wait for each other. Both halves of what is prefetched are asked for side by
// side, R14 apart: the processor's own prefetch begins anew on each page of 4 KiB.
#define WIDE_ADD(AT, A, B, C, D) \
	VFMADD231PS.BCST AT, Z12, A \
	VFMADD231PS.BCST AT, Z13, B \
	VFMADD231PS.BCST AT, Z14, C \
	VFMADD231PS.BCST AT, Z15, D

#define WIDE_CLEAR(A, B, C, D) \
	VPXORD A, A, A \
	VPXORD B, B, B \
	VPXORD C, C, C \
	VPXORD D, D, D

#define WIDE_STORE(A, B, C, D) \
	VADDPS  (DI), A, A \
	VADDPS  64(DI), B, B \
	VADDPS  128(DI), C, C \
	VADDPS  192(DI), D, D \
	VMOVUPS A, (DI) \
	VMOVUPS B, 64(DI) \
	VMOVUPS C, 128(DI) \
	VMOVUPS D, 192(DI) \
	ADDQ    R8, DI

#define WIDE(COLUMNS) \
	MOVQ k+56(FP), R14 \
	SHLQ $6, R14 \
	MOVQ out+0(FP), DI \
	MOVQ outStride+8(FP), R8 \
	MOVQ panel+16(FP), AX \
	MOVQ panelStride+24(FP), R9 \
	MOVQ x+32(FP), DX \
	MOVQ xStride+40(FP), R10 \
	MOVQ tokens+48(FP), R11 \
	SHLQ $2, R8 \
	SHLQ $1, R9 \
	SHLQ $2, R10 \
four: \
	CMPQ R11, $4 \
	JLT  one \
	TILE(AHEAD) \
	LEAQ (DX)(R10*2), R12 \
	WIDE_CLEAR(Z0, Z1, Z2, Z3) \
	WIDE_CLEAR(Z4, Z5, Z6, Z7) \
	WIDE_CLEAR(Z8, Z9, Z10, Z11) \
	WIDE_CLEAR(Z16, Z17, Z18, Z19) \
fourLoop: \
	COLUMNS \
	WIDE_ADD((BX), Z0, Z1, Z2, Z3) \
	WIDE_ADD((BX)(R10*1), Z4, Z5, Z6, Z7) \
	WIDE_ADD((R12), Z8, Z9, Z10, Z11) \
	WIDE_ADD((R12)(R10*1), Z16, Z17, Z18, Z19) \
	ADDQ $4, BX \
	ADDQ $4, R12 \
	NEXT(fourLoop) \
	WIDE_STORE(Z0, Z1, Z2, Z3) \
	WIDE_STORE(Z4, Z5, Z6, Z7) \
	WIDE_STORE(Z8, Z9, Z10, Z11) \
	WIDE_STORE(Z16, Z17, Z18, Z19) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
	JMP  four \
one: \
	TESTQ R11, R11 \
	JEQ   done \
	TILE(AHEAD) \
	WIDE_CLEAR(Z0, Z1, Z2, Z3) \
oneLoop: \
	COLUMNS \
	WIDE_ADD((BX), Z0, Z1, Z2, Z3) \
	ADDQ $4, BX \
	NEXT(oneLoop) \
	WIDE_STORE(Z0, Z1, Z2, Z3) \
	ADDQ R10, DX \
	DECQ R11 \
	JMP  one \
done: \
	VZEROUPPER \
	RET

#define WIDE_AHEAD \
	PREFETCHT0 (R15) \
	PREFETCHT0 (R15)(R14*1) \
	ADDQ       $64, R15

#define COLUMNS_F16 \
	WIDE_AHEAD \
	VCVTPH2PS (SI), Z12 \
	VCVTPH2PS 32(SI), Z13 \
	VCVTPH2PS 64(SI), Z14 \
	VCVTPH2PS 96(SI), Z15

// func wideF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX512F
TEXT ·wideF16AVX512(SB), NOSPLIT, $0-72
	WIDE(COLUMNS_F16)

#define COLUMNS_BF16 \
	WIDE_AHEAD \
	VPMOVZXWD (SI), Z12 \
	VPMOVZXWD 32(SI), Z13 \
	VPMOVZXWD 64(SI), Z14 \
	VPMOVZXWD 96(SI), Z15 \
	VPSLLD    $16, Z12, Z12 \
	VPSLLD    $16, Z13, Z13 \
	VPSLLD    $16, Z14, Z14 \
	VPSLLD    $16, Z15, Z15

// func wideBF16AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer)
// Requires: AVX512F
TEXT ·wideBF16AVX512(SB), NOSPLIT, $0-72
	WIDE(COLUMNS_BF16)

#define CODES \
	PREFETCHT0 (R15) \
	ADDQ       $16, R15 \
	VPMOVSXBD  (SI), Z12 \
	VCVTDQ2PS  Z12, Z12

// As in gemm_amd64.s, with scales at R14.
#define COLUMN_KEYS(ADD) \
	CODES \
	VMULPS (R14), Z12, Z12 \
	ADD

#define COLUMN_VALUES(ADD) \
	CODES \
	VMULPS.BCST (R14), Z12, Z12 \
	ADDQ        $4, R14 \
	ADD

// func keysI8AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
// Requires: AVX512F
TEXT ·keysI8AVX512(SB), NOSPLIT, $0-80
	GEMM(0, COLUMN_KEYS, AHEAD_SCALES)

// func valuesI8AVX512(out *float32, outStride int, panel unsafe.Pointer, panelStride int, x *float32, xStride int, tokens, k int, ahead unsafe.Pointer, scales *float32)
// Requires: AVX512F
TEXT ·valuesI8AVX512(SB), NOSPLIT, $0-80
	GEMM(0, COLUMN_VALUES, AHEAD_SCALES)

// e^x as 2^n 2^r: r is what x log2(e) lacks to an integer n, and 2^r a polynomial, whose
// relative error is below 2^-26 (found by Remez's algorithm). Below floor it is 0.
DATA exp2Table<>+0(SB)/4, $0xc2d20000 // floor, -105
DATA exp2Table<>+4(SB)/4, $0x3fb8aa3b // log2(e)
DATA exp2Table<>+8(SB)/4, $0x3922363f // of r^6
DATA exp2Table<>+12(SB)/4, $0x3aafc47f
DATA exp2Table<>+16(SB)/4, $0x3c1d94f2
DATA exp2Table<>+20(SB)/4, $0x3d635716
DATA exp2Table<>+24(SB)/4, $0x3e75fdf0
DATA exp2Table<>+28(SB)/4, $0x3f317219
DATA exp2Table<>+32(SB)/4, $0x3f800000 // 1
GLOBL exp2Table<>(SB), RODATA|NOPTR, $36

// func expSumAVX512(l, s, m *float32, n int)
// Additions, and what rounds to integers and scales by them, are for units of their own:
// seven multiplications are what takes time. The error grows with |x|, as that of a score does.
// Requires: AVX512F
TEXT ·expSumAVX512(SB), NOSPLIT, $0-32
	MOVQ         l+0(FP), SI
	MOVQ         s+8(FP), DI
	MOVQ         m+16(FP), DX
	MOVQ         n+24(FP), R8
	VBROADCASTSS exp2Table<>+0(SB), Z5
	VBROADCASTSS exp2Table<>+4(SB), Z6
	VBROADCASTSS exp2Table<>+8(SB), Z7
	VBROADCASTSS exp2Table<>+12(SB), Z8
	VBROADCASTSS exp2Table<>+16(SB), Z9
	VBROADCASTSS exp2Table<>+20(SB), Z10
	VBROADCASTSS exp2Table<>+24(SB), Z11
	VBROADCASTSS exp2Table<>+28(SB), Z12
	VBROADCASTSS exp2Table<>+32(SB), Z13

query:
	VBROADCASTSS (DX), Z3
	VPXORD       Z4, Z4, Z4
	MOVQ         $4, CX

loop:
	VMOVUPS     (DI), Z0
	VSUBPS      Z3, Z0, Z0
	VMAXPS      Z0, Z5, Z0 // a NaN stays
	VMULPS      Z6, Z0, Z0
	VRNDSCALEPS $8, Z0, Z1
	VSUBPS      Z1, Z0, Z0
	VMOVAPS     Z7, Z2
	VFMADD213PS Z8, Z0, Z2
	VFMADD213PS Z9, Z0, Z2
	VFMADD213PS Z10, Z0, Z2
	VFMADD213PS Z11, Z0, Z2
	VFMADD213PS Z12, Z0, Z2
	VFMADD213PS Z13, Z0, Z2
	VSCALEFPS   Z1, Z2, Z0
	VADDPS      Z0, Z4, Z4
	VMOVUPS     Z0, (DI)
	ADDQ        $64, DI
	DECQ        CX
	JNZ         loop

	VEXTRACTF64X4 $1, Z4, Y0
	VADDPS        Y0, Y4, Y4
	VEXTRACTF128  $1, Y4, X0
	VADDPS        X0, X4, X4
	VMOVHLPS      X4, X4, X0
	VADDPS        X0, X4, X4
	VMOVSHDUP     X4, X0
	VADDSS        X0, X4, X4
	VADDSS        (SI), X4, X4
	VMOVSS        X4, (SI)
	ADDQ          $4, SI
	ADDQ          $4, DX
	DECQ          R8
	JNZ           query
	VZEROUPPER
	RET

// SILU makes Z0 = Z3 / (1 + e^-Z3) * Z4.
#define SILU \
	VPXORD      Z0, Z0, Z0 \
	VSUBPS      Z3, Z0, Z0 \
	VMINPS      Z0, Z16, Z0 \
	EXP512(Z0, Z1, Z2) \
	VADDPS      Z15, Z0, Z0 \
	VDIVPS      Z0, Z3, Z0 \
	VMULPS      Z4, Z0, Z0

// func swigluAVX512(out, gate, up *float32, n int)
// Requires: AVX512F
TEXT ·swigluAVX512(SB), NOSPLIT, $0-32
	MOVQ         out+0(FP), DI
	MOVQ         gate+8(FP), SI
	MOVQ         up+16(FP), DX
	MOVQ         n+24(FP), BX
	VBROADCASTSS expHigh<>(SB), Z16
	EXP_CONSTANTS512

loop:
	CMPQ    BX, $16
	JLT     tail
	VMOVUPS (SI), Z3
	VMOVUPS (DX), Z4
	SILU
	VMOVUPS Z0, (DI)
	ADDQ    $64, SI
	ADDQ    $64, DX
	ADDQ    $64, DI
	SUBQ    $16, BX
	JMP     loop

tail:
	TESTQ     BX, BX
	JEQ       done
	MOVQ      BX, CX
	MOVL      $1, AX
	SHLL      CX, AX
	DECL      AX
	KMOVW     AX, K2
	VMOVUPS.Z (SI), K2, Z3
	VMOVUPS.Z (DX), K2, Z4
	SILU
	VMOVUPS   Z0, K2, (DI)

done:
	VZEROUPPER
	RET

// func swigluSumsAVX512(out *float32, outRow int, sums *float32, stride, groups, tokens int)
// Requires: AVX512F
TEXT ·swigluSumsAVX512(SB), NOSPLIT, $0-48
	MOVQ         out+0(FP), DI
	MOVQ         outRow+8(FP), R8
	MOVQ         sums+16(FP), SI
	MOVQ         stride+24(FP), R9
	MOVQ         groups+32(FP), R10
	MOVQ         tokens+40(FP), R11
	SHLQ         $2, R8
	SHLQ         $2, R9
	VBROADCASTSS expHigh<>(SB), Z16
	EXP_CONSTANTS512

token:
	MOVQ SI, AX
	MOVQ DI, BX
	MOVQ R10, CX

group:
	VMOVUPS (AX), Z3
	VMOVUPS (AX)(R9*1), Z4
	SILU
	VMOVUPS Z0, (BX)
	LEAQ    (AX)(R9*2), AX
	ADDQ    $64, BX
	DECQ    CX
	JNZ     group
	ADDQ    $64, SI
	ADDQ    R8, DI
	DECQ    R11
	JNZ     token
	VZEROUPPER
	RET
