// What the matmul kernels share: the products of a unit of 128 columns with 16
// rows of weights, and the end of a sum (matmul.cu).
#pragma once

#include "weights.h"

// Sums are those of 16 out-features by T x 8 tokens.
template <i32 T> struct Sums { float v[T][4]; };

// groups_of is the number of scales of 32 columns.
template <class T> constexpr i32 groups_of() { return T::group == 16 ? 2 : 1; }

// Inputs finds a lane's inputs of a unit: x, and sums of it where the type needs them.
template <class T, i32 tiles> struct Inputs {
    const u16* x[tiles]; // a row each
    const float* sums;   // of two tokens
    static constexpr i32 groups = 4 * groups_of<T>();
    i32 stride;
    i32 used; // tiles that have tokens

    DEVICE Inputs of(const MatmulArgs& args, i32 token, i32 unit) {
        Inputs in;
        UNROLL
        for (i32 tile = 0; tile < tiles; tile++) {
            in.x[tile] = args.x + i64(least(token + 8 * tile + lane() / 4, args.n - 1)) * args.ld + (unit * UNIT + lane() % 4 * LANE_COLUMNS);
        }
        in.sums = (T::group == 32 ? args.sums32 : args.sums16) + token + 2 * (lane() % 4) + i64(unit) * groups * args.stride;
        in.stride = args.stride;
        in.used = least(tiles, (args.n - token + 7) / 8);
        return in;
    }
    // turn goes on to the warp's next unit.
    DEVICE void turn(Inputs& in) {
        UNROLL
        for (i32 tile = 0; tile < tiles; tile++) in.x[tile] += MATMUL_WARPS * UNIT;
        in.sums += i64(MATMUL_WARPS * groups) * in.stride;
    }
    DEVICE U32x4 numbers(const Inputs& in, i32 j, i32 tile) { return load16(in.x[tile] + 8 * j); }
    // total is the sum of x over the columns of group g, by token: this lane's two.
    DEVICE U32x2 total(const Inputs& in, i32 g, i32 tile) { return load8(in.sums + i64(g) * in.stride + 8 * tile); }
};

// EIGHT is the number of rows of half a tile.
#define EIGHT (MATMUL_ROWS / 2)
static_assert(EIGHT == STRIP_ROWS, "half a tile is a strip");

// OutTile is 16 out-features: two halves, of one weight or of a pair's two.
struct OutTile {
    i32 part, row; // of the first half
    bool pair;

    DEVICE OutTile of(const MatmulArgs& args, i32 index) {
        if (args.pair) return {0, index * EIGHT, true};
        const i32 part = (index >= args.parts[1].first) + (index >= args.parts[2].first);
        return {part, (index - args.parts[part].first) * MATMUL_ROWS, false};
    }
    DEVICE const MatmulPart& part_of(const OutTile& t, const MatmulArgs& args, i32 half) {
        return args.parts[t.pair ? half : t.part];
    }
    // row_of is row i of 8 of a half, which may lie beyond the last.
    DEVICE i32 row_of(const OutTile& t, i32 half, i32 i) { return t.row + (t.pair ? 0 : half * EIGHT) + i; }
    // address_of is where row i begins, or its strip; of those beyond the last the last one.
    template <class T> DEVICE const u8* address_of(const OutTile& t, const MatmulArgs& args, i32 half, i32 i) {
        const WeightArgs& w = part_of(t, args, half).w;
        return row_address<T>(w, least(row_of(t, half, i), w.rows - 1));
    }
};

// tile_scaled: a row has several scales beside the tensor.
template <class T> DEVICE bool tile_scaled(const WeightArgs& w) { return T::tiles && w.scale && w.scaleCols < w.cols; }

// TwoRows are a lane's two of a tile, one of each half, and, where scales beside the
// tensor are several to a row, those of each.
struct TwoRows {
    const u8* rows[2];
    i32 scaleCols; // 0: one scale at most
    const float* tiles[2];

    template <class T> DEVICE TwoRows of(const MatmulArgs& args, const OutTile& t) {
        TwoRows r = {};
        UNROLL
        for (i32 half = 0; half < 2; half++) {
            r.rows[half] = OutTile::address_of<T>(t, args, half, lane() / 4);
            const WeightArgs& w = OutTile::part_of(t, args, half).w;
            if (tile_scaled<T>(w)) {
                r.scaleCols = w.scaleCols;
                const i32 row = least(OutTile::row_of(t, half, lane() / 4), w.rows - 1);
                r.tiles[half] = w.scale + i64(u32(row) / u32(w.scaleRows)) * w.scaleStride;
            }
        }
        return r;
    }
};

