// Steps that the VNNI loops share. A vector is a value of each of 16 rows; BX is at
// blocks of x, DI at out.
//
// Z0 to Z3 are integer sums of up to four tokens, Z8 to Z11 their sums of out. Z16 and
// Z17 are codes, without a sign, of four columns each; Z21 scales, Z22 mins. Z28 is
// words of 1. Z18 and Z19 are free.

// EACHn does a step for n tokens. A step gets a number of its own, a token's offset
// in x, its two sums, and its offset in out.
#define EACH1(STEP, I) \
	STEP(I, 0, Z0, Z8, 0)

#define EACH2(STEP, I) \
	EACH1(STEP, I) \
	STEP(I, 48, Z1, Z9, 64)

#define EACH4(STEP, I) \
	EACH2(STEP, I) \
	STEP(I, 96, Z2, Z10, 128) \
	STEP(I, 144, Z3, Z11, 192)

#define LOAD(I, X, SUM, OUT, AT) VMOVUPS AT(DI), OUT
#define STORE(I, X, SUM, OUT, AT) VMOVUPS OUT, AT(DI)

// Integer sums begin at 0; at what makes up for an offset of the codes; or, with
// groups of 16 columns, at its two words.
#define ZERO(I, X, SUM, OUT, AT) VPXORD SUM, SUM, SUM
#define BIAS(I, X, SUM, OUT, AT) VPBROADCASTD (44+X)(BX), SUM
#define BIAS16(I, X, SUM, OUT, AT) \
	VPBROADCASTD (I+X)(BX), SUM \
	VPMADDWD     Z28, SUM, SUM

// USE and USE_NEXT add the I-th four columns.
#define USE(I, X, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(BX), Z16, SUM
#define USE_NEXT(I, X, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(BX), Z17, SUM

// ADD adds integer sums, times scales, to those of out; ADD_MIN takes off mins too,
// times the sum of x, or with number 4 and 8 of its first and second 16 columns; ADD_PLUS
// adds them.
#define ADD(I, X, SUM, OUT, AT) \
	VCVTDQ2PS   SUM, SUM \
	VMULPS.BCST (32+X)(BX), Z21, Z18 \
	VFMADD231PS Z18, SUM, OUT

#define ADD_MIN(I, X, SUM, OUT, AT) \
	ADD(I, X, SUM, OUT, AT) \
	VFNMADD231PS.BCST (36+I+X)(BX), Z22, OUT

#define ADD_PLUS(I, X, SUM, OUT, AT) \
	ADD(I, X, SUM, OUT, AT) \
	VFMADD231PS.BCST (36+X)(BX), Z22, OUT
