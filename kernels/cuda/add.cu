// add: x [n] += delta [n]. 12 bytes an element.
#include "gpu.h"

KERNEL(add, AddArgs, FLAT_THREADS, 1) {
    const i64 from = i64(block_x()) * FLAT_ITEMS;
    const i64 to = least(args.n, from + FLAT_ITEMS);
    for (i64 i = from + thread(); i < to; i += FLAT_THREADS) args.x[i] = args.x[i] + args.delta[i];
}
