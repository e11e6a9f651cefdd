//go:build !purego

#include "textflag.h"

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	YIELD
	RET

// func prefetch(src unsafe.Pointer, n int)
// Four lines at a time, the last of which may be behind.
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVD src+0(FP), R0
	MOVD n+8(FP), R1

lines:
	PRFM (R0), PLDL1KEEP
	PRFM 64(R0), PLDL1KEEP
	PRFM 128(R0), PLDL1KEEP
	PRFM 192(R0), PLDL1KEEP
	ADD  $256, R0
	SUBS $256, R1
	BGT  lines
	RET
