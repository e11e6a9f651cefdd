//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"

// Products of packed rows with one, two or four tokens in 8 bits: 16 rows are
// unpacked in registers and used at once. AX is at the packed codes, R10 at the
// block, R12 the offset of its scales' bytes, there or, of Q4_K and Q5_K, at R11, DX x, DI out,
// CX blocks left.
//
// Y0 to Y7 are integer sums as in gemm8_amd64.s; with one or two tokens Y4 to Y7
// are sums of out instead. Y8, Y9 and Y13, Y14 are codes of two times four
// columns of 16 rows, then scales and mins. Y15 is the mask of codes, a table of
// values or words of 1, R8 the scales beside a tensor.

VECTOR(words<>, 0x0001000100010001)
VECTOR(fifths<>, 0x1010101010101010)
VECTOR(sixths<>, 0x3030303030303030)
DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS \
	MOVQ         out+0(FP), DI \
	MOVQ         src+8(FP), AX \
	MOVQ         x+16(FP), DX \
	MOVQ         n+24(FP), CX \
	MOVQ         ·reaches+48(SB), R14 \
	MOVQ         ·reaches+56(SB), R15 \
	VPBROADCASTD nibbles<>(SB), Y15

// AHEAD prefetches lines that will be read soon, from the reach of few tokens on
// (reach_amd64.go), which nobody reads again.
#define AHEAD(OFFSET) \
	PREFETCHT1 OFFSET(AX)(R14*1) \
	PREFETCHNTA OFFSET(AX)(R15*1)

// The sums of out stay in registers for one and two tokens.
#define OUT1(MOVE) \
	MOVE(0, Y4) \
	MOVE(32, Y5)

#define OUT2(MOVE) \
	MOVE(0, Y4) \
	MOVE(32, Y5) \
	MOVE(64, Y6) \
	MOVE(96, Y7)

#define OUT4(MOVE)

#define LOAD(AT, SUM) VMOVUPS AT(DI), SUM
#define STORE(AT, SUM) VMOVUPS SUM, AT(DI)

// USE adds four columns of 16 rows, times x, to the words of a token.
#define USE(X, A, B, LO, HI) \
	VPBROADCASTD (X)(DX), Y10 \
	VPMADDUBSW   Y10, A, Y11 \
	VPMADDUBSW   Y10, B, Y12 \
	VPADDW       Y11, LO, LO \
	VPADDW       Y12, HI, HI

#define USE1(I, A, B) \
	USE(4*I, A, B, Y0, Y1)

#define USE2(I, A, B) \
	USE(4*I, A, B, Y0, Y1) \
	USE(4*I+48, A, B, Y2, Y3)

#define USE4(I, A, B) \
	USE(4*I, A, B, Y0, Y1) \
	USE(4*I+48, A, B, Y2, Y3) \
	USE(4*I+96, A, B, Y4, Y5) \
	USE(4*I+144, A, B, Y6, Y7)

// The other steps for one, two and four tokens; STEP gets a token's offset in x,
// its integer sums, and where it has some its sums of out.
#define EACH1(STEP, AT) \
	STEP(AT, Y0, Y1)

#define EACH2(STEP, AT) \
	STEP(AT, Y0, Y1) \
	STEP((AT+48), Y2, Y3)

#define EACH4(STEP, AT) \
	STEP(AT, Y0, Y1) \
	STEP((AT+48), Y2, Y3) \
	STEP((AT+96), Y4, Y5) \
	STEP((AT+144), Y6, Y7)

#define ADD1(MIN) \
	ADD(0, Y0, Y1, Y4, Y5) \
	MIN(0, Y4, Y5)

#define ADD2(MIN) \
	ADD(0, Y0, Y1, Y4, Y5) \
	MIN(0, Y4, Y5) \
	ADD(48, Y2, Y3, Y6, Y7) \
	MIN(48, Y6, Y7)

#define ADD4(MIN) \
	ADD_OUT(0, Y0, Y1, 0) \
	MIN(0, Y0, Y1) \
	STORE_OUT(Y0, Y1, 0) \
	ADD_OUT(48, Y2, Y3, 64) \
	MIN(48, Y2, Y3) \
	STORE_OUT(Y2, Y3, 64) \
	ADD_OUT(96, Y4, Y5, 128) \
	MIN(96, Y4, Y5) \
	STORE_OUT(Y4, Y5, 128) \
	ADD_OUT(144, Y6, Y7, 192) \
	MIN(144, Y6, Y7) \
	STORE_OUT(Y6, Y7, 192)

#define ZERO(X, LO, HI) \
	VPXOR LO, LO, LO \
	VPXOR HI, HI, HI

#define BIAS(X, LO, HI) \
	VPBROADCASTD X(DX), LO \
	VMOVDQA      LO, HI

#define JOIN(X, LO, HI) \
	VPMADDWD words<>(SB), LO, LO \
	VPMADDWD words<>(SB), HI, HI

#define GIVE_BACK(X, LO, HI) \
	VPBROADCASTD X(DX), Y10 \
	VPSUBD       Y10, LO, LO \
	VPSUBD       Y10, HI, HI

// TIMES makes integer sums floats, and Y11 and Y12 the scales times that of x.
#define TIMES(X, LO, HI) \
	VBROADCASTSS (X+32)(DX), Y10 \
	VCVTDQ2PS    LO, LO \
	VCVTDQ2PS    HI, HI \
	VMULPS       Y8, Y10, Y11 \
	VMULPS       Y9, Y10, Y12

