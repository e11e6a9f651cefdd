//go:build !purego

#include "textflag.h"

// A product of two groups of 16 packed rows with one token in 8 bits. AX and BX
// are the groups, DX is x, DI and SI the results, CX the blocks left. Y0 to Y3
// are the sums.

DATA words<>+0(SB)/8, $0x0001000100010001
DATA words<>+8(SB)/8, $0x0001000100010001
DATA words<>+16(SB)/8, $0x0001000100010001
DATA words<>+24(SB)/8, $0x0001000100010001
GLOBL words<>(SB), RODATA|NOPTR, $32
DATA nibbles<>+0(SB)/4, $0x0f0f0f0f
GLOBL nibbles<>(SB), RODATA|NOPTR, $4
DATA fifths<>+0(SB)/4, $0x10101010
GLOBL fifths<>(SB), RODATA|NOPTR, $4
DATA sixths<>+0(SB)/4, $0x30303030
GLOBL sixths<>(SB), RODATA|NOPTR, $4

#define ARGUMENTS \
	MOVQ   out0+0(FP), DI \
	MOVQ   out1+8(FP), SI \
	MOVQ   src0+16(FP), AX \
	MOVQ   src1+24(FP), BX \
	MOVQ   x+32(FP), DX \
	MOVQ   n+40(FP), CX \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	VXORPS Y2, Y2, Y2 \
	VXORPS Y3, Y3, Y3

#define RESULTS \
	VMOVUPS Y0, (DI) \
	VMOVUPS Y1, 32(DI) \
	VMOVUPS Y2, (SI) \
	VMOVUPS Y3, 32(SI) \
	VZEROUPPER \
	RET

// AHEAD prefetches a cache line of each group.
#define AHEAD(OFFSET) \
	PREFETCHT0 (OFFSET+2048)(AX) \
	PREFETCHT0 (OFFSET+2048)(BX)

// NIBBLES adds eight columns of 8 rows to words: x in Y12, Y13, the mask in Y15.
#define NIBBLES(SRC, SUM, T, U) \
	VMOVDQU    SRC, T \
	VPSRLW     $4, T, U \
	VPAND      Y15, T, T \
	VPAND      Y15, U, U \
	VPMADDUBSW Y12, T, T \
	VPMADDUBSW Y13, U, U \
	VPADDW     T, SUM, SUM \
	VPADDW     U, SUM, SUM

// NIBBLES4 adds eight columns of all rows to the words of Y4 to Y7.
#define NIBBLES4(D) \
	AHEAD(64*D) \
	VPBROADCASTD (8*D)(DX), Y12 \
	VPBROADCASTD (8*D+4)(DX), Y13 \
	NIBBLES((64*D)(AX), Y4, Y8, Y9) \
	NIBBLES((64*D+32)(AX), Y5, Y10, Y11) \
	NIBBLES((64*D)(BX), Y6, Y8, Y9) \
	NIBBLES((64*D+32)(BX), Y7, Y10, Y11)

#define NEXT32 \
	ADDQ $256, AX \
	ADDQ $256, BX \
	ADDQ $48, DX

// ADD adds a group's words, times the scales of x (Y12) and the weight, to a sum.
#define ADD(WORDS, SCALE, SUM) \
	VPMADDWD    Y14, WORDS, WORDS \
	VMULPS      Y12, SCALE, SCALE \
	VCVTDQ2PS   WORDS, WORDS \
	VFMADD231PS SCALE, WORDS, SUM

// func matvec8Q4_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvec8Q4_0AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ         $5, CX
	VPBROADCASTD nibbles<>(SB), Y15
	VMOVDQU      words<>(SB), Y14

block:
	VPBROADCASTD 40(DX), Y4
	VMOVDQA      Y4, Y5
	VMOVDQA      Y4, Y6
	VMOVDQA      Y4, Y7
	MOVQ         AX, R10
	MOVQ         BX, R11
	ADDQ         $32, AX
	ADDQ         $32, BX
	NIBBLES4(0)
	NIBBLES4(1)
	NIBBLES4(2)
	NIBBLES4(3)
	VBROADCASTSS 32(DX), Y12
	VCVTPH2PS    (R10), Y8
	VCVTPH2PS    16(R10), Y9
	VCVTPH2PS    (R11), Y10
	VCVTPH2PS    16(R11), Y11
	ADD(Y4, Y8, Y0)
	ADD(Y5, Y9, Y1)
	ADD(Y6, Y10, Y2)
	ADD(Y7, Y11, Y3)
	NEXT32
	DECQ         CX
	JNZ          block
	RESULTS

