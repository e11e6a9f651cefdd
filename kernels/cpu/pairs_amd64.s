//go:build !purego

#include "textflag.h"

// Products of BF16 and F8_E4M3 columns in pairs. SI is at two columns of 16 rows, BX at
// the pair of x of each token, CX pairs left of a chunk, DX those of the others. Z0 to Z7 are
// sums of even pairs, Z8 to Z15 of odd ones. Z16 and Z17 are two columns each in BF16, a row's
// values side by side, as BF16 is packed. Z17 to Z25 serve to make BF16 of F8_E4M3.

// EVEN and ODD are VDPBF16PS.BCST 4*(T+SKIP)(BX), Z16, Z(T) and Z17, Z(8+T), which
// the assembler does not know: T is a token, SKIP those of the pair before.
#define DOT(P0, P1, T, AT) \
	BYTE $0x62 \
	BYTE $P0 \
	BYTE $P1 \
	BYTE $0x50 \
	BYTE $0x52 \
	BYTE $(0x43|(T<<3)) \
	BYTE $(AT)

#define EVEN(T, SKIP) DOT(0xF2, 0x7E, T, T)
#define ODD(T, SKIP) DOT(0x72, 0x76, T, (T+SKIP))

// SUM adds the two sums of a token to out.
#define SUM(EVEN, ODD, AT) \
	VADDPS  ODD, EVEN, EVEN \
	VADDPS  AT(DI), EVEN, EVEN \
	VMOVUPS EVEN, AT(DI)

// EACHn does a step for n tokens.
#define EACH1(STEP) \
	STEP(0, 1)

#define EACH2(STEP) \
	STEP(0, 2) \
	STEP(1, 2)

#define EACH4(STEP) \
	STEP(0, 4) \
	STEP(1, 4) \
	STEP(2, 4) \
	STEP(3, 4)

#define EACH8(STEP) \
	STEP(0, 8) \
	STEP(1, 8) \
	STEP(2, 8) \
	STEP(3, 8) \
	STEP(4, 8) \
	STEP(5, 8) \
	STEP(6, 8) \
	STEP(7, 8)

#define SUM1 \
	SUM(Z0, Z8, 0)

#define SUM2 \
	SUM1 \
	SUM(Z1, Z9, 64)

#define SUM4 \
	SUM2 \
	SUM(Z2, Z10, 128) \
	SUM(Z3, Z11, 192)

#define SUM8 \
	SUM4 \
	SUM(Z4, Z12, 256) \
	SUM(Z5, Z13, 320) \
	SUM(Z6, Z14, 384) \
	SUM(Z7, Z15, 448)

#define ZERO(A, B, C, D) \
	VPXORD A, A, A \
	VPXORD B, B, B \
	VPXORD C, C, C \
	VPXORD D, D, D

// PAIRS multiplies; XBYTES are a pair of x of all tokens of the tile, WBYTES one of the
// weight. BEGIN loads constants, TWO makes two pairs, ONE makes the first.
#define PAIRS(BEGIN, TWO, ONE, WBYTES, EACH, SUMS, XBYTES) \
	MOVQ out+0(FP), DI \
	MOVQ panel+8(FP), SI \
	MOVQ x+16(FP), BX \
	MOVQ n+24(FP), DX \
	SHRQ $1, DX \
	BEGIN \
chunk: \
	MOVQ    $128, CX \
	CMPQ    DX, CX \
	CMOVQLT DX, CX \
	SUBQ    CX, DX \
	ZERO(Z0, Z1, Z2, Z3) \
	ZERO(Z4, Z5, Z6, Z7) \
	ZERO(Z8, Z9, Z10, Z11) \
	ZERO(Z12, Z13, Z14, Z15) \
two: \
	CMPQ CX, $2 \
	JLT  one \
	TWO \
	EACH(EVEN) \
	EACH(ODD) \
	ADDQ $(2*WBYTES), SI \
	ADDQ $(2*XBYTES), BX \
	SUBQ $2, CX \
	JMP  two \
