// What the products of attention16_amd64.s and attention16_vnni_amd64.s share.

#define TILE16 \
	MOVQ AX, SI \
	MOVQ DX, BX \
	MOVQ R14, CX

#define NEXT16(LOOP) \
	LEAQ (SI)(R9*2), SI \
	ADDQ $8, BX \
	SUBQ $2, CX \
	JNZ  LOOP

#define AHEAD16 \
	PREFETCHT0 (R8) \
	PREFETCHT0 64(R8) \
	SUBQ $-128, R8

// Where the last argument of each product stands.
#define AHEAD_OF_KEYS MOVQ ahead+56(FP), R8
#define AHEAD_OF_VALUES MOVQ ahead+48(FP), R8
