// Steps of unpacking to 8 bits, for 32 columns. DI is at the panel's codes, R9 its
// scales, R13 its mins, SI the packed block, R10 the codes in it, R12 its bytes of scales.
// Y15 masks the low bits of codes, Y14 the high ones.

DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4
DATA fifths<>+0(SB)/4, $0x10101010
GLOBL fifths<>(SB), RODATA|NOPTR, $4
DATA sixths<>+0(SB)/4, $0x30303030
GLOBL sixths<>(SB), RODATA|NOPTR, $4
DATA pairs<>+0(SB)/4, $0x03030303
GLOBL pairs<>(SB), RODATA|NOPTR, $4
DATA threes<>+0(SB)/4, $0x07070707
GLOBL threes<>(SB), RODATA|NOPTR, $4

VECTOR(bits0<>, 0x1111111111111111)
VECTOR(bits1<>, 0x2222222222222222)
VECTOR(bits2<>, 0x4444444444444444)

DATA minus<>+0(SB)/4, $0x80000000
GLOBL minus<>(SB), RODATA|NOPTR, $4

// HALF_SCALES writes d F16 [16] as the scales of a group.
#define HALF_SCALES \
	VCVTPH2PS (SI), Y0 \
	VCVTPH2PS 16(SI), Y1 \
	VMOVUPS   Y0, (R9) \
	VMOVUPS   Y1, 32(R9) \
	ADDQ      $64, R9

// HALF_MINS writes m F16 [16], which is added, as mins.
#define HALF_MINS \
	VBROADCASTSS minus<>(SB), Y2 \
	VCVTPH2PS    32(SI), Y0 \
	VCVTPH2PS    48(SI), Y1 \
	VXORPS       Y2, Y0, Y0 \
	VXORPS       Y2, Y1, Y1 \
	VMOVUPS      Y0, (R13) \
	VMOVUPS      Y1, 32(R13) \
	ADDQ         $64, R13

// OPEN_HEAD begins a block of Q4_K or Q5_K, of whose scales and mins R12 is at those of a group.
#define TO_R12(MIN, LAST, AT, BITS) VMOVDQU BITS, (128*MIN+64*LAST+AT)(R12)

#define OPEN_HEAD \
	HEAD_FRAME(328, R12) \
	SIX_BITS(SI, 0, TO_R12) \
	SIX_BITS(SI, 32, TO_R12)

// HEAD_PAIR writes bytes of dwords at AT(R12) times F16 [16] at HALF(SI).
#define HEAD_PAIR(AT, HALF, DST) \
	VPAND     AT(R12), Y4, Y0 \
	VPAND     (AT+32)(R12), Y4, Y1 \
	VCVTPH2PS HALF(SI), Y2 \
	VCVTPH2PS (HALF+16)(SI), Y3 \
	VCVTDQ2PS Y0, Y0 \
	VCVTDQ2PS Y1, Y1 \
	VMULPS    Y2, Y0, Y0 \
	VMULPS    Y3, Y1, Y1 \
	VMOVUPS   Y0, (DST) \
	VMOVUPS   Y1, 32(DST) \
	ADDQ      $64, DST

// HEAD writes scales and mins of a group.
#define HEAD \
	VPBROADCASTD headByte<>(SB), Y4 \
	HEAD_PAIR(0, 0, R9) \
	HEAD_PAIR(128, 32, R13) \
	NEXT_HEAD(R12)

// SIGNED_SCALES writes i8 [16] at R12 times d F16 [16], SIGNED_SCALES2 the next, too.
#define SIGNED_SCALES \
	VCVTPH2PS (SI), Y2 \
	VCVTPH2PS 16(SI), Y3 \
	SIGNED_TIMES

#define SIGNED_SCALES2 \
	SIGNED_SCALES \
	SIGNED_TIMES

#define SIGNED_TIMES \
	VPMOVSXBD (R12), Y0 \
	VPMOVSXBD 8(R12), Y1 \
	VCVTDQ2PS Y0, Y0 \
	VCVTDQ2PS Y1, Y1 \
	VMULPS    Y2, Y0, Y0 \
	VMULPS    Y3, Y1, Y1 \
	VMOVUPS   Y0, (R9) \
	VMOVUPS   Y1, 32(R9) \
	ADDQ      $64, R9 \
	ADDQ      $16, R12

// SPLIT makes two times four columns of 8 rows from dwords of nibbles.
#define SPLIT(SRC, A, B) \
	VMOVDQU SRC, A \
	VPSRLW  $4, A, B \
	VPAND   Y15, A, A \
	VPAND   Y15, B, B

// NIBBLES writes eight columns.
#define NIBBLES(D) \
	SPLIT((64*D)(R10), Y0, Y2) \
	SPLIT((64*D+32)(R10), Y1, Y3) \
	VMOVDQU Y0, (128*D)(DI) \
	VMOVDQU Y1, (128*D+32)(DI) \
	VMOVDQU Y2, (128*D+64)(DI) \
	VMOVDQU Y3, (128*D+96)(DI)

