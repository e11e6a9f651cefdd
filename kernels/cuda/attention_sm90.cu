// attention_sm90_C_D: what attention_prefill_C_D (attention_prefill.cu) computes,
// in the order of FlashAttention-3 (arXiv 2407.08608). A block has three groups of
// four warps. The first asks the copy engine for keys and values, a block of the
// cache at a time, each through a ring of its own. The others do 64 queries each:
// the scores of the next block and the weighted values of this one are multiplied
// while the scores become weights. Queries and weights are operands in registers.
//
// What a row does not see never meets it: see attention_prefill.cu. Where the copy
// engine brings more than a row sees, scores are masked and values cleaned.
//
// Shared memory: keys and values; barriers; a word for each position.
//
// only sm_90a
// expect HGMMA UTMALDG SYNCS USETMAXREG: attention_sm90_
#include "gpu.h"
#include "hopper.h"
#include "attention_tiles.h"

constexpr i32 GROUP = 4 * WARP;
constexpr i32 READERS = SM90_THREADS - GROUP; // threads that multiply
constexpr i32 BOX = BLOCK_POSITIONS * 128;    // bytes of 64 columns of a block
static_assert(SM90_QUERIES == READERS / 2, "a group does 64 queries");
typedef Ring<SM90_ATTENTION_STAGES> Stages;

// Rings is the block's shared memory: stages of keys and of values, barriers for
// what came and for what was read of each.
template <i32 D> struct Rings {
    static constexpr i32 bytes = BLOCK_POSITIONS * D * 2, count = SM90_ATTENTION_STAGES;

    DEVICE u8* keys(i32 i) { return shared() + i * bytes; }
    DEVICE u8* values(i32 i) { return shared() + (count + i) * bytes; }
    DEVICE Mbarrier* barriers() { return reinterpret_cast<Mbarrier*>(shared() + 2 * count * bytes); }
    DEVICE Mbarrier* full_keys(i32 i) { return barriers() + i; }
    DEVICE Mbarrier* full_values(i32 i) { return barriers() + count + i; }
    DEVICE Mbarrier* empty_keys(i32 i) { return barriers() + 2 * count + i; }
    DEVICE Mbarrier* empty_values(i32 i) { return barriers() + 3 * count + i; }
    DEVICE u32* bad() { return reinterpret_cast<u32*>(barriers() + 4 * count); }
};

// Part is a block's share of an item: queries of one KV head.
struct Part {
    AttentionItem item;
    i32 share, head, first, queries; // first of the queries
    i32 all, last;                   // positions: that all see, if their windows reach it; that any sees
    i32 begin, end;                  // blocks of the cache that any sees
};

// fetch keeps the rings filled. One thread does it.
template <i32 D> DEVICE void fetch(const AttentionSm90Args& args, const Part& p) {
    typedef Rings<D> R;
    const i32* table = args.a.table + p.item.table;
    Stages ring;
    i32 next = table[p.begin];
    NO_UNROLL
    for (i32 b = p.begin; b < p.end; b++) {
        const i32 row = (next * args.a.cache.kvHeads + p.head) * BLOCK_POSITIONS;
        if (b + 1 < p.end) next = table[b + 1];
        wait(R::empty_keys(ring.at), ring.parity ^ 1);
        arrive_expecting(R::full_keys(ring.at), R::bytes);
        UNROLL
        for (i32 i = 0; i < D / 64; i++) copy_box(R::keys(ring.at) + i * BOX, args.k, 64 * i, row, R::full_keys(ring.at));
        wait(R::empty_values(ring.at), ring.parity ^ 1);
        arrive_expecting(R::full_values(ring.at), R::bytes);
        UNROLL
        for (i32 i = 0; i < D / 64; i++) copy_box(R::values(ring.at) + i * BOX, args.v, 64 * i, row, R::full_values(ring.at));
        Stages::next(ring);
    }
}

// done says that this warp has read a stage.
DEVICE void done(Mbarrier* empty) {
    if (lane() == 0) arrive(empty);
}

template <class C, i32 n> DEVICE void group_multiply(float (&d)[n], const u32 (&a)[4], u64 b) {
    if constexpr (NumbersOf<C>::type::exponent == HalfF16::exponent) {
        group_multiply_f16(d, a, b);
    } else {
        group_multiply_bf16(d, a, b);
    }
}

template <class C, i32 n> DEVICE void group_multiply_columns(float (&d)[n], const u32 (&a)[4], u64 b) {
    if constexpr (NumbersOf<C>::type::exponent == HalfF16::exponent) {
        group_multiply_f16<true>(d, a, b);
    } else {
        group_multiply_bf16<true>(d, a, b);
    }
}

