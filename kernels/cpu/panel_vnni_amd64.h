// Steps that products of panels (panel8) share. R8 is at codes, R9 at scales.

// SECOND_PANEL is the size of a panel: what is at an address in the first of two is so far
// away in the second.
#define SECOND_PANEL 6144

#define CODES(EACH, I) \
	VMOVDQU32 (64*I)(R8), Z16 \
	EACH(USE, I)

#define CODES_BOTH(EACH, I) \
	VMOVDQU32 (64*I)(R8), Z16 \
	VMOVDQU32 (SECOND_PANEL+64*I)(R8), Z17 \
	EACH(USE_BOTH, I)

#define FOUR(CODES, EACH, I) \
	CODES(EACH, I) \
	CODES(EACH, (I+1)) \
	CODES(EACH, (I+2)) \
	CODES(EACH, (I+3))
