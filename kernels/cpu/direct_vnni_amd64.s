//go:build !purego

#include "textflag.h"
#include "vnni_amd64.h"

// Products of packed rows with one, two, four or many tokens in 8 bits: 16 rows are
// unpacked in registers and used at once. AX is at the packed codes, R10 at the
// block, R12 the offset of its scales' bytes, R8 at factors, CX blocks left.
//
// Z31 masks the low bits of codes. Z30 masks the bits above them, has their signs, or is a
// table of values. Z20 has bits above nibbles, Z24 and Z25 the scales of a block of 256.
// Z23, Z26 and Z27 are packed codes; those of Q6_K are Z4 to Z7, Z12 and Z13 for up to four
// tokens.

// PATTERN is 16 bytes of the same.
#define PATTERN(NAME, EIGHT) \
DATA NAME+0(SB)/8, $EIGHT \
DATA NAME+8(SB)/8, $EIGHT \
GLOBL NAME(SB), RODATA|NOPTR, $16

PATTERN(pairs<>, 0x0303030303030303)
PATTERN(thirds<>, 0x0404040404040404)
PATTERN(nibbles<>, 0x0f0f0f0f0f0f0f0f)
PATTERN(fifths<>, 0x1010101010101010)
PATTERN(sixths<>, 0x3030303030303030)
PATTERN(signs<>, 0x8080808080808080)

// Values of IQ4_NL and IQ4_XS codes, plus 128; of 4-bit floats, doubled, plus 12.
DATA iq4Codes<>+0(SB)/8, $0x766a5d4f3f2d1801
DATA iq4Codes<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16
DATA e2m1Codes<>+0(SB)/8, $0x181412100f0e0d0c
DATA e2m1Codes<>+8(SB)/8, $0x00040608090a0b0c
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16

#define MASKS(LOW, HIGH) \
	VBROADCASTI32X4 LOW<>(SB), Z31 \
	VBROADCASTI32X4 HIGH<>(SB), Z30

// DIRECT multiplies n columns by few tokens. LOOP is that over blocks of 1<<LOG columns;
// NEXT goes on to the next 32 columns of x.
#define DIRECT(LOW, HIGH, LOG, LOOP, EACH, NEXT) \
	MOVQ out+0(FP), DI \
	MOVQ src+8(FP), AX \
	MOVQ x+16(FP), BX \
	MOVQ n+24(FP), CX \
	SHRQ $LOG, CX \
	MASKS(LOW, HIGH) \
	LOOP(block, group, EACH, NEXT) \
	VZEROUPPER \
	RET

// SCALED is DIRECT with factors.
#define SCALED(LOW, HIGH, LOG, LOOP, EACH, NEXT) \
	MOVQ factors+32(FP), R8 \
	DIRECT(LOW, HIGH, LOG, LOOP, EACH, NEXT)

#define NEXT1 ADDQ $48, BX
#define NEXT2 ADDQ $96, BX
#define NEXT4 ADDQ $192, BX
#define NEXT8 \
	ADDQ $192, BX \
	ADDQ $192, R13

// MANY multiplies by two tiles of four tokens at a time, and a last one alone. DX is x of
// the first, R9 the distance of tiles, R11 tokens left.
#define MANY(LOW, HIGH, LOG, LOOP8, LOOP) \
	MOVQ out+0(FP), DI \
	MOVQ x+16(FP), DX \
	MOVQ stride+24(FP), R9 \
	LEAQ (R9)(R9*2), R9 \
	SHLQ $4, R9 \
	MOVQ tokens+32(FP), R11 \
	MOVQ factors+56(FP), R8 \
	MASKS(LOW, HIGH) \
tiles: \
	MOVQ src+8(FP), AX \
	MOVQ n+40(FP), CX \
	SHRQ $LOG, CX \
	MOVQ DX, BX \
	CMPQ R11, $8 \
	JLT  last \
	LEAQ (DX)(R9*1), R13 \
	LOOP8(block8, group8, EACH8, NEXT8) \
	LEAQ (DX)(R9*2), DX \
	ADDQ $512, DI \
	SUBQ $8, R11 \
	JNZ  tiles \
	JMP  done \
