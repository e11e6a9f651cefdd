// What the attention kernels with tensor cores share. A warp has 16 queries;
// its lane l has rows g = l/4 and g+8 of them, and of the scores of 8
// positions the columns 2t and 2t+1, t = l%4 (gpu.h, multiply_bf16).
//
// Scores are in powers of two: queries are multiplied by scale * log2 e before
// they are rounded.
#pragma once

#include "cache.h"
#include "tile.h"

#define LOG2E 1.44269504f
#define NONE (-3.402823466e38f) // below all scores

// Numbers is what keys and values of a cache are multiplied as. The codes of
// I8 are exact in BF16, those of F8 in F16.
template <class C> struct NumbersOf { typedef HalfBF16 type; };
template <> struct NumbersOf<CacheF16> { typedef HalfF16 type; };
template <> struct NumbersOf<CacheF8> { typedef HalfF16 type; };

// coded: keys and values are codes of 8 bits, which become numbers.
template <class C> struct IsCoded { static constexpr bool value = C::bytes == 1; };

// Queries are the left operands of 16 queries.
template <class C, i32 D> struct Queries {
    u32 a[D / 16][4];

    // load reads the lane's parts of two queries; null: zeros. Of 16 columns a lane has
    // 2t, 2t + 1, 2t + 8 and 2t + 9; by quads, 4t to 4t + 3.
    template <bool quads = false> DEVICE void load(Queries& q, const float* row0, const float* row1, float scale) {
        const i32 t = lane() % 4 * (quads ? 4 : 2), next = quads ? 2 : 8;
        const auto two = [&](const float* row, i32 column) {
            if (row == nullptr) return u32(0);
            const U32x2 v = load8(row + column);
            return NumbersOf<C>::type::pack(bits<float>(v.x) * scale, bits<float>(v.y) * scale);
        };
        UNROLL
        for (i32 k = 0; k < D / 16; k++) {
            q.a[k][0] = two(row0, 16 * k + t);
            q.a[k][1] = two(row1, 16 * k + t);
            q.a[k][2] = two(row0, 16 * k + t + next);
            q.a[k][3] = two(row1, 16 * k + t + next);
        }
    }
};

// score computes the scores of 8N positions, the rows of keys from `first`.
template <class C, i32 D, i32 N> DEVICE void score(float (&s)[N][4], const Queries<C, D>& q, const Tile<D / 8>& keys, i32 first) {
    UNROLL
    for (i32 n = 0; n < N; n++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) s[n][i] = 0;
    }
    UNROLL
    for (i32 k = 0; k < D / 16; k++) {
        UNROLL
        for (i32 n = 0; n < N; n += 2) {
            u32 b0[2], b1[2];
            load_right(b0, b1, keys, first + 8 * n, 2 * k);
            NumbersOf<C>::type::multiply(s[n], q.a[k], b0);
            NumbersOf<C>::type::multiply(s[n + 1], q.a[k], b1);
        }
    }
}

// Running is the state of a warp's queries: for the lane's two rows the
// greatest score so far, the lane's share of the sum of weights, and sums of
// weighted values.
template <i32 D> struct Running {
    float highest[2], total[2];
    float sums[D / 8][4];

    DEVICE void begin(Running& r) {
        UNROLL
        for (i32 i = 0; i < 2; i++) r.highest[i] = NONE, r.total[i] = 0;
        UNROLL
        for (i32 d = 0; d < D / 8; d++) {
            UNROLL
            for (i32 i = 0; i < 4; i++) r.sums[d][i] = 0;
        }
    }
};

// hide makes `as` of the scores or weights of positions that the lane's two rows do not see
// because their windows begin at from[0] and from[1].
template <i32 N> DEVICE void hide(float (&s)[N][4], const i32 (&from)[2], float as) {
    const i32 t = lane() % 4 * 2;
    UNROLL
    for (i32 n = 0; n < N; n++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) s[n][i] = 8 * n + t + i % 2 < from[i / 2] ? as : s[n][i];
    }
}

