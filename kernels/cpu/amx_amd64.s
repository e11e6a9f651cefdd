//go:build !purego

#include "textflag.h"
#include "side_amd64.h"
#include "amx_amd64.h"

// TILESTORED T, (BASE)(DX*1); LOADSUMS is TILELOADD (BASE)(R9*1), T, BASE from R8 on
#define STORE(T, BASE) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x10|BASE)

#define LOADSUMS(BASE, T) \
	BYTE $0xC4; BYTE $0x82; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// AFTER makes AX the sums after of a group, at R14, BX those of the group behind, SI and
// DI those of the second tile of tokens, and DX the distance of their rows.
#define AFTER \
	MOVQ R14, AX \
	MOVQ 40(R8), BX \
	ADDQ AX, BX \
	MOVQ 48(R8), DX \
	MOVQ DX, DI \
	SHLQ $4, DI \
	LEAQ (AX)(DI*1), SI \
	ADDQ BX, DI

// BEFORE makes R11 the sums before of the group behind that at R15, and R9 the distance
// of their rows; SECOND goes to those of the second tile of tokens at R12 and R11.
#define BEFORE \
	MOVQ 8(R8), R11 \
	ADDQ R15, R11 \
	MOVQ 16(R8), R9

#define SECOND \
	MOVQ R9, R12 \
	SHLQ $4, R12 \
	ADDQ R12, R11 \
	ADDQ R15, R12

// OPERANDS makes SI and BX the inputs of a tile of tokens at X and the weights of a
// group at W, DI and DX those behind.
#define OPERANDS(X, W) \
	MOVQ X, SI \
	MOVQ SI, DI \
	ADDQ 112(R8), DI \
	MOVQ W, BX \
	MOVQ BX, DX \
	ADDQ 120(R8), DX

// ADVANCE goes to the operands of the next step.
#define ADVANCE \
	ADDQ $1024, SI \
	ADDQ $1024, BX \
	ADDQ $1024, DX \
	ADDQ $1024, DI

// TWICE adds twice the number at AT in R8 to P.
#define TWICE(AT, P) \
	MOVQ AT(R8), AX \
	LEAQ (P)(AX*2), P

// STEP multiplies tiles 4 and 5 by 6 and 7 and makes each the next one after the last
// product that reads it. It prefetches four lines at R10, one at AX and one R13 bytes
// behind, and of the sums at R11 two rows of both groups, which are R12 apart.
#define STEP \
	MULTIPLY(4, 6, 0) \
	PREFETCHT1 (R10) \
	PREFETCHT0 (R11) \
	MULTIPLY(4, 7, 1) \
	LOAD(6, 4) \
	PREFETCHT1 64(R10) \
	PREFETCHT0 (R11)(R12*1) \
	ADDQ 16(R8), R11 \
	MULTIPLY(5, 6, 2) \
	STREAM(3, 6) \
	PREFETCHT1 128(R10) \
	PREFETCHT1 (AX) \
	PREFETCHT0 (R11) \
	MULTIPLY(5, 7, 3) \
	STREAM(2, 7) \
	LOAD(7, 5) \
	PREFETCHT1 192(R10) \
	PREFETCHT1 (AX)(R13*1) \
	PREFETCHT0 (R11)(R12*1) \
	ADDQ $256, R10 \
	ADDQ 144(R8), AX \
	ADDQ 16(R8), R11

