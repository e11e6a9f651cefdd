// attention: out [n, heads, dim] = softmax(scale q kᵀ) v over the positions of
// each row's own sequence up to its own, from the paged cache, with a running
// maximum and sum (Milakov and Gimelshein, arXiv 1805.02867). Of a window these are
// the last positions, and blocks of the cache before them are not read.
//
// attention_any_C: every type and head size. A block does one row of an item and
// the heads that share one KV head, 64 positions (a block of the cache) at a time.
// Scores and sums are taken in order of dimension and position: a row's result
// depends on its own position alone.
#include "gpu.h"
#include "cache.h"
#include "functions.h"

constexpr i32 WARPS = ATTENTION_THREADS / WARP;

// Work is a block's shared memory, for `share` heads.
struct Work {
    float* q;      // [share, dim], scaled
    float* scores; // [share, 64], then weights
    float* sums;   // [share, dim] of weighted values
    float* highest; // [share]
    float* total;   // [share] of weights

    DEVICE Work of(i32 share, i32 dim) {
        float* p = reinterpret_cast<float*>(shared());
        Work w;
        w.q = p;
        w.scores = w.q + share * dim;
        w.sums = w.scores + share * BLOCK_POSITIONS;
        w.highest = w.sums + share * dim;
        w.total = w.highest + share;
        return w;
    }
};

constexpr float NONE = -3.402823466e38f; // below all scores

// Seen is the positions of a block that a row sees: [from, end).
struct Seen {
    i32 from, end;

    DEVICE bool has(const Seen& s, i32 position) { return position >= s.from && position < s.end; }
};

// score fills scores [share, 64] of what is seen: a thread does one position, of some heads.
template <class C> DEVICE void score(const Work& w, const KvArgs& cache, i64 row, i32 share, const Seen& seen) {
    constexpr i32 abreast = ATTENTION_THREADS / BLOCK_POSITIONS, heads = 4;
    const i32 position = thread() % BLOCK_POSITIONS;
    if (!Seen::has(seen, position)) return;
    const u8* key = cache.k + (row + position) * cache.dim * C::bytes;
    const float scale = C::scale(cache.kScale, row + position);
    for (i32 h = thread() / BLOCK_POSITIONS * heads; h < share; h += abreast * heads) {
        const i32 n = least(heads, share - h);
        float s[heads] = {};
        for (i32 i = 0; i < cache.dim; i++) {
            const float k = C::load(key, i) * scale;
            UNROLL
            for (i32 j = 0; j < heads; j++) {
                if (j < n) s[j] = fma(w.q[(h + j) * cache.dim + i], k, s[j]);
            }
        }
        UNROLL
        for (i32 j = 0; j < heads; j++) {
            if (j < n) w.scores[(h + j) * BLOCK_POSITIONS + position] = s[j];
        }
    }
}

// weigh turns the scores of what is seen into weights relative to the
// greatest score so far: a warp does a head, a lane two positions.
DEVICE void weigh(const Work& w, i32 share, i32 dim, const Seen& seen) {
    const bool sees_a = Seen::has(seen, lane()), sees_b = Seen::has(seen, lane() + WARP);
    for (i32 h = warp(); h < share; h += WARPS) {
        float* s = w.scores + h * BLOCK_POSITIONS + lane();
        const float a = sees_a ? s[0] : NONE, b = sees_b ? s[WARP] : NONE;
        const float before = w.highest[h];
        const float highest = greatest(before, warp_max(greatest(a, b)));
        const float wa = sees_a ? exponential(a - highest) : 0;
        const float wb = sees_b ? exponential(b - highest) : 0;
        s[0] = wa;
        s[WARP] = wb;
        const float total = warp_sum(wa + wb);
        const float shrink = exponential(before - highest);
        for (i32 i = lane(); i < dim; i += WARP) w.sums[h * dim + i] = w.sums[h * dim + i] * shrink;
        sync_warp(); // all lanes have read what it was
        if (lane() == 0) {
            w.highest[h] = highest;
            w.total[h] = w.total[h] * shrink + total;
        }
        sync_warp();
    }
}