// weigh turns scores into weights relative to the greatest so far, and returns
// by what the sums of weighted values are to shrink. seen(row, column) says
// whether the lane's row 0 or 1 sees a position.
template <i32 D, i32 N, class Seen> DEVICE void weigh(Running<D>& r, float (&shrink)[2], float (&s)[N][4], Seen seen) {
    const i32 t = lane() % 4 * 2;
    UNROLL
    for (i32 row = 0; row < 2; row++) {
        float highest = r.highest[row];
        UNROLL
        for (i32 n = 0; n < N; n++) {
            UNROLL
            for (i32 i = 0; i < 2; i++) {
                float& v = s[n][2 * row + i];
                v = seen(row, 8 * n + t + i) ? v : minus_infinity();
                highest = greatest(highest, v);
            }
        }
        highest = quad_max(highest);
        shrink[row] = approx_exp2(r.highest[row] - highest);
        float total = r.total[row] * shrink[row];
        UNROLL
        for (i32 n = 0; n < N; n++) {
            UNROLL
            for (i32 i = 0; i < 2; i++) {
                float& v = s[n][2 * row + i];
                v = approx_exp2(v - highest);
                total = total + v;
            }
        }
        r.highest[row] = highest;
        r.total[row] = total;
    }
}

template <i32 D> DEVICE void shrink_sums(Running<D>& r, const float (&shrink)[2]) {
    UNROLL
    for (i32 d = 0; d < D / 8; d++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) r.sums[d][i] = r.sums[d][i] * shrink[i / 2];
    }
}

template <i32 D, i32 N, class Seen> DEVICE void weigh(Running<D>& r, float (&s)[N][4], Seen seen) {
    float shrink[2];
    weigh(r, shrink, s, seen);
    if (ballot(shrink[0] != 1 || shrink[1] != 1)) shrink_sums(r, shrink);
}

// pack_weights makes the left operand of weights 16k to 16k+15.
template <class C, i32 N> DEVICE void pack_weights(u32 (&a)[4], const float (&p)[N][4], i32 k) {
    typedef typename NumbersOf<C>::type Half;
    a[0] = Half::pack(p[2 * k][0], p[2 * k][1]), a[1] = Half::pack(p[2 * k][2], p[2 * k][3]);
    a[2] = Half::pack(p[2 * k + 1][0], p[2 * k + 1][1]), a[3] = Half::pack(p[2 * k + 1][2], p[2 * k + 1][3]);
}

// add adds the weighted values of 8N positions, the rows of values from `first`.
template <class C, i32 D, i32 N> DEVICE void add(Running<D>& r, const float (&p)[N][4], const Tile<D / 8>& values, i32 first) {
    typedef typename NumbersOf<C>::type Half;
    UNROLL
    for (i32 k = 0; k < N / 2; k++) {
        u32 a[4];
        pack_weights<C>(a, p, k);
        UNROLL
        for (i32 d = 0; d < D / 8; d += 2) {
            u32 b0[2], b1[2];
            load_right_rows(b0, b1, values, first + 16 * k, d);
            Half::multiply(r.sums[d], a, b0);
            Half::multiply(r.sums[d + 1], a, b1);
        }
    }
}

// scale_columns multiplies scores by the scales of their positions, which the
// first `limit` have.
template <i32 N> DEVICE void scale_columns(float (&s)[N][4], const float* scales, i32 limit) {
    const i32 t = lane() % 4 * 2;
    UNROLL
    for (i32 n = 0; n < N; n++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            const i32 column = 8 * n + t + i % 2;
            s[n][i] = s[n][i] * (column < limit ? scales[column] : 0);
        }
    }
}

// scale_weights does the same with the weights of what a row sees.
template <i32 N, class Seen> DEVICE void scale_weights(float (&p)[N][4], const float* scales, Seen seen) {
    const i32 t = lane() % 4 * 2;
    UNROLL
    for (i32 n = 0; n < N; n++) {
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            const i32 column = 8 * n + t + i % 2;
            p[n][i] = seen(i / 2, column) ? p[n][i] * scales[column] : 0;
        }
    }
}

// widen_codes writes 16 codes as numbers: pieces `piece` and piece+1 of a row.
template <class C, i32 pieces> DEVICE void widen_codes(const Tile<pieces>& to, i32 row, i32 piece, const U32x4& codes) {
    const u32 words[4] = {codes.x, codes.y, codes.z, codes.w};
    u32 wide[8];
    UNROLL
    for (i32 i = 0; i < 4; i++) wide[2 * i] = C::template two<0>(words[i]), wide[2 * i + 1] = C::template two<1>(words[i]);
    store16(Tile<pieces>::at(to, row, piece), {wide[0], wide[1], wide[2], wide[3]});
    store16(Tile<pieces>::at(to, row, piece + 1), {wide[4], wide[5], wide[6], wide[7]});
}
