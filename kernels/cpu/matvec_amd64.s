//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"

// A matvec multiplies two groups of 16 packed rows with one token. AX and BX
// are the groups, DX is x, DI and SI the results, CX the columns or blocks
// left, R8 those left of the chunk. Y0 to Y3 are the sums of a chunk of 256
// columns, begun at 0 and added to the results at its end, as gemm does.

DATA low4<>+0(SB)/4, $15
GLOBL low4<>(SB), RODATA|NOPTR, $4
DATA bit4<>+0(SB)/4, $16
GLOBL bit4<>(SB), RODATA|NOPTR, $4
DATA bits45<>+0(SB)/4, $48
GLOBL bits45<>(SB), RODATA|NOPTR, $4
DATA eight<>+0(SB)/4, $0x41000000
GLOBL eight<>(SB), RODATA|NOPTR, $4
DATA thirtyTwo<>+0(SB)/4, $0x42000000
GLOBL thirtyTwo<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS \
	MOVQ out0+0(FP), DI \
	MOVQ out1+8(FP), SI \
	MOVQ src0+16(FP), AX \
	MOVQ src1+24(FP), BX \
	MOVQ x+32(FP), DX \
	MOVQ n+40(FP), CX

#define BEGIN_CHUNK \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3

#define END_CHUNK \
	VADDPS  (DI), Y0, Y0 \
	VADDPS  32(DI), Y1, Y1 \
	VADDPS  (SI), Y2, Y2 \
	VADDPS  32(SI), Y3, Y3 \
	VMOVUPS Y0, (DI) \
	VMOVUPS Y1, 32(DI) \
	VMOVUPS Y2, (SI) \
	VMOVUPS Y3, 32(SI)

// COUNT takes up to MAX units off CX into R8.
#define COUNT(MAX) \
	MOVQ    $MAX, R8 \
	CMPQ    CX, R8 \
	CMOVQLT CX, R8 \
	SUBQ    R8, CX

// AHEAD prefetches a cache line of each group.
#define AHEAD(OFFSET) \
	PREFETCHT0 (OFFSET+1024)(AX) \
	PREFETCHT0 (OFFSET+1024)(BX)

// func matvecF32AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX, FMA
TEXT ·matvecF32AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

chunk:
	COUNT(256)
	BEGIN_CHUNK

column:
	AHEAD(0)
	VBROADCASTSS (DX), Y15
	VFMADD231PS  (AX), Y15, Y0
	VFMADD231PS  32(AX), Y15, Y1
	VFMADD231PS  (BX), Y15, Y2
	VFMADD231PS  32(BX), Y15, Y3
	ADDQ         $64, AX
	ADDQ         $64, BX
	ADDQ         $4, DX
	DECQ         R8
	JNZ          column
	END_CHUNK
	TESTQ        CX, CX
	JNZ          chunk
	VZEROUPPER
	RET

// func matvecF16AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX, FMA, F16C
TEXT ·matvecF16AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

chunk:
	COUNT(256)
	BEGIN_CHUNK

column:
	AHEAD(0)
	VBROADCASTSS (DX), Y15
	VCVTPH2PS    (AX), Y4
	VCVTPH2PS    16(AX), Y5
	VCVTPH2PS    (BX), Y6
	VCVTPH2PS    16(BX), Y7
	VFMADD231PS  Y4, Y15, Y0
	VFMADD231PS  Y5, Y15, Y1
	VFMADD231PS  Y6, Y15, Y2
	VFMADD231PS  Y7, Y15, Y3
	ADDQ         $32, AX
	ADDQ         $32, BX
	ADDQ         $4, DX
	DECQ         R8
	JNZ          column
	END_CHUNK
	TESTQ        CX, CX
	JNZ          chunk
	VZEROUPPER
	RET

// PAIR uses two columns of BF16 at SRC: Y15 and Y14 are their x, Y13 masks the second.
#define PAIR(SRC, SUM, T, U) \
	VMOVDQU     SRC, T \
	VPSLLD      $16, T, U \
	VPAND       Y13, T, T \
	VFMADD231PS U, Y15, SUM \
	VFMADD231PS T, Y14, SUM

// func matvecBF16AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// n is even.
// Requires: AVX2, FMA
TEXT ·matvecBF16AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	VPCMPEQD Y13, Y13, Y13
	VPSLLD   $16, Y13, Y13

