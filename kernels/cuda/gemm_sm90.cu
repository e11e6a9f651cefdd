// gemm_sm90_W_N: what gemm_W_N (gemm.cu) computes, by what Hopper has. A block
// has three groups of four warps. The first asks the copy engine for boxes of both
// operands, as far ahead as a ring of stages has room; the others multiply 64
// out-features each by N tokens. Blocks take tile after tile, so that the ring
// runs on while a tile's sums are written.
//
// F16 weights are multiplied where they lie. BF16 weights become F16 in
// registers, as in gemm.cu.
//
// A sum is taken in order of columns, 16 at a time by one instruction, the same
// for every N.
//
// only sm_90a
// expect HGMMA UTMALDG SYNCS USETMAXREG: gemm_sm90_
#include "gpu.h"
#include "hopper.h"
#include "sums.h"
#include "tile.h"

constexpr i32 GROUP = 4 * WARP;
constexpr i32 GROUPS = SM90_THREADS / GROUP - 1; // that multiply
constexpr i32 STEP = 64;                         // columns of a stage: 128 bytes of a row
constexpr i32 LEFT = SM90_GEMM_ROWS * STEP * 2;  // bytes of a stage that are weights
static_assert(SM90_GEMM_ROWS == 64 * GROUPS, "a group does 64 rows");

// Stages is the block's shared memory: a ring of stages, each of weights and
// tokens, and for each a barrier for what came and one for what was read.
template <i32 N> struct Stages {
    static constexpr i32 bytes = LEFT + N * STEP * 2;
    static constexpr i32 count = (SM90_GEMM_SHARED - 1024) / bytes;

    DEVICE u8* at(i32 i) { return shared() + i * bytes; }
    DEVICE Mbarrier* full(i32 i) { return reinterpret_cast<Mbarrier*>(shared() + count * bytes) + i; }
    DEVICE Mbarrier* empty(i32 i) { return full(count + i); }
};

// The weights' types: direct ones are multiplied where they lie.
struct WeightF16 {
    static constexpr bool direct = true;
    DEVICE u32 narrow(u32 two) { return two; }
};

struct WeightBF16 {
    static constexpr bool direct = false;
    DEVICE u32 narrow(u32 two) { return pack_f16(bits<float>(two << 16), bits<float>(two & 0xffff0000)); }
};

// Tiles are those of a block: tokens first, so that blocks which run at the same
// time share weights.
struct Tiles {
    i32 across, count, steps;

    DEVICE Tiles of(const GemmSm90Args& args, i32 n) {
        const i32 across = (args.n + n - 1) / n;
        return {across, across * ((args.rows + SM90_GEMM_ROWS - 1) / SM90_GEMM_ROWS), (args.cols + STEP - 1) / STEP};
    }
};

// fetch keeps the ring filled. One thread does it.
template <i32 N> DEVICE void fetch(const GemmSm90Args& args) {
    typedef Stages<N> S;
    const Tiles tiles = Tiles::of(args, N);
    Ring<S::count> ring;
    for (i32 tile = block_x(); tile < tiles.count; tile += grid_x()) {
        const i32 row = tile / tiles.across * SM90_GEMM_ROWS, token = tile % tiles.across * N;
        NO_UNROLL
        for (i32 step = 0; step < tiles.steps; step++) {
            wait(S::empty(ring.at), ring.parity ^ 1);
            arrive_expecting(S::full(ring.at), S::bytes);
            copy_box(S::at(ring.at), args.w, step * STEP, row, S::full(ring.at));
            copy_box(S::at(ring.at) + LEFT, args.x, step * STEP, token, S::full(ring.at));
            Ring<S::count>::next(ring);
        }
    }
}

// done says that this warp has read a stage.
DEVICE void done(Mbarrier* empty) {
    if (lane() == 0) arrive(empty);
}

