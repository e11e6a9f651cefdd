//go:build !purego

#include "textflag.h"

// Registers of a product of a panel in 8 bits: SI panel, DX x of the tile's
// first token, R10 the distance of two tokens, DI out, R11 tokens left. Inside a
// tile: R8 codes, R9 scales, R13 mins, BX x of token 0, R12 x of token 3, CX
// groups of 32 columns left.
//
// Y0 to Y7 are two vectors of integer sums for each of four tokens: a dword is a
// row, and before the sums of a group are complete it holds two words, of
// columns 0 and 1 of four, and of 2 and 3. Y8 and Y9 are codes of four columns of
// 16 rows.

DATA words<>+0(SB)/8, $0x0001000100010001
DATA words<>+8(SB)/8, $0x0001000100010001
DATA words<>+16(SB)/8, $0x0001000100010001
DATA words<>+24(SB)/8, $0x0001000100010001
GLOBL words<>(SB), RODATA|NOPTR, $32

#define ARGUMENTS \
	MOVQ    out+0(FP), DI \
	MOVQ    p+8(FP), SI \
	MOVQ    x+16(FP), DX \
	MOVQ    stride+24(FP), R10 \
	MOVQ    tokens+32(FP), R11 \
	LEAQ    (R10)(R10*2), R10 \
	SHLQ    $4, R10 \
	VMOVDQU words<>(SB), Y15

#define TILE \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	LEAQ 5120(SI), R13 \
	MOVQ DX, BX \
	LEAQ (DX)(R10*2), R12 \
	ADDQ R10, R12 \
	MOVQ n+40(FP), CX \
	SHRQ $5, CX

// NEXT_GROUP goes on to the next 32 columns.
#define NEXT_GROUP(BYTES, LOOP) \
	ADDQ $512, R8 \
	ADDQ $BYTES, R9 \
	ADDQ $64, R13 \
	ADDQ $48, BX \
	ADDQ $48, R12 \
	DECQ CX \
	JNZ  LOOP

#define NEXT_TOKENS(N) \
	ADDQ $(64*N), DI \
	SUBQ $N, R11

#define CODES(I) \
	VMOVDQU (64*I)(R8), Y8 \
	VMOVDQU (64*I+32)(R8), Y9

// FIRST begins the sums of a token with four columns, MORE adds four.
#define FIRST(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPMADDUBSW   Y10, Y8, LO \
	VPMADDUBSW   Y10, Y9, HI

#define MORE(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPMADDUBSW   Y10, Y8, Y11 \
	VPMADDUBSW   Y10, Y9, Y12 \
	VPADDW       Y11, LO, LO \
	VPADDW       Y12, HI, HI

#define FIRST4(I) \
	CODES(I) \
	FIRST((4*I)(BX), Y0, Y1) \
	FIRST((4*I)(BX)(R10*1), Y2, Y3) \
	FIRST((4*I)(BX)(R10*2), Y4, Y5) \
	FIRST((4*I)(R12), Y6, Y7)

#define MORE4(I) \
	CODES(I) \
	MORE((4*I)(BX), Y0, Y1) \
	MORE((4*I)(BX)(R10*1), Y2, Y3) \
	MORE((4*I)(BX)(R10*2), Y4, Y5) \
	MORE((4*I)(R12), Y6, Y7)

#define FIRST1(I) \
	CODES(I) \
	FIRST((4*I)(BX), Y0, Y1)

#define MORE1(I) \
	CODES(I) \
	MORE((4*I)(BX), Y0, Y1)

// BIAS begins the sums of a token with what makes up for codes without sign.
#define BIAS(X, LO, HI) \
	VPBROADCASTD X, LO \
	VMOVDQA      LO, HI

#define BIAS4(AT) \
	BIAS(AT(BX), Y0, Y1) \
	BIAS(AT(BX)(R10*1), Y2, Y3) \
	BIAS(AT(BX)(R10*2), Y4, Y5) \
	BIAS(AT(R12), Y6, Y7)

