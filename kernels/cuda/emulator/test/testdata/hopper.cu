// The same for what hopper.h has: kernels with one bug each, beside right ones.
#include "gpu.h"
#include "hopper.h"

constexpr i32 THREADS = 128;

struct HopperArgs {
    TensorMap map; // of 128 rows of 64 F16 numbers
    float* out;
    const float* in;
    i32 n;
    i32 unused[11];
};

#define PLANTED(name) KERNEL(name, HopperArgs, THREADS, 1)

// ---- Bulk copies: n pieces of 512 bytes through a ring of two stages, each
// reversed on its way to out. Thread 0 also asks for the copies.

enum class Bulk { right, no_wait, wrong_parity, few_bytes, many_bytes, no_empty, no_publish, no_begin, twice, overwritten, not_taken };

template <Bulk bug> DEVICE void bulk(const HopperArgs& args) {
    constexpr i32 stages = 2, bytes = THREADS * 4;
    Mbarrier* full = reinterpret_cast<Mbarrier*>(shared() + stages * bytes);
    Mbarrier* empty = full + stages;
    if (thread() == 0) {
        for (i32 i = 0; i < stages && bug != Bulk::no_begin; i++) {
            begin(full + i, 1);
            begin(empty + i, THREADS);
        }
        if (bug != Bulk::no_publish) publish_mbarriers();
    }
    sync();
    Ring<stages> ring, next;
    const auto fetch = [&](i32 i) {
        if (thread() != 0 || i >= args.n) return;
        if (bug != Bulk::no_empty) wait(empty + next.at, next.parity ^ 1);
        arrive_expecting(full + next.at, bug == Bulk::few_bytes ? bytes / 2 : bug == Bulk::many_bytes ? 2 * bytes : bytes);
        copy_bulk(shared() + next.at * bytes, args.in + i * THREADS, bytes, full + next.at);
        if (bug == Bulk::twice) arrive(full + next.at);
        Ring<stages>::next(next);
    };
    fetch(0);
    for (i32 i = 0; i < args.n; i++) {
        fetch(i + 1);
        if (bug == Bulk::not_taken && i + 1 == args.n) break;
        if (bug == Bulk::overwritten && thread() == 0) full[0].state = 0;
        if (bug != Bulk::no_wait) wait(full + ring.at, bug == Bulk::wrong_parity ? ring.parity ^ 1 : ring.parity);
        args.out[i * THREADS + thread()] = reinterpret_cast<float*>(shared() + ring.at * bytes)[THREADS - 1 - thread()];
        arrive(empty + ring.at);
        Ring<stages>::next(ring);
    }
}

PLANTED(right_bulk) { bulk<Bulk::right>(args); }
PLANTED(bulk_no_wait) { bulk<Bulk::no_wait>(args); }
PLANTED(bulk_wrong_parity) { bulk<Bulk::wrong_parity>(args); }
PLANTED(bulk_few_bytes) { bulk<Bulk::few_bytes>(args); }
PLANTED(bulk_many_bytes) { bulk<Bulk::many_bytes>(args); }
PLANTED(bulk_no_empty) { bulk<Bulk::no_empty>(args); }
PLANTED(bulk_no_publish) { bulk<Bulk::no_publish>(args); }
PLANTED(bulk_no_begin) { bulk<Bulk::no_begin>(args); }
PLANTED(bulk_twice) { bulk<Bulk::twice>(args); }
PLANTED(bulk_overwritten) { bulk<Bulk::overwritten>(args); }
PLANTED(bulk_not_taken) { bulk<Bulk::not_taken>(args); }

// A phase that ended twice before a thread looked is lost to it.
PLANTED(lapped) {
    Mbarrier* b = reinterpret_cast<Mbarrier*>(shared());
    if (thread() == 0) begin(b, 1);
    sync();
    if (thread() == 0) {
        arrive(b);
        arrive(b);
    }
    sync();
    wait(b, 0);
}

// ---- Products: out [64, 64] = a [64, 64] b [64, 64], a the first rows of the
// map. b has a row for each column; in columns, a row for each row.

enum class Multiply { right, columns, registers, changed, no_fence, no_wait, no_commit, overwritten, plain_store, early, one_warp, two_operands, outside };

