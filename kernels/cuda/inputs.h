// Inputs of products: rows of F16 numbers (scale.h) in the order of weights'
// columns, and the sums of 16 and of 32 of them.
//
// A thread of a block that does a row has quads of it: 4 columns side by side. A
// warp has whole units, and a step of 16 columns is that of 4 lanes. What it does
// for its quads it does for all of them at once, so that they do not wait for each
// other.
#pragma once

#include "scale.h"
#include "weights.h"

#define QUAD i32(4)

// read_quad reads a quad of a row of n columns, zeros from n on. `whole`: n is a
// multiple of QUAD and the row aligned to 16 bytes, here and below.
template <bool whole> DEVICE void read_quad(float (&v)[QUAD], const float* from, i32 column, i32 n) {
    if (whole) {
        floats(v, column < n ? load16(from + column) : U32x4{});
        return;
    }
    UNROLL
    for (i32 c = 0; c < QUAD; c++) v[c] = column + c < n ? from[column + c] : 0;
}

// write_quad writes a quad of a whole row.
DEVICE void write_quad(float* to, const float (&v)[QUAD], i32 column, i32 n) {
    if (column < n) store16(to + column, {bits<u32>(v[0]), bits<u32>(v[1]), bits<u32>(v[2]), bits<u32>(v[3])});
}

// Greatest is the greatest magnitude of some numbers, as bits, by column of their quads.
// NaN counts as the greatest: whatever its row is divided by, its products are NaN.
struct Greatest {
    u32 of[QUAD];

    DEVICE void take(Greatest& g, const float (&v)[QUAD]) {
        UNROLL
        for (i32 c = 0; c < QUAD; c++) g.of[c] = greatest(g.of[c], bits<u32>(magnitude(v[c])));
    }

    // block_shift returns to the threads of a block the exponent of what their row is
    // divided by. warps, shared memory, has a number for each warp.
    template <i32 threads> DEVICE i32 block_shift(const Greatest& g, u32* warps) {
        u32 most = warp_max(greatest(greatest(g.of[0], g.of[1]), greatest(g.of[2], g.of[3])));
        if (lane() == 0) warps[warp()] = most;
        sync();
        UNROLL
        for (i32 w = 0; w < threads / WARP; w++) most = greatest(most, warps[w]);
        return shift_of(bits<float>(most));
    }
};

// convert_quads writes quads divided by 2^shift, and their sums: quad k begins at
// column first + k stride.
template <i32 count>
DEVICE void convert_quads(const InputArgs& to, i64 row, const float (&v)[count][QUAD], i32 first, i32 stride, i32 shift) {
    const float down = power_of_two(-shift);
    const i32 part = first / QUAD % 4;
    // A lane's numbers of a step are its columns 2t, 2t + 1, 2t + 8, 2t + 9.
    u16* x = to.x + row * to.ld + part % 2 * 2 * LANE_COLUMNS + first / 16 % (UNIT / 16) * 4 + part / 2 * 2;
    u32 low[count], high[count];
    UNROLL
    for (i32 k = 0; k < count; k++) {
        const i32 column = first + k * stride;
        low[k] = pack_f16(v[k][0] * down, v[k][1] * down), high[k] = pack_f16(v[k][2] * down, v[k][3] * down);
        if (column >= to.ld) continue;
        *reinterpret_cast<u32*>(x + column / UNIT * UNIT) = low[k];
        *reinterpret_cast<u32*>(x + column / UNIT * UNIT + LANE_COLUMNS) = high[k];
    }
    if (to.sums16 == nullptr) return;
    // From column to column: each lane adds to what the one before it has.
    float sum[count] = {};
    UNROLL
    for (i32 p = 0; p < 4; p++) {
        UNROLL
        for (i32 k = 0; k < count; k++) {
            sum[k] = sum[k] + half_of(low[k], 0);
            sum[k] = sum[k] + half_of(low[k], 1);
            sum[k] = sum[k] + half_of(high[k], 0);
            sum[k] = sum[k] + half_of(high[k], 1);
        }
        UNROLL
        for (i32 k = 0; k < count; k++) sum[k] = shuffle(sum[k], lane() / 4 * 4 + p);
    }
    UNROLL
    for (i32 k = 0; k < count; k++) {
        const float both = sum[k] + shuffle_xor(sum[k], 4); // of a step and the next, in a lane of the first
        const i32 step = (first + k * stride) / 16;
        if (part != 0 || step * 16 >= to.ld) continue;
        to.sums16[i64(step) * to.stride + row] = sum[k];
        if (step % 2 == 0) to.sums32[i64(step / 2) * to.stride + row] = both;
    }
}

// convert_row writes a row of which a block's threads have all quads: quad k of a
// thread begins at column QUAD (k threads + thread()). warps as above.
template <i32 threads, i32 count>
DEVICE void convert_row(const InputArgs& to, i64 row, const float (&v)[count][QUAD], float* warps) {
    Greatest most = {};
    UNROLL
    for (i32 k = 0; k < count; k++) Greatest::take(most, v[k]);
    const i32 shift = Greatest::block_shift<threads>(most, reinterpret_cast<u32*>(warps));
    if (thread() == 0) to.scale[row] = power_of_two(shift);
    convert_quads(to, row, v, QUAD * thread(), QUAD * threads, shift);
}