#define ADD(X, LO, HI, A, B) \
	TIMES(X, LO, HI) \
	VFMADD231PS Y11, LO, A \
	VFMADD231PS Y12, HI, B

#define ADD_OUT(X, LO, HI, OUT) \
	TIMES(X, LO, HI) \
	VFMADD213PS OUT(DI), Y11, LO \
	VFMADD213PS (OUT+32)(DI), Y12, HI

#define STORE_OUT(LO, HI, OUT) \
	VMOVUPS LO, OUT(DI) \
	VMOVUPS HI, (OUT+32)(DI)

#define NO_MIN(X, A, B)

// MIN_OF takes off mins times the sum of x at AT: of 32 columns, or of the first or the
// second 16.
#define MIN_OF(AT, X, A, B) \
	VBROADCASTSS (X+AT)(DX), Y10 \
	VFNMADD231PS Y13, Y10, A \
	VFNMADD231PS Y14, Y10, B

#define MIN(X, A, B) MIN_OF(36, X, A, B)
#define FIRST_MIN(X, A, B) MIN_OF(40, X, A, B)
#define SECOND_MIN(X, A, B) MIN_OF(44, X, A, B)

// NIBBLES unpacks eight columns.
#define NIBBLES(AT) \
	AHEAD(AT) \
	VMOVDQU AT(AX), Y8 \
	VMOVDQU (AT+32)(AX), Y9 \
	VPSRLW  $4, Y8, Y13 \
	VPSRLW  $4, Y9, Y14 \
	VPAND   Y15, Y8, Y8 \
	VPAND   Y15, Y9, Y9 \
	VPAND   Y15, Y13, Y13 \
	VPAND   Y15, Y14, Y14

#define NIBBLES32(USE) \
	NIBBLES(0) \
	USE(0, Y8, Y9) \
	USE(1, Y13, Y14) \
	NIBBLES(64) \
	USE(2, Y8, Y9) \
	USE(3, Y13, Y14) \
	NIBBLES(128) \
	USE(4, Y8, Y9) \
	USE(5, Y13, Y14) \
	NIBBLES(192) \
	USE(6, Y8, Y9) \
	USE(7, Y13, Y14)

#define Q4_0(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS                 \
	SHRQ      $5, CX          \
	OUT(LOAD)                 \
block:                        \
	EACH(BIAS, 40)            \
	ADDQ      $32, AX         \
	NIBBLES32(USE)            \
	EACH(JOIN, 0)             \
	VCVTPH2PS -32(AX), Y8     \
	VCVTPH2PS -16(AX), Y9     \
	ADD(NO_MIN)               \
	ADDQ      $256, AX        \
	ADDQ      $XBYTES, DX     \
	DECQ      CX              \
	JNZ       block           \
	OUT(STORE)                \
	VZEROUPPER                \
	RET

// func directQ4_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_0x1AVX2(SB), NOSPLIT, $0-32
	Q4_0(EACH1, USE1, ADD1, OUT1, 48)

// func directQ4_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_0x2AVX2(SB), NOSPLIT, $0-32
	Q4_0(EACH2, USE2, ADD2, OUT2, 96)

// K_HEAD begins a block of Q4_K or Q5_K, of which R11 has scales and mins, K_SCALES reads those
// of a group.
#define TO_R11(MIN, LAST, AT, BITS) VMOVDQU BITS, (128*MIN+64*LAST+AT)(R11)

#define K_HEAD \
	MOVQ AX, R10 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	SIX_BITS(R10, 0, TO_R11) \
	SIX_BITS(R10, 32, TO_R11) \
	ADDQ $256, AX \
	XORQ R12, R12

#define K_SCALES \
	VPBROADCASTD headByte<>(SB), Y10 \
	VPAND        (R11)(R12*1), Y10, Y8 \
	VPAND        32(R11)(R12*1), Y10, Y9 \
	VPAND        128(R11)(R12*1), Y10, Y13 \
	VPAND        160(R11)(R12*1), Y10, Y14 \
	VCVTPH2PS    (R10), Y11 \
	VCVTPH2PS    16(R10), Y12 \
	VCVTDQ2PS    Y8, Y8 \
	VCVTDQ2PS    Y9, Y9 \
	VCVTDQ2PS    Y13, Y13 \
	VCVTDQ2PS    Y14, Y14 \
	VMULPS       Y11, Y8, Y8 \
	VMULPS       Y12, Y9, Y9 \
	VCVTPH2PS    32(R10), Y11 \
	VCVTPH2PS    48(R10), Y12 \
	VMULPS       Y11, Y13, Y13 \
	VMULPS       Y12, Y14, Y14 \
	NEXT_HEAD(R12)

#define Q4_K(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS           \
	HEAD_FRAME(328, R11) \
	SHRQ $8, CX         \
	OUT(LOAD)           \
block:                  \
	K_HEAD              \
group:                  \
	EACH(ZERO, 0)       \
	NIBBLES32(USE)      \
	EACH(JOIN, 0)       \
	K_SCALES            \
	ADD(MIN)            \
	ADDQ $256, AX       \
	ADDQ $XBYTES, DX    \
	CMPQ R12, $128      \
	JNE  group          \
	DECQ CX             \
	JNZ  block          \
	OUT(STORE)          \
	VZEROUPPER          \
	RET

