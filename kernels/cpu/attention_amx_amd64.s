//go:build !purego

#include "textflag.h"
#include "amx_amd64.h"

// LOADROWS is TILELOADD (BASE)(R9*1), T; LOADACROSS and STOREACROSS have rows R10 bytes apart
// from AX on.
#define LOADROWS(BASE, T) \
	BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

#define LOADACROSS(T) \
	BYTE $0xC4; BYTE $0xA2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $0x10

#define STOREACROSS(T) \
	BYTE $0xC4; BYTE $0xA2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $0x10

// Constants of POWER, log2 e and the polynomial for 2^f on 0 <= f < 1 whose greatest error
// relative to that is least, 2^-13.7, then mostWeights, and the bound below which 2^X is 0.
DATA exp2<>+0(SB)/4, $0x3fb8aa3b
DATA exp2<>+4(SB)/4, $0x3d9fcb52
DATA exp2<>+8(SB)/4, $0x3e677e26
DATA exp2<>+12(SB)/4, $0x3f322226
DATA exp2<>+16(SB)/4, $0x3f7ffb19
DATA exp2<>+20(SB)/4, $0x43800000
DATA exp2<>+24(SB)/4, $0xc2fc0000 // -126
GLOBL exp2<>(SB), RODATA|NOPTR, $28

#define CONSTANTS \
	VBROADCASTSS exp2<>+0(SB), Z8 \
	VBROADCASTSS exp2<>+4(SB), Z9 \
	VBROADCASTSS exp2<>+8(SB), Z10 \
	VBROADCASTSS exp2<>+12(SB), Z11 \
	VBROADCASTSS exp2<>+16(SB), Z12 \
	VBROADCASTSS exp2<>+20(SB), Z15 \
	VBROADCASTSS exp2<>+24(SB), Z13

DATA places<>+0(SB)/8, $0x0000000100000000
DATA places<>+8(SB)/8, $0x0000000300000002
DATA places<>+16(SB)/8, $0x0000000500000004
DATA places<>+24(SB)/8, $0x0000000700000006
DATA places<>+32(SB)/8, $0x0000000900000008
DATA places<>+40(SB)/8, $0x0000000b0000000a
DATA places<>+48(SB)/8, $0x0000000d0000000c
DATA places<>+56(SB)/8, $0x0000000f0000000e
GLOBL places<>(SB), RODATA|NOPTR, $64

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

// SUMS does OP with the four sums at R15: two groups of two tiles of queries.
#define SUMS(OP) \
	MOVQ R15, AX \
	OP(0) \
	ADDQ $64, AX \
	OP(1) \
	MOVQ R10, AX \
	SHLQ $4, AX \
	ADDQ R15, AX \
	OP(2) \
	ADDQ $64, AX \
	OP(3)

#define CLEAR \
	ZERO(0) \
	ZERO(1) \
	ZERO(2) \
	ZERO(3)

// FIRST loads 32 columns of two tiles of queries at SI and DI and of two groups at BX and DX.
#define FIRST \
	LOADROWS(6, 4) \
	STREAM(3, 6) \
	STREAM(2, 7) \
	LOADROWS(7, 5)

// PRODUCTS multiplies what was loaded, and loads what is at SI, DI, BX and DX then. After each
// product it does what rows are due.
#define PRODUCTS \
	MULTIPLY(4, 6, 0) \
	DUE \
	MULTIPLY(4, 7, 1) \
	LOADROWS(6, 4) \
	DUE \
	MULTIPLY(5, 6, 2) \
	STREAM(3, 6) \
	DUE \
	MULTIPLY(5, 7, 3) \
	STREAM(2, 7) \
	LOADROWS(7, 5) \
	DUE

// SWITCH is PRODUCTS for other sums: each old one is stored, to where SUMS has them, just before
// the NEXT takes its tile, so that none is waited for.
#define SWITCH(NEXT) \
	MOVQ R15, AX \
	STOREACROSS(0) \
	NEXT(0) \
	MULTIPLY(4, 6, 0) \
	DUE \
	LEAQ 64(R15), AX \
	STOREACROSS(1) \
	NEXT(1) \
	MULTIPLY(4, 7, 1) \
	LOADROWS(6, 4) \
	DUE \
	MOVQ R10, AX \
	SHLQ $4, AX \
	ADDQ R15, AX \
	STOREACROSS(2) \
	NEXT(2) \
	MULTIPLY(5, 6, 2) \
	STREAM(3, 6) \
	DUE \
	MOVQ R10, AX \
	SHLQ $4, AX \
	LEAQ 64(R15)(AX*1), AX \
	STOREACROSS(3) \
	NEXT(3) \
	MULTIPLY(5, 7, 3) \
	STREAM(2, 7) \
	LOADROWS(7, 5) \
	DUE

