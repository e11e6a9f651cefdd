// The vector form of exp in exp.go: the same constants in the same order, with
// fused multiply-adds.

DATA expLow<>+0(SB)/4, $0xc2aeac4f // -87.33654
GLOBL expLow<>(SB), RODATA|NOPTR, $4
DATA expHigh<>+0(SB)/4, $0x42b00000 // 88
GLOBL expHigh<>(SB), RODATA|NOPTR, $4
DATA expTable<>+0(SB)/4, $0x3fb8aa3b // log2e
DATA expTable<>+4(SB)/4, $0x3f318000 // ln2Hi
DATA expTable<>+8(SB)/4, $0xb95e8083 // ln2Lo
DATA expTable<>+12(SB)/4, $0x39506967 // expP0
DATA expTable<>+16(SB)/4, $0x3ab743ce
DATA expTable<>+20(SB)/4, $0x3c088908
DATA expTable<>+24(SB)/4, $0x3d2aa9c1
DATA expTable<>+28(SB)/4, $0x3e2aaaaa
DATA expTable<>+32(SB)/4, $0x3f000000 // expP5
DATA expTable<>+36(SB)/4, $0x3f800000 // 1
GLOBL expTable<>(SB), RODATA|NOPTR, $40

// EXP_CONSTANTS fills Y6 to Y15, which EXP reads.
#define EXP_CONSTANTS \
	VBROADCASTSS expTable<>+0(SB), Y6 \
	VBROADCASTSS expTable<>+4(SB), Y7 \
	VBROADCASTSS expTable<>+8(SB), Y8 \
	VBROADCASTSS expTable<>+12(SB), Y9 \
	VBROADCASTSS expTable<>+16(SB), Y10 \
	VBROADCASTSS expTable<>+20(SB), Y11 \
	VBROADCASTSS expTable<>+24(SB), Y12 \
	VBROADCASTSS expTable<>+28(SB), Y13 \
	VBROADCASTSS expTable<>+32(SB), Y14 \
	VBROADCASTSS expTable<>+36(SB), Y15

// EXP replaces X <= 88 by e^X; A, B and C are lost. NaN stays.
#define EXP(X, A, B, C) \
	VBROADCASTSS expLow<>(SB), A \
	VCMPPS       $0x11, A, X, A \
	VMULPS       Y6, X, B \
	VROUNDPS     $8, B, B \
	VFNMADD231PS Y7, B, X \
	VFNMADD231PS Y8, B, X \
	VCVTPS2DQ    B, B \
	VPSLLD       $23, B, B \
	VMOVAPS      Y9, C \
	VFMADD213PS  Y10, X, C \
	VFMADD213PS  Y11, X, C \
	VFMADD213PS  Y12, X, C \
	VFMADD213PS  Y13, X, C \
	VFMADD213PS  Y14, X, C \
	VFMADD213PS  Y15, X, C \
	VFMADD213PS  Y15, X, C \
	VPADDD       B, C, C \
	VANDNPS      C, A, X

// EXP_CONSTANTS512 and EXP512 are the same in vectors of 512 bits; Z5 is the bound
// below which e^X is 0, K1 is lost.
#define EXP_CONSTANTS512 \
	VBROADCASTSS expLow<>(SB), Z5 \
	VBROADCASTSS expTable<>+0(SB), Z6 \
	VBROADCASTSS expTable<>+4(SB), Z7 \
	VBROADCASTSS expTable<>+8(SB), Z8 \
	VBROADCASTSS expTable<>+12(SB), Z9 \
	VBROADCASTSS expTable<>+16(SB), Z10 \
	VBROADCASTSS expTable<>+20(SB), Z11 \
	VBROADCASTSS expTable<>+24(SB), Z12 \
	VBROADCASTSS expTable<>+28(SB), Z13 \
	VBROADCASTSS expTable<>+32(SB), Z14 \
	VBROADCASTSS expTable<>+36(SB), Z15

#define EXP512(X, B, C) \
	VCMPPS       $0x15, Z5, X, K1 \
	VMULPS       Z6, X, B \
	VRNDSCALEPS  $8, B, B \
	VFNMADD231PS Z7, B, X \
	VFNMADD231PS Z8, B, X \
	VCVTPS2DQ    B, B \
	VPSLLD       $23, B, B \
	VMOVAPS      Z9, C \
	VFMADD213PS  Z10, X, C \
	VFMADD213PS  Z11, X, C \
	VFMADD213PS  Z12, X, C \
	VFMADD213PS  Z13, X, C \
	VFMADD213PS  Z14, X, C \
	VFMADD213PS  Z15, X, C \
	VFMADD213PS  Z15, X, C \
	VPADDD.Z     B, C, K1, X
