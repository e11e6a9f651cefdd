// attention_decode_C_D: attention (attention.cu) of one row, head size D, by
// tensor cores: a block does up to DECODE_HEADS heads that share a KV head (decode_tiles.h).
// The positions are cut into up to DECODE_SPLITS splits, which are divided among
// blocks. Each warp does 16 positions of each block of the cache, the next ones on their
// way meanwhile. What is found of a split goes to `parts`.
//
// The block that comes last with a part of its heads puts their parts together, in
// order; the last of a row writes that as products read it (inputs.h), where it is
// wanted. No block waits for another.
//
// How a row is split depends on its position alone, and so does its result. The
// plan is read before the wait: it comes from the host.
//
// Shared memory: stages of 16 keys and values for each warp, in which the warps'
// results then meet, and what those need that finish a row; greatest score and sum of
// weights of each; a word.
#include "gpu.h"
#include "decode_tiles.h"
#include "inputs.h"

constexpr i32 WARPS = ATTENTION_THREADS / WARP;
constexpr i32 SLICE = 16; // positions
static_assert(WARPS * SLICE == BLOCK_POSITIONS, "a block of the cache for all warps");

// Split is how the positions of a row are split: `count` times `blocks` blocks of the
// cache. Less than four are done sooner than two parts are put together.
struct Split {
    i32 count, blocks;

    DEVICE Split of(i32 position) {
        const i32 all = position / BLOCK_POSITIONS + 1;
        const i32 blocks = greatest(4, (all + DECODE_SPLITS - 1) / DECODE_SPLITS);
        return {(all + blocks - 1) / blocks, blocks};
    }
};

// Slices is a warp's part of the shared memory: stages of keys and values, as they
// stand in the cache, and of their scales.
template <class C, i32 D> struct Slices {
    typedef typename TileOf<C, D>::type Tile;
    static constexpr i32 all = 6 * 2 * SLICE * D; // more than results need
    static constexpr i32 tile = SLICE * D * C::bytes, scales = C::scaled ? SLICE * 4 : 0;
    static constexpr i32 stage = 2 * (tile + scales), stages = all / stage;

    DEVICE Tile keys(i32 i) { return {shared() + warp() * all + i * stage}; }
    DEVICE Tile values(i32 i) { return {keys(i).memory + tile}; }
    DEVICE float* key_scales(i32 i) { return reinterpret_cast<float*>(keys(i).memory + 2 * tile); }
    DEVICE float* value_scales(i32 i) { return key_scales(i) + SLICE; }
};

// fetch starts the copies of SLICE positions of the cache from `row`, zeros from number
// `limit` on.
template <class C, i32 D> DEVICE void fetch(const KvArgs& cache, i64 row, i32 stage, i32 limit) {
    typedef Slices<C, D> S;
    constexpr i32 pieces = D * C::bytes / 16;
    const u8* keys = cache.k + row * (D * C::bytes) + lane() * 16;
    const u8* values = cache.v + row * (D * C::bytes) + lane() * 16;
    UNROLL
    for (i32 n = 0; n < SLICE * pieces / WARP; n++) {
        const i32 at = n * WARP + lane(), position = at / pieces, piece = at % pieces, valid = position < limit ? 16 : 0;
        copy_async(S::Tile::at(S::keys(stage), position, piece), keys + n * WARP * 16, valid);
        copy_async(S::Tile::at(S::values(stage), position, piece), values + n * WARP * 16, valid);
    }
    if (C::scaled && lane() < 2 * SLICE / 4) {
        const i32 position = lane() % (SLICE / 4) * 4;
        const float* from = (lane() < SLICE / 4 ? cache.kScale : cache.vScale) + row + position;
        copy_async(S::key_scales(stage) + lane() * 4, from, 4 * greatest(0, least(4, limit - position)));
    }
}

// attend adds a warp's positions of the blocks of the cache from `first` to `end`; the
// row sees `seen` positions. row_of(b) is where block b begins; queries are loaded
// while the first positions are fetched.
template <class C, i32 D, class Load, class RowOf>
DEVICE void attend(HeadSums<D>& r, Load load, const KvArgs& cache, i32 first, i32 end, i32 seen, RowOf row_of) {
    typedef Slices<C, D> S;
    const i32 begin = warp() * SLICE; // in each block
    const auto left = [&](i32 b) { return seen - b * BLOCK_POSITIONS - begin; };
    while (first < end && left(end - 1) <= 0) end--;
    // Where a block begins is read while the one before is fetched.
    i64 ahead = row_of(first);
    const auto start = [&](i32 b, i32 stage) { // is called for one block after the other
        if (b < end) {
            fetch<C, D>(cache, ahead + begin, stage, left(b));
            if (b + 1 < end) ahead = row_of(b + 1);
        }
        commit_async();
    };
    NO_UNROLL
    for (i32 i = 0; i < S::stages; i++) start(first + i, i);
    const Queries<C, D> q = load();
    i32 stage = 0;
    NO_UNROLL
    for (i32 b = first; b < end; b++) {
        wait_async<S::stages - 1>();
        sync_warp(); // all lanes' copies are there
        const i32 limit = left(b);
        float s[SLICE / 8][4];
        score(s, q, S::keys(stage), 0);
        if (C::scaled) scale_columns(s, S::key_scales(stage), limit);
        HeadSums<D>::weigh(r, s, limit);
        if (C::scaled) scale_weights(s, S::value_scales(stage), [&](i32, i32 column) { return column < limit; });
        add<C>(r, s, S::values(stage));
        sync_warp(); // all are done with the stage
        start(b + S::stages, stage);
        stage = stage + 1 < S::stages ? stage + 1 : 0;
    }
}

