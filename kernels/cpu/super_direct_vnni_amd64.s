//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"
#include "head_amd64.h"
#include "packed_vnni_amd64.h"
#include "super_vnni_amd64.h"

// Products of packed super-blocks with one, two, four or many tokens. R10 is at the block,
// R12 the offset of its scales.

PATTERN(sixths<>, 0x3030303030303030)

// Mins are in units of 16 sums of two columns: 2^4 and, as floats, less those bits.
DATA minUnits<>+0(SB)/4, $0x41800000 // 16
DATA minUnits<>+4(SB)/4, $0x41000000 // 8
DATA minUnits<>+8(SB)/4, $0x40800000 // 4
GLOBL minUnits<>(SB), RODATA|NOPTR, $12

// SUPER_BLOCKS is a loop over super-blocks, of which the first BYTES are no codes: it USEs
// two groups at a time until R12 is END.
#define SUPER_BLOCKS(BLOCK, GROUPS, EACH, NEXT, BYTES, LAST, BEGIN, USE_GROUPS, FINISH) \
	ODD \
BLOCK: \
	FETCH \
	MOVQ AX, R10 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	BEGIN \
	EACH(CLEAR, 0) \
	ADDQ $BYTES, AX \
	XORQ R12, R12 \
GROUPS: \
	USE_GROUPS(EACH, NEXT) \
	CMPQ R12, $LAST \
	JNE  GROUPS \
	FINISH(EACH) \
	DECQ CX \
	JNZ  BLOCK

// Words of scales of Q4_K and Q5_K are in the frame, where SI is: there are too few registers.

// SIXES makes A to D the words of eight groups from the dwords at AT and the nibbles that begin
// at bit SHIFT.
#define SIXES(AT, SHIFT, A, B, C, D) \
	VBROADCASTI32X4 headFirst<>(SB), Z18 \
	VBROADCASTI32X4 headLast<>(SB), Z19 \
	VMOVDQU32       AT(R10), A \
	VPSRLW          $SHIFT, 192(R10), C \
	JOIN_SIXES(A, B, C, D)

// JOIN_SIXES makes them of dwords in A and nibbles in C.
#define JOIN_SIXES(A, B, C, D) \
	VPSRLW          $2, A, D \
	VPANDD.BCST     headSix<>(SB), A, A \
	VPANDD          Z31, C, C \
	VPTERNLOGD.BCST $0xF8, headHigh<>(SB), D, C \
	VPSHUFB         Z19, A, B \
	VPSHUFB         Z18, A, A \
	VPSHUFB         Z19, C, D \
	VPSHUFB         Z18, C, C

#define SCALES \
	SIXES(64, 0, Z16, Z17, Z20, Z21) \
	VMOVDQA32 Z16, (SI) \
	VMOVDQA32 Z17, 64(SI) \
	VMOVDQA32 Z20, 128(SI) \
	VMOVDQA32 Z21, 192(SI)

#define MINS SIXES(128, 4, Z12, Z13, Z14, Z15)

// MIN_BEGIN reads them and the floats first, in the order of memory. With eight tokens, for
// which it lacks registers, MIN8_FINISH reads mins and floats when they are needed.
#define MIN_BEGIN \
	VCVTPH2PS (R10), Z26 \
	VCVTPH2PS 32(R10), Z27 \
	SCALES \
	MINS

#define MIN_FINISH(EACH, BITS) \
	VMOVAPS     Z26, Z16 \
	VMULPS.BCST minUnits<>+(4*BITS)(SB), Z27, Z17 \
	EACH(END, 0)

#define MIN8_FINISH(EACH, BITS) \
	MINS \
	VCVTPH2PS   (R10), Z16 \
	VCVTPH2PS   32(R10), Z17 \
	VMULPS.BCST minUnits<>+(4*BITS)(SB), Z17, Z17 \
	EACH(END, 0)

#define NO_BEGIN

// MIN_PAIR uses 64 columns of them.
#define MIN_PAIR(EACH, NEXT, CODES32, BITS) \
	EACH(ZERO, 0) \
	CODES32(EACH) \
	EACH(FIRST, BITS) \
	NEXT \
	EACH(UP, BITS) \
	CODES32(EACH) \
	VMOVDQA32 (SI)(R12*1), Z21 \
	ADDQ $64, R12 \
	EACH(ADD, BITS) \
	NEXT

