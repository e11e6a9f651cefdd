//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"
#include "unpack8_amd64.h"

// Unpacking to 8 bits: CX is columns left.

// The values of IQ4_NL codes, plus 128.
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
TEXT ·unpack8Q4_KAVX2(SB), NOSPLIT, $328-24
	ARGUMENTS
	BEGIN4

block:
	OPEN_HEAD
	LEAQ 256(SI), R10
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

// Super-blocks (superblock.go): scales and mins of two groups are words side by side.

// The floats that sums of mins are multiplied by: 2^4 less the bits that sums lack.
DATA eight<>+0(SB)/4, $0x41000000
GLOBL eight<>(SB), RODATA|NOPTR, $4
DATA one<>+0(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4
DATA two<>+0(SB)/4, $0x40000000
GLOBL two<>(SB), RODATA|NOPTR, $4
DATA four<>+0(SB)/4, $0x40800000
GLOBL four<>(SB), RODATA|NOPTR, $4

// TO_WORDS writes them to the panel.
#define TO_WORDS(MIN, LAST, AT, BITS) \
	VPSHUFB Y12, BITS, Y0 \
	VPSHUFB Y13, BITS, Y1 \
	VMOVDQU Y0, (1024*MIN+128*LAST+AT)(R9) \
	VMOVDQU Y1, (1024*MIN+128*LAST+AT+64)(R9)

// FLOATS writes F16 [16] at AT, times Y2.
#define FLOATS(AT, TO) \
	VCVTPH2PS AT(SI), Y0 \
	VCVTPH2PS (AT+16)(SI), Y1 \
	VMULPS    Y2, Y0, Y0 \
	VMULPS    Y2, Y1, Y1 \
	VMOVUPS   Y0, 512(TO) \
	VMOVUPS   Y1, 544(TO)

#define SUPER_MIN(UNIT, CODES4) \
	VBROADCASTI128 headFirst<>(SB), Y12 \
	VBROADCASTI128 headLast<>(SB), Y13 \
	SIX_BITS(SI, 0, TO_WORDS) \
	SIX_BITS(SI, 32, TO_WORDS) \
	VBROADCASTSS one<>(SB), Y2 \
	FLOATS(0, R9) \
	VBROADCASTSS UNIT<>(SB), Y2 \
	FLOATS(32, R13) \
	LEAQ         256(SI), R10 \
	MOVQ         $8, R8 \
group: \
	CODES4 \
	DECQ R8 \
	JNZ  group \
	VZEROUPPER \
	RET

// func unpackSuperQ4_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackSuperQ4_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN4
	SUPER_MIN(eight, NIBBLES4)

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
TEXT ·unpack8Q5_KAVX2(SB), NOSPLIT, $328-24
	ARGUMENTS
	BEGIN5

block:
	OPEN_HEAD
	LEAQ 256(SI), R10
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

// func unpackSuperQ5_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackSuperQ5_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	BEGIN5
	SUPER_MIN(four, FIFTHS4)

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

// SIGNED2 joins i8 [8] at AT and 16 bytes on in the block.
#define SIGNED2(AT, TO) \
	VPMOVSXBD (AT)(SI), Y0 \
	VPMOVSXBD (AT+16)(SI), Y1 \
	VPSLLD    $16, Y1, Y1 \
	VPBLENDW  $0xaa, Y1, Y0, Y0 \
	VMOVDQU   Y0, TO

#define SIGNED_PAIR(I) \
	SIGNED2((32+32*I), (64*I)(R9)) \
	SIGNED2((40+32*I), (64*I+32)(R9))

// func unpackSuperQ6_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackSuperQ6_KAVX2(SB), NOSPLIT, $0-24
	ARGUMENTS
	VPBROADCASTD nibbles<>(SB), Y15
	VPBROADCASTD sixths<>(SB), Y14
	SIGNED_PAIR(0)
	SIGNED_PAIR(1)
	SIGNED_PAIR(2)
	SIGNED_PAIR(3)
	SIGNED_PAIR(4)
	SIGNED_PAIR(5)
	SIGNED_PAIR(6)
	SIGNED_PAIR(7)
	VBROADCASTSS two<>(SB), Y2
	FLOATS(0, R9)
	LEAQ         288(SI), R10
	MOVQ         $8, R8

group:
	SIXTHS4
	ADDQ $512, DI
	DECQ R8
	JNZ  group
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

#define Q3_K(USE_THREES) \
	ARGUMENTS \
	VPBROADCASTD threes<>(SB), Y15 \
block: \
	LEAQ 32(SI), R12 \
	LEAQ 320(SI), R10 \
	MOVQ $8, R8 \
group: \
	USE_THREES \
	ADDQ $512, DI \
	DECQ R8 \
	JNZ  group \
	MOVQ R10, SI \
	SUBQ $256, CX \
	JNZ  block \
	VZEROUPPER \
	RET

// func unpack8Q3_KAVX2(p *panel8, src unsafe.Pointer, n int)
// Codes as they are: the type's own values, plus 4.
// Requires: AVX2, F16C
TEXT ·unpack8Q3_KAVX2(SB), NOSPLIT, $0-24
	Q3_K(THREES32)

// func unpackTableQ3_KAVX2(p *panel8, src unsafe.Pointer, n int)
// The values of codes, plus 64.
// Requires: AVX2, F16C
TEXT ·unpackTableQ3_KAVX2(SB), NOSPLIT, $0-24
	Q3_K(THREES32_TABLE)

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
	BEGIN4 \
block: \
	VBROADCASTI128 TABLE(SI), Y13 \
	LEAQ           32(SI), R12 \
	LEAQ           192(SI), R10 \
	MOVQ           $8, R8 \
group: \
	SIGNED_SCALES \
	LOOKUP4 \
	DECQ           R8 \
	JNZ            group \
	MOVQ           R10, SI \
	SUBQ           $256, CX \
	JNZ            block \
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
	IQ4_XS(160)

// func unpackU8IQ4_XSAVX2(p *panel8, src unsafe.Pointer, n int)
// Requires: AVX2, F16C
TEXT ·unpackU8IQ4_XSAVX2(SB), NOSPLIT, $0-24
	IQ4_XS(176)

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
