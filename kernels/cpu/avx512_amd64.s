//go:build !purego

#include "textflag.h"

// AVX-512: a vector is a column of all 16 rows of a group. Registers are as in
// gemm_amd64.s and matvec_amd64.s.

#define TILE \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ k+56(FP), CX

#define NEXT(LOOP) \
	ADDQ R9, SI \
	ADDQ $4, BX \
	DECQ CX \
	JNZ  LOOP

#define STORE(SUM) \
	VADDPS  (DI), SUM, SUM \
	VMOVUPS SUM, (DI) \
	ADDQ    R8, DI

// THREE adds a column to the sums of the three tokens from AT on.
#define THREE(AT, A, B, C) \
	VFMADD231PS.BCST (AT), Z12, A \
	VFMADD231PS.BCST (AT)(R10*1), Z12, B \
	VFMADD231PS.BCST (AT)(R10*2), Z12, C

// func gemmAVX512(out *float32, outStride int, panel *float32, panelStride int, x *float32, xStride int, tokens, k int)
// Requires: AVX512F
TEXT ·gemmAVX512(SB), NOSPLIT, $0-64
	MOVQ out+0(FP), DI
	MOVQ outStride+8(FP), R8
	MOVQ panel+16(FP), AX
	MOVQ panelStride+24(FP), R9
	MOVQ x+32(FP), DX
	MOVQ xStride+40(FP), R10
	MOVQ tokens+48(FP), R11
	SHLQ $2, R8
	SHLQ $2, R9
	SHLQ $2, R10

eight:
	CMPQ   R11, $8
	JLT    four
	TILE
	LEAQ   (R10)(R10*2), R13
	LEAQ   (DX)(R13*1), R12
	LEAQ   (DX)(R13*2), R13
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3
	VPXORD Z4, Z4, Z4
	VPXORD Z5, Z5, Z5
	VPXORD Z6, Z6, Z6
	VPXORD Z7, Z7, Z7

eightLoop:
	VMOVUPS (SI), Z12
	THREE(BX, Z0, Z1, Z2)
	THREE(R12, Z3, Z4, Z5)
	VFMADD231PS.BCST (R13), Z12, Z6
	VFMADD231PS.BCST (R13)(R10*1), Z12, Z7
	ADDQ $4, R12
	ADDQ $4, R13
	NEXT(eightLoop)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	STORE(Z4)
	STORE(Z5)
	STORE(Z6)
	STORE(Z7)
	LEAQ (DX)(R10*8), DX
	SUBQ $8, R11
	JMP  eight

four:
	CMPQ   R11, $4
	JLT    two
	TILE
	LEAQ   (DX)(R10*2), R12
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1
	VPXORD Z2, Z2, Z2
	VPXORD Z3, Z3, Z3

fourLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	VFMADD231PS.BCST (BX)(R10*1), Z12, Z1
	VFMADD231PS.BCST (R12), Z12, Z2
	VFMADD231PS.BCST (R12)(R10*1), Z12, Z3
	ADDQ $4, R12
	NEXT(fourLoop)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	LEAQ (DX)(R10*4), DX
	SUBQ $4, R11

two:
	CMPQ   R11, $2
	JLT    one
	TILE
	VPXORD Z0, Z0, Z0
	VPXORD Z1, Z1, Z1

twoLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	VFMADD231PS.BCST (BX)(R10*1), Z12, Z1
	NEXT(twoLoop)
	STORE(Z0)
	STORE(Z1)
	LEAQ (DX)(R10*2), DX
	SUBQ $2, R11

one:
	TESTQ  R11, R11
	JEQ    done
	TILE
	VPXORD Z0, Z0, Z0

oneLoop:
	VMOVUPS (SI), Z12
	VFMADD231PS.BCST (BX), Z12, Z0
	NEXT(oneLoop)
	STORE(Z0)

done:
	VZEROUPPER
	RET

DATA low4<>+0(SB)/4, $15
GLOBL low4<>(SB), RODATA|NOPTR, $4
DATA low6<>+0(SB)/4, $63
GLOBL low6<>(SB), RODATA|NOPTR, $4
DATA eight<>+0(SB)/4, $0x41000000
GLOBL eight<>(SB), RODATA|NOPTR, $4
DATA thirtyTwo<>+0(SB)/4, $0x42000000
GLOBL thirtyTwo<>(SB), RODATA|NOPTR, $4

