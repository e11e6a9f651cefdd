//go:build !purego

#include "textflag.h"

// FOUR_ROWS loads 16 bytes of rows 0 to 3 from SI on in the low halves of A to D, and of
// rows 4 to 7 in the high halves. R8 is the distance of two rows, R9 of three, BX is SI
// and four rows.
#define FOUR_ROWS(A, XA, B, XB, C, XC, D, XD) \
	VMOVDQU     (SI), XA \
	VMOVDQU     (SI)(R8*1), XB \
	VMOVDQU     (SI)(R8*2), XC \
	VMOVDQU     (SI)(R9*1), XD \
	VINSERTI128 $1, (BX), A, A \
	VINSERTI128 $1, (BX)(R8*1), B, B \
	VINSERTI128 $1, (BX)(R8*2), C, C \
	VINSERTI128 $1, (BX)(R9*1), D, D

// TRANSPOSE turns 4 by 4 words in each half of Y0 to Y3 and stores them 64 bytes apart.
#define TRANSPOSE(AT) \
	VPUNPCKLDQ  Y1, Y0, Y4 \
	VPUNPCKHDQ  Y1, Y0, Y5 \
	VPUNPCKLDQ  Y3, Y2, Y6 \
	VPUNPCKHDQ  Y3, Y2, Y7 \
	VPUNPCKLQDQ Y6, Y4, Y0 \
	VPUNPCKHQDQ Y6, Y4, Y1 \
	VPUNPCKLQDQ Y7, Y5, Y2 \
	VPUNPCKHQDQ Y7, Y5, Y3 \
	VMOVDQU     Y0, (AT)(DI) \
	VMOVDQU     Y1, (AT+64)(DI) \
	VMOVDQU     Y2, (AT+128)(DI) \
	VMOVDQU     Y3, (AT+192)(DI)

// ONE_WORD stores a word of each of four rows.
#define ONE_WORD(R, AT) \
	VMOVD   (R), X0 \
	VPINSRD $1, (R)(R8*1), X0, X0 \
	VPINSRD $2, (R)(R8*2), X0, X0 \
	VPINSRD $3, (R)(R9*1), X0, X0 \
	VMOVDQU X0, AT(DI)

// func gatherAVX2(dst *word, src unsafe.Pointer, stride, n int)
// Requires: AVX2
TEXT ·gatherAVX2(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ n+24(FP), CX
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), BX
	LEAQ (SI)(R8*8), R10
	LEAQ (BX)(R8*8), R11
	SUBQ $4, CX
	JLT  rest

four:
	FOUR_ROWS(Y0, X0, Y1, X1, Y2, X2, Y3, X3)
	TRANSPOSE(0)
	XCHGQ SI, R10
	XCHGQ BX, R11
	FOUR_ROWS(Y0, X0, Y1, X1, Y2, X2, Y3, X3)
	TRANSPOSE(32)
	XCHGQ SI, R10
	XCHGQ BX, R11
	ADDQ  $16, SI
	ADDQ  $16, BX
	ADDQ  $16, R10
	ADDQ  $16, R11
	ADDQ  $256, DI
	SUBQ  $4, CX
	JGE   four

rest:
	ADDQ $4, CX
	JZ   done

one:
	ONE_WORD(SI, 0)
	ONE_WORD(BX, 16)
	ONE_WORD(R10, 32)
	ONE_WORD(R11, 48)
	ADDQ $4, SI
	ADDQ $4, BX
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	DECQ CX
	JNZ  one

done:
	VZEROUPPER
	RET

