// The host back end of gpu.h, which includes it. What each function does
// stands there; here it is done by the engine, with the checks that a device
// does not make.
#pragma once

#include "engine.h"

#include <cstring>
#include <ctime>

#define DEVICE static inline
#define CONSTANT static const
#define UNROLL
#define NO_UNROLL
#define EARLY_KERNEL(name, Args, threads, blocks)                                                \
    static void name(const Args &);                                                               \
    static emu::Kernel name##_entry(#name, sizeof(Args), threads,                                \
                                    [](const void *args) { name(*static_cast<const Args *>(args)); }); \
    static void name([[maybe_unused]] const Args &args)

// ---- Who am I

DEVICE i32 thread() { return emu::current->id; }
DEVICE i32 threads() { return emu::current->block->count; }
DEVICE i32 lane() { return emu::current->lane; }
DEVICE i32 warp() { return emu::current->id / WARP; }
DEVICE i32 block_x() { return emu::current->block->x; }
DEVICE i32 block_y() { return emu::current->block->y; }
DEVICE i32 block_z() { return emu::current->block->z; }
DEVICE i32 grid_x() { return emu::grid().x; }
DEVICE i32 grid_y() { return emu::grid().y; }
DEVICE i32 grid_z() { return emu::grid().z; }
DEVICE u8 *shared() { return emu::current->block->shared; }

// ---- Bits

template <class To, class From> DEVICE To bits(From v) {
    static_assert(sizeof(To) == sizeof(From), "bits");
    To d;
    memcpy(&d, &v, sizeof d);
    return d;
}

DEVICE i32 count_ones(u32 v) { return __builtin_popcount(v); }
DEVICE i32 highest_bit(u32 v) { return v ? 31 - __builtin_clz(v) : -1; }

DEVICE u32 permute_bytes(u32 a, u32 b, u32 selector) {
    const u64 both = u64(b) << 32 | a;
    u32 d = 0;
    for (int i = 0; i < 4; i++) {
        const u32 nibble = selector >> 4 * i & 15;
        u32 byte = both >> 8 * (nibble & 7) & 0xff;
        if (nibble & 8) byte = byte & 0x80 ? 0xff : 0; // its sign
        d |= byte << 8 * i;
    }
    return d;
}

// ---- Arithmetic

DEVICE float fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
DEVICE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
DEVICE float square_root(float v) { return __builtin_sqrtf(v); }
DEVICE float nearest(float v) { return __builtin_nearbyintf(v); }
DEVICE double nearest(double v) { return __builtin_nearbyint(v); }

// approximate moves a result by up to one unit, as the seed will have it.
DEVICE float approximate(float v) {
    const u32 b = bits<u32>(v), size = b & 0x7fffffff;
    if (size >= 0x7f7fffff || size <= 0x00800000) return v;
    return bits<float>(b + emu::noise(b) % 3 - (emu::noise(b) ? 1 : 0));
}

DEVICE float flush(float v) { return __builtin_fabsf(v) < 0x1p-126f ? __builtin_copysignf(0, v) : v; }

// approx_exp2 is exact for whole numbers, as on the device.
DEVICE float approx_exp2(float v) {
    const float d = __builtin_exp2f(flush(v));
    return flush(v == nearest(v) ? d : approximate(d));
}

DEVICE float approx_rsqrt(float v) { return approximate(float(1 / __builtin_sqrt(double(flush(v))))); }
DEVICE float approx_reciprocal(float v) { return flush(approximate(1 / flush(v))); }

// ---- Narrow numbers

