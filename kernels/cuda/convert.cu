// convert_f16: x [n, cols] as products read it (inputs.h), zeros from cols on.
// The greatest value of a row has to be known first. So that few long rows do not
// wait for one block each, several share a row: each reads all of it, and converts
// every so many groups of columns. What a thread does not keep it reads again, from
// a cache.
#include "gpu.h"
#include "inputs.h"

constexpr i32 KEPT = 4;   // quads
constexpr i32 BATCH = 14; // quads that are on their way
constexpr i32 GROUP = QUAD * CONVERT_THREADS;
static_assert(KEPT * GROUP == CONVERT_COLUMNS, "what a block keeps");

// Shared memory: a float for each warp.
template <bool whole> DEVICE void convert(const ConvertArgs& args) {
    const float* x = args.x + i64(block_x()) * args.cols;
    const i32 first = block_y() * GROUP + QUAD * thread(), stride = grid_y() * GROUP;
    float v[KEPT][QUAD];
    Greatest most = {};
    UNROLL
    for (i32 k = 0; k < KEPT; k++) read_quad<whole>(v[k], x, first + k * stride, args.cols);
    // What others convert, or this block does not keep.
    NO_UNROLL
    for (i32 from = grid_y() == 1 ? KEPT * GROUP : 0; from < args.cols; from += BATCH * GROUP) {
        float more[BATCH][QUAD];
        UNROLL
        for (i32 k = 0; k < BATCH; k++) read_quad<whole>(more[k], x, from + k * GROUP + QUAD * thread(), args.cols);
        UNROLL
        for (i32 k = 0; k < BATCH; k++) Greatest::take(most, more[k]);
    }
    UNROLL
    for (i32 k = 0; k < KEPT; k++) Greatest::take(most, v[k]);
    const i32 shift = Greatest::block_shift<CONVERT_THREADS>(most, reinterpret_cast<u32*>(shared()));
    if (thread() == 0 && block_y() == 0) args.to.scale[block_x()] = power_of_two(shift);
    NO_UNROLL
    for (i32 column = first; column < args.to.ld; column += KEPT * stride) {
        if (column > first) {
            UNROLL
            for (i32 k = 0; k < KEPT; k++) read_quad<whole>(v[k], x, column + k * stride, args.cols);
        }
        convert_quads(args.to, block_x(), v, column, stride, shift);
    }
}

KERNEL(convert_f16, ConvertArgs, CONVERT_THREADS, 1) {
    if (args.cols % QUAD == 0 && u64(args.x) % 16 == 0) {
        convert<true>(args);
    } else {
        convert<false>(args);
    }
}