#define MIN_BLOCKS(BLOCK, GROUP, EACH, NEXT, BEGIN, USE_GROUPS, FINISH) \
	HEAD_FRAME(328, SI) \
	SUPER_BLOCKS(BLOCK, GROUP, EACH, NEXT, 256, 256, BEGIN, USE_GROUPS, FINISH)

#define Q4_K_PAIR(EACH, NEXT) MIN_PAIR(EACH, NEXT, NIBBLES32, 1)
#define Q4_K_FINISH(EACH) MIN_FINISH(EACH, 1)
#define Q4_K8_FINISH(EACH) MIN8_FINISH(EACH, 1)
#define Q4_K(BLOCK, GROUP, EACH, NEXT) MIN_BLOCKS(BLOCK, GROUP, EACH, NEXT, MIN_BEGIN, Q4_K_PAIR, Q4_K_FINISH)
#define Q4_K8(BLOCK, GROUP, EACH, NEXT) MIN_BLOCKS(BLOCK, GROUP, EACH, NEXT, SCALES, Q4_K_PAIR, Q4_K8_FINISH)

#define Q5_K_PAIR(EACH, NEXT) MIN_PAIR(EACH, NEXT, FIFTHS32, 2)
#define Q5_K_FINISH(EACH) MIN_FINISH(EACH, 2)
#define Q5_K8_FINISH(EACH) MIN8_FINISH(EACH, 2)
#define Q5_K(BLOCK, GROUP, EACH, NEXT) MIN_BLOCKS(BLOCK, GROUP, EACH, NEXT, MIN_BEGIN, Q5_K_PAIR, Q5_K_FINISH)
#define Q5_K8(BLOCK, GROUP, EACH, NEXT) MIN_BLOCKS(BLOCK, GROUP, EACH, NEXT, SCALES, Q5_K_PAIR, Q5_K8_FINISH)

// SIXTHS unpacks eight columns of 6 bits; LOW and HIGH are shifted copies of their bits
// above nibbles.
#define SIXTHS(CODES, LOW, HIGH) \
	SPLIT(CODES) \
	VPTERNLOGD $0xF8, Z30, LOW, Z16 \
	VPTERNLOGD $0xF8, Z30, HIGH, Z17

// LOWER and UPPER use eight columns each of half H of 32 columns of Q6_K.
#define LOWER(EACH, H, CODES, BITS) \
	VPSLLW $4, BITS, Z18 \
	VPSLLW $2, BITS, Z19 \
	SIXTHS(CODES, Z18, Z19) \
	EIGHT(EACH, (4*H))

#define UPPER(EACH, H, CODES, BITS) \
	VPSRLW $2, BITS, Z19 \
	SIXTHS(CODES, BITS, Z19) \
	EIGHT(EACH, (4*H+2))

// JOIN adds both halves.
#define JOIN(EACH, HEAD) \
	VPMOVSXBD 32(HEAD)(R12*1), Z21 \
	VPMOVSXBD 48(HEAD)(R12*1), Z18 \
	VPSLLD    $16, Z18, Z18 \
	VMOVDQU16 Z18, K1, Z21 \
	EACH(ADD16, 1)

// Q6_K reads all codes first, in the order of memory; with eight tokens there are too few
// registers for that, and each code is read when it is needed. Lines are prefetched one at a
// time in between: six at once find too few buffers free.
#define Q6_K_PAIR(EACH, NEXT) \
	VMOVDQU32 (AX), Z4 \
	VMOVDQU32 64(AX), Z5 \
	VMOVDQU32 128(AX), Z6 \
	VMOVDQU32 192(AX), Z7 \
	VMOVDQU32 256(AX), Z12 \
	VMOVDQU32 320(AX), Z13 \
	AHEAD(0) \
	EACH(BIAS16, 40) \
	AHEAD(64) \
	LOWER(EACH, 0, Z4, Z12) \
	AHEAD(128) \
	UPPER(EACH, 0, Z5, Z12) \
	EACH(FIRST, 1) \
	AHEAD(192) \
	EACH(BIAS16, 44) \
	LOWER(EACH, 1, Z6, Z13) \
	AHEAD(256) \
	UPPER(EACH, 1, Z7, Z13) \
	AHEAD(320) \
	JOIN(EACH, R10) \
	ADDQ      $32, R12 \
	ADDQ      $384, AX \
	NEXT

