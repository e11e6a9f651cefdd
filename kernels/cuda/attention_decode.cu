// attention_decode_C_D: attention (attention.cu) of one row, head size D, by
// tensor cores: a block does up to DECODE_HEADS heads that share a KV head (decode_tiles.h).
// The positions are cut into up to DECODE_SPLITS splits, which are divided among
// blocks. Each warp does 16 positions of each block of the cache, the next ones on their
// way meanwhile, be they of the same split or of another. What is found of a split goes
// to `parts`.
//
// The block that comes last with a part of its heads puts their parts together, in
// order; the last of a row writes that as products read it (inputs.h), where it is
// wanted. No block waits for another.
//
// How a row is split depends on its position and the window alone, and so does its
// result. The plan is read before the wait: it comes from the host.
//
// Shared memory: stages of 16 keys and values for each warp; Beside. The results of warps
// meet in the stages of a split's last positions, while the others are filled.
#include "gpu.h"
#include "decode_tiles.h"
#include "inputs.h"

constexpr i32 WARPS = ATTENTION_THREADS / WARP;
constexpr i32 SLICE = 16; // positions
static_assert(WARPS * SLICE == BLOCK_POSITIONS, "a block of the cache for all warps");

// Split is how the positions that a row sees are split: they lie in `all` blocks of the
// cache from `first` on, and a split is `blocks` of them. Less than four are done sooner
// than two parts are put together.
struct Split {
    i32 first, all, blocks;

    DEVICE Split of(i32 position, i32 window) {
        const i32 first = greatest(0, position + 1 - window) / BLOCK_POSITIONS;
        const i32 all = position / BLOCK_POSITIONS + 1 - first;
        return {first, all, greatest(4, (all + DECODE_SPLITS - 1) / DECODE_SPLITS)};
    }

    DEVICE i32 count(const Split& s) { return (s.all + s.blocks - 1) / s.blocks; }
    DEVICE bool is_one(const Split& s) { return s.all <= s.blocks; }
};

// Slices is a warp's part of the shared memory: stages of keys and values, as they
// stand in the cache, and of their scales.
template <class C, i32 D> struct Slices {
    typedef typename TileOf<C, D>::type Tile;
    static constexpr i32 all = 6 * 2 * SLICE * D;
    static constexpr i32 tile = SLICE * D * C::bytes, scales = C::scaled ? SLICE * 4 : 0;
    static constexpr i32 stage = 2 * (tile + scales), stages = all / stage;
    static_assert(4 * DECODE_HEADS * D <= stage, "results of a warp");

    DEVICE u8* at(i32 warp, i32 i) { return shared() + warp * all + i * stage; }
    DEVICE Tile keys(i32 i) { return {at(warp(), i)}; }
    DEVICE Tile values(i32 i) { return {keys(i).memory + tile}; }
    DEVICE float* key_scales(i32 i) { return reinterpret_cast<float*>(keys(i).memory + 2 * tile); }
    DEVICE float* value_scales(i32 i) { return key_scales(i) + SLICE; }
    DEVICE float* results(i32 warp, i32 i) { return reinterpret_cast<float*>(at(warp, i)); }
};

// Beside is the shared memory beside the stages.
struct Beside {
    F32x2 state[WARPS][DECODE_HEADS]; // of each warp's result the greatest score and the sum of weights
    u32 greatest[WARPS];              // of convert
    u32 last;                         // of is_last

    template <class C, i32 D> DEVICE Beside& of() { return *reinterpret_cast<Beside*>(shared() + WARPS * Slices<C, D>::all); }
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
    i32 n;             // of the next split, of all

    DEVICE void begin(Walk& w, const DecodeArgs& args) {
        w.first = args.a.first, w.end = least(*args.a.count, args.a.first + args.items), w.before = 0, w.n = block_x();
        load(w, args.a);
    }

    DEVICE void load(Walk& w, const AttentionArgs& args) {
        const bool there = w.first + lane() < w.end;
        w.own = there ? args.items[w.first + lane()] : AttentionItem{};
        i32 sum = there ? Split::count(Split::of(w.own.position, args.window)) : 0;
        UNROLL
        for (i32 by = 1; by < WARP; by *= 2) {
            const i32 below = shuffle_up(u32(sum), by);
            if (lane() >= by) sum += below;
        }
        w.upTo = w.before + sum;
    }