one: \
	TESTQ CX, CX \
	JEQ   done \
	ONE \
	EACH(EVEN) \
done: \
	SUMS \
	TESTQ DX, DX \
	JNZ   chunk \
	VZEROUPPER \
	RET

// AHEAD prefetches a cache line that will be read soon, to the second-level cache: the
// buffers of the first are for loads.
#define AHEAD(OFFSET) PREFETCHT1 (OFFSET+1024)(SI)

#define BEGIN_BF16
#define ONE_BF16 VMOVDQU64 (SI), Z16
#define TWO_BF16 \
	AHEAD(0) \
	AHEAD(64) \
	ONE_BF16 \
	VMOVDQU64 64(SI), Z17

#define PAIRS_BF16(EACH, SUMS, XBYTES) PAIRS(BEGIN_BF16, TWO_BF16, ONE_BF16, 64, EACH, SUMS, XBYTES)

// func pairs1BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs1BF16(SB), NOSPLIT, $0-32
	PAIRS_BF16(EACH1, SUM1, 4)

// func pairs2BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs2BF16(SB), NOSPLIT, $0-32
	PAIRS_BF16(EACH2, SUM2, 8)

// func pairs4BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs4BF16(SB), NOSPLIT, $0-32
	PAIRS_BF16(EACH4, SUM4, 16)

// A line takes longer with eight tokens, and of F8_E4M3 with any: there further ahead is
// faster, which was measured only.
#undef AHEAD
#define AHEAD(OFFSET) PREFETCHT1 (OFFSET+4096)(SI)

// func pairs8BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs8BF16(SB), NOSPLIT, $0-32
	PAIRS_BF16(EACH8, SUM8, 32)

// A code of F8_E4M3 without its sign has a high and a low byte in BF16, where it is
// 1/f8Unit of its value. CODES are those of 16 codes, whose high bytes are the same.
#define CODES(AT, HIGH) \
	DATA highF8<>+AT+0(SB)/8, $HIGH \
	DATA highF8<>+AT+8(SB)/8, $HIGH \
	DATA lowF8<>+AT+0(SB)/8, $0x7060504030201000 \
	DATA lowF8<>+AT+8(SB)/8, $0xf0e0d0c0b0a09080

// Codes 0 to 7 are zero and subnormal numbers, which are normal ones in BF16; 127 is NaN.
DATA highF8<>+0(SB)/8, $0x3838383837373700
DATA highF8<>+8(SB)/8, $0x3838383838383838
DATA lowF8<>+0(SB)/8, $0x60402000c0800000
DATA lowF8<>+8(SB)/8, $0xf0e0d0c0b0a09080
CODES(16, 0x3939393939393939)
CODES(32, 0x3a3a3a3a3a3a3a3a)
CODES(48, 0x3b3b3b3b3b3b3b3b)
CODES(64, 0x3c3c3c3c3c3c3c3c)
CODES(80, 0x3d3d3d3d3d3d3d3d)
CODES(96, 0x3e3e3e3e3e3e3e3e)
DATA highF8<>+112(SB)/8, $0x3f3f3f3f3f3f3f3f
DATA highF8<>+120(SB)/8, $0x7f3f3f3f3f3f3f3f
DATA lowF8<>+112(SB)/8, $0x7060504030201000
DATA lowF8<>+120(SB)/8, $0xc0e0d0c0b0a09080
GLOBL highF8<>(SB), RODATA|NOPTR, $128
GLOBL lowF8<>(SB), RODATA|NOPTR, $128

DATA signsF8<>+0(SB)/4, $0x80808080
GLOBL signsF8<>(SB), RODATA|NOPTR, $4

