// A product of a panel in 8 bits with tiles of four tokens, or with one tile of one
// or two. TOKEN(A, X, I), which who includes this defines, adds four columns of 16 rows,
// times dword I of X, to the sums from A on; it may use V24 to V31.
// R1 is the panel, R2 x, R0 out, R4 tokens left. Inside a tile: R8 codes, R9
// scales, R10 mins, R11 x, R13 groups of 32 columns left.
//
// V0 to V15 are integer sums of 16 rows of each token, V16 to V19 codes of four
// columns, then scales; V20 to V23 16 columns of x of each token; V28 to V31 mins.

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

#define ZERO(A, B, C, D) \
	VEOR A.B16, A.B16, A.B16 \
	VEOR B.B16, B.B16, B.B16 \
	VEOR C.B16, C.B16, C.B16 \
	VEOR D.B16, D.B16, D.B16

#define ZERO1 \
	ZERO(V0, V1, V2, V3)

#define ZERO4 \
	ZERO(V0, V1, V2, V3) \
	ZERO(V4, V5, V6, V7) \
	ZERO(V8, V9, V10, V11) \
	ZERO(V12, V13, V14, V15)

#define CODES VLD1.P 64(R8), [V16.B16, V17.B16, V18.B16, V19.B16]

#define COLUMNS1(I) \
	CODES \
	TOKEN(0, 20, I)

#define COLUMNS4(I) \
	CODES \
	TOKEN(0, 20, I) \
	TOKEN(4, 21, I) \
	TOKEN(8, 22, I) \
	TOKEN(12, 23, I)

// SIXTEEN adds 16 columns, of which x is at AT.
#define SIXTEEN1(AT) \
	LOADQ(20, 11, AT) \
	COLUMNS1(0) \
	COLUMNS1(1) \
	COLUMNS1(2) \
	COLUMNS1(3)

#define SIXTEEN4(AT) \
	LOADQ(20, 11, AT) \
	LOADQ(21, 11, (AT+48)) \
	LOADQ(22, 11, (AT+96)) \
	LOADQ(23, 11, (AT+144)) \
	COLUMNS4(0) \
	COLUMNS4(1) \
	COLUMNS4(2) \
	COLUMNS4(3)

#define SCALES VLD1.P 64(R9), [V16.S4, V17.S4, V18.S4, V19.S4]
#define MINS VLD1.P 64(R10), [V28.S4, V29.S4, V30.S4, V31.S4]

// ADD4 adds four rows: sums A times scales S and that of x, in V24, to out at AT.
#define ADD4(A, S, M, AT, MIN) \
	SCVTF(A, A) \
	FMUL(25, S, 24, 0) \
	LOADQ(26, 0, AT) \
	FMLAV(26, 25, A) \
	MIN(M) \
	STOREQ(26, 0, AT)

#define NO_MIN(M)

// MIN takes off a min times the sum of x.
#define MIN(M) FMLS(26, M, 24, 1)

#define FINISH(A, X, OUT, MIN) \
	LOADQ(24, 11, (X+32)) \
	ADD4(A, 16, 28, OUT, MIN) \
	ADD4((A+1), 17, 29, (OUT+16), MIN) \
	ADD4((A+2), 18, 30, (OUT+32), MIN) \
	ADD4((A+3), 19, 31, (OUT+48), MIN)

#define FINISH1(MIN) \
	FINISH(0, 0, 0, MIN)

#define FINISH4(MIN) \
	FINISH(0, 0, 0, MIN) \
	FINISH(4, 48, 64, MIN) \
	FINISH(8, 96, 128, MIN) \
	FINISH(12, 144, 192, MIN)

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
	FINISH1(NO_MIN)

#define PLAIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SIXTEEN4(16) \
	SCALES \
	FINISH4(NO_MIN)

#define MIN1 \
	ZERO1 \
	SIXTEEN1(0) \
	SIXTEEN1(16) \
	SCALES \
	MINS \
	FINISH1(MIN)

#define MIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SIXTEEN4(16) \
	SCALES \
	MINS \
	FINISH4(MIN)

#define HALVES1 \
	ZERO1 \
	SIXTEEN1(0) \
	SCALES \
	FINISH1(NO_MIN) \
	ZERO1 \
	SIXTEEN1(16) \
	SCALES \
	FINISH1(NO_MIN)

#define HALVES4 \
	ZERO4 \
	SIXTEEN4(0) \
	SCALES \
	FINISH4(NO_MIN) \
	ZERO4 \
	SIXTEEN4(16) \
	SCALES \
	FINISH4(NO_MIN)

// FIRST_MIN and SECOND_MIN take off a min times the values of 16 columns.
#define FIRST_MIN(M) FMLS(26, M, 24, 2)
#define SECOND_MIN(M) FMLS(26, M, 24, 3)

#define HALVES_MIN1 \
	ZERO1 \
	SIXTEEN1(0) \
	SCALES \
	MINS \
	FINISH1(FIRST_MIN) \
	ZERO1 \
	SIXTEEN1(16) \
	SCALES \
	MINS \
	FINISH1(SECOND_MIN)

#define HALVES_MIN4 \
	ZERO4 \
	SIXTEEN4(0) \
	SCALES \
	MINS \
	FINISH4(FIRST_MIN) \
	ZERO4 \
	SIXTEEN4(16) \
	SCALES \
	MINS \
	FINISH4(SECOND_MIN)
