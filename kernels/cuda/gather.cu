// gather: out [m, d] = rows [m] of x [n, d]. A block copies a row.
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