DEVICE float from_f16(u16 h) {
#ifdef __FLT16_MAX__
    return bits<_Float16>(h);
#else
    const u32 sign = u32(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;
    if (e == 0) return bits<float>(sign | bits<u32>(float(m) * 0x1p-24f));
    if (e == 31) return bits<float>(sign | 0x7f800000 | m << 13);
    return bits<float>(sign | (e + 112) << 23 | m << 13);
#endif
}

DEVICE u16 to_f16(float v) {
    if (v != v) return 0x7fff; // the one NaN that the device gives
#ifdef __FLT16_MAX__
    return bits<u16>(_Float16(v));
#else
    const u32 b = bits<u32>(v), sign = b >> 16 & 0x8000, size = b & 0x7fffffff;
    if (size >= 0x477ff000) return u16(sign | 0x7c00);
    if (size < 0x38800000) return u16(sign | (bits<u32>(bits<float>(size) + 0.5f) - 0x3f000000));
    return u16(sign | ((size + 0xfff + (size >> 13 & 1)) >> 13) - (112 << 10));
#endif
}

DEVICE u16 to_bf16(float v) {
    if (v != v) return 0x7fff;
    const u32 b = bits<u32>(v);
    return u16((b + 0x7fff + (b >> 16 & 1)) >> 16);
}

DEVICE u32 pack_f16(float low, float high) { return u32(to_f16(high)) << 16 | to_f16(low); }
DEVICE u32 pack_bf16(float low, float high) { return u32(to_bf16(high)) << 16 | to_bf16(low); }

// A float holds more than twice the bits of a half, so rounding twice is
// rounding once.
DEVICE u32 add_f16x2(u32 a, u32 b) {
    return pack_f16(from_f16(u16(a)) + from_f16(u16(b)), from_f16(u16(a >> 16)) + from_f16(u16(b >> 16)));
}

DEVICE u32 multiply_f16x2(u32 a, u32 b) {
    return pack_f16(from_f16(u16(a)) * from_f16(u16(b)), from_f16(u16(a >> 16)) * from_f16(u16(b >> 16)));
}

// ---- Memory

DEVICE void check_alignment(const void *p, size_t bytes, emu::Site at) {
    if (reinterpret_cast<uintptr_t>(p) % bytes == 0) return;
    emu::fail(716, "%s:%d: address %p is not aligned to %zu bytes", at.file, at.line, p, bytes);
}

template <class T> DEVICE T load_aligned(const void *p, emu::Site at) {
    check_alignment(p, sizeof(T), at);
    return *static_cast<const T *>(p);
}

template <class T> DEVICE void store_aligned(void *p, T v, emu::Site at) {
    check_alignment(p, sizeof(T), at);
    *static_cast<T *>(p) = v;
}

using emu::Site;

DEVICE U32x2 load8(const void *p, Site at = Site::here()) { return load_aligned<U32x2>(p, at); }
DEVICE U32x4 load16(const void *p, Site at = Site::here()) { return load_aligned<U32x4>(p, at); }
DEVICE void store8(void *p, U32x2 v, Site at = Site::here()) { store_aligned(p, v, at); }
DEVICE void store16(void *p, U32x4 v, Site at = Site::here()) { store_aligned(p, v, at); }
DEVICE u16 stream2(const void *p, Site at = Site::here()) { return load_aligned<u16>(p, at); }
DEVICE u32 stream4(const void *p, Site at = Site::here()) { return load_aligned<u32>(p, at); }
DEVICE U32x2 stream8(const void *p, Site at = Site::here()) { return load_aligned<U32x2>(p, at); }
DEVICE U32x4 stream16(const void *p, Site at = Site::here()) { return load_aligned<U32x4>(p, at); }

DEVICE const u8 *kept(const u8 *p) { return p; }

// A thread that looks whether another has written gives it time to.
DEVICE u32 load_acquire(const u32 *p, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::rest("load_acquire", at);
    return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

DEVICE u32 load_acquire_system(const u32 *p, Site at = Site::here()) { return load_acquire(p, at); }

DEVICE void store_release(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
    emu::preempt();
}

DEVICE void store_release_system(u32 *p, u32 v, Site at = Site::here()) { store_release(p, v, at); }

// Others that see that this thread came may go on first.
DEVICE u32 add_acquire_release(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    const u32 old = __atomic_fetch_add(p, v, __ATOMIC_ACQ_REL);
    emu::stand_aside();
    return old;
}

DEVICE void fence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
DEVICE void fence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

DEVICE u32 atomic_add(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

DEVICE u64 atomic_add(u64 *p, u64 v, Site at = Site::here()) {
    check_alignment(p, 8, at);
    emu::preempt();
    return __atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

DEVICE u32 atomic_or(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    return __atomic_fetch_or(p, v, __ATOMIC_RELAXED);
}

DEVICE u32 atomic_cas(u32 *p, u32 old, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    __atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    return old;
}

DEVICE u32 atomic_swap(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    return __atomic_exchange_n(p, v, __ATOMIC_RELAXED);
}

DEVICE u32 atomic_max(u32 *p, u32 v, Site at = Site::here()) {
    check_alignment(p, 4, at);
    emu::preempt();
    u32 old = __atomic_load_n(p, __ATOMIC_RELAXED);
    while (old < v && !__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) continue;
    return old;
}

DEVICE void rest(Site at = Site::here()) { emu::rest("rest", at); }

DEVICE u64 nanoseconds() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return u64(t.tv_sec) * 1000000000 + u64(t.tv_nsec);
}

// ---- Barriers

DEVICE void sync(Site at = Site::here()) { emu::sync(0, 0, at); }
DEVICE void sync_some(i32 id, i32 n, Site at = Site::here()) { emu::sync(id, n, at); }
DEVICE void arrive_some(i32 id, i32 n, Site at = Site::here()) { emu::arrive_at(id, n, at); }

DEVICE void sync_warp(Site at = Site::here()) {
    int none = 0;
    emu::meet("sync_warp", none, at, [](emu::Thread *) {});
}

// ---- Warps

struct Lanes {
    u32 value;
    i32 lane; // asked for
};

template <class Of> DEVICE u32 exchange(const char *op, u32 v, i32 by, emu::Site at, Of of) {
    Lanes mine = {v, by};
    emu::meet(op, mine, at, [of](emu::Thread *threads) {
        u32 values[WARP];
        for (i32 i = 0; i < WARP; i++) values[i] = static_cast<Lanes *>(threads[i].argument)->value;
        for (i32 i = 0; i < WARP; i++) {
            Lanes *l = static_cast<Lanes *>(threads[i].argument);
            const i32 from = of(i, l->lane);
            l->value = values[from < 0 || from >= WARP ? i : from];
        }
    });
    return mine.value;
}

DEVICE u32 shuffle(u32 v, i32 from, Site at = Site::here()) {
    return exchange("shuffle", v, from, at, [](i32, i32 from) { return from % WARP; });
}

DEVICE u32 shuffle_xor(u32 v, i32 mask, Site at = Site::here()) {
    return exchange("shuffle_xor", v, mask, at, [](i32 lane, i32 mask) { return lane ^ mask; });
}

DEVICE u32 shuffle_up(u32 v, i32 by, Site at = Site::here()) {
    return exchange("shuffle_up", v, by, at, [](i32 lane, i32 by) { return lane - by; });
}

DEVICE u32 shuffle_down(u32 v, i32 by, Site at = Site::here()) {
    return exchange("shuffle_down", v, by, at, [](i32 lane, i32 by) { return lane + by; });
}

DEVICE u32 ballot(bool v, Site at = Site::here()) {
    u32 mine = v;
    emu::meet("ballot", mine, at, [](emu::Thread *threads) {
        u32 all = 0;
        for (i32 i = 0; i < WARP; i++) all |= *static_cast<u32 *>(threads[i].argument) << i;
        for (i32 i = 0; i < WARP; i++) *static_cast<u32 *>(threads[i].argument) = all;
    });
    return mine;
}

// butterfly combines the lanes' values in the order of shuffle_xor by width/2
// and so on to 1, in one meeting.
template <i32 width, class T, class Combine> DEVICE T butterfly(const char *op, T v, emu::Site at, Combine combine) {
    emu::meet(op, v, at, [combine](emu::Thread *threads) {
        T a[WARP], b[WARP];
        for (i32 i = 0; i < WARP; i++) a[i] = *static_cast<T *>(threads[i].argument);
        for (i32 mask = width / 2; mask > 0; mask /= 2) {
            for (i32 i = 0; i < WARP; i++) b[i] = combine(a[i], a[i ^ mask]);
            for (i32 i = 0; i < WARP; i++) a[i] = b[i];
        }
        for (i32 i = 0; i < WARP; i++) *static_cast<T *>(threads[i].argument) = a[i];
    });
    return v;
}

template <class T> DEVICE T warp_sum(T v, Site at = Site::here()) {
    return butterfly<WARP>("warp_sum", v, at, [](T a, T b) { return a + b; });
}

template <class T> DEVICE T warp_max(T v, Site at = Site::here()) {
    return butterfly<WARP>("warp_max", v, at, [](T a, T b) { return a < b ? b : a; });
}

template <class T> DEVICE T quad_sum(T v, Site at = Site::here()) {
    return butterfly<4>("quad_sum", v, at, [](T a, T b) { return a + b; });
}

template <class T> DEVICE T quad_max(T v, Site at = Site::here()) {
    return butterfly<4>("quad_max", v, at, [](T a, T b) { return a < b ? b : a; });
}

// ---- Copies

DEVICE void copy_async(void *to, const void *from, i32 valid = 16, Site at = Site::here()) {
    check_alignment(to, 16, at);
    check_alignment(from, 16, at);
    emu::copy_async(to, from, 16, valid, at);
}

DEVICE void commit_async() { emu::commit_async(); }
template <i32 pending> DEVICE void wait_async() { emu::wait_async(pending); }

// ---- Matrices

struct Rows {
    u32 *d;
    const void *row;
};

template <class Get> DEVICE void load_matrices_by(const char *op, u32 (&d)[4], const void *row, emu::Site at, Get get) {
    check_alignment(row, 16, at);
    Rows mine = {d, row};
    emu::meet(op, mine, at, [get](emu::Thread *threads) {
        for (i32 m = 0; m < 4; m++) {
            u16 matrix[8][8];
            for (i32 j = 0; j < 8; j++) memcpy(matrix[j], static_cast<Rows *>(threads[8 * m + j].argument)->row, 16);
            for (i32 l = 0; l < WARP; l++) static_cast<Rows *>(threads[l].argument)->d[m] = get(matrix, l / 4, l % 4 * 2);
        }
    });
}

DEVICE void load_matrices(u32 (&d)[4], const void *row, Site at = Site::here()) {
    load_matrices_by("load_matrices", d, row, at,
                     [](u16 (&m)[8][8], i32 r, i32 c) { return u32(m[r][c + 1]) << 16 | m[r][c]; });
}

DEVICE void load_matrices_transposed(u32 (&d)[4], const void *row, Site at = Site::here()) {
    load_matrices_by("load_matrices_transposed", d, row, at,
                     [](u16 (&m)[8][8], i32 r, i32 c) { return u32(m[c + 1][r]) << 16 | m[c][r]; });
}

struct Product {
    float *d;
    const u32 *a, *b;
};

// multiply_16 multiplies the warp's fragments, 16-bit numbers that widen reads.
template <class Widen> DEVICE void multiply_16(emu::Thread *threads, Widen widen) {
    float a[16][16], b[16][8], d[16][8];
    const auto of = [threads](i32 l) { return static_cast<Product *>(threads[l].argument); };
    for (i32 l = 0; l < WARP; l++) {
        const i32 g = l / 4, t = l % 4 * 2;
        for (i32 i = 0; i < 4; i++) {
            a[g + i % 2 * 8][t + i / 2 * 8] = widen(u16(of(l)->a[i]));
            a[g + i % 2 * 8][t + i / 2 * 8 + 1] = widen(u16(of(l)->a[i] >> 16));
            d[g + i / 2 * 8][t + i % 2] = of(l)->d[i];
        }
        for (i32 i = 0; i < 2; i++) {
            b[t + i * 8][g] = widen(u16(of(l)->b[i]));
            b[t + i * 8 + 1][g] = widen(u16(of(l)->b[i] >> 16));
        }
    }
    const bool in_order = emu::in_order();
    for (i32 r = 0; r < 16; r++) {
        float sum[8] = {};
        float *into = in_order ? d[r] : sum;
        for (i32 k = 0; k < 16; k++) {
            for (i32 c = 0; c < 8; c++) into[c] += a[r][k] * b[k][c];
        }
        for (i32 c = 0; c < 8; c++) d[r][c] += sum[c];
    }
    for (i32 l = 0; l < WARP; l++) {
        for (i32 i = 0; i < 4; i++) of(l)->d[i] = d[l / 4 + i / 2 * 8][l % 4 * 2 + i % 2];
    }
}

DEVICE void multiply_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], Site at = Site::here()) {
    Product mine = {d, a, b};
    emu::meet("multiply_bf16", mine, at, [](emu::Thread *threads) {
        multiply_16(threads, [](u16 h) { return bits<float>(u32(h) << 16); });
    });
}

DEVICE void multiply_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], Site at = Site::here()) {
    Product mine = {d, a, b};
    emu::meet("multiply_f16", mine, at, [](emu::Thread *threads) { multiply_16(threads, [](u16 h) { return from_f16(h); }); });
}

// ---- Dependent launches

DEVICE void wait_for_previous(Site at = Site::here()) { emu::wait_for_previous(at); }
DEVICE void let_next_start() { emu::let_next_start(); }
