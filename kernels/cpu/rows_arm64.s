//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// Loops over a row; n is a multiple of 8.

// func addNEON(x, delta *float32, n int)
TEXT ·addNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD delta+8(FP), R1
	MOVD n+16(FP), R2

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FADD(0, 0, 2)
	FADD(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R2
	BNE    loop
	RET

// func sumSquaresNEON(x *float32, n int) float64
// A square of a float32 is exact in float64, so that adding it rounds once either way.
TEXT ·sumSquaresNEON(SB), NOSPLIT, $0-24
	MOVD x+0(FP), R0
	MOVD n+8(FP), R1
	ZERO(0)
	ZERO(1)

loop:
	VLD1.P 32(R0), [V2.S4, V3.S4]
	FCVTLD(4, 2)
	FCVTLD2(5, 2)
	FCVTLD(6, 3)
	FCVTLD2(7, 3)
	FMLAD(0, 4, 4)
	FMLAD(1, 5, 5)
	FMLAD(0, 6, 6)
	FMLAD(1, 7, 7)
	SUBS  $8, R1
	BNE   loop
	FADDPD(0, 0, 1)
	FADDPD(0, 0, 0)
	FMOVD F0, ret+16(FP)
	RET

// func timesNEON(out, x, weight *float32, scale float32, n int)
TEXT ·timesNEON(SB), NOSPLIT, $0-40
	MOVD  out+0(FP), R0
	MOVD  x+8(FP), R1
	MOVD  weight+16(FP), R2
	FMOVS scale+24(FP), F4
	MOVD  n+32(FP), R3

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	VLD1.P 32(R2), [V2.S4, V3.S4]
	FMUL(0, 0, 4, 0)
	FMUL(1, 1, 4, 0)
	FMULV(0, 0, 2)
	FMULV(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R3
	BNE    loop
	RET

// func divideNEON(out, x *float32, by float32, n int)
TEXT ·divideNEON(SB), NOSPLIT, $0-32
	MOVD  out+0(FP), R0
	MOVD  x+8(FP), R1
	FMOVS by+16(FP), F2
	VDUP  V2.S[0], V2.S4
	MOVD  n+24(FP), R3

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	FDIV(0, 0, 2)
	FDIV(1, 1, 2)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R3
	BNE    loop
	RET

// func joinNEON(x, y *float32, a, b float32, n int)
TEXT ·joinNEON(SB), NOSPLIT, $0-32
	MOVD  x+0(FP), R0
	MOVD  y+8(FP), R1
	FMOVS a+16(FP), F4
	FMOVS b+20(FP), F5
	MOVD  n+24(FP), R3

loop:
	VLD1   (R0), [V0.S4, V1.S4]
	VLD1.P 32(R1), [V2.S4, V3.S4]
	FMUL(0, 0, 4, 0)
	FMUL(1, 1, 4, 0)
	FMUL(2, 2, 5, 0)
	FMUL(3, 3, 5, 0)
	FADD(0, 0, 2)
	FADD(1, 1, 3)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R3
	BNE    loop
	RET

// TURN makes V4 and V5 the pairs V0, V1 turned by the angles of cosine V2 and sine V3.
#define TURN \
	FMULV(4, 0, 2) \
	FMULV(6, 1, 3) \
	FMULV(5, 0, 3) \
	FMULV(7, 1, 2) \
	FSUB(4, 4, 6) \
	FADD(5, 5, 7)

// func rotateNextNEON(head, angles *float32, dim int)
// Pairs side by side.
TEXT ·rotateNextNEON(SB), NOSPLIT, $0-24
	MOVD head+0(FP), R0
	MOVD angles+8(FP), R1
	MOVD dim+16(FP), R2

loop:
	VLD2   (R0), [V0.S4, V1.S4]
	VLD2.P 32(R1), [V2.S4, V3.S4]
	TURN
	VST2.P [V4.S4, V5.S4], 32(R0)
	SUBS   $8, R2
	BNE    loop
	RET

// func rotateHalvesNEON(head, angles *float32, dim int)
// Pairs half a head apart.
TEXT ·rotateHalvesNEON(SB), NOSPLIT, $0-24
	MOVD head+0(FP), R0
	MOVD angles+8(FP), R1
	MOVD dim+16(FP), R2
	ADD  R2<<1, R0, R3

loop:
	VLD1   (R0), [V0.S4]
	VLD1   (R3), [V1.S4]
	VLD2.P 32(R1), [V2.S4, V3.S4]
	TURN
	VST1.P [V4.S4], 16(R0)
	VST1.P [V5.S4], 16(R3)
	SUBS   $8, R2
	BNE    loop
	RET

// func scaleNEON(rows, factors *float32, n int)
TEXT ·scaleNEON(SB), NOSPLIT, $0-24
	MOVD rows+0(FP), R0
	MOVD factors+8(FP), R1
	MOVD n+16(FP), R2
	VLD1 (R1), [V4.S4, V5.S4, V6.S4, V7.S4]

loop:
	VLD1   (R0), [V0.S4, V1.S4, V2.S4, V3.S4]
	FMULV(0, 0, 4)
	FMULV(1, 1, 5)
	FMULV(2, 2, 6)
	FMULV(3, 3, 7)
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)
	SUBS   $1, R2
	BNE    loop
	RET

// func narrowF16NEON(dst unsafe.Pointer, src *float32, n int)
TEXT ·narrowF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	FCVTN(0, 0)
	FCVTN2(0, 1)
	VST1.P [V0.H8], 16(R0)
	SUBS   $8, R2
	BNE    loop
	RET

// ROUND makes the upper half of each 32 bits BF16, to nearest even; NaNs get bit V5.
#define ROUND(A, B, N, I) \
	VUSHR $16, A.S4, B.S4 \
	VAND  V6.B16, B.B16, B.B16 \
	VADD  V7.S4, B.S4, B.S4 \
	VADD  A.S4, B.S4, B.S4 \
	VORR  V5.B16, A.B16, N.B16 \
	FCMEQ(I, I, I) \
	VBIF  A.B16, N.B16, B.B16

// func narrowBF16NEON(dst unsafe.Pointer, src *float32, n int)
TEXT ·narrowBF16NEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	MOVD $0x400000, R3
	VDUP R3, V5.S4
	MOVD $1, R3
	VDUP R3, V6.S4
	MOVD $0x7fff, R3
	VDUP R3, V7.S4

loop:
	VLD1.P 32(R1), [V0.S4, V1.S4]
	ROUND(V0, V2, V4, 0)
	ROUND(V1, V3, V4, 1)
	VUZP2  V3.H8, V2.H8, V2.H8
	VST1.P [V2.H8], 16(R0)
	SUBS   $8, R2
	BNE    loop
	RET

// func widenI8NEON(dst *float32, src unsafe.Pointer, scale *float32, rows, dim int)
// dim is a multiple of 8.
TEXT ·widenI8NEON(SB), NOSPLIT, $0-40
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD scale+16(FP), R2
	MOVD rows+24(FP), R3
	MOVD dim+32(FP), R4

row:
	FMOVS.P 4(R2), F4
	MOVD    R4, R5

loop:
	VLD1.P 8(R1), [V0.B8]
	SXTLB(0, 0)
	SXTLH2(1, 0)
	SXTLH(0, 0)
	SCVTF(0, 0)
	SCVTF(1, 1)
	FMUL(0, 0, 4, 0)
	FMUL(1, 1, 4, 0)
	VST1.P [V0.S4, V1.S4], 32(R0)
	SUBS   $8, R5
	BNE    loop
	SUBS   $1, R3
	BNE    row
	RET
