//go:build !purego

#include "textflag.h"

// Unpacking to 8 bits: DI is the panel's codes, R9 its scales, R13 its mins, SI
// the packed block, R10 the codes in it, CX columns left. Y15 masks the low bits
// of codes, Y14 the high ones.

DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4
DATA fifths<>+0(SB)/4, $0x10101010
GLOBL fifths<>(SB), RODATA|NOPTR, $4
DATA sixths<>+0(SB)/4, $0x30303030
GLOBL sixths<>(SB), RODATA|NOPTR, $4
DATA pairs<>+0(SB)/4, $0x03030303
GLOBL pairs<>(SB), RODATA|NOPTR, $4
DATA thirds<>+0(SB)/4, $0x04040404
GLOBL thirds<>(SB), RODATA|NOPTR, $4
DATA minus<>+0(SB)/4, $0x80000000
GLOBL minus<>(SB), RODATA|NOPTR, $4

// The values of IQ4_NL and IQ4_XS codes, and those of 4-bit floats, doubled, plus 12.
DATA iq4Codes<>+0(SB)/8, $0xf6eaddcfbfad9881
DATA iq4Codes<>+8(SB)/8, $0x7159453526190d01
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16
DATA iq4CodesU<>+0(SB)/8, $0x766a5d4f3f2d1801 // plus 128
DATA iq4CodesU<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL iq4CodesU<>(SB), RODATA|NOPTR, $16
DATA signs<>+0(SB)/4, $0x80808080
GLOBL signs<>(SB), RODATA|NOPTR, $4
DATA e2m1Codes<>+0(SB)/8, $0x181412100f0e0d0c
DATA e2m1Codes<>+8(SB)/8, $0x00040608090a0b0c
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16

#define ARGUMENTS \
	MOVQ p+0(FP), DI \
	MOVQ src+8(FP), SI \
	MOVQ n+16(FP), CX \
	LEAQ 4096(DI), R9 \
	LEAQ 5120(DI), R13

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

// HEAD_PAIR writes u8 [16] at AT(R12) times F16 [16] at HALF(SI).
#define HEAD_PAIR(AT, HALF, DST) \
	VPMOVZXBD AT(R12), Y0 \
	VPMOVZXBD (AT+8)(R12), Y1 \
	VCVTPH2PS HALF(SI), Y2 \
	VCVTPH2PS (HALF+16)(SI), Y3 \
	VCVTDQ2PS Y0, Y0 \
	VCVTDQ2PS Y1, Y1 \
	VMULPS    Y2, Y0, Y0 \
	VMULPS    Y3, Y1, Y1 \
	VMOVUPS   Y0, (DST) \
	VMOVUPS   Y1, 32(DST) \
	ADDQ      $64, DST

// HEAD writes scales and mins of a group of Q4_K or Q5_K; R12 is at the bytes.
#define HEAD \
	HEAD_PAIR(0, 0, R9) \
	HEAD_PAIR(16, 32, R13) \
	ADDQ $32, R12

// SIGNED_SCALES writes i8 [16] at R12 times d F16 [16].
#define SIGNED_SCALES \
	VPMOVSXBD (R12), Y0 \
	VPMOVSXBD 8(R12), Y1 \
	VCVTPH2PS (SI), Y2 \
	VCVTPH2PS 16(SI), Y3 \
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

#define BEGIN4 \
	VPBROADCASTD nibbles<>(SB), Y15

// func unpack8Q4_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q4_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN4

block:
	HALF_SCALES
	LEAQ 32(SI), R10
	NIBBLES4
	MOVQ R10, SI
	SUBQ $32, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpack8Q4_1AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q4_1AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN4

block:
	HALF_SCALES
	HALF_MINS
	LEAQ 64(SI), R10
	NIBBLES4
	MOVQ R10, SI
	SUBQ $32, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpack8Q4_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q4_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN4

block:
	LEAQ 64(SI), R12
	LEAQ 320(SI), R10
	MOVQ $8, R8