// func directQ4_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_Kx1AVX2(SB), NOSPLIT, $328-32
	Q4_K(EACH1, USE1, ADD1, OUT1, 48)

// func directQ4_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_Kx2AVX2(SB), NOSPLIT, $328-32
	Q4_K(EACH2, USE2, ADD2, OUT2, 96)

// HIGH joins bits of the dwords at SRC to two times four columns of 8 rows.
#define HIGH(SRC, MASK, SHIFT0, BY0, SHIFT1, BY1, A, B) \
	VMOVDQU SRC, Y11 \
	SHIFT0(BY0, Y11, Y12) \
	SHIFT1(BY1, Y11, Y11) \
	VPAND   MASK<>(SB), Y12, Y12 \
	VPAND   MASK<>(SB), Y11, Y11 \
	VPOR    Y12, A, A \
	VPOR    Y11, B, B

#define FIFTHS(AT, SHIFT0, BY0, SHIFT1, BY1) \
	NIBBLES(AT) \
	HIGH((AX), fifths, SHIFT0, BY0, SHIFT1, BY1, Y8, Y13) \
	HIGH(32(AX), fifths, SHIFT0, BY0, SHIFT1, BY1, Y9, Y14)

#define FIFTHS32(USE) \
	AHEAD(0) \
	FIFTHS(64, LEFT, 4, LEFT, 3) \
	USE(0, Y8, Y9) \
	USE(1, Y13, Y14) \
	FIFTHS(128, LEFT, 2, LEFT, 1) \
	USE(2, Y8, Y9) \
	USE(3, Y13, Y14) \
	FIFTHS(192, SAME, 0, RIGHT, 1) \
	USE(4, Y8, Y9) \
	USE(5, Y13, Y14) \
	FIFTHS(256, RIGHT, 2, RIGHT, 3) \
	USE(6, Y8, Y9) \
	USE(7, Y13, Y14)

#define Q5_K(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS           \
	HEAD_FRAME(328, R11) \
	SHRQ $8, CX         \
	OUT(LOAD)           \
block:                  \
	K_HEAD              \
group:                  \
	EACH(BIAS, 40)      \
	FIFTHS32(USE)       \
	EACH(JOIN, 0)       \
	EACH(GIVE_BACK, 44) \
	K_SCALES            \
	ADD(MIN)            \
	ADDQ $320, AX       \
	ADDQ $XBYTES, DX    \
	CMPQ R12, $128      \
	JNE  group          \
	DECQ CX             \
	JNZ  block          \
	OUT(STORE)          \
	VZEROUPPER          \
	RET

// func directQ5_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_Kx1AVX2(SB), NOSPLIT, $328-32
	Q5_K(EACH1, USE1, ADD1, OUT1, 48)

// func directQ5_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_Kx2AVX2(SB), NOSPLIT, $328-32
	Q5_K(EACH2, USE2, ADD2, OUT2, 96)

// HALVES reads scales F16 [16] at AT as Y8 and Y9, PLUS_HALVES numbers that are added as
// Y13 and Y14.
#define HALVES(AT) \
	VCVTPH2PS AT(AX), Y8 \
	VCVTPH2PS (AT+16)(AX), Y9

#define PLUS_HALVES(AT) \
	VCVTPH2PS AT(AX), Y13 \
	VCVTPH2PS (AT+16)(AX), Y14

#define PLUS(X, A, B) \
	VBROADCASTSS (X+36)(DX), Y10 \
	VFMADD231PS  Y13, Y10, A \
	VFMADD231PS  Y14, Y10, B

#define Q4_1(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS             \
	SHRQ $5, CX           \
	OUT(LOAD)             \
block:                    \
	EACH(ZERO, 0)         \
	AHEAD(0)              \
	ADDQ $64, AX          \
	NIBBLES32(USE)        \
	EACH(JOIN, 0)         \
	HALVES(-64)           \
	PLUS_HALVES(-32)      \
	ADD(PLUS)             \
	ADDQ $256, AX         \
	ADDQ $XBYTES, DX      \
	DECQ CX               \
	JNZ  block            \
	OUT(STORE)            \
	VZEROUPPER            \
	RET

// func directQ4_1x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_1x1AVX2(SB), NOSPLIT, $0-32
	Q4_1(EACH1, USE1, ADD1, OUT1, 48)

// func directQ4_1x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_1x2AVX2(SB), NOSPLIT, $0-32
	Q4_1(EACH2, USE2, ADD2, OUT2, 96)

#define Q5_0(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS             \
	SHRQ $5, CX           \
	OUT(LOAD)             \
block:                    \
	EACH(BIAS, 40)        \
	ADDQ $32, AX          \
	FIFTHS32(USE)         \
	EACH(JOIN, 0)         \
	HALVES(-32)           \
	ADD(NO_MIN)           \
	ADDQ $320, AX         \
	ADDQ $XBYTES, DX      \
	DECQ CX               \
	JNZ  block            \
	OUT(STORE)            \
	VZEROUPPER            \
	RET

// func directQ5_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_0x1AVX2(SB), NOSPLIT, $0-32
	Q5_0(EACH1, USE1, ADD1, OUT1, 48)

// func directQ5_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_0x2AVX2(SB), NOSPLIT, $0-32
	Q5_0(EACH2, USE2, ADD2, OUT2, 96)

#define Q5_1(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS             \
	SHRQ $5, CX           \
	OUT(LOAD)             \