chunk:
	COUNT(256)
	BEGIN_CHUNK

pair:
	AHEAD(0)
	VBROADCASTSS (DX), Y15
	VBROADCASTSS 4(DX), Y14
	PAIR((AX), Y0, Y4, Y5)
	PAIR(32(AX), Y1, Y6, Y7)
	PAIR((BX), Y2, Y8, Y9)
	PAIR(32(BX), Y3, Y10, Y11)
	ADDQ         $64, AX
	ADDQ         $64, BX
	ADDQ         $8, DX
	SUBQ         $2, R8
	JNZ          pair
	END_CHUNK
	TESTQ        CX, CX
	JNZ          chunk
	VZEROUPPER
	RET

// BYTE_COLUMN takes byte J of dwords.
#define BYTE_COLUMN(SRC, J, DST) \
	VMOVDQU SRC, DST \
	VPSLLD  $(24-8*J), DST, DST \
	VPSRAD  $24, DST, DST

// BYTES uses column J of the dwords at AX and BX with the scales Y4 to Y7.
#define BYTES(J) \
	VBROADCASTSS (4*J)(DX), Y15 \
	BYTE_COLUMN((AX), J, Y8) \
	BYTE_COLUMN(32(AX), J, Y9) \
	BYTE_COLUMN((BX), J, Y10) \
	BYTE_COLUMN(32(BX), J, Y11) \
	VCVTDQ2PS    Y8, Y8 \
	VCVTDQ2PS    Y9, Y9 \
	VCVTDQ2PS    Y10, Y10 \
	VCVTDQ2PS    Y11, Y11 \
	VMULPS       Y4, Y8, Y8 \
	VMULPS       Y5, Y9, Y9 \
	VMULPS       Y6, Y10, Y10 \
	VMULPS       Y7, Y11, Y11 \
	VFMADD231PS  Y8, Y15, Y0 \
	VFMADD231PS  Y9, Y15, Y1 \
	VFMADD231PS  Y10, Y15, Y2 \
	VFMADD231PS  Y11, Y15, Y3

// func matvecQ8_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ8_0AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ $5, CX

chunk:
	COUNT(8)
	BEGIN_CHUNK

block:
	VCVTPH2PS (AX), Y4
	VCVTPH2PS 16(AX), Y5
	VCVTPH2PS (BX), Y6
	VCVTPH2PS 16(BX), Y7
	ADDQ      $32, AX
	ADDQ      $32, BX
	MOVQ      $8, R9

four:
	AHEAD(0)
	BYTES(0)
	BYTES(1)
	BYTES(2)
	BYTES(3)
	ADDQ  $64, AX
	ADDQ  $64, BX
	ADDQ  $16, DX
	DECQ  R9
	JNZ   four
	DECQ  R8
	JNZ   block
	END_CHUNK
	TESTQ CX, CX
	JNZ   chunk
	VZEROUPPER
	RET

// A 4-bit weight is code * scale - min: Y4 to Y7 are the scales of the four
// vectors, Y8 to Y11 the mins, Y12 masks the code, Y15 is x. The mask of the
// first column needs no shift, so each column's dwords are read anew: loads
// are cheaper than registers here.
#define NIBBLE(SRC, AT, SCALE, MIN, SUM, T) \
	VMOVDQU     SRC, T \
	VPSRLD      $(AT), T, T \
	VPAND       Y12, T, T \
	VCVTDQ2PS   T, T \
	VFMSUB213PS MIN, SCALE, T \
	VFMADD231PS T, Y15, SUM

#define NIBBLES(J, AT) \
	VBROADCASTSS (4*J)(DX), Y15 \
	NIBBLE((AX), AT, Y4, Y8, Y0, Y13) \
	NIBBLE(32(AX), AT, Y5, Y9, Y1, Y14) \
	NIBBLE((BX), AT, Y6, Y10, Y2, Y13) \
	NIBBLE(32(BX), AT, Y7, Y11, Y3, Y14)

