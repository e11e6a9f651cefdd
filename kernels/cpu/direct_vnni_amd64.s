//go:build !purego

#include "textflag.h"
#include "vnni_amd64.h"
#include "packed_vnni_amd64.h"

// Products of packed rows with one, two, four or many tokens in 8 bits. R10 is at the
// block, R12 the offset of its scales' bytes, R8 at factors.
//
// Z30 has signs of codes, too, or is a table of values. Z24 and Z25 are the scales of a block
// of 256, Z23, Z25 and Z26 packed codes.

PATTERN(pairs<>, 0x0303030303030303)
PATTERN(signs<>, 0x8080808080808080)

// Values of IQ4_NL codes, plus 128; of 4-bit floats, doubled, plus 12.
DATA iq4Codes<>+0(SB)/8, $0x766a5d4f3f2d1801
DATA iq4Codes<>+8(SB)/8, $0xf1d9c5b5a6998d81
GLOBL iq4Codes<>(SB), RODATA|NOPTR, $16
DATA e2m1Codes<>+0(SB)/8, $0x181412100f0e0d0c
DATA e2m1Codes<>+8(SB)/8, $0x00040608090a0b0c
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16

// SCALED is DIRECT with factors.
#define SCALED(LOW, HIGH, LOG, LOOP, EACH, NEXT) \
	MOVQ factors+32(FP), R8 \
	DIRECT(LOW, HIGH, LOG, LOOP, EACH, NEXT)

// FETCH_EIGHTH is FETCH in each eighth block of 32 columns.
#define FETCH_EIGHTH(SKIP) \
	TESTQ $7, CX \
	JNE   SKIP \
	FETCH \
SKIP:

// BLOCKS is a loop over blocks of 32 columns.
#define BLOCKS(BLOCK, SKIP, EACH, NEXT, GROUP) \
	EACH(LOAD, 0) \
BLOCK: \
	FETCH_EIGHTH(SKIP) \
	GROUP(EACH) \
	NEXT \
	DECQ CX \
	JNZ  BLOCK \
	EACH(STORE, 0)

// K_BLOCKS is one over groups of 32 columns of blocks of 256, of which the first BYTES are
// no codes. R12 ends at END. BEGIN reads what a block has beside its first scales.
#define K_BLOCKS(BLOCK, GROUP, EACH, NEXT, BYTES, END, BEGIN, USE_GROUP) \
	EACH(LOAD, 0) \
BLOCK: \
	FETCH \
	MOVQ      AX, R10 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	VCVTPH2PS (AX), Z24 \
	BEGIN \
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

// HEAD begins a block of 32 columns with scales, HEAD_MIN one with numbers that are added,
// too.
#define HEAD \
	AHEAD(0) \
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

#define Q4_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, Q4_0_GROUP)

#define Q4_1_GROUP(EACH) \
	HEAD_MIN \
	EACH(ZERO, 0) \
	NIBBLES32(EACH) \
	EACH(ADD_PLUS, 0)

#define Q4_1(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, Q4_1_GROUP)

#define Q5_0_GROUP(EACH) \
	HEAD \
	EACH(BIAS, 0) \
	FIFTHS32(EACH) \
	EACH(ADD, 0)

#define Q5_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, Q5_0_GROUP)

#define Q5_1_GROUP(EACH) \
	HEAD_MIN \
	EACH(ZERO, 0) \
	FIFTHS32(EACH) \
	EACH(ADD_PLUS, 0)

#define Q5_1(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, Q5_1_GROUP)

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

#define Q8_0(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, Q8_0_GROUP)

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

#define IQ4_NL(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, IQ4_NL_GROUP)

// The scales of MXFP4 are BF16.
#define MXFP4_GROUP(EACH) \
	VPMOVZXWD (AX), Z21 \
	VPSLLD    $16, Z21, Z21 \
	VMULPS    (R8), Z21, Z21 \
	ADDQ      $32, AX \
	LOOKUP32(EACH)

#define MXFP4(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, MXFP4_GROUP)

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

#define NVFP4(BLOCK, GROUP, EACH, NEXT) BLOCKS(BLOCK, GROUP, EACH, NEXT, NVFP4_GROUP)

// SIGNED_SCALES reads scales with a sign, of a group of IQ4_XS or Q3_K.
#define SIGNED_SCALES \
	VPMOVSXBD 32(R10)(R12*1), Z21 \
	VCVTDQ2PS Z21, Z21 \
	VMULPS    Z24, Z21, Z21 \
	ADDQ      $16, R12

#define IQ4_XS_GROUP(EACH) \
	SIGNED_SCALES \
	LOOKUP32(EACH)

// IQ4_XS_TABLE and Q3_K_TABLE read a block's table of values, plus 128 and plus 64.
#define IQ4_XS_TABLE VBROADCASTI32X4 176(AX), Z30
#define Q3_K_TABLE VBROADCASTI32X4 304(AX), Z30

#define IQ4_XS(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 192, 128, IQ4_XS_TABLE, IQ4_XS_GROUP)

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