// SCALES reads the scales of a group, MINS its mins.
#define SCALES(AT) \
	VMOVUPS AT(R9), Y8 \
	VMOVUPS (AT+32)(R9), Y9

#define MINS \
	VMOVUPS (R13), Y13 \
	VMOVUPS 32(R13), Y14

// JOIN adds the words of each dword.
#define JOIN(LO, HI) \
	VPMADDWD Y15, LO, LO \
	VPMADDWD Y15, HI, HI

// ADD adds the sums of a token, times its scale, to out.
#define ADD(X, LO, HI, OUT) \
	VBROADCASTSS X, Y10 \
	VCVTDQ2PS    LO, LO \
	VCVTDQ2PS    HI, HI \
	VMULPS       Y8, Y10, Y11 \
	VMULPS       Y9, Y10, Y12 \
	VFMADD213PS  OUT(DI), Y11, LO \
	VFMADD213PS  (OUT+32)(DI), Y12, HI

#define STORE(LO, HI, OUT) \
	VMOVUPS LO, OUT(DI) \
	VMOVUPS HI, (OUT+32)(DI)

#define FINISH(X, LO, HI, OUT) \
	JOIN(LO, HI) \
	ADD(X, LO, HI, OUT) \
	STORE(LO, HI, OUT)

// FINISH_MIN takes off the mins too, times the sum of x.
#define FINISH_MIN(X, SUM, LO, HI, OUT) \
	ADD(X, LO, HI, OUT) \
	VBROADCASTSS SUM, Y10 \
	VFNMADD231PS Y13, Y10, LO \
	VFNMADD231PS Y14, Y10, HI \
	STORE(LO, HI, OUT)

#define FINISH4 \
	FINISH(32(BX), Y0, Y1, 0) \
	FINISH(32(BX)(R10*1), Y2, Y3, 64) \
	FINISH(32(BX)(R10*2), Y4, Y5, 128) \
	FINISH(32(R12), Y6, Y7, 192)

#define FINISH_MIN4 \
	FINISH_MIN(32(BX), 36(BX), Y0, Y1, 0) \
	FINISH_MIN(32(BX)(R10*1), 36(BX)(R10*1), Y2, Y3, 64) \
	FINISH_MIN(32(BX)(R10*2), 36(BX)(R10*2), Y4, Y5, 128) \
	FINISH_MIN(32(R12), 36(R12), Y6, Y7, 192)

#define MORE4_FROM4 \
	MORE4(4) \
	MORE4(5) \
	MORE4(6) \
	MORE4(7)

#define MORE1_FROM4 \
	MORE1(4) \
	MORE1(5) \
	MORE1(6) \
	MORE1(7)

#define MORE4_FROM0 \
	MORE4(0) \
	MORE4(1) \
	MORE4(2) \
	MORE4(3)

#define MORE1_FROM0 \
	MORE1(0) \
	MORE1(1) \
	MORE1(2) \
	MORE1(3)

// func gemmOffsetAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 5 bits at most with an offset, scales of 32 columns: the sums of 32
// columns fit words once the bias is in.
// Requires: AVX2, FMA
TEXT ·gemmOffsetAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

four:
	CMPQ R11, $4
	JLT  one
	TILE

fourLoop:
	BIAS4(40)
	MORE4_FROM0
	MORE4_FROM4
	SCALES(0)
	FINISH4
	NEXT_GROUP(64, fourLoop)
	NEXT_TOKENS(4)
	LEAQ (DX)(R10*4), DX
	JMP  four

one:
	TESTQ R11, R11
	JEQ   done
	TILE

oneLoop:
	BIAS(40(BX), Y0, Y1)
	MORE1_FROM0
	MORE1_FROM4
	SCALES(0)
	FINISH(32(BX), Y0, Y1, 0)
	NEXT_GROUP(64, oneLoop)
	NEXT_TOKENS(1)
	ADDQ R10, DX
	JMP  one

done:
	VZEROUPPER
	RET

// func gemmMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 4 bits, scales and mins of 32 columns.
// Requires: AVX2, FMA
TEXT ·gemmMinAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

