// Products of 32 columns of a panel in 8 bits with a tile of four tokens, or with one.
// R8 is at codes, R9 at scales, R13 at mins, BX at x, DI at out.
//
// Y0 to Y7 are two vectors of integer sums for each of four tokens: a dword is a
// row, and before the sums of a group are complete it holds two words, of
// columns 0 and 1 of four, and of 2 and 3. Y8 and Y9 are codes of four columns of
// 16 rows. Y15 is words of 1, and Y13 and Y14 are mins.

#define CODES(I) \
	VMOVDQU (64*I)(R8), Y8 \
	VMOVDQU (64*I+32)(R8), Y9

// FIRST begins the sums of a token with four columns, MORE adds four.
#define FIRST(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPMADDUBSW   Y10, Y8, LO \
	VPMADDUBSW   Y10, Y9, HI

#define MORE(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPMADDUBSW   Y10, Y8, Y11 \
	VPMADDUBSW   Y10, Y9, Y12 \
	VPADDW       Y11, LO, LO \
	VPADDW       Y12, HI, HI

#define FIRST4(I) \
	CODES(I) \
	FIRST((4*I)(BX), Y0, Y1) \
	FIRST((4*I+48)(BX), Y2, Y3) \
	FIRST((4*I+96)(BX), Y4, Y5) \
	FIRST((4*I+144)(BX), Y6, Y7)

#define MORE4(I) \
	CODES(I) \
	MORE((4*I)(BX), Y0, Y1) \
	MORE((4*I+48)(BX), Y2, Y3) \
	MORE((4*I+96)(BX), Y4, Y5) \
	MORE((4*I+144)(BX), Y6, Y7)

// BIAS begins the sums of a token with what makes up for codes without sign.
#define BIAS(X, LO, HI) \
	VPBROADCASTD X, LO \
	VMOVDQA      LO, HI

#define BIAS4(AT) \
	BIAS(AT(BX), Y0, Y1) \
	BIAS((AT+48)(BX), Y2, Y3) \
	BIAS((AT+96)(BX), Y4, Y5) \
	BIAS((AT+144)(BX), Y6, Y7)

// SCALES reads the scales of a group, MINS its mins.
#define SCALES(AT) \
	VMOVUPS AT(R9), Y8 \
	VMOVUPS (AT+32)(R9), Y9

#define MINS(AT) \
	VMOVUPS AT(R13), Y13 \
	VMOVUPS (AT+32)(R13), Y14

// JOIN adds the words of each dword.
#define JOIN(LO, HI) \
	VPMADDWD Y15, LO, LO \
	VPMADDWD Y15, HI, HI

#define JOIN4 \
	JOIN(Y0, Y1) \
	JOIN(Y2, Y3) \
	JOIN(Y4, Y5) \
	JOIN(Y6, Y7)

// ADD adds the sums of the token at X, times its scale, to out.
#define ADD(X, LO, HI, OUT) \
	VBROADCASTSS (X+32)(BX), Y10 \
	VCVTDQ2PS    LO, LO \
	VCVTDQ2PS    HI, HI \
	VMULPS       Y8, Y10, Y11 \
	VMULPS       Y9, Y10, Y12 \
	VFMADD213PS  OUT(DI), Y11, LO \
	VFMADD213PS  (OUT+32)(DI), Y12, HI

#define STORE(LO, HI, OUT) \
	VMOVUPS LO, OUT(DI) \
	VMOVUPS HI, (OUT+32)(DI)

#define FINISH(X, LO, HI, OUT) \
	ADD(X, LO, HI, OUT) \
	STORE(LO, HI, OUT)

// FINISH_MIN takes off the mins too, times the sum of x; FINISH_FIRST and FINISH_SECOND
// times those of the first and of the second 16 columns.
#define FINISH_MIN_OF(AT, X, LO, HI, OUT) \
	ADD(X, LO, HI, OUT) \
	VBROADCASTSS (X+AT)(BX), Y10 \
	VFNMADD231PS Y13, Y10, LO \
	VFNMADD231PS Y14, Y10, HI \
	STORE(LO, HI, OUT)

#define FINISH_MIN(X, LO, HI, OUT) FINISH_MIN_OF(36, X, LO, HI, OUT)
#define FINISH_FIRST(X, LO, HI, OUT) FINISH_MIN_OF(40, X, LO, HI, OUT)
#define FINISH_SECOND(X, LO, HI, OUT) FINISH_MIN_OF(44, X, LO, HI, OUT)

#define FINISH4(WHICH) \
	WHICH(0, Y0, Y1, 0) \
	WHICH(48, Y2, Y3, 64) \
	WHICH(96, Y4, Y5, 128) \
	WHICH(144, Y6, Y7, 192)

// EIGHT uses a macro for the first of all eight fours of columns and
// another for those that follow.
#define EIGHT(BEGIN, THEN) \
	BEGIN(0) \
	THEN(1) \
	THEN(2) \
	THEN(3) \
	THEN(4) \
	THEN(5) \
	THEN(6) \
	THEN(7)

// FOUR is the first or second half of EIGHT.
#define FOUR(THEN, I) \
	THEN(I) \
	THEN((I+1)) \
	THEN((I+2)) \
	THEN((I+3))

