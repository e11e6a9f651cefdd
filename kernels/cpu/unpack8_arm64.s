//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"
#include "unpack8_arm64.h"

// Unpacking to 8 bits: R0 is the panel's codes, R3 its scales, R4 its mins, R1 the
// packed block, R5 the codes in it, R6 its bytes of scales, R2 columns left. V31
// masks nibbles, V30 is the offset to take off or a table of values, V29 masks the bits
// above nibbles. V20 to V23 and V24 to V27 are mins and scales of a block of 256.

#define ARGUMENTS \
	MOVD p+0(FP), R0 \
	MOVD src+8(FP), R1 \
	MOVD n+16(FP), R2 \
	ADD  $4096, R0, R3 \
	ADD  $5120, R0, R4

// HALF_SCALES writes d F16 [16] as the scales of a group.
#define HALF_SCALES \
	HALVES(R1, 2) \
	VST1.P [V2.S4, V3.S4, V4.S4, V5.S4], 64(R3)

// PRODUCTS writes FLOATS to R.
#define PRODUCTS(B, B2, A, R) \
	FLOATS(B, B2, A) \
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R)

// TIMES is PRODUCTS of bytes at R6.
#define TIMES(B, B2, A, R) \
	VLD1.P 16(R6), [V0.B16] \
	PRODUCTS(B, B2, A, R)

// HEAD writes scales and mins of a group of Q4_K or Q5_K.
#define HEAD \
	TIMES(UXTLB, UXTLB2, 24, R3) \
	TIMES(UXTLB, UXTLB2, 20, R4)

#define MINUS \
	VSUB V30.B16, V0.B16, V0.B16 \
	VSUB V30.B16, V1.B16, V1.B16 \
	VSUB V30.B16, V2.B16, V2.B16 \
	VSUB V30.B16, V3.B16, V3.B16 \
	VSUB V30.B16, V4.B16, V4.B16 \
	VSUB V30.B16, V5.B16, V5.B16 \
	VSUB V30.B16, V6.B16, V6.B16 \
	VSUB V30.B16, V7.B16, V7.B16

#define WRITE \
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0) \
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R0)

// func unpack8Q4_0NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q4_0NEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(8, V30)

block:
	HALF_SCALES
	ADD  $32, R1, R5
	SPLIT
	MINUS
	WRITE
	SPLIT
	MINUS
	WRITE
	SPLIT
	MINUS
	WRITE
	SPLIT
	MINUS
	WRITE
	MOVD R5, R1
	SUBS $32, R2
	BNE  block
	RET

// func unpack8Q8_0NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q8_0NEON(SB), NOSPLIT, $0-24
	ARGUMENTS

block:
	HALF_SCALES
	ADD  $32, R1
	MOVD $8, R7

copy:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	SUBS   $1, R7
	BNE    copy
	SUBS   $32, R2
	BNE    block
	RET

// func unpack8Q4_KNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q4_KNEON(SB), NOSPLIT, $256-24
	ARGUMENTS
	BYTES(0x0f, V31)

block:
	K_BLOCK

group:
	HEAD
	SPLIT
	WRITE
	SPLIT
	WRITE
	SPLIT
	WRITE
	SPLIT
	WRITE
	SUBS $1, R7
	BNE  group
	MOVD R5, R1
	SUBS $256, R2
	BNE  block
	RET

// func unpack8Q5_KNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q5_KNEON(SB), NOSPLIT, $256-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x10, V29)

block:
	K_BLOCK

group:
	HEAD
	VLD1.P 64(R5), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 3)
	WRITE
	JOIN(VSHL, 2, VSHL, 1)
	WRITE
	JOIN(VSHL, 0, VUSHR, 1)
	WRITE
	JOIN(VUSHR, 2, VUSHR, 3)
	WRITE
	SUBS   $1, R7
	BNE    group
	MOVD   R5, R1
	SUBS   $256, R2
	BNE    block
	RET

// func unpack8Q6_KNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q6_KNEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x20, V30)
	BYTES(0x30, V29)

block:
	HALVES(R1, 24)
	ADD  $32, R1, R6
	ADD  $288, R1, R5
	MOVD $8, R7

