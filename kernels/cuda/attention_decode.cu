// attention_decode_C_D: attention (attention.cu) of one row, head size D, by
// tensor cores: up to 16 heads that share a KV head are the rows of the left
// operand. The positions are cut into up to DECODE_SPLITS splits, which are divided
// among blocks, the blocks of the cache in a split among the warps; a warp does 16
// positions at a time, the next on their way meanwhile. What is found of a split
// goes to `parts`.
//
// The block that comes last with a part of some heads puts their parts together, in
// order; the last of a row writes that as products read it (inputs.h), where it is
// wanted. No block waits for another.
//
// How a row is split depends on its position alone, and so does its result. The
// plan is read before the wait: it comes from the host.
//
// Shared memory: two stages of 16 keys and values for each warp, in which the
// warps' results then meet; greatest score and sum of weights of each; a word.
#include "gpu.h"
#include "attention_tiles.h"
#include "inputs.h"

constexpr i32 WARPS = ATTENTION_THREADS / WARP;
constexpr i32 SLICE = 16; // positions

// Split is how the positions of a row are split: `count` times `blocks` blocks
// of the cache, at least one for each warp.
struct Split {
    i32 count, blocks;

    DEVICE Split of(i32 position) {
        const i32 all = position / BLOCK_POSITIONS + 1;
        const i32 blocks = greatest(WARPS, (all + DECODE_SPLITS - 1) / DECODE_SPLITS);
        return {(all + blocks - 1) / blocks, blocks};
    }
};

// Slices is a warp's part of the shared memory: two stages of keys and values, as they
// stand in the cache.
template <class C, i32 D> struct Slices {
    static constexpr i32 tile = SLICE * D * C::bytes, stage = 2 * tile;
    static constexpr i32 all = 4 * SLICE * D * 2; // of a warp: its results need so much

    DEVICE u8* keys(i32 i) { return shared() + warp() * all + i % 2 * stage; }
    DEVICE u8* values(i32 i) { return keys(i) + tile; }
    // at is where a piece of 16 bytes of a position stands.
    DEVICE u8* at(u8* tile, i32 position, i32 piece) {
        if constexpr (IsCoded<C>::value) return CodeTile<D>::at({tile}, position, piece);
        else return Tile<D / 8>::at({tile}, position, piece);
    }
};

// fetch starts the copies of slice i: SLICE positions of the cache from `row`,
// zeros from number `limit` on.
template <class C, i32 D> DEVICE void fetch(const KvArgs& cache, i64 row, i32 i, i32 limit) {
    typedef Slices<C, D> S;
    constexpr i32 pieces = D * C::bytes / 16;
    UNROLL
    for (i32 n = 0; n < SLICE * pieces / WARP; n++) {
        const i32 at = n * WARP + lane(), position = at / pieces, piece = at % pieces;
        const bool there = position < limit;
        const i64 from = (row + (there ? position : 0)) * (D * C::bytes) + piece * 16;
        copy_async(S::at(S::keys(i), position, piece), cache.k + from, there ? 16 : 0);
        copy_async(S::at(S::values(i), position, piece), cache.v + from, there ? 16 : 0);
    }
}

