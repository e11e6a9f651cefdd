// What Hopper (compute capability 9.0) has besides gpu.h: copies that report to
// barriers in shared memory, products of four warps, and registers that warps
// give to one another. For files "only sm_90a", which include it after gpu.h.
#pragma once

// Mbarrier is a barrier in shared memory. It counts the arrivals and the bytes
// of one phase after the other; the first phase has parity 0. A thread waits
// for the end of the phase of a parity, and must do so before the next ends.
struct alignas(8) Mbarrier { u64 state; };

#ifdef GPU_DEVICE

DEVICE u32 shared_address(const void* p) { return u32(__cvta_generic_to_shared(p)); }

// ---- Barriers in shared memory

// begin makes a barrier of so many arrivals a phase. Then the thread that did it
// calls publish_mbarriers, and all threads meet before they use it.
DEVICE void begin(Mbarrier* b, i32 arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals) : "memory");
}

DEVICE void publish_mbarriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

DEVICE void arrive(Mbarrier* b) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}

// arrive_expecting also says that the phase has so many bytes more to come.
DEVICE void arrive_expecting(Mbarrier* b, i32 bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes) : "memory");
}

// wait waits until the phase of a parity has ended, and sees what its arrivals
// and copies wrote.
DEVICE void wait(Mbarrier* b, u32 parity) {
    asm volatile("{ .reg .pred p; again_%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1; @!p bra again_%=; }" ::"r"(
                     shared_address(b)),
                 "r"(parity)
                 : "memory");
}

// wait_warp does so for a warp, whose lanes all come, and which stays together for the
// compiler too.
DEVICE void wait_warp(Mbarrier* b, u32 parity) {
    asm volatile("{ .reg .pred p, q; again_%=: mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;"
                 " vote.sync.all.pred q, p, 0xffffffff; @!q bra.uni again_%=; }" ::"r"(shared_address(b)),
                 "r"(parity)
                 : "memory");
}

// ---- Copies to shared memory by the copy engine; one thread asks for them

// copy_bulk copies bytes, a multiple of 16, between addresses that are too, and
// counts them at a barrier. The source is read once: weights.
DEVICE void copy_bulk(void* to, const void* from, i32 bytes, Mbarrier* b) {
    asm volatile("{ .reg .b64 policy; createpolicy.fractional.L2::evict_first.b64 policy, 1.0;"
                 " cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], policy; }" ::"r"(
                     shared_address(to)),
                 "l"(from), "r"(bytes), "r"(shared_address(b))
                 : "memory");
}

// copy_box copies the box of a map whose first element is (x, y): rows of 128
// bytes one after another, in which piece p of row r stands at place p ^ r%8
// (tile.h), to an address that is a multiple of 1024. What lies outside of the
// array becomes zero, and counts.
DEVICE void copy_box(void* to, const TensorMap& map, i32 x, i32 y, Mbarrier* b) {
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
                     shared_address(to)),
                 "l"(&map), "r"(x), "r"(y), "r"(shared_address(b))
                 : "memory");
}

// fence_async makes what this thread wrote to shared memory visible to products
// of groups, and its reads come before later copies.
DEVICE void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// ---- Products of groups: 128 threads, the first a multiple of 128. They run
// beside the threads, which must all ask for the same ones.

// hold keeps the compiler from moving accesses to sums, or to operands in
// registers, across.
template <i32 n> DEVICE void hold(float (&d)[n]) {
    UNROLL
    for (i32 i = 0; i < n; i++) asm volatile("" : "+f"(d[i])::"memory");
}

template <i32 n> DEVICE void hold(u32 (&a)[n][4]) {
    UNROLL
    for (i32 i = 0; i < 4 * n; i++) asm volatile("" : "+r"(a[i / 4][i % 4])::"memory");
}

// fence_products comes between what threads do with sums and operands in
// registers and the products that use them. commit_products makes a group of the
// products since the last; wait_products waits until at most `pending` groups are
// on their way. From the product to the wait nobody touches the sums.
template <class... Held> DEVICE void fence_products(Held&... d) {
    (hold(d), ...);
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}

DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

template <i32 pending, class... Held> DEVICE void wait_products(Held&... d) {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
    (hold(d), ...);
}

