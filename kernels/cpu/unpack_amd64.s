//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"

// Unpacking writes panel[k][r] for 16 rows: two vectors a column. DI is the
// panel, SI the packed blocks, CX columns left.

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

// func widenF16AVX2(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
// Requires: AVX, F16C
TEXT ·widenF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	JMP  test

loop:
	VCVTPH2PS (SI), Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

// func widenBF16AVX2(dst *float32, src unsafe.Pointer, n int)
// n is a multiple of 8.
// Requires: AVX2
TEXT ·widenBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	JMP  test

loop:
	VPMOVZXWD (SI), Y0
	VPSLLD    $16, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $16, SI
	ADDQ      $32, DI
	SUBQ      $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

// func narrowF16AVX2(dst unsafe.Pointer, src *float32, n int)
// n is a multiple of 8.
// Requires: AVX, F16C
TEXT ·narrowF16AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	JMP  test

loop:
	VMOVUPS   (SI), Y0
	VCVTPS2PH $0, Y0, (DI)
	ADDQ      $32, SI
	ADDQ      $16, DI
	SUBQ      $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

DATA roundHalf<>+0(SB)/4, $0x7fff
GLOBL roundHalf<>(SB), RODATA|NOPTR, $4
DATA quiet<>+0(SB)/4, $0x400000
GLOBL quiet<>(SB), RODATA|NOPTR, $4

// func unpackBF16AVX2(panel *float32, src unsafe.Pointer, n int)
// n is even.
// Requires: AVX2
TEXT ·unpackBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ     panel+0(FP), DI
	MOVQ     src+8(FP), SI
	MOVQ     n+16(FP), CX
	VPCMPEQD Y4, Y4, Y4
	VPSLLD   $16, Y4, Y4

loop:
	VMOVDQU (SI), Y0
	VMOVDQU 32(SI), Y1
	VPSLLD  $16, Y0, Y2
	VPSLLD  $16, Y1, Y3
	VPAND   Y4, Y0, Y0
	VPAND   Y4, Y1, Y1
	VMOVDQU Y2, (DI)
	VMOVDQU Y3, 32(DI)
	VMOVDQU Y0, 64(DI)
	VMOVDQU Y1, 96(DI)
	ADDQ    $64, SI
	ADDQ    $128, DI
	SUBQ    $2, CX
	JNE     loop
	VZEROUPPER
	RET

// func narrowBF16AVX2(dst unsafe.Pointer, src *float32, n int)
// n is a multiple of 8.
// Requires: AVX2
TEXT ·narrowBF16AVX2(SB), NOSPLIT, $0-24
	MOVQ         dst+0(FP), DI
	MOVQ         src+8(FP), SI
	MOVQ         n+16(FP), CX
	VPCMPEQD     Y4, Y4, Y4
	VPSRLD       $31, Y4, Y4
	VPBROADCASTD roundHalf<>(SB), Y5
	VPBROADCASTD quiet<>(SB), Y6
	JMP          test

loop:
	VMOVUPS      (SI), Y0
	VPSRLD       $16, Y0, Y1
	VPAND        Y4, Y1, Y1
	VPADDD       Y5, Y1, Y1
	VPADDD       Y0, Y1, Y1
	VPOR         Y6, Y0, Y2
	VCMPPS       $3, Y0, Y0, Y3 // NaN
	VBLENDVPS    Y3, Y2, Y1, Y1
	VPSRLD       $16, Y1, Y1
	VEXTRACTI128 $1, Y1, X2
	VPACKUSDW    X2, X1, X1
	VMOVDQU      X1, (DI)
	ADDQ         $32, SI
	ADDQ         $16, DI
	SUBQ         $8, CX

test:
	TESTQ CX, CX
	JNE   loop
	VZEROUPPER
	RET

