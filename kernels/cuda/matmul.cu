// matmul_W_N: out [n, rows] = x [n, cols] · wᵀ for few tokens, N of them a block,
// by tensor cores. It streams the weights once for N tokens: for few of them
// their bytes are the limit.
//
// x is F16, each row scaled by a power of two (convert.cu), and the codes of
// weights are F16 numbers, exact: the scales that columns share come afterwards,
// as floats. A block does 16 out-features (blocks of the same ones are
// neighbours); its warps share the columns, unit by unit. Where values are codes
// less a minimum, the sum of x over the columns is taken away as often.
//
// A sum: each warp adds its units in order, then the warps are added in order.
// So it depends on the row's length and type alone, not on n or N.
//
// Shared memory: the warps' sums [MATMUL_WARPS, 16, N].
//
// expect HMMA: matmul_
#include "gpu.h"
#include "matmul_unit.h"

constexpr i32 THREADS = MATMUL_WARPS * WARP;

template <class T, i32 tiles> DEVICE void matmul(const MatmulArgs& args) {
    const WeightArgs& w = args.w;
    const i32 first = block_y() * MATMUL_ROWS, token = block_x() * (8 * tiles), g = lane() / 4;
    const i32 used = least(tiles, (args.n - token + 7) / 8);
    const i64 r0 = least(first + g, w.rows - 1), r1 = least(first + g + 8, w.rows - 1);
    const u8 *row0 = w.data + r0 * w.rowBytes, *row1 = w.data + r1 * w.rowBytes;
    const bool tiled = w.scale && w.scaleCols < w.cols;
    const i32 units = (w.cols + UNIT - 1) / UNIT;

    Sums<tiles> sums = {};
    typename T::Lane now[2], next[2];
    if (warp() < units) {
        read_unit<T>(next[0], w, row0, warp());
        read_unit<T>(next[1], w, row1, warp());
    }
    NO_UNROLL
    for (i32 unit = warp(); unit < units; unit += MATMUL_WARPS) {
        now[0] = next[0], now[1] = next[1];
        if (unit + MATMUL_WARPS < units) {
            read_unit<T>(next[0], w, row0, unit + MATMUL_WARPS);
            read_unit<T>(next[1], w, row1, unit + MATMUL_WARPS);
        }
        add_unit<T, tiles>(sums, now[0], now[1], args, unit, token, used, r0, r1, tiled);
    }

    finish(args, sums, reinterpret_cast<float*>(shared()), first, token, tiled, [] { sync(); });
}

#define DEFINE(type)                                                                   \
    KERNEL(matmul_##type##_8, MatmulArgs, THREADS, 1) { matmul<type, 1>(args); }       \
    KERNEL(matmul_##type##_32, MatmulArgs, THREADS, 1) { matmul<type, 4>(args); }
FOR_NARROW_TYPES(DEFINE)
