// Functions that kernels share.
#pragma once

// exponential is e^v, to 3 units in the last place; 0 below -87.3, e^88 above 88.
DEVICE float exponential(float v) {
    const float x = greatest(least(v, 88.0f), -88.0f);
    // e^v = 2^n 2^f with whole n, and log2 e in two parts so that f keeps all
    // bits: the product of v and the first part is exact but for fma's rounding.
    const float log2e = 1.44269504f, rest = 1.925963033e-8f;
    const float n = nearest(x * log2e);
    const float f = fma(x, rest, fma(x, log2e, -n));
    return v < -87.3365402f ? 0 : approx_exp2(f) * bits<float>(u32(i32(n) + 127) << 23);
}