// BYTE_COLUMN writes byte J of the dwords in Y8, Y9 with the scales Y4, Y5.
#define BYTE_COLUMN(J) \
	VPSLLD    $(24-8*J), Y8, Y0 \
	VPSLLD    $(24-8*J), Y9, Y1 \
	VPSRAD    $24, Y0, Y0 \
	VPSRAD    $24, Y1, Y1 \
	VCVTDQ2PS Y0, Y0 \
	VCVTDQ2PS Y1, Y1 \
	VMULPS    Y4, Y0, Y0 \
	VMULPS    Y5, Y1, Y1 \
	VMOVUPS   Y0, (64*J)(DI) \
	VMOVUPS   Y1, (64*J+32)(DI)

// func unpackQ8_0AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackQ8_0AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

block:
	VCVTPH2PS (SI), Y4
	VCVTPH2PS 16(SI), Y5
	ADDQ      $32, SI
	MOVQ      $8, R8

four:
	VMOVDQU (SI), Y8
	VMOVDQU 32(SI), Y9
	BYTE_COLUMN(0)
	BYTE_COLUMN(1)
	BYTE_COLUMN(2)
	BYTE_COLUMN(3)
	ADDQ    $64, SI
	ADDQ    $256, DI
	DECQ    R8
	JNZ     four
	SUBQ    $32, CX
	JNZ     block
	VZEROUPPER
	RET

// NIBBLE writes column J of a dword, whose bits begin at AT: code * Y4 - Y6,
// code * Y5 - Y7. The codes are in Y8, Y9, the mask in Y12.
#define NIBBLE(J, AT) \
	CODE(AT) \
	AFFINE(J)

#define CODE(AT) \
	VPSRLD $(AT), Y8, Y0 \
	VPSRLD $(AT), Y9, Y1 \
	VPAND  Y12, Y0, Y0 \
	VPAND  Y12, Y1, Y1

#define AFFINE(J) \
	VCVTDQ2PS   Y0, Y0 \
	VCVTDQ2PS   Y1, Y1 \
	VFMSUB213PS Y6, Y4, Y0 \
	VFMSUB213PS Y7, Y5, Y1 \
	VMOVUPS     Y0, (64*J)(DI) \
	VMOVUPS     Y1, (64*J+32)(DI)

#define EIGHT_NIBBLES(BASE, OFFSET) \
	VMOVDQU OFFSET(BASE), Y8 \
	VMOVDQU (OFFSET+32)(BASE), Y9 \
	NIBBLE(0, 0) \
	NIBBLE(1, 8) \
	NIBBLE(2, 16) \
	NIBBLE(3, 24) \
	NIBBLE(4, 4) \
	NIBBLE(5, 12) \
	NIBBLE(6, 20) \
	NIBBLE(7, 28) \
	ADDQ $512, DI

// func unpackQ4_0AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ4_0AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VBROADCASTSS eight<>(SB), Y13

block:
	VCVTPH2PS (SI), Y4
	VCVTPH2PS 16(SI), Y5
	VMULPS    Y13, Y4, Y6
	VMULPS    Y13, Y5, Y7
	EIGHT_NIBBLES(SI, 32)
	EIGHT_NIBBLES(SI, 96)
	EIGHT_NIBBLES(SI, 160)
	EIGHT_NIBBLES(SI, 224)
	ADDQ      $288, SI
	SUBQ      $32, CX
	JNZ       block
	VZEROUPPER
	RET

// K_SCALES makes scales and mins of 32 columns of Q4_K or Q5_K, whose floats are at SI and 6
// bits, bytes of dwords, at R9.
#define TO_R9(MIN, LAST, AT, BITS) VMOVDQU BITS, (128*MIN+64*LAST+AT)(R9)

#define K_HEAD \
	HEAD_FRAME(328, R9) \
	SIX_BITS(SI, 0, TO_R9) \
	SIX_BITS(SI, 32, TO_R9) \
	LEAQ 256(SI), R10 \
	MOVQ $8, R8