// HEAD makes a scale or min of Q4_K or Q5_K: u8 * F16.
#define HEAD(CODE, HALF, T, DST) \
	VPMOVZXBD CODE, DST \
	VCVTPH2PS HALF, T \
	VCVTDQ2PS DST, DST \
	VMULPS    T, DST, DST

// HEADS finishes a group of Q4_K or Q5_K whose words are joined to dwords in Y4
// to Y7: R10 and R11 are the blocks, R12 the offset of the group's bytes.
#define HEADS_OF(WORDS, SUM, BLOCK, HALF, BYTES) \
	HEAD((64+BYTES)(BLOCK)(R12*1), HALF(BLOCK), Y9, Y8) \
	HEAD((80+BYTES)(BLOCK)(R12*1), (HALF+32)(BLOCK), Y11, Y10) \
	VMULPS       Y12, Y8, Y8 \
	VCVTDQ2PS    WORDS, WORDS \
	VFMADD231PS  Y8, WORDS, SUM \
	VFNMADD231PS Y10, Y13, SUM

#define HEADS \
	VBROADCASTSS 32(DX), Y12 \
	VBROADCASTSS 36(DX), Y13 \
	HEADS_OF(Y4, Y0, R10, 0, 0) \
	HEADS_OF(Y5, Y1, R10, 16, 8) \
	HEADS_OF(Y6, Y2, R11, 0, 0) \
	HEADS_OF(Y7, Y3, R11, 16, 8) \
	ADDQ         $32, R12

// K_BLOCK begins a block of Q4_K or Q5_K.
#define K_BLOCK \
	MOVQ AX, R10 \
	MOVQ BX, R11 \
	AHEAD(0) \
	AHEAD(64) \
	AHEAD(128) \
	AHEAD(192) \
	AHEAD(256) \
	ADDQ $320, AX \
	ADDQ $320, BX \
	XORQ R12, R12

// func matvec8Q4_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvec8Q4_KAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ         $8, CX
	VPBROADCASTD nibbles<>(SB), Y15
	VMOVDQU      words<>(SB), Y14

block:
	K_BLOCK

group:
	VPXOR    Y4, Y4, Y4
	VPXOR    Y5, Y5, Y5
	VPXOR    Y6, Y6, Y6
	VPXOR    Y7, Y7, Y7
	NIBBLES4(0)
	NIBBLES4(1)
	NIBBLES4(2)
	NIBBLES4(3)
	VPMADDWD Y14, Y4, Y4
	VPMADDWD Y14, Y5, Y5
	VPMADDWD Y14, Y6, Y6
	VPMADDWD Y14, Y7, Y7
	HEADS
	NEXT32
	CMPQ     R12, $256
	JNE      group
	DECQ     CX
	JNZ      block
	RESULTS

// FIFTHS is NIBBLES with the fifth bits at HIGH; their mask is in Y14.
#define FIFTHS(SRC, HIGH, SHIFT0, BY0, SHIFT1, BY1, SUM) \
	VMOVDQU    HIGH, Y10 \
	VMOVDQU    SRC, Y8 \
	SHIFT0     $(BY0), Y10, Y11 \
	SHIFT1     $(BY1), Y10, Y10 \
	VPSRLW     $4, Y8, Y9 \
	VPAND      Y14, Y11, Y11 \
	VPAND      Y14, Y10, Y10 \
	VPAND      Y15, Y8, Y8 \
	VPAND      Y15, Y9, Y9 \
	VPOR       Y11, Y8, Y8 \
	VPOR       Y10, Y9, Y9 \
	VPMADDUBSW Y12, Y8, Y8 \
	VPMADDUBSW Y13, Y9, Y9 \
	VPADDW     Y8, SUM, SUM \
	VPADDW     Y9, SUM, SUM

// FIFTHS4 adds eight columns of all rows, of dword D behind the fifth bits.
#define FIFTHS4(D, SHIFT0, BY0, SHIFT1, BY1) \
	AHEAD(64*D+64) \
	VPBROADCASTD (8*D)(DX), Y12 \
	VPBROADCASTD (8*D+4)(DX), Y13 \
	FIFTHS((64*D+64)(AX), (AX), SHIFT0, BY0, SHIFT1, BY1, Y4) \
	FIFTHS((64*D+96)(AX), 32(AX), SHIFT0, BY0, SHIFT1, BY1, Y5) \
	FIFTHS((64*D+64)(BX), (BX), SHIFT0, BY0, SHIFT1, BY1, Y6) \
	FIFTHS((64*D+96)(BX), 32(BX), SHIFT0, BY0, SHIFT1, BY1, Y7)