// GIVE_BACK adds what the bias took off.
#define GIVE_BACK(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPSUBD       Y10, LO, LO \
	VPSUBD       Y10, HI, HI

// Products of 32 columns with four tokens.

#define OFFSET_PRODUCTS4 \
	BIAS4(40) \
	EIGHT(MORE4, MORE4) \
	JOIN4 \
	SCALES(0) \
	FINISH4(FINISH)

#define MIN_PRODUCTS4 \
	EIGHT(FIRST4, MORE4) \
	JOIN4 \
	SCALES(0) \
	MINS(0) \
	FINISH4(FINISH_MIN)

#define FIFTH_MIN_PRODUCTS4 \
	BIAS4(40) \
	EIGHT(MORE4, MORE4) \
	JOIN4 \
	GIVE_BACK(44(BX), Y0, Y1) \
	GIVE_BACK(92(BX), Y2, Y3) \
	GIVE_BACK(140(BX), Y4, Y5) \
	GIVE_BACK(188(BX), Y6, Y7) \
	SCALES(0) \
	MINS(0) \
	FINISH4(FINISH_MIN)

#define SIXTEEN_PRODUCTS4 \
	BIAS4(40) \
	FOUR(MORE4, 0) \
	JOIN4 \
	SCALES(0) \
	FINISH4(FINISH) \
	BIAS4(44) \
	FOUR(MORE4, 4) \
	JOIN4 \
	SCALES(64) \
	FINISH4(FINISH)

// Codes of 7 bits with an offset of 64, for which the biases are those of 4: the sums of eight
// columns do not fit words, so products of pairs are added as dwords.

#define WIDE_BIAS(LO, HI) \
	JOIN(LO, HI) \
	VPSLLD $4, LO, LO \
	VPSLLD $4, HI, HI

#define WIDE(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPMADDUBSW   Y10, Y8, Y11 \
	VPMADDUBSW   Y10, Y9, Y12 \
	VPMADDWD     Y15, Y11, Y11 \
	VPMADDWD     Y15, Y12, Y12 \
	VPADDD       Y11, LO, LO \
	VPADDD       Y12, HI, HI

#define WIDE4(I) \
	CODES(I) \
	WIDE((4*I)(BX), Y0, Y1) \
	WIDE((4*I+48)(BX), Y2, Y3) \
	WIDE((4*I+96)(BX), Y4, Y5) \
	WIDE((4*I+144)(BX), Y6, Y7)

#define WIDE_BIAS4(AT) \
	BIAS4(AT) \
	WIDE_BIAS(Y0, Y1) \
	WIDE_BIAS(Y2, Y3) \
	WIDE_BIAS(Y4, Y5) \
	WIDE_BIAS(Y6, Y7)

#define WIDE_PRODUCTS4 \
	WIDE_BIAS4(40) \
	FOUR(WIDE4, 0) \
	SCALES(0) \
	FINISH4(FINISH) \
	WIDE_BIAS4(44) \
	FOUR(WIDE4, 4) \
	SCALES(64) \
	FINISH4(FINISH)

// FOUR_FIRST is FOUR, of which the first begins the sums.
#define FOUR_FIRST(BEGIN, THEN, I) \
	BEGIN(I) \
	THEN((I+1)) \
	THEN((I+2)) \
	THEN((I+3))

// HALF_MIN4 is half of 32 columns, the four columns from number I on, with scales and mins
// at AT.
#define HALF_MIN4(I, AT, FINISH) \
	FOUR_FIRST(FIRST4, MORE4, I) \
	JOIN4 \
	SCALES(AT) \
	MINS(AT) \
	FINISH4(FINISH)

#define SIXTEEN_MIN_PRODUCTS4 \
	HALF_MIN4(0, 0, FINISH_FIRST) \
	HALF_MIN4(4, 64, FINISH_SECOND)

// Codes with a sign: x takes it over, and the magnitudes are Y13 and Y14.
#define MAGNITUDES(I) \
	CODES(I) \
	VPABSB Y8, Y13 \
	VPABSB Y9, Y14

#define SIGNED(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPSIGNB      Y8, Y10, Y11 \
	VPSIGNB      Y9, Y10, Y12 \
	VPMADDUBSW   Y11, Y13, Y11 \
	VPMADDUBSW   Y12, Y14, Y12 \
	VPMADDWD     Y15, Y11, Y11 \
	VPMADDWD     Y15, Y12, Y12 \
	VPADDD       Y11, LO, LO \
	VPADDD       Y12, HI, HI

#define SIGNED4(I) \
	MAGNITUDES(I) \
	SIGNED((4*I)(BX), Y0, Y1) \
	SIGNED((4*I+48)(BX), Y2, Y3) \
	SIGNED((4*I+96)(BX), Y4, Y5) \
	SIGNED((4*I+144)(BX), Y6, Y7)

#define ZERO(LO, HI) \
	VPXOR LO, LO, LO \
	VPXOR HI, HI, HI

#define SIGNED_PRODUCTS4 \
	ZERO(Y0, Y1) \
	ZERO(Y2, Y3) \
	ZERO(Y4, Y5) \
	ZERO(Y6, Y7) \
	EIGHT(SIGNED4, SIGNED4) \
	SCALES(0) \
	FINISH4(FINISH)