block:                    \
	EACH(BIAS, 40)        \
	AHEAD(0)              \
	ADDQ $64, AX          \
	FIFTHS32(USE)         \
	EACH(JOIN, 0)         \
	EACH(GIVE_BACK, 44)   \
	HALVES(-64)           \
	PLUS_HALVES(-32)      \
	ADD(PLUS)             \
	ADDQ $320, AX         \
	ADDQ $XBYTES, DX      \
	DECQ CX               \
	JNZ  block            \
	OUT(STORE)            \
	VZEROUPPER            \
	RET

// func directQ5_1x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_1x1AVX2(SB), NOSPLIT, $0-32
	Q5_1(EACH1, USE1, ADD1, OUT1, 48)

// func directQ5_1x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_1x2AVX2(SB), NOSPLIT, $0-32
	Q5_1(EACH2, USE2, ADD2, OUT2, 96)

#define SIXTHS(AT, HIGH_AT, SHIFT0, BY0, SHIFT1, BY1) \
	NIBBLES(AT) \
	HIGH((HIGH_AT)(AX), sixths, SHIFT0, BY0, SHIFT1, BY1, Y8, Y13) \
	HIGH((HIGH_AT+32)(AX), sixths, SHIFT0, BY0, SHIFT1, BY1, Y9, Y14)

// SIX_SCALES reads the scales of 16 columns of Q6_K, or of Q3_K.
#define SIX_SCALES \
	VPMOVSXBD 32(R10)(R12*1), Y8 \
	VPMOVSXBD 40(R10)(R12*1), Y9 \
	VCVTPH2PS (R10), Y11 \
	VCVTPH2PS 16(R10), Y12 \
	VCVTDQ2PS Y8, Y8 \
	VCVTDQ2PS Y9, Y9 \
	VMULPS    Y11, Y8, Y8 \
	VMULPS    Y12, Y9, Y9 \
	ADDQ      $16, R12

#define SIXTEEN(H, EACH, USE, ADD) \
	EACH(BIAS, (40+4*H)) \
	AHEAD(256+64*H) \
	SIXTHS(128*H, 256+64*H, LEFT, 4, LEFT, 2) \
	USE((4*H), Y8, Y9) \
	USE((4*H+1), Y13, Y14) \
	SIXTHS(128*H+64, 256+64*H, SAME, 0, RIGHT, 2) \
	USE((4*H+2), Y8, Y9) \
	USE((4*H+3), Y13, Y14) \
	EACH(JOIN, 0) \
	SIX_SCALES \
	ADD(NO_MIN)

#define Q6_K(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS                 \
	SHRQ $8, CX               \
	OUT(LOAD)                 \
block:                        \
	MOVQ AX, R10              \
	AHEAD(0)                  \
	AHEAD(64)                 \
	AHEAD(128)                \
	AHEAD(192)                \
	AHEAD(256)                \
	ADDQ $288, AX             \
	XORQ R12, R12             \
group:                        \
	SIXTEEN(0, EACH, USE, ADD) \
	SIXTEEN(1, EACH, USE, ADD) \
	ADDQ $384, AX             \
	ADDQ $XBYTES, DX          \
	CMPQ R12, $256            \
	JNE  group                \
	DECQ CX                   \
	JNZ  block                \
	OUT(STORE)                \
	VZEROUPPER                \
	RET

// func directQ6_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ6_Kx1AVX2(SB), NOSPLIT, $0-32
	Q6_K(EACH1, USE1, ADD1, OUT1, 48)

// func directQ6_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ6_Kx2AVX2(SB), NOSPLIT, $0-32
	Q6_K(EACH2, USE2, ADD2, OUT2, 96)

// SIGNED is USE for codes with a sign, which x takes over: magnitudes in Y13, Y14.
#define SIGNED(X, LO, HI) \
	VPBROADCASTD (X)(DX), Y10 \
	VPSIGNB      Y8, Y10, Y11 \
	VPSIGNB      Y9, Y10, Y12 \
	VPMADDUBSW   Y11, Y13, Y11 \
	VPMADDUBSW   Y12, Y14, Y12 \
	VPMADDWD     Y15, Y11, Y11 \
	VPMADDWD     Y15, Y12, Y12 \
	VPADDD       Y11, LO, LO \
	VPADDD       Y12, HI, HI

#define BYTES(I, EACH) \
	AHEAD(64*I) \
	VMOVDQU (64*I)(AX), Y8 \
	VMOVDQU (64*I+32)(AX), Y9 \
	VPABSB  Y8, Y13 \
	VPABSB  Y9, Y14 \
	EACH(SIGNED, (4*I))

#define Q8_0(EACH, ADD, OUT, XBYTES) \
	ARGUMENTS                 \
	VMOVDQU   words<>(SB), Y15 \
	SHRQ      $5, CX          \
	OUT(LOAD)                 \
block:                        \
	EACH(ZERO, 0)             \
	ADDQ      $32, AX         \
	BYTES(0, EACH)            \
	BYTES(1, EACH)            \
	BYTES(2, EACH)            \
	BYTES(3, EACH)            \
	BYTES(4, EACH)            \
	BYTES(5, EACH)            \
	BYTES(6, EACH)            \
	BYTES(7, EACH)            \
	VCVTPH2PS -32(AX), Y8     \
	VCVTPH2PS -16(AX), Y9     \
	ADD(NO_MIN)               \
	ADDQ      $512, AX        \
	ADDQ      $XBYTES, DX     \
	DECQ      CX              \
	JNZ       block           \
	OUT(STORE)                \
	VZEROUPPER                \
	RET

