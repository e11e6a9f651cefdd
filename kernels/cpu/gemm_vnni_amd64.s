//go:build !purego

#include "textflag.h"
#include "vnni_amd64.h"
#include "panel_vnni_amd64.h"

// A product of a panel in 8 bits with tiles of four tokens, or with one tile of one or
// two. SI is the panel, DX x, R11 tokens left. Inside a tile: R8 codes, R9 scales, R13
// mins, CX groups of 32 columns left.

#define TILE(COLUMNS, EACH, LOAD) \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	LEAQ 5120(SI), R13 \
	MOVQ DX, BX \
	MOVQ COLUMNS, CX \
	SHRQ $5, CX \
	EACH(LOAD, 0)

// NEXT goes on to the next 32 columns.
#define NEXT(XBYTES, BYTES, LOOP) \
	ADDQ $XBYTES, BX \
	ADDQ $512, R8 \
	ADDQ $BYTES, R9 \
	ADDQ $64, R13 \
	DECQ CX \
	JNZ  LOOP

// GEMM multiplies; BYTES are the scales of 32 columns, GROUP what is done for them.
#define GEMM(GROUP, BYTES) \
	MOVQ         out+0(FP), DI \
	MOVQ         p+8(FP), SI \
	MOVQ         x+16(FP), DX \
	MOVQ         stride+24(FP), R10 \
	LEAQ         (R10)(R10*2), R10 \
	SHLQ         $4, R10 \
	MOVQ         tokens+32(FP), R11 \
	CMPQ         R11, $2 \
	JLT          one \
	JEQ          two \
four: \
	TILE(n+40(FP), EACH4, LOAD) \
fourGroup: \
	GROUP(EACH4) \
	NEXT(192, BYTES, fourGroup) \
	EACH4(STORE, 0) \
	ADDQ         R10, DX \
	ADDQ         $256, DI \
	SUBQ         $4, R11 \
	JNZ          four \
	JMP          done \
two: \
	TILE(n+40(FP), EACH2, LOAD) \
twoGroup: \
	GROUP(EACH2) \
	NEXT(96, BYTES, twoGroup) \
	EACH2(STORE, 0) \
	JMP          done \
one: \
	TILE(n+40(FP), EACH1, LOAD) \
oneGroup: \
	GROUP(EACH1) \
	NEXT(48, BYTES, oneGroup) \
	EACH1(STORE, 0) \
done: \
	VZEROUPPER \
	RET

// Two panels, so that what is read of x serves both: 64 products of vectors take 48
// loads of codes and of x, not 72. R12 is out of the second; Z4 to Z7 are its integer
// sums, Z12 to Z15 those of out, Z17 its codes, Z23 its scales, Z24 its mins.

// BOTH does a step for four tokens: with its number and a token's offset in x, two
// integer sums and two of out.
#define BOTH(STEP, I) \
	STEP(I, 0, Z0, Z4, Z8, Z12) \
	STEP(I, 48, Z1, Z5, Z9, Z13) \
	STEP(I, 96, Z2, Z6, Z10, Z14) \
	STEP(I, 144, Z3, Z7, Z11, Z15)

#define LOAD_BOTH(I, X, A, B, P, Q) \
	VMOVUPS (X/48*64)(DI), P \
	VMOVUPS (X/48*64)(R12), Q

#define STORE_BOTH(I, X, A, B, P, Q) \
	VMOVUPS P, (X/48*64)(DI) \
	VMOVUPS Q, (X/48*64)(R12)

#define ZERO_BOTH(I, X, A, B, P, Q) \
	VPXORD A, A, A \
	VPXORD B, B, B

#define BIAS_BOTH(I, X, A, B, P, Q) \
	VPBROADCASTD (44+X)(BX), A \
	VPBROADCASTD (44+X)(BX), B

#define BIAS16_BOTH(I, X, A, B, P, Q) \
	VPBROADCASTD (I+X)(BX), A \
	VPBROADCASTD (I+X)(BX), B

#define USE_BOTH(I, X, A, B, P, Q) \
	VPBROADCASTD (4*I+X)(BX), Z18 \
	VPDPBUSD     Z18, Z16, A \
	VPDPBUSD     Z18, Z17, B

#define ADD_BOTH(I, X, A, B, P, Q) \
	VBROADCASTSS (32+X)(BX), Z18 \
	VCVTDQ2PS    A, A \
	VCVTDQ2PS    B, B \
	VMULPS       Z18, Z21, Z19 \
	VMULPS       Z18, Z23, Z20 \
	VFMADD231PS  Z19, A, P \
	VFMADD231PS  Z20, B, Q

