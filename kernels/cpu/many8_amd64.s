//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "gemm8_amd64.h"
#include "unpack8_amd64.h"

// Products of packed rows with tiles of four tokens in 8 bits: 32 columns are unpacked to
// memory that stays in the first-level cache, and used by all tiles.
//
// SI is the packed block, R10 its codes, R12 its bytes of scales, R8 the unpacked codes, R9
// their scales, DX x of the first tile, R11 the distance of tiles, AX groups of 32 columns
// left of a block, CX blocks left. Inside a tile: BX x, DI out, R13 tokens left.

VECTOR(words<>, 0x0001000100010001)

// AHEAD prefetches a cache line that will be read soon.
#define AHEAD(OFFSET) PREFETCHT0 (OFFSET+3072)(R10)

#define AHEAD6 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	AHEAD(320)

#define AHEAD3 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128)

// SIXTEEN4 is a half of 32 columns.
#define SIXTEEN4(BIAS_AT, I, SCALES_AT) \
	BIAS4(BIAS_AT) \
	FOUR(MORE4, I) \
	JOIN4 \
	SCALES(SCALES_AT) \
	FINISH4(FINISH)

// MANY multiplies blocks of 256 columns with scales i8 [16 groups, 16] behind d F16 [16]:
// UNPACK does 32 columns, with masks LOW and HIGH.
#define MANY(LOW, HIGH, AHEADS, UNPACK) \
	MOVQ         src+8(FP), SI \
	MOVQ         x+16(FP), DX \
	MOVQ         stride+24(FP), R11 \
	LEAQ         (R11)(R11*2), R11 \
	SHLQ         $4, R11 \
	MOVQ         n+40(FP), CX \
	MOVQ         p+48(FP), R8 \
	SHRQ         $8, CX \
block: \
	LEAQ         32(SI), R12 \
	LEAQ         288(SI), R10 \
	AHEAD(-256) \
	AHEAD(-192) \
	AHEAD(-128) \
	AHEAD(-64) \
	MOVQ         $8, AX \
group: \
	AHEADS \
	VPBROADCASTD LOW<>(SB), Y15 \
	VPBROADCASTD HIGH<>(SB), Y14 \
	MOVQ         R8, DI \
	LEAQ         4096(R8), R9 \
	UNPACK \
	LEAQ         4096(R8), R9 \
	VMOVDQU      words<>(SB), Y15 \
	MOVQ         out+0(FP), DI \
	MOVQ         DX, BX \
	MOVQ         tokens+32(FP), R13 \
tile: \
	SIXTEEN4(40, 0, 0) \
	SIXTEEN4(44, 4, 64) \
	ADDQ         R11, BX \
	ADDQ         $256, DI \
	SUBQ         $4, R13 \
	JNZ          tile \
	ADDQ         $192, DX \
	DECQ         AX \
	JNZ          group \
	MOVQ         R10, SI \
	DECQ         CX \
	JNZ          block \
	VZEROUPPER \
	RET

// func manyQ6_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ6_KAVX2(SB), NOSPLIT, $0-56
	MANY(nibbles, sixths, AHEAD6, SIXTHS32)

// func manyQ3_KAVX2(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8)
// Requires: AVX2, FMA, F16C
TEXT ·manyQ3_KAVX2(SB), NOSPLIT, $0-56
	MANY(pairs, thirds, AHEAD3, THIRDS32)
