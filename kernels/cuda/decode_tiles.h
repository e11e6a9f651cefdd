// What attention_decode.cu does with tiles. A warp has up to 8 heads, the rows of the
// left operand of their products with keys (attention_tiles.h, "queries"); rows 8 to 15
// are zeros. The weights of 8 heads stand then as a right operand does, and values,
// transposed, as a left one: sums have a column of values for a row, a head for a column.
#pragma once

#include "attention_tiles.h"

// CodeTile is rows of D codes of 8 bits in shared memory, in pieces of 16, of which one
// of 8 rows lies in all banks, as in Tile.
template <i32 D> struct CodeTile {
    static constexpr i32 pieces = D / 16;
    u8* memory;

    DEVICE u8* at(const CodeTile& t, i32 row, i32 piece) {
        return t.memory + (row * pieces + (piece ^ row * pieces / 8 % pieces)) * 16;
    }
};

// TileOf is the tile of a cache's positions.
template <class C, i32 D, bool coded = IsCoded<C>::value> struct TileOf { typedef Tile<D / 8> type; };
template <class C, i32 D> struct TileOf<C, D, true> { typedef CodeTile<D> type; };

// score computes the scores of 16 positions, whose keys are codes. A matrix of 8 rows of
// 16 codes gives a lane four columns side by side: the queries' are by quads.
template <class C, i32 D> DEVICE void score(float (&s)[2][4], const Queries<C, D>& q, const CodeTile<D>& keys, i32) {
    UNROLL
    for (i32 i = 0; i < 8; i++) s[i / 4][i % 4] = 0;
    UNROLL
    for (i32 k = 0; k < D / 16; k += 2) {
        u32 m[4]; // positions 0 to 7 and 8 to 15 of one piece, then of the next
        load_matrices(m, CodeTile<D>::at(keys, lane() % 16, k + lane() / 16));
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            const u32 b[2] = {C::template two<0>(m[i]), C::template two<1>(m[i])};
            NumbersOf<C>::type::multiply(s[i % 2], q.a[k + i / 2], b);
        }
    }
}

// HeadSums is the state of a warp's heads: of the lane's head, lane/4, the greatest score
// so far and the lane's share of the sum of weights; and sums of weighted values: of 16
// columns those of rows g and g+8 for heads 2t and 2t+1 (gpu.h, multiply_bf16).
template <i32 D> struct HeadSums {
    float highest, total;
    float sums[D / 16][4];

    DEVICE void begin(HeadSums& r) {
        r.highest = NONE, r.total = 0;
        UNROLL
        for (i32 i = 0; i < D / 4; i++) r.sums[i / 4][i % 4] = 0;
    }

    DEVICE void shrink(HeadSums& r, float by) {
        const i32 t = lane() % 4;
        const float even = shuffle(by, 8 * t), odd = shuffle(by, 8 * t + 4); // of heads 2t and 2t+1
        UNROLL
        for (i32 i = 0; i < D / 4; i++) r.sums[i / 4][i % 4] = r.sums[i / 4][i % 4] * (i % 2 ? odd : even);
    }

    // weigh turns the scores of 16 positions, of which the heads see `seen`, into weights
    // relative to the greatest so far.
    DEVICE void weigh(HeadSums& r, float (&s)[2][4], i32 seen) {
        float highest = r.highest;
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            float& v = s[i / 2][i % 2];
            v = 8 * (i / 2) + lane() % 4 * 2 + i % 2 < seen ? v : minus_infinity();
            highest = greatest(highest, v);
        }
        highest = quad_max(highest);
        const float by = approx_exp2(r.highest - highest);
        r.highest = highest, r.total = r.total * by;
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            float& v = s[i / 2][i % 2];
            v = approx_exp2(v - highest);
            r.total = r.total + v;
        }
        if (ballot(by != 1)) shrink(r, by);
    }
};

// add adds the weighted values of 16 positions.
template <class C, i32 D> DEVICE void add(HeadSums<D>& r, const float (&p)[2][4], const Tile<D / 8>& values) {
    typedef typename NumbersOf<C>::type Half;
    const u32 weights[2] = {Half::pack(p[0][0], p[0][1]), Half::pack(p[1][0], p[1][1])};
    UNROLL
    for (i32 d = 0; d < D / 16; d++) {
        u32 a[4]; // positions 0 to 7 of one piece and the next, then 8 to 15
        load_matrices_transposed(a, Tile<D / 8>::at(values, lane() % 8 + lane() / 16 * 8, 2 * d + lane() / 8 % 2));
        Half::multiply(r.sums[d], a, weights);
    }
}

// add does the same with codes. A transposed matrix gives a lane two columns of two
// positions: of 16 columns rows g are 2g, rows g+8 are 2g+1.
template <class C, i32 D> DEVICE void add(HeadSums<D>& r, const float (&p)[2][4], const CodeTile<D>& values) {
    typedef typename NumbersOf<C>::type Half;
    const u32 weights[2] = {Half::pack(p[0][0], p[0][1]), Half::pack(p[1][0], p[1][1])};
    UNROLL
    for (i32 d = 0; d < D / 16; d += 2) {
        u32 m[4];
        load_matrices_transposed(m, CodeTile<D>::at(values, lane() % 16, d + lane() / 16));
        UNROLL
        for (i32 i = 0; i < 2; i++) {
            const u32 low = permute_bytes(m[2 * i], 0, 0x3120), high = permute_bytes(m[2 * i + 1], 0, 0x3120);
            const u32 a[4] = {C::template two<0>(low), C::template two<1>(low), C::template two<0>(high), C::template two<1>(high)};
            Half::multiply(r.sums[d + i], a, weights);
        }
    }
}

// place is where a warp's results have a column of a head: what put writes at a time, of
// numbers or of codes, lies in all banks.
template <i32 D> DEVICE i32 place(i32 head, i32 column) { return head * D + (column ^ (head / 2 % 2 * 9 + head / 4 * 16)); }

// put writes the sums to results [heads, D].
template <class C, i32 D> DEVICE void put(const HeadSums<D>& r, float* results) {
    const i32 g = lane() / 4, t = lane() % 4 * 2;
    UNROLL
    for (i32 i = 0; i < D / 4; i++) {
        const i32 row = i / 2 % 2, column = i / 4 * 16 + (IsCoded<C>::value ? 2 * g + row : g + 8 * row);
        results[place<D>(t + i % 2, column)] = r.sums[i / 4][i % 4];
    }
}
