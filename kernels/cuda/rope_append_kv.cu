// rope_append_kv: rotates the pairs of each head of q [n, heads, dim] in place and
// of k [n, kvHeads, dim], pair i of row r by the angle positions[r] * inv[i]
// (RoFormer, arXiv 2104.09864), and stores k so and v at slots [n] of the cache,
// rounded to its type. A warp does a head at a time, the first `rotating` blocks of
// a row heads of q and k, the others of v.
//
// The angle is a product of doubles, reduced to a quarter turn as one; sine and
// cosine are then floats. So positions up to 2^20 are no less exact than small
// ones.
#include "gpu.h"
#include "cache.h"

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

constexpr i32 WARPS = ROW_THREADS / WARP;
constexpr i32 BATCH = 2; // pairs that a lane has on their way

// rotate_head rotates the pairs of a head by turns [dim/2].
DEVICE void rotate_head(float* to, const float* from, const F32x2* turns, i32 half, bool interleaved) {
    const i32 step = interleaved ? 2 : 1, apart = interleaved ? 1 : half;
    for (i32 pair = lane(); pair < half; pair += BATCH * WARP) {
        float x[BATCH], y[BATCH];
        UNROLL
        for (i32 i = 0; i < BATCH; i++) {
            const i32 at = least(pair + i * WARP, half - 1) * step;
            x[i] = from[at], y[i] = from[at + apart];
        }
        UNROLL
        for (i32 i = 0; i < BATCH; i++) {
            if (pair + i * WARP >= half) break;
            const F32x2 turn = turns[pair + i * WARP]; // sine, cosine
            const i32 at = (pair + i * WARP) * step;
            to[at] = x[i] * turn.y - y[i] * turn.x;
            to[at + apart] = x[i] * turn.x + y[i] * turn.y;
        }
    }
}

// Shared memory: sine and cosine of each pair, then a head for each warp.
// Positions, slots and frequencies are read before the wait: they come from the host.
template <class C> DEVICE void rope_append_kv(const RopeAppendKvArgs& args) {
    let_next_start();
    const KvArgs& cache = args.cache;
    const i32 dim = cache.dim, half = dim / 2, slot = args.slots[block_x()];
    const bool stores = slot >= 0 && slot < cache.blocks * BLOCK_POSITIONS;
    const i64 row = block_x(), before = i64(slot / BLOCK_POSITIONS) * cache.kvHeads;
    const auto place = [&](i32 head) { return (before + head) * BLOCK_POSITIONS + slot % BLOCK_POSITIONS; };
    if (block_y() >= args.rotating) {
        wait_for_previous();
        if (!stores) return;
        for (i32 h = (block_y() - args.rotating) * WARPS + warp(); h < cache.kvHeads; h += (grid_y() - args.rotating) * WARPS) {
            C::store(cache.v, cache.vScale, place(h), args.v + (row * cache.kvHeads + h) * dim, dim);
        }
        return;
    }
    F32x2* turns = reinterpret_cast<F32x2*>(shared());
    float* key = reinterpret_cast<float*>(turns + half) + warp() * dim;
    const double position = args.positions[block_x()];
    for (i32 i = thread(); i < half; i += ROW_THREADS) {
        float sine, cosine;
        turn(position * double(args.inv[i]), sine, cosine);
        turns[i] = {sine * args.scale, cosine * args.scale};
    }
    sync();
    wait_for_previous();
    if (!stores && slot != -1 && thread() == 0 && block_y() == 0) report(args.fault, FAULT_SLOT, slot); // -1: not to be stored
    for (i32 h = block_y() * WARPS + warp(); h < args.heads + cache.kvHeads; h += args.rotating * WARPS) {
        if (h < args.heads) {
            float* query = args.q + (row * args.heads + h) * dim;
            rotate_head(query, query, turns, half, args.interleaved);
            continue;
        }
        if (!stores) return;
        rotate_head(key, args.k + (row * cache.kvHeads + h - args.heads) * dim, turns, half, args.interleaved);
        sync_warp();
        C::store(cache.k, cache.kScale, place(h - args.heads), key, dim);
        sync_warp();
    }
}

EARLY_KERNEL(rope_append_kv_f32, RopeAppendKvArgs, ROW_THREADS, 1) { rope_append_kv<CacheF32>(args); }
EARLY_KERNEL(rope_append_kv_f16, RopeAppendKvArgs, ROW_THREADS, 1) { rope_append_kv<CacheF16>(args); }
EARLY_KERNEL(rope_append_kv_bf16, RopeAppendKvArgs, ROW_THREADS, 1) { rope_append_kv<CacheBF16>(args); }
EARLY_KERNEL(rope_append_kv_f8_e4m3, RopeAppendKvArgs, ROW_THREADS, 1) { rope_append_kv<CacheF8>(args); }
EARLY_KERNEL(rope_append_kv_i8, RopeAppendKvArgs, ROW_THREADS, 1) { rope_append_kv<CacheI8>(args); }
