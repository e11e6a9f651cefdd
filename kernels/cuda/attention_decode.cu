// attention_decode_C_D: attention (attention.cu) of one row, head size D, by
// tensor cores: up to 16 heads that share a KV head are the rows of the left
// operand. The positions are split among up to DECODE_SPLITS blocks, the blocks
// of the cache in a split among the warps; a warp does 16 positions at a time,
// the next on their way meanwhile. What a block finds goes to `parts`.
//
// attention_merge: out = the parts of a row together, in order. ..._f16_N, rows of up
// to N columns, also writes them as products read them (inputs.h): a block does all
// heads of one.
//
// How a row is split depends on its position alone, and so does its result. The
// plan is read before the wait: it comes from the host.
//
// Shared memory: two stages of 16 keys and values for each warp, in which the
// warps' results then meet; greatest score and sum of weights of each.
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

    DEVICE Parts of(const AttentionArgs& args, i32 split) {
        float* p = args.parts + (i64(block_x()) * DECODE_SPLITS + split) * size(args);
        return {p, p + args.heads * args.cache.dim};
    }
};

template <class C, i32 D> DEVICE void attention_decode(const AttentionArgs& args) {
    let_next_start();
    const i32 number = args.first + block_x(), count = *args.count;
    const AttentionItem item = args.items[number];
    const KvArgs& cache = args.cache;
    const i32 share = args.heads / cache.kvHeads, kvHead = block_y() / DECODE_SPLITS, head = kvHead * share;
    const i32 split = block_y() % DECODE_SPLITS;
    const Split splits = Split::of(item.position);
    const i32 first = split * splits.blocks + warp(), end = least((split + 1) * splits.blocks, item.position / BLOCK_POSITIONS + 1);
    const i32 begin = number < count && first < end ? args.table[item.table + first] : 0;
    wait_for_previous();
    if (number >= count || split >= splits.count) return;
    const float* query = args.q + (i64(item.row) * args.heads + head) * D;
    const i32 row = lane() / 4;
    const auto load = [&] {
        Queries<C, D> q;
        Queries<C, D>::template load<IsCoded<C>::value>(q, row < share ? query + row * D : nullptr,
                                                        row + 8 < share ? query + (row + 8) * D : nullptr, args.scale * LOG2E);
        return q;
    };
    Running<D> r;
    Running<D>::begin(r);
    attend<C, D>(r, load, cache, first, end, item.position + 1, [&](i32 b) {
        const i32 block = b == first ? begin : args.table[item.table + b];
        return (i64(block) * cache.kvHeads + kvHead) * BLOCK_POSITIONS;
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
    const Parts out = Parts::of(args, split);
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
        out.sums[head * D + i] = sum;
        if (i % D == 0) out.state[2 * (head + h)] = highest, out.state[2 * (head + h) + 1] = total;
    }
}

EARLY_KERNEL(attention_decode_f16_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF16, 64>(args); }
EARLY_KERNEL(attention_decode_f16_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF16, 128>(args); }
EARLY_KERNEL(attention_decode_bf16_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheBF16, 64>(args); }
EARLY_KERNEL(attention_decode_bf16_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheBF16, 128>(args); }
EARLY_KERNEL(attention_decode_f8_e4m3_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF8, 64>(args); }
EARLY_KERNEL(attention_decode_f8_e4m3_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheF8, 128>(args); }
EARLY_KERNEL(attention_decode_i8_64, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheI8, 64>(args); }
EARLY_KERNEL(attention_decode_i8_128, AttentionArgs, ATTENTION_THREADS, 2) { attention_decode<CacheI8, 128>(args); }

KERNEL(attention_merge, AttentionArgs, ATTENTION_THREADS, 1) {
    const i32 number = args.first + block_x();
    if (number >= *args.count) return;
    const AttentionItem item = args.items[number];
    const i32 head = block_y(), dim = args.cache.dim, splits = Split::of(item.position).count;
    float highest = NONE, total = 0;
    for (i32 i = 0; i < splits; i++) highest = greatest(highest, Parts::of(args, i).state[2 * head]);
    for (i32 i = 0; i < splits; i++) {
        const float* state = Parts::of(args, i).state + 2 * head;
        total = fma(approx_exp2(state[0] - highest), state[1], total);
    }
    for (i32 d = thread(); d < dim; d += ATTENTION_THREADS) {
        float sum = 0;
        for (i32 i = 0; i < splits; i++) {
            const Parts part = Parts::of(args, i);
            sum = fma(approx_exp2(part.state[2 * head] - highest), part.sums[head * dim + d], sum);
        }
        args.out[(i64(item.row) * args.heads + head) * dim + d] = sum / total;
    }
}

// read_parts reads the quads of a thread from `left` parts, or from as many as it can
// have on their way, each `apart` floats behind the one before.
template <i32 batch, i32 count>
DEVICE void read_parts(U32x4 (&part)[batch][count], const float* from, i32 apart, i32 left, i32 columns) {
    UNROLL
    for (i32 k = 0; k < batch; k++) {
        UNROLL
        for (i32 q = 0; q < count; q++) {
            const i32 column = QUAD * (q * MERGE_THREADS + thread());
            if (k < left && column < columns) part[k][q] = load16(from + column);
        }
        from += apart;
    }
}

// merge_state writes to `shares` [heads, DECODE_SPLITS] the weight of each part and the
// sum of weights in it.
DEVICE void merge_state(F32x2* shares, const AttentionArgs& args, i32 splits) {
    const i32 entries = args.heads * DECODE_SPLITS;
    for (i32 i = thread(); i < (entries + WARP - 1) / WARP * WARP; i += MERGE_THREADS) {
        const i32 head = i / DECODE_SPLITS, split = i % DECODE_SPLITS;
        const bool there = i < entries && split < splits;
        const float* state = Parts::of(args, split).state + 2 * head;
        const float own = there ? state[0] : NONE, total = there ? state[1] : 0;
        float highest = greatest(NONE, own);
        UNROLL
        for (i32 mask = DECODE_SPLITS / 2; mask > 0; mask /= 2) highest = greatest(highest, shuffle_xor(highest, mask));
        if (there) shares[i] = {approx_exp2(own - highest), total};
    }
}

// Shared memory: what merge_state writes, and a float for each warp.
template <i32 count> DEVICE void merge_row(const MergeArgs& args) {
    constexpr i32 batch = 16 / count;
    let_next_start();
    const AttentionArgs& a = args.a;
    const i32 there = *a.count, dim = a.cache.dim, columns = a.heads * dim;
    const AttentionItem item = a.items[block_x()];
    const i32 splits = Split::of(item.position).count, apart = Parts::size(a);
    wait_for_previous();
    if (block_x() >= there) return;
    F32x2* shares = reinterpret_cast<F32x2*>(shared());
    const float* sums = Parts::of(a, 0).sums;
    U32x4 part[batch][count] = {};
    read_parts(part, sums, apart, splits, columns);
    merge_state(shares, a, splits);
    sync();
    // A head's size divides what all threads have of one quad.
    const i32 head = least(QUAD * thread() / dim, a.heads - 1), heads = QUAD * MERGE_THREADS / dim;
    float v[count][QUAD] = {}, total[count] = {};
    NO_UNROLL
    for (i32 from = 0; from < splits; from += batch) {
        if (from > 0) read_parts(part, sums + from * apart, apart, splits - from, columns);
        UNROLL
        for (i32 k = 0; k < batch; k++) {
            if (from + k >= splits) break;
            UNROLL
            for (i32 q = 0; q < count; q++) {
                const F32x2 share = shares[least(head + q * heads, a.heads - 1) * DECODE_SPLITS + from + k];
                total[q] = fma(share.x, share.y, total[q]);
                v[q][0] = fma(share.x, bits<float>(part[k][q].x), v[q][0]);
                v[q][1] = fma(share.x, bits<float>(part[k][q].y), v[q][1]);
                v[q][2] = fma(share.x, bits<float>(part[k][q].z), v[q][2]);
                v[q][3] = fma(share.x, bits<float>(part[k][q].w), v[q][3]);
            }
        }
    }
    UNROLL
    for (i32 q = 0; q < count; q++) {
        const i32 column = QUAD * (q * MERGE_THREADS + thread());
        UNROLL
        for (i32 c = 0; c < QUAD; c++) v[q][c] = column < columns ? v[q][c] / total[q] : 0;
        write_quad(a.out + i64(item.row) * columns, v[q], column, columns);
    }
    convert_row<MERGE_THREADS>(args.to, item.row, v, reinterpret_cast<float*>(shares + a.heads * DECODE_SPLITS));
}

EARLY_KERNEL(attention_merge_f16_4096, MergeArgs, MERGE_THREADS, 1) { merge_row<2>(args); }
EARLY_KERNEL(attention_merge_f16_8192, MergeArgs, MERGE_THREADS, 1) { merge_row<4>(args); }