// HALF sums half H of 32 columns.
#define HALF(EACH, H) \
	AHEAD(192*H) \
	VMOVDQU32 (256+64*H)(AX), Z20 \
	VMOVDQU32 (128*H)(AX), Z16 \
	EACH(BIAS16, (40+4*H)) \
	AHEAD(192*H+64) \
	LOWER(EACH, H, Z16, Z20) \
	AHEAD(192*H+128) \
	VMOVDQU32 (128*H+64)(AX), Z16 \
	UPPER(EACH, H, Z16, Z20)

#define Q6_K8_PAIR(EACH, NEXT) \
	HALF(EACH, 0) \
	EACH(FIRST, 1) \
	HALF(EACH, 1) \
	JOIN(EACH, R10) \
	ADDQ $32, R12 \
	ADDQ $384, AX \
	NEXT

#define Q6_K_FINISH(EACH) FINISH16(EACH, R10)
#define FINISH16(EACH, HEAD) \
	VCVTPH2PS (HEAD), Z16 \
	VADDPS    Z16, Z16, Z16 \
	EACH(END16, 0)

#define Q6_K(BLOCK, GROUP, EACH, NEXT) SUPER_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, NO_BEGIN, Q6_K_PAIR, Q6_K_FINISH)
#define Q6_K8(BLOCK, GROUP, EACH, NEXT) SUPER_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, NO_BEGIN, Q6_K8_PAIR, Q6_K_FINISH)

// BESIDE multiplies n columns of two stretches by one token: a line of each in turns, and each
// prefetched just before one is read. DX is at the codes of the other stretch, R11 at its block,
// R8 at its out.
#define BESIDE(LOW, HIGH) \
	MOVQ out0+0(FP), DI \
	MOVQ out1+8(FP), R8 \
	MOVQ src0+16(FP), AX \
	MOVQ src1+24(FP), DX \
	MOVQ x+32(FP), BX \
	MOVQ n+40(FP), CX \
	SHRQ $8, CX \
	REACHES \
	MASKS(LOW, HIGH) \
	ODD

// OTHER does a step for the other stretch, BOTH for one and then the other.
#define OTHER(STEP, I) STEP(I, 48, BX, 0, Z1, Z9, Z23, 0)
#define BOTH(STEP, I) \
	EACH1(STEP, I) \
	OTHER(STEP, I)

#define READ_BOTH(AT, ONE, TWO) \
	AHEAD_OF(AX, AT) \
	VMOVDQU32 AT(AX), ONE \
	AHEAD_OF(DX, AT) \
	VMOVDQU32 AT(DX), TWO

#define SKIP_BOTH(BYTES) \
	ADDQ $BYTES, AX \
	ADDQ $BYTES, DX

// STRETCH uses eight columns of one, BOTH32 32 of each.
#define STRETCH(CODES, AT, EACH, I) \
	AHEAD_OF(CODES, AT) \
	VMOVDQU32 AT(CODES), Z16 \
	SPLIT(Z16) \
	EIGHT(EACH, I)

#define BOTH8(AT, I) \
	STRETCH(AX, AT, EACH1, I) \
	STRETCH(DX, AT, OTHER, I)

#define BOTH32 \
	BOTH8(0, 0) \
	BOTH8(64, 2) \
	BOTH8(128, 4) \
	BOTH8(192, 6) \
	SKIP_BOTH(256)

// BESIDE_SCALES is SCALES of what was read.
#define BESIDE_SCALES(SIXES, NIBBLES, AT) \
	VMOVDQA32 NIBBLES, Z20 \
	JOIN_SIXES(SIXES, Z16, Z20, Z21) \
	VMOVDQA32 SIXES, AT(SI) \
	VMOVDQA32 Z16, (AT+64)(SI) \
	VMOVDQA32 Z20, (AT+128)(SI) \
	VMOVDQA32 Z21, (AT+192)(SI)

#define FINISH_MINS(EACH, D, MIN) \
	VMOVAPS     D, Z16 \
	VMULPS.BCST minUnits<>+4(SB), MIN, Z17 \
	EACH(END, 0)

// func directQ4_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx1VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH1, NEXT1)

// func directQ5_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx1VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH1, NEXT1)

// func directQ6_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH1, NEXT1)

// func besideQ4_KVNNI(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·besideQ4_KVNNI(SB), NOSPLIT, $584-48
	BESIDE(nibbles, fifths)
	HEAD_FRAME(584, SI)