// Parts is a part of the result for each head: sums [heads, dim], then the
// greatest score and the sum of weights [heads, 2]. Each is aligned to 16 bytes.
struct Parts {
    float* sums;
    float* state;

    // size is that of one split of an item, in floats.
    DEVICE i32 size(const AttentionArgs& args) { return (args.heads * (args.cache.dim + 2) + 3) / 4 * 4; }

    DEVICE Parts of(const AttentionArgs& args, i32 number, i32 split) {
        float* p = args.parts + (i64(number - args.first) * DECODE_SPLITS + split) * size(args);
        return {p, p + args.heads * args.cache.dim};
    }
};

// Task is a split of an item.
struct Task {
    i32 number, split;
    i32 row, position, table; // the item's
};

// Walk goes through the splits of all items, those of one after those of the one before:
// each block does every grid_x()-th. A warp's lanes have 32 items at a time.
struct Walk {
    AttentionItem own; // the lane's
    i32 first, end;    // number of that of lane 0; of no item
    i32 before, upTo;  // splits before those of the first lane's item; before the end of those of the own

    DEVICE void begin(Walk& w, const DecodeArgs& args) {
        w.first = args.a.first, w.end = least(*args.a.count, args.a.first + args.items), w.before = 0;
        load(w, args.a);
    }

    DEVICE void load(Walk& w, const AttentionArgs& args) {
        const bool there = w.first + lane() < w.end;
        w.own = there ? args.items[w.first + lane()] : AttentionItem{};
        i32 sum = there ? Split::of(w.own.position).count : 0;
        UNROLL
        for (i32 by = 1; by < WARP; by *= 2) {
            const i32 below = shuffle_up(u32(sum), by);
            if (lane() >= by) sum += below;
        }
        w.upTo = w.before + sum;
    }

    // find looks for split n of all, and reports whether there is one.
    DEVICE bool find(Task& p, Walk& w, const AttentionArgs& args, i32 n) {
        i32 at;
        while ((at = count_ones(ballot(w.upTo <= n))) == WARP) {
            w.first += WARP, w.before = shuffle(u32(w.upTo), WARP - 1);
            if (w.first >= w.end) return false;
            load(w, args);
        }
        const i32 below = shuffle(u32(w.upTo), greatest(at - 1, 0));
        p.number = w.first + at, p.split = n - (at > 0 ? below : w.before);
        p.row = shuffle(u32(w.own.row), at), p.position = shuffle(u32(w.own.position), at), p.table = shuffle(u32(w.own.table), at);
        return true;
    }
};

// Group is the heads that a block does.
struct Group {
    i32 kvHead, head, share; // their first and number

    // of returns that of this block. Those of a KV head follow each other.
    DEVICE Group of(const AttentionArgs& args) {
        const i32 all = args.heads / args.cache.kvHeads, groups = (all + DECODE_HEADS - 1) / DECODE_HEADS;
        const i32 kvHead = block_y() / groups, first = block_y() % groups * DECODE_HEADS;
        return {kvHead, kvHead * all + first, least(DECODE_HEADS, all - first)};
    }
};

// Span is the blocks of the cache of a split.
struct Span {
    i32 first, end;

    DEVICE Span of(const Task& p) {
        const Split s = Split::of(p.position);
        return {p.split * s.blocks, least((p.split + 1) * s.blocks, p.position / BLOCK_POSITIONS + 1)};
    }
};

