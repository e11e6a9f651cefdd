//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// FOUR_ROWS loads four words of each of the next four rows, which are R2 bytes apart, from R4
// on, turns them and writes them to AT from R0 on, 64 bytes apart.
#define FOUR_ROWS(AT) \
	VLD1 (R4), [V0.S4] \
	ADD  R2, R4 \
	VLD1 (R4), [V1.S4] \
	ADD  R2, R4 \
	VLD1 (R4), [V2.S4] \
	ADD  R2, R4 \
	VLD1 (R4), [V3.S4] \
	ADD  R2, R4 \
	VZIP1 V2.S4, V0.S4, V4.S4 \
	VZIP2 V2.S4, V0.S4, V5.S4 \
	VZIP1 V3.S4, V1.S4, V6.S4 \
	VZIP2 V3.S4, V1.S4, V7.S4 \
	VZIP1 V6.S4, V4.S4, V0.S4 \
	VZIP2 V6.S4, V4.S4, V1.S4 \
	VZIP1 V7.S4, V5.S4, V2.S4 \
	VZIP2 V7.S4, V5.S4, V3.S4 \
	FMOVQ F0, AT(R0) \
	FMOVQ F1, (AT+64)(R0) \
	FMOVQ F2, (AT+128)(R0) \
	FMOVQ F3, (AT+192)(R0)

// func gatherNEON(dst *word, src unsafe.Pointer, stride, n int)
TEXT ·gatherNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD stride+16(FP), R2
	MOVD n+24(FP), R3

four:
	SUBS $4, R3
	BLT  rest
	MOVD R1, R4
	FOUR_ROWS(0)
	FOUR_ROWS(16)
	FOUR_ROWS(32)
	FOUR_ROWS(48)
	ADD  $16, R1
	ADD  $256, R0
	B    four

rest:
	ADDS $4, R3
	BEQ  done

word:
	MOVD R1, R4
	MOVD $16, R5

row:
	MOVWU  (R4), R6
	MOVW.P R6, 4(R0)
	ADD    R2, R4
	SUBS   $1, R5
	BNE    row
	ADD    $4, R1
	SUBS   $1, R3
	BNE    word

done:
	RET

// HALVES makes V4 and V5 the low halves of the next word of 16 rows, V6 and V7 the high ones.
#define HALVES \
	VLD1.P 64(R1), [V0.H8, V1.H8, V2.H8, V3.H8] \
	VUZP1  V1.H8, V0.H8, V4.H8 \
	VUZP1  V3.H8, V2.H8, V5.H8 \
	VUZP2  V1.H8, V0.H8, V6.H8 \
	VUZP2  V3.H8, V2.H8, V7.H8

// func columns16NEON(dst unsafe.Pointer, src *word, n int)
TEXT ·columns16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

loop:
	HALVES
	VST1.P [V4.H8, V5.H8, V6.H8, V7.H8], 64(R0)
	SUBS   $1, R2
	BNE    loop
	RET

// func columns8NEON(dst unsafe.Pointer, src *word, n int)
TEXT ·columns8NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

loop:
	HALVES
	VUZP1  V5.B16, V4.B16, V0.B16
	VUZP2  V5.B16, V4.B16, V1.B16
	VUZP1  V7.B16, V6.B16, V2.B16
	VUZP2  V7.B16, V6.B16, V3.B16
	VST1.P [V0.B16, V1.B16, V2.B16, V3.B16], 64(R0)
	SUBS   $1, R2
	BNE    loop
	RET

// FIELD adds the codes of a part, which V30 shifts down, V31 masks and V29 shifts up.
#define FIELD(A, B, I) \
	USHLB(I, I, 30) \
	VAND V31.B16, A.B16, A.B16 \
	USHLB(I, I, 29) \
	VORR A.B16, B.B16, B.B16

// func fieldsNEON(dst, src *word, n, bits, shift int)
TEXT ·fieldsNEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	MOVD bits+24(FP), R3
	MOVD shift+32(FP), R4
	NEG  R4, R4
	VDUP R4, V30.B16
	MOVD $1, R5
	LSL  R3, R5, R5
	SUB  $1, R5
	VDUP R5, V31.B16
	VDUP R3, V28.B16
	MOVD $8, R4
	UDIV R3, R4, R4 // parts

word:
	ZEROS(4)
	ZERO(29)
	MOVD R4, R5

part:
	VLD1.P 64(R1), [V0.B16, V1.B16, V2.B16, V3.B16]
	FIELD(V0, V4, 0)
	FIELD(V1, V5, 1)
	FIELD(V2, V6, 2)
	FIELD(V3, V7, 3)
	VADD   V28.B16, V29.B16, V29.B16
	SUBS   $1, R5
	BNE    part
	VST1.P [V4.B16, V5.B16, V6.B16, V7.B16], 64(R0)
	SUBS   $1, R2
	BNE    word
	RET