// start_scores asks for the scores of a block's positions.
template <class C, i32 D> DEVICE void start_scores(float (&s)[BLOCK_POSITIONS / 8][4], Queries<C, D>& q, const u8* keys) {
    float(&flat)[BLOCK_POSITIONS / 2] = reinterpret_cast<float(&)[BLOCK_POSITIONS / 2]>(s);
    UNROLL
    for (i32 i = 0; i < BLOCK_POSITIONS / 2; i++) flat[i] = 0;
    fence_products(flat, q.a);
    UNROLL
    for (i32 k = 0; k < D / 16; k++) group_multiply<C>(flat, q.a[k], operand_rows(keys + k / 4 * BOX + k % 4 * 32));
    commit_products();
}

// start_values asks for the sums of a block's weighted values.
template <class C, i32 D> DEVICE void start_values(Running<D>& r, u32 (&p)[BLOCK_POSITIONS / 16][4], const u8* values) {
    float(&flat)[D / 2] = reinterpret_cast<float(&)[D / 2]>(r.sums);
    fence_products(flat, p);
    UNROLL
    for (i32 k = 0; k < BLOCK_POSITIONS / 16; k++) group_multiply_columns<C>(flat, p[k], operand_columns(values + k * 2048, BOX));
    commit_products();
}

// not_finite reports whether one of two 16-bit numbers is infinite or NaN.
template <class C> DEVICE bool not_finite(u32 two) {
    constexpr u32 low = NumbersOf<C>::type::exponent, high = low << 16;
    return (two & low) == low || (two & high) == high;
}

// clean makes values that are not finite 0, and marks their positions.
template <class C, i32 D> DEVICE void clean(u8* values, u32* bad) {
    NO_UNROLL
    for (i32 at = thread() - GROUP; at < BLOCK_POSITIONS * D / 8; at += READERS) {
        u8* p = values + at * 16;
        const U32x4 v = load16(p);
        if (not_finite<C>(v.x) || not_finite<C>(v.y) || not_finite<C>(v.z) || not_finite<C>(v.w)) {
            store16(p, {0, 0, 0, 0});
            atomic_or(bad + at / 8 % BLOCK_POSITIONS, 1);
        }
    }
    fence_async();
    sync_some(1, READERS);
}

// spoil makes the rows NaN that see a marked position, up to `seen`, and clears the marks.
template <i32 D> DEVICE void spoil(Running<D>& r, u32* bad, const i32 (&seen)[2], i32 window) {
    NO_UNROLL
    for (i32 p = 0; p < BLOCK_POSITIONS; p++) {
        UNROLL
        for (i32 row = 0; row < 2; row++) {
            if (bad[p] && u32(seen[row] - p) < u32(window)) r.total[row] = bits<float>(0x7fc00000u);
        }
    }
    sync_some(1, READERS);
    for (i32 i = thread() - GROUP; i < BLOCK_POSITIONS; i += READERS) bad[i] = 0;
    sync_some(1, READERS);
}

