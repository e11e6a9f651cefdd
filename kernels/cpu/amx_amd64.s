//go:build !purego

#include "textflag.h"
#include "side_amd64.h"
#include "exp_amd64.h"

// Tiles of BF16. The assembler knows none of their instructions. T is the number of
// a tile, BASE the number of a register that holds an address (AX 0, BX 3, DX 2, SI
// 6, DI 7; R11 3, R12 4, R15 7); CX, DX or R9 has the distance of rows.

// Palette 1: eight tiles of 16 rows of 64 bytes.
DATA palette<>+0(SB)/8, $1
DATA palette<>+8(SB)/8, $0
DATA palette<>+16(SB)/8, $0x0040004000400040
DATA palette<>+24(SB)/8, $0x0040004000400040
DATA palette<>+32(SB)/8, $0
DATA palette<>+40(SB)/8, $0
DATA palette<>+48(SB)/8, $0x1010101010101010
DATA palette<>+56(SB)/8, $0
GLOBL palette<>(SB), RODATA|NOPTR, $64

// LDTILECFG (AX)
#define CONFIGURE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00

// TILERELEASE
#define RELEASE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0

// TILEZERO T
#define ZERO(T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0|(T<<3))

// TILELOADD (BASE)(CX*1), T; STREAM is TILELOADDT1, which leaves the first-level cache
// to what is used more often.
#define LOAD(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

#define STREAM(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// TILESTORED T, (BASE)(DX*1); LOADSUMS is TILELOADD (BASE)(R9*1), T, BASE from R8 on
#define STORE(T, BASE) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x10|BASE)

#define LOADSUMS(BASE, T) \
	BYTE $0xC4; BYTE $0x82; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// AFTER makes AX the sums after of a group, at R14, BX those of the group behind, SI and
// DI those of the second tile of tokens, and DX the distance of their rows.
#define AFTER \
	MOVQ R14, AX \
	MOVQ 32(R8), BX \
	ADDQ AX, BX \
	MOVQ 40(R8), DX \
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
	ADDQ 96(R8), DI \
	MOVQ W, BX \
	MOVQ BX, DX \
	ADDQ 104(R8), DX

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

// TDPBF16PS: T += X * W
#define MULTIPLY(X, W, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(0x02|((15-W)<<3)); BYTE $0x5C; BYTE $(0xC0|(T<<3)|X)

// STEP multiplies tiles 4 and 5 by 6 and 7 and makes each the next one after the last
// product that reads it. It prefetches two lines at R10, one at AX and one R13 bytes
// behind, and of the sums at R11 two rows of both groups, which are R12 apart.
#define STEP \
	MULTIPLY(4, 6, 0) \
	PREFETCHT1 (R10) \
	PREFETCHT0 (R11) \
	MULTIPLY(4, 7, 1) \
	LOAD(6, 4) \
	PREFETCHT1 64(R10) \
	PREFETCHT0 (R11)(R12*1) \
	ADDQ $128, R10 \
	ADDQ 16(R8), R11 \
	MULTIPLY(5, 6, 2) \
	STREAM(3, 6) \
	PREFETCHT1 (AX) \
	PREFETCHT0 (R11) \
	MULTIPLY(5, 7, 3) \
	STREAM(2, 7) \
	LOAD(7, 5) \
	PREFETCHT1 (AX)(R13*1) \
	PREFETCHT0 (R11)(R12*1) \
	ADDQ 128(R8), AX \
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
	MOVQ 24(R8), AX
	MOVQ AX, to-24(SP)
	MOVQ 48(R8), AX
	MOVQ AX, x-32(SP)
	MOVQ 64(R8), AX
	MOVQ AX, ahead-40(SP)
	MOVQ 72(R8), AX
	MOVQ AX, tokens-8(SP)
	CMPQ AX, $2
	JLT  last
	OPERANDS(x-32(SP), 56(R8))
	LOAD(6, 4)
	STREAM(3, 6)
	STREAM(2, 7)
	LOAD(7, 5)
	CMPQ 136(R8), $0
	JNE  pair
	BEFORE
	LOADSUMS(7, 0)
	LOADSUMS(3, 1)
	SECOND
	LOADSUMS(4, 2)
	LOADSUMS(3, 3)