#define NIBBLES4 \
	NIBBLES(0) \
	NIBBLES(1) \
	NIBBLES(2) \
	NIBBLES(3) \
	ADDQ $256, R10 \
	ADDQ $512, DI

// HIGH joins bits of Y10, Y11 to the codes of four columns.
#define HIGH(SHIFT, BY, A, B) \
	SHIFT(BY, Y10, Y4) \
	SHIFT(BY, Y11, Y5) \
	VPAND Y14, Y4, Y4 \
	VPAND Y14, Y5, Y5 \
	VPOR  Y4, A, A \
	VPOR  Y5, B, B

// WITH_HIGH writes eight columns with bits of Y10, Y11.
#define WITH_HIGH(D, SHIFT0, BY0, SHIFT1, BY1) \
	SPLIT((64*D)(R10), Y0, Y2) \
	SPLIT((64*D+32)(R10), Y1, Y3) \
	HIGH(SHIFT0, BY0, Y0, Y1) \
	HIGH(SHIFT1, BY1, Y2, Y3) \
	VMOVDQU Y0, (128*D)(DI) \
	VMOVDQU Y1, (128*D+32)(DI) \
	VMOVDQU Y2, (128*D+64)(DI) \
	VMOVDQU Y3, (128*D+96)(DI)

// FIFTHS4 writes 32 columns, their fifth bits in front of them.
#define FIFTHS4 \
	VMOVDQU (R10), Y10 \
	VMOVDQU 32(R10), Y11 \
	ADDQ    $64, R10 \
	WITH_HIGH(0, LEFT, 4, LEFT, 3) \
	WITH_HIGH(1, LEFT, 2, LEFT, 1) \
	WITH_HIGH(2, SAME, 0, RIGHT, 1) \
	WITH_HIGH(3, RIGHT, 2, RIGHT, 3) \
	ADDQ    $256, R10 \
	ADDQ    $512, DI

// BLOCK4 and BLOCK5 write a block of Q4_0 and Q5_0, BLOCK4_MIN and BLOCK5_MIN of Q4_1 and
// Q5_1.
#define BLOCK4 \
	HALF_SCALES \
	NIBBLES4

#define BLOCK4_MIN \
	HALF_SCALES \
	HALF_MINS \
	NIBBLES4

#define BLOCK5 \
	HALF_SCALES \
	FIFTHS4

#define BLOCK5_MIN \
	HALF_SCALES \
	HALF_MINS \
	FIFTHS4

// FOURTHS32 and FIFTHS32 write 32 columns of Q4_K and Q5_K.
#define FOURTHS32 \
	HEAD \
	NIBBLES4

#define FIFTHS32 \
	HEAD \
	FIFTHS4

// SIXTHS32 writes 32 columns of Q6_K: low nibbles, then the bits above.
#define SIXTHS32 \
	SIGNED_SCALES2 \
	SIXTHS4

#define SIXTHS4 \
	VMOVDQU 256(R10), Y10 \
	VMOVDQU 288(R10), Y11 \
	WITH_HIGH(0, LEFT, 4, LEFT, 2) \
	WITH_HIGH(1, SAME, 0, RIGHT, 2) \
	VMOVDQU 320(R10), Y10 \
	VMOVDQU 352(R10), Y11 \
	WITH_HIGH(2, LEFT, 4, LEFT, 2) \
	WITH_HIGH(3, SAME, 0, RIGHT, 2) \
	ADDQ    $384, R10

// PAIR_SCALES writes scales and mins of 16 columns of Q2_K: nibbles of u8 [16] at R12 times
// F16 [16]. Y14 masks nibbles.
#define PAIR_SCALES \
	VPMOVZXBD (R12), Y0 \
	VPMOVZXBD 8(R12), Y1 \
	VPSRLD    $4, Y0, Y2 \
	VPSRLD    $4, Y1, Y3 \
	VPAND     Y14, Y0, Y0 \
	VPAND     Y14, Y1, Y1 \
	VCVTDQ2PS Y0, Y0 \
	VCVTDQ2PS Y1, Y1 \
	VCVTDQ2PS Y2, Y2 \
	VCVTDQ2PS Y3, Y3 \
	VCVTPH2PS (SI), Y4 \
	VCVTPH2PS 16(SI), Y5 \
	VCVTPH2PS 32(SI), Y6 \
	VCVTPH2PS 48(SI), Y7 \
	VMULPS    Y4, Y0, Y0 \
	VMULPS    Y5, Y1, Y1 \
	VMULPS    Y6, Y2, Y2 \
	VMULPS    Y7, Y3, Y3 \
	VMOVUPS   Y0, (R9) \
	VMOVUPS   Y1, 32(R9) \
	VMOVUPS   Y2, (R13) \
	VMOVUPS   Y3, 32(R13) \
	ADDQ      $64, R9 \
	ADDQ      $64, R13 \
	ADDQ      $16, R12

// PAIRS writes four columns of 2 bits of Y8, Y9, PAIRS32 32 columns of Q2_K.
#define PAIRS(I, BY) \
	VPSRLW  $(BY), Y8, Y0 \
	VPSRLW  $(BY), Y9, Y1 \
	VPAND   Y15, Y0, Y0 \
	VPAND   Y15, Y1, Y1 \
	VMOVDQU Y0, (64*I)(DI) \
	VMOVDQU Y1, (64*I+32)(DI)