#define K_SCALES \
	VPBROADCASTD headByte<>(SB), Y2 \
	VPAND        (R9), Y2, Y4 \
	VPAND        32(R9), Y2, Y5 \
	VPAND        128(R9), Y2, Y6 \
	VPAND        160(R9), Y2, Y7 \
	VCVTDQ2PS    Y4, Y4 \
	VCVTDQ2PS    Y5, Y5 \
	VCVTDQ2PS    Y6, Y6 \
	VCVTDQ2PS    Y7, Y7 \
	VCVTPH2PS    (SI), Y0 \
	VCVTPH2PS    16(SI), Y1 \
	VMULPS       Y0, Y4, Y4 \
	VMULPS       Y1, Y5, Y5 \
	VCVTPH2PS    32(SI), Y0 \
	VCVTPH2PS    48(SI), Y1 \
	VMULPS       Y0, Y6, Y6 \
	VMULPS       Y1, Y7, Y7 \
	NEXT_HEAD(R9)

// func unpackQ4_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ4_KAVX2(SB), NOSPLIT, $328-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12

block:
	K_HEAD

group:
	K_SCALES
	EIGHT_NIBBLES(R10, 0)
	EIGHT_NIBBLES(R10, 64)
	EIGHT_NIBBLES(R10, 128)
	EIGHT_NIBBLES(R10, 192)
	ADDQ $256, R10
	DECQ R8
	JNZ  group
	ADDQ $2304, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// HIGH moves bits of Y10, Y11 to bit 4 and up and joins them to the codes. The
// mask is Y13.
#define HIGH(SHIFT, BY) \
	SHIFT $(BY), Y10, Y2 \
	SHIFT $(BY), Y11, Y3 \
	VPAND Y13, Y2, Y2 \
	VPAND Y13, Y3, Y3 \
	VPOR  Y2, Y0, Y0 \
	VPOR  Y3, Y1, Y1

#define WITH_HIGH(J, AT, SHIFT, BY) \
	CODE(AT) \
	HIGH(SHIFT, BY) \
	AFFINE(J)

// EIGHT_FIFTHS unpacks the dwords at R10 with the low 2 bits of the bytes of
// Y10, Y11 as fifth bits.
#define EIGHT_FIFTHS \
	VMOVDQU (R10), Y8 \
	VMOVDQU 32(R10), Y9 \
	WITH_HIGH(0, 0, VPSLLD, 4) \
	WITH_HIGH(1, 8, VPSRLD, 4) \
	WITH_HIGH(2, 16, VPSRLD, 12) \
	WITH_HIGH(3, 24, VPSRLD, 20) \
	WITH_HIGH(4, 4, VPSLLD, 3) \
	WITH_HIGH(5, 12, VPSRLD, 5) \
	WITH_HIGH(6, 20, VPSRLD, 13) \
	WITH_HIGH(7, 28, VPSRLD, 21) \
	VPSRLD  $2, Y10, Y10 \
	VPSRLD  $2, Y11, Y11 \
	ADDQ    $64, R10 \
	ADDQ    $512, DI

// func unpackQ5_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ5_KAVX2(SB), NOSPLIT, $328-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bit4<>(SB), Y13

block:
	K_HEAD

group:
	K_SCALES
	VMOVDQU (R10), Y10
	VMOVDQU 32(R10), Y11
	ADDQ    $64, R10
	MOVQ    $4, R11

dword:
	EIGHT_FIFTHS
	DECQ    R11
	JNZ     dword
	DECQ    R8
	JNZ     group
	ADDQ    $2816, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

// func unpackQ6_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ6_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bits45<>(SB), Y13
	VBROADCASTSS thirtyTwo<>(SB), Y14

block:
	LEAQ 32(SI), R9
	LEAQ 288(SI), R10
	MOVQ $8, R8

group:
	LEAQ 256(R10), R12
	MOVQ $2, R11

