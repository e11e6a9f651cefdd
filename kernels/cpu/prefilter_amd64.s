//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "vector_amd64.h"

VECTOR(multiplier0<>, 0x00000000D2511F53)
VECTOR(multiplier1<>, 0x00000000CD9E8D57)
VECTOR(fourPairs<>, 4)
VECTOR(eightPairs<>, 8)
VECTOR(thirtyTwoPairs<>, 32)
VECTOR(thirtyTwo<>, 0x0000002000000020)
VECTOR(floats32<>, 0x4200000042000000)

DATA firstPairs<>+0(SB)/8, $0
DATA firstPairs<>+8(SB)/8, $1
DATA firstPairs<>+16(SB)/8, $2
DATA firstPairs<>+24(SB)/8, $3
DATA firstPairs<>+32(SB)/8, $4
DATA firstPairs<>+40(SB)/8, $5
DATA firstPairs<>+48(SB)/8, $6
DATA firstPairs<>+56(SB)/8, $7
GLOBL firstPairs<>(SB), RODATA|NOPTR, $64

// PRODUCTS makes P0 and P1 the products of a round of Philox, for a counter in each 64
// bits. Its words C0 to C3 have no meaning in the upper halves.
#define PRODUCTS(C0, C2, P0, P1) \
	VPMULUDQ Y0, C0, P0 \
	VPMULUDQ Y1, C2, P1

// ROUND is round R of two vectors of counters, and ends with P1 for C1 and P0 for C3.
#define ROUND(R, C0, C1, C2, C3, P0, P1, D0, D1, D2, D3, Q0, Q1) \
	PRODUCTS(C0, C2, P0, P1) \
	PRODUCTS(D0, D2, Q0, Q1) \
	VPXOR  prefilter_keys+(64*R)(SI), C1, C1 \
	VPXOR  prefilter_keys+(64*R)(SI), D1, D1 \
	VPXOR  prefilter_keys+(64*R+32)(SI), C3, C3 \
	VPXOR  prefilter_keys+(64*R+32)(SI), D3, D3 \
	VPSRLQ $32, P1, C0 \
	VPSRLQ $32, Q1, D0 \
	VPSRLQ $32, P0, C2 \
	VPSRLQ $32, Q0, D2 \
	VPXOR  C1, C0, C0 \
	VPXOR  D1, D0, D0 \
	VPXOR  C3, C2, C2 \
	VPXOR  D3, D2, D2

#define TWO_ROUNDS(R) \
	ROUND(R, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13) \
	ROUND((R+1), Y2, Y7, Y4, Y6, Y5, Y3, Y8, Y13, Y10, Y12, Y11, Y9)

// NEAR makes BITS those of the eight tokens from AT on who are near, ODD and EVEN being
// the words of their noise; A and B are lost.
#define NEAR(AT, ODD, EVEN, A, B, BITS) \
	VMOVSLDUP    ODD, ODD \
	VPBLENDD     $0xAA, ODD, EVEN, EVEN \
	VPCMPEQD     A, A, A \
	VPXOR        A, EVEN, EVEN \
	VPXOR        B, B, B \
	VBROADCASTSS prefilter_highest(SI), A \
	VBROADCASTSS prefilter_scale(SI), ODD \
	VSUBPS       AT, A, A \
	VMULPS       ODD, A, A \
	VBROADCASTSS prefilter_lead(SI), ODD \
	VADDPS       ODD, A, A \
	VMAXPS       B, A, A \
	VMINPS       floats32<>(SB), A, A \
	VCVTTPS2DQ   A, A \
	VMOVDQU      thirtyTwo<>(SB), ODD \
	VPSUBD       A, ODD, A \
	VPSRLVD      A, EVEN, EVEN \
	VPCMPEQD     B, EVEN, EVEN \
	VBROADCASTSS prefilter_floor(SI), A \
	VCMPPS       $2, AT, A, A \
	VPAND        A, EVEN, EVEN \
	VMOVMSKPS    EVEN, BITS

// func survivorsAVX2(logits *float32, from, groups int, p *prefilter) (group int, left uint64)
// Requires: AVX2
TEXT ·survivorsAVX2(SB), NOSPLIT, $0-48
	MOVQ         logits+0(FP), DI
	MOVQ         from+8(FP), BX
	MOVQ         groups+16(FP), CX
	MOVQ         p+24(FP), SI
	MOVQ         BX, AX
	SHLQ         $8, AX
	ADDQ         AX, DI
	MOVQ         BX, AX
	SHLQ         $5, AX
	MOVQ         AX, X14
	VPBROADCASTQ X14, Y14
	VPADDQ       firstPairs<>(SB), Y14, Y14
	VMOVDQU      multiplier0<>(SB), Y0
	VMOVDQU      multiplier1<>(SB), Y1
	XORQ         R8, R8

