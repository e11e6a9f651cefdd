// rmsnorm: out [n, d] = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich,
// arXiv 1910.07467). add_rmsnorm: x [n, d] += delta [n, d] first. A block does
// a row and reads it twice, the second time from a cache.
//
// The sum of squares is taken by thread, then by the butterfly of a warp, then
// over the warps in order: its order depends on d alone.
#include "gpu.h"

// Shared memory: a float for each warp.
template <bool adds> DEVICE void rmsnorm_row(const RmsnormArgs& args) {
    float* sums = reinterpret_cast<float*>(shared());
    float* x = args.x + i64(block_x()) * args.d;
    const float* delta = args.delta + i64(block_x()) * args.d;
    float* out = args.out + i64(block_x()) * args.d;

    float sum = 0;
    for (i32 i = thread(); i < args.d; i += ROW_THREADS) {
        float v = x[i];
        if (adds) x[i] = v = v + delta[i];
        sum = fma(v, v, sum);
    }
    sum = warp_sum(sum);
    if (lane() == 0) sums[warp()] = sum;
    sync();
    sum = 0;
    UNROLL
    for (i32 w = 0; w < ROW_THREADS / WARP; w++) sum = sum + sums[w];

    const float scale = 1 / square_root(sum / float(args.d) + args.eps);
    for (i32 i = thread(); i < args.d; i += ROW_THREADS) out[i] = x[i] * scale * args.weight[i];
}

KERNEL(rmsnorm, RmsnormArgs, ROW_THREADS, 1) { rmsnorm_row<false>(args); }
KERNEL(add_rmsnorm, RmsnormArgs, ROW_THREADS, 1) { rmsnorm_row<true>(args); }