// BEHIND loads the sums of the groups behind those at AX.
#define BEHIND(T) \
	ADDQ $128, AX \
	LOADACROSS(T)

#define DUE \
	ADDQ due-8(SP), R11 \
	CALL softmaxRowsAMX<>(SB)

// ADVANCE goes to the next columns, which are ON bytes further in a tile of queries.
#define ADVANCE(ON) \
	ADDQ $ON, SI \
	ADDQ $ON, DI \
	ADDQ $1024, BX \
	ADDQ $1024, DX

// KEYS goes to the first columns of queries and keys, and to their scores with TO.
#define KEYS \
	MOVQ R13, DX \
	SHLQ $10, DX \
	MOVQ 0(R8), SI \
	LEAQ (SI)(DX*1), DI \
	MOVQ 8(R8), BX \
	ADDQ BX, DX \
	MOVQ $64, R9 \
	MOVQ R13, steps-32(SP) \
	MOVQ $2, groups-24(SP) \
	MOVQ turn-16(SP), AX \
	ANDQ $1, AX \
	SHLQ $13, AX \
	ADDQ 24(R8), AX \
	MOVQ AX, to-48(SP)

// func attendTilesAMX(p *tilesAttend)
// Requires: AMX-TILE, AMX-BF16, AVX512F, AVX512DQ, AVX512_BF16
//
// In turn i the keys of block i meet the queries, to scores in one half of memory, scores of
// the block before, in the other half, become weights, and those of the block before that,
// which are in the first half, meet their values, if there is such a block. R8 is a copy of p,
// whose keys and values move on; behind it, at 88, is the first position of the weights, and at
// 96 whether one is relative to something new. R12 is the record of the next row, R14 its
// scores; R11/R13 rows are due, and due/R13 more after each product; R13 is dim/32.
// Tiles 0 to 3 are sums, 4 and 5 queries or weights, 6 and 7 keys or values.
TEXT ·attendTilesAMX(SB), NOSPLIT, $160-8
	MOVQ      p+0(FP), SI
	LEAQ      copy-160(SP), R8
	VMOVDQU64 (SI), Z0
	VMOVDQU64 24(SI), Z1
	VMOVDQU64 Z0, (R8)
	VMOVDQU64 Z1, 24(R8)
	LEAQ      palette<>(SB), AX
	CONFIGURE
	CONSTANTS
	MOVQ      $64, CX
	MOVQ      64(R8), R13
	SHRQ      $5, R13
	MOVQ      $0, turn-16(SP)
	MOVQ      $0, 96(R8)
	MOVQ      $0, 88(R8)

	// A record of 128 bytes has 16 parts of a query's sum, then what its weights are relative
	// to, the end of the positions that it sees, by what its other sums have to shrink, and, if
	// it does not see the first block from its beginning on, where they begin and end. Until they
	// began, the end at 68 is none, which row looks at alone.
	MOVQ         80(R8), R12
	MOVQ         56(R8), BX
	MOVL         $0xFF800000, AX
	VPXORD       Z0, Z0, Z0
	MOVQ         $32, DX

record:
	VMOVUPS Z0, (R12)
	MOVL    AX, 64(R12)
	MOVL    (BX), DI
	MOVL    128(BX), SI
	MOVL    DI, 80(R12)
	MOVL    SI, 76(R12)
	TESTL   SI, SI
	JLE     begins
	MOVL    $-1073741824, DI

begins:
	MOVL    DI, 68(R12)
	MOVL    $0x3F800000, 72(R12)
	ADDQ    $128, R12
	ADDQ    $4, BX
	DECQ    DX
	JNZ     record

turn:
	MOVQ 80(R8), R12
	MOVQ $0, due-8(SP)
	MOVQ turn-16(SP), AX
	DECQ AX
	CMPQ AX, 72(R8)
	JCC  values
	MOVQ $2, due-8(SP)

values:
	XORQ R11, R11
	MOVQ turn-16(SP), AX
	CMPQ AX, $1
	JEQ  first
	JLT  keys
	ANDQ $1, AX
	SHLQ $13, AX
	MOVQ 24(R8), SI
	ADDQ AX, SI
	LEAQ 4096(SI), DI
	MOVQ $256, R9
	MOVQ 64(R8), R10
	SHLQ $2, R10
	MOVQ 48(R8), R15
	MOVQ 16(R8), BX
	LEAQ 2048(BX), DX
	MOVQ R13, groups-24(SP)
	FIRST
	CMPQ turn-16(SP), $2
	JEQ  valuesFirst
	SUMS(LOADACROSS)
	JMP  valuesBegun

valuesFirst:
	CLEAR

valuesBegun:
	ADVANCE(64)
	PRODUCTS

