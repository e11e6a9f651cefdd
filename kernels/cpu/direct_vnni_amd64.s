//go:build !purego

#include "textflag.h"
#include "vnni_amd64.h"

// Products of packed rows with one, two or four tokens in 8 bits: 16 rows are
// unpacked in registers and used at once. AX is at the packed codes, R10 at the
// block, R12 the offset of its scales' bytes, CX blocks left.
//
// Z31 masks nibbles, Z30 the bits above them, or is the signs of codes; Z20 has bits
// above nibbles, Z24 and Z25 the scales of a block of 256. Z4 to Z7, Z12 and Z13 are
// packed codes of Q6_K.

DATA signs<>+0(SB)/4, $0x80808080
GLOBL signs<>(SB), RODATA|NOPTR, $4
DATA words<>+0(SB)/4, $0x00010001
GLOBL words<>(SB), RODATA|NOPTR, $4
DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4
DATA fifths<>+0(SB)/4, $0x10101010
GLOBL fifths<>(SB), RODATA|NOPTR, $4
DATA sixths<>+0(SB)/4, $0x30303030
GLOBL sixths<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS(EACH, HIGH) \
	MOVQ         out+0(FP), DI \
	MOVQ         src+8(FP), AX \
	MOVQ         x+16(FP), BX \
	MOVQ         n+24(FP), CX \
	VPBROADCASTD words<>(SB), Z28 \
	VPBROADCASTD nibbles<>(SB), Z31 \
	VPBROADCASTD HIGH<>(SB), Z30 \
	EACH(LOAD, 0)

#define RETURN(EACH) \
	EACH(STORE, 0) \
	VZEROUPPER \
	RET

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
	EIGHT(EACH, 6)

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

// BLOCKS is the loop over blocks of 32 columns.
#define BLOCKS(EACH, HIGH, HEAD, GROUP, BYTES, XBYTES) \
	ARGUMENTS(EACH, HIGH) \
	SHRQ      $5, CX \
block: \
	HEAD \
	GROUP(EACH) \
	ADDQ      $BYTES, AX \
	ADDQ      $XBYTES, BX \
	DECQ      CX \
	JNZ       block \
	RETURN(EACH)

#define Q4_0(EACH) \
	EACH(BIAS, 0) \
	NIBBLES32(EACH) \
	EACH(ADD, 0)

// func directQ4_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x1VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH1, fifths, HEAD, Q4_0, 256, 48)

// func directQ4_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x2VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH2, fifths, HEAD, Q4_0, 256, 96)

#define Q4_1(EACH) \
	EACH(ZERO, 0) \
	NIBBLES32(EACH) \
	EACH(ADD_PLUS, 0)

// func directQ4_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x1VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH1, fifths, HEAD_MIN, Q4_1, 256, 48)

// func directQ4_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x2VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH2, fifths, HEAD_MIN, Q4_1, 256, 96)

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
	EIGHT(EACH, 6)

#define Q5_0(EACH) \
	EACH(BIAS, 0) \
	FIFTHS32(EACH) \
	EACH(ADD, 0)

// func directQ5_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x1VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH1, fifths, HEAD, Q5_0, 320, 48)

// func directQ5_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x2VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH2, fifths, HEAD, Q5_0, 320, 96)

#define Q5_1(EACH) \
	EACH(ZERO, 0) \
	FIFTHS32(EACH) \
	EACH(ADD_PLUS, 0)

// func directQ5_1x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x1VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH1, fifths, HEAD_MIN, Q5_1, 320, 48)

// func directQ5_1x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x2VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH2, fifths, HEAD_MIN, Q5_1, 320, 96)

// SIGNED adds 128 to the I-th four columns of codes with a sign.
#define SIGNED(EACH, I) \
	AHEAD(64*I) \
	VPXORD (64*I)(AX), Z30, Z16 \
	EACH(USE, I)

#define Q8_0(EACH) \
	EACH(BIAS, 0) \
	SIGNED(EACH, 0) \
	SIGNED(EACH, 1) \
	SIGNED(EACH, 2) \
	SIGNED(EACH, 3) \
	SIGNED(EACH, 4) \
	SIGNED(EACH, 5) \
	SIGNED(EACH, 6) \
	SIGNED(EACH, 7) \
	EACH(ADD, 0)

// func directQ8_0x1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x1VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH1, signs, HEAD, Q8_0, 512, 48)

// func directQ8_0x2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x2VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH2, signs, HEAD, Q8_0, 512, 96)

// K_HEAD begins a block of 256 columns, of which the first BYTES are no codes.
#define K_HEAD(BYTES) \
	MOVQ      AX, R10 \
	TOUCH(0) \
	TOUCH(64) \
	TOUCH(128) \
	TOUCH(192) \
	TOUCH(256) \
	VCVTPH2PS (AX), Z24 \
	VCVTPH2PS 32(AX), Z25 \
	ADDQ      $BYTES, AX \
	XORQ      R12, R12