// The numbers 0 to 31, what codes of 4 and 5 bits stand for.
DATA ramp<>+0(SB)/1, $0
DATA ramp<>+1(SB)/1, $1
DATA ramp<>+2(SB)/1, $2
DATA ramp<>+3(SB)/1, $3
DATA ramp<>+4(SB)/1, $4
DATA ramp<>+5(SB)/1, $5
DATA ramp<>+6(SB)/1, $6
DATA ramp<>+7(SB)/1, $7
DATA ramp<>+8(SB)/1, $8
DATA ramp<>+9(SB)/1, $9
DATA ramp<>+10(SB)/1, $10
DATA ramp<>+11(SB)/1, $11
DATA ramp<>+12(SB)/1, $12
DATA ramp<>+13(SB)/1, $13
DATA ramp<>+14(SB)/1, $14
DATA ramp<>+15(SB)/1, $15
GLOBL ramp<>(SB), RODATA|NOPTR, $16

#define RAMP(DST) \
	VPMOVZXBD ramp<>(SB), DST \
	VCVTDQ2PS DST, DST

#define ARGUMENTS \
	MOVQ out0+0(FP), DI \
	MOVQ out1+8(FP), SI \
	MOVQ src0+16(FP), AX \
	MOVQ src1+24(FP), BX \
	MOVQ x+32(FP), DX \
	MOVQ n+40(FP), CX

#define BEGIN_CHUNK \
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1

#define END_CHUNK \
	VADDPS  (DI), Z0, Z0 \
	VADDPS  (SI), Z1, Z1 \
	VMOVUPS Z0, (DI) \
	VMOVUPS Z1, (SI)

#define AHEAD(OFFSET) \
	PREFETCHT0 (OFFSET+1024)(AX) \
	PREFETCHT0 (OFFSET+1024)(BX)

// NIBBLES uses column J of the dwords Z6, Z7: scales Z2, Z3, mins Z4, Z5, table Z31.
#define NIBBLES(J) \
	VPSRLD      $(4*J), Z6, Z8 \
	VPSRLD      $(4*J), Z7, Z9 \
	VPERMPS     Z31, Z8, Z8 \
	VPERMPS     Z31, Z9, Z9 \
	VFMSUB213PS Z4, Z2, Z8 \
	VFMSUB213PS Z5, Z3, Z9 \
	VFMADD231PS.BCST (4*J)(DX), Z8, Z0 \
	VFMADD231PS.BCST (4*J)(DX), Z9, Z1

#define EIGHT_NIBBLES \
	AHEAD(0) \
	VMOVDQU32 (AX), Z6 \
	VMOVDQU32 (BX), Z7 \
	NIBBLES(0) \
	NIBBLES(1) \
	NIBBLES(2) \
	NIBBLES(3) \
	NIBBLES(4) \
	NIBBLES(5) \
	NIBBLES(6) \
	NIBBLES(7) \
	ADDQ $64, AX \
	ADDQ $64, BX \
	ADDQ $32, DX