// add_unit adds the products of a unit of two rows. Of columns beyond the last,
// inputs and scales are zeros. For one tile there are no branches, so that loads and
// products overlap; for several they keep registers few. scaled: scales beside the
// tensor may be several to a row.
template <class T, i32 tiles, bool scaled = T::tiles>
DEVICE void add_unit(Sums<tiles>& sums, const typename T::Lane& row0, const typename T::Lane& row1, i32 cols,
                     const TwoRows& rows, const Inputs<T, tiles>& in, i32 unit, const CodeTable& table) {
    constexpr i32 groups = groups_of<T>();
    UNROLL
    for (i32 j = 0; j < 4; j++) {
        const i32 column = unit * UNIT + 32 * j;
        if (tiles > 1 && column >= cols) return;
        u32 p0[4], p1[4];
        pairs_by<T>(p0, row0, j, table);
        pairs_by<T>(p1, row1, j, table);
        const u32 a[2][4] = {{p0[0], p1[0], p0[1], p1[1]}, {p0[2], p1[2], p0[3], p1[3]}};
        float scale[groups][2], low[groups][2];
        UNROLL
        for (i32 g = 0; g < groups; g++) {
            scale[g][0] = T::scale(row0, groups * j + g), scale[g][1] = T::scale(row1, groups * j + g);
            low[g][0] = T::low(row0, groups * j + g), low[g][1] = T::low(row1, groups * j + g);
        }
        if (scaled && rows.scaleCols > 0 && column < cols) {
            const u32 at = u32(column) / u32(rows.scaleCols);
            scale[0][0] = scale[0][0] * rows.tiles[0][at], scale[0][1] = scale[0][1] * rows.tiles[1][at];
        }
        UNROLL
        for (i32 tile = 0; tile < tiles; tile++) {
            if (tiles > 1 && tile >= in.used) continue;
            const U32x4 x = Inputs<T, tiles>::numbers(in, j, tile);
            const u32 b[2][2] = {{x.x, x.y}, {x.z, x.w}};
            if (T::group == 0 && !T::tiles) {
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
                const U32x2 two = Inputs<T, tiles>::total(in, groups * j + g, tile);
                const float of[2] = {bits<float>(two.x), bits<float>(two.y)};
                UNROLL
                for (i32 i = 0; i < 4; i++) sums.v[tile][i] = fma(-low[g][i / 2], of[i % 2], sums.v[tile][i]);
            }
        }
    }
}

// leave writes a warp's sums to `all`, which has room for those of all warps
// [MATMUL_WARPS, 8 * tiles, MATMUL_ROWS].
template <i32 tiles> DEVICE void leave(const Sums<tiles>& sums, float* all) {
    UNROLL
    for (i32 tile = 0; tile < tiles; tile++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            all[(warp() * 8 * tiles + 8 * tile + 2 * (lane() % 4) + i % 2) * MATMUL_ROWS + lane() / 4 + i / 2 * 8] = sums.v[tile][i];
        }
    }
}

// finish adds what the warps left, in order, and writes the sums. The threads of these
// warps do it.
template <class T, i32 tiles> DEVICE void finish(const MatmulArgs& args, const float* all, const OutTile& t, i32 token) {
    constexpr i32 tokens = 8 * tiles, threads = MATMUL_WARPS * WARP;
    const bool scaled = tile_scaled<T>(OutTile::part_of(t, args, 0).w);
    for (i32 i = thread(); i < MATMUL_ROWS * tokens; i += threads) {
        const i32 half = i % MATMUL_ROWS / EIGHT, row = OutTile::row_of(t, half, i % EIGHT), at = token + i / MATMUL_ROWS;
        const MatmulPart& part = OutTile::part_of(t, args, half);
        if (row >= part.w.rows || at >= args.n || (t.pair && half > 0)) continue;
        const auto product = [&](const WeightArgs& w, i32 i) {
            float sum = 0;
            UNROLL
            for (i32 warp = 0; warp < MATMUL_WARPS; warp++) sum = sum + all[warp * tokens * MATMUL_ROWS + i];
            if (!scaled) sum = sum * tile_scale(w, row, 0);
            return sum * T::times * args.xScale[at];
        };
        float v = product(part.w, i);
        if (t.pair) v = silu(v) * product(args.parts[1].w, i + EIGHT);
        put(part.out + i64(at) * part.w.rows + row, v, args.gated);
    }
}