#define ADD_MIN_BOTH(I, X, A, B, P, Q) \
	ADD_BOTH(I, X, A, B, P, Q) \
	VBROADCASTSS (36+X)(BX), Z18 \
	VFNMADD231PS Z18, Z22, P \
	VFNMADD231PS Z18, Z24, Q

#define GEMM2(GROUP, BYTES) \
	MOVQ         out+0(FP), DI \
	MOVQ         each+8(FP), R12 \
	LEAQ         (DI)(R12*4), R12 \
	MOVQ         p+16(FP), SI \
	MOVQ         x+24(FP), DX \
	MOVQ         stride+32(FP), R10 \
	LEAQ         (R10)(R10*2), R10 \
	SHLQ         $4, R10 \
	MOVQ         tokens+40(FP), R11 \
tile: \
	TILE(n+48(FP), BOTH, LOAD_BOTH) \
group: \
	GROUP \
	NEXT(192, BYTES, group) \
	BOTH(STORE_BOTH, 0) \
	ADDQ         R10, DX \
	ADDQ         $256, DI \
	ADDQ         $256, R12 \
	SUBQ         $4, R11 \
	JNZ          tile \
	VZEROUPPER \
	RET

#define OFFSET_GROUP(EACH) \
	EACH(BIAS, 0) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS (R9), Z21 \
	EACH(ADD, 0)

// func gemmOffsetVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes with an offset, scales of 32 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmOffsetVNNI(SB), NOSPLIT, $0-48
	GEMM(OFFSET_GROUP, 64)

#define MIN_GROUP(EACH) \
	EACH(ZERO, 0) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS (R9), Z21 \
	VMOVUPS (R13), Z22 \
	EACH(ADD_MIN, 0)

// func gemmMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes without a sign, scales and mins of 32 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmMinVNNI(SB), NOSPLIT, $0-48
	GEMM(MIN_GROUP, 64)

#define SIXTEEN_GROUP(EACH) \
	EACH(BIAS16, 40) \
	FOUR(CODES, EACH, 0) \
	VMOVUPS (R9), Z21 \
	EACH(ADD, 0) \
	EACH(BIAS16, 44) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS 64(R9), Z21 \
	EACH(ADD, 0)

// func gemmSixteenVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 6 bits at most with an offset, scales of 16 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmSixteenVNNI(SB), NOSPLIT, $0-48
	GEMM(SIXTEEN_GROUP, 128)

#define HALF_MIN(EACH, I, AT, SUMS) \
	EACH(ZERO, 0) \
	FOUR(CODES, EACH, I) \
	VMOVUPS AT(R9), Z21 \
	VMOVUPS AT(R13), Z22 \
	EACH(ADD_MIN, SUMS)

#define SIXTEEN_MIN_GROUP(EACH) \
	HALF_MIN(EACH, 0, 0, 4) \
	HALF_MIN(EACH, 4, 64, 8) \
	ADDQ $64, R13

// func gemmSixteenMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes without a sign, scales and mins of 16 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmSixteenMinVNNI(SB), NOSPLIT, $0-48
	GEMM(SIXTEEN_MIN_GROUP, 128)

#define SCALES_BOTH(AT) \
	VMOVUPS AT(R9), Z21 \
	VMOVUPS (SECOND_PANEL+AT)(R9), Z23

#define OFFSET_GROUP2 \
	BOTH(BIAS_BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 4) \
	SCALES_BOTH(0) \
	BOTH(ADD_BOTH, 0)

// func gemmOffset2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmOffset2VNNI(SB), NOSPLIT, $0-56
	GEMM2(OFFSET_GROUP2, 64)

#define MIN_GROUP2 \
	BOTH(ZERO_BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 4) \
	SCALES_BOTH(0) \
	VMOVUPS (R13), Z22 \
	VMOVUPS SECOND_PANEL(R13), Z24 \
	BOTH(ADD_MIN_BOTH, 0)

// func gemmMin2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmMin2VNNI(SB), NOSPLIT, $0-56
	GEMM2(MIN_GROUP2, 64)

#define SIXTEEN_GROUP2 \
	BOTH(BIAS16_BOTH, 40) \
	FOUR(CODES_BOTH, BOTH, 0) \
	SCALES_BOTH(0) \
	BOTH(ADD_BOTH, 0) \
	BOTH(BIAS16_BOTH, 44) \
	FOUR(CODES_BOTH, BOTH, 4) \
	SCALES_BOTH(64) \
	BOTH(ADD_BOTH, 0)

// func gemmSixteen2VNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmSixteen2VNNI(SB), NOSPLIT, $0-56
	GEMM2(SIXTEEN_GROUP2, 128)