// attend_split attends with a group to a split, of which the first block is `begin`. Its
// result goes to `parts`, or, where there is no other, to `out`.
template <class C, i32 D> DEVICE void attend_split(const AttentionArgs& args, const Group& group, const Task& p, i32 begin) {
    const i32 own = lane() / 4; // head
    const float* query = args.q + (i64(p.row) * args.heads + group.head + own) * D;
    const auto load = [&] {
        Queries<C, D> q;
        Queries<C, D>::template load<IsCoded<C>::value>(q, own < group.share ? query : nullptr, nullptr, args.scale * LOG2E);
        return q;
    };
    const Span span = Span::of(p);
    HeadSums<D> r;
    HeadSums<D>::begin(r);
    attend<C, D>(r, load, args.cache, span.first, span.end, p.position + 1, [&](i32 b) {
        const i32 block = b == span.first ? begin : args.table[p.table + b];
        return (i64(block) * args.cache.kvHeads + group.kvHead) * BLOCK_POSITIONS;
    });
    const float all = quad_sum(r.total);

    // The warps' results [WARPS, DECODE_HEADS, apart] meet where keys and values were.
    constexpr i32 apart = D + 4; // so that what a warp writes at a time lies in all banks
    float* sums = reinterpret_cast<float*>(shared());
    float* state = reinterpret_cast<float*>(shared() + WARPS * Slices<C, D>::all); // [WARPS, DECODE_HEADS, 2]
    sync();
    put<C>(r, sums + warp() * DECODE_HEADS * apart, apart);
    if (lane() % 4 == 0) state[2 * (warp() * DECODE_HEADS + own)] = r.highest, state[2 * (warp() * DECODE_HEADS + own) + 1] = all;
    sync();
    const bool only = Split::of(p.position).count == 1;
    const Parts part = Parts::of(args, p.number, p.split);
    float* out = only ? args.out + i64(p.row) * args.heads * D : part.sums;
    for (i32 i = thread(); i < group.share * D; i += ATTENTION_THREADS) {
        const i32 h = i / D;
        float highest = NONE, sum = 0, total = 0;
        UNROLL
        for (i32 w = 0; w < WARPS; w++) highest = greatest(highest, state[2 * (w * DECODE_HEADS + h)]);
        UNROLL
        for (i32 w = 0; w < WARPS; w++) {
            const float weight = approx_exp2(state[2 * (w * DECODE_HEADS + h)] - highest);
            sum = fma(weight, sums[(w * DECODE_HEADS + h) * apart + i % D], sum);
            total = fma(weight, state[2 * (w * DECODE_HEADS + h) + 1], total);
        }
        out[group.head * D + i] = only ? sum / total : sum;
        if (!only && i % D == 0) part.state[2 * (group.head + h)] = highest, part.state[2 * (group.head + h) + 1] = total;
    }
}

// is_last reports to a block whether it is the last of n that come to a counter, which
// then is zero again. It sees what the others wrote before they came.
template <class C, i32 D> DEVICE bool is_last(u32* arrived, i32 n) {
    u32* last = reinterpret_cast<u32*>(shared() + WARPS * Slices<C, D>::all + 4 * WARPS * DECODE_HEADS * 2);
    sync();
    if (thread() == 0) {
        *last = add_acquire_release(arrived, 1) == u32(n - 1);
        if (*last) *arrived = 0;
    }
    sync();
    return *last;
}

// part_weights writes to `weights` [heads of the group, DECODE_SPLITS] the weight of each
// part and the sum of weights in it, zeros where there is none.
DEVICE void part_weights(F32x2* weights, const AttentionArgs& args, const Group& group, i32 number, i32 splits) {
    const i32 entries = group.share * DECODE_SPLITS;
    for (i32 i = thread(); i < (entries + WARP - 1) / WARP * WARP; i += ATTENTION_THREADS) {
        const i32 h = i / DECODE_SPLITS, split = i % DECODE_SPLITS;
        const bool there = i < entries && split < splits;
        const float* state = Parts::of(args, number, split).state + 2 * (group.head + h);
        const float own = there ? state[0] : NONE, total = there ? state[1] : 0;
        float highest = greatest(NONE, own);
        UNROLL
        for (i32 mask = DECODE_SPLITS / 2; mask > 0; mask /= 2) highest = greatest(highest, shuffle_xor(highest, mask));
        if (i < entries) weights[i] = {there ? approx_exp2(own - highest) : 0, total};
    }
}

