// rope: rotates the pairs of each head of q [n, heads, dim] and k [n, kvHeads,
// dim] in place, pair i of row r by the angle positions[r] * inv[i] (RoFormer,
// arXiv 2104.09864). A block does a row, a thread the same pair of many heads.
//
// The angle is a product of doubles, reduced to a quarter turn as one; sine and
// cosine are then floats. So positions up to 2^20 are no less exact than small
// ones.
#include "gpu.h"

// turn is the sine and cosine of an angle, to 1e-7.
DEVICE void turn(double angle, float& sine, float& cosine) {
    const double quarters = nearest(angle * 0.63661977236758134);
    const double rest = fma(quarters, -6.1232339957367660e-17, fma(quarters, -1.5707963267948966, angle));
    const i32 quarter = i32(i64(quarters) & 3);
    const float r = float(rest), z = r * r;
    // Minimax polynomials of Cephes (Moshier) for |r| <= pi/4.
    const float s = fma(fma(fma(-1.9515295891e-4f, z, 8.3321608736e-3f), z, -1.6666654611e-1f), z * r, r);
    const float c = fma(fma(fma(2.443315711809948e-5f, z, -1.388731625493765e-3f), z, 4.166664568298827e-2f), z * z, fma(-0.5f, z, 1));
    sine = quarter & 1 ? c : s;
    cosine = quarter & 1 ? s : c;
    if (quarter & 2) sine = -sine;
    if (quarter == 1 || quarter == 2) cosine = -cosine;
}

constexpr i32 BATCH = 8; // heads that a thread has on their way

KERNEL(rope, RopeArgs, ROW_THREADS, 1) {
    const i32 half = args.dim / 2;
    const i32 span = least(half, ROW_THREADS); // pairs side by side
    const i32 abreast = ROW_THREADS / span;    // heads
    const i32 first = thread() / span;
    if (first >= abreast) return;
    const double position = args.positions[block_x()];
    const i64 row = block_x();
    for (i32 pair = thread() % span; pair < half; pair += span) {
        float sine, cosine;
        turn(position * double(args.inv[pair]), sine, cosine);
        const i32 a = args.interleaved ? 2 * pair : pair;
        const i32 b = args.interleaved ? 2 * pair + 1 : pair + half;
        const i32 heads = args.heads + args.kvHeads;
        for (i32 h = first; h < heads; h += BATCH * abreast) {
            float *head[BATCH], x[BATCH], y[BATCH];
            UNROLL
            for (i32 i = 0; i < BATCH; i++) {
                const i32 at = least(h + i * abreast, heads - 1);
                head[i] = at < args.heads ? args.q + (row * args.heads + at) * args.dim
                                          : args.k + (row * args.kvHeads + at - args.heads) * args.dim;
                x[i] = head[i][a], y[i] = head[i][b];
            }
            UNROLL
            for (i32 i = 0; i < BATCH; i++) {
                if (h + i * abreast >= heads) break;
                head[i][a] = x[i] * cosine - y[i] * sine;
                head[i][b] = x[i] * sine + y[i] * cosine;
            }
        }
    }
}