#define EIGHT_NIBBLES \
	AHEAD(0) \
	NIBBLES(0, 0) \
	NIBBLES(1, 8) \
	NIBBLES(2, 16) \
	NIBBLES(3, 24) \
	NIBBLES(4, 4) \
	NIBBLES(5, 12) \
	NIBBLES(6, 20) \
	NIBBLES(7, 28) \
	ADDQ $64, AX \
	ADDQ $64, BX \
	ADDQ $32, DX

// func matvecQ4_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ4_0AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ         $5, CX
	VPBROADCASTD low4<>(SB), Y12

chunk:
	COUNT(8)
	BEGIN_CHUNK

block:
	VBROADCASTSS eight<>(SB), Y13
	VCVTPH2PS    (AX), Y4
	VCVTPH2PS    16(AX), Y5
	VCVTPH2PS    (BX), Y6
	VCVTPH2PS    16(BX), Y7
	VMULPS       Y13, Y4, Y8
	VMULPS       Y13, Y5, Y9
	VMULPS       Y13, Y6, Y10
	VMULPS       Y13, Y7, Y11
	ADDQ         $32, AX
	ADDQ         $32, BX
	MOVQ         $4, R9

dword:
	EIGHT_NIBBLES
	DECQ  R9
	JNZ   dword
	DECQ  R8
	JNZ   block
	END_CHUNK
	TESTQ CX, CX
	JNZ   chunk
	VZEROUPPER
	RET

// K_HEAD begins blocks of Q4_K or Q5_K, R10 and R11 of the two groups, whose scales and mins are
// at R15 and 256 bytes on.
#define TO_R15(MIN, LAST, AT, BITS) VMOVDQU BITS, (128*MIN+64*LAST+AT)(R15)
#define TO_R15_256(MIN, LAST, AT, BITS) VMOVDQU BITS, (256+128*MIN+64*LAST+AT)(R15)

#define K_HEAD \
	MOVQ AX, R10 \
	MOVQ BX, R11 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	SIX_BITS(R10, 0, TO_R15) \
	SIX_BITS(R10, 32, TO_R15) \
	SIX_BITS(R11, 0, TO_R15_256) \
	SIX_BITS(R11, 32, TO_R15_256) \
	ADDQ $256, AX \
	ADDQ $256, BX \
	XORQ R12, R12

// K_SCALE makes a scale of Q4_K or Q5_K: a byte of dwords AT(R15) * F16.
#define K_SCALE(AT, HALF, T, DST) \
	VPAND     AT(R15)(R12*1), Y15, DST \
	VCVTPH2PS HALF, T \
	VCVTDQ2PS DST, DST \
	VMULPS    T, DST, DST

// K_SCALES reads the scales and mins of 32 columns; R12 is the offset of the group's bytes.
#define K_SCALES \
	VPBROADCASTD headByte<>(SB), Y15 \
	K_SCALE(0, (R10), Y13, Y4) \
	K_SCALE(32, 16(R10), Y14, Y5) \
	K_SCALE(256, (R11), Y13, Y6) \
	K_SCALE(288, 16(R11), Y14, Y7) \
	K_SCALE(128, 32(R10), Y13, Y8) \
	K_SCALE(160, 48(R10), Y14, Y9) \
	K_SCALE(384, 32(R11), Y13, Y10) \
	K_SCALE(416, 48(R11), Y14, Y11) \
	NEXT_HEAD(R12)

// func matvecQ4_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ4_KAVX2(SB), NOSPLIT, $584-48
	ARGUMENTS
	HEAD_FRAME(584, R15)
	VPBROADCASTD low4<>(SB), Y12

chunk:
	BEGIN_CHUNK
	K_HEAD

group:
	K_SCALES
	MOVQ $4, R9

dword:
	EIGHT_NIBBLES
	DECQ R9
	JNZ  dword
	CMPQ R12, $128
	JNE  group
	END_CHUNK
	SUBQ $256, CX
	JNZ  chunk
	VZEROUPPER
	RET

// A weight of Q5_K or Q6_K has more bits in a second array: CODE takes them
// from HIGH at bit 4 and up. The mins are in the frame, Y8 masks the high bits.
#define CODE(SRC, AT, HIGH, SHIFT, BY, SCALE, MIN, SUM, T, U) \
	VMOVDQU     SRC, T \
	VMOVDQU     HIGH, U \
	VPSRLD      $(AT), T, T \
	SHIFT       $(BY), U, U \
	VPAND       Y12, T, T \
	VPAND       Y8, U, U \
	VPOR        U, T, T \
	VCVTDQ2PS   T, T \
	VFMSUB213PS MIN, SCALE, T \
	VFMADD231PS T, Y15, SUM