group:
	TIMES(SXTLB, SXTLB2, 24, R3)
	TIMES(SXTLB, SXTLB2, 24, R3)
	ADD    $256, R5, R8
	VLD1.P 64(R8), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 2)
	MINUS
	WRITE
	JOIN(VSHL, 0, VUSHR, 2)
	MINUS
	WRITE
	VLD1.P 64(R8), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 2)
	MINUS
	WRITE
	JOIN(VSHL, 0, VUSHR, 2)
	MINUS
	WRITE
	MOVD   R8, R5
	SUBS   $1, R7
	BNE    group
	MOVD   R5, R1
	SUBS   $256, R2
	BNE    block
	RET

// FOUR makes four columns of fields of V8 to V11; V31 masks them.
#define FOUR(SHIFT, BY, A, B, C, D) \
	SHIFT $(BY), V8.B16, A.B16 \
	SHIFT $(BY), V9.B16, B.B16 \
	SHIFT $(BY), V10.B16, C.B16 \
	SHIFT $(BY), V11.B16, D.B16 \
	VAND  V31.B16, A.B16, A.B16 \
	VAND  V31.B16, B.B16, B.B16 \
	VAND  V31.B16, C.B16, C.B16 \
	VAND  V31.B16, D.B16, D.B16

#define FOURS(SHIFT0, BY0, SHIFT1, BY1) \
	FOUR(SHIFT0, BY0, V0, V1, V2, V3) \
	FOUR(SHIFT1, BY1, V4, V5, V6, V7)

// func unpack8Q2_KNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q2_KNEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(3, V31)
	BYTES(0x0f, V30)

block:
	HALVES(R1, 24)
	ADD  $32, R1, R6
	HALVES(R6, 20)
	ADD  $64, R1, R6
	ADD  $320, R1, R5
	MOVD $16, R7

group:
	VLD1.P 16(R6), [V16.B16]
	VAND   V30.B16, V16.B16, V0.B16
	PRODUCTS(UXTLB, UXTLB2, 24, R3)
	VUSHR  $4, V16.B16, V0.B16
	PRODUCTS(UXTLB, UXTLB2, 20, R4)
	VLD1.P 64(R5), [V8.B16, V9.B16, V10.B16, V11.B16]
	FOURS(VSHL, 0, VUSHR, 2)
	WRITE
	FOURS(VUSHR, 4, VUSHR, 6)
	WRITE
	SUBS   $1, R7
	BNE    group
	MOVD   R5, R1
	SUBS   $256, R2
	BNE    block
	RET

// LOOKUP writes eight columns of what the table V30 has for nibbles.
#define LOOKUP \
	VALUES(V30) \
	WRITE

// FOURTH_BITS joins those of the nibbles of three words.
#define FOURTH_BITS(A, B, C, TO) \
	VUSHR $3, A.B16, A.B16 \
	VUSHR $2, B.B16, B.B16 \
	VUSHR $1, C.B16, C.B16 \
	VAND  V21.B16, A.B16, A.B16 \
	VAND  V22.B16, B.B16, B.B16 \
	VAND  V23.B16, C.B16, C.B16 \
	VORR  A.B16, B.B16, B.B16 \
	VORR  B.B16, C.B16, TO.B16

// func unpack8Q3_KNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q3_KNEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x11, V21)
	BYTES(0x22, V22)
	BYTES(0x44, V23)

block:
	HALVES(R1, 24)
	ADD  $32, R1, R6
	ADD  $288, R1, R9
	VLD1 (R9), [V30.B16]
	ADD  $320, R1, R5
	MOVD $8, R7

group:
	TIMES(SXTLB, SXTLB2, 24, R3)
	TIMES(SXTLB, SXTLB2, 24, R3)
	MOVD   R5, R8
	LOOKUP
	LOOKUP
	LOOKUP
	VLD1.P 64(R8), [V8.B16, V9.B16, V10.B16, V11.B16]
	VLD1.P 64(R8), [V12.B16, V13.B16, V14.B16, V15.B16]
	VLD1.P 64(R8), [V16.B16, V17.B16, V18.B16, V19.B16]
	FOURTH_BITS(V8, V12, V16, V0)
	FOURTH_BITS(V9, V13, V17, V1)
	FOURTH_BITS(V10, V14, V18, V2)
	FOURTH_BITS(V11, V15, V19, V3)
	APART
	LOOK_UP(V30)
	WRITE
	SUBS   $1, R7
	BNE    group
	MOVD   R5, R1
	SUBS   $256, R2
	BNE    block
	RET