// func multiplyTilesAMX(p *tileProduct)
// Requires: AMX-TILE, AMX-BF16
//
// R8 is p. Of two groups R14 are sums after, R15 the sums before of the next two; the
// frame has their weights, what tokens and groups are left, of two tiles of tokens their
// sums, inputs and what is read ahead, and of that the next two groups. Tiles 0 to 3 are
// sums, 4 and 5 tokens, 6 and 7 weights: the last step of two groups loads the first
// operands of the next two, and each sum is stored just before the next one takes its
// tile, so that products go on meanwhile. R10 is in the input of the next two tiles.
TEXT ·multiplyTilesAMX(SB), NOSPLIT, $80-8
	MOVQ p+0(FP), R8
	LEAQ palette<>(SB), AX
	CONFIGURE
	MOVQ $64, CX
	MOVQ 0(R8), R15
	MOVQ R15, from-16(SP)
	MOVQ 32(R8), AX
	MOVQ AX, to-24(SP)
	MOVQ 64(R8), AX
	MOVQ AX, x-32(SP)
	MOVQ 80(R8), AX
	MOVQ AX, ahead-40(SP)
	MOVQ 88(R8), AX
	MOVQ AX, tokens-8(SP)
	CMPQ AX, $2
	JLT  last
	OPERANDS(x-32(SP), 72(R8))
	LOAD(6, 4)
	STREAM(3, 6)
	STREAM(2, 7)
	LOAD(7, 5)
	CMPQ 152(R8), $0
	JNE  pair
	BEFORE
	LOADSUMS(7, 0)
	LOADSUMS(3, 1)
	SECOND
	LOADSUMS(4, 2)
	LOADSUMS(3, 3)

pair:
	MOVQ to-24(SP), R14
	MOVQ 72(R8), AX
	MOVQ AX, weights-72(SP)
	MOVQ 96(R8), AX
	MOVQ AX, groups-48(SP)
	MOVQ x-32(SP), R10
	TWICE(112, R10)
	MOVQ ahead-40(SP), AX
	MOVQ AX, aheadGroup-56(SP)

groups:
	OPERANDS(x-32(SP), weights-72(SP))
	MOVQ x-32(SP), R11
	MOVQ weights-72(SP), R12
	CMPQ groups-48(SP), $2
	JLE  nextpair
	ADDQ 168(R8), R12
	TWICE(8, R15)
	JMP  steps

nextpair:
	CMPQ tokens-8(SP), $4
	JLT  steps
	TWICE(112, R11)
	MOVQ 72(R8), R12
	MOVQ 24(R8), R15
	ADDQ from-16(SP), R15

steps: // R11 and R12 are the first operands of the groups behind
	MOVQ R11, xnext-64(SP)
	MOVQ R12, weightsnext-80(SP)
	MOVQ R15, R11
	MOVQ 8(R8), R12
	MOVQ 128(R8), R13
	MOVQ aheadGroup-56(SP), AX
	MOVQ 104(R8), R9
	DECQ R9
	JEQ  final

step:
	ADVANCE
	STEP
	DECQ R9
	JNZ  step

final:
	OPERANDS(xnext-64(SP), weightsnext-80(SP))
	STEP
	AFTER
	CMPQ 152(R8), $0
	JNE  begin
	BEFORE
	STORE(0, 0)
	LOADSUMS(7, 0)
	STORE(1, 3)
	LOADSUMS(3, 1)
	SECOND
	STORE(2, 6)
	LOADSUMS(4, 2)
	STORE(3, 7)
	LOADSUMS(3, 3)
	JMP  stored

begin:
	STORE(0, 0)
	ZERO(0)
	STORE(1, 3)
	ZERO(1)
	STORE(2, 6)
	ZERO(2)
	STORE(3, 7)
	ZERO(3)

stored:
	MOVQ weightsnext-80(SP), AX
	MOVQ AX, weights-72(SP)
	MOVQ 136(R8), AX
	ADDQ AX, aheadGroup-56(SP)
	TWICE(40, R14)
	SUBQ $2, groups-48(SP)
	JGT  groups
	MOVQ 24(R8), AX
	ADDQ AX, from-16(SP)
	MOVQ 56(R8), AX
	ADDQ AX, to-24(SP)
	MOVQ 112(R8), AX
	SHLQ $1, AX
	ADDQ AX, x-32(SP)
	MOVQ  104(R8), AX
	IMULQ 144(R8), AX
	ADDQ AX, ahead-40(SP)
	SUBQ $2, tokens-8(SP)
	CMPQ tokens-8(SP), $2
	JGE  pair

last: // one tile of tokens, or none
	CMPQ tokens-8(SP), $1
	JLT  done
	MOVQ from-16(SP), R15
	MOVQ to-24(SP), R14
	MOVQ 72(R8), R13
	MOVQ 96(R8), AX
	MOVQ AX, groups-48(SP)
	MOVQ ahead-40(SP), R10

groups1:
	ZERO(0)
	ZERO(1)
	CMPQ 152(R8), $0
	JNE  multiply1
	BEFORE
	LOADSUMS(7, 0)
	LOADSUMS(3, 1)