// merge puts the parts of a group's heads together, a thread a quad of columns.
template <i32 D> DEVICE void merge(const AttentionArgs& args, const Group& group, const Task& p) {
    constexpr i32 batch = 16; // parts that are on their way
    F32x2* weights = reinterpret_cast<F32x2*>(shared());
    const i32 splits = Split::of(p.position).count, apart = Parts::size(args), columns = group.share * D;
    const float* sums = Parts::of(args, p.number, 0).sums + group.head * D;
    float* out = args.out + (i64(p.row) * args.heads + group.head) * D;
    U32x4 part[batch];
    const auto read = [&](i32 column, i32 first) {
        UNROLL
        for (i32 k = 0; k < batch; k++) {
            part[k] = first + k < splits && column < columns ? load16(sums + (first + k) * apart + column) : U32x4{};
        }
    };
    read(QUAD * thread(), 0);
    part_weights(weights, args, group, p.number, splits);
    sync();
    NO_UNROLL
    for (i32 column = QUAD * thread(); column < columns; column += QUAD * ATTENTION_THREADS) {
        float v[QUAD] = {}, total = 0;
        NO_UNROLL
        for (i32 first = 0; first < splits; first += batch) {
            if (first > 0 || column >= QUAD * ATTENTION_THREADS) read(column, first);
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                const F32x2 weight = weights[column / D * DECODE_SPLITS + first + k];
                float sum[QUAD];
                floats(sum, part[k]);
                total = fma(weight.x, weight.y, total);
                UNROLL
                for (i32 c = 0; c < QUAD; c++) v[c] = fma(weight.x, sum[c], v[c]);
            }
        }
        UNROLL
        for (i32 c = 0; c < QUAD; c++) v[c] = v[c] / total;
        write_quad(out, v, column, columns);
    }
}

// convert writes a row as products read it.
DEVICE void convert(const InputArgs& to, const float* out, i64 row, i32 columns) {
    constexpr i32 count = 8, stride = QUAD * ATTENTION_THREADS;
    float v[count][QUAD];
    const auto read = [&](i32 first) {
        UNROLL
        for (i32 k = 0; k < count; k++) read_quad<true>(v[k], out + row * columns, first + k * stride + QUAD * thread(), columns);
    };
    Greatest most = {};
    NO_UNROLL
    for (i32 first = 0; first < columns; first += count * stride) {
        read(first);
        UNROLL
        for (i32 k = 0; k < count; k++) Greatest::take(most, v[k]);
    }
    const i32 shift = Greatest::block_shift<ATTENTION_THREADS>(most, reinterpret_cast<u32*>(shared()));
    if (thread() == 0) to.scale[row] = power_of_two(shift);
    NO_UNROLL
    for (i32 first = 0; first < to.ld; first += count * stride) {
        read(first);
        convert_quads(to, row, v, first + QUAD * thread(), stride, shift);
    }
}

// finish does what only the last blocks can.
template <class C, i32 D> DEVICE void finish(const DecodeArgs& args, const Group& group, const Task& p) {
    const AttentionArgs& a = args.a;
    const i32 splits = Split::of(p.position).count, groups = grid_y();
    u32* arrived = args.arrived + (p.number - a.first) * (groups + 1); // at each group, then at the row
    if (splits > 1) {
        if (!is_last<C, D>(arrived + block_y(), splits)) return;
        merge<D>(a, group, p);
    }
    if (args.to.x != nullptr && is_last<C, D>(arrived + groups, groups)) convert(args.to, a.out, p.row, a.heads * D);
}

template <class C, i32 D> DEVICE void attention_decode(const DecodeArgs& args) {
    let_next_start();
    const AttentionArgs& a = args.a;
    const Group group = Group::of(a);
    const auto begin_of = [&](const Task& p) { return a.table[p.table + Span::of(p).first]; };
    Walk walk;
    Task next;
    Walk::begin(walk, args);
    i32 n = block_x();
    bool there = Walk::find(next, walk, a, n);
    i32 begin = there ? begin_of(next) : 0;
    wait_for_previous();
    while (there) {
        const Task p = next;
        attend_split<C, D>(a, group, p, begin);
        there = Walk::find(next, walk, a, n += grid_x());
        begin = there ? begin_of(next) : 0;
        finish<C, D>(args, group, p);
        sync(); // all are done with the shared memory
    }
}

EARLY_KERNEL(attention_decode_f16_64, DecodeArgs, ATTENTION_THREADS, 3) { attention_decode<CacheF16, 64>(args); }
EARLY_KERNEL(attention_decode_f16_128, DecodeArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF16, 128>(args); }
EARLY_KERNEL(attention_decode_bf16_64, DecodeArgs, ATTENTION_THREADS, 3) { attention_decode<CacheBF16, 64>(args); }
EARLY_KERNEL(attention_decode_bf16_128, DecodeArgs, ATTENTION_THREADS, 2) { attention_decode<CacheBF16, 128>(args); }
EARLY_KERNEL(attention_decode_f8_e4m3_64, DecodeArgs, ATTENTION_THREADS, 3) { attention_decode<CacheF8, 64>(args); }
EARLY_KERNEL(attention_decode_f8_e4m3_128, DecodeArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF8, 128>(args); }
EARLY_KERNEL(attention_decode_i8_64, DecodeArgs, ATTENTION_THREADS, 3) { attention_decode<CacheI8, 64>(args); }
EARLY_KERNEL(attention_decode_i8_128, DecodeArgs, ATTENTION_THREADS, 2) { attention_decode<CacheI8, 128>(args); }
