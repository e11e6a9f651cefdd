// convert_f16: out [n, ld] F16 and scale [n] = x [n, cols] (scale.h), zeros from
// cols on, in the order of weights' columns; and, where they are wanted, the sums
// of 16 and of 32 columns of out. A block does a row, a thread steps of 16
// columns; what a thread does not keep it reads again, from a cache.
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

// write_step writes a step and returns its sum.
DEVICE float write_step(u16* out, const float (&v)[STEP], float down, i32 step) {
    float sum = 0;
    UNROLL
    for (i32 c = 0; c < STEP; c += 2) {
        // A lane's numbers of a step are its columns 2t, 2t + 1, 2t + 8, 2t + 9.
        const u32 two = pack_f16(v[c] * down, v[c + 1] * down);
        const i32 at = step / (UNIT / STEP) * UNIT + c % 8 / 2 * LANE_COLUMNS + step % (UNIT / STEP) * 4 + c / 8 * 2;
        *reinterpret_cast<u32*>(out + at) = two;
        sum = sum + half_of(two, 0);
        sum = sum + half_of(two, 1);
    }
    return sum;
}

KERNEL(convert_f16, ConvertArgs, WIDE_THREADS, 1) {
    const float* x = args.x + i64(block_x()) * args.cols;
    u16* out = args.out + i64(block_x()) * args.ld;
    const i32 steps = args.ld / STEP;
    float most = 0, v[STEP] = {};
    for (i32 i = thread(); i < steps; i += WIDE_THREADS) {
        read_step(v, x, i * STEP, args.cols);
        UNROLL
        for (i32 c = 0; c < STEP; c++) most = greatest(most, magnitude(v[c]));
    }
    const i32 shift = scale_shift(most);
    const float down = power_of_two(-shift);
    if (thread() == 0) args.scale[block_x()] = power_of_two(shift);
    // From the last step, which is still here, to the first. Lanes stay together.
    for (i32 from = (steps - 1) / WIDE_THREADS * WIDE_THREADS; from >= 0; from -= WIDE_THREADS) {
        const i32 i = from + thread();
        if (from + WIDE_THREADS < steps) read_step(v, x, i * STEP, args.cols);
        const float sum = i < steps ? write_step(out, v, down, i) : 0, other = shuffle_xor(sum, 1);
        if (i >= steps || args.sums16 == nullptr) continue;
        args.sums16[i64(i) * args.stride + block_x()] = sum;
        if (i % 2 == 0) args.sums32[i64(i / 2) * args.stride + block_x()] = sum + other;
    }
}
