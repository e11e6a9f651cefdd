// A product of a panel in 8 bits with tiles of four tokens, or with one tile of one or two.
// R1 is the panel, R2 x, R0 out, R4 tokens left. Inside a tile: R8 codes, R9 scales, R10 mins,
// R11 x, R13 groups of 32 columns left. V0 to V15 are integer sums of 16 rows of each token,
// V16 to V19 their scales, V28 to V31 their mins, V20 is what a block of x has beside codes.
//
// Who includes this defines, for one token and for four, ZERO, which begins sums, SIXTEEN(AT),
// which adds 16 columns, of which x is at AT, and TOKENS(MIN), which is FINISH of each.

#define ARGUMENTS \
	MOVD out+0(FP), R0 \
	MOVD p+8(FP), R1 \
	MOVD x+16(FP), R2 \
	MOVD stride+24(FP), R3 \
	MOVD tokens+32(FP), R4 \
	MOVD $48, R12 \
	MUL  R12, R3 \
	MUL  R4, R12

#define TILE \
	MOVD R1, R8 \
	ADD  $4096, R1, R9 \
	ADD  $5120, R1, R10 \
	MOVD R2, R11 \
	MOVD n+40(FP), R13 \
	LSR  $5, R13

#define SCALES VLD1.P 64(R9), [V16.S4, V17.S4, V18.S4, V19.S4]
#define MINS VLD1.P 64(R10), [V28.S4, V29.S4, V30.S4, V31.S4]

// ADD8 adds eight rows: sums A and B times scales S and T and that of x to out at AT.
#define ADD8(A, B, S, T, M, N, AT, MIN) \
	SCVTF(A, A) \
	SCVTF(B, B) \
	FMUL(21, S, 20, 0) \
	FMUL(22, T, 20, 0) \
	FLDPQ AT(R0), (F26, F27) \
	FMLAV(26, 21, A) \
	FMLAV(27, 22, B) \
	MIN(26, M) \
	MIN(27, N) \
	FSTPQ (F26, F27), AT(R0)

// FINISH adds all rows of a token, whose sums are A to D and whose block of x is at X.
#define FINISH(A, B, C, D, X, OUT, MIN) \
	LOADQ(20, 11, (X+32)) \
	ADD8(A, B, 16, 17, 28, 29, OUT, MIN) \
	ADD8(C, D, 18, 19, 30, 31, (OUT+32), MIN)

#define NO_MIN(D, M)

// MIN takes off a min times the sum of x, FIRST_MIN and SECOND_MIN times that of 16 columns.
#define MIN(D, M) FMLS(D, M, 20, 1)
#define FIRST_MIN(D, M) FMLS(D, M, 20, 2)
#define SECOND_MIN(D, M) FMLS(D, M, 20, 3)

// GEMM multiplies; GROUP1 and GROUP4 are what is done for 32 columns.
#define GEMM(GROUP1, GROUP4) \
	ARGUMENTS \
	CMP  $4, R4 \
	BGE  four \
one: \
	TILE \
oneGroup: \
	GROUP1 \
	ADD  R12, R11 \
	SUBS $1, R13 \
	BNE  oneGroup \
	ADD  $48, R2 \
	ADD  $64, R0 \
	SUBS $1, R4 \
	BNE  one \
	RET \
four: \
	TILE \
fourGroup: \
	GROUP4 \
	ADD  $192, R11 \
	SUBS $1, R13 \
	BNE  fourGroup \
	ADD  R3, R2 \
	ADD  $256, R0 \
	SUBS $4, R4 \
	BNE  four \
	RET

#define PLAIN1 \
	ZERO1 \
	SIXTEEN1(0) \
	SIXTEEN1(16) \
	SCALES \
	TOKENS1(NO_MIN)

#define PLAIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SIXTEEN4(16) \
	SCALES \
	TOKENS4(NO_MIN)

#define MIN1 \
	ZERO1 \
	SIXTEEN1(0) \
	SIXTEEN1(16) \
	SCALES \
	MINS \
	TOKENS1(MIN)

#define MIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SIXTEEN4(16) \
	SCALES \
	MINS \
	TOKENS4(MIN)

#define HALVES1 \
	ZERO1 \
	SIXTEEN1(0) \
	SCALES \
	TOKENS1(NO_MIN) \
	ZERO1 \
	SIXTEEN1(16) \
	SCALES \
	TOKENS1(NO_MIN)

#define HALVES4 \
	ZERO4 \
	SIXTEEN4(0) \
	SCALES \
	TOKENS4(NO_MIN) \
	ZERO4 \
	SIXTEEN4(16) \
	SCALES \
	TOKENS4(NO_MIN)

#define HALVES_MIN1 \
	ZERO1 \
	SIXTEEN1(0) \
	SCALES \
	MINS \
	TOKENS1(FIRST_MIN) \
	ZERO1 \
	SIXTEEN1(16) \
	SCALES \
	MINS \
	TOKENS1(SECOND_MIN)

#define HALVES_MIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SCALES \
	MINS \
	TOKENS4(FIRST_MIN) \
	ZERO4 \
	SIXTEEN4(16) \
	SCALES \
	MINS \
	TOKENS4(SECOND_MIN)