// K_SCALES reads scales and mins of 32 columns of Q4_K or Q5_K.
#define K_SCALES \
	VPMOVZXBD 64(R10)(R12*1), Z21 \
	VPMOVZXBD 80(R10)(R12*1), Z22 \
	VCVTDQ2PS Z21, Z21 \
	VCVTDQ2PS Z22, Z22 \
	VMULPS    Z24, Z21, Z21 \
	VMULPS    Z25, Z22, Z22 \
	ADDQ      $32, R12

// K_BLOCKS is the loop over groups of 32 columns of blocks of 256.
#define K_BLOCKS(EACH, HIGH, HEAD, GROUP, BYTES, XBYTES) \
	ARGUMENTS(EACH, HIGH) \
	SHRQ      $8, CX \
block: \
	K_HEAD(HEAD) \
group: \
	GROUP(EACH) \
	ADDQ      $BYTES, AX \
	ADDQ      $XBYTES, BX \
	CMPQ      R12, $256 \
	JNE       group \
	DECQ      CX \
	JNZ       block \
	RETURN(EACH)

#define Q4_K(EACH) \
	EACH(ZERO, 0) \
	NIBBLES32(EACH) \
	K_SCALES \
	EACH(ADD_MIN, 0)

// func directQ4_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx1VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH1, fifths, 320, Q4_K, 256, 48)

// func directQ4_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx2VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH2, fifths, 320, Q4_K, 256, 96)

#define Q5_K(EACH) \
	EACH(ZERO, 0) \
	FIFTHS32(EACH) \
	K_SCALES \
	EACH(ADD_MIN, 0)

// func directQ5_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx1VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH1, fifths, 320, Q5_K, 320, 48)

// func directQ5_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx2VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH2, fifths, 320, Q5_K, 320, 96)

// SIXTHS unpacks eight columns of 6 bits; LOW and HIGH are shifted copies of their bits
// above nibbles.
#define SIXTHS(CODES, LOW, HIGH) \
	SPLIT(CODES) \
	VPTERNLOGD $0xF8, Z30, LOW, Z16 \
	VPTERNLOGD $0xF8, Z30, HIGH, Z17

// SIXTEEN is half H of 32 columns of Q6_K, whose codes and bits above are in registers.
#define SIXTEEN(EACH, H, CODES0, CODES1, BITS) \
	EACH(BIAS16, (40+4*H)) \
	VPSLLW    $4, BITS, Z18 \
	VPSLLW    $2, BITS, Z19 \
	SIXTHS(CODES0, Z18, Z19) \
	EIGHT(EACH, (4*H)) \
	VPSRLW    $2, BITS, Z19 \
	SIXTHS(CODES1, BITS, Z19) \
	EIGHT(EACH, (4*H+2)) \
	VPMOVSXBD 32(R10)(R12*1), Z21 \
	VCVTDQ2PS Z21, Z21 \
	VMULPS    Z24, Z21, Z21 \
	ADDQ      $16, R12 \
	EACH(ADD, 0)

// Q6_K reads all codes first, in the order of memory.
#define Q6_K(EACH) \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	AHEAD(320) \
	VMOVDQU32 (AX), Z4 \
	VMOVDQU32 64(AX), Z5 \
	VMOVDQU32 128(AX), Z6 \
	VMOVDQU32 192(AX), Z7 \
	VMOVDQU32 256(AX), Z12 \
	VMOVDQU32 320(AX), Z13 \
	SIXTEEN(EACH, 0, Z4, Z5, Z12) \
	SIXTEEN(EACH, 1, Z6, Z7, Z13)

// func directQ6_Kx1VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx1VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH1, sixths, 288, Q6_K, 384, 48)

// func directQ6_Kx2VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx2VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH2, sixths, 288, Q6_K, 384, 96)

// Four tokens take longer to multiply than lines to come: these go to the first-level
// cache, from further on.
#undef AHEAD
#undef TOUCH
#define AHEAD(OFFSET) PREFETCHT0 (OFFSET+3072)(AX)
#define TOUCH(OFFSET) AHEAD(OFFSET)

// func directQ4_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_0x4VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH4, fifths, HEAD, Q4_0, 256, 192)

// func directQ4_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_1x4VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH4, fifths, HEAD_MIN, Q4_1, 256, 192)

// func directQ5_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_0x4VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH4, fifths, HEAD, Q5_0, 320, 192)

// func directQ5_1x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_1x4VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH4, fifths, HEAD_MIN, Q5_1, 320, 192)

// func directQ8_0x4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ8_0x4VNNI(SB), NOSPLIT, $0-32
	BLOCKS(EACH4, signs, HEAD, Q8_0, 512, 192)

// func directQ4_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ4_Kx4VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH4, fifths, 320, Q4_K, 256, 192)

// func directQ5_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ5_Kx4VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH4, fifths, 320, Q5_K, 320, 192)

// func directQ6_Kx4VNNI(out *float32, src unsafe.Pointer, x *block8, n int)
// Requires: AVX512F, AVX512BW, AVX512_VNNI
TEXT ·directQ6_Kx4VNNI(SB), NOSPLIT, $0-32
	K_BLOCKS(EACH4, sixths, 288, Q6_K, 384, 192)
