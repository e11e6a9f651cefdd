// Steps that the VNNI loops share. A vector is a value of each of 16 rows; BX, and
// R12 for a second tile of four, are at blocks of x, DI at out.
//
// Z0 to Z7 are integer sums of up to eight tokens, Z8 to Z15 their sums of out. Z16
// and Z17 are codes, without a sign, of four columns each; Z21 scales, Z22 mins.
// Z28 is words of 1, Z29 zero. Z18 and Z19 are free. Whatever is read in 512 bits was
// written so.

// EACHn does a step for n tokens. A step gets a number of its own, a token's offset
// in x from a register, its two sums, and its offset in out.
#define EACH1(STEP, I) \
	STEP(I, 0, BX, Z0, Z8, 0)

#define EACH2(STEP, I) \
	EACH1(STEP, I) \
	STEP(I, 48, BX, Z1, Z9, 64)

#define EACH4(STEP, I) \
	EACH2(STEP, I) \
	STEP(I, 96, BX, Z2, Z10, 128) \
	STEP(I, 144, BX, Z3, Z11, 192)

#define EACH8(STEP, I) \
	EACH4(STEP, I) \
	STEP(I, 0, R12, Z4, Z12, 256) \
	STEP(I, 48, R12, Z5, Z13, 320) \
	STEP(I, 96, R12, Z6, Z14, 384) \
	STEP(I, 144, R12, Z7, Z15, 448)

#define LOAD(I, X, B, SUM, OUT, AT) VMOVUPS AT(DI), OUT
#define STORE(I, X, B, SUM, OUT, AT) VMOVUPS OUT, AT(DI)

// Integer sums begin at 0; at what makes up for an offset of the codes; or, with
// groups of 16 columns, at its two words.
#define ZERO(I, X, B, SUM, OUT, AT) VPXORD SUM, SUM, SUM
#define BIAS(I, X, B, SUM, OUT, AT) VPSUBD.BCST (44+X)(B), Z29, SUM
#define BIAS16(I, X, B, SUM, OUT, AT) \
	VPBROADCASTD (I+X)(B), SUM \
	VPMADDWD     Z28, SUM, SUM

// USE and USE_NEXT add the I-th four columns.
#define USE(I, X, B, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(B), Z16, SUM
#define USE_NEXT(I, X, B, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(B), Z17, SUM

// ADD adds integer sums, times scales, to those of out; ADD_MIN takes off mins too,
// times the sum of x.
#define ADD(I, X, B, SUM, OUT, AT) \
	VCVTDQ2PS   SUM, SUM \
	VMULPS.BCST (32+X)(B), Z21, Z18 \
	VFMADD231PS Z18, SUM, OUT

#define ADD_MIN(I, X, B, SUM, OUT, AT) \
	ADD(I, X, B, SUM, OUT, AT) \
	VFNMADD231PS.BCST (36+X)(B), Z22, OUT