last: \
	LOOP(block4, group4, EACH4, NEXT4) \
done: \
	VZEROUPPER \
	RET

// BLOCKS is a loop over blocks of 32 columns.
#define BLOCKS(BLOCK, EACH, NEXT, GROUP) \
	EACH(LOAD, 0) \
BLOCK: \
	GROUP(EACH) \
	NEXT \
	DECQ CX \
	JNZ  BLOCK \
	EACH(STORE, 0)

// K_BLOCKS is one over groups of 32 columns of blocks of 256, of which the first BYTES are
// no codes. R12 ends at END.
#define K_BLOCKS(BLOCK, GROUP, EACH, NEXT, BYTES, END, USE_GROUP) \
	EACH(LOAD, 0) \
BLOCK: \
	MOVQ      AX, R10 \
	TOUCH(0) \
	TOUCH(64) \
	TOUCH(128) \
	TOUCH(192) \
	TOUCH(256) \
	VCVTPH2PS (AX), Z24 \
	VCVTPH2PS 32(AX), Z25 \
	ADDQ      $BYTES, AX \
	XORQ      R12, R12 \
GROUP: \
	USE_GROUP(EACH) \
	NEXT \
	CMPQ      R12, $END \
	JNE       GROUP \
	DECQ      CX \
	JNZ       BLOCK \
	EACH(STORE, 0)

// AHEAD prefetches a cache line that will be read soon, to the second-level cache: the
// buffers of the first are for loads. The processor's own prefetch goes furthest where
// lines are touched in the order of memory; TOUCH does that for one that is read later.
#define AHEAD(OFFSET) PREFETCHT1 (OFFSET+1024)(AX)
#define TOUCH(OFFSET) PREFETCHT0 OFFSET(AX)

// SPLIT unpacks eight columns, EIGHT uses them.
#define SPLIT(CODES) \
	VPSRLW $4, CODES, Z17 \
	VPANDD Z31, CODES, Z16 \
	VPANDD Z31, Z17, Z17

#define NIBBLES(AT) \
	AHEAD(AT) \
	VMOVDQU32 AT(AX), Z16 \
	SPLIT(Z16)

#define EIGHT(EACH, I) \
	EACH(USE, I) \
	EACH(USE_NEXT, (I+1))

#define NIBBLES32(EACH) \
	NIBBLES(0) \
	EIGHT(EACH, 0) \
	NIBBLES(64) \
	EIGHT(EACH, 2) \
	NIBBLES(128) \
	EIGHT(EACH, 4) \
	NIBBLES(192) \
	EIGHT(EACH, 6) \
	ADDQ $256, AX

// HEAD begins a block of 32 columns with scales, HEAD_MIN one with numbers that are added,
// too.
#define HEAD \
	VCVTPH2PS (AX), Z21 \
	ADDQ      $32, AX

#define HEAD_MIN \
	AHEAD(0) \
	VCVTPH2PS 32(AX), Z22 \
	VCVTPH2PS (AX), Z21 \
	ADDQ      $64, AX

#define Q4_0_GROUP(EACH) \
	HEAD \
	EACH(BIAS, 0) \
	NIBBLES32(EACH) \
	EACH(ADD, 0)

#define Q4_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, Q4_0_GROUP)

#define Q4_1_GROUP(EACH) \
	HEAD_MIN \
	EACH(ZERO, 0) \
	NIBBLES32(EACH) \
	EACH(ADD_PLUS, 0)

#define Q4_1(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, Q4_1_GROUP)

// HIGH unpacks eight columns with bits of Z20: code | bits & mask.
#define HIGH(AT, SHIFT0, BY0, SHIFT1, BY1) \
	NIBBLES(AT) \
	SHIFT0     $(BY0), Z20, Z18 \
	SHIFT1     $(BY1), Z20, Z19 \
	VPTERNLOGD $0xF8, Z30, Z18, Z16 \
	VPTERNLOGD $0xF8, Z30, Z19, Z17

