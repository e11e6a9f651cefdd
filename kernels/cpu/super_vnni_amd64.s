//go:build !purego

#include "textflag.h"
#include "packed_vnni_amd64.h"
#include "super_vnni_amd64.h"
#include "panel_vnni_amd64.h"

// Products of panels with super-blocks.
//
// SI is the panel, DX x, R11 tokens left. Inside a tile: R8 codes, R9 scales, R10
// times left. A panel has one super-block.

#define TILE(EACH) \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	MOVQ DX, BX \
	EACH(CLEAR, 0)

// GEMM multiplies: PAIR does it for two groups, TIMES in all, and FINISH adds their sums to out.
#define GEMM(TIMES, PAIR, FINISH) \
	MOVQ out+0(FP), DI \
	MOVQ p+8(FP), SI \
	MOVQ x+16(FP), DX \
	MOVQ stride+24(FP), R13 \
	LEAQ (R13)(R13*2), R13 \
	SHLQ $4, R13 \
	MOVQ tokens+32(FP), R11 \
	ODD \
	CMPQ R11, $2 \
	JLT  one \
	JEQ  two \
four: \
	TILE(EACH4) \
	MOVQ $TIMES, R10 \
fourPair: \
	PAIR(EACH4, NEXT4) \
	DECQ R10 \
	JNZ  fourPair \
	FINISH(EACH4) \
	ADDQ R13, DX \
	ADDQ $256, DI \
	SUBQ $4, R11 \
	JNZ  four \
	JMP  done \
two: \
	TILE(EACH2) \
	MOVQ $TIMES, R10 \
twoPair: \
	PAIR(EACH2, NEXT2) \
	DECQ R10 \
	JNZ  twoPair \
	FINISH(EACH2) \
	JMP  done \
one: \
	TILE(EACH1) \
	MOVQ $TIMES, R10 \
onePair: \
	PAIR(EACH1, NEXT1) \
	DECQ R10 \
	JNZ  onePair \
	FINISH(EACH1) \
done: \
	VZEROUPPER \
	RET

#define MIN_PANEL(EACH, NEXT, BITS) \
	EACH(ZERO, 0) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	EACH(FIRST, BITS) \
	NEXT \
	ADDQ      $512, R8 \
	EACH(UP, BITS) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	VMOVDQU32 (R9), Z21 \
	EACH(ADD, BITS) \
	NEXT \
	ADDQ      $512, R8 \
	ADDQ      $64, R9

#define MIN_PANEL_FINISH(EACH) \
	VMOVDQU32 5120(SI), Z12 \
	VMOVDQU32 5184(SI), Z13 \
	VMOVDQU32 5248(SI), Z14 \
	VMOVDQU32 5312(SI), Z15 \
	VMOVUPS   4608(SI), Z16 \
	VMOVUPS   5632(SI), Z17 \
	EACH(END, 0)

#define FOURTHS_PANEL(EACH, NEXT) MIN_PANEL(EACH, NEXT, 1)
#define FIFTHS_PANEL(EACH, NEXT) MIN_PANEL(EACH, NEXT, 2)

#define SIXTHS_PANEL(EACH, NEXT) \
	EACH(BIAS16, 40) \
	FOUR(CODES, EACH, 0) \
	EACH(FIRST, 1) \
	EACH(BIAS16, 44) \
	FOUR(CODES, EACH, 4) \
	VMOVDQU32 (R9), Z21 \
	EACH(ADD16, 1) \
	NEXT \
	ADDQ      $512, R8 \
	ADDQ      $64, R9

#define SIXTHS_PANEL_FINISH(EACH) \
	VMOVUPS 4608(SI), Z16 \
	EACH(END16, 0)

// Two panels, so that what is read of x serves both. R12 is out of the second; Z4 to Z7, Z12
// to Z15 and Z26 to Z29 are its sums, Z17 its codes, Z20 its scales.

// BOTH does a step for four tokens: with its number and a token's offset in x, and three
// sums of each panel.
#define BOTH(STEP, I) \
	STEP(I, 0, Z0, Z8, Z22, Z4, Z12, Z26) \
	STEP(I, 48, Z1, Z9, Z23, Z5, Z13, Z27) \
	STEP(I, 96, Z2, Z10, Z24, Z6, Z14, Z28) \
	STEP(I, 144, Z3, Z11, Z25, Z7, Z15, Z29)

#define CLEAR_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPXORD ALL, ALL, ALL \
	VPXORD ALL1, ALL1, ALL1

#define ZERO_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPXORD SUM, SUM, SUM \
	VPXORD SUM1, SUM1, SUM1

#define UP_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPBROADCASTD lastBits<>+(4*I)(SB), SUM \
	VPBROADCASTD lastBits<>+(4*I)(SB), SUM1

#define BIAS16_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPBROADCASTD (I+X)(BX), SUM \
	VPBROADCASTD (I+X)(BX), SUM1

#define USE_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPBROADCASTD (4*I+X)(BX), Z18 \
	VPDPBUSD     Z18, Z16, SUM \
	VPDPBUSD     Z18, Z17, SUM1

#define FIRST_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	VPSRAD $I, SUM, WORDS \
	VPSRAD $I, SUM1, WORDS1

#define ADD_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	SECOND(I, SUM, WORDS) \
	SECOND(I, SUM1, WORDS1) \
	VPBROADCASTD (40+X)(BX), Z18 \
	VPMULLW      Z18, Z21, Z19 \
	VPMULLW      Z18, Z20, Z18 \
	VPDPWSSD     Z19, WORDS, ALL \
	VPDPWSSD     Z18, WORDS1, ALL1

