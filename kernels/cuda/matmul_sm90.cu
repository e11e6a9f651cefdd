// matmul_sm90_W: what matmul_W_8 (matmul.cu) computes, bit for bit, by what Hopper
// has. A warp of its own asks the copy engine for the codes of weights, 16 rows of
// 1024 bytes a stage, as far ahead as a ring has room; eight warps multiply them.
// What stands beside the codes comes by loads one unit ahead, also of the tile to
// come. Blocks do tile after tile of 16 out-features, by all tokens: 8 at most.
//
// A block fills its ring while the kernel before it runs: nobody writes weights. Two
// blocks fit a multiprocessor, so that it can.
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

// Tiles are those of a block, first to last - 1.
struct Tiles {
    i32 first, last, units;

    DEVICE Tiles of(const MatmulArgs& args) {
        const i64 all = args.tiles;
        return {i32(all * block_x() / grid_x()), i32(all * (block_x() + 1) / grid_x()), (args.parts[0].w.cols + UNIT - 1) / UNIT};
    }
};

// fetch keeps the ring filled. A warp does it: lane r asks for row r.
template <class T> DEVICE void fetch(const MatmulArgs& args, const Tiles& tiles) {
    constexpr i32 unit_bytes = 16 * T::Lane::code_words, units = PIECE / unit_bytes;
    Stages ring;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) {
        const u8* from = OutTile::address_of(OutTile::of(args, tile), args, lane() / EIGHT % 2, lane() % EIGHT);
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

// Beside is what stands beside the codes of a unit of two rows, on its way.
template <class T> struct Beside {
    const u8* rows[2];
    typename T::Lane lanes[2];

    DEVICE void turn_to(Beside& next, const MatmulArgs& args, const OutTile& t) {
        UNROLL
        for (i32 half = 0; half < 2; half++) next.rows[half] = OutTile::address_of(t, args, half, lane() / 4);
    }
    DEVICE void read(Beside& next, const WeightArgs& w, i32 unit) {
        read_beside<T>(next.lanes[0], w, next.rows[0], unit);
        read_beside<T>(next.lanes[1], w, next.rows[1], unit);
    }
};

// multiply adds a tile of weights. next is what was read for its first unit, and
// then for the first one of the tile `after`.
template <class T>
DEVICE void multiply(const MatmulArgs& args, i32 tile, i32 after, i32 units, Stages& ring, Beside<T>& next) {
    constexpr i32 piece = PIECE / (16 * T::Lane::code_words); // units of a stage
    const WeightArgs& w = args.parts[0].w; // whose rows are like those of all
    const OutTile out = OutTile::of(args, tile);
    const TwoRows rows = TwoRows::of<T>(args, out);
    const auto in = Inputs<T, 1>::of(args, 0);
    Sums<1> sums = {};
    i32 unit = warp();
    NO_UNROLL
    for (i32 from = 0; from < units; from += piece) {
        wait(full(ring.at), ring.parity);
        const u8* stage = shared() + ring.at * STAGE + lane() / 4 * STRIDE;
        NO_UNROLL
        for (; unit < least(from + piece, units); unit += MATMUL_WARPS) {
            typename T::Lane now[2] = {next.lanes[0], next.lanes[1]};
            i32 unit_after = unit + MATMUL_WARPS;
            if (unit_after >= units) {
                unit_after = warp();
                Beside<T>::turn_to(next, args, OutTile::of(args, after));
            }
            Beside<T>::read(next, w, unit_after);
            take_codes<T>(now[0], stage, unit - from);
            take_codes<T>(now[1], stage + 8 * STRIDE, unit - from);
            add_unit<T, 1>(sums, now[0], now[1], w.cols, rows, in, unit);
        }
        sync_warp(); // all lanes have read
        if (lane() == 0) arrive(empty(ring.at));
        Stages::next(ring);
    }
    const auto meet = [] { sync_some(1, MATMUL_WARPS * WARP); };
    finish(args, sums, all_sums(), out, 0, rows.scaleCols > 0, meet);
    meet(); // before others write sums again
}

template <class T> DEVICE void matmul(const MatmulArgs& args) {
    let_next_start();
    if (thread() == 0) {
        for (i32 i = 0; i < SM90_MATMUL_STAGES; i++) {
            begin(full(i), 1);
            begin(empty(i), MATMUL_WARPS);
        }
        publish_mbarriers();
    }
    sync();
    const Tiles tiles = Tiles::of(args);
    if (warp() == MATMUL_WARPS) {
        fetch<T>(args, tiles);
        return;
    }
    Beside<T> next = {};
    if (warp() < tiles.units && tiles.first < tiles.last) {
        Beside<T>::turn_to(next, args, OutTile::of(args, tiles.first));
        Beside<T>::read(next, args.parts[0].w, warp());
    }
    wait_for_previous();
    Stages ring;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) {
        multiply<T>(args, tile, least(tile + 1, tiles.last - 1), tiles.units, ring, next);
    }
}

#define DEFINE(type) \
    EARLY_KERNEL(matmul_sm90_##type, MatmulArgs, SM90_MATMUL_THREADS, 2) { matmul<type>(args); }
DEFINE(f16) DEFINE(bf16) DEFINE(f8_e4m3) DEFINE(q8_0)