group:
	CMPQ         BX, CX
	JGE          done
	VMOVUPS      (DI), Y2
	VMOVUPS      32(DI), Y3
	VMAXPS       64(DI), Y2, Y2
	VMAXPS       96(DI), Y3, Y3
	VMAXPS       128(DI), Y2, Y2
	VMAXPS       160(DI), Y3, Y3
	VMAXPS       192(DI), Y2, Y2
	VMAXPS       224(DI), Y3, Y3
	VMAXPS       Y2, Y3, Y2
	VBROADCASTSS prefilter_floor(SI), Y3
	VCMPPS       $2, Y2, Y3, Y3 // floor <= logits
	VMOVMSKPS    Y3, AX
	TESTL        AX, AX
	JEQ          low
	MOVQ         $4, R9

sixteen:
	VMOVDQA      Y14, Y2
	VPADDQ       fourPairs<>(SB), Y14, Y8
	VPADDQ       eightPairs<>(SB), Y14, Y14
	VPXOR        Y3, Y3, Y3
	VPXOR        Y9, Y9, Y9
	VPBROADCASTQ prefilter_upper+0(SI), Y4
	VPBROADCASTQ prefilter_upper+0(SI), Y10
	VPBROADCASTQ prefilter_upper+8(SI), Y5
	VPBROADCASTQ prefilter_upper+8(SI), Y11
	TWO_ROUNDS(0)
	TWO_ROUNDS(2)
	TWO_ROUNDS(4)
	TWO_ROUNDS(6)
	ROUND(8, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13)
	PRODUCTS(Y2, Y4, Y5, Y3)
	PRODUCTS(Y8, Y10, Y11, Y9)
	NEAR((DI), Y5, Y3, Y6, Y7, AX)
	NEAR(32(DI), Y11, Y9, Y12, Y13, DX)
	SHLQ         $8, DX
	ORQ          DX, AX
	SHLQ         $48, AX
	SHRQ         $16, R8
	ORQ          AX, R8
	ADDQ         $64, DI
	DECQ         R9
	JNZ          sixteen
	TESTQ        R8, R8
	JNZ          done
	INCQ         BX
	JMP          group

low:
	VPADDQ thirtyTwoPairs<>(SB), Y14, Y14
	ADDQ   $256, DI
	INCQ   BX
	JMP    group

done:
	MOVQ BX, group+32(FP)
	MOVQ R8, left+40(FP)
	VZEROUPPER
	RET

// The same with counters in vectors of 512 bits, all 32 of a group side by side, in Z0
// to Z23.

#define PRODUCTS512(C0, C2, P0, P1) \
	VPMULUDQ Z24, C0, P0 \
	VPMULUDQ Z25, C2, P1

#define ROUND512(R, C0, C1, C2, C3, P0, P1) \
	PRODUCTS512(C0, C2, P0, P1) \
	VPSRLQ          $32, P1, C0 \
	VPSRLQ          $32, P0, C2 \
	VPTERNLOGQ.BCST $0x96, prefilter_keys+(64*R)(SI), C1, C0 \
	VPTERNLOGQ.BCST $0x96, prefilter_keys+(64*R+32)(SI), C3, C2

#define TWO_ROUNDS512(R) \
	ROUND512(R, Z0, Z1, Z2, Z3, Z4, Z5) \
	ROUND512(R, Z6, Z7, Z8, Z9, Z10, Z11) \
	ROUND512(R, Z12, Z13, Z14, Z15, Z16, Z17) \
	ROUND512(R, Z18, Z19, Z20, Z21, Z22, Z23) \
	ROUND512((R+1), Z0, Z5, Z2, Z4, Z3, Z1) \
	ROUND512((R+1), Z6, Z11, Z8, Z10, Z9, Z7) \
	ROUND512((R+1), Z12, Z17, Z14, Z16, Z15, Z13) \
	ROUND512((R+1), Z18, Z23, Z20, Z22, Z21, Z19)