group:
	HEAD
	NIBBLES4
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// HIGH joins bits of Y10, Y11 to the codes of four columns.
#define HIGH(SHIFT, BY, A, B) \
	SHIFT $(BY), Y10, Y4 \
	SHIFT $(BY), Y11, Y5 \
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
	WITH_HIGH(0, VPSLLW, 4, VPSLLW, 3) \
	WITH_HIGH(1, VPSLLW, 2, VPSLLW, 1) \
	WITH_HIGH(2, VPSLLW, 0, VPSRLW, 1) \
	WITH_HIGH(3, VPSRLW, 2, VPSRLW, 3) \
	ADDQ    $256, R10 \
	ADDQ    $512, DI

#define BEGIN5 \
	VPBROADCASTD nibbles<>(SB), Y15 \
	VPBROADCASTD fifths<>(SB), Y14

// func unpack8Q5_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q5_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN5

block:
	HALF_SCALES
	LEAQ 32(SI), R10
	FIFTHS4
	MOVQ R10, SI
	SUBQ $32, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpack8Q5_1AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q5_1AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN5

block:
	HALF_SCALES
	HALF_MINS
	LEAQ 64(SI), R10
	FIFTHS4
	MOVQ R10, SI
	SUBQ $32, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpack8Q5_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q5_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN5

block:
	LEAQ 64(SI), R12
	LEAQ 320(SI), R10
	MOVQ $8, R8

group:
	HEAD
	FIFTHS4
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

// func unpack8Q6_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q6_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPBROADCASTD nibbles<>(SB), Y15
	VPBROADCASTD sixths<>(SB), Y14

block:
	LEAQ 32(SI), R12
	LEAQ 288(SI), R10
	MOVQ $8, R8

group:
	SIGNED_SCALES
	SIGNED_SCALES
	VMOVDQU 256(R10), Y10
	VMOVDQU 288(R10), Y11
	WITH_HIGH(0, VPSLLW, 4, VPSLLW, 2)
	WITH_HIGH(1, VPSLLW, 0, VPSRLW, 2)
	VMOVDQU 320(R10), Y10
	VMOVDQU 352(R10), Y11
	WITH_HIGH(2, VPSLLW, 4, VPSLLW, 2)
	WITH_HIGH(3, VPSLLW, 0, VPSRLW, 2)
	ADDQ    $384, R10
	ADDQ    $512, DI
	DECQ    R8
	JNZ     group
	MOVQ    R10, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

// THIRDS writes four columns of 3 bits: the low two of Y8, Y9, the third of Y10, Y11.
#define THIRDS(I, BY2, SHIFT, BY) \
	VPSRLW  $(BY2), Y8, Y0 \
	VPSRLW  $(BY2), Y9, Y1 \
	VPAND   Y15, Y0, Y0 \
	VPAND   Y15, Y1, Y1 \
	HIGH(SHIFT, BY, Y0, Y1) \
	VMOVDQU Y0, (64*I)(DI) \
	VMOVDQU Y1, (64*I+32)(DI)

// func unpack8Q3_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q3_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPBROADCASTD pairs<>(SB), Y15
	VPBROADCASTD thirds<>(SB), Y14

block:
	LEAQ 32(SI), R12
	LEAQ 288(SI), R10
	MOVQ $8, R8

group:
	SIGNED_SCALES
	SIGNED_SCALES
	VMOVDQU (R10), Y10
	VMOVDQU 32(R10), Y11
	VMOVDQU 64(R10), Y8
	VMOVDQU 96(R10), Y9
	THIRDS(0, 0, VPSLLW, 2)
	THIRDS(1, 2, VPSLLW, 1)
	THIRDS(2, 4, VPSLLW, 0)
	THIRDS(3, 6, VPSRLW, 1)
	VMOVDQU 128(R10), Y8
	VMOVDQU 160(R10), Y9
	THIRDS(4, 0, VPSRLW, 2)
	THIRDS(5, 2, VPSRLW, 3)
	THIRDS(6, 4, VPSRLW, 4)
	THIRDS(7, 6, VPSRLW, 5)
	ADDQ    $192, R10
	ADDQ    $512, DI
	DECQ    R8
	JNZ     group
	MOVQ    R10, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

// COPY writes codes of 8 bits; those in Y15 change.
#define COPY(I) \
	VPXOR   (64*I)(SI), Y15, Y0 \
	VPXOR   (64*I+32)(SI), Y15, Y1 \
	VMOVDQU Y0, (64*I)(DI) \
	VMOVDQU Y1, (64*I+32)(DI)

