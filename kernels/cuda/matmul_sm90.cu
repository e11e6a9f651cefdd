// matmul_sm90_W: what matmul_W_8 (matmul.cu) computes, bit for bit, by what Hopper
// has. A warp of its own asks the copy engine for weights, a unit for each of eight
// warps and 16 rows a stage, as far ahead as a ring has room; these multiply them.
// Blocks do tile after tile of 16 out-features, by all tokens: 8 at most.
//
// A block fills its ring while the kernel before it runs: nobody writes weights. Any other
// load, of inputs or of that kernel, waits behind all that is on its way: at first no more
// than keeps memory busy.
//
// Shared memory: barriers; the warps' sums; the ring.
//
// only sm_90a
// expect HMMA UBLKCP SYNCS ACQBULK PREEXIT: matmul_sm90_
#include "gpu.h"
#include "hopper.h"
#include "matmul_unit.h"

// native_e4m3 has the values of E4M3, where others have their bits.
struct native_e4m3 : f8_e4m3 {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = widen_e4m3(l.codes[2 * j + i / 2] >> i % 2 * 16);
    }
    DEVICE float scale(const Lane&, i32) { return 1; }
};

// Stage is what the warps' next units take: two halves, of panels, which are one copy, or
// of rows.
template <class T> struct Stage {
    static constexpr i32 units = MATMUL_WARPS, unit_bytes = T::panels ? Panel<T>::bytes / 2 : 16 * T::Lane::code_words;
    static constexpr i32 copies = T::panels ? 1 : EIGHT;                   // of a half
    static constexpr i32 stride = units * unit_bytes + (T::panels ? 0 : 16); // so that rows begin in other banks
    static constexpr i32 half = copies * stride, bytes = 2 * half;
    static constexpr i32 count = SM90_MATMUL_RING / bytes < SM90_MATMUL_STAGES ? SM90_MATMUL_RING / bytes : SM90_MATMUL_STAGES;
    static constexpr i32 flight = SM90_MATMUL_FLIGHT / bytes > 1 ? SM90_MATMUL_FLIGHT / bytes : 1; // on their way at first
    typedef Ring<count> Walk;

    DEVICE u8* at(i32 i) { return shared() + SM90_MATMUL_BESIDE + i * bytes; }
};

DEVICE Mbarrier* full(i32 i) { return reinterpret_cast<Mbarrier*>(shared()) + i; }
DEVICE Mbarrier* empty(i32 i) { return full(SM90_MATMUL_STAGES + i); }
DEVICE float* all_sums() { return reinterpret_cast<float*>(full(2 * SM90_MATMUL_STAGES)); }

// Tiles are those of a block, first to last - 1.
struct Tiles {
    i32 first, last, units;

    DEVICE Tiles of(const MatmulArgs& args) {
        const i64 all = args.tiles;
        return {i32(all * block_x() / grid_x()), i32(all * (block_x() + 1) / grid_x()), (args.parts[0].w.cols + UNIT - 1) / UNIT};
    }
};

// fetch keeps the ring filled. A warp does it: each lane asks for a copy of a stage.
template <class T> DEVICE void fetch(const MatmulArgs& args, const Tiles& tiles) {
    typedef Stage<T> S;
    const i32 units = T::panels ? (tiles.units + 1) / 2 * 2 : tiles.units;
    const i32 half = lane() / S::copies % 2, row = lane() % S::copies;
    typename S::Walk ring;
    i32 asked = 0;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) {
        const u8* from = OutTile::address_of<T>(OutTile::of(args, tile), args, half, row);
        NO_UNROLL
        for (i32 unit = 0; unit < units; unit += S::units) {
            const i32 bytes = least(S::units, units - unit) * S::unit_bytes;
            if (lane() == 0) {
                if (asked >= S::flight && asked < S::count) wait(full(asked - S::flight), 0);
                asked++;
                wait(empty(ring.at), ring.parity ^ 1);
                arrive_expecting(full(ring.at), 2 * S::copies * bytes);
            }
            sync_warp();
            if (lane() < 2 * S::copies) {
                copy_bulk(S::at(ring.at) + half * S::half + row * S::stride, from + unit * S::unit_bytes, bytes, full(ring.at));
            }
            S::Walk::next(ring);
        }
    }
}

