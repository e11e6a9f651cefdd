// VECTOR is a constant of 32 bytes, the same 8 four times, to be an operand.
#define VECTOR(NAME, X) \
	DATA NAME+0(SB)/8, $X \
	DATA NAME+8(SB)/8, $X \
	DATA NAME+16(SB)/8, $X \
	DATA NAME+24(SB)/8, $X \
	GLOBL NAME(SB), RODATA|NOPTR, $32

// Shifts of words to be arguments of macros; SAME shifts by no bit.
#define LEFT(BY, FROM, TO) VPSLLW $(BY), FROM, TO
#define RIGHT(BY, FROM, TO) VPSRLW $(BY), FROM, TO
#define SAME(BY, FROM, TO) VMOVDQA FROM, TO