// func matvec8Q5_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Words hold 16 columns of 5 bits.
// Requires: AVX2, FMA, F16C
TEXT ·matvec8Q5_KAVX2(SB), NOSPLIT, $128-48
	ARGUMENTS
	SHRQ         $8, CX
	VPBROADCASTD nibbles<>(SB), Y15
	VPBROADCASTD fifths<>(SB), Y14

block:
	K_BLOCK

group:
	AHEAD(0)
	VPXOR    Y4, Y4, Y4
	VPXOR    Y5, Y5, Y5
	VPXOR    Y6, Y6, Y6
	VPXOR    Y7, Y7, Y7
	FIFTHS4(0, VPSLLW, 4, VPSLLW, 3)
	FIFTHS4(1, VPSLLW, 2, VPSLLW, 1)
	VPMADDWD words<>(SB), Y4, Y4
	VPMADDWD words<>(SB), Y5, Y5
	VPMADDWD words<>(SB), Y6, Y6
	VPMADDWD words<>(SB), Y7, Y7
	VMOVDQU  Y4, half-128(SP)
	VMOVDQU  Y5, half-96(SP)
	VMOVDQU  Y6, half-64(SP)
	VMOVDQU  Y7, half-32(SP)
	VPXOR    Y4, Y4, Y4
	VPXOR    Y5, Y5, Y5
	VPXOR    Y6, Y6, Y6
	VPXOR    Y7, Y7, Y7
	FIFTHS4(2, VPSLLW, 0, VPSRLW, 1)
	FIFTHS4(3, VPSRLW, 2, VPSRLW, 3)
	VPMADDWD words<>(SB), Y4, Y4
	VPMADDWD words<>(SB), Y5, Y5
	VPMADDWD words<>(SB), Y6, Y6
	VPMADDWD words<>(SB), Y7, Y7
	VPADDD   half-128(SP), Y4, Y4
	VPADDD   half-96(SP), Y5, Y5
	VPADDD   half-64(SP), Y6, Y6
	VPADDD   half-32(SP), Y7, Y7
	HEADS
	ADDQ     $64, AX
	ADDQ     $64, BX
	NEXT32
	CMPQ     R12, $256
	JNE      group
	DECQ     CX
	JNZ      block
	RESULTS

// SIXTHS adds eight columns of 8 rows to the words Y9: the high bits are Y8.
#define SIXTHS(SRC, SHIFT0, BY0, SHIFT1, BY1, X0, X1) \
	VMOVDQU    SRC, Y4 \
	SHIFT0     $(BY0), Y8, Y6 \
	SHIFT1     $(BY1), Y8, Y7 \
	VPSRLW     $4, Y4, Y5 \
	VPAND      Y14, Y6, Y6 \
	VPAND      Y14, Y7, Y7 \
	VPAND      Y15, Y4, Y4 \
	VPAND      Y15, Y5, Y5 \
	VPOR       Y6, Y4, Y4 \
	VPOR       Y7, Y5, Y5 \
	VPMADDUBSW X0, Y4, Y4 \
	VPMADDUBSW X1, Y5, Y5 \
	VPADDW     Y4, Y9, Y9 \
	VPADDW     Y5, Y9, Y9

// SIXTEEN adds 16 columns of 8 rows to a sum: x in Y10 to Y13, its bias, two
// dwords of low bits, one of high bits, the scale's bytes and d.
#define SIXTEEN(BIAS, LOW, LOW2, HIGH, BYTES, HALF, SUM) \
	VPBROADCASTD BIAS, Y9 \
	VMOVDQU      HIGH, Y8 \
	SIXTHS(LOW, VPSLLW, 4, VPSLLW, 2, Y10, Y11) \
	SIXTHS(LOW2, VPSLLW, 0, VPSRLW, 2, Y12, Y13) \
	VPMADDWD     words<>(SB), Y9, Y9 \
	VPMOVSXBD    BYTES, Y4 \
	VCVTPH2PS    HALF, Y5 \
	VBROADCASTSS 32(DX), Y6 \
	VCVTDQ2PS    Y4, Y4 \
	VMULPS       Y5, Y4, Y4 \
	VMULPS       Y6, Y4, Y4 \
	VCVTDQ2PS    Y9, Y9 \
	VFMADD231PS  Y4, Y9, SUM