// func matvecQ4_0AVX512(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX512F
TEXT ·matvecQ4_0AVX512(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ         $5, CX
	RAMP(Z31)
	VBROADCASTSS eight<>(SB), Z30

chunk:
	MOVQ    $8, R8
	CMPQ    CX, R8
	CMOVQLT CX, R8
	SUBQ    R8, CX
	BEGIN_CHUNK

block:
	VCVTPH2PS (AX), Z2
	VCVTPH2PS (BX), Z3
	VMULPS    Z30, Z2, Z4
	VMULPS    Z30, Z3, Z5
	ADDQ      $32, AX
	ADDQ      $32, BX
	MOVQ      $4, R9

dword:
	EIGHT_NIBBLES
	DECQ  R9
	JNZ   dword
	DECQ  R8
	JNZ   block
	END_CHUNK
	TESTQ CX, CX
	JNZ   chunk
	VZEROUPPER
	RET

// K_SCALES reads scales and mins of 32 columns: R10, R11 are the blocks, R12
// the offset of the group's bytes.
#define K_SCALES \
	VPMOVZXBD 64(R10)(R12*1), Z2 \
	VPMOVZXBD 64(R11)(R12*1), Z3 \
	VPMOVZXBD 80(R10)(R12*1), Z4 \
	VPMOVZXBD 80(R11)(R12*1), Z5 \
	VCVTDQ2PS Z2, Z2 \
	VCVTDQ2PS Z3, Z3 \
	VCVTDQ2PS Z4, Z4 \
	VCVTDQ2PS Z5, Z5 \
	VMULPS    Z20, Z2, Z2 \
	VMULPS    Z21, Z3, Z3 \
	VMULPS    Z22, Z4, Z4 \
	VMULPS    Z23, Z5, Z5

// K_BLOCK begins a block: d in Z20, Z21, dmin in Z22, Z23.
#define K_BLOCK \
	MOVQ      AX, R10 \
	MOVQ      BX, R11 \
	VCVTPH2PS (AX), Z20 \
	VCVTPH2PS (BX), Z21 \
	VCVTPH2PS 32(AX), Z22 \
	VCVTPH2PS 32(BX), Z23 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	ADDQ      $320, AX \
	ADDQ      $320, BX \
	XORQ      R12, R12

// func matvecQ4_KAVX512(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX512F
TEXT ·matvecQ4_KAVX512(SB), NOSPLIT, $0-48
	ARGUMENTS
	RAMP(Z31)

chunk:
	BEGIN_CHUNK
	K_BLOCK

group:
	K_SCALES
	MOVQ $4, R9

dword:
	EIGHT_NIBBLES
	DECQ R9
	JNZ  dword
	ADDQ $32, R12
	CMPQ R12, $256
	JNE  group
	END_CHUNK
	SUBQ $256, CX
	JNZ  chunk
	VZEROUPPER
	RET

// FIFTHS is NIBBLES with the fifth bits of Z10, Z11, shifted to bit 4. The
// ternary operation takes the bits of Z29 from the nibble and all others from
// the high bits; the lookup in Z31, Z30 reads five.
#define FIFTHS(J, SHIFT, BY) \
	VPSRLD      $(4*J), Z6, Z8 \
	VPSRLD      $(4*J), Z7, Z9 \
	SHIFT       $(BY), Z10, Z12 \
	SHIFT       $(BY), Z11, Z13 \
	VPTERNLOGD  $0xE4, Z29, Z12, Z8 \
	VPTERNLOGD  $0xE4, Z29, Z13, Z9 \
	VPERMI2PS   Z30, Z31, Z8 \
	VPERMI2PS   Z30, Z31, Z9 \
	VFMSUB213PS Z4, Z2, Z8 \
	VFMSUB213PS Z5, Z3, Z9 \
	VFMADD231PS.BCST (4*J)(DX), Z8, Z0 \
	VFMADD231PS.BCST (4*J)(DX), Z9, Z1

// func matvecQ5_KAVX512(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX512F
TEXT ·matvecQ5_KAVX512(SB), NOSPLIT, $0-48
	ARGUMENTS
	RAMP(Z31)
	VBROADCASTSS eight<>(SB), Z30
	VADDPS       Z30, Z31, Z29
	VADDPS       Z30, Z29, Z30
	VPBROADCASTD low4<>(SB), Z29

chunk:
	BEGIN_CHUNK
	K_BLOCK

group:
	K_SCALES
	AHEAD(0)
	VMOVDQU32 (AX), Z10
	VMOVDQU32 (BX), Z11
	ADDQ      $64, AX
	ADDQ      $64, BX
	MOVQ      $4, R9

dword:
	AHEAD(0)
	VMOVDQU32 (AX), Z6
	VMOVDQU32 (BX), Z7
	FIFTHS(0, VPSLLD, 4)
	FIFTHS(1, VPSLLD, 3)
	FIFTHS(2, VPSLLD, 2)
	FIFTHS(3, VPSLLD, 1)
	FIFTHS(4, VPSLLD, 0)
	FIFTHS(5, VPSRLD, 1)
	FIFTHS(6, VPSRLD, 2)
	FIFTHS(7, VPSRLD, 3)
	VPSRLD    $8, Z10, Z10
	VPSRLD    $8, Z11, Z11
	ADDQ      $64, AX
	ADDQ      $64, BX
	ADDQ      $32, DX
	DECQ      R9
	JNZ       dword
	ADDQ      $32, R12
	CMPQ      R12, $256
	JNE       group
	END_CHUNK
	SUBQ      $256, CX
	JNZ       chunk
	VZEROUPPER
	RET

// SIXTHS is NIBBLES with two high bits, of which the mask Z30 keeps six in all.
#define SIXTHS(J, SHIFT, BY) \
	VPSRLD      $(4*J), Z6, Z8 \
	VPSRLD      $(4*J), Z7, Z9 \
	SHIFT       $(BY), Z10, Z12 \
	SHIFT       $(BY), Z11, Z13 \
	VPTERNLOGD  $0xE4, Z29, Z12, Z8 \
	VPTERNLOGD  $0xE4, Z29, Z13, Z9 \
	VPANDD      Z30, Z8, Z8 \
	VPANDD      Z30, Z9, Z9 \
	VCVTDQ2PS   Z8, Z8 \
	VCVTDQ2PS   Z9, Z9 \
	VFMSUB213PS Z4, Z2, Z8 \
	VFMSUB213PS Z5, Z3, Z9 \
	VFMADD231PS.BCST (4*J)(DX), Z8, Z0 \
	VFMADD231PS.BCST (4*J)(DX), Z9, Z1

// func matvecQ6_KAVX512(out0, out1 *float32, src0, src1 unsafe.Pointer, x *float32, n int)
// Requires: AVX512F
TEXT ·matvecQ6_KAVX512(SB), NOSPLIT, $0-48
	ARGUMENTS
	VPBROADCASTD low4<>(SB), Z29
	VPBROADCASTD low6<>(SB), Z30
	VBROADCASTSS thirtyTwo<>(SB), Z31

chunk:
	BEGIN_CHUNK
	MOVQ      AX, R10
	MOVQ      BX, R11
	VCVTPH2PS (AX), Z20
	VCVTPH2PS (BX), Z21
	AHEAD(0)
	AHEAD(64)
	AHEAD(128)
	AHEAD(192)
	ADDQ      $288, AX
	ADDQ      $288, BX
	XORQ      R12, R12

group:
	LEAQ 256(AX), R13
	LEAQ 256(BX), R14
	AHEAD(256)
	AHEAD(320)
	MOVQ $2, R8

half:
	// 16 columns with one scale: two dwords of low bits, one of high bits.
	VPMOVSXBD 32(R10)(R12*1), Z2
	VPMOVSXBD 32(R11)(R12*1), Z3
	VCVTDQ2PS Z2, Z2
	VCVTDQ2PS Z3, Z3
	VMULPS    Z20, Z2, Z2
	VMULPS    Z21, Z3, Z3
	VMULPS    Z31, Z2, Z4
	VMULPS    Z31, Z3, Z5
	ADDQ      $16, R12
	VMOVDQU32 (R13), Z10
	VMOVDQU32 (R14), Z11
	ADDQ      $64, R13
	ADDQ      $64, R14
	MOVQ      $2, R9

dword:
	AHEAD(0)
	VMOVDQU32 (AX), Z6
	VMOVDQU32 (BX), Z7
	SIXTHS(0, VPSLLD, 4)
	SIXTHS(1, VPSLLD, 2)
	SIXTHS(2, VPSLLD, 0)
	SIXTHS(3, VPSRLD, 2)
	SIXTHS(4, VPSRLD, 4)
	SIXTHS(5, VPSRLD, 6)
	SIXTHS(6, VPSRLD, 8)
	SIXTHS(7, VPSRLD, 10)
	VPSRLD    $16, Z10, Z10
	VPSRLD    $16, Z11, Z11
	ADDQ      $64, AX
	ADDQ      $64, BX
	ADDQ      $32, DX
	DECQ      R9
	JNZ       dword
	DECQ      R8
	JNZ       half
	ADDQ      $128, AX
	ADDQ      $128, BX
	CMPQ      R12, $256
	JNE       group
	END_CHUNK
	SUBQ      $256, CX
	JNZ       chunk
	VZEROUPPER
	RET