valuesSecond: // of two steps of two groups
	DECQ groups-24(SP)
	JEQ  valuesLast
	SUBQ $64, SI
	SUBQ $64, DI
	LEAQ 1024(DX), BX
	LEAQ 3072(DX), DX
	PRODUCTS
	ADVANCE(64)
	CMPQ turn-16(SP), $2
	JEQ  valuesClear
	SWITCH(BEHIND)
	ADDQ $128, R15
	JMP  valuesSecond

valuesClear:
	SWITCH(ZERO)
	ADDQ $128, R15
	JMP  valuesSecond

valuesLast:
	LEAQ 1024(DX), AX
	MOVQ AX, 16(R8)
	MOVQ turn-16(SP), AX
	CMPQ AX, 72(R8)
	JGE  valuesAlone
	KEYS
	PRODUCTS
	MOVQ $1, switch-40(SP)
	JMP  keysStep

valuesAlone:
	PRODUCTS
	SUMS(STOREACROSS)
	JMP  keys

first:
	MOVQ R13, R11
	SHLQ $4, R11
	CALL softmaxRowsAMX<>(SB)

keys:
	MOVQ turn-16(SP), AX
	CMPQ AX, 72(R8)
	JEQ  last
	JGT  shrink
	KEYS
	MOVQ AX, R15
	ADDQ $128, to-48(SP)
	MOVQ $256, R10
	FIRST
	CLEAR
	MOVQ $0, switch-40(SP)

keysStep:
	MOVQ switch-40(SP), AX
	MOVQ AX, kind-56(SP)
	MOVQ $0, switch-40(SP)
	DECQ steps-32(SP)
	JNE  keysAdvance
	DECQ groups-24(SP)
	JEQ  keysReady // the last operands are loaded again
	MOVQ $1, switch-40(SP)
	MOVQ R13, steps-32(SP)
	MOVQ R13, AX
	SHLQ $10, AX
	SUBQ AX, SI
	SUBQ AX, DI
	ADDQ $1024, SI
	ADDQ $1024, DI
	LEAQ 1024(DX), BX
	LEAQ (BX)(AX*1), DX
	JMP  keysReady

keysAdvance:
	ADVANCE(1024)

keysReady:
	CMPQ kind-56(SP), $0
	JNE  keysSwitch
	PRODUCTS
	JMP  keysNext

keysSwitch:
	SWITCH(ZERO)
	MOVQ to-48(SP), R15
	ADDQ $128, to-48(SP)
	MOVQ $256, R10

keysNext:
	CMPQ groups-24(SP), $0
	JNE  keysStep
	SUMS(STOREACROSS)
	ADDQ $1024, DX
	MOVQ DX, 8(R8)
	JMP  shrink

last:
	MOVQ R13, R11
	SHLQ $4, R11
	CALL softmaxRowsAMX<>(SB)

shrink: // sums of rows whose weights are relative to something new
	CMPQ 96(R8), $0
	JEQ  next
	MOVQ $0, 96(R8)
	MOVQ 80(R8), R12
	MOVQ 48(R8), DI
	MOVQ $32, DX

shrinkRow:
	VBROADCASTSS 72(R12), Z16
	MOVL         $0x3F800000, 72(R12)
	ADDQ         $128, R12
	MOVQ         64(R8), BX
	CMPQ         turn-16(SP), $2
	JLT          shrunk

shrinkSums:
	VMULPS  (DI), Z16, Z17
	VMOVUPS Z17, (DI)
	ADDQ    $64, DI
	SUBQ    $16, BX
	JNZ     shrinkSums

shrunk:
	DECQ DX
	JNZ  shrinkRow

next:
	MOVQ turn-16(SP), AX
	CMPQ AX, $0
	JEQ  begun
	ADDQ $64, 88(R8)

begun:
	ANDQ $1, AX
	SHLQ $13, AX
	MOVQ 24(R8), R14
	ADDQ AX, R14
	INCQ turn-16(SP)
	MOVQ turn-16(SP), AX
	SUBQ $2, AX
	CMPQ AX, 72(R8)
	JLT  turn
	RELEASE

	MOVQ 80(R8), R12
	MOVQ 32(R8), SI
	MOVQ 40(R8), DI
	MOVQ $32, DX

sum:
	VMOVUPS (R12), Z0
	ACROSS(VADDPS, Z0, Z1)
	VMOVSS  X0, (DI)
	MOVL    64(R12), AX
	MOVL    AX, (SI)
	ADDQ    $128, R12
	ADDQ    $4, SI
	ADDQ    $4, DI
	DECQ    DX
	JNZ     sum
	VZEROUPPER
	RET

// POWER makes X 2^X: B is its fraction, C the polynomial for that; K1 is lost. A number below the
// smallest normal one would take 200 cycles.
#define POWER(X, B, C) \
	VCMPPS      $0x15, Z13, X, K1 \
	VREDUCEPS   $9, X, B \
	VMOVAPS     Z9, C \
	VFMADD213PS Z10, B, C \
	VFMADD213PS Z11, B, C \
	VFMADD213PS Z12, B, C \
	VSCALEFPS.Z X, C, K1, X

