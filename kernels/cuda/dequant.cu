// dequant: out [rows, ld] F16 and scale [rows] = rows of a weight (scale.h),
// zeros from cols to ld, in the order of packed columns. A block unpacks a row,
// twice, the second time from a cache; it moves the packed row and 2 bytes a
// column.
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
        // ld is whole units, and a lane's columns stand side by side.
        u16* to = out + from + lane() * LANE_COLUMNS;
        if (from + lane() * LANE_COLUMNS >= args.ld) continue;
        UNROLL
        for (i32 i = 0; i < LANE_COLUMNS; i += 8) {
            u32 two[4];
            UNROLL
            for (i32 k = 0; k < 4; k++) two[k] = pack_f16(v[i + 2 * k] * down, v[i + 2 * k + 1] * down);
            store16(to + i, {two[0], two[1], two[2], two[3]});
        }
    }
}

#define DEFINE(type) \
    KERNEL(dequant_##type, DequantArgs, ROW_THREADS, 1) { dequant_row<type>(args); }
FOR_NARROW_TYPES(DEFINE)