four:
	CMPQ R11, $4
	JLT  one
	TILE

fourLoop:
	FIRST4(0)
	MORE4(1)
	MORE4(2)
	MORE4(3)
	MORE4_FROM4
	JOIN(Y0, Y1)
	JOIN(Y2, Y3)
	JOIN(Y4, Y5)
	JOIN(Y6, Y7)
	SCALES(0)
	MINS
	FINISH_MIN4
	NEXT_GROUP(64, fourLoop)
	NEXT_TOKENS(4)
	LEAQ (DX)(R10*4), DX
	JMP  four

one:
	TESTQ R11, R11
	JEQ   done
	TILE

oneLoop:
	FIRST1(0)
	MORE1(1)
	MORE1(2)
	MORE1(3)
	MORE1_FROM4
	JOIN(Y0, Y1)
	SCALES(0)
	MINS
	FINISH_MIN(32(BX), 36(BX), Y0, Y1, 0)
	NEXT_GROUP(64, oneLoop)
	NEXT_TOKENS(1)
	ADDQ R10, DX
	JMP  one

done:
	VZEROUPPER
	RET

// The sums of 16 columns of 5 bits are all that fit words: they wait in the
// frame as dwords for those of the other 16.
#define PUT(LO, HI, AT) \
	VMOVDQU LO, half-(256-AT)(SP) \
	VMOVDQU HI, half-(224-AT)(SP)

#define JOIN_HALF(LO, HI, AT) \
	JOIN(LO, HI) \
	VPADDD half-(256-AT)(SP), LO, LO \
	VPADDD half-(224-AT)(SP), HI, HI

// func gemmFifthMinAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 5 bits, scales and mins of 32 columns.
// Requires: AVX2, FMA
TEXT ·gemmFifthMinAVX2(SB), NOSPLIT, $256-48
	ARGUMENTS

four:
	CMPQ R11, $4
	JLT  one
	TILE

fourLoop:
	FIRST4(0)
	MORE4(1)
	MORE4(2)
	MORE4(3)
	JOIN(Y0, Y1)
	JOIN(Y2, Y3)
	JOIN(Y4, Y5)
	JOIN(Y6, Y7)
	PUT(Y0, Y1, 0)
	PUT(Y2, Y3, 64)
	PUT(Y4, Y5, 128)
	PUT(Y6, Y7, 192)
	FIRST4(4)
	MORE4(5)
	MORE4(6)
	MORE4(7)
	JOIN_HALF(Y0, Y1, 0)
	JOIN_HALF(Y2, Y3, 64)
	JOIN_HALF(Y4, Y5, 128)
	JOIN_HALF(Y6, Y7, 192)
	SCALES(0)
	MINS
	FINISH_MIN4
	NEXT_GROUP(64, fourLoop)
	NEXT_TOKENS(4)
	LEAQ (DX)(R10*4), DX
	JMP  four

one:
	TESTQ R11, R11
	JEQ   done
	TILE

oneLoop:
	FIRST1(0)
	MORE1(1)
	MORE1(2)
	MORE1(3)
	JOIN(Y0, Y1)
	PUT(Y0, Y1, 0)
	FIRST1(4)
	MORE1(5)
	MORE1(6)
	MORE1(7)
	JOIN_HALF(Y0, Y1, 0)
	SCALES(0)
	MINS
	FINISH_MIN(32(BX), 36(BX), Y0, Y1, 0)
	NEXT_GROUP(64, oneLoop)
	NEXT_TOKENS(1)
	ADDQ R10, DX
	JMP  one

done:
	VZEROUPPER
	RET

// func gemmSixteenAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 6 bits at most with an offset, scales of 16 columns.
// Requires: AVX2, FMA
TEXT ·gemmSixteenAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

four:
	CMPQ R11, $4
	JLT  one
	TILE

fourLoop:
	BIAS4(40)
	MORE4_FROM0
	SCALES(0)
	FINISH4
	BIAS4(44)
	MORE4_FROM4
	SCALES(64)
	FINISH4
	NEXT_GROUP(128, fourLoop)
	NEXT_TOKENS(4)
	LEAQ (DX)(R10*4), DX
	JMP  four

