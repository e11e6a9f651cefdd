// dequant: out [rows, ld] = rows of a weight as BF16, zeros from cols to ld. A
// block unpacks a row; it moves the packed row and 2 bytes a column. Products
// with F32 weights are never of BF16.
#include "gpu.h"
#include "weights.h"

template <class T> DEVICE void dequant_row(const DequantArgs& args) {
    u16* out = args.out + i64(block_x()) * args.ld;
    for (i32 from = warp() * CHUNK; from < args.ld; from += ROW_THREADS / WARP * CHUNK) {
        float v[LANE_COLUMNS];
        read_lane<T>(v, args.w, i64(args.first) + block_x(), from);
        // ld is a multiple of 64, and a group of 4 columns lies within it or not at all.
        UNROLL
        for (i32 i = 0; i < LANE_COLUMNS; i += 4) {
            const i32 c = from + lane_column<T>(i);
            if (c < args.ld) store8(out + c, {pack_bf16(v[i], v[i + 1]), pack_bf16(v[i + 2], v[i + 3])});
        }
    }
}

#define DEFINE(type) \
    KERNEL(dequant_##type, DequantArgs, ROW_THREADS, 1) { dequant_row<type>(args); }
FOR_NARROW_TYPES(DEFINE)