multiply1:
	OPERANDS(x-32(SP), R13)
	MOVQ 104(R8), R9
	MOVQ R10, R11
	MOVQ 128(R8), R12
	ADDQ R11, R12

steps1:
	MOVQ 160(R8), AX

lines1: // those ahead that are a step's
	DECQ AX
	JLT  products1
	PREFETCHT1 (R11)
	PREFETCHT1 (R12)
	ADDQ $64, R11
	ADDQ $64, R12
	JMP  lines1

products1:
	LOAD(6, 4)
	LOAD(3, 6)
	MULTIPLY(4, 6, 0)
	LOAD(2, 7)
	MULTIPLY(4, 7, 1)
	ADVANCE
	DECQ R9
	JNZ  steps1

	AFTER
	STORE(0, 0)
	STORE(1, 3)
	TWICE(8, R15)
	TWICE(40, R14)
	ADDQ 168(R8), R13
	ADDQ 136(R8), R10
	SUBQ $2, groups-48(SP)
	JGT  groups1

done:
	RELEASE
	RET

// ROUND makes Z2 of the 16 floats at SI and of those behind: VCVTNE2PS2BF16 Z0, Z1, Z2.
#define ROUND(BEHIND) \
	VMOVUPS (SI), Z0 \
	VMOVUPS BEHIND, Z1 \
	BYTE    $0x62; BYTE $0xF2; BYTE $0x77; BYTE $0x48; BYTE $0x72; BYTE $0xD0

// ROUNDHALVES is ROUND of 16 halves at SI and of those BEHIND.
#define ROUNDHALVES(BEHIND) \
	VCVTPH2PS (SI), Z0 \
	VCVTPH2PS BEHIND, Z1 \
	BYTE      $0x62; BYTE $0xF2; BYTE $0x77; BYTE $0x48; BYTE $0x72; BYTE $0xD0

// func roundTilesAMX(dst *uint16, x *float32, blocks int)
// Requires: AVX512F, AVX512_BF16
TEXT ·roundTilesAMX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ blocks+16(FP), CX

loop:
	ROUND(64(SI))
	VMOVDQU64 Z2, (DI)
	ADDQ      $128, SI
	ADDQ      $1024, DI
	DECQ      CX
	JNZ       loop
	VZEROUPPER
	RET

// PAIRS writes CX rows of 16 at SI, which are R8 bytes apart, two side by side.
#define PAIRS(ROUND, LOOP) \
	ROUND((SI)(R8*1)) \
	VPERMW    Z2, Z20, Z3 \
	VMOVDQU64 Z3, (DI) \
	LEAQ      (SI)(R8*2), SI \
	ADDQ      $64, DI \
	SUBQ      $2, CX \
	JGT       LOOP \
	VZEROUPPER \
	RET

// func pairF32AMX(dst *uint16, panel unsafe.Pointer, stride, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairF32AMX(SB), NOSPLIT, $0-32
	MOVQ      dst+0(FP), DI
	MOVQ      panel+8(FP), SI
	MOVQ      stride+16(FP), R8
	MOVQ      n+24(FP), CX
	SHLQ      $2, R8
	VMOVDQU64 sideBySide<>(SB), Z20

loop:
	PAIRS(ROUND, loop)

// func pairF16AMX(dst *uint16, panel unsafe.Pointer, stride, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairF16AMX(SB), NOSPLIT, $0-32
	MOVQ      dst+0(FP), DI
	MOVQ      panel+8(FP), SI
	MOVQ      stride+16(FP), R8
	MOVQ      n+24(FP), CX
	SHLQ      $1, R8
	VMOVDQU64 sideBySide<>(SB), Z20

loop:
	PAIRS(ROUNDHALVES, loop)

// Steps of a transposition of 16 rows of 16 dwords: dwords of two rows side by side,
// then two of them of four rows, then lanes of four rows.
#define ROW(Z) \
	ROUND(64(SI)) \
	VMOVDQA64 Z2, Z \
	ADDQ      R8, SI

#define ROWHALVES(Z) \
	ROUNDHALVES(32(SI)) \
	VMOVDQA64 Z2, Z \
	ADDQ      R8, SI

