// embed: out [n, cols] = rows ids [n] of a weight, as floats. A block unpacks a
// row; it moves the packed row and 4 bytes a column.
#include "gpu.h"
#include "weights.h"

template <class T> DEVICE void embed_row(const EmbedArgs& args) {
    const i32 id = args.ids[block_x()];
    if (id < 0 || id >= args.w.rows) {
        if (thread() == 0) report(args.fault, FAULT_TOKEN, id);
        return;
    }
    float* out = args.out + i64(block_x()) * args.w.cols;
    for (i32 from = warp() * CHUNK; from < args.w.cols; from += ROW_THREADS / WARP * CHUNK) {
        float v[LANE_COLUMNS];
        read_lane<T>(v, args.w, id, from, args.table);
        UNROLL
        for (i32 i = 0; i < LANE_COLUMNS; i++) {
            const i32 c = from + lane_column(i);
            if (c < args.w.cols) out[c] = v[i];
        }
    }
}

#define DEFINE(type) \
    KERNEL(embed_##type, EmbedArgs, ROW_THREADS, 1) { embed_row<type>(args); }
FOR_WEIGHT_TYPES(DEFINE)
