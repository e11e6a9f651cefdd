//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

#define TOKEN(A, X, I) \
	SDOT(A, 16, X, I) \
	SDOT((A+1), 17, X, I) \
	SDOT((A+2), 18, X, I) \
	SDOT((A+3), 19, X, I)

#include "gemm8_arm64.h"
#include "gemm8_tokens_arm64.h"

// func gemm8DotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 32 columns.
TEXT ·gemm8DotProd(SB), NOSPLIT, $0-48
	GEMM(PLAIN1, PLAIN4)

// func gemm8MinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 32 columns.
TEXT ·gemm8MinDotProd(SB), NOSPLIT, $0-48
	GEMM(MIN1, MIN4)

// func gemm8SixteenDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales of 16 columns.
TEXT ·gemm8SixteenDotProd(SB), NOSPLIT, $0-48
	GEMM(HALVES1, HALVES4)

// func gemm8SixteenMinDotProd(out *float32, p *panel8, x *block8, stride, tokens, n int)
// Scales and mins of 16 columns.
TEXT ·gemm8SixteenMinDotProd(SB), NOSPLIT, $0-48
	GEMM(HALVES_MIN1, HALVES_MIN4)
