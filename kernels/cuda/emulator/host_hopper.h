// The host back end of hopper.h, which includes it.
#pragma once

DEVICE u32 shared_address(const void *p) { return u32(static_cast<const u8 *>(p) - shared()); }

// ---- Barriers in shared memory

DEVICE void begin(Mbarrier *b, i32 arrivals, Site at = Site::here()) { emu::begin_mbarrier(b, arrivals, at); }
DEVICE void publish_mbarriers() { emu::publish_mbarriers(); }
DEVICE void arrive(Mbarrier *b, Site at = Site::here()) { emu::arrive_mbarrier(b, 0, at); }
DEVICE void arrive_expecting(Mbarrier *b, i32 bytes, Site at = Site::here()) { emu::arrive_mbarrier(b, bytes, at); }
DEVICE void wait(Mbarrier *b, u32 parity, Site at = Site::here()) { emu::wait_mbarrier(b, parity, at); }
DEVICE void wait_warp(Mbarrier *b, u32 parity, Site at = Site::here()) { emu::wait_mbarrier(b, parity, at); }

// ---- Copies

DEVICE void copy_bulk(void *to, const void *from, i32 bytes, Mbarrier *b, Site at = Site::here()) {
    emu::copy_bulk(to, from, bytes, b, at);
}

DEVICE void copy_box(void *to, const TensorMap &map, i32 x, i32 y, Mbarrier *b, Site at = Site::here()) {
    emu::copy_box(to, &map, x, y, b, at);
}

DEVICE void fence_async() { emu::fence_async(); }

// ---- Products of groups

template <class... Sums> DEVICE void fence_products(Sums &...) { emu::fence_products(); }
DEVICE void commit_products(Site at = Site::here()) { emu::commit_products(at); }

template <i32 pending, class... Sums> DEVICE void wait_products(Sums &...) {
    emu::wait_products(pending, {"wait_products", pending});
}

template <i32 n> DEVICE void group_multiply(bool bf16, float (&d)[n], u64 a, u64 b, Site at) {
    emu::GroupProduct g = {d, 2 * n, bf16, false, false, a, b, nullptr};
    emu::multiply_group(g, at);
}

template <i32 n> DEVICE void group_multiply(bool bf16, float (&d)[n], const u32 (&a)[4], u64 b, bool columns, Site at) {
    emu::GroupProduct g = {d, 2 * n, bf16, true, columns, 0, b, a};
    emu::multiply_group(g, at);
}

template <i32 n> DEVICE void group_multiply_f16(float (&d)[n], u64 a, u64 b, Site at = Site::here()) {
    group_multiply(false, d, a, b, at);
}

template <i32 n> DEVICE void group_multiply_bf16(float (&d)[n], u64 a, u64 b, Site at = Site::here()) {
    group_multiply(true, d, a, b, at);
}

template <bool columns = false, i32 n> DEVICE void group_multiply_f16(float (&d)[n], const u32 (&a)[4], u64 b, Site at = Site::here()) {
    group_multiply(false, d, a, b, columns, at);
}

template <bool columns = false, i32 n> DEVICE void group_multiply_bf16(float (&d)[n], const u32 (&a)[4], u64 b, Site at = Site::here()) {
    group_multiply(true, d, a, b, columns, at);
}

// ---- Registers

DEVICE i32 kept(i32 v) { return v; }

template <i32 n> DEVICE void shrink_registers(Site at = Site::here()) { emu::set_registers(n, false, at); }
template <i32 n> DEVICE void grow_registers(Site at = Site::here()) { emu::set_registers(n, true, at); }