// SIXTEEN4 adds half H of 32 columns of all rows.
#define SIXTEEN4(H) \
	AHEAD(192*H) \
	AHEAD(192*H+64) \
	AHEAD(192*H+128) \
	VPBROADCASTD (16*H)(DX), Y10 \
	VPBROADCASTD (16*H+4)(DX), Y11 \
	VPBROADCASTD (16*H+8)(DX), Y12 \
	VPBROADCASTD (16*H+12)(DX), Y13 \
	SIXTEEN((40+4*H)(DX), (128*H)(AX), (128*H+64)(AX), (256+64*H)(AX), 32(R10)(R12*1), (R10), Y0) \
	SIXTEEN((40+4*H)(DX), (128*H+32)(AX), (128*H+96)(AX), (288+64*H)(AX), 40(R10)(R12*1), 16(R10), Y1) \
	SIXTEEN((40+4*H)(DX), (128*H)(BX), (128*H+64)(BX), (256+64*H)(BX), 32(R11)(R12*1), (R11), Y2) \
	SIXTEEN((40+4*H)(DX), (128*H+32)(BX), (128*H+96)(BX), (288+64*H)(BX), 40(R11)(R12*1), 16(R11), Y3) \
	ADDQ         $16, R12

// func matvec8Q6_KAVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvec8Q6_KAVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ         $8, CX
	VPBROADCASTD nibbles<>(SB), Y15
	VPBROADCASTD sixths<>(SB), Y14

block:
	MOVQ AX, R10
	MOVQ BX, R11
	AHEAD(0)
	AHEAD(64)
	AHEAD(128)
	AHEAD(192)
	AHEAD(256)
	ADDQ $288, AX
	ADDQ $288, BX
	XORQ R12, R12

group:
	SIXTEEN4(0)
	SIXTEEN4(1)
	ADDQ $384, AX
	ADDQ $384, BX
	ADDQ $48, DX
	CMPQ R12, $256
	JNE  group
	DECQ CX
	JNZ  block
	RESULTS

// BYTES adds four columns of 8 rows to dwords: x, in Y12, takes over the sign.
#define BYTES(SRC, SUM, T, U) \
	VMOVDQU    SRC, T \
	VPSIGNB    T, Y12, U \
	VPABSB     T, T \
	VPMADDUBSW U, T, T \
	VPMADDWD   Y14, T, T \
	VPADDD     T, SUM, SUM

#define BYTES4(I) \
	AHEAD(64*I) \
	VPBROADCASTD (4*I)(DX), Y12 \
	BYTES((64*I)(AX), Y4, Y8, Y9) \
	BYTES((64*I+32)(AX), Y5, Y10, Y11) \
	BYTES((64*I)(BX), Y6, Y8, Y9) \
	BYTES((64*I+32)(BX), Y7, Y10, Y11)

// ADD_BYTES is ADD for dwords.
#define ADD_BYTES(HALF, SUM_OF_CODES, SUM, T) \
	VCVTPH2PS   HALF, T \
	VCVTDQ2PS   SUM_OF_CODES, SUM_OF_CODES \
	VMULPS      Y12, T, T \
	VFMADD231PS T, SUM_OF_CODES, SUM

// func matvec8Q8_0AVX2(out0, out1 *float32, src0, src1 unsafe.Pointer, x *block8, n int)
// Requires: AVX2, FMA, F16C
TEXT ·matvec8Q8_0AVX2(SB), NOSPLIT, $0-48
	ARGUMENTS
	SHRQ    $5, CX
	VMOVDQU words<>(SB), Y14

block:
	MOVQ  AX, R10
	MOVQ  BX, R11
	ADDQ  $32, AX
	ADDQ  $32, BX
	VPXOR Y4, Y4, Y4
	VPXOR Y5, Y5, Y5
	VPXOR Y6, Y6, Y6
	VPXOR Y7, Y7, Y7
	BYTES4(0)
	BYTES4(1)
	BYTES4(2)
	BYTES4(3)
	BYTES4(4)
	BYTES4(5)
	BYTES4(6)
	BYTES4(7)
	VBROADCASTSS 32(DX), Y12
	ADD_BYTES((R10), Y4, Y0, Y8)
	ADD_BYTES(16(R10), Y5, Y1, Y9)
	ADD_BYTES((R11), Y6, Y2, Y10)
	ADD_BYTES(16(R11), Y7, Y3, Y11)
	ADDQ  $256, AX
	ADDQ  $256, BX
	NEXT32
	DECQ  CX
	JNZ   block
	RESULTS
