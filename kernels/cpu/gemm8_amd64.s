//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "gemm8_amd64.h"

// A product of a panel in 8 bits with tiles of four tokens, or with one tile of
// one or two. SI is the panel, DX x, R11 tokens left. Inside a tile: CX groups of
// 32 columns left, R10 the distance of a token's blocks.

VECTOR(words<>, 0x0001000100010001)

#define ARGUMENTS(WORDS) \
	MOVQ    out+0(FP), DI \
	MOVQ    p+8(FP), SI \
	MOVQ    x+16(FP), DX \
	MOVQ    tokens+32(FP), R11 \
	VMOVDQU words<>(SB), WORDS \
	CMPQ    R11, $4 \
	JGE     four \
	LEAQ    (R11)(R11*2), R10 \
	SHLQ    $4, R10

#define TILE \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	LEAQ 5120(SI), R13 \
	MOVQ DX, BX \
	MOVQ n+40(FP), CX \
	SHRQ $5, CX

// NEXT_GROUP goes on to the next 32 columns.
#define NEXT_GROUP(BYTES, LOOP) \
	ADDQ $512, R8 \
	ADDQ $BYTES, R9 \
	ADDQ $64, R13 \
	DECQ CX \
	JNZ  LOOP

// NEXT_TILE goes on to the next four tokens, NEXT_TOKEN to the next of a tile of
// one or two.
#define NEXT_TILE \
	MOVQ stride+24(FP), R10 \
	LEAQ (R10)(R10*2), R10 \
	SHLQ $4, R10 \
	ADDQ R10, DX \
	ADDQ $256, DI \
	SUBQ $4, R11 \
	JNZ  four \
	VZEROUPPER \
	RET

#define NEXT_TOKEN \
	ADDQ $48, DX \
	ADDQ $64, DI \
	DECQ R11 \
	JNZ  one \
	VZEROUPPER \
	RET

#define FIRST1(I) \
	CODES(I) \
	FIRST((4*I)(BX), Y0, Y1)

#define MORE1(I) \
	CODES(I) \
	MORE((4*I)(BX), Y0, Y1)