half:
	// 16 columns with one scale: two dwords of low bits, one of high bits.
	VPMOVSXBD (R9), Y4
	VPMOVSXBD 8(R9), Y5
	VCVTDQ2PS Y4, Y4
	VCVTDQ2PS Y5, Y5
	VCVTPH2PS (SI), Y0
	VCVTPH2PS 16(SI), Y1
	VMULPS    Y0, Y4, Y4
	VMULPS    Y1, Y5, Y5
	VMULPS    Y14, Y4, Y6
	VMULPS    Y14, Y5, Y7
	ADDQ      $16, R9
	VMOVDQU   (R12), Y10
	VMOVDQU   32(R12), Y11
	ADDQ      $64, R12
	MOVQ      $2, R13

dword:
	VMOVDQU (R10), Y8
	VMOVDQU 32(R10), Y9
	WITH_HIGH(0, 0, VPSLLD, 4)
	WITH_HIGH(1, 8, VPSRLD, 4)
	WITH_HIGH(2, 16, VPSRLD, 12)
	WITH_HIGH(3, 24, VPSRLD, 20)
	WITH_HIGH(4, 4, VPSLLD, 2)
	WITH_HIGH(5, 12, VPSRLD, 6)
	WITH_HIGH(6, 20, VPSRLD, 14)
	WITH_HIGH(7, 28, VPSRLD, 22)
	VPSRLD  $4, Y10, Y10
	VPSRLD  $4, Y11, Y11
	ADDQ    $64, R10
	ADDQ    $512, DI
	DECQ    R13
	JNZ     dword
	DECQ    R11
	JNZ     half
	MOVQ    R12, R10
	DECQ    R8
	JNZ     group
	ADDQ    $3360, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

DATA signBit<>+0(SB)/4, $0x80000000
GLOBL signBit<>(SB), RODATA|NOPTR, $4
DATA sixteen<>+0(SB)/4, $0x41800000
GLOBL sixteen<>(SB), RODATA|NOPTR, $4
DATA low2<>+0(SB)/4, $3
GLOBL low2<>(SB), RODATA|NOPTR, $4
DATA bits0<>+0(SB)/4, $0x11111111
GLOBL bits0<>(SB), RODATA|NOPTR, $4
DATA bits1<>+0(SB)/4, $0x22222222
GLOBL bits1<>(SB), RODATA|NOPTR, $4
DATA bits2<>+0(SB)/4, $0x44444444
GLOBL bits2<>(SB), RODATA|NOPTR, $4

// HALF_PAIR reads F16 [16].
#define HALF_PAIR(OFFSET, LO, HI) \
	VCVTPH2PS OFFSET(SI), LO \
	VCVTPH2PS (OFFSET+16)(SI), HI

// func unpackQ4_1AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ4_1AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VBROADCASTSS signBit<>(SB), Y13

block:
	HALF_PAIR(0, Y4, Y5)
	HALF_PAIR(32, Y6, Y7)
	VXORPS Y13, Y6, Y6
	VXORPS Y13, Y7, Y7
	EIGHT_NIBBLES(SI, 64)
	EIGHT_NIBBLES(SI, 128)
	EIGHT_NIBBLES(SI, 192)
	EIGHT_NIBBLES(SI, 256)
	ADDQ   $320, SI
	SUBQ   $32, CX
	JNZ    block
	VZEROUPPER
	RET

// func unpackQ5_0AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ5_0AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bit4<>(SB), Y13
	VBROADCASTSS sixteen<>(SB), Y14

block:
	HALF_PAIR(0, Y4, Y5)
	VMULPS  Y14, Y4, Y6
	VMULPS  Y14, Y5, Y7
	VMOVDQU 32(SI), Y10
	VMOVDQU 64(SI), Y11
	LEAQ    96(SI), R10
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	MOVQ    R10, SI
	SUBQ    $32, CX
	JNZ     block
	VZEROUPPER
	RET