#define ADD16_BOTH(I, X, SUM, WORDS, ALL, SUM1, WORDS1, ALL1) \
	SECOND(I, SUM, WORDS) \
	SECOND(I, SUM1, WORDS1) \
	VBROADCASTSS (32+X)(BX), Z18 \
	VPMADDWD     Z21, WORDS, WORDS \
	VPMADDWD     Z20, WORDS1, WORDS1 \
	VCVTDQ2PS    WORDS, WORDS \
	VCVTDQ2PS    WORDS1, WORDS1 \
	VFMADD231PS  Z18, WORDS, ALL \
	VFMADD231PS  Z18, WORDS1, ALL1

// SECOND_TOKENS are those of the second panel, for END.
#define SECOND_TOKENS(STEP) \
	STEP(0, 192, BX, 0, Z4, Z12, Z26, 0) \
	STEP(0, 192, BX, 48, Z5, Z13, Z27, 64) \
	STEP(0, 192, BX, 96, Z6, Z14, Z28, 128) \
	STEP(0, 192, BX, 144, Z7, Z15, Z29, 192)

#define SCALES_BOTH \
	VMOVDQU32 (R9), Z21 \
	VMOVDQU32 SECOND_PANEL(R9), Z20

#define GEMM2(TIMES, PAIR, FINISH) \
	MOVQ out+0(FP), DI \
	MOVQ p+16(FP), SI \
	MOVQ x+24(FP), DX \
	MOVQ stride+32(FP), R13 \
	LEAQ (R13)(R13*2), R13 \
	SHLQ $4, R13 \
	MOVQ tokens+40(FP), R11 \
	ODD \
	MOVQ each+8(FP), R12 \
	SHLQ $2, R12 \
tile: \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	MOVQ DX, BX \
	BOTH(CLEAR_BOTH, 0) \
	MOVQ $TIMES, R10 \
pair: \
	PAIR \
	DECQ R10 \
	JNZ  pair \
	FINISH \
	ADDQ R13, DX \
	ADDQ $256, DI \
	SUBQ $4, R11 \
	JNZ  tile \
	VZEROUPPER \
	RET

#define MIN_PANELS(BITS) \
	BOTH(ZERO_BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 4) \
	BOTH(FIRST_BOTH, BITS) \
	NEXT4 \
	ADDQ $512, R8 \
	BOTH(UP_BOTH, BITS) \
	FOUR(CODES_BOTH, BOTH, 0) \
	FOUR(CODES_BOTH, BOTH, 4) \
	SCALES_BOTH \
	BOTH(ADD_BOTH, BITS) \
	NEXT4 \
	ADDQ $512, R8 \
	ADDQ $64, R9

#define MIN_PANELS_FINISH \
	MIN_PANEL_FINISH(EACH4) \
	ADDQ      R12, DI \
	VMOVDQU32 (SECOND_PANEL+5120)(SI), Z12 \
	VMOVDQU32 (SECOND_PANEL+5184)(SI), Z13 \
	VMOVDQU32 (SECOND_PANEL+5248)(SI), Z14 \
	VMOVDQU32 (SECOND_PANEL+5312)(SI), Z15 \
	VMOVUPS   (SECOND_PANEL+4608)(SI), Z16 \
	VMOVUPS   (SECOND_PANEL+5632)(SI), Z17 \
	SECOND_TOKENS(END) \
	SUBQ      R12, DI

#define FOURTHS_PANELS MIN_PANELS(1)
#define FIFTHS_PANELS MIN_PANELS(2)

#define SIXTHS_PANELS \
	BOTH(BIAS16_BOTH, 40) \
	FOUR(CODES_BOTH, BOTH, 0) \
	BOTH(FIRST_BOTH, 1) \
	BOTH(BIAS16_BOTH, 44) \
	FOUR(CODES_BOTH, BOTH, 4) \
	SCALES_BOTH \
	BOTH(ADD16_BOTH, 1) \
	NEXT4 \
	ADDQ $512, R8 \
	ADDQ $64, R9

#define SIXTHS_PANELS_FINISH \
	SIXTHS_PANEL_FINISH(EACH4) \
	ADDQ    R12, DI \
	VMOVUPS (SECOND_PANEL+4608)(SI), Z16 \
	SECOND_TOKENS(END16) \
	SUBQ    R12, DI

// func gemmQ4_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmQ4_KVNNI(SB), NOSPLIT, $0-48
	GEMM(4, FOURTHS_PANEL, MIN_PANEL_FINISH)

// func gemmQ5_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmQ5_KVNNI(SB), NOSPLIT, $0-48
	GEMM(4, FIFTHS_PANEL, MIN_PANEL_FINISH)

// func gemmQ6_KVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmQ6_KVNNI(SB), NOSPLIT, $0-48
	GEMM(8, SIXTHS_PANEL, SIXTHS_PANEL_FINISH)

// func gemm2Q4_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemm2Q4_KVNNI(SB), NOSPLIT, $0-56
	GEMM2(4, FOURTHS_PANELS, MIN_PANELS_FINISH)

// func gemm2Q5_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemm2Q5_KVNNI(SB), NOSPLIT, $0-56
	GEMM2(4, FIFTHS_PANELS, MIN_PANELS_FINISH)

// func gemm2Q6_KVNNI(out *float32, each int, p *[2]panel8, x *block8, stride, tokens, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemm2Q6_KVNNI(SB), NOSPLIT, $0-56
	GEMM2(8, SIXTHS_PANELS, SIXTHS_PANELS_FINISH)