#define PAIRS32 \
	PAIR_SCALES \
	PAIR_SCALES \
	VMOVDQU (R10), Y8 \
	VMOVDQU 32(R10), Y9 \
	PAIRS(0, 0) \
	PAIRS(1, 2) \
	PAIRS(2, 4) \
	PAIRS(3, 6) \
	VMOVDQU 64(R10), Y8 \
	VMOVDQU 96(R10), Y9 \
	PAIRS(4, 0) \
	PAIRS(5, 2) \
	PAIRS(6, 4) \
	PAIRS(7, 6) \
	ADDQ    $128, R10

// WRITE8 writes eight columns: four of Y0, Y1, and four of Y2, Y3.
#define WRITE8(D) \
	VMOVDQU Y0, (128*D)(DI) \
	VMOVDQU Y1, (128*D+32)(DI) \
	VMOVDQU Y2, (128*D+64)(DI) \
	VMOVDQU Y3, (128*D+96)(DI)

// THREES writes eight columns of 3 bits: codes, or what VALUES makes of them.
#define THREES(D, VALUES) \
	SPLIT((64*D)(R10), Y0, Y2) \
	SPLIT((64*D+32)(R10), Y1, Y3) \
	VALUES \
	WRITE8(D)

// FOURTH_BITS joins those of the nibbles of three words to codes of eight columns.
#define FOURTH_BITS(AT, A, B) \
	VMOVDQU AT(R10), A \
	VMOVDQU (AT+64)(R10), Y4 \
	VMOVDQU (AT+128)(R10), Y5 \
	VPSRLW  $3, A, A \
	VPSRLW  $2, Y4, Y4 \
	VPSRLW  $1, Y5, Y5 \
	VPAND   bits0<>(SB), A, A \
	VPAND   bits1<>(SB), Y4, Y4 \
	VPAND   bits2<>(SB), Y5, Y5 \
	VPOR    Y4, A, A \
	VPOR    Y5, A, A \
	VPSRLW  $4, A, B \
	VPAND   Y15, A, A \
	VPAND   Y15, B, B

#define THREES4(VALUES) \
	SIGNED_SCALES2 \
	THREES(0, VALUES) \
	THREES(1, VALUES) \
	THREES(2, VALUES) \
	FOURTH_BITS(0, Y0, Y2) \
	FOURTH_BITS(32, Y1, Y3) \
	VALUES \
	WRITE8(3) \
	ADDQ $192, R10

#define NO_VALUES

// LOOK_UP takes values of the table Y13.
#define LOOK_UP \
	VPSHUFB Y0, Y13, Y0 \
	VPSHUFB Y1, Y13, Y1 \
	VPSHUFB Y2, Y13, Y2 \
	VPSHUFB Y3, Y13, Y3

// THREES32 writes 32 columns of Q3_K, THREES32_TABLE their values, plus 64.
#define THREES32 THREES4(NO_VALUES)

#define THREES32_TABLE \
	VBROADCASTI128 304(SI), Y13 \
	THREES4(LOOK_UP)

// The values of IQ4_NL codes, and those of 4-bit floats, doubled, plus 12.
DATA iq4Codes<>+0(SB)/8, $0xf6eaddcfbfad9881
DATA iq4Codes<>+8(SB)/8, $0x7159453526190d01
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16
DATA e2m1Codes<>+0(SB)/8, $0x181412100f0e0d0c
DATA e2m1Codes<>+8(SB)/8, $0x00040608090a0b0c
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16

// LOOKUP writes eight columns of what the table Y13 has for nibbles.
#define LOOKUP(D) \
	SPLIT((64*D)(R10), Y0, Y2) \
	SPLIT((64*D+32)(R10), Y1, Y3) \
	LOOK_UP \
	WRITE8(D)

#define LOOKUP4 \
	LOOKUP(0) \
	LOOKUP(1) \
	LOOKUP(2) \
	LOOKUP(3) \
	ADDQ $256, R10 \
	ADDQ $512, DI

// Y13 is the table of the values of codes.
#define IQ4_TABLE VBROADCASTI128 iq4Codes<>(SB), Y13
#define E2M1_TABLE VBROADCASTI128 e2m1Codes<>(SB), Y13

// IQ4_NL32, IQ4_XS32 and NVFP4_32 write 32 columns of these types.
#define IQ4_NL32 \
	IQ4_TABLE \
	HALF_SCALES \
	LOOKUP4

#define IQ4_XS32 \
	VBROADCASTI128 160(SI), Y13 \
	SIGNED_SCALES \
	LOOKUP4

#define NVFP4_32 \
	E2M1_TABLE \
	HALF_SCALES \
	LOOKUP(0) \
	LOOKUP(1) \
	LEAQ 160(SI), SI \
	HALF_SCALES \
	LEAQ 32(SI), R10 \
	ADDQ $256, DI \
	LOOKUP(0) \
	LOOKUP(1) \
	ADDQ $128, R10
