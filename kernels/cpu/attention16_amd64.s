//go:build !purego

#include "textflag.h"
#include "vector_amd64.h"

// KEY_SCALES reads them to Y12, Y13.
#define KEY_SCALES \
	MOVQ    keyScales+32(FP), BX \
	VMOVUPS (BX), Y12 \
	VMOVUPS 32(BX), Y13

#define NO_SCALES

VECTOR(magnitudes<>, 0x7fffffff7fffffff)

DATA smallest<>(SB)/4, $0x0d800000 // 2^-100
GLOBL smallest<>(SB), RODATA|NOPTR, $4
DATA shortest<>(SB)/4, $0x1a000000 // 2^-75
GLOBL shortest<>(SB), RODATA|NOPTR, $4
DATA one<>(SB)/4, $0x3f800000
GLOBL one<>(SB), RODATA|NOPTR, $4

// INVERSE makes of a scale in X0 what numbers are multiplied with, in Y3: 0 below LEAST.
#define INVERSE(LEAST) \
	VMOVSS       one<>(SB), X3 \
	VDIVSS       X0, X3, X3 \
	VCMPSS       $0x1d, LEAST<>(SB), X0, X0 \
	VANDPS       X0, X3, X3 \
	VBROADCASTSS X3, Y3

// CODES makes codes of 16 floats in LO, HI.
#define CODES(LO, HI) \
	VMULPS    Y3, LO, LO \
	VMULPS    Y3, HI, HI \
	VCVTPS2DQ LO, LO \
	VCVTPS2DQ HI, HI \
	VPACKSSDW HI, LO, LO \
	VPERMQ    $0xd8, LO, LO

// GATHER adds the floats of Y0 and finds the greatest of Y4, and makes a scale in X0 of
// both, divided by X10 and X11: a NaN where the sum is one.
#define GATHER \
	VEXTRACTF128 $1, Y0, X1 \
	VEXTRACTF128 $1, Y4, X5 \
	VADDPS       X1, X0, X0 \
	VMAXPS       X5, X4, X4 \
	VMOVHLPS     X0, X0, X1 \
	VMOVHLPS     X4, X4, X5 \
	VADDPS       X1, X0, X0 \
	VMAXPS       X5, X4, X4 \
	VMOVSHDUP    X0, X1 \
	VMOVSHDUP    X4, X5 \
	VADDSS       X1, X0, X0 \
	VMAXSS       X5, X4, X4

#define SCALE \
	VDIVSS X10, X0, X0 \
	VDIVSS X11, X4, X4 \
	VMAXSS X0, X4, X0

// func round16AVX2(codes *int16, scales, x *float32, rows, dim int, length, most float32)
// Requires: AVX2, FMA
TEXT ·round16AVX2(SB), NOSPLIT, $0-48
	MOVQ    codes+0(FP), DI
	MOVQ    scales+8(FP), DX
	MOVQ    x+16(FP), SI
	MOVQ    rows+24(FP), R8
	MOVQ    dim+32(FP), R9
	VMOVSS  length+40(FP), X10
	VMOVSS  most+44(FP), X11
	VMOVUPS magnitudes<>(SB), Y8

row:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	MOVQ   SI, AX
	MOVQ   R9, CX

measure:
	VMOVUPS     (AX), Y6
	VMOVUPS     32(AX), Y7
	VFMADD231PS Y6, Y6, Y0
	VFMADD231PS Y7, Y7, Y1
	VANDPS      Y8, Y6, Y6
	VANDPS      Y8, Y7, Y7
	VMAXPS      Y6, Y4, Y4
	VMAXPS      Y7, Y5, Y5
	ADDQ        $64, AX
	SUBQ        $16, CX
	JNZ         measure
	VADDPS  Y1, Y0, Y0
	VMAXPS  Y5, Y4, Y4
	GATHER
	VSQRTSS X0, X0, X0
	SCALE
	VMOVSS  X0, (DX)
	ADDQ    $4, DX
	INVERSE(shortest)
	MOVQ    R9, CX

code:
	VMOVUPS (SI), Y4
	VMOVUPS 32(SI), Y5
	CODES(Y4, Y5)
	VMOVDQU Y4, (DI)
	ADDQ    $64, SI
	ADDQ    $32, DI
	SUBQ    $16, CX
	JNZ     code
	DECQ R8
	JNZ  row
	VZEROUPPER
	RET

DATA weightsSum<>(SB)/4, $0x487fdc00 // 262000
GLOBL weightsSum<>(SB), RODATA|NOPTR, $4
DATA codesMost<>(SB)/4, $0x46fffe00 // 32767
GLOBL codesMost<>(SB), RODATA|NOPTR, $4