// products_direct multiplies a tile of weights that are multiplied where they lie.
// The products of one stage are on their way while those of the next are asked for.
template <i32 N> DEVICE void products_direct(float (&d)[N / 2], i32 steps, i32 group, Ring<Stages<N>::count>& ring) {
    typedef Stages<N> S;
    Mbarrier* before = nullptr;
    NO_UNROLL
    for (i32 step = 0; step < steps; step++) {
        wait(S::full(ring.at), ring.parity);
        const u8 *w = S::at(ring.at) + group * (LEFT / GROUPS), *x = S::at(ring.at) + LEFT;
        fence_products(d);
        UNROLL
        for (i32 k = 0; k < STEP / 16; k++) group_multiply_f16(d, operand_rows(w + 32 * k), operand_rows(x + 32 * k));
        commit_products();
        wait_products<1>();
        if (before) done(before);
        before = S::empty(ring.at);
        Ring<S::count>::next(ring);
    }
    wait_products<0>(d);
    done(before);
}

// products_narrowed multiplies a tile of weights that become F16 in registers. Those
// of one stage are on their way while the weights of the next are read.
template <class W, i32 N> DEVICE void products_narrowed(float (&d)[N / 2], i32 steps, i32 group, Ring<Stages<N>::count>& ring) {
    typedef Stages<N> S;
    typedef u32 Left[STEP / 16][4];
    const auto start = [&](Left& a) {
        wait(S::full(ring.at), ring.parity);
        const Tile<8> w = {S::at(ring.at) + group * (LEFT / GROUPS)};
        UNROLL
        for (i32 k = 0; k < STEP / 16; k++) {
            load_left(a[k], w, warp() % 4 * 16, 2 * k);
            UNROLL
            for (i32 i = 0; i < 4; i++) a[k][i] = W::narrow(a[k][i]);
        }
        fence_products(d, a);
        UNROLL
        for (i32 k = 0; k < STEP / 16; k++) group_multiply_f16(d, a[k], operand_rows(S::at(ring.at) + LEFT + 32 * k));
        commit_products();
        Mbarrier* const empty = S::empty(ring.at);
        Ring<S::count>::next(ring);
        return empty;
    };
    Left even, odd;
    Mbarrier* before = start(even);
    NO_UNROLL
    for (i32 step = 1; step < steps; step += 2) {
        Mbarrier* after = start(odd);
        wait_products<1>(even);
        done(before);
        before = after;
        if (step + 1 == steps) break;
        after = start(even);
        wait_products<1>(odd);
        done(before);
        before = after;
    }
    wait_products<0>(d);
    done(before);
}

template <class W, i32 N> DEVICE void gemm(const GemmSm90Args& args) {
    typedef Stages<N> S;
    if (thread() == 0) {
        for (i32 i = 0; i < S::count; i++) {
            begin(S::full(i), 1);
            begin(S::empty(i), 4 * GROUPS);
        }
        publish_mbarriers();
    }
    sync();
    if (warp() < 4) {
        shrink_registers<40>();
        if (thread() == 0) fetch<N>(args);
        return;
    }
    grow_registers<232>();
    const i32 group = warp() / 4 - 1;
    const Tiles tiles = Tiles::of(args, N);
    Ring<S::count> ring;
    for (i32 tile = block_x(); tile < tiles.count; tile += grid_x()) {
        float d[N / 2] = {};
        if constexpr (W::direct) {
            products_direct<N>(d, tiles.steps, group, ring);
        } else {
            products_narrowed<W, N>(d, tiles.steps, group, ring);
        }
        const i32 row = tile / tiles.across * SM90_GEMM_ROWS + 64 * group + warp() % 4 * 16, token = tile % tiles.across * N;
        write_sums<1, N / 8>(args, d, row + lane() / 4, token + lane() % 4 * 2);
    }
}

KERNEL(gemm_sm90_f16_64, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightF16, 64>(args); }
KERNEL(gemm_sm90_f16_128, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightF16, 128>(args); }
KERNEL(gemm_sm90_f16_256, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightF16, 256>(args); }
KERNEL(gemm_sm90_bf16_64, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightBF16, 64>(args); }
KERNEL(gemm_sm90_bf16_128, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightBF16, 128>(args); }
KERNEL(gemm_sm90_bf16_256, GemmSm90Args, SM90_THREADS, 1) { gemm<WeightBF16, 256>(args); }