// group_multiply_f16 and _bf16: d [64, N] += a [64, 16] b [16, N], N twice the
// number of sums of a thread. Warp w of the group has rows 16w to 16w+15: d[4j]
// to d[4j+3] are for columns 8j to 8j+7 what d of multiply_bf16 (gpu.h) is. a
// in registers is the a there. b has a row of the tile for each column; b in
// columns is an operand_columns.
#define SUMS_8(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define SUMS_32(i) SUMS_8(i), SUMS_8(i + 8), SUMS_8(i + 16), SUMS_8(i + 24)
#define SUMS_64(i) SUMS_32(i), SUMS_32(i + 32)
#define SUMS_128(i) SUMS_64(i), SUMS_64(i + 64)
#define REGISTERS_32 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define REGISTERS_64 \
    REGISTERS_32 ", " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define REGISTERS_128 \
    REGISTERS_64 ", " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
    "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
    "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

// r0 to r5 are the numbers of the operands after n sums.
#define GROUP_MULTIPLY(type, shape, n, r0, r1, r2, r3, r4, r5)                                                                     \
    DEVICE void group_multiply_##type(float (&d)[n], u64 a, u64 b) {                                                             \
        asm volatile("wgmma.mma_async.sync.aligned." shape ".f32." #type "." #type " {" REGISTERS_##n "}, " r0 ", " r1           \
                     ", 1, 1, 1, 0, 0;"                                                                                          \
                     : SUMS_##n(0) : "l"(a), "l"(b));                                                                            \
    }                                                                                                                            \
    template <bool columns = false> DEVICE void group_multiply_##type(float (&d)[n], const u32 (&a)[4], u64 b) {                 \
        asm volatile("wgmma.mma_async.sync.aligned." shape ".f32." #type "." #type " {" REGISTERS_##n "}, {" r0 ", " r1 ", " r2  \
                     ", " r3 "}, " r4 ", 1, 1, 1, " r5 ";"                                                                    \
                     : SUMS_##n(0) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(i32(columns)));                     \
    }
GROUP_MULTIPLY(f16, "m64n64k16", 32, "%32", "%33", "%34", "%35", "%36", "%37")
GROUP_MULTIPLY(f16, "m64n128k16", 64, "%64", "%65", "%66", "%67", "%68", "%69")
GROUP_MULTIPLY(f16, "m64n256k16", 128, "%128", "%129", "%130", "%131", "%132", "%133")
GROUP_MULTIPLY(bf16, "m64n64k16", 32, "%32", "%33", "%34", "%35", "%36", "%37")
GROUP_MULTIPLY(bf16, "m64n128k16", 64, "%64", "%65", "%66", "%67", "%68", "%69")
GROUP_MULTIPLY(bf16, "m64n256k16", 128, "%128", "%129", "%130", "%131", "%132", "%133")

// ---- Registers

// kept has the compiler compute a number once, here, and not at each use.
DEVICE i32 kept(i32 v) {
    asm volatile("" : "+r"(v));
    return v;
}

// shrink_registers and grow_registers set the registers of each thread of a
// group, a multiple of 8; a group can grow by what others of the block gave back.
template <i32 n> DEVICE void shrink_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(n)); }
template <i32 n> DEVICE void grow_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(n)); }

#else
#include "emulator/host_hopper.h"
#endif

// An operand of a product is a part of a tile that copy_box made. operand_rows: 16 columns
// of its rows, from `at` in the first row. operand_columns: 16 of its rows from
// `at`, of which each has the numbers of one column of the operand; the second
// 64 of these are `next` bytes further.
DEVICE u64 operand_rows(const void* at) {
    return u64(shared_address(at) >> 4 & 0x3fff) | u64(1) << 16 | u64(1024 >> 4) << 32 | u64(1) << 62;
}

DEVICE u64 operand_columns(const void* at, i32 next) {
    return u64(shared_address(at) >> 4 & 0x3fff) | u64(next >> 4) << 16 | u64(1024 >> 4) << 32 | u64(1) << 62;
}

// Ring walks the stages of a ring: `at` is the stage, parity that of its
// present phase.
template <i32 stages> struct Ring {
    i32 at = 0;
    u32 parity = 0;

    DEVICE void next(Ring& r) {
        if (++r.at < stages) return;
        r.at = 0;
        r.parity ^= 1;
    }
};
