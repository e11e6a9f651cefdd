//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "unpack8_amd64.h"

// Unpacking to 8 bits: CX is columns left.

// The values of IQ4_NL and IQ4_XS codes, plus 128.
DATA iq4CodesU<>+0(SB)/8, $0x766a5d4f3f2d1801
DATA iq4CodesU<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL iq4CodesU<>(SB), RODATA|NOPTR, $16
DATA signs<>+0(SB)/4, $0x80808080
GLOBL signs<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS \
	MOVQ p+0(FP), DI \
	MOVQ src+8(FP), SI \
	MOVQ n+16(FP), CX \
	LEAQ 4096(DI), R9 \
	LEAQ 5120(DI), R13

#define BEGIN4 \
	VPBROADCASTD nibbles<>(SB), Y15

// func unpack8Q4_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q4_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN4

block:
	LEAQ 32(SI), R10
	BLOCK4
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
	LEAQ 64(SI), R10
	BLOCK4_MIN
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
	FOURTHS32
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

#define BEGIN5 \
	VPBROADCASTD nibbles<>(SB), Y15 \
	VPBROADCASTD fifths<>(SB), Y14

// func unpack8Q5_0AVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q5_0AVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN5

block:
	LEAQ 32(SI), R10
	BLOCK5
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
	LEAQ 64(SI), R10
	BLOCK5_MIN
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
	FIFTHS32
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
	SIXTHS32
	ADDQ $512, DI
	DECQ    R8
	JNZ     group
	MOVQ    R10, SI
	SUBQ    $256, CX
	JNZ     block
	VZEROUPPER
	RET

// func unpack8Q2_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpack8Q2_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPBROADCASTD pairs<>(SB), Y15
	VPBROADCASTD nibbles<>(SB), Y14

block:
	LEAQ 64(SI), R12
	LEAQ 320(SI), R10
	MOVQ $8, R8

group:
	PAIRS32
	ADDQ $512, DI
	DECQ R8
	JNZ  group
	MOVQ R10, SI
	SUBQ $256, CX
	JNZ  block
	VZEROUPPER
	RET

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
	THIRDS32
	ADDQ $512, DI
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