// CODES uses column J, whose bits begin at AT, of the dwords at AX and BX, with
// high bits at R13 and R14.
#define CODES(J, AT, SHIFT, BY) \
	VBROADCASTSS (4*J)(DX), Y15 \
	CODE((AX), AT, (R13), SHIFT, BY, Y4, min-128(SP), Y0, Y13, Y14) \
	CODE(32(AX), AT, 32(R13), SHIFT, BY, Y5, min-96(SP), Y1, Y9, Y10) \
	CODE((BX), AT, (R14), SHIFT, BY, Y6, min-64(SP), Y2, Y13, Y14) \
	CODE(32(BX), AT, 32(R14), SHIFT, BY, Y7, min-32(SP), Y3, Y9, Y10)

#define NEXT_DWORD \
	ADDQ $64, AX \
	ADDQ $64, BX \
	ADDQ $32, DX

// func matvecQ5_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ5_KAVX2(SB), NOSPLIT, $712-48
	ARGUMENTS
	HEAD_FRAME(712, R15)
	VPBROADCASTD low4<>(SB), Y12

chunk:
	BEGIN_CHUNK
	K_HEAD

group:
	K_SCALES
	VMOVUPS Y8, min-128(SP)
	VMOVUPS Y9, min-96(SP)
	VMOVUPS Y10, min-64(SP)
	VMOVUPS Y11, min-32(SP)
	VPBROADCASTD bit4<>(SB), Y8
	MOVQ    AX, R13
	MOVQ    BX, R14
	AHEAD(0)
	ADDQ    $64, AX
	ADDQ    $64, BX
	AHEAD(0)
	CODES(0, 0, VPSLLD, 4)
	CODES(1, 8, VPSRLD, 4)
	CODES(2, 16, VPSRLD, 12)
	CODES(3, 24, VPSRLD, 20)
	CODES(4, 4, VPSLLD, 3)
	CODES(5, 12, VPSRLD, 5)
	CODES(6, 20, VPSRLD, 13)
	CODES(7, 28, VPSRLD, 21)
	NEXT_DWORD
	AHEAD(0)
	CODES(0, 0, VPSLLD, 2)
	CODES(1, 8, VPSRLD, 6)
	CODES(2, 16, VPSRLD, 14)
	CODES(3, 24, VPSRLD, 22)
	CODES(4, 4, VPSLLD, 1)
	CODES(5, 12, VPSRLD, 7)
	CODES(6, 20, VPSRLD, 15)
	CODES(7, 28, VPSRLD, 23)
	NEXT_DWORD
	AHEAD(0)
	CODES(0, 0, VPSLLD, 0)
	CODES(1, 8, VPSRLD, 8)
	CODES(2, 16, VPSRLD, 16)
	CODES(3, 24, VPSRLD, 24)
	CODES(4, 4, VPSRLD, 1)
	CODES(5, 12, VPSRLD, 9)
	CODES(6, 20, VPSRLD, 17)
	CODES(7, 28, VPSRLD, 25)
	NEXT_DWORD
	AHEAD(0)
	CODES(0, 0, VPSRLD, 2)
	CODES(1, 8, VPSRLD, 10)
	CODES(2, 16, VPSRLD, 18)
	CODES(3, 24, VPSRLD, 26)
	CODES(4, 4, VPSRLD, 3)
	CODES(5, 12, VPSRLD, 11)
	CODES(6, 20, VPSRLD, 19)
	CODES(7, 28, VPSRLD, 27)
	NEXT_DWORD
	CMPQ R12, $128
	JNE  group
	END_CHUNK
	SUBQ $256, CX
	JNZ  chunk
	VZEROUPPER
	RET

// SIX_SCALE makes scale and min of 16 columns of Q6_K: i8 * F16, and 32 times that.
#define SIX_SCALE(I8, HALF, SCALE, MIN) \
	VPMOVSXBD I8, SCALE \
	VCVTPH2PS HALF, Y13 \
	VCVTDQ2PS SCALE, SCALE \
	VMULPS    Y13, SCALE, SCALE \
	VMULPS    Y11, SCALE, Y14 \
	VMOVUPS   Y14, MIN

