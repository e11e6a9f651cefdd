// What the matmul kernels share: the products of a unit of 128 columns with 16
// rows of weights, and the end of a sum (matmul.cu).
#pragma once

#include "weights.h"

// Sums are those of 16 out-features by T x 8 tokens.
template <i32 T> struct Sums { float v[T][4]; };

// add_unit adds the products of a unit of rows r0 and r1, with `used` tiles of 8
// tokens from `token` on. Scales beside the tensor count here where they are
// `tiled`: several to a row.
template <class T, i32 tiles>
DEVICE void add_unit(Sums<tiles>& sums, const typename T::Lane& row0, const typename T::Lane& row1, const MatmulArgs& args,
                     i32 unit, i32 token, i32 used, i64 r0, i64 r1, bool tiled) {
    const i32 t = lane() % 4;
    UNROLL
    for (i32 j = 0; j < 4; j++) {
        const i32 column = unit * UNIT + 32 * j;
        if (column >= args.w.cols) return;
        u32 p0[4], p1[4];
        T::pairs(p0, row0, j);
        T::pairs(p1, row1, j);
        const u32 a[2][4] = {{p0[0], p1[0], p0[1], p1[1]}, {p0[2], p1[2], p0[3], p1[3]}};
        const float beside[2] = {tiled ? tile_scale(args.w, r0, column) : 1, tiled ? tile_scale(args.w, r1, column) : 1};
        constexpr i32 groups = T::group == 16 ? 2 : 1;
        float scale[groups][2], low[groups][2];
        UNROLL
        for (i32 g = 0; g < groups; g++) {
            scale[g][0] = T::scale(row0, groups * j + g) * beside[0], scale[g][1] = T::scale(row1, groups * j + g) * beside[1];
            low[g][0] = T::low(row0, groups * j + g) * beside[0], low[g][1] = T::low(row1, groups * j + g) * beside[1];
        }
        UNROLL
        for (i32 tile = 0; tile < tiles; tile++) {
            if (tile >= used) continue;
            const i32 from = token + 8 * tile + lane() / 4;
            const U32x4 x = load16(args.x + i64(least(from, args.n - 1)) * args.ld + unit * UNIT + t * LANE_COLUMNS + 8 * j);
            const u32 b[2][2] = {{x.x, x.y}, {x.z, x.w}};
            if (T::group == 0 && !tiled) {
                multiply_f16(sums.v[tile], a[0], b[0]);
                multiply_f16(sums.v[tile], a[1], b[1]);
                continue;
            }
            float part[groups][4] = {};
            UNROLL
            for (i32 s = 0; s < 2; s++) multiply_f16(part[s % groups], a[s], b[s]);
            UNROLL
            for (i32 g = 0; g < groups; g++) {
                UNROLL
                for (i32 i = 0; i < 4; i++) sums.v[tile][i] = fma(part[g][i], scale[g][i / 2], sums.v[tile][i]);
                if (!T::has_low) continue;
                // Sums of x over 16 columns, by token: this lane's two.
                const float* total = args.sums + i64(unit * 8 + 2 * j + g) * args.stride + token + 8 * tile + 2 * t;
                U32x2 two = load8(total);
                float of[2] = {bits<float>(two.x), bits<float>(two.y)};
                if (groups == 1) {
                    two = load8(total + args.stride);
                    of[0] = of[0] + bits<float>(two.x), of[1] = of[1] + bits<float>(two.y);
                }
                UNROLL
                for (i32 i = 0; i < 4; i++) sums.v[tile][i] = fma(-low[g][i / 2], of[i % 2], sums.v[tile][i]);
            }
        }
    }
}

// finish adds the warps' sums, in order, and writes them. `all` has room for those
// of all warps [MATMUL_WARPS, 8 * tiles, MATMUL_ROWS]; meet waits for their threads.
template <i32 tiles, class Meet>
DEVICE void finish(const MatmulArgs& args, const Sums<tiles>& sums, float* all, i32 first, i32 token, bool tiled, Meet meet) {
    constexpr i32 tokens = 8 * tiles, threads = MATMUL_WARPS * WARP;
    const WeightArgs& w = args.w;
    UNROLL
    for (i32 tile = 0; tile < tiles; tile++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            all[(warp() * tokens + 8 * tile + 2 * (lane() % 4) + i % 2) * MATMUL_ROWS + lane() / 4 + i / 2 * 8] = sums.v[tile][i];
        }
    }
    meet();
    for (i32 i = thread(); i < MATMUL_ROWS * tokens; i += threads) {
        const i32 row = first + i % MATMUL_ROWS, at = token + i / MATMUL_ROWS;
        if (row >= w.rows || at >= args.n) continue;
        float sum = 0;
        UNROLL
        for (i32 warp = 0; warp < MATMUL_WARPS; warp++) sum = sum + all[warp * tokens * MATMUL_ROWS + i];
        if (!tiled) sum = sum * tile_scale(w, row, 0);
        put(args.out + i64(at) * w.rows + row, sum * args.xScale[at], args.gated);
    }
}
