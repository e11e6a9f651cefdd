// Tiles of BF16. The assembler knows none of their instructions. T is the number of
// a tile, BASE the number of a register that holds an address (AX 0, BX 3, DX 2, SI
// 6, DI 7; R11 3, R12 4, R15 7); CX, DX or R9 has the distance of rows.

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

// TILELOADD (BASE)(CX*1), T; STREAM is TILELOADDT1, which leaves the first-level cache
// to what is used more often.
#define LOAD(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

#define STREAM(BASE, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x79; BYTE $0x4B; BYTE $(0x04|(T<<3)); BYTE $(0x08|BASE)

// TDPBF16PS: T += X * W
#define MULTIPLY(X, W, T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(0x02|((15-W)<<3)); BYTE $0x5C; BYTE $(0xC0|(T<<3)|X)