// func directQ8_0x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ8_0x1AVX2(SB), NOSPLIT, $0-32
	Q8_0(EACH1, ADD1, OUT1, 48)

// func directQ8_0x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ8_0x2AVX2(SB), NOSPLIT, $0-32
	Q8_0(EACH2, ADD2, OUT2, 96)

// Values of 4-bit floats, doubled, plus 12.
DATA e2m1Codes<>+0(SB)/8, $0x181412100f0e0d0c
DATA e2m1Codes<>+8(SB)/8, $0x00040608090a0b0c
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16
VECTOR(nibbleBytes<>, 0x0f0f0f0f0f0f0f0f)

// FLOATS unpacks eight columns of 4-bit floats; Y15 is their table.
#define FLOATS(AT) \
	AHEAD(AT) \
	VMOVDQU AT(AX), Y8 \
	VMOVDQU (AT+32)(AX), Y9 \
	VPSRLW  $4, Y8, Y13 \
	VPSRLW  $4, Y9, Y14 \
	VPAND   nibbleBytes<>(SB), Y8, Y8 \
	VPAND   nibbleBytes<>(SB), Y9, Y9 \
	VPAND   nibbleBytes<>(SB), Y13, Y13 \
	VPAND   nibbleBytes<>(SB), Y14, Y14 \
	VPSHUFB Y8, Y15, Y8 \
	VPSHUFB Y9, Y15, Y9 \
	VPSHUFB Y13, Y15, Y13 \
	VPSHUFB Y14, Y15, Y14

// FACTORS multiplies the scales Y8, Y9 by those beside the tensor.
#define FACTORS \
	VMULPS (R8), Y8, Y8 \
	VMULPS 32(R8), Y9, Y9

#define FLOAT_ARGUMENTS \
	ARGUMENTS \
	MOVQ           factors+32(FP), R8 \
	VBROADCASTI128 e2m1Codes<>(SB), Y15 \
	SHRQ           $5, CX

// FLOATS16 does 16 columns, half H of 32, whose scales are at AT.
#define FLOATS16(H, AT, EACH, USE, ADD) \
	EACH(BIAS, (40+4*H)) \
	FLOATS(AT+32) \
	USE((4*H), Y8, Y9) \
	USE((4*H+1), Y13, Y14) \
	FLOATS(AT+96) \
	USE((4*H+2), Y8, Y9) \
	USE((4*H+3), Y13, Y14) \
	EACH(JOIN, 0) \
	VCVTPH2PS AT(AX), Y8 \
	VCVTPH2PS (AT+16)(AX), Y9 \
	FACTORS \
	ADD(NO_MIN)

#define NVFP4(EACH, USE, ADD, OUT, XBYTES) \
	FLOAT_ARGUMENTS             \
	OUT(LOAD)                   \
block:                          \
	FLOATS16(0, 0, EACH, USE, ADD) \
	FLOATS16(1, 160, EACH, USE, ADD) \
	ADDQ $320, AX               \
	ADDQ $XBYTES, DX            \
	DECQ CX                     \
	JNZ  block                  \
	OUT(STORE)                  \
	VZEROUPPER                  \
	RET

// func directNVFP4x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·directNVFP4x1AVX2(SB), NOSPLIT, $0-40
	NVFP4(EACH1, USE1, ADD1, OUT1, 48)

// func directNVFP4x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·directNVFP4x2AVX2(SB), NOSPLIT, $0-40
	NVFP4(EACH2, USE2, ADD2, OUT2, 96)

#define MXFP4(EACH, USE, ADD, OUT, XBYTES) \
	FLOAT_ARGUMENTS       \
	OUT(LOAD)             \
block:                    \
	EACH(BIAS, 40)        \
	FLOATS(32)            \
	USE(0, Y8, Y9)        \
	USE(1, Y13, Y14)      \
	FLOATS(96)            \
	USE(2, Y8, Y9)        \
	USE(3, Y13, Y14)      \
	FLOATS(160)           \
	USE(4, Y8, Y9)        \
	USE(5, Y13, Y14)      \
	FLOATS(224)           \
	USE(6, Y8, Y9)        \
	USE(7, Y13, Y14)      \
	EACH(JOIN, 0)         \
	VPMOVZXWD (AX), Y8    \
	VPMOVZXWD 16(AX), Y9  \
	VPSLLD    $16, Y8, Y8 \
	VPSLLD    $16, Y9, Y9 \
	FACTORS               \
	ADD(NO_MIN)           \
	ADDQ      $288, AX    \
	ADDQ      $XBYTES, DX \
	DECQ      CX          \
	JNZ       block       \
	OUT(STORE)            \
	VZEROUPPER            \
	RET

// func directMXFP4x1AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA
TEXT ·directMXFP4x1AVX2(SB), NOSPLIT, $0-40
	MXFP4(EACH1, USE1, ADD1, OUT1, 48)

// func directMXFP4x2AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA
TEXT ·directMXFP4x2AVX2(SB), NOSPLIT, $0-40
	MXFP4(EACH2, USE2, ADD2, OUT2, 96)

// The values of IQ4_NL codes.
DATA iq4Codes<>+0(SB)/8, $0xf6eaddcfbfad9881
DATA iq4Codes<>+8(SB)/8, $0x7159453526190d01
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16

