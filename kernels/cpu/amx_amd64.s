//go:build !purego

#include "textflag.h"
#include "side_amd64.h"

// Tiles of BF16. The assembler knows none of their instructions. T is the number of
// a tile, BASE the number of a register that holds an address (AX 0, BX 3, DX 2, SI
// 6, DI 7); CX has the distance of the rows of all tiles, 64.

// Palette 1: eight tiles of 16 rows of 64 bytes.
DATA palette<>+0(SB)/8, $1
DATA palette<>+8(SB)/8, $0
DATA palette<>+16(SB)/8, $0x0040004000400040
DATA palette<>+24(SB)/8, $0x0040004000400040
DATA palette<>+32(SB)/8, $0
DATA palette<>+40(SB)/8, $0
DATA palette<>+48(SB)/8, $0x1010101010101010
DATA palette<>+56(SB)/8, $0
GLOBL palette<>(SB), RODATA|NOPTR, $64

// LDTILECFG (AX)
#define CONFIGURE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0x00

// TILERELEASE
#define RELEASE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0

// TILEZERO T
#define ZERO(T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0|(T<<3))

// TILELOADD (BASE)(CX*1), T
#define LOAD(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// TILELOADD 1024(BASE)(CX*1), T
#define LOADNEXT(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x84|(T<<3)); BYTE $(0x08|BASE); LONG $1024

// TILESTORED T, (BASE)(CX*1)
#define STORE(T, BASE) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// TILESTORED T, 1024(BASE)(CX*1)
#define STORENEXT(T, BASE) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7A; BYTE $0x4B; BYTE $(0x84|(T<<3)); BYTE $(0x08|BASE); LONG $1024

// TDPBF16PS: T += X * W
#define MULTIPLY(X, W, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(0x02|((15-W)<<3)); BYTE $0x5C; BYTE $(0xC0|(T<<3)|X)

// func xcr0() uint64
TEXT ·xcr0(SB), NOSPLIT, $0-8
	XORL CX, CX
	XGETBV
	SHLQ $32, DX
	ORQ  DX, AX
	MOVQ AX, ret+0(FP)
	RET

// func multiplyTilesAMX(p *tileProduct)
// Requires: AMX-TILE, AMX-BF16
//
// R8 is p, R9 the sums and R12 the inputs of two tiles of tokens, R10 the tiles left.
// Inside: AX sums and R13 weights of two groups, R11 groups left. Innermost: SI, DI
// inputs of two tiles of tokens, BX, DX weights of two groups, R10 steps left, while
// the tiles left wait in the frame. Tiles 0 to 3 are sums, 4 and 5 tokens, 6 and 7
// weights.
TEXT ·multiplyTilesAMX(SB), NOSPLIT, $8-8
	MOVQ p+0(FP), R8
	LEAQ palette<>(SB), AX
	CONFIGURE
	MOVQ $64, CX
	MOVQ 0(R8), R9
	MOVQ 8(R8), R12
	MOVQ 24(R8), R10

tokens:
	MOVQ  16(R8), R13
	MOVQ  R9, AX
	MOVQ  32(R8), R11
	CMPQ  R10, $2
	JLT   last
	MOVQ  R10, left-8(SP)

groups:
	MOVQ 48(R8), BX
	ADDQ AX, BX
	CMPQ 72(R8), $0
	JNE  begin
	LOAD(0, 0)
	LOAD(3, 1)
	LOADNEXT(0, 2)
	LOADNEXT(3, 3)
	JMP  multiply

begin:
	ZERO(0)
	ZERO(1)
	ZERO(2)
	ZERO(3)

multiply:
	MOVQ R12, SI
	MOVQ R12, DI
	ADDQ 56(R8), DI
	MOVQ R13, BX
	MOVQ R13, DX
	ADDQ 64(R8), DX
	MOVQ 40(R8), R10

