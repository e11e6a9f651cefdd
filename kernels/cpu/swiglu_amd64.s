//go:build !purego

#include "textflag.h"
#include "exp_amd64.h"

DATA tailMask<>+0(SB)/8, $-1
DATA tailMask<>+8(SB)/8, $-1
DATA tailMask<>+16(SB)/8, $-1
DATA tailMask<>+24(SB)/8, $-1
DATA tailMask<>+32(SB)/8, $0
DATA tailMask<>+40(SB)/8, $0
DATA tailMask<>+48(SB)/8, $0
DATA tailMask<>+56(SB)/8, $0
GLOBL tailMask<>(SB), RODATA|NOPTR, $64

// SILU makes Y0 = Y4 / (1 + e^-Y4) * Y5.
#define SILU \
	VXORPS       Y0, Y0, Y0 \
	VSUBPS       Y4, Y0, Y0 \
	VBROADCASTSS expHigh<>(SB), Y1 \
	VMINPS       Y0, Y1, Y0 \
	EXP(Y0, Y1, Y2, Y3) \
	VADDPS       Y15, Y0, Y0 \
	VDIVPS       Y0, Y4, Y0 \
	VMULPS       Y5, Y0, Y0

// func swigluAVX2(out, gate, up *float32, n int)
// Requires: AVX2, FMA
TEXT ·swigluAVX2(SB), NOSPLIT, $0-32
	MOVQ out+0(FP), DI
	MOVQ gate+8(FP), SI
	MOVQ up+16(FP), DX
	MOVQ n+24(FP), CX
	EXP_CONSTANTS

loop:
	CMPQ    CX, $8
	JLT     tail
	VMOVUPS (SI), Y4
	VMOVUPS (DX), Y5
	SILU
	VMOVUPS Y0, (DI)
	ADDQ    $32, SI
	ADDQ    $32, DX
	ADDQ    $32, DI
	SUBQ    $8, CX
	JMP     loop

tail:
	TESTQ      CX, CX
	JEQ        done
	LEAQ       tailMask<>+32(SB), AX
	SHLQ       $2, CX
	SUBQ       CX, AX
	VMOVUPS    (AX), Y2
	VMASKMOVPS (SI), Y2, Y4
	VMASKMOVPS (DX), Y2, Y5
	SILU
	VMOVUPS    (AX), Y2
	VMASKMOVPS Y0, Y2, (DI)

done:
	VZEROUPPER
	RET

// func swigluSumsAVX2(out *float32, outRow int, sums *float32, stride, groups, tokens int)
// Requires: AVX2, FMA
TEXT ·swigluSumsAVX2(SB), NOSPLIT, $0-48
	MOVQ out+0(FP), DI
	MOVQ outRow+8(FP), R8
	MOVQ sums+16(FP), SI
	MOVQ stride+24(FP), R9
	MOVQ groups+32(FP), R10
	MOVQ tokens+40(FP), R11
	SHLQ $2, R8
	SHLQ $2, R9
	EXP_CONSTANTS

token:
	MOVQ SI, AX
	MOVQ DI, BX
	MOVQ R10, CX

group:
	VMOVUPS (AX), Y4
	VMOVUPS (AX)(R9*1), Y5
	SILU
	VMOVUPS Y0, (BX)
	VMOVUPS 32(AX), Y4
	VMOVUPS 32(AX)(R9*1), Y5
	SILU
	VMOVUPS Y0, 32(BX)
	LEAQ    (AX)(R9*2), AX
	ADDQ    $64, BX
	DECQ    CX
	JNZ     group
	ADDQ    $64, SI
	ADDQ    R8, DI
	DECQ    R11
	JNZ     token
	VZEROUPPER
	RET