#define FIRST_NIBBLES
#define SECOND_NIBBLES \
	VPSRLW $4, Y8, Y8 \
	VPSRLW $4, Y9, Y9

// LOOKUP4 uses the four columns in the first or second nibbles of 64 bytes.
#define LOOKUP4(AT, WHICH, I, EACH, TABLE) \
	VMOVDQU        AT(AX), Y8 \
	VMOVDQU        (AT+32)(AX), Y9 \
	VBROADCASTI128 TABLE, Y12 \
	WHICH \
	VPAND          nibbleBytes<>(SB), Y8, Y8 \
	VPAND          nibbleBytes<>(SB), Y9, Y9 \
	VPSHUFB        Y8, Y12, Y8 \
	VPSHUFB        Y9, Y12, Y9 \
	VPABSB         Y8, Y13 \
	VPABSB         Y9, Y14 \
	EACH(SIGNED, (4*I))

#define LOOKUP8(AT, I, EACH, TABLE) \
	AHEAD(AT) \
	LOOKUP4(AT, FIRST_NIBBLES, I, EACH, TABLE) \
	LOOKUP4(AT, SECOND_NIBBLES, (I+1), EACH, TABLE)

// LOOKUP32 uses 32 columns from AT on.
#define LOOKUP32(AT, EACH, TABLE) \
	EACH(ZERO, 0) \
	LOOKUP8(AT, 0, EACH, TABLE) \
	LOOKUP8((AT+64), 2, EACH, TABLE) \
	LOOKUP8((AT+128), 4, EACH, TABLE) \
	LOOKUP8((AT+192), 6, EACH, TABLE)

#define IQ4_NL(EACH, ADD, OUT, XBYTES) \
	ARGUMENTS                \
	VMOVDQU   words<>(SB), Y15 \
	SHRQ      $5, CX         \
	OUT(LOAD)                \
block:                       \
	LOOKUP32(32, EACH, iq4Codes<>(SB)) \
	VCVTPH2PS (AX), Y8       \
	VCVTPH2PS 16(AX), Y9     \
	ADD(NO_MIN)              \
	ADDQ      $288, AX       \
	ADDQ      $XBYTES, DX    \
	DECQ      CX             \
	JNZ       block          \
	OUT(STORE)               \
	VZEROUPPER               \
	RET

// func directIQ4_NLx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_NLx1AVX2(SB), NOSPLIT, $0-32
	IQ4_NL(EACH1, ADD1, OUT1, 48)

// func directIQ4_NLx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_NLx2AVX2(SB), NOSPLIT, $0-32
	IQ4_NL(EACH2, ADD2, OUT2, 96)

// The scales of IQ4_XS stand where those of Q6_K do, one for 32 columns.
#define IQ4_XS(EACH, ADD, OUT, XBYTES) \
	ARGUMENTS                \
	VMOVDQU words<>(SB), Y15 \
	SHRQ    $8, CX           \
	OUT(LOAD)                \
block:                       \
	MOVQ    AX, R10          \
	AHEAD(0)                 \
	AHEAD(64)                \
	AHEAD(128)               \
	ADDQ    $192, AX         \
	XORQ    R12, R12         \
group:                       \
	LOOKUP32(0, EACH, 160(R10)) \
	SIX_SCALES               \
	ADD(NO_MIN)              \
	ADDQ    $256, AX         \
	ADDQ    $XBYTES, DX      \
	CMPQ    R12, $128        \
	JNE     group            \
	DECQ    CX               \
	JNZ     block            \
	OUT(STORE)               \
	VZEROUPPER               \
	RET

// func directIQ4_XSx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_XSx1AVX2(SB), NOSPLIT, $0-32
	IQ4_XS(EACH1, ADD1, OUT1, 48)

// func directIQ4_XSx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_XSx2AVX2(SB), NOSPLIT, $0-32
	IQ4_XS(EACH2, ADD2, OUT2, 96)

VECTOR(pairBytes<>, 0x0303030303030303)
DATA threes<>+0(SB)/4, $0x07070707
GLOBL threes<>(SB), RODATA|NOPTR, $4
VECTOR(bits0<>, 0x1111111111111111)
VECTOR(bits1<>, 0x2222222222222222)
VECTOR(bits2<>, 0x4444444444444444)

// FOURTH_BITS joins those of the nibbles of three words to A.
#define FOURTH_BITS(AT, A) \
	VMOVDQU AT(AX), A \
	VMOVDQU (AT+64)(AX), Y11 \
	VMOVDQU (AT+128)(AX), Y12 \
	VPSRLW  $3, A, A \
	VPSRLW  $2, Y11, Y11 \
	VPSRLW  $1, Y12, Y12 \
	VPAND   bits0<>(SB), A, A \
	VPAND   bits1<>(SB), Y11, Y11 \
	VPAND   bits2<>(SB), Y12, Y12 \
	VPOR    Y11, A, A \
	VPOR    Y12, A, A

// Steps for codes of eight columns, of Q3_K as they are: a token's sums fit words.
#define NO_VALUES
#define NO_STEP(X, LO, HI)
#define FIRST_FOUR(X, LO, HI) USE(X, Y8, Y9, LO, HI)
#define SECOND_FOUR(X, LO, HI) USE(X, Y13, Y14, LO, HI)