// func weigh16AVX2(codes *int16, scales, s, valueScales *float32, n int)
// Requires: AVX2
TEXT ·weigh16AVX2(SB), NOSPLIT, $0-40
	MOVQ codes+0(FP), DI
	MOVQ scales+8(FP), DX
	MOVQ s+16(FP), SI
	MOVQ valueScales+24(FP), R10
	MOVQ n+32(FP), R8

query:
	VMOVUPS (R10), Y6
	VMOVUPS 32(R10), Y7
	VMOVUPS 64(R10), Y8
	VMOVUPS 96(R10), Y9
	VMOVUPS 128(R10), Y12
	VMOVUPS 160(R10), Y13
	VMOVUPS 192(R10), Y14
	VMOVUPS 224(R10), Y15
	VMULPS  (SI), Y6, Y6
	VMULPS  32(SI), Y7, Y7
	VMULPS  64(SI), Y8, Y8
	VMULPS  96(SI), Y9, Y9
	VMULPS  128(SI), Y12, Y12
	VMULPS  160(SI), Y13, Y13
	VMULPS  192(SI), Y14, Y14
	VMULPS  224(SI), Y15, Y15
	VADDPS  Y12, Y6, Y0
	VADDPS  Y13, Y7, Y1
	VADDPS  Y14, Y8, Y2
	VADDPS  Y15, Y9, Y3
	VMAXPS  Y12, Y6, Y4
	VMAXPS  Y13, Y7, Y5
	VMAXPS  Y14, Y8, Y10
	VMAXPS  Y15, Y9, Y11
	VADDPS  Y2, Y0, Y0
	VADDPS  Y3, Y1, Y1
	VMAXPS  Y10, Y4, Y4
	VMAXPS  Y11, Y5, Y5
	VADDPS  Y1, Y0, Y0
	VMAXPS  Y5, Y4, Y4
	VMOVSS  weightsSum<>(SB), X10
	VMOVSS  codesMost<>(SB), X11
	GATHER
	SCALE
	VMOVSS  X0, (DX)
	INVERSE(smallest)
	CODES(Y6, Y7)
	CODES(Y8, Y9)
	CODES(Y12, Y13)
	CODES(Y14, Y15)
	VMOVDQU Y6, (DI)
	VMOVDQU Y8, 32(DI)
	VMOVDQU Y12, 64(DI)
	VMOVDQU Y14, 96(DI)
	ADDQ    $256, SI
	ADDQ    $128, DI
	ADDQ    $4, DX
	DECQ    R8
	JNZ     query
	VZEROUPPER
	RET

// Registers of PRODUCT16: AX panel, DI out, R9 the stride of both in bytes, DX codes of
// queries, R10, R12 and R8 one, three and five of their strides, R11 queries left, R13 the
// queries' scales, R14 pairs of codes, an even number, R15 how far from the panel what comes
// next is. Inside a tile: SI panel, BX codes, CX pairs left; Y0 to Y11 two vectors of sums for
// each query.

#define TILE16 \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ R14, CX

// PAIR16 prefetches to the second-level cache: the buffers of the first are few, and what
// finds none is dropped.
#define PAIR16 \
	PREFETCHT1 (SI)(R15*1) \
	VMOVDQU    (SI), Y12 \
	VMOVDQU    32(SI), Y13 \
	ADDQ       R9, SI

#define NEXT16(LOOP) \
	ADDQ $8, BX \
	SUBQ $2, CX \
	JNZ  LOOP

// MULADD16 adds a pair to the sums LO, HI of the query whose codes are at ADDR.
#define MULADD16(ADDR, LO, HI) \
	VBROADCASTSS ADDR, Y14 \
	VPMADDWD     Y12, Y14, Y15 \
	VPADDD       Y15, LO, LO \
	VPMADDWD     Y13, Y14, Y14 \
	VPADDD       Y14, HI, HI

#define TWO16(AT) \
	MULADD16(AT(BX), Y0, Y1) \
	MULADD16(AT(BX)(R10*1), Y2, Y3)

#define FOUR16(AT) \
	TWO16(AT) \
	MULADD16(AT(BX)(R10*2), Y4, Y5) \
	MULADD16(AT(BX)(R12*1), Y6, Y7)

#define SIX16(AT) \
	FOUR16(AT) \
	MULADD16(AT(BX)(R10*4), Y8, Y9) \
	MULADD16(AT(BX)(R8*1), Y10, Y11)

// SCORES writes a query's, with the keys' scales in Y12, Y13; WEIGHTED adds its sums.
// Both go to the next query.
#define SCORES(LO, HI) \
	VBROADCASTSS (R13), Y14 \
	VCVTDQ2PS    LO, LO \
	VCVTDQ2PS    HI, HI \
	VMULPS       Y14, LO, LO \
	VMULPS       Y14, HI, HI \
	VMULPS       Y12, LO, LO \
	VMULPS       Y13, HI, HI \
	VMOVUPS      LO, (DI) \
	VMOVUPS      HI, 32(DI) \
	ADDQ         $4, R13 \
	ADDQ         R9, DI

