// attention_prefill_C_D: attention (attention.cu) of many rows of a sequence,
// head size D, by tensor cores (FlashAttention-2, arXiv 2307.08691). The queries
// of an item and a KV head are its rows times the heads that share it. A block
// does PREFILL_QUERIES of them, a warp 16. Keys and values come 64 positions at
// a time, the next on their way meanwhile.
//
// A row's result depends on its own position alone: blocks of positions are
// those of the cache, a block that a row does not see leaves its state as it
// is, and what a row does not see never meets it, not even as 0 * infinity.
// Blocks before the windows of all queries are not read, and where windows begin
// scores are masked.
//
// Shared memory: two stages of keys and values; a word for each position.
#include "gpu.h"
#include "attention_tiles.h"

constexpr i32 WARPS = ATTENTION_THREADS / WARP;
static_assert(PREFILL_QUERIES == 16 * WARPS, "a warp does 16 queries");

// Stages is the block's shared memory. Of types that are not coded, stage i
// has keys and values as they are multiplied. Codes stand in two stages of
// half the size, and are widened into a third place.
template <class C, i32 D> struct Stages {
    static constexpr i32 tile = BLOCK_POSITIONS * D * 2;
    static constexpr i32 stage = 2 * BLOCK_POSITIONS * D * C::bytes;

    DEVICE u8* raw(i32 i) { return shared() + i % 2 * stage; }
    DEVICE u8* wide(i32 i) { return IsCoded<C>::value ? shared() + 2 * stage : raw(i); }
    DEVICE Tile<D / 8> keys(i32 i) { return {wide(i)}; }
    DEVICE Tile<D / 8> values(i32 i) { return {wide(i) + tile}; }
    DEVICE u32* bad() { return reinterpret_cast<u32*>(shared() + 4 * tile); }
};

// fetch starts the copies of block i of a sequence, zeros from position
// `limit` of it on.
template <class C, i32 D> DEVICE void fetch(const KvArgs& cache, i64 row, i32 i, i32 limit) {
    constexpr i32 pieces = D * C::bytes / 16;
    UNROLL
    for (i32 n = 0; n < BLOCK_POSITIONS * pieces / ATTENTION_THREADS; n++) {
        const i32 at = n * ATTENTION_THREADS + thread(), position = at / pieces, piece = at % pieces;
        const bool there = position < limit;
        const i64 from = (row + (there ? position : 0)) * (D * C::bytes) + piece * 16;
        u8 *key, *value;
        if (IsCoded<C>::value) {
            key = Stages<C, D>::raw(i) + at * 16;
            value = key + BLOCK_POSITIONS * D;
        } else {
            key = Tile<D / 8>::at(Stages<C, D>::keys(i), position, piece);
            value = Tile<D / 8>::at(Stages<C, D>::values(i), position, piece);
        }
        copy_async(key, cache.k + from, there ? 16 : 0);
        copy_async(value, cache.v + from, there ? 16 : 0);
    }
}

// widen makes numbers of the codes of block i.
template <class C, i32 D> DEVICE void widen(i32 i) {
    typedef Stages<C, D> S;
    constexpr i32 pieces = D / 16;
    NO_UNROLL
    for (i32 n = 0; n < BLOCK_POSITIONS * pieces / ATTENTION_THREADS; n++) {
        const i32 at = n * ATTENTION_THREADS + thread(), position = at / pieces, piece = at % pieces;
        const u8* codes = S::raw(i) + at * 16;
        widen_codes<C>(S::keys(i), position, 2 * piece, load16(codes));
        widen_codes<C>(S::values(i), position, 2 * piece, load16(codes + BLOCK_POSITIONS * D));
    }
}

// not_finite reports whether one of two 16-bit numbers is infinite or NaN.
template <class C> DEVICE bool not_finite(u32 two) {
    constexpr u32 low = NumbersOf<C>::type::exponent, high = low << 16;
    return (two & low) == low || (two & high) == high;
}

// clean is for a block that some queries do not see all of: values that are not
// finite must not meet them. They become 0, and their positions are marked.
template <class C, i32 D> DEVICE void clean(i32 i) {
    constexpr i32 pieces = D / 8;
    NO_UNROLL
    for (i32 n = 0; n < BLOCK_POSITIONS * pieces / ATTENTION_THREADS; n++) {
        const i32 at = n * ATTENTION_THREADS + thread(), position = at / pieces, piece = at % pieces;
        u8* p = Tile<pieces>::at(Stages<C, D>::values(i), position, piece);
        const U32x4 v = load16(p);
        if (not_finite<C>(v.x) || not_finite<C>(v.y) || not_finite<C>(v.z) || not_finite<C>(v.w)) {
            store16(p, {0, 0, 0, 0});
            atomic_or(Stages<C, D>::bad() + position, 1);
        }
    }
}

// spoil makes the rows NaN that see a marked position of a block, up to `seen`.
template <i32 D> DEVICE void spoil(Running<D>& r, const u32* bad, const i32 (&seen)[2], i32 window) {
    NO_UNROLL
    for (i32 p = 0; p < BLOCK_POSITIONS; p++) {
        UNROLL
        for (i32 row = 0; row < 2; row++) {
            if (bad[p] && u32(seen[row] - p) < u32(window)) r.total[row] = bits<float>(0x7fc00000u);
        }
    }
}