// func gatherAVX512(dst *word, src unsafe.Pointer, stride, n int)
// Requires: AVX512F
TEXT ·gatherAVX512(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ stride+16(FP), R8
	MOVQ n+24(FP), CX
	LEAQ (R8)(R8*2), R9
	LEAQ (SI)(R8*4), BX
	LEAQ (SI)(R8*8), R10
	LEAQ (BX)(R8*8), R11
	SUBQ $4, CX
	JLT  rest

four:
	VMOVDQU      (SI), X0
	VMOVDQU      (SI)(R8*1), X1
	VMOVDQU      (SI)(R8*2), X2
	VMOVDQU      (SI)(R9*1), X3
	VINSERTI128  $1, (BX), Y0, Y0
	VINSERTI128  $1, (BX)(R8*1), Y1, Y1
	VINSERTI128  $1, (BX)(R8*2), Y2, Y2
	VINSERTI128  $1, (BX)(R9*1), Y3, Y3
	VINSERTI32X4 $2, (R10), Z0, Z0
	VINSERTI32X4 $2, (R10)(R8*1), Z1, Z1
	VINSERTI32X4 $2, (R10)(R8*2), Z2, Z2
	VINSERTI32X4 $2, (R10)(R9*1), Z3, Z3
	VINSERTI32X4 $3, (R11), Z0, Z0
	VINSERTI32X4 $3, (R11)(R8*1), Z1, Z1
	VINSERTI32X4 $3, (R11)(R8*2), Z2, Z2
	VINSERTI32X4 $3, (R11)(R9*1), Z3, Z3
	VPUNPCKLDQ   Z1, Z0, Z4
	VPUNPCKHDQ   Z1, Z0, Z5
	VPUNPCKLDQ   Z3, Z2, Z6
	VPUNPCKHDQ   Z3, Z2, Z7
	VPUNPCKLQDQ  Z6, Z4, Z0
	VPUNPCKHQDQ  Z6, Z4, Z1
	VPUNPCKLQDQ  Z7, Z5, Z2
	VPUNPCKHQDQ  Z7, Z5, Z3
	VMOVDQU64    Z0, (DI)
	VMOVDQU64    Z1, 64(DI)
	VMOVDQU64    Z2, 128(DI)
	VMOVDQU64    Z3, 192(DI)
	ADDQ         $16, SI
	ADDQ         $16, BX
	ADDQ         $16, R10
	ADDQ         $16, R11
	ADDQ         $256, DI
	SUBQ         $4, CX
	JGE          four

rest:
	ADDQ $4, CX
	JZ   done

one:
	ONE_WORD(SI, 0)
	ONE_WORD(BX, 16)
	ONE_WORD(R10, 32)
	ONE_WORD(R11, 48)
	ADDQ $4, SI
	ADDQ $4, BX
	ADDQ $4, R10
	ADDQ $4, R11
	ADDQ $64, DI
	DECQ CX
	JNZ  one

done:
	VZEROUPPER
	RET

// func columns16AVX2(dst unsafe.Pointer, src *word, n int)
// Requires: AVX2
TEXT ·columns16AVX2(SB), NOSPLIT, $0-24
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  n+16(FP), CX
	VPXOR X15, X15, X15

word:
	VMOVDQU   (SI), Y0
	VMOVDQU   32(SI), Y1
	VPSRLD    $16, Y0, Y2
	VPSRLD    $16, Y1, Y3
	VPBLENDW  $0xaa, Y15, Y0, Y0
	VPBLENDW  $0xaa, Y15, Y1, Y1
	VPACKUSDW Y1, Y0, Y0
	VPACKUSDW Y3, Y2, Y2
	VPERMQ    $0xd8, Y0, Y0
	VPERMQ    $0xd8, Y2, Y2
	VMOVDQU   Y0, (DI)
	VMOVDQU   Y2, 32(DI)
	ADDQ      $64, SI
	ADDQ      $64, DI
	DECQ      CX
	JNZ       word
	VZEROUPPER
	RET

// The bytes of four words by their place, then the words of two such vectors in order.
DATA bytePlaces<>+0(SB)/8, $0x0d0905010c080400
DATA bytePlaces<>+8(SB)/8, $0x0f0b07030e0a0602
GLOBL bytePlaces<>(SB), RODATA|NOPTR, $16
DATA rowPlaces<>+0(SB)/8, $0x0000000400000000
DATA rowPlaces<>+8(SB)/8, $0x0000000500000001
DATA rowPlaces<>+16(SB)/8, $0x0000000600000002
DATA rowPlaces<>+24(SB)/8, $0x0000000700000003
GLOBL rowPlaces<>(SB), RODATA|NOPTR, $32

// func columns8AVX2(dst unsafe.Pointer, src *word, n int)
// Requires: AVX2
TEXT ·columns8AVX2(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	VBROADCASTI128 bytePlaces<>(SB), Y14
	VMOVDQU        rowPlaces<>(SB), Y15

word:
	VMOVDQU      (SI), Y0
	VMOVDQU      32(SI), Y1
	VPSHUFB      Y14, Y0, Y0
	VPSHUFB      Y14, Y1, Y1
	VPUNPCKLDQ   Y1, Y0, Y2
	VPUNPCKHDQ   Y1, Y0, Y3
	VPERMD       Y2, Y15, Y2
	VPERMD       Y3, Y15, Y3
	VMOVDQU      Y2, (DI)
	VMOVDQU      Y3, 32(DI)
	ADDQ         $64, SI
	ADDQ         $64, DI
	DECQ         CX
	JNZ          word
	VZEROUPPER
	RET

DATA byteOnes<>+0(SB)/4, $0x01010101
GLOBL byteOnes<>(SB), RODATA|NOPTR, $4

// func fieldsAVX2(dst, src *word, n, bits, shift int)
// bits is 1, 2 or 4. Y15 is the mask of a field in each byte, 2^bits - 1 times ones.
// Requires: AVX2
TEXT ·fieldsAVX2(SB), NOSPLIT, $0-40
	MOVQ  dst+0(FP), DI
	MOVQ  src+8(FP), SI
	MOVQ  bits+24(FP), R8
	VMOVQ shift+32(FP), X13
	VMOVQ R8, X14
	VPBROADCASTD byteOnes<>(SB), Y15
	VPSLLD X14, Y15, Y0
	VPSUBB Y15, Y0, Y15
	BSFQ  R8, CX
	MOVQ  $8, R9
	SHRQ  CX, R9
	MOVQ  n+16(FP), CX

word:
	VPXOR X0, X0, X0
	VPXOR X1, X1, X1
	VPXOR X12, X12, X12
	MOVQ  R9, AX

part:
	VMOVDQU (SI), Y2
	VMOVDQU 32(SI), Y3
	VPSRLD  X13, Y2, Y2
	VPSRLD  X13, Y3, Y3
	VPAND   Y15, Y2, Y2
	VPAND   Y15, Y3, Y3
	VPSLLD  X12, Y2, Y2
	VPSLLD  X12, Y3, Y3
	VPOR    Y2, Y0, Y0
	VPOR    Y3, Y1, Y1
	VPADDQ  X14, X12, X12
	ADDQ    $64, SI
	DECQ    AX
	JNZ     part
	VMOVDQU Y0, (DI)
	VMOVDQU Y1, 32(DI)
	ADDQ    $64, DI
	DECQ    CX
	JNZ     word
	VZEROUPPER
	RET

// Bits of the even fields of two side by side, of 1, 2 and 4 bits.
DATA evenFields<>+0(SB)/4, $0x55555555
DATA evenFields<>+4(SB)/4, $0x33333333
DATA evenFields<>+8(SB)/4, $0x0f0f0f0f
GLOBL evenFields<>(SB), RODATA|NOPTR, $12

// PART turns the word AT so that its field is where it belongs: a part of Z. What else is in
// Z is chosen away.
#define PART(AT, TURN, Z) \
	VMOVDQU64 AT(SI), Z \
	VPRORVD   TURN, Z, Z

// CHOOSE makes ODD of the bits of EVEN that MASK has and of its own others.
#define CHOOSE(MASK, EVEN, ODD) \
	VPTERNLOGD $0xb8, EVEN, MASK, ODD

// NEXT_WORD stores Z and goes on by so many words.
#define NEXT_WORD(Z, WORDS, LOOP) \
	VMOVDQU64 Z, (DI) \
	ADDQ      $(64*WORDS), SI \
	ADDQ      $64, DI \
	DECQ      CX \
	JNZ       LOOP \
	VZEROUPPER \
	RET

// func fieldsAVX512(dst, src *word, n, bits, shift int)
// bits is 1, 2 or 4. Z16 to Z23 are by how much words turn right: shift, then bits less each.
// Requires: AVX512F
TEXT ·fieldsAVX512(SB), NOSPLIT, $0-40
	MOVQ dst+0(FP), DI
	MOVQ src+8(FP), SI
	MOVQ n+16(FP), CX
	MOVQ bits+24(FP), R8
	VMOVQ shift+32(FP), X0
	VMOVQ R8, X1
	VPBROADCASTD X0, Z16
	VPBROADCASTD X1, Z24
	VPSUBD Z24, Z16, Z17
	VPBROADCASTD evenFields<>+8(SB), Z29
	CMPQ R8, $4
	JEQ  four
	VPSUBD Z24, Z17, Z18
	VPSUBD Z24, Z18, Z19
	VPBROADCASTD evenFields<>+4(SB), Z30
	CMPQ R8, $2
	JEQ  two
	VPSUBD Z24, Z19, Z20
	VPSUBD Z24, Z20, Z21
	VPSUBD Z24, Z21, Z22
	VPSUBD Z24, Z22, Z23
	VPBROADCASTD evenFields<>+0(SB), Z31

one:
	PART(0, Z16, Z0)
	PART(64, Z17, Z1)
	PART(128, Z18, Z2)
	PART(192, Z19, Z3)
	PART(256, Z20, Z4)
	PART(320, Z21, Z5)
	PART(384, Z22, Z6)
	PART(448, Z23, Z7)
	CHOOSE(Z31, Z0, Z1)
	CHOOSE(Z31, Z2, Z3)
	CHOOSE(Z31, Z4, Z5)
	CHOOSE(Z31, Z6, Z7)
	CHOOSE(Z30, Z1, Z3)
	CHOOSE(Z30, Z5, Z7)
	CHOOSE(Z29, Z3, Z7)
	NEXT_WORD(Z7, 8, one)

two:
	PART(0, Z16, Z0)
	PART(64, Z17, Z1)
	PART(128, Z18, Z2)
	PART(192, Z19, Z3)
	CHOOSE(Z30, Z0, Z1)
	CHOOSE(Z30, Z2, Z3)
	CHOOSE(Z29, Z1, Z3)
	NEXT_WORD(Z3, 4, two)

four:
	PART(0, Z16, Z0)
	PART(64, Z17, Z1)
	CHOOSE(Z29, Z0, Z1)
	NEXT_WORD(Z1, 2, four)