#define WEIGHTED(LO, HI) \
	VBROADCASTSS (R13), Y14 \
	VCVTDQ2PS    LO, LO \
	VCVTDQ2PS    HI, HI \
	VFMADD213PS  (DI), Y14, LO \
	VFMADD213PS  32(DI), Y14, HI \
	VMOVUPS      LO, (DI) \
	VMOVUPS      HI, 32(DI) \
	ADDQ         $4, R13 \
	ADDQ         R9, DI

#define PRODUCT16(END, STORE) \
	LEAQ (R10)(R10*2), R12 \
	LEAQ (R10)(R10*4), R8 \
six: \
	CMPQ R11, $6 \
	JLT  four \
	TILE16 \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y3, Y3, Y3 \
	VPXOR Y4, Y4, Y4 \
	VPXOR Y5, Y5, Y5 \
	VPXOR Y6, Y6, Y6 \
	VPXOR Y7, Y7, Y7 \
	VPXOR Y8, Y8, Y8 \
	VPXOR Y9, Y9, Y9 \
	VPXOR Y10, Y10, Y10 \
	VPXOR Y11, Y11, Y11 \
sixLoop: \
	PAIR16 \
	SIX16(0) \
	PAIR16 \
	SIX16(4) \
	NEXT16(sixLoop) \
	END \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	STORE(Y4, Y5) \
	STORE(Y6, Y7) \
	STORE(Y8, Y9) \
	STORE(Y10, Y11) \
	LEAQ (DX)(R12*2), DX \
	SUBQ $6, R11 \
	JMP  six \
four: \
	CMPQ R11, $4 \
	JLT  two \
	TILE16 \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y3, Y3, Y3 \
	VPXOR Y4, Y4, Y4 \
	VPXOR Y5, Y5, Y5 \
	VPXOR Y6, Y6, Y6 \
	VPXOR Y7, Y7, Y7 \
fourLoop: \
	PAIR16 \
	FOUR16(0) \
	PAIR16 \
	FOUR16(4) \
	NEXT16(fourLoop) \
	END \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	STORE(Y4, Y5) \
	STORE(Y6, Y7) \
	LEAQ (DX)(R10*4), DX \
	SUBQ $4, R11 \
two: \
	CMPQ R11, $2 \
	JLT  one \
	TILE16 \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
	VPXOR Y2, Y2, Y2 \
	VPXOR Y3, Y3, Y3 \
twoLoop: \
	PAIR16 \
	TWO16(0) \
	PAIR16 \
	TWO16(4) \
	NEXT16(twoLoop) \
	END \
	STORE(Y0, Y1) \
	STORE(Y2, Y3) \
	LEAQ (DX)(R10*2), DX \
	SUBQ $2, R11 \
one: \
	TESTQ R11, R11 \
	JEQ   done \
	TILE16 \
	VPXOR Y0, Y0, Y0 \
	VPXOR Y1, Y1, Y1 \
oneLoop: \
	PAIR16 \
	MULADD16((BX), Y0, Y1) \
	PAIR16 \
	MULADD16(4(BX), Y0, Y1) \
	NEXT16(oneLoop) \
	END \
	STORE(Y0, Y1) \
done: \
	VZEROUPPER \
	RET

// func scores16x16AVX2(s *float32, keys, queries *int16, dim int, keyScales, queryScales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX2
TEXT ·scores16x16AVX2(SB), NOSPLIT, $0-64
	MOVQ s+0(FP), DI
	MOVQ keys+8(FP), AX
	MOVQ queries+16(FP), DX
	MOVQ dim+24(FP), R14
	MOVQ queryScales+40(FP), R13
	MOVQ n+48(FP), R11
	MOVQ ahead+56(FP), R15
	SUBQ AX, R15
	MOVQ $256, R9
	LEAQ (R14*2), R10
	SHRQ $1, R14
	PRODUCT16(KEY_SCALES, SCORES)

// func add16x16AVX2(acc *float32, dim int, values, weights *int16, scales *float32, n int, ahead unsafe.Pointer)
// Requires: AVX2, FMA
TEXT ·add16x16AVX2(SB), NOSPLIT, $0-56
	MOVQ acc+0(FP), DI
	MOVQ dim+8(FP), R9
	MOVQ values+16(FP), AX
	MOVQ weights+24(FP), DX
	MOVQ scales+32(FP), R13
	MOVQ n+40(FP), R11
	MOVQ ahead+48(FP), R15
	SUBQ AX, R15
	SHLQ $2, R9
	MOVQ $128, R10
	MOVQ $32, R14
	PRODUCT16(NO_SCALES, WEIGHTED)
