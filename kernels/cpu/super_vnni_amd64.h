// Steps that the VNNI loops of super-blocks (superblock.go) share, beside those of
// packed_vnni_amd64.h. A vector is a value of each of 16 rows.
//
// Z0 to Z7 are integer sums of up to eight tokens; Z8 to Z15 those of two groups as words,
// side by side; Z22 to Z29 the sums of a super-block, integers or floats. Z21 has the scales
// of two groups as words.

// The most that the last bits of a sum can make, by their number.
DATA lastBits<>+0(SB)/4, $0
DATA lastBits<>+4(SB)/4, $1
DATA lastBits<>+8(SB)/4, $3
GLOBL lastBits<>(SB), RODATA|NOPTR, $12

// EACHn does a step for n tokens. A step gets a number of its own, the bytes between blocks of
// a token, where its blocks are and its offset there, its three sums, and its offset in out.
#define TOKENS1(STEP, I, W) \
	STEP(I, W, BX, 0, Z0, Z8, Z22, 0)

#define TOKENS2(STEP, I, W) \
	TOKENS1(STEP, I, W) \
	STEP(I, W, BX, 48, Z1, Z9, Z23, 64)

#define TOKENS4(STEP, I, W) \
	TOKENS2(STEP, I, W) \
	STEP(I, W, BX, 96, Z2, Z10, Z24, 128) \
	STEP(I, W, BX, 144, Z3, Z11, Z25, 192)

#define EACH1(STEP, I) TOKENS1(STEP, I, 48)
#define EACH2(STEP, I) TOKENS2(STEP, I, 96)
#define EACH4(STEP, I) TOKENS4(STEP, I, 192)

#define EACH8(STEP, I) \
	EACH4(STEP, I) \
	STEP(I, 192, R13, 0, Z4, Z12, Z26, 256) \
	STEP(I, 192, R13, 48, Z5, Z13, Z27, 320) \
	STEP(I, 192, R13, 96, Z6, Z14, Z28, 384) \
	STEP(I, 192, R13, 144, Z7, Z15, Z29, 448)

// ODD masks the second of each two words.
#define ODD \
	MOVL  $0xaaaaaaaa, R12 \
	KMOVD R12, K1

#define CLEAR(I, W, B, X, SUM, WORDS, ALL, AT) VPXORD ALL, ALL, ALL

// Integer sums begin at 0; where their last I bits are to be rounded up, at those; or, at I in
// a block of x, at what makes up for an offset.
#define ZERO(I, W, B, X, SUM, WORDS, ALL, AT) VPXORD SUM, SUM, SUM
#define UP(I, W, B, X, SUM, WORDS, ALL, AT) VPBROADCASTD lastBits<>+(4*I)(SB), SUM
#define BIAS16(I, W, B, X, SUM, WORDS, ALL, AT) VPBROADCASTD (I+X)(B), SUM

// USE and USE_NEXT add the I-th four columns.
#define USE(I, W, B, X, SUM, WORDS, ALL, AT) VPDPBUSD.BCST (4*I+X)(B), Z16, SUM
#define USE_NEXT(I, W, B, X, SUM, WORDS, ALL, AT) VPDPBUSD.BCST (4*I+X)(B), Z17, SUM

// FIRST keeps the sum of the first of two groups, without its last I bits, and SECOND joins
// that of the second, as its second word.
#define FIRST(I, W, B, X, SUM, WORDS, ALL, AT) VPSRAD $I, SUM, WORDS

#define SECOND(I, SUM, WORDS) \
	VPSLLD    $(16-I), SUM, SUM \
	VMOVDQU16 SUM, K1, WORDS

// ADD adds two groups of 32 columns, times scales of the weight and of x.
#define ADD(I, W, B, X, SUM, WORDS, ALL, AT) \
	SECOND(I, SUM, WORDS) \
	VPBROADCASTD (40+X)(B), Z18 \
	VPMULLW      Z18, Z21, Z18 \
	VPDPWSSD     Z18, WORDS, ALL

// ADD16 adds two groups of 16 columns.
#define ADD16(I, W, B, X, SUM, WORDS, ALL, AT) \
	SECOND(I, SUM, WORDS) \
	VPMADDWD         Z21, WORDS, WORDS \
	VCVTDQ2PS        WORDS, WORDS \
	VFMADD231PS.BCST (32+X)(B), WORDS, ALL

// END adds a super-block to out. Z12 to Z15 are mins, Z16 and Z17 the floats; B is behind the
// blocks of x.
#define END(I, W, B, X, SUM, WORDS, ALL, AT) \
	VPXORD           SUM, SUM, SUM \
	VPDPWSSD.BCST    (44+X-7*W)(B), Z12, SUM \
	VPDPWSSD.BCST    (44+X-5*W)(B), Z13, SUM \
	VPDPWSSD.BCST    (44+X-3*W)(B), Z14, SUM \
	VPDPWSSD.BCST    (44+X-W)(B), Z15, SUM \
	VCVTDQ2PS        ALL, ALL \
	VCVTDQ2PS        SUM, SUM \
	VMULPS           Z16, ALL, ALL \
	VFNMADD231PS     Z17, SUM, ALL \
	VMOVUPS          AT(DI), SUM \
	VFMADD231PS.BCST (32+X-W)(B), ALL, SUM \
	VMOVUPS          SUM, AT(DI)

#define END16(I, W, B, X, SUM, WORDS, ALL, AT) \
	VMOVUPS     AT(DI), SUM \
	VFMADD231PS Z16, ALL, SUM \
	VMOVUPS     SUM, AT(DI)