pair:
	MOVQ to-24(SP), R14
	MOVQ 56(R8), AX
	MOVQ AX, weights-72(SP)
	MOVQ 80(R8), AX
	MOVQ AX, groups-48(SP)
	MOVQ x-32(SP), R10
	TWICE(96, R10)
	MOVQ ahead-40(SP), AX
	MOVQ AX, aheadGroup-56(SP)

groups:
	OPERANDS(x-32(SP), weights-72(SP))
	MOVQ x-32(SP), R11
	MOVQ weights-72(SP), R12
	CMPQ groups-48(SP), $2
	JLE  nextpair
	TWICE(104, R12)
	TWICE(8, R15)
	JMP  steps

nextpair:
	CMPQ tokens-8(SP), $4
	JLT  steps
	TWICE(96, R11)
	MOVQ 56(R8), R12
	MOVQ 16(R8), R15
	SHLQ $5, R15
	ADDQ from-16(SP), R15

steps: // R11 and R12 are the first operands of the groups behind
	MOVQ R11, xnext-64(SP)
	MOVQ R12, weightsnext-80(SP)
	MOVQ R15, R11
	MOVQ 8(R8), R12
	MOVQ 112(R8), R13
	MOVQ aheadGroup-56(SP), AX
	MOVQ 88(R8), R9
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
	CMPQ 136(R8), $0
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
	MOVQ 120(R8), AX
	ADDQ AX, aheadGroup-56(SP)
	TWICE(32, R14)
	SUBQ $2, groups-48(SP)
	JGT  groups
	MOVQ 16(R8), AX
	SHLQ $5, AX
	ADDQ AX, from-16(SP)
	SHLQ $5, DX
	ADDQ DX, to-24(SP)
	MOVQ 96(R8), AX
	SHLQ $1, AX
	ADDQ AX, x-32(SP)
	MOVQ  88(R8), AX
	IMULQ 128(R8), AX
	ADDQ AX, ahead-40(SP)
	SUBQ $2, tokens-8(SP)
	CMPQ tokens-8(SP), $2
	JGE  pair

last: // one tile of tokens, or none
	CMPQ tokens-8(SP), $1
	JLT  done
	MOVQ from-16(SP), R15
	MOVQ to-24(SP), R14
	MOVQ 56(R8), R13
	MOVQ 80(R8), AX
	MOVQ AX, groups-48(SP)

groups1:
	ZERO(0)
	ZERO(1)
	CMPQ 136(R8), $0
	JNE  multiply1
	BEFORE
	LOADSUMS(7, 0)
	LOADSUMS(3, 1)

multiply1:
	OPERANDS(x-32(SP), R13)
	MOVQ 88(R8), R9

steps1:
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
	TWICE(32, R14)
	TWICE(104, R13)
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

// ACROSS does OP with all lanes of X, which end alike; T is lost.
#define ACROSS(OP, X, T) \
	VSHUFF64X2 $0x4E, X, X, T \
	OP         T, X, X \
	VSHUFF64X2 $0xB1, X, X, T \
	OP         T, X, X \
	VPSHUFD    $0x4E, X, T \
	OP         T, X, X \
	VPSHUFD    $0xB1, X, T \
	OP         T, X, X

// Constants of EXP_WEIGHTS: log2 e, the bound below which 2^X is 0, and the polynomial for 2^f on
// 0 <= f < 1 whose greatest error relative to that is least, 8e-8.
DATA exp2<>+0(SB)/4, $0x3fb8aa3b
DATA exp2<>+4(SB)/4, $0xc2fc0000 // -126
DATA exp2<>+8(SB)/4, $0x3af4ba7d
DATA exp2<>+12(SB)/4, $0x3c13bc2b
DATA exp2<>+16(SB)/4, $0x3d648e73
DATA exp2<>+20(SB)/4, $0x3e75edab
DATA exp2<>+24(SB)/4, $0x3f31725d
DATA exp2<>+28(SB)/4, $0x3f800000
GLOBL exp2<>(SB), RODATA|NOPTR, $32