// HALF_MINS writes m F16 [16], which is added, as mins.
#define HALF_MINS \
	ADD    $32, R1, R6 \
	HALVES(R6, 2) \
	FNEG(2, 2) \
	FNEG(3, 3) \
	FNEG(4, 4) \
	FNEG(5, 5) \
	VST1.P [V2.S4, V3.S4, V4.S4, V5.S4], 64(R4)

// func unpack8Q4_1NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q4_1NEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)

block:
	HALF_SCALES
	HALF_MINS
	ADD  $64, R1, R5
	SPLIT
	WRITE
	SPLIT
	WRITE
	SPLIT
	WRITE
	SPLIT
	WRITE
	MOVD R5, R1
	SUBS $32, R2
	BNE  block
	RET

// func unpack8Q5_0NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q5_0NEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x10, V30)
	BYTES(0x10, V29)

block:
	HALF_SCALES
	ADD    $32, R1, R5
	VLD1.P 64(R5), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 3)
	MINUS
	WRITE
	JOIN(VSHL, 2, VSHL, 1)
	MINUS
	WRITE
	JOIN(VSHL, 0, VUSHR, 1)
	MINUS
	WRITE
	JOIN(VUSHR, 2, VUSHR, 3)
	MINUS
	WRITE
	MOVD   R5, R1
	SUBS   $32, R2
	BNE    block
	RET

// func unpack8Q5_1NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8Q5_1NEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)
	BYTES(0x10, V29)

block:
	HALF_SCALES
	HALF_MINS
	ADD    $64, R1, R5
	VLD1.P 64(R5), [V8.B16, V9.B16, V10.B16, V11.B16]
	JOIN(VSHL, 4, VSHL, 3)
	WRITE
	JOIN(VSHL, 2, VSHL, 1)
	WRITE
	JOIN(VSHL, 0, VUSHR, 1)
	WRITE
	JOIN(VUSHR, 2, VUSHR, 3)
	WRITE
	MOVD   R5, R1
	SUBS   $32, R2
	BNE    block
	RET

// The values of IQ4_NL codes.
DATA iq4Codes<>+0(SB)/8, $0xf6eaddcfbfad9881
DATA iq4Codes<>+8(SB)/8, $0x7159453526190d01
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16

#define BEGIN_LOOKUP(TABLE) \
	ARGUMENTS \
	BYTES(0x0f, V31) \
	MOVD $TABLE<>(SB), R9 \
	VLD1 (R9), [V30.B16]

// func unpack8IQ4_NLNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8IQ4_NLNEON(SB), NOSPLIT, $0-24
	BEGIN_LOOKUP(iq4Codes)

block:
	HALF_SCALES
	ADD  $32, R1, R5
	LOOKUP
	LOOKUP
	LOOKUP
	LOOKUP
	MOVD R5, R1
	SUBS $32, R2
	BNE  block
	RET

// func unpack8IQ4_XSNEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8IQ4_XSNEON(SB), NOSPLIT, $0-24
	ARGUMENTS
	BYTES(0x0f, V31)

block:
	HALVES(R1, 24)
	ADD  $32, R1, R6
	ADD  $160, R1, R9
	VLD1 (R9), [V30.B16]
	ADD  $192, R1, R5
	MOVD $8, R7

group:
	TIMES(SXTLB, SXTLB2, 24, R3)
	LOOKUP
	LOOKUP
	LOOKUP
	LOOKUP
	SUBS $1, R7
	BNE  group
	MOVD R5, R1
	SUBS $256, R2
	BNE  block
	RET

// func unpack8MXFP4NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8MXFP4NEON(SB), NOSPLIT, $0-24
	BEGIN_LOOKUP(e2m1Codes)

block:
	VLD1   (R1), [V0.H8, V1.H8]
	SHLL(2, 0)
	SHLL2(3, 0)
	SHLL(4, 1)
	SHLL2(5, 1)
	VST1.P [V2.S4, V3.S4, V4.S4, V5.S4], 64(R3)
	ADD    $32, R1, R5
	LOOKUP
	LOOKUP
	LOOKUP
	LOOKUP
	MOVD   R5, R1
	SUBS   $32, R2
	BNE    block
	RET

// func unpack8NVFP4NEON(p *panel8, src unsafe.Pointer, n int)
TEXT ·unpack8NVFP4NEON(SB), NOSPLIT, $0-24
	BEGIN_LOOKUP(e2m1Codes)

block:
	HALF_SCALES
	ADD  $32, R1, R5
	LOOKUP
	LOOKUP
	MOVD R5, R1
	SUBS $16, R2
	BNE  block
	RET