#define LAST_ROUND512(C0, C1, C2, C3, P0, P1) \
	ROUND512(8, C0, C1, C2, C3, P0, P1) \
	PRODUCTS512(C0, C2, C3, C1)

#define BEGIN512(C1, C2, C3) \
	VPXORD       C1, C1, C1 \
	VPBROADCASTQ prefilter_upper+0(SI), C2 \
	VPBROADCASTQ prefilter_upper+8(SI), C3

// NEAR512 adds the bits of sixteen tokens to R8.
#define NEAR512(AT, ODD, EVEN, A) \
	VMOVSLDUP   ODD, K1, EVEN \
	VSUBPS      AT, Z28, A \
	VMULPS      Z29, A, A \
	VADDPS      Z30, A, A \
	VMAXPS      Z31, A, A \
	VMINPS.BCST floats32<>(SB), A, A \
	VCVTTPS2DQ  A, A \
	VPSUBD      A, Z27, A \
	VPTERNLOGD  $0x0F, EVEN, EVEN, EVEN \
	VPSRLVD     A, EVEN, EVEN \
	VCMPPS      $2, AT, Z26, K2 \
	VPTESTNMD   EVEN, EVEN, K2, K2 \
	KMOVW       K2, AX \
	SHLQ        $48, AX \
	SHRQ        $16, R8 \
	ORQ         AX, R8

// func survivorsAVX512(logits *float32, from, groups int, p *prefilter) (group int, left uint64)
// Requires: AVX512F
TEXT ·survivorsAVX512(SB), NOSPLIT, $0-48
	MOVQ         logits+0(FP), DI
	MOVQ         from+8(FP), BX
	MOVQ         groups+16(FP), CX
	MOVQ         p+24(FP), SI
	MOVQ         BX, AX
	SHLQ         $8, AX
	ADDQ         AX, DI
	VPBROADCASTQ multiplier0<>(SB), Z24
	VPBROADCASTQ multiplier1<>(SB), Z25
	VPBROADCASTD thirtyTwo<>(SB), Z27
	VBROADCASTSS prefilter_floor(SI), Z26
	VBROADCASTSS prefilter_highest(SI), Z28
	VBROADCASTSS prefilter_scale(SI), Z29
	VBROADCASTSS prefilter_lead(SI), Z30
	VPXORD       Z31, Z31, Z31
	MOVL         $0xAAAA, AX
	KMOVW        AX, K1
	XORQ         R8, R8

group:
	CMPQ         BX, CX
	JGE          done
	VMOVUPS      (DI), Z0
	VMOVUPS      64(DI), Z1
	VMAXPS       128(DI), Z0, Z0
	VMAXPS       192(DI), Z1, Z1
	VMAXPS       Z0, Z1, Z0
	VCMPPS       $2, Z0, Z26, K2 // floor <= logits
	KORTESTW     K2, K2
	JEQ          next
	MOVQ         BX, AX
	SHLQ         $5, AX
	VPBROADCASTQ AX, Z0
	VPADDQ       firstPairs<>(SB), Z0, Z0
	VPADDQ.BCST  eightPairs<>(SB), Z0, Z6
	VPADDQ.BCST  eightPairs<>(SB), Z6, Z12
	VPADDQ.BCST  eightPairs<>(SB), Z12, Z18
	BEGIN512(Z1, Z2, Z3)
	BEGIN512(Z7, Z8, Z9)
	BEGIN512(Z13, Z14, Z15)
	BEGIN512(Z19, Z20, Z21)
	TWO_ROUNDS512(0)
	TWO_ROUNDS512(2)
	TWO_ROUNDS512(4)
	TWO_ROUNDS512(6)
	LAST_ROUND512(Z0, Z1, Z2, Z3, Z4, Z5)
	LAST_ROUND512(Z6, Z7, Z8, Z9, Z10, Z11)
	LAST_ROUND512(Z12, Z13, Z14, Z15, Z16, Z17)
	LAST_ROUND512(Z18, Z19, Z20, Z21, Z22, Z23)
	NEAR512((DI), Z3, Z1, Z0)
	NEAR512(64(DI), Z9, Z7, Z6)
	NEAR512(128(DI), Z15, Z13, Z12)
	NEAR512(192(DI), Z21, Z19, Z18)
	TESTQ        R8, R8
	JNZ          done

next:
	ADDQ $256, DI
	INCQ BX
	JMP  group

done:
	MOVQ BX, group+32(FP)
	MOVQ R8, left+40(FP)
	VZEROUPPER
	RET