one:
	TESTQ R11, R11
	JEQ   done
	TILE

oneLoop:
	BIAS(40(BX), Y0, Y1)
	MORE1_FROM0
	SCALES(0)
	FINISH(32(BX), Y0, Y1, 0)
	BIAS(44(BX), Y0, Y1)
	MORE1_FROM4
	SCALES(64)
	FINISH(32(BX), Y0, Y1, 0)
	NEXT_GROUP(128, oneLoop)
	NEXT_TOKENS(1)
	ADDQ R10, DX
	JMP  one

done:
	VZEROUPPER
	RET

// Codes with a sign: x takes it over, and the magnitudes are Y13 and Y14.
#define SIGNED_CODES(I) \
	CODES(I) \
	VPABSB Y8, Y13 \
	VPABSB Y9, Y14

#define SIGNED(X, LO, HI) \
	VPBROADCASTD X, Y10 \
	VPSIGNB      Y8, Y10, Y11 \
	VPSIGNB      Y9, Y10, Y12 \
	VPMADDUBSW   Y11, Y13, Y11 \
	VPMADDUBSW   Y12, Y14, Y12 \
	VPMADDWD     Y15, Y11, Y11 \
	VPMADDWD     Y15, Y12, Y12 \
	VPADDD       Y11, LO, LO \
	VPADDD       Y12, HI, HI

#define SIGNED4(I) \
	SIGNED_CODES(I) \
	SIGNED((4*I)(BX), Y0, Y1) \
	SIGNED((4*I)(BX)(R10*1), Y2, Y3) \
	SIGNED((4*I)(BX)(R10*2), Y4, Y5) \
	SIGNED((4*I)(R12), Y6, Y7)

#define SIGNED1(I) \
	SIGNED_CODES(I) \
	SIGNED((4*I)(BX), Y0, Y1)

#define ZERO(LO, HI) \
	VPXOR LO, LO, LO \
	VPXOR HI, HI, HI

#define FINISH_SIGNED(X, LO, HI, OUT) \
	ADD(X, LO, HI, OUT) \
	STORE(LO, HI, OUT)

// func gemmSignedAVX2(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 8 bits, scales of 32 columns. A product of two codes fits 15 bits, so
// a pair of them fits a word.
// Requires: AVX2, FMA
TEXT ·gemmSignedAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS

four:
	CMPQ R11, $4
	JLT  one
	TILE

fourLoop:
	ZERO(Y0, Y1)
	ZERO(Y2, Y3)
	ZERO(Y4, Y5)
	ZERO(Y6, Y7)
	SIGNED4(0)
	SIGNED4(1)
	SIGNED4(2)
	SIGNED4(3)
	SIGNED4(4)
	SIGNED4(5)
	SIGNED4(6)
	SIGNED4(7)
	SCALES(0)
	FINISH_SIGNED(32(BX), Y0, Y1, 0)
	FINISH_SIGNED(32(BX)(R10*1), Y2, Y3, 64)
	FINISH_SIGNED(32(BX)(R10*2), Y4, Y5, 128)
	FINISH_SIGNED(32(R12), Y6, Y7, 192)
	NEXT_GROUP(64, fourLoop)
	NEXT_TOKENS(4)
	LEAQ (DX)(R10*4), DX
	JMP  four

one:
	TESTQ R11, R11
	JEQ   done
	TILE

oneLoop:
	ZERO(Y0, Y1)
	SIGNED1(0)
	SIGNED1(1)
	SIGNED1(2)
	SIGNED1(3)
	SIGNED1(4)
	SIGNED1(5)
	SIGNED1(6)
	SIGNED1(7)
	SCALES(0)
	FINISH_SIGNED(32(BX), Y0, Y1, 0)
	NEXT_GROUP(64, oneLoop)
	NEXT_TOKENS(1)
	ADDQ R10, DX
	JMP  one

done:
	VZEROUPPER
	RET