// attend adds all positions of every fourth block of the cache from `first` to
// `end`; the row sees `seen` positions. row_of(b) is where block b begins; queries
// are loaded while the first positions are fetched.
template <class C, i32 D, class Load, class RowOf>
DEVICE void attend(Running<D>& r, Load load, const KvArgs& cache, i32 first, i32 end, i32 seen, RowOf row_of) {
    typedef Slices<C, D> S;
    constexpr i32 in_block = BLOCK_POSITIONS / SLICE;
    const i32 blocks = (end - first + WARPS - 1) / WARPS, last = first + (blocks - 1) * WARPS;
    if (blocks <= 0) return;
    const i32 slices = (blocks - 1) * in_block + (least(BLOCK_POSITIONS, seen - last * BLOCK_POSITIONS) + SLICE - 1) / SLICE;
    const auto block = [&](i32 i) { return first + i / in_block * WARPS; };
    const auto left = [&](i32 i) { return seen - block(i) * BLOCK_POSITIONS - i % in_block * SLICE; };
    const auto row = [&](i32 i) { return row_of(block(i)) + i % in_block * SLICE; };
    // Where the next block begins is read while this one is fetched.
    i64 here = 0, ahead = row_of(first);
    const auto start = [&](i32 i) { // is called for one slice after the other
        if (i < slices) {
            if (i % in_block == 0) {
                here = ahead;
                if (i + in_block < slices) ahead = row_of(block(i + in_block));
            }
            fetch<C, D>(cache, here + i % in_block * SLICE, i, left(i));
        }
        commit_async();
    };
    start(0);
    start(1);
    const Queries<C, D> q = load();
    NO_UNROLL
    for (i32 i = 0; i < slices; i++) {
        wait_async<1>();
        sync_warp(); // all lanes' copies are there
        const i32 limit = left(i);
        const auto sees = [&](i32, i32 column) { return column < limit; };
        float s[SLICE / 8][4];
        if constexpr (IsCoded<C>::value) score_codes(s, q, CodeTile<D>{S::keys(i)});
        else score(s, q, Tile<D / 8>{S::keys(i)}, 0);
        if (C::scaled) scale_columns(s, cache.kScale + row(i), limit);
        weigh(r, s, sees);
        if (C::scaled) scale_weights(s, cache.vScale + row(i), sees);
        if constexpr (IsCoded<C>::value) add_codes<C>(r, s, CodeTile<D>{S::values(i)});
        else add<C>(r, s, Tile<D / 8>{S::values(i)}, 0);
        sync_warp(); // all are done with the stage
        start(i + 2);
    }
}

