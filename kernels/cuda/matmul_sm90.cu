// matmul_sm90_W_N: what matmul_W_N (matmul.cu) computes, bit for bit, by what
// Hopper has. A warp of its own asks the copy engine for the codes of weights, 16
// rows of 1024 bytes a stage, as far ahead as a ring has room; eight warps multiply
// them. What stands beside the codes, a tenth of the bytes, comes by loads one unit
// ahead, also of the tile to come. Blocks do tile after tile of 16 out-features and N tokens, neighbours of
// which there are as many for each.
//
// Launched as a dependent kernel, a block fills its ring while the kernel before
// it runs: nobody writes weights. Of the small kind two blocks fit a multiprocessor,
// so that it can.
//
// Shared memory: the ring; the warps' sums; barriers.
//
// only sm_90a
// expect HMMA UBLKCP SYNCS ACQBULK PREEXIT: matmul_sm90_
#include "gpu.h"
#include "hopper.h"
#include "matmul_unit.h"

constexpr i32 PIECE = 1024;        // bytes of codes of a row in a stage
constexpr i32 STRIDE = PIECE + 64; // so that the pieces of 8 rows lie in all banks
constexpr i32 STAGE = MATMUL_ROWS * STRIDE;

DEVICE Mbarrier* full(i32 i) { return reinterpret_cast<Mbarrier*>(shared() + SM90_MATMUL_STAGES * STAGE) + i; }
DEVICE Mbarrier* empty(i32 i) { return full(SM90_MATMUL_STAGES + i); }
DEVICE float* all_sums() { return reinterpret_cast<float*>(full(2 * SM90_MATMUL_STAGES)); }
typedef Ring<SM90_MATMUL_STAGES> Stages;

// Tiles are those of a block, first to last - 1, of which `across` share rows.
struct Tiles {
    i32 first, last, across, units;

    DEVICE Tiles of(const MatmulArgs& args, i32 tokens) {
        const i32 across = (args.n + tokens - 1) / tokens;
        const i64 all = i64((args.w.rows + MATMUL_ROWS - 1) / MATMUL_ROWS) * across;
        return {i32(all * block_x() / grid_x()), i32(all * (block_x() + 1) / grid_x()), across, (args.w.cols + UNIT - 1) / UNIT};
    }
};

// fetch keeps the ring filled. A warp does it: lane r asks for row r.
template <class T> DEVICE void fetch(const MatmulArgs& args, const Tiles& tiles) {
    constexpr i32 unit_bytes = 16 * T::Lane::code_words, units = PIECE / unit_bytes;
    Stages ring;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) {
        const i64 row = least(tile / tiles.across * MATMUL_ROWS + lane(), args.w.rows - 1);
        const u8* from = args.w.data + row * args.w.rowBytes;
        NO_UNROLL
        for (i32 unit = 0; unit < tiles.units; unit += units) {
            const i32 bytes = least(units, tiles.units - unit) * unit_bytes;
            if (lane() == 0) {
                wait(empty(ring.at), ring.parity ^ 1);
                arrive_expecting(full(ring.at), MATMUL_ROWS * bytes);
            }
            sync_warp();
            if (lane() < MATMUL_ROWS) {
                copy_bulk(shared() + ring.at * STAGE + lane() * STRIDE, from + unit * unit_bytes, bytes, full(ring.at));
            }
            Stages::next(ring);
        }
    }
}

// take_codes reads a lane's codes of a unit from a row of a stage.
template <class T> DEVICE void take_codes(typename T::Lane& l, const u8* row, i32 unit) {
    constexpr i32 words = T::Lane::code_words;
    const u8* from = row + (unit * 4 + lane() % 4) * (4 * words);
    if constexpr (words == 2) {
        const U32x2 v = load8(from);
        l.codes[0] = v.x, l.codes[1] = v.y;
    } else {
        UNROLL
        for (i32 i = 0; i < words; i += 4) {
            const U32x4 v = load16(from + 4 * i);
            l.codes[i] = v.x, l.codes[i + 1] = v.y, l.codes[i + 2] = v.z, l.codes[i + 3] = v.w;
        }
    }
}

