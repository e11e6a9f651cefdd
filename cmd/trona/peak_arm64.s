//go:build !purego

#include "textflag.h"

// Instructions that the assembler does not know, of V16 and V16: sums of products of bytes,
// four and eight to each 32 bits; products of the low and of the high bytes; sums of pairs of
// D and M; those of V17 added to 32 bits.
#define SDOT(D) WORD $(0x4E909600|D)
#define SMMLA(D) WORD $(0x4E90A600|D)
#define SMULL(D) WORD $(0x0E30C200|D)
#define SMULL2(D) WORD $(0x4E30C200|D)
#define ADDP(D, M) WORD $(0x4E60BC00|((M)<<16)|((D)<<5)|D)
#define SADALP(D) WORD $(0x4E606A20|D)

#define FMLA(D) WORD $(0x4E30CE00|D)

#define DOT(D) \
	SMULL(17) \
	SMULL2(18) \
	ADDP(17, 18) \
	SADALP(D)

// ALL does an operation of V0 to V15: four units of a latency of four cycles.
#define ALL(OP) \
	OP(0) \
	OP(1) \
	OP(2) \
	OP(3) \
	OP(4) \
	OP(5) \
	OP(6) \
	OP(7) \
	OP(8) \
	OP(9) \
	OP(10) \
	OP(11) \
	OP(12) \
	OP(13) \
	OP(14) \
	OP(15)

#define ZERO(D) WORD $(0x6E201C00|((D)<<16)|((D)<<5)|D)

#define LOOP(OP) \
	MOVD rounds+0(FP), R0 \
	ALL(ZERO) \
	ZERO(16) \
loop: \
	ALL(OP) \
	SUBS $1, R0 \
	BNE  loop \
	RET

// func multiplyAddNEON(rounds int64)
TEXT ·multiplyAddNEON(SB), NOSPLIT, $0-8
	LOOP(FMLA)

// func multiplyAddInt8NEON(rounds int64)
TEXT ·multiplyAddInt8NEON(SB), NOSPLIT, $0-8
	LOOP(DOT)

// func multiplyAddInt8SDOT(rounds int64)
TEXT ·multiplyAddInt8SDOT(SB), NOSPLIT, $0-8
	LOOP(SDOT)

// func multiplyAddInt8SMMLA(rounds int64)
TEXT ·multiplyAddInt8SMMLA(SB), NOSPLIT, $0-8
	LOOP(SMMLA)

// func sumNEON(words *uint64, n int64) uint64
// n is a multiple of 16.
TEXT ·sumNEON(SB), NOSPLIT, $0-24
	MOVD words+0(FP), R0
	MOVD n+8(FP), R1
	ALL(ZERO)

loop:
	VLD1.P 64(R0), [V8.D2, V9.D2, V10.D2, V11.D2]
	VLD1.P 64(R0), [V12.D2, V13.D2, V14.D2, V15.D2]
	VADD   V8.D2, V0.D2, V0.D2
	VADD   V9.D2, V1.D2, V1.D2
	VADD   V10.D2, V2.D2, V2.D2
	VADD   V11.D2, V3.D2, V3.D2
	VADD   V12.D2, V4.D2, V4.D2
	VADD   V13.D2, V5.D2, V5.D2
	VADD   V14.D2, V6.D2, V6.D2
	VADD   V15.D2, V7.D2, V7.D2
	SUBS   $16, R1
	BNE    loop
	VADD   V4.D2, V0.D2, V0.D2
	VADD   V5.D2, V1.D2, V1.D2
	VADD   V6.D2, V2.D2, V2.D2
	VADD   V7.D2, V3.D2, V3.D2
	VADD   V2.D2, V0.D2, V0.D2
	VADD   V3.D2, V1.D2, V1.D2
	VADD   V1.D2, V0.D2, V0.D2
	VADDP  V0.D2, V0.D2, V0.D2
	VMOV   V0.D[0], R0
	MOVD   R0, ret+16(FP)
	RET
