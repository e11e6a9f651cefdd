// Functions that kernels share.
#pragma once

DEVICE float infinity() { return bits<float>(0x7f800000u); }
DEVICE float minus_infinity() { return bits<float>(0xff800000u); }
DEVICE float magnitude(float v) { return bits<float>(bits<u32>(v) & 0x7fffffff); }

// floats are the numbers of four words.
DEVICE void floats(float (&v)[4], const U32x4& four) {
    v[0] = bits<float>(four.x), v[1] = bits<float>(four.y), v[2] = bits<float>(four.z), v[3] = bits<float>(four.w);
}

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

DEVICE float silu(float v) { return v / (1 + exponential(-v)); }

// put writes a product; of a gated one, where the gate's stands.
DEVICE void put(float* out, float product, bool gated) { *out = gated ? silu(*out) * product : product; }

// logarithm is ln v for finite v > 0 that is no subnormal number, to about one
// unit: ln(m 2^e) = e ln 2 + 2 atanh((m-1)/(m+1)).
DEVICE double logarithm(double v) {
    const u64 b = bits<u64>(v);
    i32 e = i32(b >> 52) - 1022;
    double m = bits<double>((b & 0x000fffffffffffffull) | 0x3fe0000000000000ull); // in [1/2, 1)
    if (m < 0.70710678118654752440) {
        m = m * 2;
        e--;
    }
    const double s = (m - 1) / (m + 1), q = s * s;
    double sum = 0;
    UNROLL
    for (i32 k = 23; k > 0; k -= 2) sum = fma(sum, q, 1.0 / k);
    return e * 0.69314718055994530942 + 2 * s * sum;
}

// exponential is e^v for v <= 0, to about one unit; 0 below -708.
DEVICE double exponential(double v) {
    if (v < -708) return 0;
    const double n = nearest(v * 1.44269504088896340736);
    // The first part of ln 2 is short enough that n times it is exact.
    const double r = v - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10;
    const double series[] = {1. / 87178291200, 1. / 6227020800, 1. / 479001600, 1. / 39916800, 1. / 3628800, 1. / 362880, 1. / 40320,
                             1. / 5040,        1. / 720,        1. / 120,       1. / 24,       1. / 6,       1. / 2,      1};
    double sum = 0;
    UNROLL
    for (i32 k = 0; k < 14; k++) sum = fma(sum, r, series[k]);
    return fma(sum, r, 1.0) * bits<double>(u64(i64(n) + 1023) << 52);
}
