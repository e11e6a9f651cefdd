//go:build !purego

#include "textflag.h"
#include "side_amd64.h"
#include "vector_amd64.h"
#include "head_amd64.h"

// Unpacking to tiles of BF16: DI is the tiles, SI the packed blocks, CX columns left, and
// R11 how far behind SI the blocks are that are unpacked next: each line that is read
// prefetches that there, for many at once would keep the loads behind them waiting.
// A vector is a column of 16 rows: Z0 to Z7 are eight of them, Z22 their scales, Z23
// what is added or taken off. Z21 is a table of what 4 bits mean, and Z26 goes on with
// 5; Z24 masks the low bits of codes, Z25 the top ones. Z20 sets columns side by side.

// Integers from -16 on, the values of IQ4_NL codes, and those of 4-bit
// floats, doubled.
DATA tableInt<>+0(SB)/8, $0xf7f6f5f4f3f2f1f0
DATA tableInt<>+8(SB)/8, $0xfffefdfcfbfaf9f8
DATA tableInt<>+16(SB)/8, $0x0706050403020100
DATA tableInt<>+24(SB)/8, $0x0f0e0d0c0b0a0908
DATA tableInt<>+32(SB)/8, $0x1716151413121110
DATA tableInt<>+40(SB)/8, $0x1f1e1d1c1b1a1918
GLOBL tableInt<>(SB), RODATA|NOPTR, $48
DATA tableIQ4<>+0(SB)/8, $0xf6eaddcfbfad9881
DATA tableIQ4<>+8(SB)/8, $0x7159453526190d01
GLOBL tableIQ4<>(SB), RODATA|NOPTR, $16
DATA tableE2M1<>+0(SB)/8, $0x0c08060403020100
DATA tableE2M1<>+8(SB)/8, $0xf4f8fafcfdfeff00
GLOBL tableE2M1<>(SB), RODATA|NOPTR, $16

DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4
DATA signs2<>+0(SB)/4, $0xaaaaaaaa
GLOBL signs2<>(SB), RODATA|NOPTR, $4
DATA top8<>+0(SB)/4, $0xff000000
GLOBL top8<>(SB), RODATA|NOPTR, $4
DATA top6<>+0(SB)/4, $0xfc000000
GLOBL top6<>(SB), RODATA|NOPTR, $4
DATA minus24<>+0(SB)/4, $0x33800000 // 2^-24
GLOBL minus24<>(SB), RODATA|NOPTR, $4
DATA minus26<>+0(SB)/4, $0x32800000
GLOBL minus26<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS \
	MOVQ      dst+0(FP), DI \
	MOVQ      src+8(FP), SI \
	MOVQ      ahead+16(FP), R11 \
	SUBQ      SI, R11 \
	MOVQ      n+24(FP), CX \
	VMOVDQU64 sideBySide<>(SB), Z20

// LINES4 prefetches four lines.
#define LINES4(BASE) \
	PREFETCHT0 (BASE)(R11*1) \
	PREFETCHT0 64(BASE)(R11*1) \
	PREFETCHT0 128(BASE)(R11*1) \
	PREFETCHT0 192(BASE)(R11*1)

// TABLE reads 16 numbers of a byte.
#define TABLE(SRC, Z) \
	VPMOVSXBD SRC(SB), Z \
	VCVTDQ2PS Z, Z

// PAIR writes columns L and H of Z0 to Z7 side by side: VCVTNE2PS2BF16, which the
// assembler does not know, of Z(L), Z(H) to Z(L), which is also ZL.
#define PAIR(L, H, ZL, AT) \
	BYTE      $0x62; BYTE $0xF2; BYTE $(0x07|((15-H)<<3)); BYTE $0x48; BYTE $0x72; BYTE $(0xC0|(L<<3)|L) \
	VPERMW    ZL, Z20, ZL \
	VMOVDQU64 ZL, AT(DI)

// EIGHT does a step with each column, then writes them.
#define EIGHT(STEP) \
	STEP(Z0) \
	STEP(Z1) \
	STEP(Z2) \
	STEP(Z3) \
	STEP(Z4) \
	STEP(Z5) \
	STEP(Z6) \
	STEP(Z7) \
	PAIR(0, 1, Z0, 0) \
	PAIR(2, 3, Z2, 64) \
	PAIR(4, 5, Z4, 128) \
	PAIR(6, 7, Z6, 192) \
	ADDQ $256, DI

// Steps of a column: what its codes mean, then scales.
#define TIMES(Z) VMULPS Z22, Z, Z