template <Multiply bug> DEVICE void product(const HopperArgs& args) {
    constexpr i32 tile = 64 * 128;
    Mbarrier* full = reinterpret_cast<Mbarrier*>(shared() + 2 * tile);
    if (thread() == 0) {
        begin(full, 1);
        publish_mbarriers();
    }
    sync();
    if (thread() == 0) {
        arrive_expecting(full, 2 * tile);
        copy_box(shared(), args.map, 0, 0, full);
        copy_box(shared() + tile, args.map, 0, bug == Multiply::outside ? 96 : 64, full);
    }
    if (bug != Multiply::early) wait(full, 0);
    if (bug == Multiply::plain_store && thread() == 0) *reinterpret_cast<u16*>(shared()) = 0x3c00;
    float d[32];
    u32 a_all[4][4]; // of each 16 columns
    for (i32 i = 0; i < 32; i++) d[i] = 0;
    if (bug == Multiply::one_warp && warp() == 2) return;
    if (bug != Multiply::no_fence) fence_products(d);
    UNROLL
    for (i32 k = 0; k < 4; k++) {
        const u8 *a = shared() + 32 * k, *b = shared() + tile + 32 * k;
        if (bug == Multiply::columns || bug == Multiply::registers || bug == Multiply::changed) {
            u32* left = a_all[bug == Multiply::changed ? 0 : k]; // of rows 16 warp + g and 8 more, columns 2t and 8 more
            for (i32 i = 0; i < 4; i++) {
                const i32 row = 16 * warp() + lane() / 4 + i % 2 * 8, piece = 2 * k + i / 2;
                left[i] = *reinterpret_cast<u32*>(shared() + row * 128 + (piece ^ row % 8) * 16 + lane() % 4 * 4);
            }
            if (bug == Multiply::columns) {
                group_multiply_f16<true>(d, a_all[k], operand_columns(shared() + tile + 2048 * k, tile));
            } else {
                group_multiply_f16(d, a_all[bug == Multiply::changed ? 0 : k], operand_rows(b));
            }
        } else {
            group_multiply_f16(d, operand_rows(bug == Multiply::two_operands ? a + warp() / 2 * 32 : a), operand_rows(b));
        }
    }
    if (bug != Multiply::no_commit) commit_products();
    if (bug == Multiply::overwritten && thread() == 0) copy_bulk(shared(), args.in, 512, full);
    if (bug != Multiply::no_wait) wait_products<0>(d);
    for (i32 i = 0; i < 32; i++) {
        const i32 row = 16 * warp() + lane() / 4 + i / 2 % 2 * 8;
        args.out[row * 64 + i / 4 * 8 + lane() % 4 * 2 + i % 2] = d[i];
    }
    if (bug == Multiply::no_wait) wait_products<0>(d);
}

PLANTED(right_product) { product<Multiply::right>(args); }
PLANTED(right_columns) { product<Multiply::columns>(args); }
PLANTED(right_registers) { product<Multiply::registers>(args); }
PLANTED(product_changed) { product<Multiply::changed>(args); }
PLANTED(right_outside) { product<Multiply::outside>(args); }
PLANTED(product_no_fence) { product<Multiply::no_fence>(args); }
PLANTED(product_no_wait) { product<Multiply::no_wait>(args); }
PLANTED(product_no_commit) { product<Multiply::no_commit>(args); }
PLANTED(product_overwritten) { product<Multiply::overwritten>(args); }
PLANTED(product_plain_store) { product<Multiply::plain_store>(args); }
PLANTED(product_early) { product<Multiply::early>(args); }
PLANTED(product_one_warp) { product<Multiply::one_warp>(args); }
PLANTED(product_two_operands) { product<Multiply::two_operands>(args); }

// ---- Registers: a thread has 248 when no image says otherwise

PLANTED(right_registers_given) {
    shrink_registers<120>();
    grow_registers<240>();
    args.out[thread()] = args.in[thread()];
}

PLANTED(registers_missing) { grow_registers<256>(); }
PLANTED(registers_odd) { shrink_registers<100>(); }

// ---- Dependent launches: out = in + 1

enum class Follow { right, late, silent, reads, writes };

template <Follow what> DEVICE void follow(const HopperArgs& args) {
    if (what == Follow::right || what == Follow::reads || what == Follow::writes) let_next_start();
    const float early = what == Follow::reads || what == Follow::writes ? args.in[thread()] + 1 : 0;
    if (what == Follow::writes) args.out[thread()] = early;
    wait_for_previous();
    if (what == Follow::late) let_next_start();
    if (what != Follow::writes) args.out[thread()] = what == Follow::reads ? early : args.in[thread()] + 1;
}

EARLY_KERNEL(right_follow, HopperArgs, THREADS, 1) { follow<Follow::right>(args); }
EARLY_KERNEL(follow_late, HopperArgs, THREADS, 1) { follow<Follow::late>(args); }
EARLY_KERNEL(follow_silent, HopperArgs, THREADS, 1) { follow<Follow::silent>(args); }
EARLY_KERNEL(follow_reads, HopperArgs, THREADS, 1) { follow<Follow::reads>(args); }
EARLY_KERNEL(follow_writes, HopperArgs, THREADS, 1) { follow<Follow::writes>(args); }
EARLY_KERNEL(follow_far, HopperArgs, THREADS, 1) {
    const float v = args.in[thread() + (1 << 20)];
    wait_for_previous();
    args.out[thread()] = v;
}
EARLY_KERNEL(follow_no_wait, HopperArgs, THREADS, 1) { args.out[thread()] = args.in[thread()] + 1; }
