// Codes and scales of packed blocks: R1 is the block, R5 the codes in it. V31 masks nibbles,
// V29 the bits above them.

#define BYTES(VALUE, V) \
	MOVD $VALUE, R9 \
	VDUP R9, V.B16

// HALVES converts F16 [16] at R.
#define HALVES(R, A) \
	VLD1 (R), [V0.H8, V1.H8] \
	FCVTL(A, 0) \
	FCVTL2((A+1), 0) \
	FCVTL((A+2), 1) \
	FCVTL2((A+3), 1)

// K_BLOCK begins a block of Q4_K or Q5_K: its floats are in V24 to V27, those of mins in V20 to
// V23, and R6 is at bytes in the frame: for each of R7 groups scales [16] and mins [16].
#define K_BLOCK \
	HALVES(R1, 24) \
	ADD    $32, R1, R6 \
	HALVES(R6, 20) \
	ADD    $64, R1, R6 \
	VLD4.P 64(R6), [V0.B16, V1.B16, V2.B16, V3.B16] \
	VLD4.P 64(R6), [V4.B16, V5.B16, V6.B16, V7.B16] \
	VLD4.P 64(R6), [V8.B16, V9.B16, V10.B16, V11.B16] \
	MOVD   R6, R5 \
	MOVD   $groups-256(SP), R6 \
	BYTES(0x3f, V30) \
	SIX_BITS(V0, V4, V8) \
	FSTPQ  (F0, F4), 0(R6) \
	FSTPQ  (F8, F16), 128(R6) \
	SIX_BITS(V1, V5, V9) \
	FSTPQ  (F1, F5), 32(R6) \
	FSTPQ  (F9, F16), 160(R6) \
	SIX_BITS(V2, V6, V10) \
	FSTPQ  (F2, F6), 64(R6) \
	FSTPQ  (F10, F16), 192(R6) \
	SIX_BITS(V3, V7, V11) \
	FSTPQ  (F3, F7), 96(R6) \
	FSTPQ  (F11, F16), 224(R6) \
	MOVD   $8, R7

// SIX_BITS makes SCALE and MIN those of a group, REST and V16 of the fourth after it
// (packer.head).
#define SIX_BITS(SCALE, MIN, REST) \
	VUSHR $4, REST.B16, V16.B16 \
	VUSHR $6, SCALE.B16, V17.B16 \
	VUSHR $6, MIN.B16, V18.B16 \
	VSLI  $4, V17.B16, REST.B16 \
	VSLI  $4, V18.B16, V16.B16 \
	VAND  V30.B16, SCALE.B16, SCALE.B16 \
	VAND  V30.B16, MIN.B16, MIN.B16

// FLOATS makes V4 to V7 the bytes V0, which B and B2 extend, times the floats from A on.
#define FLOATS(B, B2, A) \
	B(1, 0) \
	B2(2, 0) \
	SXTLH(4, 1) \
	SXTLH2(5, 1) \
	SXTLH(6, 2) \
	SXTLH2(7, 2) \
	SCVTF(4, 4) \
	SCVTF(5, 5) \
	SCVTF(6, 6) \
	SCVTF(7, 7) \
	FMULV(4, 4, A) \
	FMULV(5, 5, (A+1)) \
	FMULV(6, 6, (A+2)) \
	FMULV(7, 7, (A+3))

// APART makes two times four columns of the nibbles in V0 to V3, SPLIT reads these.
#define SPLIT \
	VLD1.P 64(R5), [V0.B16, V1.B16, V2.B16, V3.B16] \
	APART

#define APART \
	VUSHR  $4, V0.B16, V4.B16 \
	VUSHR  $4, V1.B16, V5.B16 \
	VUSHR  $4, V2.B16, V6.B16 \
	VUSHR  $4, V3.B16, V7.B16 \
	VAND   V31.B16, V0.B16, V0.B16 \
	VAND   V31.B16, V1.B16, V1.B16 \
	VAND   V31.B16, V2.B16, V2.B16 \
	VAND   V31.B16, V3.B16, V3.B16

// ABOVE joins bits to four columns of 4 rows.
#define ABOVE(SHIFT, BY, BITS, CODE) \
	SHIFT $(BY), BITS.B16, V12.B16 \
	VAND  V29.B16, V12.B16, V12.B16 \
	VORR  V12.B16, CODE.B16, CODE.B16

// JOIN is SPLIT with bits of V8 to V11.
#define JOIN(SHIFT0, BY0, SHIFT1, BY1) \
	SPLIT \
	ABOVE(SHIFT0, BY0, V8, V0) \
	ABOVE(SHIFT0, BY0, V9, V1) \
	ABOVE(SHIFT0, BY0, V10, V2) \
	ABOVE(SHIFT0, BY0, V11, V3) \
	ABOVE(SHIFT1, BY1, V8, V4) \
	ABOVE(SHIFT1, BY1, V9, V5) \
	ABOVE(SHIFT1, BY1, V10, V6) \
	ABOVE(SHIFT1, BY1, V11, V7)

// The values of 4-bit floats, doubled.
DATA e2m1Codes<>+0(SB)/8, $0x0c08060403020100
DATA e2m1Codes<>+8(SB)/8, $0xf4f8fafcfdfeff00
GLOBL e2m1Codes<>(SB), RODATA|NOPTR, $16

// VALUES makes eight columns of what a table has for nibbles.
#define VALUES(TABLE) \
	SPLIT \
	LOOK_UP(TABLE)

#define LOOK_UP(TABLE) \
	VTBL V0.B16, [TABLE.B16], V0.B16 \
	VTBL V1.B16, [TABLE.B16], V1.B16 \
	VTBL V2.B16, [TABLE.B16], V2.B16 \
	VTBL V3.B16, [TABLE.B16], V3.B16 \
	VTBL V4.B16, [TABLE.B16], V4.B16 \
	VTBL V5.B16, [TABLE.B16], V5.B16 \
	VTBL V6.B16, [TABLE.B16], V6.B16 \
	VTBL V7.B16, [TABLE.B16], V7.B16
