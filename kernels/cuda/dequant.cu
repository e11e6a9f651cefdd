// dequant: out [rows, ld] F16 and scale [rows] = rows of a weight (scale.h),
// zeros from cols to ld. A block unpacks a row, twice, the second time from a
// cache; it moves the packed row and 2 bytes a column.
#include "gpu.h"
#include "scale.h"
#include "weights.h"

template <class T> DEVICE void dequant_row(const DequantArgs& args) {
    u16* out = args.out + i64(block_x()) * args.ld;
    const i64 row = i64(args.first) + block_x();
    constexpr i32 stride = ROW_THREADS / WARP * CHUNK;
    float v[LANE_COLUMNS], most = 0;
    for (i32 from = warp() * CHUNK; from < args.w.cols; from += stride) {
        read_lane<T>(v, args.w, row, from);
        UNROLL
        for (i32 i = 0; i < LANE_COLUMNS; i++) most = greatest(most, magnitude(v[i]));
    }
    const i32 shift = scale_shift(most);
    const float down = power_of_two(-shift);
    if (thread() == 0) args.scale[block_x()] = power_of_two(shift);
    for (i32 from = warp() * CHUNK; from < args.ld; from += stride) {
        read_lane<T>(v, args.w, row, from);
        // ld is a multiple of 64, and a group of 4 columns lies within it or not at all.
        UNROLL
        for (i32 i = 0; i < LANE_COLUMNS; i += 4) {
            const i32 c = from + lane_column<T>(i);
            const u32 low = pack_f16(v[i] * down, v[i + 1] * down), high = pack_f16(v[i + 2] * down, v[i + 3] * down);
            if (c < args.ld) store8(out + c, {low, high});
        }
    }
}

#define DEFINE(type) \
    KERNEL(dequant_##type, DequantArgs, ROW_THREADS, 1) { dequant_row<type>(args); }
FOR_NARROW_TYPES(DEFINE)