#define EXP_WEIGHTS_CONSTANTS \
	VBROADCASTSS exp2<>+0(SB), Z5 \
	VBROADCASTSS exp2<>+4(SB), Z6 \
	VBROADCASTSS exp2<>+8(SB), Z7 \
	VBROADCASTSS exp2<>+12(SB), Z8 \
	VBROADCASTSS exp2<>+16(SB), Z9 \
	VBROADCASTSS exp2<>+20(SB), Z10 \
	VBROADCASTSS exp2<>+24(SB), Z11 \
	VBROADCASTSS exp2<>+28(SB), Z12

// EXP_WEIGHTS makes X e^X to a few units in the last place, of which BF16 has none: it takes
// half as long as EXP512. B is X - floor(X), C the polynomial; K1 is lost.
#define EXP_WEIGHTS(X, B, C) \
	VMULPS      Z5, X, X \
	VCMPPS      $0x15, Z6, X, K1 \
	VREDUCEPS   $9, X, B \
	VMOVAPS     Z7, C \
	VFMADD213PS Z8, B, C \
	VFMADD213PS Z9, B, C \
	VFMADD213PS Z10, B, C \
	VFMADD213PS Z11, B, C \
	VFMADD213PS Z12, B, C \
	VSCALEFPS.Z X, C, K1, X

// WEIGHTS makes weights of the 64 scores in Z0 to Z3, relative to Z16, and adds them to
// Z26: the last steps are VCVTNE2PS2BF16 Z0, Z1, Z4 and Z2, Z3, Z0.
#define WEIGHTS \
	VSUBPS Z16, Z0, Z0 \
	VSUBPS Z16, Z1, Z1 \
	VSUBPS Z16, Z2, Z2 \
	VSUBPS Z16, Z3, Z3 \
	EXP_WEIGHTS(Z0, Z18, Z19) \
	EXP_WEIGHTS(Z1, Z20, Z21) \
	EXP_WEIGHTS(Z2, Z22, Z23) \
	EXP_WEIGHTS(Z3, Z24, Z25) \
	VADDPS Z1, Z0, Z27 \
	VADDPS Z3, Z2, Z28 \
	VADDPS Z28, Z27, Z27 \
	VADDPS Z27, Z26, Z26 \
	BYTE $0x62; BYTE $0xF2; BYTE $0x77; BYTE $0x48; BYTE $0x72; BYTE $0xE0 \
	BYTE $0x62; BYTE $0xF2; BYTE $0x67; BYTE $0x48; BYTE $0x72; BYTE $0xC2 \
	VMOVDQU64 Z4, (AX) \
	VMOVDQU64 Z0, 1024(AX) \
	ADDQ $256, SI \
	ADDQ $2048, AX

// SOME reads the 64 scores at SI, of which the last are not seen.
#define SOME \
	VMOVAPS Z30, Z0 \
	VMOVAPS Z30, Z1 \
	VMOVAPS Z30, Z2 \
	VMOVAPS Z30, Z3 \
	VMOVUPS (SI), K2, Z0 \
	VMOVUPS 64(SI), K3, Z1 \
	VMOVUPS 128(SI), K4, Z2 \
	VMOVUPS 192(SI), K5, Z3

// MAXIMA keeps the larger ones. A NaN leaves them as they are.
#define MAXIMA \
	VMAXPS Z17, Z0, Z17 \
	VMAXPS Z18, Z1, Z18 \
	VMAXPS Z19, Z2, Z19 \
	VMAXPS Z20, Z3, Z20

DATA slack<>+0(SB)/4, $0x41000000 // 8
GLOBL slack<>(SB), RODATA|NOPTR, $4