// Staged reads what Weights does (weights.h) from shared memory.
struct Staged {
    template <i32 bytes> DEVICE void read(u32* d, const u8* p) {
        if constexpr (bytes == 2) {
            d[0] = *reinterpret_cast<const u16*>(p);
        } else if constexpr (bytes == 4) {
            d[0] = *reinterpret_cast<const u32*>(p);
        } else if constexpr (bytes == 8) {
            const U32x2 v = load8(p);
            d[0] = v.x, d[1] = v.y;
        } else {
            UNROLL
            for (i32 i = 0; i < bytes / 4; i += 4) {
                const U32x4 v = load16(p + 4 * i);
                d[i] = v.x, d[i + 1] = v.y, d[i + 2] = v.z, d[i + 3] = v.w;
            }
        }
    }
};

// add_units adds a warp's units of a tile, each from its stage of the ring.
template <class T, bool scaled, class Done>
DEVICE void add_units(Sums<1>& sums, const MatmulArgs& args, i32 units, const TwoRows& rows, const Place<T>& at,
                      typename Stage<T>::Walk& ring, Done done) {
    typedef Stage<T> S;
    auto in = Inputs<T, 1>::of(args, 0, warp());
    NO_UNROLL
    for (i32 unit = warp(); unit < units; unit += S::units) {
        wait_warp(full(ring.at), ring.parity);
        const u8* from = S::at(ring.at);
        typename T::Lane now[2];
        read_place<T, Staged>(now[0], from, at);
        read_place<T, Staged>(now[1], from + S::half, at);
        done();
        add_unit<T, 1, scaled>(sums, now[0], now[1], args.parts[0].w.cols, rows, in, unit, args.table);
        Inputs<T, 1>::turn(in);
    }
}

// multiply adds a tile of weights.
template <class T> DEVICE void multiply(const MatmulArgs& args, i32 tile, i32 units, const Place<T>& at, typename Stage<T>::Walk& ring) {
    typedef Stage<T> S;
    const OutTile out = OutTile::of(args, tile);
    const TwoRows rows = TwoRows::of<T>(args, out);
    Sums<1> sums = {};
    const auto done = [&] { // with a stage, all lanes
        sync_warp();
        if (lane() == 0) arrive(empty(ring.at));
        S::Walk::next(ring);
    };
    // Without branches in it, the loop's loads and products overlap.
    if (T::tiles && rows.scaleCols > 0) {
        add_units<T, T::tiles>(sums, args, units, rows, at, ring, done);
    } else {
        add_units<T, false>(sums, args, units, rows, at, ring, done);
    }
    if ((units - 1) % S::units < warp()) { // the last stage has nothing for this warp
        wait(full(ring.at), ring.parity);
        done();
    }
    const auto meet = [] { sync_some(1, MATMUL_WARPS * WARP); };
    leave(sums, all_sums());
    meet();
    finish<T, 1>(args, all_sums(), out, 0);
    meet(); // before others leave sums again
}

template <class T> DEVICE void matmul(const MatmulArgs& args) {
    let_next_start();
    if (thread() == 0) {
        for (i32 i = 0; i < Stage<T>::count; i++) {
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
    wait_for_previous();
    Place<T> at = Place<T>::of(lane() / 4, warp());
    at = {kept(at.codes + (T::panels ? 0 : lane() / 4 * Stage<T>::stride)), kept(at.high), kept(at.steps), kept(at.halves)};
    typename Stage<T>::Walk ring;
    for (i32 tile = tiles.first; tile < tiles.last; tile++) multiply<T>(args, tile, tiles.units, at, ring);
}

// A type, and what has its numbers here.
template <class T> struct Here { typedef T Type; };
template <> struct Here<f8_e4m3> { typedef native_e4m3 Type; };

#define DEFINE(type) \
    EARLY_KERNEL(matmul_sm90_##type, MatmulArgs, SM90_MATMUL_THREADS, SM90_MATMUL_BLOCKS) { matmul<Here<type>::Type>(args); }
FOR_NARROW_TYPES(DEFINE)