// func unpackQ5_1AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ5_1AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low4<>(SB), Y12
	VPBROADCASTD bit4<>(SB), Y13
	VBROADCASTSS signBit<>(SB), Y14

block:
	HALF_PAIR(0, Y4, Y5)
	HALF_PAIR(32, Y6, Y7)
	VXORPS  Y14, Y6, Y6
	VXORPS  Y14, Y7, Y7
	VMOVDQU 64(SI), Y10
	VMOVDQU 96(SI), Y11
	LEAQ    128(SI), R10
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	EIGHT_FIFTHS
	MOVQ    R10, SI
	SUBQ    $32, CX
	JNZ     block
	VZEROUPPER
	RET

// PAIR takes the 2 bits from AT on of the dwords in Y8, Y9.
#define PAIR(AT) \
	VPSRLD $(AT), Y8, Y0 \
	VPSRLD $(AT), Y9, Y1 \
	VPAND  Y12, Y0, Y0 \
	VPAND  Y12, Y1, Y1

#define TWO_BITS(J, AT) \
	PAIR(AT) \
	AFFINE(J)

// func unpackQ2_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, FMA, F16C
TEXT ·unpackQ2_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD low2<>(SB), Y12
	VPBROADCASTD low4<>(SB), Y13

block:
	LEAQ 64(SI), R9
	LEAQ 320(SI), R10
	MOVQ $16, R8

group:
	VPMOVZXBD (R9), Y6
	VPMOVZXBD 8(R9), Y7
	VPAND     Y13, Y6, Y4
	VPAND     Y13, Y7, Y5
	VPSRLD    $4, Y6, Y6
	VPSRLD    $4, Y7, Y7
	VCVTDQ2PS Y4, Y4
	VCVTDQ2PS Y5, Y5
	VCVTDQ2PS Y6, Y6
	VCVTDQ2PS Y7, Y7
	HALF_PAIR(0, Y0, Y1)
	HALF_PAIR(32, Y2, Y3)
	VMULPS    Y0, Y4, Y4
	VMULPS    Y1, Y5, Y5
	VMULPS    Y2, Y6, Y6
	VMULPS    Y3, Y7, Y7
	VMOVDQU   (R10), Y8
	VMOVDQU   32(R10), Y9
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
	ADDQ      $16, R9
	ADDQ      $64, R10
	ADDQ      $1024, DI
	DECQ      R8
	JNZ       group
	ADDQ      $1344, SI
	SUBQ      $256, CX
	JNZ       block
	VZEROUPPER
	RET

// I8_SCALES makes i8 [16] at R9 times F16 [16] at SI.
#define I8_SCALES \
	VPMOVSXBD (R9), Y4 \
	VPMOVSXBD 8(R9), Y5 \
	HALF_PAIR(0, Y0, Y1) \
	VCVTDQ2PS Y4, Y4 \
	VCVTDQ2PS Y5, Y5 \
	VMULPS    Y0, Y4, Y4 \
	VMULPS    Y1, Y5, Y5 \
	ADDQ      $16, R9

// VALUE takes column J, 3 bits from AT on, from the dwords in Y8, Y9 and looks it up in the
// table Y12.
#define VALUE(J, AT) \
	VPSRLD  $(AT), Y8, Y0 \
	VPSRLD  $(AT), Y9, Y1 \
	VPERMPS Y12, Y0, Y0 \
	VPERMPS Y12, Y1, Y1 \
	VMULPS  Y4, Y0, Y0 \
	VMULPS  Y5, Y1, Y1 \
	VMOVUPS Y0, (64*J)(DI) \
	VMOVUPS Y1, (64*J+32)(DI)

#define EIGHT_VALUES \
	VALUE(0, 0) \
	VALUE(1, 8) \
	VALUE(2, 16) \
	VALUE(3, 24) \
	VALUE(4, 4) \
	VALUE(5, 12) \
	VALUE(6, 20) \
	VALUE(7, 28) \
	ADDQ $512, DI

