//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// DOT adds four products of bytes to each of four sums, which SDOT does at once: two of
// them fit 16 bits, for those of x are not below -127.
#define DOT(A, C, P, Q) \
	SMULL(P, C, 24) \
	SMULL2(Q, C, 24) \
	ADDPH(P, P, Q) \
	SADALPH(A, P)

#define TOKEN(A, X, I) \
	DUPS(24, X, I) \
	DOT(A, 16, 25, 26) \
	DOT((A+1), 17, 27, 28) \
	DOT((A+2), 18, 29, 30) \
	DOT((A+3), 19, 25, 31)

#include "gemm8_arm64.h"
#include "gemm8_tokens_arm64.h"

// func gemm8NEON(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 32 columns.
TEXT ·gemm8NEON(SB), NOSPLIT, $0-48
	GEMM(PLAIN1, PLAIN4)

// func gemm8MinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 32 columns.
TEXT ·gemm8MinNEON(SB), NOSPLIT, $0-48
	GEMM(MIN1, MIN4)

// func gemm8SixteenNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 16 columns.
TEXT ·gemm8SixteenNEON(SB), NOSPLIT, $0-48
	GEMM(HALVES1, HALVES4)

// func gemm8SixteenMinNEON(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 16 columns.
TEXT ·gemm8SixteenMinNEON(SB), NOSPLIT, $0-48
	GEMM(HALVES_MIN1, HALVES_MIN4)
