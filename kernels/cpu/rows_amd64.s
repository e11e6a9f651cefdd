//go:build !purego

#include "textflag.h"

// Loops over rows; n is a multiple of 8.

// func addAVX2(x, delta *float32, n int)
// Requires: AVX
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ x+0(FP), DI
	MOVQ delta+8(FP), SI
	MOVQ n+16(FP), CX

loop:
	VMOVUPS (DI), Y0
	VADDPS  (SI), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, CX
	JNZ     loop
	VZEROUPPER
	RET

// func sumSquaresAVX2(x *float32, n int) float64
// A square of a float32 is exact in float64, so that adding it rounds once either way.
// Requires: AVX2, FMA
TEXT ·sumSquaresAVX2(SB), NOSPLIT, $0-24
	MOVQ   x+0(FP), SI
	MOVQ   n+8(FP), CX
	VXORPD Y0, Y0, Y0

loop:
	VCVTPS2PD   (SI), Y1
	VCVTPS2PD   16(SI), Y2
	VFMADD231PD Y1, Y1, Y0
	VFMADD231PD Y2, Y2, Y0
	ADDQ        $32, SI
	SUBQ        $8, CX
	JNZ         loop

	VEXTRACTF128 $1, Y0, X1
	VHADDPD      X0, X0, X0
	VHADDPD      X1, X1, X1
	VADDSD       X1, X0, X0
	VMOVSD       X0, ret+16(FP)
	VZEROUPPER
	RET

// func timesAVX2(out, x, weight *float32, scale float32, n int)
// Requires: AVX
TEXT ·timesAVX2(SB), NOSPLIT, $0-40
	MOVQ         out+0(FP), DI
	MOVQ         x+8(FP), SI
	MOVQ         weight+16(FP), DX
	VBROADCASTSS scale+24(FP), Y1
	MOVQ         n+32(FP), CX

loop:
	VMULPS  (SI), Y1, Y0
	VMULPS  (DX), Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	ADDQ    $32, DX
	SUBQ    $8, CX
	JNZ     loop
	VZEROUPPER
	RET

// func divideAVX2(out, x *float32, by float32, n int)
// Requires: AVX
TEXT ·divideAVX2(SB), NOSPLIT, $0-32
	MOVQ         out+0(FP), DI
	MOVQ         x+8(FP), SI
	VBROADCASTSS by+16(FP), Y1
	MOVQ         n+24(FP), CX

loop:
	VMOVUPS (SI), Y0
	VDIVPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, CX
	JNZ     loop
	VZEROUPPER
	RET

// func joinAVX2(x, y *float32, a, b float32, n int)
// Requires: AVX
TEXT ·joinAVX2(SB), NOSPLIT, $0-32
	MOVQ         x+0(FP), DI
	MOVQ         y+8(FP), SI
	VBROADCASTSS a+16(FP), Y2
	VBROADCASTSS b+20(FP), Y3
	MOVQ         n+24(FP), CX

loop:
	VMULPS  (DI), Y2, Y0
	VMULPS  (SI), Y3, Y1
	VADDPS  Y1, Y0, Y0
	VMOVUPS Y0, (DI)
	ADDQ    $32, DI
	ADDQ    $32, SI
	SUBQ    $8, CX
	JNZ     loop
	VZEROUPPER
	RET

// func rotateNextAVX2(row, angles *float32, dim int)
// Pairs side by side: even columns are a, odd ones b.
// Requires: AVX
TEXT ·rotateNextAVX2(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ angles+8(FP), SI
	MOVQ dim+16(FP), CX

loop:
	VMOVUPS   (DI), Y0
	VMOVUPS   (SI), Y1
	VMOVSLDUP Y1, Y2
	VMOVSHDUP Y1, Y3
	VPERMILPS $0xB1, Y0, Y4
	VMULPS    Y2, Y0, Y0
	VMULPS    Y3, Y4, Y4
	VADDSUBPS Y4, Y0, Y0
	VMOVUPS   Y0, (DI)
	ADDQ      $32, DI
	ADDQ      $32, SI
	SUBQ      $8, CX
	JNZ       loop
	VZEROUPPER
	RET

// func rotateHalvesAVX2(row, angles *float32, dim int)
// Pairs half a head apart; dim is a multiple of 16.
// Requires: AVX2
TEXT ·rotateHalvesAVX2(SB), NOSPLIT, $0-24
	MOVQ row+0(FP), DI
	MOVQ angles+8(FP), SI
	MOVQ dim+16(FP), CX
	LEAQ (DI)(CX*2), DX

loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VSHUFPS $0x88, Y1, Y0, Y2 // cosines, in halves of 128 bits of each
	VSHUFPS $0xDD, Y1, Y0, Y3
	VPERMPD $0xD8, Y2, Y2
	VPERMPD $0xD8, Y3, Y3
	VMOVUPS (DI), Y4
	VMOVUPS (DX), Y5
	VMULPS  Y2, Y4, Y6
	VMULPS  Y3, Y5, Y7
	VMULPS  Y3, Y4, Y4
	VMULPS  Y2, Y5, Y5
	VSUBPS  Y7, Y6, Y6
	VADDPS  Y5, Y4, Y4
	VMOVUPS Y6, (DI)
	VMOVUPS Y4, (DX)
	ADDQ    $32, DI
	ADDQ    $32, DX
	ADDQ    $64, SI
	SUBQ    $16, CX
	JNZ     loop
	VZEROUPPER
	RET

// func spreadAVX2(out *float32, outRow int, sums *float32, stride, groups, tokens int)
// Requires: AVX
TEXT ·spreadAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ outRow+8(FP), R8
	MOVQ sums+16(FP), SI
	MOVQ stride+24(FP), R9
	MOVQ groups+32(FP), R10
	MOVQ tokens+40(FP), R11
	SHLQ $2, R8
	SHLQ $2, R9

token:
	MOVQ SI, AX
	MOVQ DI, BX
	MOVQ R10, CX

group:
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS Y0, (BX)
	VMOVUPS Y1, 32(BX)
	ADDQ    R9, AX
	ADDQ    $64, BX
	DECQ    CX
	JNZ     group
	ADDQ    $64, SI
	ADDQ    R8, DI
	DECQ    R11
	JNZ     token
	VZEROUPPER
	RET
