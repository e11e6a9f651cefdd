// The loops of gemm8_arm64.h for who defines TOKEN(A, X, I), which adds four columns of 16
// rows, in V16 to V19, times dword I of X, to the sums from A on; it may use V24 to V31. V20
// to V23 are 16 columns of x of each token.

#define ZERO1 \
	ZEROS(0)

#define ZERO4 \
	ZEROS(0) \
	ZEROS(4) \
	ZEROS(8) \
	ZEROS(12)

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

#define TOKENS1(MIN) \
	FINISH(0, 1, 2, 3, 0, 0, MIN)

#define TOKENS4(MIN) \
	FINISH(0, 1, 2, 3, 0, 0, MIN) \
	FINISH(4, 5, 6, 7, 48, 64, MIN) \
	FINISH(8, 9, 10, 11, 96, 128, MIN) \
	FINISH(12, 13, 14, 15, 144, 192, MIN)