// func gemmOffsetAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 5 bits at most with an offset, scales of 32 columns: the sums of 32
// columns fit words once the bias is in.
// Requires: AVX2, FMA
TEXT ·gemmOffsetAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	BIAS(40(BX), Y0, Y1)
	EIGHT(MORE1, MORE1)
	JOIN(Y0, Y1)
	SCALES(0)
	FINISH(0, Y0, Y1, 0)
	ADDQ R10, BX
	NEXT_GROUP(64, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	OFFSET_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(64, fourGroup)
	NEXT_TILE

// func gemmMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 4 bits, scales and mins of 32 columns.
// Requires: AVX2, FMA
TEXT ·gemmMinAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	EIGHT(FIRST1, MORE1)
	JOIN(Y0, Y1)
	SCALES(0)
	MINS(0)
	FINISH_MIN(0, Y0, Y1, 0)
	ADDQ R10, BX
	NEXT_GROUP(64, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	MIN_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(64, fourGroup)
	NEXT_TILE

// func gemmFifthMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 5 bits, scales and mins of 32 columns: an offset keeps the sums of
// words small.
// Requires: AVX2, FMA
TEXT ·gemmFifthMinAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	BIAS(40(BX), Y0, Y1)
	EIGHT(MORE1, MORE1)
	JOIN(Y0, Y1)
	GIVE_BACK(44(BX), Y0, Y1)
	SCALES(0)
	MINS(0)
	FINISH_MIN(0, Y0, Y1, 0)
	ADDQ R10, BX
	NEXT_GROUP(64, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	FIFTH_MIN_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(64, fourGroup)
	NEXT_TILE

// func gemmSixteenAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 6 bits at most with an offset, scales of 16 columns.
// Requires: AVX2, FMA
TEXT ·gemmSixteenAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	BIAS(40(BX), Y0, Y1)
	FOUR(MORE1, 0)
	JOIN(Y0, Y1)
	SCALES(0)
	FINISH(0, Y0, Y1, 0)
	BIAS(44(BX), Y0, Y1)
	FOUR(MORE1, 4)
	JOIN(Y0, Y1)
	SCALES(64)
	FINISH(0, Y0, Y1, 0)
	ADDQ R10, BX
	NEXT_GROUP(128, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	SIXTEEN_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(128, fourGroup)
	NEXT_TILE

#define HALF_MIN1(I, AT, FINISH) \
	FOUR_FIRST(FIRST1, MORE1, I) \
	JOIN(Y0, Y1) \
	SCALES(AT) \
	MINS(AT) \
	FINISH(0, Y0, Y1, 0)

// func gemmSixteenMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 2 bits, scales and mins of 16 columns.
// Requires: AVX2, FMA
TEXT ·gemmSixteenMinAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	HALF_MIN1(0, 0, FINISH_FIRST)
	HALF_MIN1(4, 64, FINISH_SECOND)
	ADDQ R10, BX
	ADDQ $64, R13
	NEXT_GROUP(128, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	SIXTEEN_MIN_PRODUCTS4
	ADDQ $192, BX
	ADDQ $64, R13
	NEXT_GROUP(128, fourGroup)
	NEXT_TILE

#define SIGNED1(I) \
	MAGNITUDES(I) \
	SIGNED((4*I)(BX), Y0, Y1)

// func gemmSignedAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 8 bits, scales of 32 columns. A product of two codes fits 15 bits, so
// a pair of them fits a word.
// Requires: AVX2, FMA
TEXT ·gemmSignedAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	ZERO(Y0, Y1)
	EIGHT(SIGNED1, SIGNED1)
	SCALES(0)
	FINISH(0, Y0, Y1, 0)
	ADDQ R10, BX
	NEXT_GROUP(64, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	SIGNED_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(64, fourGroup)
	NEXT_TILE

#define WIDE1(I) \
	CODES(I) \
	WIDE((4*I)(BX), Y0, Y1)

#define WIDE_HALF1(BIAS_AT, I, SCALES_AT) \
	BIAS(BIAS_AT(BX), Y0, Y1) \
	WIDE_BIAS(Y0, Y1) \
	FOUR(WIDE1, I) \
	SCALES(SCALES_AT) \
	FINISH(0, Y0, Y1, 0)

// func gemmWideAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 7 bits with an offset, scales of 16 columns.
// Requires: AVX2, FMA
TEXT ·gemmWideAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)

one:
	TILE

oneGroup:
	WIDE_HALF1(40, 0, 0)
	WIDE_HALF1(44, 4, 64)
	ADDQ R10, BX
	NEXT_GROUP(128, oneGroup)
	NEXT_TOKEN

four:
	TILE

fourGroup:
	WIDE_PRODUCTS4
	ADDQ $192, BX
	NEXT_GROUP(128, fourGroup)
	NEXT_TILE

// With AVX_VNNI four products are added to 32 bits at once: Y0 to Y7 are whole sums
// from the start.

// VPDPBUSD adds, to register D, codes of register A times x in Y10.
#define VPDPBUSD(A, D) \
	BYTE $0xC4 \
	BYTE $0xC2 \
	BYTE $(((15-A)<<3)|5) \
	BYTE $0x50 \
	BYTE $(0xC2|(D<<3))

#define DOT(X, D) \
	VPBROADCASTD X, Y10 \
	VPDPBUSD(8, D) \
	VPDPBUSD(9, (D+1))

#define DOT4(I) \
	CODES(I) \
	DOT((4*I)(BX), 0) \
	DOT((4*I+48)(BX), 2) \
	DOT((4*I+96)(BX), 4) \
	DOT((4*I+144)(BX), 6)

#define DOT1(I) \
	CODES(I) \
	DOT((4*I)(BX), 0)

#define ZERO4 \
	ZERO(Y0, Y1) \
	ZERO(Y2, Y3) \
	ZERO(Y4, Y5) \
	ZERO(Y6, Y7)

// GEMM is all of a product; GROUP1 and GROUP4 are what is done for 32 columns, BYTES
// their scales.
#define GEMM(GROUP1, GROUP4, BYTES) \
one: \
	TILE \
oneGroup: \
	GROUP1 \
	ADDQ R10, BX \
	NEXT_GROUP(BYTES, oneGroup) \
	NEXT_TOKEN \
four: \
	TILE \
fourGroup: \
	GROUP4 \
	ADDQ $192, BX \
	NEXT_GROUP(BYTES, fourGroup) \
	NEXT_TILE

#define OFFSET1 \
	BIAS(44(BX), Y0, Y1) \
	EIGHT(DOT1, DOT1) \
	SCALES(0) \
	FINISH(0, Y0, Y1, 0)

#define OFFSET4 \
	BIAS4(44) \
	EIGHT(DOT4, DOT4) \
	SCALES(0) \
	FINISH4(FINISH)

// func gemmOffsetAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes with an offset, scales of 32 columns.
// Requires: AVX2, FMA, AVX_VNNI
TEXT ·gemmOffsetAVXVNNI(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)
	GEMM(OFFSET1, OFFSET4, 64)

#define MIN1 \
	ZERO(Y0, Y1) \
	EIGHT(DOT1, DOT1) \
	SCALES(0) \
	MINS(0) \
	FINISH_MIN(0, Y0, Y1, 0)

#define MIN4 \
	ZERO4 \
	EIGHT(DOT4, DOT4) \
	SCALES(0) \
	MINS(0) \
	FINISH4(FINISH_MIN)

// func gemmMinAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes without a sign, scales and mins of 32 columns.
// Requires: AVX2, FMA, AVX_VNNI
TEXT ·gemmMinAVXVNNI(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)
	GEMM(MIN1, MIN4, 64)

#define HALF1(BIAS_AT, I, SCALES_AT) \
	BIAS(BIAS_AT(BX), Y0, Y1) \
	JOIN(Y0, Y1) \
	FOUR(DOT1, I) \
	SCALES(SCALES_AT) \
	FINISH(0, Y0, Y1, 0)

#define HALF4(BIAS_AT, I, SCALES_AT) \
	BIAS4(BIAS_AT) \
	JOIN4 \
	FOUR(DOT4, I) \
	SCALES(SCALES_AT) \
	FINISH4(FINISH)

#define SIXTEEN1 \
	HALF1(40, 0, 0) \
	HALF1(44, 4, 64)

#define SIXTEEN4 \
	HALF4(40, 0, 0) \
	HALF4(44, 4, 64)

// func gemmSixteenAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 6 bits at most with an offset, scales of 16 columns.
// Requires: AVX2, FMA, AVX_VNNI
TEXT ·gemmSixteenAVXVNNI(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)
	GEMM(SIXTEEN1, SIXTEEN4, 128)

#define WIDE_DOT1(BIAS_AT, I, SCALES_AT) \
	BIAS(BIAS_AT(BX), Y0, Y1) \
	WIDE_BIAS(Y0, Y1) \
	FOUR(DOT1, I) \
	SCALES(SCALES_AT) \
	FINISH(0, Y0, Y1, 0)

#define WIDE_DOT4(BIAS_AT, I, SCALES_AT) \
	WIDE_BIAS4(BIAS_AT) \
	FOUR(DOT4, I) \
	SCALES(SCALES_AT) \
	FINISH4(FINISH)

#define WIDE_SIXTEEN1 \
	WIDE_DOT1(40, 0, 0) \
	WIDE_DOT1(44, 4, 64)

#define WIDE_SIXTEEN4 \
	WIDE_DOT4(40, 0, 0) \
	WIDE_DOT4(44, 4, 64)

// func gemmWideAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 7 bits with an offset, scales of 16 columns.
// Requires: AVX2, FMA, AVX_VNNI
TEXT ·gemmWideAVXVNNI(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)
	GEMM(WIDE_SIXTEEN1, WIDE_SIXTEEN4, 128)

#define DOT_MIN1(I, AT, FINISH) \
	ZERO(Y0, Y1) \
	FOUR(DOT1, I) \
	SCALES(AT) \
	MINS(AT) \
	FINISH(0, Y0, Y1, 0)

#define DOT_MIN4(I, AT, FINISH) \
	ZERO4 \
	FOUR(DOT4, I) \
	SCALES(AT) \
	MINS(AT) \
	FINISH4(FINISH)

#define SIXTEEN_MIN1 \
	DOT_MIN1(0, 0, FINISH_FIRST) \
	DOT_MIN1(4, 64, FINISH_SECOND) \
	ADDQ $64, R13

#define SIXTEEN_MIN4 \
	DOT_MIN4(0, 0, FINISH_FIRST) \
	DOT_MIN4(4, 64, FINISH_SECOND) \
	ADDQ $64, R13

// func gemmSixteenMinAVXVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes without a sign, scales and mins of 16 columns.
// Requires: AVX2, FMA, AVX_VNNI
TEXT ·gemmSixteenMinAVXVNNI(SB), NOSPLIT, $0-48
	ARGUMENTS(Y15)
	GEMM(SIXTEEN_MIN1, SIXTEEN_MIN4, 128)