// SIXTEEN uses two dwords of low bits and one of high bits.
#define SIXTEEN \
	SIX_SCALE(32(R10)(R12*1), (R10), Y4, min-128(SP)) \
	SIX_SCALE(40(R10)(R12*1), 16(R10), Y5, min-96(SP)) \
	SIX_SCALE(32(R11)(R12*1), (R11), Y6, min-64(SP)) \
	SIX_SCALE(40(R11)(R12*1), 16(R11), Y7, min-32(SP)) \
	ADDQ $16, R12 \
	AHEAD(0) \
	CODES(0, 0, VPSLLD, 4) \
	CODES(1, 8, VPSRLD, 4) \
	CODES(2, 16, VPSRLD, 12) \
	CODES(3, 24, VPSRLD, 20) \
	CODES(4, 4, VPSLLD, 2) \
	CODES(5, 12, VPSRLD, 6) \
	CODES(6, 20, VPSRLD, 14) \
	CODES(7, 28, VPSRLD, 22) \
	NEXT_DWORD \
	AHEAD(0) \
	CODES(0, 0, VPSLLD, 0) \
	CODES(1, 8, VPSRLD, 8) \
	CODES(2, 16, VPSRLD, 16) \
	CODES(3, 24, VPSRLD, 24) \
	CODES(4, 4, VPSRLD, 2) \
	CODES(5, 12, VPSRLD, 10) \
	CODES(6, 20, VPSRLD, 18) \
	CODES(7, 28, VPSRLD, 26) \
	NEXT_DWORD

// func matvecQ6_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ6_KAVX2(SB), NOSPLIT, $128-48
	ARGUMENTS
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bits45<>(SB), Y8
	VBROADCASTSS thirtyTwo<>(SB), Y11

chunk:
	BEGIN_CHUNK
	MOVQ AX, R10
	MOVQ BX, R11
	AHEAD(0)
	AHEAD(64)
	AHEAD(128)
	AHEAD(192)
	ADDQ $288, AX
	ADDQ $288, BX
	XORQ R12, R12

group:
	LEAQ 256(AX), R13
	LEAQ 256(BX), R14
	AHEAD(256)
	AHEAD(320)
	SIXTEEN
	ADDQ $64, R13
	ADDQ $64, R14
	SIXTEEN
	ADDQ $128, AX
	ADDQ $128, BX
	CMPQ R12, $256
	JNE  group
	END_CHUNK
	SUBQ $256, CX
	JNZ  chunk
	VZEROUPPER
	RET

// notNumber is the float of a half with all bits set.
DATA notNumber<>+0(SB)/4, $0xffffe000
GLOBL notNumber<>(SB), RODATA|NOPTR, $4
VECTOR(bytes80<>, 0x8080808080808080)
VECTOR(wordsBF80<>, 0xbf80bf80bf80bf80)

// TWO_COLUMNS makes two columns of codes, in Y8, halves, 2^-8 of their value: an
// arithmetic shift by one puts all bits of the upper byte of a word in their places but
// for the highest of the exponent, which is 0. They go to AT(SP), rows 0 to 7 of both
// columns, then rows 8 to 15: from memory they are converted twice as fast. NaNs are ff in
// LARGEST.
#define TWO_COLUMNS(LARGEST, AT) \
	VPUNPCKLBW Y8, Y8, Y9 \
	VPUNPCKHBW Y8, Y8, Y10 \
	VPOR       bytes80<>(SB), Y8, Y8 \
	VPMAXUB    Y8, LARGEST, LARGEST \
	VPSRAW     $1, Y9, Y9 \
	VPSRAW     $1, Y10, Y10 \
	VPAND      Y12, Y9, Y9 \
	VPAND      Y12, Y10, Y10 \
	VMOVDQU    Y9, halves-AT(SP) \
	VMOVDQU    Y10, halves-(AT-32)(SP)

// LOST makes masks Y9 and Y10 of the rows that had a NaN, and Y15 one for LOSE.
#define LOST(LARGEST, XLARGEST) \
	VPCMPEQB     X10, X10, X10 \
	VEXTRACTI128 $1, LARGEST, X8 \
	VPMAXUB      X8, XLARGEST, X8 \
	VPCMPEQB     X10, X8, X8 \
	VPMOVSXBD    X8, Y9 \
	VPSRLDQ      $8, X8, X8 \
	VPMOVSXBD    X8, Y10 \
	VBROADCASTSS notNumber<>(SB), Y15