// HALVES makes numbers in Z(L), which is ZL, and Z(L+1) halves and writes them: VCVTNE2PS2BF16.
#define HALVES(L, ZL, AT) \
	BYTE      $0x62; BYTE $0xF2; BYTE $(0x07|((14-L)<<3)); BYTE $0x48; BYTE $0x72; BYTE $(0xC0|(L<<3)|L) \
	VMOVDQU64 ZL, AT(R14)

// HIDE16 hides scores of 16 positions, from those at Z18 on, that are below Z17 (1) or not (5).
#define HIDE16(WHICH, AT) \
	VPCMPD  $WHICH, Z17, Z18, K1 \
	VMOVUPS Z20, K1, AT(R14) \
	VPADDD  Z19, Z18, Z18

// HIDE does so with a block, below AX (1) or not (5).
#define HIDE(WHICH) \
	VPBROADCASTD AX, Z17 \
	VMOVDQU64    places<>(SB), Z18 \
	MOVL         $16, AX \
	VPBROADCASTD AX, Z19 \
	MOVL         $0xFF800000, AX \
	VPBROADCASTD AX, Z20 \
	HIDE16(WHICH, 0) \
	HIDE16(WHICH, 64) \
	HIDE16(WHICH, 128) \
	HIDE16(WHICH, 192)

// GREATER makes Z17 the greater of it and the scores.
#define GREATER(AT) \
	VMOVUPS AT(R14), Z18 \
	VMAXPS  Z17, Z18, Z17

#define GREATEST \
	VBROADCASTSS 64(R12), Z17 \
	GREATER(0) \
	GREATER(64) \
	GREATER(128) \
	GREATER(192) \
	ACROSS(VMAXPS, Z17, Z18) \
	VUCOMISS     64(R12), X17

// softmaxRowsAMX does the rows that are due.
TEXT softmaxRowsAMX<>(SB), NOSPLIT, $0-0
row:
	SUBQ R13, R11
	JLT  done
	MOVL 68(R12), AX
	SUBL 88(R8), AX
	CMPL AX, $64
	JLT  some

all:
	CMPL 64(R12), $-8388608
	JEQ  begin

weigh:
	VMULPS.BCST 64(R12), Z8, Z16
	VMOVUPS     (R14), Z0
	VMOVUPS     64(R14), Z1
	VMOVUPS     128(R14), Z2
	VMOVUPS     192(R14), Z3
	VFMSUB213PS Z16, Z8, Z0
	VFMSUB213PS Z16, Z8, Z1
	VFMSUB213PS Z16, Z8, Z2
	VFMSUB213PS Z16, Z8, Z3
	POWER(Z0, Z17, Z18)
	POWER(Z1, Z19, Z20)
	POWER(Z2, Z21, Z22)
	POWER(Z3, Z23, Z24)
	VADDPS      Z1, Z0, Z17
	VADDPS      Z3, Z2, Z18
	VADDPS      Z18, Z17, Z25
	VCMPPS      $6, Z15, Z25, K1
	KORTESTW    K1, K1
	JNE         far

keep:
	HALVES(0, Z0, 0)
	HALVES(2, Z2, 64)
	VADDPS  (R12), Z25, Z25
	VMOVUPS Z25, (R12)

next:
	ADDQ $256, R14
	ADDQ $128, R12
	JMP  row

done:
	ADDQ R13, R11
	RET

some:
	CMPL AX, $-536870912
	JLT  late
	TESTL AX, AX
	JLE  none

ends:
	HIDE(5)
	JMP all

late: // what is seen had not begun
	MOVL 76(R12), AX
	SUBL 88(R8), AX
	CMPL AX, $64
	JGE  none
	HIDE(1)
	MOVL 80(R12), AX
	MOVL AX, 68(R12)
	SUBL 88(R8), AX
	CMPL AX, $64
	JLT  ends
	JMP  all

none:
	VPXORD    Z0, Z0, Z0
	VMOVDQU64 Z0, (R14)
	VMOVDQU64 Z0, 64(R14)
	JMP       next

begin:
	GREATEST
	VMOVSS X17, 64(R12)
	JMP    weigh

far:
	GREATEST
	JLS     keep
	VMOVSS  X17, 64(R12)
	VMULPS  Z8, Z17, Z17
	VSUBPS  Z17, Z16, Z16
	POWER(Z16, Z17, Z18)
	VMOVSS  X16, 72(R12)
	VMULPS  (R12), Z16, Z17
	VMOVUPS Z17, (R12)
	MOVQ    $1, 96(R8)
	JMP     weigh