#define DWORDS(A, B, LO, HI) \
	VPUNPCKLDQ B, A, LO \
	VPUNPCKHDQ B, A, HI

#define QWORDS(LO0, HI0, LO1, HI1, A, B, C, D) \
	VPUNPCKLQDQ LO1, LO0, A \
	VPUNPCKHQDQ LO1, LO0, B \
	VPUNPCKLQDQ HI1, HI0, C \
	VPUNPCKHQDQ HI1, HI0, D

#define LANES(A, B, C, D, AT) \
	VSHUFI32X4 $0x88, B, A, Z0 \
	VSHUFI32X4 $0xDD, B, A, Z1 \
	VSHUFI32X4 $0x88, D, C, Z2 \
	VSHUFI32X4 $0xDD, D, C, Z3 \
	VSHUFI32X4 $0x88, Z2, Z0, Z4 \
	VSHUFI32X4 $0x88, Z3, Z1, Z5 \
	VSHUFI32X4 $0xDD, Z2, Z0, Z6 \
	VSHUFI32X4 $0xDD, Z3, Z1, Z7 \
	VMOVDQU64  Z4, AT(DI) \
	VMOVDQU64  Z5, (AT+256)(DI) \
	VMOVDQU64  Z6, (AT+512)(DI) \
	VMOVDQU64  Z7, (AT+768)(DI)

// TRANSPOSE writes 32 columns of 16 rows at DX, each of BYTES, and goes on behind them.
#define TRANSPOSE(ROW, BYTES, LOOP) \
	MOVQ DX, SI \
	ROW(Z16) \
	ROW(Z17) \
	ROW(Z18) \
	ROW(Z19) \
	ROW(Z20) \
	ROW(Z21) \
	ROW(Z22) \
	ROW(Z23) \
	ROW(Z24) \
	ROW(Z25) \
	ROW(Z26) \
	ROW(Z27) \
	ROW(Z28) \
	ROW(Z29) \
	ROW(Z30) \
	ROW(Z31) \
	DWORDS(Z16, Z17, Z0, Z1) \
	DWORDS(Z18, Z19, Z2, Z3) \
	DWORDS(Z20, Z21, Z4, Z5) \
	DWORDS(Z22, Z23, Z6, Z7) \
	DWORDS(Z24, Z25, Z8, Z9) \
	DWORDS(Z26, Z27, Z10, Z11) \
	DWORDS(Z28, Z29, Z12, Z13) \
	DWORDS(Z30, Z31, Z14, Z15) \
	QWORDS(Z0, Z1, Z2, Z3, Z16, Z17, Z18, Z19) \
	QWORDS(Z4, Z5, Z6, Z7, Z20, Z21, Z22, Z23) \
	QWORDS(Z8, Z9, Z10, Z11, Z24, Z25, Z26, Z27) \
	QWORDS(Z12, Z13, Z14, Z15, Z28, Z29, Z30, Z31) \
	LANES(Z16, Z20, Z24, Z28, 0) \
	LANES(Z17, Z21, Z25, Z29, 64) \
	LANES(Z18, Z22, Z26, Z30, 128) \
	LANES(Z19, Z23, Z27, Z31, 192) \
	ADDQ $BYTES, DX \
	ADDQ $1024, DI \
	SUBQ $32, CX \
	JGT  LOOP \
	VZEROUPPER \
	RET

// func pairRowsF32AMX(dst *uint16, rows unsafe.Pointer, stride, n int)
// Requires: AVX512F, AVX512_BF16
TEXT ·pairRowsF32AMX(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ rows+8(FP), DX
	MOVQ stride+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $2, R8

tile:
	TRANSPOSE(ROW, 128, tile)

// func pairRowsF16AMX(dst *uint16, rows unsafe.Pointer, stride, n int)
// Requires: AVX512F, AVX512_BF16
TEXT ·pairRowsF16AMX(SB), NOSPLIT, $0-32
	MOVQ dst+0(FP), DI
	MOVQ rows+8(FP), DX
	MOVQ stride+16(FP), R8
	MOVQ n+24(FP), CX
	SHLQ $1, R8

tile:
	TRANSPOSE(ROWHALVES, 64, tile)
