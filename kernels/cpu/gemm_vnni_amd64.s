//go:build !purego

#include "textflag.h"
#include "vnni_amd64.h"

// A product of a panel in 8 bits with tiles of four tokens, two at a time, or with
// one tile of one or two. SI is the panel, DX x, R11 tokens left. Inside a tile: R8
// codes, R9 scales, R13 mins, CX groups of 32 columns left.

DATA signs<>+0(SB)/4, $0x80808080
GLOBL signs<>(SB), RODATA|NOPTR, $4
DATA words<>+0(SB)/4, $0x00010001
GLOBL words<>(SB), RODATA|NOPTR, $4

#define TILE(EACH) \
	MOVQ SI, R8 \
	LEAQ 4096(SI), R9 \
	LEAQ 5120(SI), R13 \
	MOVQ DX, BX \
	MOVQ n+40(FP), CX \
	SHRQ $5, CX \
	EACH(LOAD, 0)

// NEXT goes on to the next 32 columns.
#define NEXT(XBYTES, BYTES, LOOP) \
	ADDQ $XBYTES, BX \
	ADDQ $512, R8 \
	ADDQ $BYTES, R9 \
	ADDQ $64, R13 \
	DECQ CX \
	JNZ  LOOP

// GEMM multiplies; BYTES are the scales of 32 columns, GROUP what is done for them.
#define GEMM(GROUP, BYTES) \
	MOVQ         out+0(FP), DI \
	MOVQ         p+8(FP), SI \
	MOVQ         x+16(FP), DX \
	MOVQ         stride+24(FP), R10 \
	LEAQ         (R10)(R10*2), R10 \
	SHLQ         $4, R10 \
	MOVQ         tokens+32(FP), R11 \
	VPXORD       Z29, Z29, Z29 \
	VPBROADCASTD words<>(SB), Z28 \
	VPBROADCASTD signs<>(SB), Z30 \
eight: \
	CMPQ         R11, $8 \
	JLT          four \
	TILE(EACH8) \
	LEAQ         (DX)(R10*1), R12 \
eightGroup: \
	GROUP(EACH8) \
	ADDQ         $192, R12 \
	NEXT(192, BYTES, eightGroup) \
	EACH8(STORE, 0) \
	LEAQ         (DX)(R10*2), DX \
	ADDQ         $512, DI \
	SUBQ         $8, R11 \
	JMP          eight \
four: \
	CMPQ         R11, $4 \
	JLT          two \
	TILE(EACH4) \
fourGroup: \
	GROUP(EACH4) \
	NEXT(192, BYTES, fourGroup) \
	EACH4(STORE, 0) \
	JMP          done \
two: \
	CMPQ         R11, $2 \
	JLT          one \
	TILE(EACH2) \
twoGroup: \
	GROUP(EACH2) \
	NEXT(96, BYTES, twoGroup) \
	EACH2(STORE, 0) \
	JMP          done \
one: \
	TESTQ        R11, R11 \
	JEQ          done \
	TILE(EACH1) \
oneGroup: \
	GROUP(EACH1) \
	NEXT(48, BYTES, oneGroup) \
	EACH1(STORE, 0) \
done: \
	VZEROUPPER \
	RET

#define CODES(I) VMOVDQU32 (64*I)(R8), Z16

// SIGNED adds 128 to codes with a sign.
#define SIGNED(I) VPXORD (64*I)(R8), Z30, Z16

#define FOUR(CODES, EACH, I) \
	CODES(I) \
	EACH(USE, I) \
	CODES((I+1)) \
	EACH(USE, (I+1)) \
	CODES((I+2)) \
	EACH(USE, (I+2)) \
	CODES((I+3)) \
	EACH(USE, (I+3))

#define OFFSET_GROUP(EACH) \
	EACH(BIAS, 0) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS (R9), Z21 \
	EACH(ADD, 0)

// func gemmOffsetVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes with an offset, scales of 32 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmOffsetVNNI(SB), NOSPLIT, $0-48
	GEMM(OFFSET_GROUP, 64)

#define SIGNED_GROUP(EACH) \
	EACH(BIAS, 0) \
	FOUR(SIGNED, EACH, 0) \
	FOUR(SIGNED, EACH, 4) \
	VMOVUPS (R9), Z21 \
	EACH(ADD, 0)

// func gemmSignedVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes with a sign, scales of 32 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmSignedVNNI(SB), NOSPLIT, $0-48
	GEMM(SIGNED_GROUP, 64)

#define MIN_GROUP(EACH) \
	EACH(ZERO, 0) \
	FOUR(CODES, EACH, 0) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS (R9), Z21 \
	VMOVUPS (R13), Z22 \
	EACH(ADD_MIN, 0)

// func gemmMinVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes without a sign, scales and mins of 32 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmMinVNNI(SB), NOSPLIT, $0-48
	GEMM(MIN_GROUP, 64)

#define SIXTEEN_GROUP(EACH) \
	EACH(BIAS16, 40) \
	FOUR(CODES, EACH, 0) \
	VMOVUPS (R9), Z21 \
	EACH(ADD, 0) \
	EACH(BIAS16, 44) \
	FOUR(CODES, EACH, 4) \
	VMOVUPS 64(R9), Z21 \
	EACH(ADD, 0)

// func gemmSixteenVNNI(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Codes of 6 bits at most with an offset, scales of 16 columns.
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·gemmSixteenVNNI(SB), NOSPLIT, $0-48
	GEMM(SIXTEEN_GROUP, 128)
