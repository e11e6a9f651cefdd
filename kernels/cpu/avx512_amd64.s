//go:build !purego

#include "textflag.h"

// AVX-512: a vector is a column of all 16 rows of a group. Registers are as in
// gemm_amd64.s.

#define TILE \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ k+56(FP), CX

#define NEXT(LOOP) \
	ADDQ R9, SI \
	ADDQ $4, BX \
	DECQ CX \
	JNZ  LOOP

#define STORE(SUM) \
	VADDPS  (DI), SUM, SUM \
	VMOVUPS SUM, (DI) \
	ADDQ    R8, DI

// THREE adds a column to the sums of the three tokens from AT on.
#define THREE(AT, A, B, C) \
	VFMADD231PS.BCST (AT), Z12, A \
	VFMADD231PS.BCST (AT)(R10*1), Z12, B \
	VFMADD231PS.BCST (AT)(R10*2), Z12, C

// func gemmAVX512(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
// Requires: AVX512F
TEXT ·gemmAVX512(SB), NOSPLIT, $0-64
	MOVQ out+0(FP), DI
	MOVQ outStride+8(FP), R8
	MOVQ panel+16(FP), AX
	MOVQ panelStride+24(FP), R9
	MOVQ x+32(FP), DX
	MOVQ xStride+40(FP), R10
	MOVQ tokens+48(FP), R11
	SHLQ $2, R8
	SHLQ $2, R9
	SHLQ $2, R10

eight:
	CMPQ   R11, $8
	JLT    four
	TILE
	LEAQ   (R10)(R10*2), R13
	LEAQ   (DX)(R13*1), R12
	LEAQ   (DX)(R13*2), R13
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7

eightLoop:
	VMOVUPS (SI), Z12
	THREE(BX, Z0, Z1, Z2)
	THREE(R12, Z3, Z4, Z5)
	VFMADD231PS.BCST (R13), Z12, Z6
	VFMADD231PS.BCST (R13)(R10*1), Z12, Z7
	ADDQ $4, R12
	ADDQ $4, R13
	NEXT(eightLoop)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	STORE(Z4)
	STORE(Z5)
	STORE(Z6)
	STORE(Z7)
	LEAQ (DX)(R10*8), DX
	SUBQ $8, R11
	JMP  eight

four:
	CMPQ   R11, $4
	JLT    two
	TILE
	LEAQ   (DX)(R10*2), R12
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3

fourLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	VFMADD231PS.BCST (BX)(R10*1), Z12, Z1
	VFMADD231PS.BCST (R12), Z12, Z2
	VFMADD231PS.BCST (R12)(R10*1), Z12, Z3
	ADDQ $4, R12
	NEXT(fourLoop)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	LEAQ (DX)(R10*4), DX
	SUBQ $4, R11

two:
	CMPQ   R11, $2
	JLT    one
	TILE
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1

twoLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	VFMADD231PS.BCST (BX)(R10*1), Z12, Z1
	NEXT(twoLoop)
	STORE(Z0)
	STORE(Z1)
	LEAQ (DX)(R10*2), DX
	SUBQ $2, R11

one:
	TESTQ  R11, R11
	JEQ    done
	TILE
	VPXORD Z0, Z0, Z0

oneLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	NEXT(oneLoop)
	STORE(Z0)

done:
	VZEROUPPER
	RET
