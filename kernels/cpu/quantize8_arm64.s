//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// func roundNEON(dst *block8, step int, x *float32, n int)
// Codes, scales and sums of blocks; the largest magnitude is sought among integers,
// where a NaN is the largest of all.
TEXT ·roundNEON(SB), NOSPLIT, $0-32
	MOVD  dst+0(FP), R0
	MOVD  step+8(FP), R1
	MOVD  x+16(FP), R2
	MOVD  n+24(FP), R3
	MOVD  $48, R4
	MUL   R4, R1
	MOVD  $0x7fffffff, R4
	VDUP  R4, V31.S4
	MOVD  $0x0d800000, R4 // 2^-100
	VDUP  R4, V30.S4
	MOVD  $0x42fe0000, R4 // 127
	VDUP  R4, V29.S4

block:
	VLD1.P 64(R2), [V0.S4, V1.S4, V2.S4, V3.S4]
	VLD1.P 64(R2), [V4.S4, V5.S4, V6.S4, V7.S4]
	VAND   V31.B16, V0.B16, V16.B16
	VAND   V31.B16, V1.B16, V17.B16
	VAND   V31.B16, V2.B16, V18.B16
	VAND   V31.B16, V3.B16, V19.B16
	VAND   V31.B16, V4.B16, V20.B16
	VAND   V31.B16, V5.B16, V21.B16
	VAND   V31.B16, V6.B16, V22.B16
	VAND   V31.B16, V7.B16, V23.B16
	VUMAX  V17.S4, V16.S4, V16.S4
	VUMAX  V19.S4, V18.S4, V18.S4
	VUMAX  V21.S4, V20.S4, V20.S4
	VUMAX  V23.S4, V22.S4, V22.S4
	VUMAX  V18.S4, V16.S4, V16.S4
	VUMAX  V22.S4, V20.S4, V20.S4
	VUMAX  V20.S4, V16.S4, V16.S4
	VUMAX  V30.S4, V16.S4, V16.S4
	UMAXV(16, 16)
	FDIVS  F29, F16, F17
	FDIVS  F16, F29, F18
	FSUBS  F16, F16, F19 // 0, or NaN for an infinity
	FADDS  F19, F17, F17
	FMUL(0, 0, 18, 0)
	FMUL(1, 1, 18, 0)
	FMUL(2, 2, 18, 0)
	FMUL(3, 3, 18, 0)
	FMUL(4, 4, 18, 0)
	FMUL(5, 5, 18, 0)
	FMUL(6, 6, 18, 0)
	FMUL(7, 7, 18, 0)
	FCVTNS(0, 0)
	FCVTNS(1, 1)
	FCVTNS(2, 2)
	FCVTNS(3, 3)
	FCVTNS(4, 4)
	FCVTNS(5, 5)
	FCVTNS(6, 6)
	FCVTNS(7, 7)
	SQXTNS(0, 0)
	SQXTNS2(0, 1)
	SQXTNS(2, 2)
	SQXTNS2(2, 3)
	SQXTNS(4, 4)
	SQXTNS2(4, 5)
	SQXTNS(6, 6)
	SQXTNS2(6, 7)
	SQXTNH(0, 0)
	SQXTNH2(0, 2)
	SQXTNH(1, 4)
	SQXTNH2(1, 6)
	VST1   [V0.B16, V1.B16], (R0)
	SADDLPB(20, 0)
	SADALPB(20, 1)
	SADDLVH(20, 20)
	SCVTF(20, 20)
	FMULS  F17, F20, F20
	FMOVS  F17, 32(R0)
	FMOVS  F20, 36(R0)
	ADD    R1, R0
	SUBS   $32, R3
	BNE    block
	RET
