// convert_f16: out [n, ld] F16 and scale [n] = x [n, cols] (scale.h), zeros from
// cols on, in the order of weights' columns; and, where they are wanted, the sums
// of 16 columns of out. A block does a row and reads it twice or thrice, from the
// second time on from a cache.
#include "gpu.h"
#include "scale.h"
#include "weights.h"

KERNEL(convert_f16, ConvertArgs, ROW_THREADS, 1) {
    let_next_start(); // matmul_sm90
    const float* x = args.x + i64(block_x()) * args.cols;
    u16* out = args.out + i64(block_x()) * args.ld;
    float most = 0;
    for (i32 i = thread(); i < args.cols; i += ROW_THREADS) most = greatest(most, magnitude(x[i]));
    const i32 shift = scale_shift(most);
    const float down = power_of_two(-shift);
    if (thread() == 0) args.scale[block_x()] = power_of_two(shift);
    const auto number = [&](i32 c) { return c < args.cols ? to_f16(x[c] * down) : u16(0); };
    for (i32 i = thread(); i < args.ld; i += ROW_THREADS) {
        out[i] = number(i / UNIT * UNIT + unit_column(i % UNIT / LANE_COLUMNS, i % LANE_COLUMNS));
    }
    if (args.sums == nullptr) return;
    for (i32 i = thread(); i < args.ld / 16; i += ROW_THREADS) {
        float sum = 0;
        UNROLL
        for (i32 c = 0; c < 16; c++) sum = sum + from_f16(number(16 * i + c));
        args.sums[i64(i) * args.stride + block_x()] = sum;
    }
}