// write_two writes the sums d and d + 1 of the lane's row i.
template <class C, i32 D> DEVICE void write_two(const Running<D>& r, float* row, i32 d, i32 i) {
    const u32 first[2] = {bits<u32>(r.sums[d][2 * i]), bits<u32>(r.sums[d][2 * i + 1])};
    const u32 second[2] = {bits<u32>(r.sums[d + 1][2 * i]), bits<u32>(r.sums[d + 1][2 * i + 1])};
    if constexpr (IsCoded<C>::value) { // even and odd columns of 16
        store16(row + 8 * d + lane() % 4 * 4, {first[0], second[0], first[1], second[1]});
    } else {
        store8(row + 8 * d + lane() % 4 * 2, {first[0], first[1]});
        store8(row + 8 * d + 8 + lane() % 4 * 2, {second[0], second[1]});
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

// Group is the heads that share a KV head.
struct Group {
    i32 kvHead, share, head; // of them the first
};

// WarpSpan is the blocks of the cache that a warp does: every fourth from `first`.
struct WarpSpan {
    i32 first, end;

    DEVICE WarpSpan of(const Task& p) {
        const Split s = Split::of(p.position);
        return {p.split * s.blocks + warp(), least((p.split + 1) * s.blocks, p.position / BLOCK_POSITIONS + 1)};
    }
};

// attend_split attends with a group to a split, of which the warp's first block is
// `begin`. Its result goes to `parts`, or, where there is no other, to `out`.
template <class C, i32 D> DEVICE void attend_split(const AttentionArgs& args, const Group& group, const Task& p, i32 begin) {
    const i32 share = group.share, row = lane() / 4;
    const float* query = args.q + (i64(p.row) * args.heads + group.head) * D;
    const auto load = [&] {
        Queries<C, D> q;
        Queries<C, D>::template load<IsCoded<C>::value>(q, row < share ? query + row * D : nullptr,
                                                        row + 8 < share ? query + (row + 8) * D : nullptr, args.scale * LOG2E);
        return q;
    };
    const WarpSpan span = WarpSpan::of(p);
    Running<D> r;
    Running<D>::begin(r);
    attend<C, D>(r, load, args.cache, span.first, span.end, p.position + 1, [&](i32 b) {
        const i32 block = b == span.first ? begin : args.table[p.table + b];
        return (i64(block) * args.cache.kvHeads + group.kvHead) * BLOCK_POSITIONS;
    });
    const float totals[2] = {quad_sum(r.total[0]), quad_sum(r.total[1])};

    // The warps' results [WARPS, 16, D] meet where keys and values were.
    float* sums = reinterpret_cast<float*>(shared());
    float* state = reinterpret_cast<float*>(shared() + WARPS * Slices<C, D>::all); // [WARPS, 16, 2]
    sync();
    UNROLL
    for (i32 i = 0; i < 2; i++) {
        const i32 at = warp() * 16 + row + 8 * i;
        UNROLL
        for (i32 d = 0; d < D / 8; d += 2) write_two<C>(r, sums + at * D, d, i);
        if (lane() % 4 == 0) state[2 * at] = r.highest[i], state[2 * at + 1] = totals[i];
    }
    sync();
    const bool only = Split::of(p.position).count == 1;
    const Parts part = Parts::of(args, p.number, p.split);
    float* out = only ? args.out + i64(p.row) * args.heads * D : part.sums;
    for (i32 i = thread(); i < share * D; i += ATTENTION_THREADS) {
        const i32 h = i / D;
        float highest = NONE, sum = 0, total = 0;
        UNROLL
        for (i32 w = 0; w < WARPS; w++) highest = greatest(highest, state[2 * (w * 16 + h)]);
        UNROLL
        for (i32 w = 0; w < WARPS; w++) {
            const float weight = approx_exp2(state[2 * (w * 16 + h)] - highest);
            sum = fma(weight, sums[w * 16 * D + i], sum);
            total = fma(weight, state[2 * (w * 16 + h) + 1], total);
        }
        out[group.head * D + i] = only ? sum / total : sum;
        if (!only && i % D == 0) part.state[2 * (group.head + h)] = highest, part.state[2 * (group.head + h) + 1] = total;
    }
}

// is_last reports to a block whether it is the last of n that come to a counter, which
// then is zero again. It sees what the others wrote before they came.
template <class C, i32 D> DEVICE bool is_last(u32* arrived, i32 n) {
    u32* last = reinterpret_cast<u32*>(shared() + WARPS * Slices<C, D>::all + 4 * WARPS * 16 * 2);
    sync();
    if (thread() == 0) {
        fence();
        *last = atomic_add(arrived, 1) == u32(n - 1);
        fence();
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
    const i32 splits = Split::of(p.position).count, apart = Parts::size(args);
    part_weights(weights, args, group, p.number, splits);
    sync();
    const float* sums = Parts::of(args, p.number, 0).sums + group.head * D;
    float* out = args.out + (i64(p.row) * args.heads + group.head) * D;
    for (i32 column = QUAD * thread(); column < group.share * D; column += QUAD * ATTENTION_THREADS) {
        float v[QUAD] = {}, total = 0;
        NO_UNROLL
        for (i32 first = 0; first < splits; first += batch) {
            U32x4 part[batch];
            UNROLL
            for (i32 k = 0; k < batch; k++) {
                part[k] = first + k < splits ? load16(sums + (first + k) * apart + column) : U32x4{};
            }
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
        write_quad(out, v, column, group.share * D);
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
    const i32 splits = Split::of(p.position).count, kvHeads = a.cache.kvHeads;
    u32* arrived = args.arrived + (p.number - a.first) * (kvHeads + 1); // at each KV head, then at the row
    if (splits > 1) {
        if (!is_last<C, D>(arrived + group.kvHead, splits)) return;
        merge<D>(a, group, p);
    }
    if (args.to.x != nullptr && is_last<C, D>(arrived + kvHeads, kvHeads)) convert(args.to, a.out, p.row, a.heads * D);
}

template <class C, i32 D> DEVICE void attention_decode(const DecodeArgs& args) {
    let_next_start();
    const AttentionArgs& a = args.a;
    const i32 share = a.heads / a.cache.kvHeads;
    const Group group = {block_y(), share, block_y() * share};
    const auto begin_of = [&](const Task& p) {
        const WarpSpan span = WarpSpan::of(p);
        return span.first < span.end ? a.table[p.table + span.first] : 0;
    };
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