// LaneRows are the two rows of a tile that a lane multiplies.
struct LaneRows {
    i64 r0, r1;

    DEVICE LaneRows of(const WeightArgs& w, i32 first) {
        return {least(first + lane() / 4, w.rows - 1), least(first + lane() / 4 + 8, w.rows - 1)};
    }
};

// prepare reads what stands beside the codes of a unit of two rows.
template <class T> DEVICE void prepare(typename T::Lane (&l)[2], const WeightArgs& w, const LaneRows& rows, i32 unit) {
    read_beside<T>(l[0], w, w.data + rows.r0 * w.rowBytes, unit);
    read_beside<T>(l[1], w, w.data + rows.r1 * w.rowBytes, unit);
}

// multiply adds a tile of weights by tiles x 8 tokens. next is what was prepared
// for its first unit, and then for the first one of the tile at row `after`.
template <class T, i32 tiles>
DEVICE void multiply(const MatmulArgs& args, i32 first, i32 after, i32 token, i32 units, Stages& ring, typename T::Lane (&next)[2]) {
    constexpr i32 piece = PIECE / (16 * T::Lane::code_words); // units of a stage
    const WeightArgs& w = args.w;
    const i32 used = least(tiles, (args.n - token + 7) / 8);
    const LaneRows rows = LaneRows::of(w, first);
    const bool tiled = w.scale && w.scaleCols < w.cols;

    Sums<tiles> sums = {};
    typename T::Lane now[2];
    i32 unit = warp();
    NO_UNROLL
    for (i32 from = 0; from < units; from += piece) {
        wait(full(ring.at), ring.parity);
        const u8* stage = shared() + ring.at * STAGE + lane() / 4 * STRIDE;
        NO_UNROLL
        for (; unit < least(from + piece, units); unit += MATMUL_WARPS) {
            now[0] = next[0], now[1] = next[1];
            const bool last = unit + MATMUL_WARPS >= units;
            prepare<T>(next, w, last ? LaneRows::of(w, after) : rows, last ? warp() : unit + MATMUL_WARPS);
            take_codes<T>(now[0], stage, unit - from);
            take_codes<T>(now[1], stage + 8 * STRIDE, unit - from);
            add_unit<T, tiles>(sums, now[0], now[1], args, unit, token, used, rows.r0, rows.r1, tiled);
        }
        sync_warp(); // all lanes have read
        if (lane() == 0) arrive(empty(ring.at));
        Stages::next(ring);
    }
    const auto meet = [] { sync_some(1, MATMUL_WARPS * WARP); };
    finish(args, sums, all_sums(), first, token, tiled, meet);
    meet(); // before others write sums again
}

template <class T, i32 count> DEVICE void matmul(const MatmulArgs& args) {
    let_next_start();
    if (thread() == 0) {
        for (i32 i = 0; i < SM90_MATMUL_STAGES; i++) {
            begin(full(i), 1);
            begin(empty(i), MATMUL_WARPS);
        }
        publish_mbarriers();
    }
    sync();
    const Tiles tiles = Tiles::of(args, 8 * count);
    if (warp() == MATMUL_WARPS) {
        fetch<T>(args, tiles);
        return;
    }
    const auto row = [&](i32 tile) { return least(tile, tiles.last - 1) / tiles.across * MATMUL_ROWS; };
    typename T::Lane next[2] = {};
    if (warp() < tiles.units) prepare<T>(next, args.w, LaneRows::of(args.w, row(tiles.first)), warp());
    wait_for_previous(); // it wrote x
    Stages ring;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) {
        multiply<T, count>(args, row(tile), row(tile + 1), tile % tiles.across * (8 * count), tiles.units, ring, next);
    }
}

#define DEFINE(type)                                                                           \
    EARLY_KERNEL(matmul_sm90_##type##_8, MatmulArgs, SM90_MATMUL_THREADS, 2) { matmul<type, 1>(args); } \
    EARLY_KERNEL(matmul_sm90_##type##_32, MatmulArgs, SM90_MATMUL_THREADS, 1) { matmul<type, 4>(args); }
FOR_NARROW_TYPES(DEFINE)
