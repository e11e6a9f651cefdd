// The 6 bits of scales and mins in the head of a packed block of Q4_K or Q5_K (packer.head).

VECTOR(headSix<>, 0x3f3f3f3f3f3f3f3f)
VECTOR(headLow<>, 0x0f0f0f0f0f0f0f0f)
VECTOR(headHigh<>, 0x3030303030303030)
DATA headByte<>+0(SB)/4, $0xff
GLOBL headByte<>(SB), RODATA|NOPTR, $4

// Two bytes of each dword become words: the first two or the last.
DATA headFirst<>+0(SB)/8, $0x8005800480018000
DATA headFirst<>+8(SB)/8, $0x800d800c80098008
GLOBL headFirst<>(SB), RODATA|NOPTR, $16
DATA headLast<>+0(SB)/8, $0x8007800680038002
DATA headLast<>+8(SB)/8, $0x800f800e800b800a
GLOBL headLast<>(SB), RODATA|NOPTR, $16

// SIX_BITS USEs those of 8 rows as dwords, whose bytes are four groups: scales and then mins,
// of the first four groups and of the others. AT is 0 for the first 8 rows and 32 for the others.
#define SIX_BITS(BLOCK, AT, USE) \
	VMOVDQU (64+AT)(BLOCK), Y8 \
	VMOVDQU (192+AT)(BLOCK), Y9 \
	VPSRLW  $2, Y8, Y10 \
	VPSRLW  $4, Y9, Y11 \
	VPAND   headSix<>(SB), Y8, Y8 \
	VPAND   headLow<>(SB), Y9, Y9 \
	VPAND   headHigh<>(SB), Y10, Y10 \
	VPOR    Y10, Y9, Y9 \
	USE(0, 0, AT, Y8) \
	USE(0, 1, AT, Y9) \
	VMOVDQU (128+AT)(BLOCK), Y8 \
	VPSRLW  $2, Y8, Y10 \
	VPAND   headSix<>(SB), Y8, Y8 \
	VPAND   headLow<>(SB), Y11, Y11 \
	VPAND   headHigh<>(SB), Y10, Y10 \
	VPOR    Y10, Y11, Y11 \
	USE(1, 0, AT, Y8) \
	USE(1, 1, AT, Y11)

// HEAD_FRAME makes R the first multiple of 64 in a frame of SIZE bytes. Those of a head are 256,
// and what reads dwords from their last byte on reads three more.
#define HEAD_FRAME(SIZE, R) \
	LEAQ head-SIZE(SP), R \
	ADDQ $63, R \
	ANDQ $-64, R

// NEXT_HEAD goes on to the next group's byte: of the same dwords or, after four, of the next.
#define NEXT_HEAD(R) \
	INCQ  R \
	TESTQ $4, R \
	JEQ   2(PC) \
	ADDQ  $60, R