// FIFTHS32 uses 32 columns of 5 bits.
#define FIFTHS32(EACH) \
	AHEAD(0) \
	VMOVDQU32 (AX), Z20 \
	HIGH(64, VPSLLW, 4, VPSLLW, 3) \
	EIGHT(EACH, 0) \
	HIGH(128, VPSLLW, 2, VPSLLW, 1) \
	EIGHT(EACH, 2) \
	HIGH(192, VPSLLW, 0, VPSRLW, 1) \
	EIGHT(EACH, 4) \
	HIGH(256, VPSRLW, 2, VPSRLW, 3) \
	EIGHT(EACH, 6) \
	ADDQ $320, AX

#define Q5_0_GROUP(EACH) \
	HEAD \
	EACH(BIAS, 0) \
	FIFTHS32(EACH) \
	EACH(ADD, 0)

#define Q5_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, Q5_0_GROUP)

#define Q5_1_GROUP(EACH) \
	HEAD_MIN \
	EACH(ZERO, 0) \
	FIFTHS32(EACH) \
	EACH(ADD_PLUS, 0)

#define Q5_1(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, Q5_1_GROUP)

// SIGNED adds 128 to the I-th four columns of codes with a sign.
#define SIGNED(EACH, I) \
	AHEAD(64*I) \
	VPXORD (64*I)(AX), Z30, Z16 \
	EACH(USE, I)

#define Q8_0_GROUP(EACH) \
	HEAD \
	EACH(BIAS, 0) \
	SIGNED(EACH, 0) \
	SIGNED(EACH, 1) \
	SIGNED(EACH, 2) \
	SIGNED(EACH, 3) \
	SIGNED(EACH, 4) \
	SIGNED(EACH, 5) \
	SIGNED(EACH, 6) \
	SIGNED(EACH, 7) \
	EACH(ADD, 0) \
	ADDQ $512, AX

#define Q8_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, Q8_0_GROUP)

// LOOKUP32 uses 32 columns of what the table has for nibbles from AT on, LOOKUP8 eight.
#define LOOKUP8(EACH, AT, I) \
	NIBBLES(AT) \
	VPSHUFB Z16, Z30, Z16 \
	VPSHUFB Z17, Z30, Z17 \
	EIGHT(EACH, I)

#define LOOKUP16(EACH, AT, I) \
	LOOKUP8(EACH, AT, I) \
	LOOKUP8(EACH, (AT+64), (I+2))

#define LOOKUP32(EACH) \
	EACH(BIAS, 0) \
	LOOKUP16(EACH, 0, 0) \
	LOOKUP16(EACH, 128, 4) \
	EACH(ADD, 0) \
	ADDQ $256, AX

#define IQ4_NL_GROUP(EACH) \
	HEAD \
	LOOKUP32(EACH)

#define IQ4_NL(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, IQ4_NL_GROUP)

// The scales of MXFP4 are BF16.
#define MXFP4_GROUP(EACH) \
	VPMOVZXWD (AX), Z21 \
	VPSLLD    $16, Z21, Z21 \
	VMULPS    (R8), Z21, Z21 \
	ADDQ      $32, AX \
	LOOKUP32(EACH)

#define MXFP4(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, MXFP4_GROUP)

// NVFP4_16 is half H of 32 columns of NVFP4, with scales of its own in front.
#define NVFP4_16(EACH, H) \
	VCVTPH2PS (AX), Z21 \
	VMULPS    (R8), Z21, Z21 \
	ADDQ      $32, AX \
	EACH(BIAS16, (40+4*H)) \
	LOOKUP16(EACH, 0, (4*H)) \
	EACH(ADD, 0) \
	ADDQ      $128, AX

#define NVFP4_GROUP(EACH) \
	NVFP4_16(EACH, 0) \
	NVFP4_16(EACH, 1)

#define NVFP4(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, EACH, NEXT, NVFP4_GROUP)

// SIGNED_SCALES reads scales with a sign, of a group of IQ4_XS, Q3_K or Q6_K.
#define SIGNED_SCALES \
	VPMOVSXBD 32(R10)(R12*1), Z21 \
	VCVTDQ2PS Z21, Z21 \
	VMULPS    Z24, Z21, Z21 \
	ADDQ      $16, R12

