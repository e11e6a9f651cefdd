//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// COLUMN writes a column of 16 rows: the bytes of V16 to V19 that SHIFT makes the uppermost of
// their words, times V20 to V23, less V24 to V27.
#define COLUMN(SHIFT) \
	VSHL   $SHIFT, V16.S4, V0.S4 \
	VSHL   $SHIFT, V17.S4, V1.S4 \
	VSHL   $SHIFT, V18.S4, V2.S4 \
	VSHL   $SHIFT, V19.S4, V3.S4 \
	SSHR24(0, 0) \
	SSHR24(1, 1) \
	SSHR24(2, 2) \
	SSHR24(3, 3) \
	SCVTF(0, 0) \
	SCVTF(1, 1) \
	SCVTF(2, 2) \
	SCVTF(3, 3) \
	FMULV(0, 0, 20) \
	FMULV(1, 1, 21) \
	FMULV(2, 2, 22) \
	FMULV(3, 3, 23) \
	FSUB(0, 0, 24) \
	FSUB(1, 1, 25) \
	FSUB(2, 2, 26) \
	FSUB(3, 3, 27) \
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R0)

// func widenPanelNEON(panel *float32, p *panel8, n, group int)
TEXT ·widenPanelNEON(SB), NOSPLIT, $0-32
	MOVD panel+0(FP), R0
	MOVD p+8(FP), R1
	MOVD n+16(FP), R2
	MOVD group+24(FP), R3
	ADD  $4096, R1, R4
	ADD  $5120, R1, R5

scales:
	VLD1.P 64(R4), [V20.S4, V21.S4, V22.S4, V23.S4]
	VLD1.P 64(R5), [V24.S4, V25.S4, V26.S4, V27.S4]
	MOVD   R3, R6

columns:
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	COLUMN(24)
	COLUMN(16)
	COLUMN(8)
	COLUMN(0)
	SUBS   $4, R6
	BNE    columns
	SUBS   R3, R2
	BNE    scales
	RET

// HALVES_F8 makes V2 and V3 the halves of e4m3 codes: see f8Unit. Those of NaNs get all bits
// that make one.
#define HALVES_F8 \
	VLD1.P 16(R1), [V0.B16] \
	VORR   V31.B16, V0.B16, V1.B16 \
	VCMEQ  V30.B16, V1.B16, V1.B16 \
	SSHLL7(2, 0) \
	SSHLL7H(3, 0) \
	SSHLL7(4, 1) \
	SSHLL7H(5, 1) \
	VAND   V29.B16, V2.B16, V2.B16 \
	VAND   V29.B16, V3.B16, V3.B16 \
	VORR   V4.B16, V2.B16, V2.B16 \
	VORR   V5.B16, V3.B16, V3.B16

#define CONSTANTS_F8 \
	MOVD $0x80, R3 \
	VDUP R3, V31.B16 \
	MOVD $0xff, R3 \
	VDUP R3, V30.B16 \
	MOVD $0xbf80, R3 \
	VDUP R3, V29.H8

// func unpackF8E4M3NEON(panel *float32, src unsafe.Pointer, n int)
TEXT ·unpackF8E4M3NEON(SB), NOSPLIT, $0-24
	MOVD panel+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	CONSTANTS_F8

column:
	HALVES_F8
	FCVTL(16, 2)
	FCVTL2(17, 2)
	FCVTL(18, 3)
	FCVTL2(19, 3)
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R0)
	SUBS   $1, R2
	BNE    column
	RET

// func halvesF8E4M3NEON(dst *uint16, src unsafe.Pointer, n int) bool
// V28 is not 0 once there was a NaN.
TEXT ·halvesF8E4M3NEON(SB), NOSPLIT, $0-25
	MOVD dst+0(FP), R0
	MOVD src+8(FP), R1
	MOVD n+16(FP), R2
	CONSTANTS_F8
	ZERO(28)

column:
	HALVES_F8
	VORR   V1.B16, V28.B16, V28.B16
	VST1.P [V2.H8, V3.H8], 32(R0)
	SUBS   $1, R2
	BNE    column
	UMAXV(28, 28)
	VMOV   V28.S[0], R2
	CMP    $0, R2
	CSET   NE, R2
	MOVB   R2, ret+24(FP)
	RET