// The codes of four columns, in every 16 bytes those of four rows: of each row the first
// column's and the second's, then of each the third's and the fourth's.
DATA fourRows<>+0(SB)/8, $0x1303120211011000
DATA fourRows<>+8(SB)/8, $0x3323322231213020
DATA fourRows<>+16(SB)/8, $0x1707160615051404
DATA fourRows<>+24(SB)/8, $0x3727362635253424
DATA fourRows<>+32(SB)/8, $0x1b0b1a0a19091808
DATA fourRows<>+40(SB)/8, $0x3b2b3a2a39293828
DATA fourRows<>+48(SB)/8, $0x1f0f1e0e1d0d1c0c
DATA fourRows<>+56(SB)/8, $0x3f2f3e2e3d2d3c2c
GLOBL fourRows<>(SB), RODATA|NOPTR, $64

#define BEGIN_F8 \
	VMOVDQU64    fourRows<>(SB), Z20 \
	VMOVDQU64    lowF8<>+0(SB), Z21 \
	VMOVDQU64    lowF8<>+64(SB), Z22 \
	VMOVDQU64    highF8<>+0(SB), Z23 \
	VMOVDQU64    highF8<>+64(SB), Z24 \
	VPBROADCASTD signsF8<>(SB), Z25

// FIRST makes the first pair of codes in the order of fourRows, Z19. Low bytes are left in
// Z17, high ones in Z18.
#define FIRST \
	VMOVDQA64  Z19, Z17 \
	VMOVDQA64  Z19, Z18 \
	VPERMI2B   Z22, Z21, Z17 \
	VPERMI2B   Z24, Z23, Z18 \
	VPTERNLOGD $0xF8, Z25, Z19, Z18 \
	VPUNPCKLBW Z18, Z17, Z16

#define ONE_F8 \
	VBROADCASTI64X4 (SI), Z19 \
	VPERMB          Z19, Z20, Z19 \
	FIRST

#define TWO_F8 \
	AHEAD(0) \
	VPERMB     (SI), Z20, Z19 \
	FIRST \
	VPUNPCKHBW Z18, Z17, Z17

#define PAIRS_F8(EACH, SUMS, XBYTES) PAIRS(BEGIN_F8, TWO_F8, ONE_F8, 32, EACH, SUMS, XBYTES)

// func pairs1F8(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512VBMI, AVX512_BF16
TEXT ·pairs1F8(SB), NOSPLIT, $0-32
	PAIRS_F8(EACH1, SUM1, 4)

// func pairs2F8(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512VBMI, AVX512_BF16
TEXT ·pairs2F8(SB), NOSPLIT, $0-32
	PAIRS_F8(EACH2, SUM2, 8)

// func pairs4F8(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512VBMI, AVX512_BF16
TEXT ·pairs4F8(SB), NOSPLIT, $0-32
	PAIRS_F8(EACH4, SUM4, 16)

// func pairs8F8(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512VBMI, AVX512_BF16
TEXT ·pairs8F8(SB), NOSPLIT, $0-32
	PAIRS_F8(EACH8, SUM8, 32)

// FOUR writes four pairs of X0.
#define FOUR \
	VMOVD   X0, (DI) \
	VPEXTRD $1, X0, (DI)(R8*1) \
	VPEXTRD $2, X0, (DI)(R8*2) \
	VPEXTRD $3, X0, (DI)(R9*1) \
	LEAQ    (DI)(R8*4), DI

// func roundPairsBF16(dst *uint16, width int, x *float32, n int)
// n is a multiple of 16.
// Requires: AVX512F, AVX512_BF16
TEXT ·roundPairsBF16(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ width+8(FP), R8
	MOVQ x+16(FP), SI
	MOVQ n+24(FP), CX
	SHLQ $2, R8
	LEAQ (R8)(R8*2), R9

loop:
	VMOVUPS (SI), Z0

	// VCVTNEPS2BF16 Z0, Y0, which the assembler does not know
	BYTE $0x62; BYTE $0xF2; BYTE $0x7E; BYTE $0x48; BYTE $0x72; BYTE $0xC0

	FOUR
	VEXTRACTI128 $1, Y0, X0
	FOUR
	ADDQ $64, SI
	SUBQ $16, CX
	JNZ  loop
	VZEROUPPER
	RET