#define IQ4_XS_GROUP(EACH) \
	SIGNED_SCALES \
	LOOKUP32(EACH)

#define IQ4_XS(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 160, 128, IQ4_XS_GROUP)

// TWO_SCALES reads scales and mins of 16 columns of Q2_K; Z30 masks nibbles.
#define TWO_SCALES \
	VPMOVZXBD 64(R10)(R12*1), Z22 \
	VPANDD    Z30, Z22, Z21 \
	VPSRLD    $4, Z22, Z22 \
	VCVTDQ2PS Z21, Z21 \
	VCVTDQ2PS Z22, Z22 \
	VMULPS    Z24, Z21, Z21 \
	VMULPS    Z25, Z22, Z22 \
	ADDQ      $16, R12

// TWOS16 is half H of 32 columns of Q2_K.
#define TWOS16(EACH, H) \
	AHEAD(64*H) \
	VMOVDQU32 (64*H)(AX), Z26 \
	TWO_SCALES \
	EACH(ZERO, 0) \
	VPSRLW    $2, Z26, Z17 \
	VPANDD    Z31, Z26, Z16 \
	VPANDD    Z31, Z17, Z17 \
	EIGHT(EACH, (4*H)) \
	VPSRLW    $4, Z26, Z16 \
	VPSRLW    $6, Z26, Z17 \
	VPANDD    Z31, Z16, Z16 \
	VPANDD    Z31, Z17, Z17 \
	EIGHT(EACH, (4*H+2)) \
	EACH(ADD_MIN, (4+4*H))

#define Q2_K_GROUP(EACH) \
	TWOS16(EACH, 0) \
	TWOS16(EACH, 1) \
	ADDQ $128, AX

#define Q2_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 320, 256, Q2_K_GROUP)

// THIRDS unpacks eight columns of Q3_K, whose first two bits are from BY and BY+2 on in
// Z26; their third bits are in Z23.
#define THIRDS(BY, SHIFT0, BY0, SHIFT1, BY1) \
	VPSRLW     $BY, Z26, Z16 \
	VPSRLW     $(BY+2), Z26, Z17 \
	SHIFT0     $(BY0), Z23, Z18 \
	SHIFT1     $(BY1), Z23, Z19 \
	VPANDD     Z31, Z16, Z16 \
	VPANDD     Z31, Z17, Z17 \
	VPTERNLOGD $0xF8, Z30, Z18, Z16 \
	VPTERNLOGD $0xF8, Z30, Z19, Z17

#define Q3_K_GROUP(EACH) \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	VMOVDQU32 (AX), Z23 \
	VMOVDQU32 64(AX), Z26 \
	SIGNED_SCALES \
	EACH(BIAS16, 40) \
	THIRDS(0, VPSLLW, 2, VPSLLW, 1) \
	EIGHT(EACH, 0) \
	THIRDS(4, VPSLLW, 0, VPSRLW, 1) \
	EIGHT(EACH, 2) \
	EACH(ADD, 0) \
	VMOVDQU32 128(AX), Z26 \
	SIGNED_SCALES \
	EACH(BIAS16, 44) \
	THIRDS(0, VPSRLW, 2, VPSRLW, 3) \
	EIGHT(EACH, 4) \
	THIRDS(4, VPSRLW, 4, VPSRLW, 5) \
	EIGHT(EACH, 6) \
	EACH(ADD, 0) \
	ADDQ      $192, AX

#define Q3_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, Q3_K_GROUP)

// K_SCALES reads scales and mins of 32 columns of Q4_K or Q5_K.
#define K_SCALES \
	VPMOVZXBD 64(R10)(R12*1), Z21 \
	VPMOVZXBD 80(R10)(R12*1), Z22 \
	VCVTDQ2PS Z21, Z21 \
	VCVTDQ2PS Z22, Z22 \
	VMULPS    Z24, Z21, Z21 \
	VMULPS    Z25, Z22, Z22 \
	ADDQ      $32, R12