// attend does the queries of a group.
template <class C, i32 D> DEVICE void attend(const AttentionSm90Args& args, const Part& p) {
    typedef Rings<D> R;
    // The lane's two queries: position, and address in q and out.
    i32 position[2];
    i64 at[2];
    bool there[2];
    UNROLL
    for (i32 i = 0; i < 2; i++) {
        const i32 query = p.first + 16 * (warp() - 4) + lane() / 4 + 8 * i;
        there[i] = query < p.queries;
        const i32 row = (there[i] ? query : p.first) / p.share;
        position[i] = p.item.position + row;
        at[i] = (i64(p.item.row + row) * args.a.heads + p.head * p.share + query % p.share) * D;
    }
    Queries<C, D> q;
    Queries<C, D>::load(q, there[0] ? args.a.q + at[0] : nullptr, there[1] ? args.a.q + at[1] : nullptr, args.a.scale * LOG2E);

    float s[BLOCK_POSITIONS / 8][4], shrink[2];
    float(&scores)[BLOCK_POSITIONS / 2] = reinterpret_cast<float(&)[BLOCK_POSITIONS / 2]>(s);
    u32 weights[BLOCK_POSITIONS / 16][4];
    Running<D> r;
    float(&sums)[D / 2] = reinterpret_cast<float(&)[D / 2]>(r.sums);
    Running<D>::begin(r);
    Stages keys, values;
    const auto edge = [&](i32 b) { return b * BLOCK_POSITIONS <= p.last - args.a.window; }; // windows begin in block b
    const auto weigh_block = [&](i32 b) {
        if (edge(b)) {
            const i32 before = b * BLOCK_POSITIONS + args.a.window - 1, from[2] = {position[0] - before, position[1] - before};
            hide(s, from, minus_infinity());
        }
        weigh(r, shrink, s, [&](i32 row, i32 column) { return column <= position[row] - b * BLOCK_POSITIONS; });
    };
    const auto pack = [&] { // not before the products with the weights before are complete
        UNROLL
        for (i32 k = 0; k < BLOCK_POSITIONS / 16; k++) pack_weights<C>(weights[k], s, k);
    };
    const auto partial = [&](i32 b) { return (b + 1) * BLOCK_POSITIONS - 1 > p.all || edge(b); };
    // take_values starts the values of block b, end_values ends them.
    const auto take_values = [&](i32 b) {
        wait(R::full_values(values.at), values.parity);
        if (partial(b)) clean<C, D>(R::values(values.at), R::bad());
        start_values<C, D>(r, weights, R::values(values.at));
    };
    const auto end_values = [&](i32 b) {
        done(R::empty_values(values.at));
        Stages::next(values);
        const i32 seen[2] = {position[0] - b * BLOCK_POSITIONS, position[1] - b * BLOCK_POSITIONS};
        if (partial(b)) spoil(r, R::bad(), seen, args.a.window);
    };

    wait(R::full_keys(keys.at), keys.parity);
    start_scores(s, q, R::keys(keys.at));
    wait_products<0>(scores);
    done(R::empty_keys(keys.at));
    Stages::next(keys);
    weigh_block(p.begin);
    pack();
    NO_UNROLL
    for (i32 b = p.begin + 1; b < p.end; b++) {
        wait(R::full_keys(keys.at), keys.parity);
        start_scores(s, q, R::keys(keys.at));
        take_values(b - 1);
        wait_products<1>(scores);
        done(R::empty_keys(keys.at));
        Stages::next(keys);
        weigh_block(b);
        wait_products<0>(sums);
        end_values(b - 1);
        pack();
        shrink_sums(r, shrink);
    }
    take_values(p.end - 1);
    wait_products<0>(sums);
    end_values(p.end - 1);
    UNROLL
    for (i32 i = 0; i < 2; i++) {
        const float total = quad_sum(r.total[i]);
        UNROLL
        for (i32 d = 0; d < D / 8; d++) {
            const float x = r.sums[d][2 * i] / total, y = r.sums[d][2 * i + 1] / total;
            if (there[i]) store8(args.a.out + at[i] + 8 * d + lane() % 4 * 2, {bits<u32>(x), bits<u32>(y)});
        }
    }
}

template <class C, i32 D> DEVICE void attention(const AttentionSm90Args& args) {
    typedef Rings<D> R;
    const i32 number = *args.a.count - 1 - block_x(); // of a sequence, those that see most come first
    if (number < 0) return;
    Part p;
    p.item = args.a.items[number];
    p.share = args.a.heads / args.a.cache.kvHeads;
    const i32 across = (PREFILL_QUERIES * p.share + SM90_QUERIES - 1) / SM90_QUERIES;
    p.head = block_y() / across, p.first = block_y() % across * SM90_QUERIES, p.queries = p.item.rows * p.share;
    if (p.first >= p.queries) return;
    p.all = p.item.position + p.first / p.share;
    p.last = p.item.position + least(p.first + SM90_QUERIES - 1, p.queries - 1) / p.share;
    p.begin = greatest(0, p.all + 1 - args.a.window) / BLOCK_POSITIONS, p.end = p.last / BLOCK_POSITIONS + 1;
    if (thread() == 0) {
        for (i32 i = 0; i < R::count; i++) {
            begin(R::full_keys(i), 1);
            begin(R::full_values(i), 1);
            begin(R::empty_keys(i), READERS / WARP);
            begin(R::empty_values(i), READERS / WARP);
        }
        publish_mbarriers();
    }
    for (i32 i = thread(); i < BLOCK_POSITIONS; i += SM90_THREADS) R::bad()[i] = 0;
    sync();
    if (warp() < 4) {
        shrink_registers<40>();
        if (thread() == 0) fetch<D>(args, p);
        return;
    }
    grow_registers<232>();
    attend<C, D>(args, p);
}

KERNEL(attention_sm90_f16_64, AttentionSm90Args, SM90_THREADS, 1) { attention<CacheF16, 64>(args); }
KERNEL(attention_sm90_f16_128, AttentionSm90Args, SM90_THREADS, 1) { attention<CacheF16, 128>(args); }
KERNEL(attention_sm90_bf16_64, AttentionSm90Args, SM90_THREADS, 1) { attention<CacheBF16, 64>(args); }
KERNEL(attention_sm90_bf16_128, AttentionSm90Args, SM90_THREADS, 1) { attention<CacheBF16, 128>(args); }
