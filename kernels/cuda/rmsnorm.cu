// rmsnorm: out [n, d] = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich,
// arXiv 1910.07467). add_rmsnorm: x [n, d] += delta [n, d] first. A block does
// a row and reads it twice, the second time from a cache.
//
// The sum of squares is that of WIDE_THREADS threads, then of the butterfly of
// each warp, then over the warps in order: its order depends on d alone. A
// thread has BATCH numbers on their way at a time.
//
// ..._f16_N, whole rows (inputs.h) of up to N columns, writes them as products read
// them too. It is for few rows, where time is latency: a thread keeps its numbers
// and does what QUAD of those threads would.
#include "gpu.h"
#include "inputs.h"

constexpr i32 BATCH = 4;
constexpr i32 SUMS = WIDE_THREADS / WARP;

// read_batch reads every WIDE_THREADS'th number from i on, those before n.
DEVICE void read_batch(float (&v)[BATCH], const float* from, i32 i, i32 n) {
    UNROLL
    for (i32 k = 0; k < BATCH; k++) v[k] = i + k * WIDE_THREADS < n ? from[i + k * WIDE_THREADS] : 0;
}

// norm_scale returns what a row is multiplied with, from the sums of its warps.
DEVICE float norm_scale(const RmsnormArgs& args, const float* sums) {
    float sum = 0;
    UNROLL
    for (i32 w = 0; w < SUMS; w++) sum = sum + sums[w];
    return 1 / square_root(sum / float(args.d) + args.eps);
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
    const float scale = norm_scale(args, sums);
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

// read_quads reads all quads of a thread.
template <i32 count> DEVICE void read_quads(float (&v)[count][QUAD], const float* from, i32 n) {
    UNROLL
    for (i32 k = 0; k < count; k++) read_quad<true>(v[k], from, QUAD * (k * ROW_THREADS + thread()), n);
}

// sum_squares returns, to all threads that are a warp of the plain kernel, its sum.
template <i32 count> DEVICE float sum_squares(const float (&v)[count][QUAD]) {
    float sum[QUAD] = {};
    UNROLL
    for (i32 k = 0; k < count; k++) {
        UNROLL
        for (i32 c = 0; c < QUAD; c++) sum[c] = fma(v[k][c], v[k][c], sum[c]);
    }
    UNROLL
    for (i32 mask = WARP / QUAD / 2; mask > 0; mask /= 2) {
        UNROLL
        for (i32 c = 0; c < QUAD; c++) sum[c] = sum[c] + shuffle_xor(sum[c], mask);
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

// Shared memory: a float for each warp of the plain kernel, then one for each of
// this. Weights are read before the wait: nobody writes them.
template <bool adds, i32 count> DEVICE void rmsnorm_f16(const RmsnormArgs& args) {
    static_assert(QUAD * ROW_THREADS == WIDE_THREADS, "a thread does what QUAD others would");
    float* sums = reinterpret_cast<float*>(shared());
    const i64 row = i64(block_x()) * args.d;
    float v[count][QUAD], beside[count][QUAD];
    let_next_start();
    read_quads(beside, args.weight, args.d);
    wait_for_previous();
    read_quads(v, args.x + row, args.d);
    if (adds) {
        constexpr i32 batch = count < 8 ? count : 8; // a thread has no registers for more
        UNROLL
        for (i32 from = 0; from < count; from += batch) {
            float more[batch][QUAD];
            read_quads(more, args.delta + row + from * WIDE_THREADS, args.d - from * WIDE_THREADS);
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                UNROLL
                for (i32 c = 0; c < QUAD; c++) v[from + k][c] = v[from + k][c] + more[k][c];
            }
        }
    }
    const float sum = sum_squares(v);
    if (thread() % (WARP / QUAD) == 0) sums[thread() / (WARP / QUAD)] = sum;
    sync();
    const float scale = norm_scale(args, sums);
    UNROLL
    for (i32 k = 0; k < count; k++) {
        const i32 column = QUAD * (k * ROW_THREADS + thread());
        if (adds) write_quad(args.x + row, v[k], column, args.d);
        UNROLL
        for (i32 c = 0; c < QUAD; c++) v[k][c] = v[k][c] * scale * beside[k][c];
        write_quad(args.out + row, v[k], column, args.d);
    }
    convert_row<ROW_THREADS>(args.to, block_x(), v, sums + SUMS);
}

#define DEFINE(columns)                                                                                                              \
    EARLY_KERNEL(rmsnorm_f16_##columns, RmsnormArgs, ROW_THREADS, 1) { rmsnorm_f16<false, columns / WIDE_THREADS>(args); }     \
    EARLY_KERNEL(add_rmsnorm_f16_##columns, RmsnormArgs, ROW_THREADS, 1) { rmsnorm_f16<true, columns / WIDE_THREADS>(args); }

DEFINE(4096)
DEFINE(8192)
DEFINE(16384)
