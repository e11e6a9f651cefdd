// Steps that the VNNI loops of packed rows share: 16 rows are unpacked in registers and used
// at once. AX is at the packed codes, BX at blocks of x, R13 at those of the second four tokens
// of eight, DI at out, CX blocks left.
//
// Z31 masks the low bits of codes, Z30 those above them, which are in Z20. Z16 and Z17 are
// codes, without a sign, of four columns each; Z18 and Z19 are free.

// PATTERN is 16 bytes of the same.
#define PATTERN(NAME, EIGHT) \
DATA NAME+0(SB)/8, $EIGHT \
DATA NAME+8(SB)/8, $EIGHT \
GLOBL NAME(SB), RODATA|NOPTR, $16

PATTERN(nibbles<>, 0x0f0f0f0f0f0f0f0f)
PATTERN(fifths<>, 0x1010101010101010)

#define MASKS(LOW, HIGH) \
	VBROADCASTI32X4 LOW<>(SB), Z31 \
	VBROADCASTI32X4 HIGH<>(SB), Z30

// DIRECT multiplies n columns by few tokens. LOOP is that over blocks of 1<<LOG columns;
// NEXT goes on to the next 32 columns of x.
#define DIRECT(LOW, HIGH, LOG, LOOP, EACH, NEXT) \
	MOVQ out+0(FP), DI \
	MOVQ src+8(FP), AX \
	MOVQ x+16(FP), BX \
	MOVQ n+24(FP), CX \
	SHRQ $LOG, CX \
	REACHES \
	MASKS(LOW, HIGH) \
	LOOP(block, group, EACH, NEXT) \
	VZEROUPPER \
	RET

#define NEXT1 ADDQ $48, BX
#define NEXT2 ADDQ $96, BX
#define NEXT4 ADDQ $192, BX
#define NEXT8 \
	ADDQ $192, BX \
	ADDQ $192, R13

// MANY multiplies by two tiles of four tokens at a time, and a last one alone. DX is x of
// the first, R9 the distance of tiles, R11 tokens left.
#define MANY(LOW, HIGH, LOG, LOOP8, LOOP) \
	MOVQ out+0(FP), DI \
	MOVQ x+16(FP), DX \
	MOVQ stride+24(FP), R9 \
	LEAQ (R9)(R9*2), R9 \
	SHLQ $4, R9 \
	MOVQ tokens+32(FP), R11 \
	MOVQ factors+56(FP), R8 \
	REACHES \
	MASKS(LOW, HIGH) \
tiles: \
	MOVQ src+8(FP), AX \
	MOVQ n+40(FP), CX \
	SHRQ $LOG, CX \
	MOVQ DX, BX \
	CMPQ R11, $8 \
	JLT  last \
	LEAQ (DX)(R9*1), R13 \
	LOOP8(block8, group8, EACH8, NEXT8) \
	LEAQ (DX)(R9*2), DX \
	ADDQ $512, DI \
	SUBQ $8, R11 \
	JNZ  tiles \
	JMP  done \
last: \
	LOOP(block4, group4, EACH4, NEXT4) \
done: \
	VZEROUPPER \
	RET

// REACH gets the I-th reach (reach_amd64.go): R14 is how far ahead lines are prefetched to the
// second-level cache, R15 to the first.
#define REACH(I) \
	MOVQ ·reaches+(16*I)(SB), R14 \
	MOVQ ·reaches+(16*I+8)(SB), R15

// AHEAD prefetches lines that will be read soon. The processor's own prefetch goes furthest
// where lines are touched in the order of memory, be they of codes or of scales.
#define REACHES REACH(0)
#define AHEAD(OFFSET) AHEAD_OF(AX, OFFSET)
#define AHEAD_OF(CODES, OFFSET) \
	PREFETCHT1 OFFSET(CODES)(R14*1) \
	PREFETCHT0 OFFSET(CODES)(R15*1)

// FETCH prefetches 256 columns of one token at once: lines of x that came between those of a
// weight would hold up the processor's prefetch of these.
#define FETCH \
	PREFETCHT0 (BX) \
	PREFETCHT0 64(BX) \
	PREFETCHT0 128(BX) \
	PREFETCHT0 192(BX) \
	PREFETCHT0 256(BX) \
	PREFETCHT0 320(BX)

// SPLIT unpacks eight columns, EIGHT uses them.
#define SPLIT(CODES) \
	VPSRLW $4, CODES, Z17 \
	VPANDD Z31, CODES, Z16 \
	VPANDD Z31, Z17, Z17

#define NIBBLES(AT) \
	AHEAD(AT) \
	VMOVDQU32 AT(AX), Z16 \
	SPLIT(Z16)

#define EIGHT(EACH, I) \
	EACH(USE, I) \
	EACH(USE_NEXT, (I+1))

#define NIBBLES32(EACH) \
	NIBBLES(0) \
	EIGHT(EACH, 0) \
	NIBBLES(64) \
	EIGHT(EACH, 2) \
	NIBBLES(128) \
	EIGHT(EACH, 4) \
	NIBBLES(192) \
	EIGHT(EACH, 6) \
	ADDQ $256, AX

// HIGH unpacks eight columns with bits of Z20: code | bits & mask.
#define HIGH(AT, SHIFT0, BY0, SHIFT1, BY1) \
	NIBBLES(AT) \
	SHIFT0     $(BY0), Z20, Z18 \
	SHIFT1     $(BY1), Z20, Z19 \
	VPTERNLOGD $0xF8, Z30, Z18, Z16 \
	VPTERNLOGD $0xF8, Z30, Z19, Z17

// FIFTHS32 uses 32 columns of 5 bits.
#define FIFTHS32(EACH) \
	AHEAD(0) \
	VMOVDQU32 (AX), Z20 \
	HIGH(64, VPSLLW, 4, VPSLLW, 3) \
	EIGHT(EACH, 0) \
	HIGH(128, VPSLLW, 2, VPSLLW, 1) \
	EIGHT(EACH, 2) \
	HIGH(192, VPSLLW, 0, VPSRLW, 1) \
	EIGHT(EACH, 4) \
	HIGH(256, VPSRLW, 2, VPSRLW, 3) \
	EIGHT(EACH, 6) \
	ADDQ $320, AX