// With a table codes become values, plus 64, where biases are those of 4. Products of pairs
// are added as dwords.
#define LOOK_UP \
	VBROADCASTI128 304(R10), Y12 \
	VPSHUFB        Y8, Y12, Y8 \
	VPSHUFB        Y9, Y12, Y9 \
	VPSHUFB        Y13, Y12, Y13 \
	VPSHUFB        Y14, Y12, Y14

#define WIDE_BIAS(X, LO, HI) \
	JOIN(X, LO, HI) \
	VPSLLD $4, LO, LO \
	VPSLLD $4, HI, HI

#define WIDE(X, A, B, LO, HI) \
	VPBROADCASTD (X)(DX), Y10 \
	VPMADDUBSW   Y10, A, Y11 \
	VPMADDUBSW   Y10, B, Y12 \
	VPMADDWD     words<>(SB), Y11, Y11 \
	VPMADDWD     words<>(SB), Y12, Y12 \
	VPADDD       Y11, LO, LO \
	VPADDD       Y12, HI, HI

#define FIRST_WIDE(X, LO, HI) WIDE(X, Y8, Y9, LO, HI)
#define SECOND_WIDE(X, LO, HI) WIDE(X, Y13, Y14, LO, HI)

// THREES uses eight columns.
#define THREES(AT, I, EACH, VALUES, FIRST, SECOND) \
	NIBBLES(AT) \
	VALUES \
	EACH(FIRST, (4*I)) \
	EACH(SECOND, (4*I+4))

#define THREES_APART(I, EACH, VALUES, FIRST, SECOND) \
	FOURTH_BITS(0, Y8) \
	FOURTH_BITS(32, Y9) \
	VPSRLW $4, Y8, Y13 \
	VPSRLW $4, Y9, Y14 \
	VPAND  Y15, Y8, Y8 \
	VPAND  Y15, Y9, Y9 \
	VPAND  Y15, Y13, Y13 \
	VPAND  Y15, Y14, Y14 \
	VALUES \
	EACH(FIRST, (4*I)) \
	EACH(SECOND, (4*I+4))

#define THREES_LOOP(EACH, ADD, OUT, XBYTES, BEGIN, VALUES, FIRST, SECOND, END) \
	ARGUMENTS       \
	VPBROADCASTD threes<>(SB), Y15 \
	SHRQ $8, CX     \
	OUT(LOAD)       \
block:              \
	MOVQ AX, R10    \
	AHEAD(0)        \
	AHEAD(64)       \
	AHEAD(128)      \
	AHEAD(192)      \
	AHEAD(256)      \
	ADDQ $320, AX   \
	XORQ R12, R12   \
group:              \
	EACH(BIAS, 40)  \
	EACH(BEGIN, 0)  \
	THREES(0, 0, EACH, VALUES, FIRST, SECOND) \
	THREES(64, 2, EACH, VALUES, FIRST, SECOND) \
	EACH(END, 0)    \
	SIX_SCALES      \
	ADD(NO_MIN)     \
	EACH(BIAS, 44)  \
	EACH(BEGIN, 0)  \
	THREES(128, 4, EACH, VALUES, FIRST, SECOND) \
	THREES_APART(6, EACH, VALUES, FIRST, SECOND) \
	EACH(END, 0)    \
	SIX_SCALES      \
	ADD(NO_MIN)     \
	ADDQ $192, AX   \
	ADDQ $XBYTES, DX \
	CMPQ R12, $256  \
	JNE  group      \
	DECQ CX         \
	JNZ  block      \
	OUT(STORE)      \
	VZEROUPPER      \
	RET

#define Q3_K(EACH, ADD, OUT, XBYTES) \
	THREES_LOOP(EACH, ADD, OUT, XBYTES, NO_STEP, NO_VALUES, FIRST_FOUR, SECOND_FOUR, JOIN)

#define TABLE_Q3_K(EACH, ADD, OUT, XBYTES) \
	THREES_LOOP(EACH, ADD, OUT, XBYTES, WIDE_BIAS, LOOK_UP, FIRST_WIDE, SECOND_WIDE, NO_STEP)

// func directQ3_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ3_Kx1AVX2(SB), NOSPLIT, $0-32
	Q3_K(EACH1, ADD1, OUT1, 48)

// func directTableQ3_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directTableQ3_Kx1AVX2(SB), NOSPLIT, $0-32
	TABLE_Q3_K(EACH1, ADD1, OUT1, 48)

// func directQ3_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ3_Kx2AVX2(SB), NOSPLIT, $0-32
	Q3_K(EACH2, ADD2, OUT2, 96)

// func directTableQ3_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directTableQ3_Kx2AVX2(SB), NOSPLIT, $0-32
	TABLE_Q3_K(EACH2, ADD2, OUT2, 96)

// TWOS uses four columns of Q2_K: two bits from BY on of Y13, Y14.
#define TWOS(BY, I, USE) \
	VPSRLW $BY, Y13, Y8 \
	VPSRLW $BY, Y14, Y9 \
	VPAND  pairBytes<>(SB), Y8, Y8 \
	VPAND  pairBytes<>(SB), Y9, Y9 \
	USE(I, Y8, Y9)