#define MEANS4(Z) VPERMPS Z21, Z, Z

#define MEANS5(Z) VPERMI2PS Z26, Z21, Z

#define TIMES4(Z) \
	MEANS4(Z) \
	TIMES(Z)

#define MINUS4(Z) \
	MEANS4(Z) \
	VFMSUB213PS Z23, Z22, Z

#define PLUS4(Z) \
	MEANS4(Z) \
	VFMADD213PS Z23, Z22, Z

#define TIMES5(Z) \
	MEANS5(Z) \
	TIMES(Z)

#define MINUS5(Z) \
	MEANS5(Z) \
	VFMSUB213PS Z23, Z22, Z

#define PLUS5(Z) \
	MEANS5(Z) \
	VFMADD213PS Z23, Z22, Z

#define WHOLE(Z) \
	VCVTDQ2PS Z, Z \
	TIMES(Z)

// NIBBLES makes eight columns of dwords, whose bits above the lowest four of a column
// its step does not read.
#define NIBBLES(SRC, STEP) \
	PREFETCHT0 SRC(R11*1) \
	VMOVDQU32  SRC, Z0 \
	VPSRLD    $8, Z0, Z1 \
	VPSRLD    $16, Z0, Z2 \
	VPSRLD    $24, Z0, Z3 \
	VPSRLD    $4, Z0, Z4 \
	VPSRLD    $12, Z0, Z5 \
	VPSRLD    $20, Z0, Z6 \
	VPSRLD    $28, Z0, Z7 \
	EIGHT(STEP)

#define NIBBLES4(BASE, AT, STEP) \
	NIBBLES(AT(BASE), STEP) \
	NIBBLES((AT+64)(BASE), STEP) \
	NIBBLES((AT+128)(BASE), STEP) \
	NIBBLES((AT+192)(BASE), STEP)

// NEXT goes on to the next block.
#define NEXT(COLUMNS, BYTES, LOOP) \
	ADDQ $BYTES, SI \
	SUBQ $COLUMNS, CX \
	JNZ  LOOP \
	VZEROUPPER \
	RET

// func tilesF16(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesF16(SB), NOSPLIT, $0-32
	ARGUMENTS

loop:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z0
	VCVTPH2PS 32(SI), Z1
	PAIR(0, 1, Z0, 0)
	ADDQ      $64, DI
	NEXT(2, 64, loop)

// func tilesQ4_0(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ4_0(SB), NOSPLIT, $0-32
	ARGUMENTS
	TABLE(tableInt<>+8, Z21)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	NIBBLES4(SI, 32, TIMES4)
	NEXT(32, 288, block)

// func tilesQ4_1(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ4_1(SB), NOSPLIT, $0-32
	ARGUMENTS
	TABLE(tableInt<>+16, Z21)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	VCVTPH2PS 32(SI), Z23
	NIBBLES4(SI, 64, PLUS4)
	NEXT(32, 320, block)

// func tilesIQ4_NL(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesIQ4_NL(SB), NOSPLIT, $0-32
	ARGUMENTS
	TABLE(tableIQ4<>+0, Z21)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	NIBBLES4(SI, 32, TIMES4)
	NEXT(32, 288, block)

// func tilesMXFP4(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesMXFP4(SB), NOSPLIT, $0-32
	ARGUMENTS
	TABLE(tableE2M1<>+0, Z21)

block:
	PREFETCHT0 (SI)(R11*1)
	VPMOVZXWD (SI), Z22
	VPSLLD    $16, Z22, Z22
	NIBBLES4(SI, 32, TIMES4)
	NEXT(32, 288, block)

// func tilesNVFP4(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesNVFP4(SB), NOSPLIT, $0-32
	ARGUMENTS
	TABLE(tableE2M1<>+0, Z21)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	NIBBLES(32(SI), TIMES4)
	NIBBLES(96(SI), TIMES4)
	NEXT(16, 160, block)

// HEAD reads d and dmin of a block of Q4_K or Q5_K to Z28 and Z29 and writes its scales and mins
// (packer.head) to R9; K_SCALES makes floats of those of the next 32 columns.
#define HEAD \
	LINES4(SI) \
	VCVTPH2PS       (SI), Z28 \
	VCVTPH2PS       32(SI), Z29 \
	HEAD_FRAME(328, R9) \
	SIXES(64, 0, 0) \
	SIXES(128, 4, 128) \
	VPBROADCASTD    headByte<>(SB), Z11 \
	LEAQ            256(SI), R10 \
	MOVQ            $8, R8