#define SECOND_SCALES VCVTPH2PS 32(AX), Z25

#define Q2_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 320, 256, SECOND_SCALES, Q2_K_GROUP)

PATTERN(bits0<>, 0x1111111111111111)
PATTERN(bits2<>, 0x4444444444444444)

// THREES uses eight columns of nibbles.
#define THREES(EACH, CODES, I) \
	SPLIT(CODES) \
	VPSHUFB Z16, Z30, Z16 \
	VPSHUFB Z17, Z30, Z17 \
	EIGHT(EACH, I)

// Codes of the last eight columns are the fourth bits of the nibbles of three words.
#define Q3_K_GROUP(EACH) \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	VMOVDQU32       (AX), Z23 \
	VMOVDQU32       64(AX), Z25 \
	VMOVDQU32       128(AX), Z26 \
	SIGNED_SCALES \
	EACH(BIAS16, 40) \
	THREES(EACH, Z23, 0) \
	THREES(EACH, Z25, 2) \
	EACH(ADD, 0) \
	SIGNED_SCALES \
	EACH(BIAS16, 44) \
	THREES(EACH, Z26, 4) \
	VPSRLW          $3, Z23, Z23 \
	VPSRLW          $2, Z25, Z25 \
	VPSRLW          $1, Z26, Z26 \
	VPTERNLOGD.BCST $0xE4, bits0<>(SB), Z25, Z23 \
	VPTERNLOGD.BCST $0xD8, bits2<>(SB), Z26, Z23 \
	THREES(EACH, Z23, 6) \
	EACH(ADD, 0) \
	ADDQ            $192, AX

#define Q3_K(BLOCK, GROUP, EACH, NEXT) K_BLOCKS(BLOCK, GROUP, EACH, NEXT, 320, 256, Q3_K_TABLE, Q3_K_GROUP)

// func directQ4_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_0, EACH1, NEXT1)

// func directQ4_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_1, EACH1, NEXT1)

// func directQ5_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_0, EACH1, NEXT1)

// func directQ5_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_1, EACH1, NEXT1)

// func directQ8_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, signs, 5, Q8_0, EACH1, NEXT1)

// func directIQ4_NLx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_NLx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 5, IQ4_NL, EACH1, NEXT1)

// func directMXFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directMXFP4x1VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, MXFP4, EACH1, NEXT1)

// func directNVFP4x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directNVFP4x1VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, NVFP4, EACH1, NEXT1)

// func directIQ4_XSx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, nibbles, 8, IQ4_XS, EACH1, NEXT1)

// func directQ2_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ2_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, nibbles, 8, Q2_K, EACH1, NEXT1)

// func directQ3_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ3_Kx1VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, nibbles, 8, Q3_K, EACH1, NEXT1)

// More tokens have more lines, and lose by it.
#undef FETCH
#undef FETCH_EIGHTH
#define FETCH
#define FETCH_EIGHTH(SKIP)

// func directQ4_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_0, EACH2, NEXT2)

// func directQ4_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q4_1, EACH2, NEXT2)

// func directQ5_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_0, EACH2, NEXT2)

// func directQ5_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, fifths, 5, Q5_1, EACH2, NEXT2)

// func directQ8_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, signs, 5, Q8_0, EACH2, NEXT2)

// func directIQ4_NLx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_NLx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, iq4Codes, 5, IQ4_NL, EACH2, NEXT2)

// func directMXFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directMXFP4x2VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, MXFP4, EACH2, NEXT2)

// func directNVFP4x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directNVFP4x2VNNI(SB), NOSPLIT, $0-40
	SCALED(nibbles, e2m1Codes, 5, NVFP4, EACH2, NEXT2)

// func directIQ4_XSx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, nibbles, 8, IQ4_XS, EACH2, NEXT2)

// func directQ2_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ2_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(pairs, nibbles, 8, Q2_K, EACH2, NEXT2)

// func directQ3_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ3_Kx2VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, nibbles, 8, Q3_K, EACH2, NEXT2)

// Four tokens take longer to multiply than lines to come.
#undef REACHES
#define REACHES REACH(1)

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

// Blocks of 256 columns begin with scales, which are read out of turn.
#undef REACHES
#define REACHES REACH(2)

// func directIQ4_XSx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directIQ4_XSx4VNNI(SB), NOSPLIT, $0-32
	DIRECT(nibbles, nibbles, 8, IQ4_XS, EACH4, NEXT4)

// func manyIQ4_XSVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyIQ4_XSVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, nibbles, 8, IQ4_XS, IQ4_XS)

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
	DIRECT(nibbles, nibbles, 8, Q3_K, EACH4, NEXT4)

// func manyQ3_KVNNI(out *float32, src unsafe.Pointer, x *block8, stride, tokens, n int, p *panel8, factors *float32)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·manyQ3_KVNNI(SB), NOSPLIT, $0-64
	MANY(nibbles, nibbles, 8, Q3_K, Q3_K)
