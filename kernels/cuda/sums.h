// How a product of matrices ends: each thread scales its sums and writes them.
#pragma once

#include "functions.h"

// Beside is what a thread reads for the sums of `tiles` tiles: scales of their tokens
// and rows, and, of a gated product, what stands in their place.
template <i32 tiles> struct Beside {
    float x[2 * tiles], w[2], gate[4 * tiles];

    template <class Args> DEVICE void read(Beside& b, const Args& args, i32 row, i32 token) {
        const float *out = args.out + token * args.ldOut + row, *scale = args.xScale + token;
        UNROLL
        for (i32 i = 0; i < 2; i++) b.w[i] = args.wScale && row + 8 * i < args.rows ? args.wScale[row + 8 * i] : 1;
        UNROLL
        for (i32 j = 0; j < 2 * tiles; j++) {
            const i32 t = j / 2 * 8 + j % 2;
            b.x[j] = token + t < args.n ? scale[t] : 0;
        }
        if (!args.gated) return;
        UNROLL
        for (i32 j = 0; j < 2 * tiles; j++) {
            const i32 t = j / 2 * 8 + j % 2;
            UNROLL
            for (i32 i = 0; i < 2; i++) {
                b.gate[j / 2 * 4 + 2 * i + j % 2] = token + t < args.n && row + 8 * i < args.rows ? out[8 * i] : 0;
            }
            out += (j % 2 ? 7 : 1) * args.ldOut;
        }
    }
};

// write_sums writes the sums of M x T tiles of 16 rows by 8 tokens, each as
// multiply_f16 has it: row and token are the lane's first. It takes some tiles
// at a time, always the first ones of d, so that the code is short; and reads what
// the next ones need before it writes, since reads do not overtake writes. d is
// used up.
template <i32 M, i32 T, class Args> DEVICE void write_sums(const Args& args, float (&d)[4 * M * T], i32 row, i32 token) {
    constexpr i32 tiles = T < 4 ? T : 4, batch = 4 * tiles;
    Beside<tiles> next = {};
    Beside<tiles>::read(next, args, row, token);
    NO_UNROLL
    for (i32 tile = 0; tile < M * T; tile += tiles) {
        const Beside<tiles> now = next;
        const i32 r = row + tile / T * 16, t0 = token + tile % T * 8, after = tile + tiles;
        if (after < M * T) Beside<tiles>::read(next, args, row + after / T * 16, token + after % T * 8);
        float v[batch];
        UNROLL
        for (i32 i = 0; i < batch; i++) v[i] = d[i] * (now.x[i / 4 * 2 + i % 2] * now.w[i / 2 % 2]);
        if (args.gated) {
            UNROLL
            for (i32 i = 0; i < batch; i++) v[i] = silu(now.gate[i]) * v[i];
        }
        float* out = args.out + t0 * args.ldOut + r;
        UNROLL
        for (i32 j = 0; j < 2 * tiles; j++) {
            const i32 t = t0 + j / 2 * 8 + j % 2;
            UNROLL
            for (i32 i = 0; i < 2; i++) {
                if (t < args.n && r + 8 * i < args.rows) out[8 * i] = v[j / 2 * 4 + 2 * i + j % 2];
            }
            out += (j % 2 ? 7 : 1) * args.ldOut;
        }
        UNROLL
        for (i32 i = batch; i < 4 * M * T; i++) d[i - batch] = d[i];
    }
}
