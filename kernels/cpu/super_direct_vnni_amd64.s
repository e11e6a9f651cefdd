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
#define JOIN(EACH) \
	VPMOVSXBD 32(R10)(R12*1), Z21 \
	VPMOVSXBD 48(R10)(R12*1), Z18 \
	VPSLLD    $16, Z18, Z18 \
	VMOVDQU16 Z18, K1, Z21 \
	ADDQ      $32, R12 \
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
	JOIN(EACH) \
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
	JOIN(EACH) \
	ADDQ $384, AX \
	NEXT

#define Q6_K_FINISH(EACH) \
	VCVTPH2PS (R10), Z16 \
	VADDPS    Z16, Z16, Z16 \
	EACH(END16, 0)

#define Q6_K(BLOCK, GROUP, EACH, NEXT) SUPER_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, NO_BEGIN, Q6_K_PAIR, Q6_K_FINISH)
#define Q6_K8(BLOCK, GROUP, EACH, NEXT) SUPER_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, NO_BEGIN, Q6_K8_PAIR, Q6_K_FINISH)

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