    // next finds the block's next split, and reports whether there is one.
    DEVICE bool next(Task& p, Walk& w, const AttentionArgs& args) {
        i32 at;
        while ((at = count_ones(ballot(w.upTo <= w.n))) == WARP) {
            w.first += WARP, w.before = shuffle(u32(w.upTo), WARP - 1);
            if (w.first >= w.end) return false;
            load(w, args);
        }
        const i32 below = shuffle(u32(w.upTo), greatest(at - 1, 0));
        p.number = w.first + at, p.split = w.n - (at > 0 ? below : w.before);
        p.row = shuffle(u32(w.own.row), at), p.position = shuffle(u32(w.own.position), at), p.table = shuffle(u32(w.own.table), at);
        w.n += grid_x();
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

    DEVICE Span of(const Task& p, i32 window) {
        const Split s = Split::of(p.position, window);
        const i32 first = s.first + p.split * s.blocks;
        return {first, least(first + s.blocks, p.position / BLOCK_POSITIONS + 1)};
    }
};

// Copies goes through the blocks of the cache of all splits, some stages ahead of what is
// computed, so that something is on its way at the end of a split too.
template <class C, i32 D> struct Copies {
    Walk walk;
    Task p;
    Span left; // of its blocks
    i64 row;   // of the cache, where the first of them begins

    DEVICE void begin(Copies& c, const AttentionArgs& args, const Group& group, const Walk& walk) {
        c.walk = walk, c.left = {0, 0};
        seek(c, args, group);
    }

    // seek finds the next block, whose number is read while the one before is fetched.
    DEVICE void seek(Copies& c, const AttentionArgs& args, const Group& group) {
        if (c.left.first == c.left.end) {
            if (!Walk::next(c.p, c.walk, args)) return;
            c.left = Span::of(c.p, args.window);
        }
        c.row = (i64(args.table[c.p.table + c.left.first]) * args.cache.kvHeads + group.kvHead) * BLOCK_POSITIONS;
    }

    // start begins to fill a stage with a warp's positions of the next block, if there is one.
    DEVICE void start(Copies& c, const AttentionArgs& args, const Group& group, i32 stage) {
        if (c.left.first < c.left.end) {
            const i32 begin = warp() * SLICE;
            fetch<C, D>(args.cache, c.row + begin, stage, c.p.position + 1 - c.left.first * BLOCK_POSITIONS - begin);
            c.left.first++;
            seek(c, args, group);
        }
        commit_async();
    }
};

// load_queries loads the queries of a task.
template <class C, i32 D> DEVICE void load_queries(Queries<C, D>& q, const AttentionArgs& args, const Group& group, const Task& p) {
    const i32 own = lane() / 4; // head
    const float* query = args.q + (i64(p.row) * args.heads + group.head + own) * D;
    Queries<C, D>::template load<IsCoded<C>::value>(q, own < group.share ? query : nullptr, nullptr, args.scale * LOG2E);
}

// meet puts the warps' results of a split together, by way of a stage that all are done
// with. What it finds goes to `parts`, or, where there is no other split, to `out`.
template <class C, i32 D> DEVICE void meet(const HeadSums<D>& r, i32 stage, const AttentionArgs& args, const Group& group, const Task& p) {
    auto& state = Beside::of<C, D>().state;
    const float all = quad_sum(r.total);
    put<C>(r, Slices<C, D>::results(warp(), stage));
    if (lane() % 4 == 0) state[warp()][lane() / 4] = {r.highest, all};
    sync();
    const bool only = Split::is_one(Split::of(p.position, args.window));
    const Parts part = Parts::of(args, p.number, p.split);
    float* out = only ? args.out + i64(p.row) * args.heads * D : part.sums;
    for (i32 i = thread(); i < group.share * D; i += ATTENTION_THREADS) {
        const i32 h = i / D, at = place<D>(h, i % D);
        float highest = NONE, sum = 0, total = 0;
        UNROLL
        for (i32 w = 0; w < WARPS; w++) highest = greatest(highest, state[w][h].x);
        UNROLL
        for (i32 w = 0; w < WARPS; w++) {
            const float weight = approx_exp2(state[w][h].x - highest);
            sum = fma(weight, Slices<C, D>::results(w, stage)[at], sum);
            total = fma(weight, state[w][h].y, total);
        }
        out[group.head * D + i] = only ? sum / total : sum;
        if (!only && i % D == 0) part.state[2 * (group.head + h)] = highest, part.state[2 * (group.head + h) + 1] = total;
    }
    sync(); // all are done with the stage
}

// begin_window leaves positions before `from` of a stage, where a window begins, out of the
// result: no weight, and no values, which may be anything.
template <class C, i32 D> DEVICE void begin_window(float (&s)[SLICE / 8][4], i32 stage, i32 from) {
    typedef Slices<C, D> S;
    constexpr i32 pieces = D * C::bytes / 16;
    const i32 end = least(from, SLICE), both[2] = {end, end};
    hide(s, both, minus_infinity());
    NO_UNROLL
    for (i32 at = lane(); at < end * pieces; at += WARP) store16(S::Tile::at(S::values(stage), at / pieces, at % pieces), {0, 0, 0, 0});
    if (C::scaled && lane() < end) S::value_scales(stage)[lane()] = 0;
    sync_warp();
}

// attend attends with a group to a split, whose blocks come in one stage after the other
// from `stage` on. A stage that was used is filled again, that of the last block after the
// results met there.
template <class C, i32 D>
DEVICE void attend(Copies<C, D>& copies, i32& stage, const Queries<C, D>& q, const AttentionArgs& args, const Group& group, const Task& p) {
    typedef Slices<C, D> S;
    HeadSums<D> r;
    HeadSums<D>::begin(r);
    const Span span = Span::of(p, args.window);
    NO_UNROLL
    for (i32 b = span.first; b < span.end; b++) {
        wait_async<S::stages - 1>();
        sync_warp(); // all lanes' copies are there
        const i32 limit = p.position + 1 - b * BLOCK_POSITIONS - warp() * SLICE;
        float s[SLICE / 8][4];
        score(s, q, S::keys(stage), 0);
        // Scales from `limit` on are zeros, as keys and values are.
        if (C::scaled) scale_columns(s, S::key_scales(stage), SLICE);
        if (limit > args.window) begin_window<C, D>(s, stage, limit - args.window);
        HeadSums<D>::weigh(r, s, limit);
        if (C::scaled) scale_columns(s, S::value_scales(stage), SLICE);
        add<C>(r, s, S::values(stage));
        sync_warp(); // all are done with the stage
        if (b + 1 == span.end) meet<C>(r, stage, args, group, p);
        Copies<C, D>::start(copies, args, group, stage);
        stage = stage + 1 < S::stages ? stage + 1 : 0;
    }
}

// is_last reports to a block whether it is the last of n that come to a counter, which
// then is zero again. It sees what the others wrote before they came; a sync stands between
// what the block wrote and this.
DEVICE bool is_last(u32& last, u32* arrived, i32 n) {
    if (thread() == 0) {
        last = add_acquire_release(arrived, 1) == u32(n - 1);
        if (last) *arrived = 0;
    }
    sync();
    return last;
}

// Columns is n columns of a row, side by side.
template <i32 n> struct alignas(4 * n) Columns {
    float of[n];
};

// merge puts the parts of a group's heads together: a warp a head, a lane some columns of
// it and the weight of one part.
template <i32 D> DEVICE void merge(const AttentionArgs& args, const Group& group, const Task& p) {
    constexpr i32 batch = 16; // parts that are on their way
    constexpr i32 columns = D / WARP;
    static_assert(DECODE_SPLITS == WARP, "a lane a part");
    const i32 splits = Split::count(Split::of(p.position, args.window)), apart = Parts::size(args);
    NO_UNROLL
    for (i32 h = group.head + warp(); h < group.head + group.share; h += WARPS) {
        const float* sums = Parts::of(args, p.number, 0).sums + h * D + columns * lane();
        Columns<columns> part[batch];
        const auto read = [&](i32 first) {
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                const float* at = sums + (first + k) * apart;
                part[k] = first + k < splits ? *reinterpret_cast<const Columns<columns>*>(at) : Columns<columns>{};
            }
        };
        read(0);
        const bool there = lane() < splits;
        const float* state = Parts::of(args, p.number, lane()).state + 2 * h;
        const float highest = there ? state[0] : NONE, all = there ? state[1] : 0, most = warp_max(highest);
        const float weight = there ? approx_exp2(highest - most) : 0;
        Columns<columns> sum = {};
        float total = 0;
        NO_UNROLL
        for (i32 first = 0; first < splits; first += batch) {
            if (first > 0) read(first);
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                const float by = shuffle(weight, first + k);
                total = fma(by, shuffle(all, first + k), total);
                UNROLL
                for (i32 c = 0; c < columns; c++) sum.of[c] = fma(by, part[k].of[c], sum.of[c]);
            }
        }
        UNROLL
        for (i32 c = 0; c < columns; c++) sum.of[c] = sum.of[c] / total;
        *reinterpret_cast<Columns<columns>*>(args.out + i64(p.row) * args.heads * D + h * D + columns * lane()) = sum;
    }
}