#define THREES(AT) \
	VMOVDQU AT(R10), Y8 \
	VMOVDQU (AT+32)(R10), Y9 \
	EIGHT_VALUES

// FOURTH_BITS joins those of three words.
#define FOURTH_BITS(AT, Y) \
	VMOVDQU AT(R10), Y \
	VMOVDQU (AT+64)(R10), Y0 \
	VMOVDQU (AT+128)(R10), Y1 \
	VPSRLD  $3, Y, Y \
	VPSRLD  $2, Y0, Y0 \
	VPSRLD  $1, Y1, Y1 \
	VPAND   Y13, Y, Y \
	VPAND   Y14, Y0, Y0 \
	VPAND   Y15, Y1, Y1 \
	VPOR    Y0, Y, Y \
	VPOR    Y1, Y, Y

// func unpackQ3_KAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackQ3_KAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD bits0<>(SB), Y13
	VPBROADCASTD bits1<>(SB), Y14
	VPBROADCASTD bits2<>(SB), Y15

block:
	VPMOVSXBD 288(SI), Y12
	VCVTDQ2PS Y12, Y12
	LEAQ      32(SI), R9
	LEAQ      320(SI), R10
	MOVQ      $8, R8

group:
	I8_SCALES
	THREES(0)
	THREES(64)
	I8_SCALES
	THREES(128)
	FOURTH_BITS(0, Y8)
	FOURTH_BITS(32, Y9)
	EIGHT_VALUES
	ADDQ $192, R10
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// The values of IQ4_NL codes, and those of 4-bit floats, doubled.
DATA iq4<>+0(SB)/4, $0xc2fe0000 // -127
DATA iq4<>+4(SB)/4, $0xc2d00000
DATA iq4<>+8(SB)/4, $0xc2a60000
DATA iq4<>+12(SB)/4, $0xc2820000
DATA iq4<>+16(SB)/4, $0xc2440000
DATA iq4<>+20(SB)/4, $0xc20c0000
DATA iq4<>+24(SB)/4, $0xc1b00000
DATA iq4<>+28(SB)/4, $0xc1200000
DATA iq4<>+32(SB)/4, $0x3f800000 // 1
DATA iq4<>+36(SB)/4, $0x41500000
DATA iq4<>+40(SB)/4, $0x41c80000
DATA iq4<>+44(SB)/4, $0x42180000
DATA iq4<>+48(SB)/4, $0x42540000
DATA iq4<>+52(SB)/4, $0x428a0000
DATA iq4<>+56(SB)/4, $0x42b20000
DATA iq4<>+60(SB)/4, $0x42e20000
GLOBL iq4<>(SB), RODATA|NOPTR, $64
DATA e2m1<>+0(SB)/4, $0x00000000 // 0
DATA e2m1<>+4(SB)/4, $0x3f800000
DATA e2m1<>+8(SB)/4, $0x40000000
DATA e2m1<>+12(SB)/4, $0x40400000
DATA e2m1<>+16(SB)/4, $0x40800000
DATA e2m1<>+20(SB)/4, $0x40c00000
DATA e2m1<>+24(SB)/4, $0x41000000
DATA e2m1<>+28(SB)/4, $0x41400000
DATA e2m1<>+32(SB)/4, $0x80000000 // -0
DATA e2m1<>+36(SB)/4, $0xbf800000
DATA e2m1<>+40(SB)/4, $0xc0000000
DATA e2m1<>+44(SB)/4, $0xc0400000
DATA e2m1<>+48(SB)/4, $0xc0800000
DATA e2m1<>+52(SB)/4, $0xc0c00000
DATA e2m1<>+56(SB)/4, $0xc1000000
DATA e2m1<>+60(SB)/4, $0xc1400000
GLOBL e2m1<>(SB), RODATA|NOPTR, $64