// add sums the weighted values of what is seen: a thread does a column of some heads.
template <class C> DEVICE void add(const Work& w, const KvArgs& cache, i64 row, i32 share, const Seen& seen) {
    constexpr i32 heads = 4;
    const i32 span = least(cache.dim, ATTENTION_THREADS), abreast = ATTENTION_THREADS / span;
    const i32 first = thread() / span;
    if (first >= abreast) return;
    const u8* values = cache.v + row * cache.dim * C::bytes;
    for (i32 i = thread() % span; i < cache.dim; i += span) {
        for (i32 h = first * heads; h < share; h += abreast * heads) {
            const i32 n = least(heads, share - h);
            float s[heads];
            UNROLL
            for (i32 j = 0; j < heads; j++) s[j] = j < n ? w.sums[(h + j) * cache.dim + i] : 0;
            for (i32 p = seen.from; p < seen.end; p++) {
                const float v = C::load(values + i64(p) * cache.dim * C::bytes, i) * C::scale(cache.vScale, row + p);
                UNROLL
                for (i32 j = 0; j < heads; j++) {
                    if (j < n) s[j] = fma(w.scores[(h + j) * BLOCK_POSITIONS + p], v, s[j]);
                }
            }
            UNROLL
            for (i32 j = 0; j < heads; j++) {
                if (j < n) w.sums[(h + j) * cache.dim + i] = s[j];
            }
        }
    }
}

template <class C> DEVICE void attention_any(const AttentionArgs& args) {
    const i32 number = args.first + block_x();
    if (number >= *args.count) return;
    const AttentionItem item = args.items[number];
    const KvArgs& cache = args.cache;
    const i32 rows = grid_y() / cache.kvHeads, item_row = block_y() % rows, head = block_y() / rows;
    if (item_row >= item.rows) return;
    const i32 dim = cache.dim, share = args.heads / cache.kvHeads, last = item.position + item_row;
    const Work w = Work::of(share, dim);
    const i64 at = (i64(item.row + item_row) * args.heads + head * share) * dim;
    for (i32 i = thread(); i < share * dim; i += ATTENTION_THREADS) {
        w.q[i] = args.q[at + i] * args.scale;
        w.sums[i] = 0;
    }
    for (i32 h = thread(); h < share; h += ATTENTION_THREADS) {
        w.highest[h] = NONE;
        w.total[h] = 0;
    }
    const i32 since = greatest(0, last + 1 - args.window); // the first position that the row sees
    for (i32 first = since / BLOCK_POSITIONS * BLOCK_POSITIONS; first <= last; first += BLOCK_POSITIONS) {
        const Seen seen = {greatest(0, since - first), least(BLOCK_POSITIONS, last - first + 1)};
        const i32 block = args.table[item.table + first / BLOCK_POSITIONS];
        const i64 row = (i64(block) * cache.kvHeads + head) * BLOCK_POSITIONS;
        sync();
        score<C>(w, cache, row, share, seen);
        sync();
        weigh(w, share, dim, seen);
        sync();
        add<C>(w, cache, row, share, seen);
    }
    sync();
    for (i32 i = thread(); i < share * dim; i += ATTENTION_THREADS) args.out[at + i] = w.sums[i] / w.total[i / dim];
}

KERNEL(attention_any_f32, AttentionArgs, ATTENTION_THREADS, 1) { attention_any<CacheF32>(args); }
KERNEL(attention_any_f16, AttentionArgs, ATTENTION_THREADS, 1) { attention_any<CacheF16>(args); }
KERNEL(attention_any_bf16, AttentionArgs, ATTENTION_THREADS, 1) { attention_any<CacheBF16>(args); }
KERNEL(attention_any_f8_e4m3, AttentionArgs, ATTENTION_THREADS, 1) { attention_any<CacheF8>(args); }
KERNEL(attention_any_i8, AttentionArgs, ATTENTION_THREADS, 1) { attention_any<CacheI8>(args); }
