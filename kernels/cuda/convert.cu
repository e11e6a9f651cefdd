// convert_f16: out [n, ld] F16 and scale [n] = x [n, cols] (scale.h), zeros from
// cols on. A block does a row and reads it twice, the second time from a cache.
#include "gpu.h"
#include "scale.h"

KERNEL(convert_f16, ConvertArgs, ROW_THREADS, 1) {
    const float* x = args.x + i64(block_x()) * args.cols;
    u16* out = args.out + i64(block_x()) * args.ld;
    float most = 0;
    for (i32 i = thread(); i < args.cols; i += ROW_THREADS) most = greatest(most, magnitude(x[i]));
    const i32 shift = scale_shift(most);
    const float down = power_of_two(-shift);
    if (thread() == 0) args.scale[block_x()] = power_of_two(shift);
    for (i32 i = thread(); i < args.ld; i += ROW_THREADS) out[i] = i < args.cols ? to_f16(x[i] * down) : u16(0);
}
