//go:build !purego

#include "textflag.h"

// func pause()
TEXT ·pause(SB), NOSPLIT, $0-0
	PAUSE
	RET

// func prefetch(src unsafe.Pointer, n int)
TEXT ·prefetch(SB), NOSPLIT, $0-16
	MOVQ src+0(FP), SI
	MOVQ n+8(FP), CX

line:
	PREFETCHT0 (SI)
	ADDQ       $64, SI
	SUBQ       $64, CX
	JGT        line
	RET

// func madeByAMD() bool
TEXT ·madeByAMD(SB), NOSPLIT, $0-1
	XORL  AX, AX
	XORL  CX, CX
	CPUID
	XORL  $0x68747541, BX // "Auth"
	XORL  $0x69746E65, DX // "enti"
	XORL  $0x444D4163, CX // "cAMD"
	ORL   DX, BX
	ORL   CX, BX
	SETEQ ret+0(FP)
	RET