#define BYTES \
block: \
	HALF_SCALES \
	ADDQ $32, SI \
	COPY(0) \
	COPY(1) \
	COPY(2) \
	COPY(3) \
	COPY(4) \
	COPY(5) \
	COPY(6) \
	COPY(7) \
	ADDQ $512, SI \
	ADDQ $512, DI \
	SUBQ $32, CX \
	JNZ  block \
	VZEROUPPER \
	RET

// func unpack8Q8_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q8_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPXOR Y15, Y15, Y15
	BYTES

// func unpackU8Q8_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackU8Q8_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPBROADCASTD signs<>(SB), Y15
	BYTES

// LOOKUP writes eight columns of what the table Y13 has for nibbles.
#define LOOKUP(D) \
	SPLIT((64*D)(R10), Y0, Y2) \
	SPLIT((64*D+32)(R10), Y1, Y3) \
	VPSHUFB Y0, Y13, Y0 \
	VPSHUFB Y1, Y13, Y1 \
	VPSHUFB Y2, Y13, Y2 \
	VPSHUFB Y3, Y13, Y3 \
	VMOVDQU Y0, (128*D)(DI) \
	VMOVDQU Y1, (128*D+32)(DI) \
	VMOVDQU Y2, (128*D+64)(DI) \
	VMOVDQU Y3, (128*D+96)(DI)

#define LOOKUP4 \
	LOOKUP(0) \
	LOOKUP(1) \
	LOOKUP(2) \
	LOOKUP(3) \
	ADDQ $256, R10 \
	ADDQ $512, DI

#define BEGIN_LOOKUP(TABLE) \
	VPBROADCASTD   nibbles<>(SB), Y15 \
	VBROADCASTI128 TABLE, Y13

#define IQ4_NL(TABLE) \
	ARGUMENTS \
	BEGIN_LOOKUP(TABLE) \
block: \
	HALF_SCALES \
	LEAQ 32(SI), R10 \
	LOOKUP4 \
	MOVQ R10, SI \
	SUBQ $32, CX \
	JNZ  block \
	VZEROUPPER \
	RET

#define IQ4_XS(TABLE) \
	ARGUMENTS \
	BEGIN_LOOKUP(TABLE) \
block: \
	LEAQ 32(SI), R12 \
	LEAQ 160(SI), R10 \
	MOVQ $8, R8 \
group: \
	SIGNED_SCALES \
	LOOKUP4 \
	DECQ R8 \
	JNZ  group \
	MOVQ R10, SI \
	SUBQ $256, CX \
	JNZ  block \
	VZEROUPPER \
	RET

// func unpack8IQ4_NLAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8IQ4_NLAVX2(SB), NOSPLIT, $0-24
	IQ4_NL(iq4Codes<>(SB))

// func unpackU8IQ4_NLAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackU8IQ4_NLAVX2(SB), NOSPLIT, $0-24
	IQ4_NL(iq4CodesU<>(SB))

// func unpack8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8IQ4_XSAVX2(SB), NOSPLIT, $0-24
	IQ4_XS(iq4Codes<>(SB))

// func unpackU8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackU8IQ4_XSAVX2(SB), NOSPLIT, $0-24
	IQ4_XS(iq4CodesU<>(SB))

// func unpack8MXFP4AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2
TEXT ·unpack8MXFP4AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN_LOOKUP(e2m1Codes<>(SB))

block:
	VPMOVZXWD (SI), Y0
	VPMOVZXWD 16(SI), Y1
	VPSLLD    $16, Y0, Y0
	VPSLLD    $16, Y1, Y1
	VMOVUPS   Y0, (R9)
	VMOVUPS   Y1, 32(R9)
	ADDQ      $64, R9
	LEAQ      32(SI), R10
	LOOKUP4
	MOVQ      R10, SI
	SUBQ      $32, CX
	JNZ       block
	VZEROUPPER
	RET

// func unpack8NVFP4AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8NVFP4AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN_LOOKUP(e2m1Codes<>(SB))

block:
	HALF_SCALES
	LEAQ 32(SI), R10
	LOOKUP(0)
	LOOKUP(1)
	LEAQ 160(SI), SI
	ADDQ $256, DI
	SUBQ $16, CX
	JNZ  block
	VZEROUPPER
	RET
