// rmsnorm: out [n, d] = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich,
// arXiv 1910.07467). add_rmsnorm: x [n, d] += delta [n, d] first. A block does
// a row and reads it twice, the second time from a cache.
//
// The sum of squares is taken by thread, then by the butterfly of a warp, then
// over the warps in order: its order depends on d alone. A thread has BATCH
// numbers on their way at a time: one row's time is that of its loads.
#include "gpu.h"

constexpr i32 BATCH = 4;

// read_batch reads every WIDE_THREADS'th number from i on, those before n.
DEVICE void read_batch(float (&v)[BATCH], const float* from, i32 i, i32 n) {
    UNROLL
    for (i32 k = 0; k < BATCH; k++) v[k] = i + k * WIDE_THREADS < n ? from[i + k * WIDE_THREADS] : 0;
}

// Shared memory: a float for each warp.
template <bool adds> DEVICE void rmsnorm_row(const RmsnormArgs& args) {
    float* sums = reinterpret_cast<float*>(shared());
    float* x = args.x + i64(block_x()) * args.d;
    const float* delta = args.delta + i64(block_x()) * args.d;
    float* out = args.out + i64(block_x()) * args.d;

    float sum = 0;
    for (i32 i = thread(); i < args.d; i += BATCH * WIDE_THREADS) {
        float v[BATCH], more[BATCH];
        read_batch(v, x, i, args.d);
        if (adds) read_batch(more, delta, i, args.d);
        UNROLL
        for (i32 k = 0; k < BATCH; k++) {
            if (i + k * WIDE_THREADS >= args.d) break;
            if (adds) x[i + k * WIDE_THREADS] = v[k] = v[k] + more[k];
            sum = fma(v[k], v[k], sum);
        }
    }
    sum = warp_sum(sum);
    if (lane() == 0) sums[warp()] = sum;
    sync();
    sum = 0;
    UNROLL
    for (i32 w = 0; w < WIDE_THREADS / WARP; w++) sum = sum + sums[w];

    const float scale = 1 / square_root(sum / float(args.d) + args.eps);
    for (i32 i = thread(); i < args.d; i += BATCH * WIDE_THREADS) {
        float v[BATCH], weight[BATCH];
        read_batch(v, x, i, args.d);
        read_batch(weight, args.weight, i, args.d);
        UNROLL
        for (i32 k = 0; k < BATCH; k++) {
            if (i + k * WIDE_THREADS < args.d) out[i + k * WIDE_THREADS] = v[k] * scale * weight[k];
        }
    }
}

KERNEL(rmsnorm, RmsnormArgs, WIDE_THREADS, 1) { rmsnorm_row<false>(args); }
KERNEL(add_rmsnorm, RmsnormArgs, WIDE_THREADS, 1) { rmsnorm_row<true>(args); }