// SIXES writes to TO the 6 bits of eight groups, bytes of dwords: those at AT and the nibbles
// that begin at bit SHIFT.
#define SIXES(AT, SHIFT, TO) \
	VMOVDQU32       AT(SI), Z0 \
	VPSRLW          $SHIFT, 192(SI), Z1 \
	VPSRLW          $2, Z0, Z2 \
	VPANDD.BCST     headSix<>(SB), Z0, Z0 \
	VPANDD.BCST     headLow<>(SB), Z1, Z1 \
	VPTERNLOGD.BCST $0xF8, headHigh<>(SB), Z2, Z1 \
	VMOVDQU32       Z0, TO(R9) \
	VMOVDQU32       Z1, (TO+64)(R9)

#define K_SCALES \
	VPANDD    (R9), Z11, Z22 \
	VPANDD    128(R9), Z11, Z23 \
	VCVTDQ2PS Z22, Z22 \
	VCVTDQ2PS Z23, Z23 \
	VMULPS    Z28, Z22, Z22 \
	VMULPS    Z29, Z23, Z23 \
	NEXT_HEAD(R9)

// SIGNED_SCALES makes scales of d in Z28 and a byte with a sign.
#define SIGNED_SCALES \
	VPMOVSXBD (R9), Z22 \
	VCVTDQ2PS Z22, Z22 \
	VMULPS    Z28, Z22, Z22 \
	ADDQ      $16, R9

// func tilesQ4_K(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ4_K(SB), NOSPLIT, $328-32
	ARGUMENTS
	TABLE(tableInt<>+16, Z21)

block:
	HEAD

group:
	K_SCALES
	NIBBLES4(R10, 0, MINUS4)
	ADDQ $256, R10
	DECQ R8
	JNZ  group
	NEXT(256, 2304, block)

// func tilesIQ4_XS(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesIQ4_XS(SB), NOSPLIT, $0-32
	ARGUMENTS

block:
	LINES4(SI)
	VPMOVSXBD 160(SI), Z21
	VCVTDQ2PS Z21, Z21
	VCVTPH2PS (SI), Z28
	LEAQ      32(SI), R9
	LEAQ      192(SI), R10
	MOVQ      $8, R8

group:
	SIGNED_SCALES
	NIBBLES4(R10, 0, TIMES4)
	ADDQ $256, R10
	DECQ R8
	JNZ  group
	NEXT(256, 2240, block)

// JOIN makes bytes of four columns: the low nibbles of X under bits of Z10, shifted.
#define JOIN(X, SHIFT, BY, Z) \
	SHIFT      $(BY), Z10, Z \
	VPTERNLOGD $0xD8, Z24, X, Z

// FIFTHS makes eight columns of nibbles and of fifth bits in Z10.
#define FIFTHS(SRC, SHIFT0, BY0, SHIFT1, BY1, STEP) \
	PREFETCHT0 SRC(R11*1) \
	VMOVDQU32 SRC, Z8 \
	VPSRLD    $4, Z8, Z9 \
	JOIN(Z8, SHIFT0, BY0, Z0) \
	JOIN(Z9, SHIFT1, BY1, Z4) \
	VPSRLD    $8, Z0, Z1 \
	VPSRLD    $16, Z0, Z2 \
	VPSRLD    $24, Z0, Z3 \
	VPSRLD    $8, Z4, Z5 \
	VPSRLD    $16, Z4, Z6 \
	VPSRLD    $24, Z4, Z7 \
	EIGHT(STEP)

// FIFTHS4 makes 32 columns of the fifth bits at AT and the nibbles behind them.
#define FIFTHS4(BASE, AT, STEP) \
	PREFETCHT0 AT(BASE)(R11*1) \
	VMOVDQU32 AT(BASE), Z10 \
	FIFTHS((AT+64)(BASE), VPSLLD, 4, VPSLLD, 3, STEP) \
	FIFTHS((AT+128)(BASE), VPSLLD, 2, VPSLLD, 1, STEP) \
	FIFTHS((AT+192)(BASE), VPSLLD, 0, VPSRLD, 1, STEP) \
	FIFTHS((AT+256)(BASE), VPSRLD, 2, VPSRLD, 3, STEP)

// FIFTH_TABLE begins with the integer at FROM of tableInt.
#define FIFTH_TABLE(FROM) \
	TABLE(tableInt<>+FROM, Z21) \
	TABLE(tableInt<>+(FROM+16), Z26) \
	VPBROADCASTD nibbles<>(SB), Z24

