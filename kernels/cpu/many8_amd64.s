//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"
#include "gemm8_amd64.h"
#include "unpack8_amd64.h"

// Products of packed rows with tiles of four tokens in 8 bits: 32 columns are unpacked to
// memory that stays in the first-level cache, and used by all tiles.
//
// SI is the packed block, R10 its codes, R12 its bytes of scales, R8 the unpacked codes, R9
// their scales, R13 mins, DX x of the first tile, R11 the distance of tiles, AX groups of 32 columns
// left of a block, CX blocks left. Inside a tile: BX x, DI out, R15 tokens left.

VECTOR(words<>, 0x0001000100010001)

// AHEAD prefetches a cache line that will be read soon.
#define AHEAD(OFFSET) PREFETCHT0 (OFFSET+3072)(R10)

#define AHEAD2 \
	AHEAD(0) \
	AHEAD(64)

#define AHEAD3 \
	AHEAD2 \
	AHEAD(128)

#define AHEAD4 \
	AHEAD3 \
	AHEAD(192)

#define AHEAD5 \
	AHEAD4 \
	AHEAD(256)

#define AHEAD6 \
	AHEAD5 \
	AHEAD(320)

#define K_AHEAD \
	AHEAD(-256) \
	AHEAD(-192) \
	AHEAD(-128) \
	AHEAD(-64)

// These begin blocks: with the head of Q4_K or Q5_K, with bytes of scales at AT, with neither.
#define HEAD_BEGIN \
	OPEN_HEAD \
	K_AHEAD

#define BYTES_BEGIN(AT) \
	LEAQ AT(SI), R12 \
	K_AHEAD

#define BYTES_BEGIN32 BYTES_BEGIN(32)
#define BYTES_BEGIN64 BYTES_BEGIN(64)

#define NO_BEGIN

// MANY multiplies blocks of GROUPS times 32 columns, 1<<LOG, whose codes are at CODES: UNPACK
// does 32 columns, with masks LOW and HIGH, and PRODUCTS uses them.
#define MANY(LOG, GROUPS, BEGIN, CODES, LOW, HIGH, AHEADS, UNPACK, PRODUCTS) \
	MOVQ         src+8(FP), SI \
	MOVQ         x+16(FP), DX \
	MOVQ         stride+24(FP), R11 \
	LEAQ         (R11)(R11*2), R11 \
	SHLQ         $4, R11 \
	MOVQ         n+40(FP), CX \
	MOVQ         p+48(FP), R8 \
	SHRQ         $LOG, CX \
block: \
	LEAQ         CODES(SI), R10 \
	BEGIN \
	MOVQ         $GROUPS, AX \
group: \
	AHEADS \
	VPBROADCASTD LOW<>(SB), Y15 \
	VPBROADCASTD HIGH<>(SB), Y14 \
	MOVQ         R8, DI \
	LEAQ         4096(R8), R9 \
	LEAQ         5120(R8), R13 \
	UNPACK \
	LEAQ         4096(R8), R9 \
	LEAQ         5120(R8), R13 \
	VMOVDQU      words<>(SB), Y15 \
	MOVQ         out+0(FP), DI \
	MOVQ         DX, BX \
	MOVQ         tokens+32(FP), R15 \
tile: \
	PRODUCTS \
	ADDQ         R11, BX \
	ADDQ         $256, DI \
	SUBQ         $4, R15 \
	JNZ          tile \
	ADDQ         $192, DX \
	DECQ         AX \
	JNZ          group \
	MOVQ         R10, SI \
	DECQ         CX \
	JNZ          block \
	VZEROUPPER \
	RET

// func manyQ4_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ4_KAVX2(SB), NOSPLIT, $328-64
	MANY(8, 8, HEAD_BEGIN, 256, nibbles, nibbles, AHEAD4, FOURTHS32, MIN_PRODUCTS4)

// func manyQ5_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ5_KAVX2(SB), NOSPLIT, $328-64
	MANY(8, 8, HEAD_BEGIN, 256, nibbles, fifths, AHEAD5, FIFTHS32, FIFTH_MIN_PRODUCTS4)

// func manyQ6_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ6_KAVX2(SB), NOSPLIT, $0-64
	MANY(8, 8, BYTES_BEGIN32, 288, nibbles, sixths, AHEAD6, SIXTHS32, SIXTEEN_PRODUCTS4)

// func manyQ2_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ2_KAVX2(SB), NOSPLIT, $0-64
	MANY(8, 8, BYTES_BEGIN64, 320, pairs, nibbles, AHEAD2, PAIRS32, SIXTEEN_MIN_PRODUCTS4)

// func manyQ3_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ3_KAVX2(SB), NOSPLIT, $0-64
	MANY(8, 8, BYTES_BEGIN32, 320, threes, threes, AHEAD3, THREES32, SIXTEEN_PRODUCTS4)

// func manyTableQ3_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyTableQ3_KAVX2(SB), NOSPLIT, $0-64
	MANY(8, 8, BYTES_BEGIN32, 320, threes, threes, AHEAD3, THREES32_TABLE, WIDE_PRODUCTS4)

// func manyQ4_0AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ4_0AVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 32, nibbles, nibbles, AHEAD4, BLOCK4, OFFSET_PRODUCTS4)

// func manyQ4_1AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ4_1AVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 64, nibbles, nibbles, AHEAD5, BLOCK4_MIN, MIN_PRODUCTS4)

// func manyQ5_0AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ5_0AVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 32, nibbles, fifths, AHEAD5, BLOCK5, OFFSET_PRODUCTS4)

// func manyQ5_1AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ5_1AVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 64, nibbles, fifths, AHEAD6, BLOCK5_MIN, FIFTH_MIN_PRODUCTS4)

// func manyIQ4_NLAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyIQ4_NLAVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 32, nibbles, nibbles, AHEAD4, IQ4_NL32, SIGNED_PRODUCTS4)

// func manyIQ4_XSAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyIQ4_XSAVX2(SB), NOSPLIT, $0-64
	MANY(8, 8, BYTES_BEGIN32, 192, nibbles, nibbles, AHEAD4, IQ4_XS32, SIGNED_PRODUCTS4)

// FACTORS multiplies the scales of unpacked columns, at AT, by those beside the tensor.
#define FACTORS(AT) \
	MOVQ    factors+56(FP), BX \
	VMOVUPS (BX), Y0 \
	VMOVUPS 32(BX), Y1 \
	VMULPS  (4096+AT)(R8), Y0, Y0 \
	VMULPS  (4128+AT)(R8), Y1, Y1 \
	VMOVUPS Y0, (4096+AT)(R8) \
	VMOVUPS Y1, (4128+AT)(R8)

#define NVFP4_TIMES \
	NVFP4_32 \
	FACTORS(0) \
	FACTORS(64)

// func manyNVFP4AVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·manyNVFP4AVX2(SB), NOSPLIT, $0-64
	MANY(5, 1, NO_BEGIN, 32, nibbles, nibbles, AHEAD5, NVFP4_TIMES, SIXTEEN_PRODUCTS4)
