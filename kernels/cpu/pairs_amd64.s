//go:build !purego

#include "textflag.h"
#include "side_amd64.h"

// Products of BF16 columns in pairs. SI is at two columns of 16 rows, BX at the pair
// of x of each token, CX pairs left. Z0 to Z7 are sums of even pairs, Z8 to Z15 of odd
// ones. Z16 and Z17 are two columns, a row's values side by side, which Z20 does.

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

// PAIRS multiplies; XBYTES are a pair of x of all tokens of the tile.
#define PAIRS(EACH, SUMS, XBYTES) \
	MOVQ      out+0(FP), DI \
	MOVQ      panel+8(FP), SI \
	MOVQ      x+16(FP), BX \
	MOVQ      n+24(FP), CX \
	SHRQ      $1, CX \
	VMOVDQU64 sideBySide<>(SB), Z20 \
	ZERO(Z0, Z1, Z2, Z3) \
	ZERO(Z4, Z5, Z6, Z7) \
	ZERO(Z8, Z9, Z10, Z11) \
	ZERO(Z12, Z13, Z14, Z15) \
two: \
	CMPQ       CX, $2 \
	JLT        one \
	PREFETCHT1 1024(SI) \
	PREFETCHT1 1088(SI) \
	VPERMW     (SI), Z20, Z16 \
	VPERMW     64(SI), Z20, Z17 \
	EACH(EVEN) \
	EACH(ODD) \
	ADDQ       $128, SI \
	ADDQ       $(2*XBYTES), BX \
	SUBQ       $2, CX \
	JMP        two \
one: \
	TESTQ     CX, CX \
	JEQ       done \
	VPERMW    (SI), Z20, Z16 \
	EACH(EVEN) \
done: \
	SUMS \
	VZEROUPPER \
	RET

// func pairs1BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs1BF16(SB), NOSPLIT, $0-32
	PAIRS(EACH1, SUM1, 4)

// func pairs2BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs2BF16(SB), NOSPLIT, $0-32
	PAIRS(EACH2, SUM2, 8)

// func pairs4BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs4BF16(SB), NOSPLIT, $0-32
	PAIRS(EACH4, SUM4, 16)

// func pairs8BF16(out *float32, panel unsafe.Pointer, x *uint16, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairs8BF16(SB), NOSPLIT, $0-32
	PAIRS(EACH8, SUM8, 32)

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