// func softmaxTilesAMX(p *tilesSoftmax)
// Requires: AVX512F, AVX512DQ, AVX512_BF16, BMI2
//
// R8 is p, R9 scores, R10 and R11 maximum and sum, R12 sums of R13 bytes of the query
// CX; DX is the end. R14 and BX are how many times 64 positions are seen, and how many
// more, of which K2 to K5 are masks; R15 is how many times 64 positions follow.
TEXT ·softmaxTilesAMX(SB), NOSPLIT, $0-8
	MOVQ         p+0(FP), R8
	MOVQ         48(R8), CX
	MOVQ         56(R8), DX
	ADDQ         CX, DX
	MOVQ         CX, R9
	SHLQ         $10, R9
	ADDQ         0(R8), R9
	MOVQ         16(R8), R10
	LEAQ         (R10)(CX*4), R10
	MOVQ         24(R8), R11
	LEAQ         (R11)(CX*4), R11
	MOVQ         40(R8), R13
	SHLQ         $2, R13
	MOVQ         R13, R12
	IMULQ        CX, R12
	ADDQ         32(R8), R12
	MOVQ         64(R8), BX
	MOVQ         BX, R14
	LEAQ         63(BX), AX
	SHRQ         $6, AX
	SHRQ         $6, R14
	ANDQ         $63, BX
	MOVQ         72(R8), R15
	SHRQ         $6, R15
	SUBQ         AX, R15
	MOVQ         $-1, AX
	BZHIQ        BX, AX, AX
	KMOVW        AX, K2
	SHRQ         $16, AX
	KMOVW        AX, K3
	SHRQ         $16, AX
	KMOVW        AX, K4
	SHRQ         $16, AX
	KMOVW        AX, K5
	MOVL         $0xFF800000, AX
	VPBROADCASTD AX, Z30
	EXP_WEIGHTS_CONSTANTS

query:
	VMOVAPS Z30, Z17
	VMOVAPS Z30, Z18
	VMOVAPS Z30, Z19
	VMOVAPS Z30, Z20
	MOVQ    R9, SI
	MOVQ    R14, DI
	TESTQ   DI, DI
	JEQ     maximaSome

maxima:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VMOVUPS 128(SI), Z2
	VMOVUPS 192(SI), Z3
	MAXIMA
	ADDQ    $256, SI
	DECQ    DI
	JNZ     maxima

maximaSome:
	TESTQ BX, BX
	JEQ   maximum
	SOME
	MAXIMA

maximum:
	VMAXPS       Z18, Z17, Z17
	VMAXPS       Z20, Z19, Z19
	VMAXPS       Z19, Z17, Z4
	ACROSS(VMAXPS, Z4, Z18)
	VBROADCASTSS (R10), Z16
	VMOVSS       (R10), X0
	VADDSS       slack<>(SB), X0, X0
	VUCOMISS     X0, X4
	JLS          weights

	// The maximum is far above: what was summed shrinks, by a factor with all bits.
	VMOVSS       X4, (R10)
	VSUBPS       Z4, Z16, Z16
	EXP_CONSTANTS512
	EXP512(Z16, Z18, Z19)
	EXP_WEIGHTS_CONSTANTS
	VBROADCASTSS (R11), Z0
	VMULPS       Z16, Z0, Z0
	VMOVSS       X0, (R11)
	MOVQ         R12, SI
	MOVQ         R13, DI

shrink:
	VMULPS  (SI), Z16, Z18
	VMOVUPS Z18, (SI)
	ADDQ    $64, SI
	SUBQ    $64, DI
	JNZ     shrink
	VMOVAPS Z4, Z16

weights:
	VPXORD Z26, Z26, Z26
	MOVQ   CX, AX
	SHRQ   $4, AX
	SHLQ   $13, AX
	MOVQ   CX, SI
	ANDQ   $15, SI
	SHLQ   $6, SI
	ADDQ   SI, AX
	ADDQ   8(R8), AX
	MOVQ   R9, SI
	MOVQ   R14, DI
	TESTQ  DI, DI
	JEQ    weightsSome

weightsAll:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z1
	VMOVUPS 128(SI), Z2
	VMOVUPS 192(SI), Z3
	WEIGHTS
	DECQ    DI
	JNZ     weightsAll

weightsSome:
	TESTQ BX, BX
	JEQ   weightsNone
	SOME
	WEIGHTS

weightsNone:
	VPXORD Z0, Z0, Z0
	MOVQ   R15, DI
	TESTQ  DI, DI
	JEQ    add

none:
	VMOVDQU64 Z0, (AX)
	VMOVDQU64 Z0, 1024(AX)
	ADDQ      $2048, AX
	DECQ      DI
	JNZ       none

add:
	ACROSS(VADDPS, Z26, Z27)
	VMOVAPS Z26, Z4
	VADDSS  (R11), X4, X4
	VMOVSS  X4, (R11)
	ADDQ    $1024, R9
	ADDQ    $4, R10
	ADDQ    $4, R11
	ADDQ    R13, R12
	INCQ    CX
	CMPQ    CX, DX
	JLT     query
	VZEROUPPER
	RET
