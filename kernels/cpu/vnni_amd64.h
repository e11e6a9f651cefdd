// Steps that the VNNI loops share. A vector is a value of each of 16 rows; BX is at
// blocks of x, R13 at those of the second four tokens of eight, DI at out.
//
// Z0 to Z7 are integer sums of up to eight tokens, Z8 to Z15 their sums of out. Z16 and
// Z17 are codes, without a sign, of four columns each; Z21 scales, Z22 mins. Z18 and Z19 are
// free.

// EACHn does a step for n tokens. A step gets a number of its own, where a token's blocks
// are and its offset there, its two sums, and its offset in out.
#define EACH1(STEP, I) \
	STEP(I, BX, 0, Z0, Z8, 0)

#define EACH2(STEP, I) \
	EACH1(STEP, I) \
	STEP(I, BX, 48, Z1, Z9, 64)

#define EACH4(STEP, I) \
	EACH2(STEP, I) \
	STEP(I, BX, 96, Z2, Z10, 128) \
	STEP(I, BX, 144, Z3, Z11, 192)

#define EACH8(STEP, I) \
	EACH4(STEP, I) \
	STEP(I, R13, 0, Z4, Z12, 256) \
	STEP(I, R13, 48, Z5, Z13, 320) \
	STEP(I, R13, 96, Z6, Z14, 384) \
	STEP(I, R13, 144, Z7, Z15, 448)

#define LOAD(I, B, X, SUM, OUT, AT) VMOVUPS AT(DI), OUT
#define STORE(I, B, X, SUM, OUT, AT) VMOVUPS OUT, AT(DI)

// Integer sums begin at 0, or at what makes up for an offset of the codes: for 32 columns,
// or at I for 16.
#define ZERO(I, B, X, SUM, OUT, AT) VPXORD SUM, SUM, SUM
#define BIAS(I, B, X, SUM, OUT, AT) VPBROADCASTD (44+X)(B), SUM
#define BIAS16(I, B, X, SUM, OUT, AT) VPBROADCASTD (I+X)(B), SUM

// USE and USE_NEXT add the I-th four columns.
#define USE(I, B, X, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(B), Z16, SUM
#define USE_NEXT(I, B, X, SUM, OUT, AT) VPDPBUSD.BCST (4*I+X)(B), Z17, SUM

// ADD adds integer sums, times scales, to those of out; ADD_MIN takes off mins too,
// times the sum of x, or with number 4 and 8 of its first and second 16 columns; ADD_PLUS
// adds them.
#define ADD(I, B, X, SUM, OUT, AT) \
	VCVTDQ2PS   SUM, SUM \
	VMULPS.BCST (32+X)(B), Z21, Z18 \
	VFMADD231PS Z18, SUM, OUT

#define ADD_MIN(I, B, X, SUM, OUT, AT) \
	ADD(I, B, X, SUM, OUT, AT) \
	VFNMADD231PS.BCST (36+I+X)(B), Z22, OUT

#define ADD_PLUS(I, B, X, SUM, OUT, AT) \
	ADD(I, B, X, SUM, OUT, AT) \
	VFMADD231PS.BCST (36+X)(B), Z22, OUT