#define Q4_K_GROUP(EACH) \
	EACH(ZERO, 0) \
	NIBBLES32(EACH) \
	K_SCALES \
	EACH(ADD_MIN, 0)

#define Q4_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 320, 256, Q4_K_GROUP)

#define Q5_K_GROUP(EACH) \
	EACH(ZERO, 0) \
	FIFTHS32(EACH) \
	K_SCALES \
	EACH(ADD_MIN, 0)

#define Q5_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 320, 256, Q5_K_GROUP)

// SIXTHS unpacks eight columns of 6 bits; LOW and HIGH are shifted copies of their bits
// above nibbles.
#define SIXTHS(CODES, LOW, HIGH) \
	SPLIT(CODES) \
	VPTERNLOGD $0xF8, Z30, LOW, Z16 \
	VPTERNLOGD $0xF8, Z30, HIGH, Z17

// SIXTEEN is half H of 32 columns of Q6_K, whose codes and bits above are in registers.
#define SIXTEEN(EACH, H, CODES0, CODES1, BITS) \
	EACH(BIAS16, (40+4*H)) \
	VPSLLW $4, BITS, Z18 \
	VPSLLW $2, BITS, Z19 \
	SIXTHS(CODES0, Z18, Z19) \
	EIGHT(EACH, (4*H)) \
	VPSRLW $2, BITS, Z19 \
	SIXTHS(CODES1, BITS, Z19) \
	EIGHT(EACH, (4*H+2)) \
	SIGNED_SCALES \
	EACH(ADD, 0)

#define AHEAD384 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	AHEAD(320)

// Q6_K reads all codes first, in the order of memory; with eight tokens, for which it
// lacks registers, each half's.
#define Q6_K_GROUP(EACH) \
	AHEAD384 \
	VMOVDQU32 (AX), Z4 \
	VMOVDQU32 64(AX), Z5 \
	VMOVDQU32 128(AX), Z6 \
	VMOVDQU32 192(AX), Z7 \
	VMOVDQU32 256(AX), Z12 \
	VMOVDQU32 320(AX), Z13 \
	SIXTEEN(EACH, 0, Z4, Z5, Z12) \
	SIXTEEN(EACH, 1, Z6, Z7, Z13) \
	ADDQ      $384, AX

#define Q6_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, Q6_K_GROUP)

#define Q6_K8_GROUP(EACH) \
	AHEAD384 \
	VMOVDQU32 (AX), Z26 \
	VMOVDQU32 64(AX), Z27 \
	VMOVDQU32 256(AX), Z23 \
	SIXTEEN(EACH, 0, Z26, Z27, Z23) \
	VMOVDQU32 128(AX), Z26 \
	VMOVDQU32 192(AX), Z27 \
	VMOVDQU32 320(AX), Z23 \
	SIXTEEN(EACH, 1, Z26, Z27, Z23) \
	ADDQ      $384, AX

#define Q6_K8(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 288, 256, Q6_K8_GROUP)

// func directQ4_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_0, EACH1, NEXT1)

// func directQ4_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_0, EACH2, NEXT2)

// func directQ4_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_1, EACH1, NEXT1)

// func directQ4_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_1, EACH2, NEXT2)

// func directQ5_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_0, EACH1, NEXT1)

// func directQ5_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_0, EACH2, NEXT2)

// func directQ5_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_1, EACH1, NEXT1)

// func directQ5_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_1, EACH2, NEXT2)

// func directQ8_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, signs, 5, Q8_0, EACH1, NEXT1)

// func directQ8_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, signs, 5, Q8_0, EACH2, NEXT2)

// func directIQ4_NLx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_NLx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 5, IQ4_NL, EACH1, NEXT1)

// func directIQ4_NLx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_NLx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 5, IQ4_NL, EACH2, NEXT2)

// func directMXFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directMXFP4x1VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, MXFP4, EACH1, NEXT1)

// func directMXFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directMXFP4x2VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, MXFP4, EACH2, NEXT2)

// func directNVFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directNVFP4x1VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, NVFP4, EACH1, NEXT1)