// TWO_SCALES reads scales and mins of 16 columns.
#define TWO_SCALES \
	VPMOVZXBD 64(R10)(R12*1), Y13 \
	VPMOVZXBD 72(R10)(R12*1), Y14 \
	VCVTPH2PS (R10), Y11 \
	VCVTPH2PS 16(R10), Y12 \
	VPAND     Y15, Y13, Y8 \
	VPAND     Y15, Y14, Y9 \
	VPSRLD    $4, Y13, Y13 \
	VPSRLD    $4, Y14, Y14 \
	VCVTDQ2PS Y8, Y8 \
	VCVTDQ2PS Y9, Y9 \
	VCVTDQ2PS Y13, Y13 \
	VCVTDQ2PS Y14, Y14 \
	VMULPS    Y11, Y8, Y8 \
	VMULPS    Y12, Y9, Y9 \
	VCVTPH2PS 32(R10), Y11 \
	VCVTPH2PS 48(R10), Y12 \
	VMULPS    Y11, Y13, Y13 \
	VMULPS    Y12, Y14, Y14 \
	ADDQ      $16, R12

#define TWOS16(H, EACH, USE, ADD, MIN) \
	AHEAD(64*H) \
	EACH(ZERO, 0) \
	VMOVDQU (64*H)(AX), Y13 \
	VMOVDQU (64*H+32)(AX), Y14 \
	VPAND   pairBytes<>(SB), Y13, Y8 \
	VPAND   pairBytes<>(SB), Y14, Y9 \
	USE((4*H), Y8, Y9) \
	TWOS(2, (4*H+1), USE) \
	TWOS(4, (4*H+2), USE) \
	TWOS(6, (4*H+3), USE) \
	EACH(JOIN, 0) \
	TWO_SCALES \
	ADD(MIN)

#define Q2_K(EACH, USE, ADD, OUT, XBYTES) \
	ARGUMENTS        \
	SHRQ $8, CX      \
	OUT(LOAD)        \
block:               \
	MOVQ AX, R10     \
	AHEAD(0)         \
	AHEAD(64)        \
	AHEAD(128)       \
	AHEAD(192)       \
	AHEAD(256)       \
	ADDQ $320, AX    \
	XORQ R12, R12    \
group:               \
	TWOS16(0, EACH, USE, ADD, FIRST_MIN) \
	TWOS16(1, EACH, USE, ADD, SECOND_MIN) \
	ADDQ $128, AX    \
	ADDQ $XBYTES, DX \
	CMPQ R12, $256   \
	JNE  group       \
	DECQ CX          \
	JNZ  block       \
	OUT(STORE)       \
	VZEROUPPER       \
	RET

// func directQ2_Kx1AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ2_Kx1AVX2(SB), NOSPLIT, $0-32
	Q2_K(EACH1, USE1, ADD1, OUT1, 48)

// func directQ2_Kx2AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ2_Kx2AVX2(SB), NOSPLIT, $0-32
	Q2_K(EACH2, USE2, ADD2, OUT2, 96)

// With four tokens there may be more, which read the packed group again, from the
// second-level cache. What is prefetched stays there, so that it may be further ahead.
#undef AHEAD
#define AHEAD(OFFSET) PREFETCHT0 (OFFSET+3072)(AX)

// func directQ4_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_0x4AVX2(SB), NOSPLIT, $0-32
	Q4_0(EACH4, USE4, ADD4, OUT4, 192)

// func directQ4_1x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_1x4AVX2(SB), NOSPLIT, $0-32
	Q4_1(EACH4, USE4, ADD4, OUT4, 192)

// func directQ5_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_0x4AVX2(SB), NOSPLIT, $0-32
	Q5_0(EACH4, USE4, ADD4, OUT4, 192)

// func directQ5_1x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_1x4AVX2(SB), NOSPLIT, $0-32
	Q5_1(EACH4, USE4, ADD4, OUT4, 192)

// func directQ4_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ4_Kx4AVX2(SB), NOSPLIT, $328-32
	Q4_K(EACH4, USE4, ADD4, OUT4, 192)

// func directQ5_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ5_Kx4AVX2(SB), NOSPLIT, $328-32
	Q5_K(EACH4, USE4, ADD4, OUT4, 192)

// func directQ6_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ6_Kx4AVX2(SB), NOSPLIT, $0-32
	Q6_K(EACH4, USE4, ADD4, OUT4, 192)

// func directQ8_0x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ8_0x4AVX2(SB), NOSPLIT, $0-32
	Q8_0(EACH4, ADD4, OUT4, 192)

// func directNVFP4x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA, F16C
TEXT ·directNVFP4x4AVX2(SB), NOSPLIT, $0-40
	NVFP4(EACH4, USE4, ADD4, OUT4, 192)

// func directMXFP4x4AVX2(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX2, FMA
TEXT ·directMXFP4x4AVX2(SB), NOSPLIT, $0-40
	MXFP4(EACH4, USE4, ADD4, OUT4, 192)

// func directIQ4_NLx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_NLx4AVX2(SB), NOSPLIT, $0-32
	IQ4_NL(EACH4, ADD4, OUT4, 192)

// func directIQ4_XSx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directIQ4_XSx4AVX2(SB), NOSPLIT, $0-32
	IQ4_XS(EACH4, ADD4, OUT4, 192)

// func directQ3_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ3_Kx4AVX2(SB), NOSPLIT, $0-32
	Q3_K(EACH4, ADD4, OUT4, 192)

// func directTableQ3_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directTableQ3_Kx4AVX2(SB), NOSPLIT, $0-32
	TABLE_Q3_K(EACH4, ADD4, OUT4, 192)

// func directQ2_Kx4AVX2(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·directQ2_Kx4AVX2(SB), NOSPLIT, $0-32
	Q2_K(EACH4, USE4, ADD4, OUT4, 192)