// func tilesQ5_0(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ5_0(SB), NOSPLIT, $0-32
	ARGUMENTS
	FIFTH_TABLE(0)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	FIFTHS4(SI, 32, TIMES5)
	NEXT(32, 352, block)

// func tilesQ5_1(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ5_1(SB), NOSPLIT, $0-32
	ARGUMENTS
	FIFTH_TABLE(16)

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	VCVTPH2PS 32(SI), Z23
	FIFTHS4(SI, 64, PLUS5)
	NEXT(32, 384, block)

// func tilesQ5_K(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ5_K(SB), NOSPLIT, $328-32
	ARGUMENTS
	FIFTH_TABLE(16)

block:
	HEAD

group:
	K_SCALES
	FIFTHS4(R10, 0, MINUS5)
	ADDQ $320, R10
	DECQ R8
	JNZ  group
	NEXT(256, 2816, block)

// TOPS moves the codes of four columns to the top of dwords, which makes integers with
// a sign of them: byte I of Z8 from bit SKIP on. The bits below are not theirs.
#define TOPS(SKIP, A, B, C, D) \
	VPSLLD $(24+SKIP), Z8, A \
	VPSLLD $(16+SKIP), Z8, B \
	VPSLLD $(8+SKIP), Z8, C \
	VPSLLD $(SKIP), Z8, D \
	VPANDD Z25, B, B \
	VPANDD Z25, C, C \
	VPANDD Z25, D, D

#define BYTES(AT) \
	PREFETCHT0 AT(SI)(R11*1) \
	VMOVDQU32 AT(SI), Z8 \
	TOPS(0, Z0, Z1, Z2, Z3) \
	PREFETCHT0 (AT+64)(SI)(R11*1) \
	VMOVDQU32 (AT+64)(SI), Z8 \
	TOPS(0, Z4, Z5, Z6, Z7) \
	EIGHT(WHOLE)

// func tilesQ8_0(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ8_0(SB), NOSPLIT, $0-32
	ARGUMENTS
	VPBROADCASTD top8<>(SB), Z25
	VBROADCASTSS minus24<>(SB), Z27

block:
	PREFETCHT0 (SI)(R11*1)
	VCVTPH2PS (SI), Z22
	VMULPS    Z27, Z22, Z22
	BYTES(32)
	BYTES(160)
	BYTES(288)
	BYTES(416)
	NEXT(32, 544, block)

// SIXTHS makes eight columns of nibbles and of high bits in Z10, whose upper one has
// the other sense: it is a sign.
#define SIXTHS(SRC, SHIFT0, BY0, SHIFT1, BY1) \
	PREFETCHT0 SRC(R11*1) \
	VMOVDQU32 SRC, Z9 \
	JOIN(Z9, SHIFT0, BY0, Z8) \
	TOPS(2, Z0, Z1, Z2, Z3) \
	VPSRLD    $4, Z9, Z9 \
	JOIN(Z9, SHIFT1, BY1, Z8) \
	TOPS(2, Z4, Z5, Z6, Z7) \
	EIGHT(WHOLE)

// SIXTHS2 makes 16 columns of the nibbles at AT and the high bits at HIGH.
#define SIXTHS2(AT, HIGH) \
	SIGNED_SCALES \
	PREFETCHT0 HIGH(R10)(R11*1) \
	VPXORD HIGH(R10), Z30, Z10 \
	SIXTHS(AT(R10), VPSLLD, 4, VPSLLD, 2) \
	SIXTHS((AT+64)(R10), VPSLLD, 0, VPSRLD, 2)

// func tilesQ6_K(dst *uint16, src, ahead unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·tilesQ6_K(SB), NOSPLIT, $0-32
	ARGUMENTS
	VPBROADCASTD nibbles<>(SB), Z24
	VPBROADCASTD top6<>(SB), Z25
	VBROADCASTSS minus26<>(SB), Z27
	VPBROADCASTD signs2<>(SB), Z30

block:
	LINES4(SI)
	VCVTPH2PS (SI), Z28
	VMULPS    Z27, Z28, Z28
	LEAQ      32(SI), R9
	LEAQ      288(SI), R10
	MOVQ      $8, R8

group:
	SIXTHS2(0, 256)
	SIXTHS2(128, 320)
	ADDQ $384, R10
	DECQ R8
	JNZ  group
	NEXT(256, 3360, block)