// func directNVFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directNVFP4x2VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, NVFP4, EACH2, NEXT2)

// func directIQ4_XSx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 8, IQ4_XS, EACH1, NEXT1)

// func directIQ4_XSx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 8, IQ4_XS, EACH2, NEXT2)

// func directQ2_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ2_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, nibbles, 8, Q2_K, EACH1, NEXT1)

// func directQ2_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ2_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, nibbles, 8, Q2_K, EACH2, NEXT2)

// func directQ3_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ3_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, thirds, 8, Q3_K, EACH1, NEXT1)

// func directQ3_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ3_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, thirds, 8, Q3_K, EACH2, NEXT2)

// func directQ4_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH1, NEXT1)

// func directQ4_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH2, NEXT2)

// func directQ5_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH1, NEXT1)

// func directQ5_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH2, NEXT2)

// func directQ6_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH1, NEXT1)

// func directQ6_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH2, NEXT2)

// Four tokens take longer to multiply than lines to come: these go to the first-level
// cache, from further on.
#undef AHEAD
#undef TOUCH
#define AHEAD(OFFSET) PREFETCHT0 (OFFSET+3072)(AX)
#define TOUCH(OFFSET) AHEAD(OFFSET)

// func directQ4_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_0, EACH4, NEXT4)

// func manyQ4_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ4_0VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 5, Q4_0, Q4_0)

// func directQ4_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_1, EACH4, NEXT4)

// func manyQ4_1VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ4_1VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 5, Q4_1, Q4_1)

// func directQ5_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_0, EACH4, NEXT4)

// func manyQ5_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ5_0VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 5, Q5_0, Q5_0)

// func directQ5_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_1, EACH4, NEXT4)

// func manyQ5_1VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ5_1VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 5, Q5_1, Q5_1)

// func directQ8_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, signs, 5, Q8_0, EACH4, NEXT4)

// func manyQ8_0VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ8_0VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, signs, 5, Q8_0, Q8_0)

// func directIQ4_NLx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_NLx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 5, IQ4_NL, EACH4, NEXT4)

// func manyIQ4_NLVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyIQ4_NLVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, iq4Codes, 5, IQ4_NL, IQ4_NL)

// func directMXFP4x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directMXFP4x4VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, MXFP4, EACH4, NEXT4)

// func manyMXFP4VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyMXFP4VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, e2m1Codes, 5, MXFP4, MXFP4)

// func directNVFP4x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directNVFP4x4VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, NVFP4, EACH4, NEXT4)

// func manyNVFP4VNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyNVFP4VNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, e2m1Codes, 5, NVFP4, NVFP4)

// Blocks of 256 columns begin with scales, which are read out of turn: there lines are
// fetched sooner, to the second-level cache, which was measured only.
#undef AHEAD
#define AHEAD(OFFSET) PREFETCHT1 (OFFSET+4096)(AX)

// func directIQ4_XSx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 8, IQ4_XS, EACH4, NEXT4)

// func manyIQ4_XSVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyIQ4_XSVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, iq4Codes, 8, IQ4_XS, IQ4_XS)

// func directQ2_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ2_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, nibbles, 8, Q2_K, EACH4, NEXT4)

// func manyQ2_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ2_KVNNI(SB), NOSPLIT, $0-64
	MANY(pairs, nibbles, 8, Q2_K, Q2_K)

// func directQ3_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ3_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, thirds, 8, Q3_K, EACH4, NEXT4)

// func manyQ3_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ3_KVNNI(SB), NOSPLIT, $0-64
	MANY(pairs, thirds, 8, Q3_K, Q3_K)

// func directQ4_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q4_K, EACH4, NEXT4)

// func manyQ4_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ4_KVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 8, Q4_K, Q4_K)

// func directQ5_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 8, Q5_K, EACH4, NEXT4)

// func manyQ5_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ5_KVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, fifths, 8, Q5_K, Q5_K)

// func directQ6_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, sixths, 8, Q6_K, EACH4, NEXT4)

// func manyQ6_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ6_KVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, sixths, 8, Q6_K8, Q6_K)
