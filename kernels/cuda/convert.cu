// convert_f16: out [n, ld] F16 and scale [n] = x [n, cols] (scale.h), zeros from
// cols on, in the order of weights' columns; and, where they are wanted, the sums
// of 16 columns of out. A block does a row and reads it twice, the second time
// from a cache; a thread does steps of 16 columns.
#include "gpu.h"
#include "scale.h"
#include "weights.h"

constexpr i32 STEP = 16;

// read_step reads the columns of a step, zeros from cols on.
DEVICE void read_step(float (&v)[STEP], const float* x, i32 first, i32 cols) {
    if (first + STEP <= cols && u64(x + first) % 16 == 0) {
        UNROLL
        for (i32 c = 0; c < STEP; c += 4) {
            const U32x4 four = load16(x + first + c);
            v[c] = bits<float>(four.x), v[c + 1] = bits<float>(four.y), v[c + 2] = bits<float>(four.z), v[c + 3] = bits<float>(four.w);
        }
        return;
    }
    UNROLL
    for (i32 c = 0; c < STEP; c++) v[c] = first + c < cols ? x[first + c] : 0;
}

KERNEL(convert_f16, ConvertArgs, ROW_THREADS, 1) {
    const float* x = args.x + i64(block_x()) * args.cols;
    u16* out = args.out + i64(block_x()) * args.ld;
    const i32 steps = args.ld / STEP;
    float most = 0, v[STEP];
    for (i32 i = thread(); i < steps; i += ROW_THREADS) {
        read_step(v, x, i * STEP, args.cols);
        UNROLL
        for (i32 c = 0; c < STEP; c++) most = greatest(most, magnitude(v[c]));
    }
    const i32 shift = scale_shift(most);
    const float down = power_of_two(-shift);
    if (thread() == 0) args.scale[block_x()] = power_of_two(shift);
    for (i32 i = thread(); i < steps; i += ROW_THREADS) {
        read_step(v, x, i * STEP, args.cols);
        float sum = 0;
        UNROLL
        for (i32 c = 0; c < STEP; c += 2) {
            // A lane's numbers of a step are its columns 2t, 2t + 1, 2t + 8, 2t + 9.
            const u32 two = pack_f16(v[c] * down, v[c + 1] * down);
            const i32 at = i / (UNIT / STEP) * UNIT + c % 8 / 2 * LANE_COLUMNS + i % (UNIT / STEP) * 4 + c / 8 * 2;
            *reinterpret_cast<u32*>(out + at) = two;
            sum = sum + half_of(two, 0);
            sum = sum + half_of(two, 1);
        }
        if (args.sums) args.sums[i64(i) * args.stride + block_x()] = sum;
    }
}