// LOOKUP takes column J, 4 bits from AT on, from the dwords in Y8, Y9 and looks
// it up in the table Y12 (codes 0 to 7) and Y13; the code's top bit chooses.
#define LOOKUP(J, AT) \
	VPSRLD    $(AT), Y8, Y0 \
	VPSRLD    $(AT), Y9, Y1 \
	VPSLLD    $(28-AT), Y8, Y2 \
	VPSLLD    $(28-AT), Y9, Y3 \
	VPERMPS   Y12, Y0, Y10 \
	VPERMPS   Y13, Y0, Y0 \
	VPERMPS   Y12, Y1, Y11 \
	VPERMPS   Y13, Y1, Y1 \
	VBLENDVPS Y2, Y0, Y10, Y0 \
	VBLENDVPS Y3, Y1, Y11, Y1 \
	VMULPS    Y4, Y0, Y0 \
	VMULPS    Y5, Y1, Y1 \
	VMOVUPS   Y0, (64*J)(DI) \
	VMOVUPS   Y1, (64*J+32)(DI)

#define EIGHT_LOOKUPS(BASE, OFFSET) \
	VMOVDQU OFFSET(BASE), Y8 \
	VMOVDQU (OFFSET+32)(BASE), Y9 \
	LOOKUP(0, 0) \
	LOOKUP(1, 8) \
	LOOKUP(2, 16) \
	LOOKUP(3, 24) \
	LOOKUP(4, 4) \
	LOOKUP(5, 12) \
	LOOKUP(6, 20) \
	LOOKUP(7, 28) \
	ADDQ $512, DI

// func unpackIQ4_NLAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackIQ4_NLAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVUPS iq4<>+0(SB), Y12
	VMOVUPS iq4<>+32(SB), Y13

block:
	HALF_PAIR(0, Y4, Y5)
	EIGHT_LOOKUPS(SI, 32)
	EIGHT_LOOKUPS(SI, 96)
	EIGHT_LOOKUPS(SI, 160)
	EIGHT_LOOKUPS(SI, 224)
	ADDQ $288, SI
	SUBQ $32, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpackIQ4_XSAVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackIQ4_XSAVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX

block:
	VPMOVSXBD 160(SI), Y12
	VPMOVSXBD 168(SI), Y13
	VCVTDQ2PS Y12, Y12
	VCVTDQ2PS Y13, Y13
	LEAQ      32(SI), R9
	LEAQ      192(SI), R10
	MOVQ      $8, R8

group:
	I8_SCALES
	EIGHT_LOOKUPS(R10, 0)
	EIGHT_LOOKUPS(R10, 64)
	EIGHT_LOOKUPS(R10, 128)
	EIGHT_LOOKUPS(R10, 192)
	ADDQ $256, R10
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpackMXFP4AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2
TEXT ·unpackMXFP4AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVUPS e2m1<>+0(SB), Y12
	VMOVUPS e2m1<>+32(SB), Y13

block:
	VPMOVZXWD (SI), Y4
	VPMOVZXWD 16(SI), Y5
	VPSLLD    $16, Y4, Y4
	VPSLLD    $16, Y5, Y5
	EIGHT_LOOKUPS(SI, 32)
	EIGHT_LOOKUPS(SI, 96)
	EIGHT_LOOKUPS(SI, 160)
	EIGHT_LOOKUPS(SI, 224)
	ADDQ      $288, SI
	SUBQ      $32, CX
	JNZ       block
	VZEROUPPER
	RET

// func unpackNVFP4AVX2(panel *float32, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackNVFP4AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VMOVUPS e2m1<>+0(SB), Y12
	VMOVUPS e2m1<>+32(SB), Y13

block:
	HALF_PAIR(0, Y4, Y5)
	EIGHT_LOOKUPS(SI, 32)
	EIGHT_LOOKUPS(SI, 96)
	ADDQ $160, SI
	SUBQ $16, CX
	JNZ  block
	VZEROUPPER
	RET