// convert writes a row as products read it.
DEVICE void convert(const InputArgs& to, const float* out, i64 row, i32 columns, u32 (&warps)[WARPS]) {
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
    const i32 shift = Greatest::block_shift<ATTENTION_THREADS>(most, warps);
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
    Beside& beside = Beside::of<C, D>();
    const i32 splits = Split::count(Split::of(p.position, a.window)), groups = grid_y();
    u32* arrived = args.arrived + (p.number - a.first) * (groups + 1); // at each group, then at the row
    if (splits > 1) {
        if (!is_last(beside.last, arrived + block_y(), splits)) return;
        merge<D>(a, group, p);
        sync();
    }
    if (args.to.x != nullptr && is_last(beside.last, arrived + groups, groups)) convert(args.to, a.out, p.row, a.heads * D, beside.greatest);
}

template <class C, i32 D> DEVICE void attention_decode(const DecodeArgs& args) {
    let_next_start();
    const AttentionArgs& a = args.a;
    const Group group = Group::of(a);
    Walk walk;
    Walk::begin(walk, args);
    Copies<C, D> copies;
    Copies<C, D>::begin(copies, a, group, walk);
    Task p;
    bool there = Walk::next(p, walk, a);
    wait_for_previous();
    NO_UNROLL
    for (i32 i = 0; i < Slices<C, D>::stages; i++) Copies<C, D>::start(copies, a, group, i);
    Queries<C, D> q;
    if (there) load_queries(q, a, group, p);
    i32 stage = 0;
    while (there) {
        const Task now = p;
        attend(copies, stage, q, a, group, now);
        // The next queries are on their way, as copies are, while this split is finished.
        there = Walk::next(p, walk, a);
        if (there) load_queries(q, a, group, p);
        finish<C, D>(args, group, now);
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