#define LOSE(LO, HI) \
	VBLENDVPS Y9, Y15, LO, LO \
	VBLENDVPS Y10, Y15, HI, HI

// F8 is the loop over columns, two at a time. LARGEST0 and LARGEST1 are those of the
// groups, BEGIN begins the sums of a chunk, USE_COLUMN uses a column, and END0 and END1
// are done with what the rows of the groups lost.
#define F8(LARGEST0, X0, LARGEST1, X1, BEGIN, USE_COLUMN, END0, END1) \
	ARGUMENTS \
	LEAQ    (CX*4), R13 \
	VMOVDQU wordsBF80<>(SB), Y12 \
chunk: \
	COUNT(256) \
	BEGIN \
	VPXOR   LARGEST0, LARGEST0, LARGEST0 \
	VPXOR   LARGEST1, LARGEST1, LARGEST1 \
	SUBQ    $2, R8 \
	JLT     last \
two: \
	AHEAD(0) \
	VMOVDQU (AX), Y8 \
	TWO_COLUMNS(LARGEST0, 128) \
	VMOVDQU (BX), Y8 \
	TWO_COLUMNS(LARGEST1, 64) \
	USE_COLUMN(0, 0) \
	USE_COLUMN(16, 4) \
	ADDQ    $32, AX \
	ADDQ    $32, BX \
	ADDQ    $8, DX \
	SUBQ    $2, R8 \
	JGE     two \
last: \
	ADDQ    $2, R8 \
	JEQ     end \
	VMOVDQU (AX), X8 \
	TWO_COLUMNS(LARGEST0, 128) \
	VMOVDQU (BX), X8 \
	TWO_COLUMNS(LARGEST1, 64) \
	USE_COLUMN(0, 0) \
end: \
	LOST(LARGEST0, X0) \
	END0 \
	LOST(LARGEST1, X1) \
	END1 \
	TESTQ   CX, CX \
	JNZ     chunk \
	VZEROUPPER \
	RET

#define USE_ONE(AT, X) \
	VBROADCASTSS X(DX), Y15 \
	VCVTPH2PS    halves-(128-AT)(SP), Y8 \
	VCVTPH2PS    halves-(96-AT)(SP), Y9 \
	VCVTPH2PS    halves-(64-AT)(SP), Y10 \
	VCVTPH2PS    halves-(32-AT)(SP), Y11 \
	VFMADD231PS  Y8, Y15, Y0 \
	VFMADD231PS  Y9, Y15, Y1 \
	VFMADD231PS  Y10, Y15, Y2 \
	VFMADD231PS  Y11, Y15, Y3

#define END_ONE \
	LOSE(Y2, Y3) \
	END_CHUNK

// func matvecF8E4M3AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecF8E4M3AVX2(SB), NOSPLIT, $128-48
	F8(Y4, X4, Y5, X5, BEGIN_CHUNK, USE_ONE, LOSE(Y0, Y1), END_ONE)

// With two tokens Y4 to Y7 are sums of the second, R13 the distance of its x.
#define BEGIN_BOTH \
	BEGIN_CHUNK \
	VXORPS Y4, Y4, Y4 \
	VXORPS Y5, Y5, Y5 \
	VXORPS Y6, Y6, Y6 \
	VXORPS Y7, Y7, Y7

#define HALF_BOTH(AT, FIRST, SECOND) \
	VCVTPH2PS   halves-AT(SP), Y8 \
	VFMADD231PS Y8, Y15, FIRST \
	VFMADD231PS Y8, Y14, SECOND

#define USE_BOTH(AT, X) \
	VBROADCASTSS X(DX), Y15 \
	VBROADCASTSS X(DX)(R13*1), Y14 \
	HALF_BOTH((128-AT), Y0, Y4) \
	HALF_BOTH((96-AT), Y1, Y5) \
	HALF_BOTH((64-AT), Y2, Y6) \
	HALF_BOTH((32-AT), Y3, Y7)