DATA e4m3Magnitude<>+0(SB)/4, $0x7f007f00
GLOBL e4m3Magnitude<>(SB), RODATA|NOPTR, $4
DATA e4m3Sign<>+0(SB)/4, $0x80008000
GLOBL e4m3Sign<>(SB), RODATA|NOPTR, $4

// func unpackF8E4M3AVX2(panel *float32, src unsafe.Pointer, n int)
// A code shifted to the place of a half's bits is 2^-8 of its value, but for
// NaN, which is made one.
// Requires: AVX2, F16C
TEXT ·unpackF8E4M3AVX2(SB), NOSPLIT, $0-24
	MOVQ panel+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD e4m3Magnitude<>(SB), Y12
	VPBROADCASTD e4m3Sign<>(SB), Y13

column:
	VPMOVZXBW    (SI), Y0
	VPSLLW       $8, Y0, Y0
	VPAND        Y12, Y0, Y1
	VPAND        Y13, Y0, Y0
	VPCMPEQW     Y12, Y1, Y2
	VPSRLW       $1, Y1, Y1
	VPOR         Y1, Y0, Y0
	VPOR         Y2, Y0, Y0
	VEXTRACTI128 $1, Y0, X1
	VCVTPH2PS    X0, Y0
	VCVTPH2PS    X1, Y1
	VMOVUPS      Y0, (DI)
	VMOVUPS      Y1, 32(DI)
	ADDQ         $16, SI
	ADDQ         $64, DI
	DECQ         CX
	JNZ          column
	VZEROUPPER
	RET

DATA e4m3Half<>+0(SB)/4, $0xbf80bf80
GLOBL e4m3Half<>(SB), RODATA|NOPTR, $4
DATA e4m3Signs<>+0(SB)/4, $0x80808080
GLOBL e4m3Signs<>(SB), RODATA|NOPTR, $4

// HALVES writes a column, with the sign where the highest bit of the exponent is, and
// masked there.
#define HALVES(AT) \
	VPMOVSXBW AT(SI), Y0 \
	VPSLLW    $7, Y0, Y0 \
	VPAND     Y12, Y0, Y0 \
	VMOVDQU   Y0, (2*AT)(DI)

// func halvesF8E4M3AVX2(dst *uint16, src unsafe.Pointer, n int) bool
// The largest code without its sign is NaN's.
// Requires: AVX2
TEXT ·halvesF8E4M3AVX2(SB), NOSPLIT, $0-25
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VPBROADCASTD e4m3Half<>(SB), Y12
	VPBROADCASTD e4m3Signs<>(SB), Y13
	VPXOR        Y2, Y2, Y2
	SUBQ         $2, CX
	JLT          last

two:
	VPOR    (SI), Y13, Y1
	VPMAXUB Y1, Y2, Y2
	HALVES(0)
	HALVES(16)
	ADDQ    $32, SI
	ADDQ    $64, DI
	SUBQ    $2, CX
	JGE     two

last:
	ADDQ $2, CX
	JEQ  end
	VMOVDQU (SI), X1
	VPOR    Y13, Y1, Y1
	VPMAXUB Y1, Y2, Y2
	HALVES(0)

end:
	VPCMPEQB  Y3, Y3, Y3
	VPCMPEQB  Y3, Y2, Y2
	VPMOVMSKB Y2, AX
	TESTL     AX, AX
	SETNE     ret+24(FP)
	VZEROUPPER
	RET

// func scaleAVX2(panel, factors *float32, n int)
// Requires: AVX
TEXT ·scaleAVX2(SB), NOSPLIT, $0-24
	MOVQ    panel+0(FP), DI
	MOVQ    factors+8(FP), SI
	MOVQ    n+16(FP), CX
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3

column:
	VMULPS  (DI), Y2, Y0
	VMULPS  32(DI), Y3, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ    $64, DI
	DECQ    CX
	JNZ     column
	VZEROUPPER
	RET