block:
	FETCH
	AHEAD(0)
	VCVTPH2PS (AX), Z26
	VCVTPH2PS 32(AX), Z27
	AHEAD_OF(DX, 0)
	VCVTPH2PS (DX), Z28
	VCVTPH2PS 32(DX), Z29
	READ_BOTH(64, Z10, Z11)
	READ_BOTH(128, Z12, Z2)
	READ_BOTH(192, Z14, Z4)
	SKIP_BOTH(256)
	VBROADCASTI32X4 headFirst<>(SB), Z18
	VBROADCASTI32X4 headLast<>(SB), Z19
	BESIDE_SCALES(Z10, Z14, 0)
	BESIDE_SCALES(Z11, Z4, 256)
	VPSRLW $4, Z14, Z14
	VPSRLW $4, Z4, Z4
	JOIN_SIXES(Z12, Z13, Z14, Z15)
	JOIN_SIXES(Z2, Z3, Z4, Z5)
	BOTH(CLEAR, 0)
	XORQ R12, R12

group:
	BOTH(ZERO, 0)
	BOTH32
	BOTH(FIRST, 1)
	NEXT1
	BOTH(UP, 1)
	BOTH32
	VMOVDQA32 (SI)(R12*1), Z21
	EACH1(ADD, 1)
	VMOVDQA32 256(SI)(R12*1), Z21
	OTHER(ADD, 1)
	ADDQ $64, R12
	NEXT1
	CMPQ R12, $256
	JNE  group
	FINISH_MINS(EACH1, Z26, Z27)
	XCHGQ     DI, R8
	VMOVDQA32 Z2, Z12
	VMOVDQA32 Z3, Z13
	VMOVDQA32 Z4, Z14
	VMOVDQA32 Z5, Z15
	FINISH_MINS(OTHER, Z28, Z29)
	XCHGQ     DI, R8
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// func besideQ6_KVNNI(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·besideQ6_KVNNI(SB), NOSPLIT, $0-48
	BESIDE(nibbles, sixths)

block:
	FETCH
	MOVQ AX, R10
	MOVQ DX, R11
	AHEAD(0)
	AHEAD_OF(DX, 0)
	AHEAD(64)
	AHEAD_OF(DX, 64)
	AHEAD(128)
	AHEAD_OF(DX, 128)
	AHEAD(192)
	AHEAD_OF(DX, 192)
	SKIP_BOTH(288)
	BOTH(CLEAR, 0)
	XORQ R12, R12

group:
	READ_BOTH(0, Z4, Z24)
	READ_BOTH(64, Z5, Z25)
	READ_BOTH(128, Z6, Z26)
	READ_BOTH(192, Z7, Z27)
	READ_BOTH(256, Z12, Z28)
	READ_BOTH(320, Z13, Z29)
	BOTH(BIAS16, 40)
	LOWER(EACH1, 0, Z4, Z12)
	LOWER(OTHER, 0, Z24, Z28)
	UPPER(EACH1, 0, Z5, Z12)
	UPPER(OTHER, 0, Z25, Z28)
	BOTH(FIRST, 1)
	BOTH(BIAS16, 44)
	LOWER(EACH1, 1, Z6, Z13)
	LOWER(OTHER, 1, Z26, Z29)
	UPPER(EACH1, 1, Z7, Z13)
	UPPER(OTHER, 1, Z27, Z29)
	JOIN(EACH1, R10)
	JOIN(OTHER, R11)
	ADDQ $32, R12
	SKIP_BOTH(384)
	NEXT1
	CMPQ R12, $256
	JNE  group
	FINISH16(EACH1, R10)
	XCHGQ DI, R8
	FINISH16(OTHER, R11)
	XCHGQ DI, R8
	DECQ CX
	JNZ  block
	VZEROUPPER
	RET

// More tokens have more lines, and lose by it.
#undef FETCH
#define FETCH

// func directQ4_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx2VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH2, NEXT2)

// func directQ5_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx2VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH2, NEXT2)

// func directQ6_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH2, NEXT2)

// Four tokens take longer to multiply than lines to come.
#undef REACHES
#define REACHES REACH(2)

// func directQ4_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx4VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH4, NEXT4)

// func manyQ4_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ4_KVNNI(SB), NOSPLIT, $328-64
	MANY(nibbles, fifths, 8, Q4_K8, Q4_K)

// func directQ5_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx4VNNI(SB), NOSPLIT, $328-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH4, NEXT4)

// func manyQ5_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ5_KVNNI(SB), NOSPLIT, $328-64
	MANY(nibbles, fifths, 8, Q5_K8, Q5_K)

// func directQ6_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH4, NEXT4)

// func manyQ6_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ6_KVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, sixths, 8, Q6_K8, Q6_K)
