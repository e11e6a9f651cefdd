// swiglu: out [n] = silu(gate [n]) * up [n] (Shazeer, arXiv 2002.05202).
// 12 bytes an element.
#include "gpu.h"
#include "functions.h"

KERNEL(swiglu, SwigluArgs, FLAT_THREADS, 1) {
    const i64 from = i64(block_x()) * FLAT_ITEMS;
    const i64 to = least(args.n, from + FLAT_ITEMS);
    for (i64 i = from + thread(); i < to; i += FLAT_THREADS) {
        const float g = args.gate[i];
        args.out[i] = g / (1 + exponential(-g)) * args.up[i];
    }
}