#define ADD_BOTH(OUT, A, B, C, D) \
	VADDPS  (OUT), A, A \
	VADDPS  32(OUT), B, B \
	VADDPS  64(OUT), C, C \
	VADDPS  96(OUT), D, D \
	VMOVUPS A, (OUT) \
	VMOVUPS B, 32(OUT) \
	VMOVUPS C, 64(OUT) \
	VMOVUPS D, 96(OUT)

#define END_BOTH(OUT, A, B, C, D) \
	LOSE(A, B) \
	LOSE(C, D) \
	ADD_BOTH(OUT, A, B, C, D)

// func matvec2F8E4M3AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvec2F8E4M3AVX2(SB), NOSPLIT, $128-48
	F8(Y11, X11, Y13, X13, BEGIN_BOTH, USE_BOTH, END_BOTH(DI, Y0, Y1, Y4, Y5), END_BOTH(SI, Y2, Y3, Y6, Y7))

VECTOR(low2s<>, 0x0000000300000003)
VECTOR(low4s<>, 0x0000000f0000000f)

// TWO_SCALES makes scales and mins of 16 columns of Q2_K: nibbles of the bytes BYTES
// behind the group's times the halves at BLOCK.
#define TWO_SCALES(BLOCK, BYTES, HALVES, S, M) \
	VPMOVZXBD (64+BYTES)(BLOCK)(R12*1), M \
	VPAND     low4s<>(SB), M, S \
	VPSRLD    $4, M, M \
	VCVTDQ2PS S, S \
	VCVTDQ2PS M, M \
	VCVTPH2PS HALVES(BLOCK), Y13 \
	VCVTPH2PS (HALVES+32)(BLOCK), Y14 \
	VMULPS    Y13, S, S \
	VMULPS    Y14, M, M

// TWO_CODES uses the 2 bits from AT on of some dwords.
#define TWO_CODES(DWORDS, AT, SCALE, MIN, T, SUM) \
	VMOVDQU     DWORDS, T \
	VPSRLD      $(AT), T, T \
	VPAND       low2s<>(SB), T, T \
	VCVTDQ2PS   T, T \
	VFMSUB213PS MIN, SCALE, T \
	VFMADD231PS T, Y15, SUM

// TWO_BITS uses column J of 16.
#define TWO_BITS(J, AT) \
	VBROADCASTSS (4*J)(DX), Y15 \
	TWO_CODES((AX), AT, Y4, Y8, Y12, Y0) \
	TWO_CODES(32(AX), AT, Y5, Y9, Y13, Y1) \
	TWO_CODES((BX), AT, Y6, Y10, Y14, Y2) \
	TWO_CODES(32(BX), AT, Y7, Y11, Y12, Y3)

// func matvecQ2_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvecQ2_KAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

chunk:
	BEGIN_CHUNK
	MOVQ AX, R10
	MOVQ BX, R11
	AHEAD(0)
	AHEAD(64)
	AHEAD(128)
	AHEAD(192)
	AHEAD(256)
	ADDQ $320, AX
	ADDQ $320, BX
	XORQ R12, R12

group:
	TWO_SCALES(R10, 0, 0, Y4, Y8)
	TWO_SCALES(R10, 8, 16, Y5, Y9)
	TWO_SCALES(R11, 0, 0, Y6, Y10)
	TWO_SCALES(R11, 8, 16, Y7, Y11)
	AHEAD(0)
	TWO_BITS(0, 0)
	TWO_BITS(1, 8)
	TWO_BITS(2, 16)
	TWO_BITS(3, 24)
	TWO_BITS(4, 2)
	TWO_BITS(5, 10)
	TWO_BITS(6, 18)
	TWO_BITS(7, 26)
	TWO_BITS(8, 4)
	TWO_BITS(9, 12)
	TWO_BITS(10, 20)
	TWO_BITS(11, 28)
	TWO_BITS(12, 6)
	TWO_BITS(13, 14)
	TWO_BITS(14, 22)
	TWO_BITS(15, 30)
	ADDQ $64, AX
	ADDQ $64, BX
	ADDQ $64, DX
	ADDQ $16, R12
	CMPQ R12, $256
	JNE  group
	END_CHUNK
	SUBQ $256, CX
	JNZ  chunk
	VZEROUPPER
	RET