steps:
	LOAD(6, 4)
	LOAD(3, 6)
	MULTIPLY(4, 6, 0)
	LOAD(2, 7)
	MULTIPLY(4, 7, 1)
	LOAD(7, 5)
	MULTIPLY(5, 6, 2)
	MULTIPLY(5, 7, 3)
	ADDQ $1024, SI
	ADDQ $1024, BX
	ADDQ $1024, DX
	ADDQ $1024, DI
	DECQ R10
	JNZ  steps

	MOVQ 48(R8), BX
	ADDQ AX, BX
	STORE(0, 0)
	STORE(1, 3)
	STORENEXT(2, 0)
	STORENEXT(3, 3)
	MOVQ BX, AX
	ADDQ 48(R8), AX
	ADDQ 64(R8), R13
	ADDQ 64(R8), R13
	SUBQ $2, R11
	JGT  groups
	ADDQ $2048, R9
	ADDQ 56(R8), R12
	ADDQ 56(R8), R12
	MOVQ left-8(SP), R10
	SUBQ $2, R10
	JMP  tokens

last: // one tile of tokens, or none
	CMPQ R10, $1
	JLT  done

groups1:
	MOVQ 48(R8), BX
	ADDQ AX, BX
	CMPQ 72(R8), $0
	JNE  begin1
	LOAD(0, 0)
	LOAD(3, 1)
	JMP  multiply1

begin1:
	ZERO(0)
	ZERO(1)

multiply1:
	MOVQ R12, SI
	MOVQ R13, BX
	MOVQ R13, DX
	ADDQ 64(R8), DX
	MOVQ 40(R8), R10

steps1:
	LOAD(6, 4)
	LOAD(3, 6)
	MULTIPLY(4, 6, 0)
	LOAD(2, 7)
	MULTIPLY(4, 7, 1)
	ADDQ $1024, SI
	ADDQ $1024, BX
	ADDQ $1024, DX
	DECQ R10
	JNZ  steps1

	MOVQ 48(R8), BX
	ADDQ AX, BX
	STORE(0, 0)
	STORE(1, 3)
	MOVQ BX, AX
	ADDQ 48(R8), AX
	ADDQ 64(R8), R13
	ADDQ 64(R8), R13
	SUBQ $2, R11
	JGT  groups1

done:
	RELEASE
	RET

// ROUND makes Z2 of the 32 floats at SI: VCVTNE2PS2BF16 Z0, Z1, Z2.
#define ROUND \
	VMOVUPS (SI), Z0 \
	VMOVUPS 64(SI), Z1 \
	BYTE    $0x62; BYTE $0xF2; BYTE $0x77; BYTE $0x48; BYTE $0x72; BYTE $0xD0

// func roundTilesAMX(dst *uint16, x *float32, blocks int)
// Requires: AVX512F, AVX512_BF16
TEXT ·roundTilesAMX(SB), NOSPLIT, $0-24
	MOVQ dst+0(FP), DI
	MOVQ x+8(FP), SI
	MOVQ blocks+16(FP), CX

loop:
	ROUND
	VMOVDQU64 Z2, (DI)
	ADDQ      $128, SI
	ADDQ      $1024, DI
	DECQ      CX
	JNZ       loop
	VZEROUPPER
	RET

// func pairTilesAMX(dst *uint16, panel *float32, n int)
// Requires: AVX512F, AVX512BW, AVX512_BF16
TEXT ·pairTilesAMX(SB), NOSPLIT, $0-24
	MOVQ      dst+0(FP), DI
	MOVQ      panel+8(FP), SI
	MOVQ      n+16(FP), CX
	VMOVDQU64 sideBySide<>(SB), Z20

loop:
	ROUND
	VPERMW    Z2, Z20, Z3
	VMOVDQU64 Z3, (DI)
	ADDQ      $128, SI
	ADDQ      $64, DI
	SUBQ      $2, CX
	JGT       loop
	VZEROUPPER
	RET

// func pairPackedAMX(dst *uint16, src unsafe.Pointer, n int)
// Requires: AVX512F, AVX512BW
TEXT ·pairPackedAMX(SB), NOSPLIT, $0-24
	MOVQ      dst+0(FP), DI
	MOVQ      src+8(FP), SI
	MOVQ      n+16(FP), CX
	VMOVDQU64 sideBySide<>(SB), Z20

loop:
	VPERMW    (SI), Z20, Z3
	VMOVDQU64 Z3, (DI)
	ADDQ      $64, SI
	ADDQ      $64, DI
	SUBQ      $2, CX
	JGT       loop
	VZEROUPPER
	RET
