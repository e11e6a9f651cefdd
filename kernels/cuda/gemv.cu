// gemv_f32_N: out [n, rows] = x [n, cols] · wᵀ for few tokens, in float. It
// streams the weights once: their bytes are the limit.
//
// A block takes GEMV_ROWS rows, a warp some of them. The inputs of a chunk of
// columns are copied to shared memory, for all warps, in the order in which
// lanes read them. A row's sum: each lane adds its columns in ascending order,
// chunk after chunk, then the lanes are added by the butterfly of a warp. So it
// depends on the row's length and type alone.
#include "gpu.h"
#include "functions.h"
#include "weights.h"

constexpr i32 THREADS = GEMV_WARPS * WARP;
constexpr i32 WARP_ROWS = GEMV_ROWS / GEMV_WARPS;

// stage_inputs copies a chunk of n tokens to xs [N, LANE_COLUMNS/4, WARP, 4],
// zeros beyond the last column and the last token.
template <i32 N> DEVICE void stage_inputs(float* xs, const GemvArgs& args, i32 from) {
    for (i32 c = thread(); c < CHUNK; c += THREADS) {
        const i32 owner = c / UNIT * 4 + c % 8 / 2, i = c % UNIT / 16 * 4 + c % 16 / 8 * 2 + c % 2; // lane_column is c
        float* to = xs + i / 4 * (4 * WARP) + 4 * owner + i % 4;
        UNROLL
        for (i32 t = 0; t < N; t++) {
            const bool there = from + c < args.w.cols && t < args.n;
            to[t * CHUNK] = there ? args.x[i64(t) * args.w.cols + from + c] : 0;
        }
    }
}

template <i32 N> DEVICE void gemv(const GemvArgs& args) {
    float* xs = reinterpret_cast<float*>(shared());
    const i32 first = block_x() * GEMV_ROWS + warp() * WARP_ROWS;
    float sums[WARP_ROWS][N] = {};
    for (i32 from = 0; from < args.w.cols; from += CHUNK) {
        sync();
        stage_inputs<N>(xs, args, from);
        sync();
        UNROLL
        for (i32 r = 0; r < WARP_ROWS; r++) {
            if (first + r >= args.w.rows) continue;
            float v[LANE_COLUMNS];
            read_lane<f32>(v, args.w, first + r, from, {});
            UNROLL
            for (i32 i = 0; i < LANE_COLUMNS; i += 4) {
                UNROLL
                for (i32 t = 0; t < N; t++) {
                    const U32x4 x = load16(xs + t * CHUNK + i * WARP + 4 * lane());
                    float sum = sums[r][t];
                    sum = fma(v[i], bits<float>(x.x), sum);
                    sum = fma(v[i + 1], bits<float>(x.y), sum);
                    sum = fma(v[i + 2], bits<float>(x.z), sum);
                    sums[r][t] = fma(v[i + 3], bits<float>(x.w), sum);
                }
            }
        }
    }
    UNROLL
    for (i32 r = 0; r < WARP_ROWS; r++) {
        UNROLL
        for (i32 t = 0; t < N; t++) {
            const float sum = warp_sum(sums[r][t]);
            if (lane() == 0 && first + r < args.w.rows && t < args.n) {
                put(args.out + i64(t) * args.w.rows + first + r, sum, args.gated);
            }
        }
    }
}

KERNEL(gemv_f32_1, GemvArgs, THREADS, 1) { gemv<1>(args); }
KERNEL(gemv_f32_4, GemvArgs, THREADS, 1) { gemv<4>(args); }
KERNEL(gemv_f32_8, GemvArgs, THREADS, 1) { gemv<8>(args); }
