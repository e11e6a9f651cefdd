// gather: out [m, d] = rows [m] of x [n, d]. A block copies a row.
// feed: out [d], token ids: out[i] = the token that row rows[i] of a sample drew,
// 0 where none could be; x is Sampled [n]. Where rows[i] is negative out[i] stays.
#include "gpu.h"

KERNEL(gather, GatherArgs, ROW_THREADS, 1) {
    const i32 row = args.rows[block_x()];
    if (row < 0 || row >= args.n) {
        if (thread() == 0) report(args.fault, FAULT_ROW, row);
        return;
    }
    const float* from = args.x + i64(row) * args.d;
    float* to = args.out + i64(block_x()) * args.d;
    for (i32 i = thread(); i < args.d; i += ROW_THREADS) to[i] = from[i];
}

KERNEL(feed, GatherArgs, ROW_THREADS, 1) {
    const i32 i = block_x() * ROW_THREADS + thread();
    if (i >= args.d || args.rows[i] < 0) return;
    const i32 row = args.rows[i];
    if (row >= args.n) {
        report(args.fault, FAULT_ROW, row);
        return;
    }
    const Sampled* drawn = reinterpret_cast<const Sampled*>(args.x);
    i32* ids = reinterpret_cast<i32*>(args.out);
    ids[i] = greatest(drawn[row].token, 0);
}
