// matmul_W_N: out [n, rows] = x [n, cols] · wᵀ for few tokens, N of them a block,
// by tensor cores. It streams the weights once for N tokens: for few of them
// their bytes are the limit.
//
// x is F16, each row scaled by a power of two (convert.cu), and the codes of
// weights are F16 numbers, exact: the scales that columns share come afterwards,
// as floats. A block does a tile of 16 out-features (blocks of the same ones are
// neighbours); its warps share the columns, unit by unit. Where values are codes
// less a minimum, the sum of x over the columns is taken away as often.
//
// A sum: each warp adds its units in order, then the warps are added in order.
// So it depends on the row's length and type alone, not on n or N.
//
// A warp reads its first weights, which nobody writes, while the kernel before it
// runs, and waits for that before it reads inputs.
//
// Shared memory: the warps' sums [MATMUL_WARPS, 16, N].
//
// expect HMMA: matmul_
#include "gpu.h"
#include "matmul_unit.h"

constexpr i32 THREADS = MATMUL_WARPS * WARP;

template <class T, i32 tiles> DEVICE void matmul(const MatmulArgs& args) {
    let_next_start();
    const WeightArgs& w = args.parts[0].w; // whose rows are like those of all
    const OutTile out = OutTile::of(args, block_y());
    const i32 token = block_x() * (8 * tiles);
    const TwoRows rows = TwoRows::of<T>(args, out);
    const u8 *row0 = kept(rows.rows[0]), *row1 = kept(rows.rows[1]);
    const i32 units = (w.cols + UNIT - 1) / UNIT;
    auto in = Inputs<T, tiles>::of(args, token, warp());

    Sums<tiles> sums = {};
    typename T::Lane now[2], next[2];
    const auto read = [&](i32 unit) {
        read_unit<T>(next[0], row0, lane() / 4, unit);
        read_unit<T>(next[1], row1, lane() / 4, unit);
    };
    if (warp() < units) read(warp());
    wait_for_previous();
    NO_UNROLL
    for (i32 unit = warp(); unit < units; unit += MATMUL_WARPS) {
        now[0] = next[0], now[1] = next[1];
        read(least(unit + MATMUL_WARPS, units - 1));
        add_unit<T, tiles>(sums, now[0], now[1], w.cols, rows, in, unit, args.table);
        Inputs<T, tiles>::turn(in);
    }
    float* all = reinterpret_cast<float*>(shared());
    leave(sums, all);
    sync();
    finish<T, tiles>(args, all, out, token);
}

// Blocks of a multiprocessor: as many as the registers of a type's lanes allow.
template <class T> constexpr i32 blocks_of() { return T::Lane::code_words + T::Lane::high_words <= 5 ? 3 : 2; }

#define DEFINE(type)                                                                                    \
    EARLY_KERNEL(matmul_##type##_8, MatmulArgs, THREADS, blocks_of<type>()) { matmul<type, 1>(args); }  \
    EARLY_KERNEL(matmul_##type##_32, MatmulArgs, THREADS, 1) { matmul<type, 4>(args); }
FOR_NARROW_TYPES(DEFINE)