template <class C, i32 D> DEVICE void attention_prefill(const AttentionArgs& args) {
    typedef Stages<C, D> S;
    const i32 number = *args.count - 1 - block_x(); // of a sequence, those that see most come first
    if (number < 0) return;
    const AttentionItem item = args.items[number];
    const KvArgs& cache = args.cache;
    const i32 share = args.heads / cache.kvHeads, head = block_y() / share;
    const i32 first_query = block_y() % share * PREFILL_QUERIES, queries = item.rows * share;
    if (first_query >= queries) return;

    // The lane's two queries: position, and address in q and out.
    i32 position[2];
    i64 at[2];
    bool there[2];
    UNROLL
    for (i32 i = 0; i < 2; i++) {
        const i32 query = first_query + 16 * warp() + lane() / 4 + 8 * i;
        there[i] = query < queries;
        const i32 row = (there[i] ? query : first_query) / share;
        position[i] = item.position + row;
        at[i] = (i64(item.row + row) * args.heads + head * share + query % share) * D;
    }
    Queries<C, D> q;
    Queries<C, D>::load(q, there[0] ? args.q + at[0] : nullptr, there[1] ? args.q + at[1] : nullptr, args.scale * LOG2E);

    // Positions that all queries of the block see, if their windows reach it, and that any does.
    const i32 all = item.position + first_query / share;
    const i32 last = item.position + least(first_query + PREFILL_QUERIES - 1, queries - 1) / share;
    const i32 begin = greatest(0, all + 1 - args.window) / BLOCK_POSITIONS, end = last / BLOCK_POSITIONS + 1;
    const auto row_of = [&](i32 b) { return (i64(args.table[item.table + b]) * cache.kvHeads + head) * BLOCK_POSITIONS; };
    const auto start = [&](i32 b) {
        if (b < end) fetch<C, D>(cache, row_of(b), b, last + 1 - b * BLOCK_POSITIONS);
        commit_async();
    };
    for (i32 i = thread(); i < BLOCK_POSITIONS; i += ATTENTION_THREADS) S::bad()[i] = 0;
    Running<D> r;
    Running<D>::begin(r);
    start(begin);
    NO_UNROLL
    for (i32 b = begin; b < end; b++) {
        const i32 first = b * BLOCK_POSITIONS;
        const bool edge = first <= last - args.window; // windows begin here
        const bool partial = first + BLOCK_POSITIONS - 1 > all || edge;
        wait_async<0>();
        sync(); // block b is there, and all are done with the one before
        start(b + 1);
        if constexpr (IsCoded<C>::value) {
            widen<C, D>(b);
            sync();
        }
        if (!C::scaled && partial) {
            clean<C, D>(b);
            sync();
        }
        const i32 seen[2] = {position[0] - first, position[1] - first}; // greatest column of each row
        float s[BLOCK_POSITIONS / 8][4];
        score(s, q, S::keys(b), 0);
        if (C::scaled) scale_columns(s, cache.kScale + row_of(b), last + 1 - first);
        const auto sees = [&](i32 row, i32 column) { return column <= seen[row]; };
        const i32 from[2] = {seen[0] + 1 - args.window, seen[1] + 1 - args.window};
        if (edge) hide(s, from, minus_infinity());
        weigh(r, s, sees);
        if (C::scaled) scale_weights(s, cache.vScale + row_of(b), sees);
        if (C::scaled && edge) hide(s, from, 0); // scales may be anything
        add<C>(r, s, S::values(b), 0);
        if (!C::scaled && partial) {
            spoil(r, S::bad(), seen, args.window);
            sync(); // before others clear or mark again
            for (i32 i = thread(); i < BLOCK_POSITIONS; i += ATTENTION_THREADS) S::bad()[i] = 0;
        }
    }
    UNROLL
    for (i32 i = 0; i < 2; i++) {
        const float total = quad_sum(r.total[i]);
        UNROLL
        for (i32 d = 0; d < D / 8; d++) {
            const float x = r.sums[d][2 * i] / total, y = r.sums[d][2 * i + 1] / total;
            if (there[i]) store8(args.out + at[i] + 8 * d + lane() % 4 * 2, {bits<u32>(x), bits<u32>(y)});
        }
    }
}

KERNEL(attention_prefill_f16_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheF16, 64>(args); }
KERNEL(attention_prefill_f16_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheF16, 128>(args); }
KERNEL(attention_prefill_bf16_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheBF16, 64>(args); }
KERNEL(attention_prefill_bf16_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheBF16, 128>(args); }
KERNEL(attention_prefill_f8_e4m3_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheF8, 64>(args); }
KERNEL(attention_prefill_f8_e4m3_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheF8, 128>(args); }
KERNEL(attention_prefill_i8_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheI8, 64>(args); }
KERNEL(attention_prefill_i8_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_prefill<CacheI8, 128>(args); }
