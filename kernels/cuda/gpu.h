// gpu.h is all that a kernel may use. It has two back ends: on a device
// (compiled by NVRTC) inline PTX, here; on this CPU (compiled by g++) the
// emulator of emulator/host.h. Assembly stands here and in hopper.h alone.
//
//     KERNEL(name, Args, threads, blocks) { ... args ... }
//
// defines a kernel: a launch has blocks of exactly `threads` threads, in x
// alone, of which `blocks` must fit a multiprocessor. Blocks are numbered in
// three dimensions. A function that kernels call is marked DEVICE.
//
// Every kernel may be launched to begin before the one before it is complete:
// it lets the next one do so and waits, then it does its work. EARLY_KERNEL
// defines one that chooses when to wait.
//
// Both back ends round alike: products and sums are never contracted, fma()
// rounds once. Functions named approx_ may differ by the units in the last
// place that stand beside them, on the emulator by a different amount with
// each seed.
#pragma once

#if defined(__CUDACC__)
#define GPU_DEVICE 1
#endif

typedef signed char i8;
typedef unsigned char u8;
typedef short i16;
typedef unsigned short u16;
typedef int i32;
typedef unsigned int u32;
typedef long long i64;
typedef unsigned long long u64;

// Vectors, for loads and stores of 8 and 16 bytes.
struct alignas(8) F32x2 { float x, y; };
struct alignas(8) U32x2 { u32 x, y; };
struct alignas(16) F32x4 { float x, y, z, w; };
struct alignas(16) U32x4 { u32 x, y, z, w; };

// TensorMap describes an array to the copy engine (hopper.h). The driver makes
// it; its words mean nothing here.
struct alignas(64) TensorMap { u64 words[16]; };

#define WARP i32(32)
#define ALL_LANES u32(0xffffffff)

#ifdef GPU_DEVICE

#define DEVICE static __device__ __forceinline__
#define CONSTANT static __device__ const // a table
#define UNROLL _Pragma("unroll")
#define NO_UNROLL _Pragma("unroll 1")
#define EARLY_KERNEL(name, Args, threads, blocks)                \
    extern "C" __global__ void __launch_bounds__(threads, blocks) \
        name(const __grid_constant__ Args args)

// ---- Who am I

DEVICE i32 thread() { return threadIdx.x; }
DEVICE i32 threads() { return blockDim.x; }
DEVICE i32 lane() { return threadIdx.x % WARP; }
DEVICE i32 warp() { return threadIdx.x / WARP; }
DEVICE i32 block_x() { return blockIdx.x; }
DEVICE i32 block_y() { return blockIdx.y; }
DEVICE i32 block_z() { return blockIdx.z; }
DEVICE i32 grid_x() { return gridDim.x; }
DEVICE i32 grid_y() { return gridDim.y; }
DEVICE i32 grid_z() { return gridDim.z; }

// shared returns the block's shared memory, of the size the launch gave it,
// aligned to 1024 bytes.
DEVICE u8* shared() {
    extern __shared__ __align__(1024) u8 memory[];
    return memory;
}

// ---- Bits

template <class To, class From> DEVICE To bits(From v) {
    static_assert(sizeof(To) == sizeof(From), "bits");
    return __builtin_bit_cast(To, v);
}

DEVICE i32 count_ones(u32 v) {
    i32 n;
    asm("popc.b32 %0, %1;" : "=r"(n) : "r"(v));
    return n;
}

// highest_bit returns the place of the highest bit that is set, -1 if none is.
DEVICE i32 highest_bit(u32 v) {
    i32 n;
    asm("bfind.u32 %0, %1;" : "=r"(n) : "r"(v));
    return n;
}

// permute_bytes picks four bytes of {b, a} by the nibbles of selector.
DEVICE u32 permute_bytes(u32 a, u32 b, u32 selector) {
    u32 d;
    asm("prmt.b32 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(selector));
    return d;
}

// ---- Arithmetic

DEVICE float fma(float a, float b, float c) {
    float d;
    asm("fma.rn.f32 %0, %1, %2, %3;" : "=f"(d) : "f"(a), "f"(b), "f"(c));
    return d;
}

DEVICE double fma(double a, double b, double c) {
    double d;
    asm("fma.rn.f64 %0, %1, %2, %3;" : "=d"(d) : "d"(a), "d"(b), "d"(c));
    return d;
}

// square_root rounds correctly, as the operator / does.
DEVICE float square_root(float v) {
    float d;
    asm("sqrt.rn.f32 %0, %1;" : "=f"(d) : "f"(v));
    return d;
}

// nearest rounds to a whole number, ties to even.
DEVICE float nearest(float v) {
    float d;
    asm("cvt.rni.f32.f32 %0, %1;" : "=f"(d) : "f"(v));
    return d;
}

DEVICE double nearest(double v) {
    double d;
    asm("cvt.rni.f64.f64 %0, %1;" : "=d"(d) : "d"(v));
    return d;
}

// approx_exp2 is 2^v: 2 units; results below 2^-126 are 0.
DEVICE float approx_exp2(float v) {
    float d;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(v));
    return d;
}

// approx_rsqrt is 1/sqrt(v): 2 units.
DEVICE float approx_rsqrt(float v) {
    float d;
    asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(v));
    return d;
}

// approx_reciprocal is 1/v: 1 unit.
DEVICE float approx_reciprocal(float v) {
    float d;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(d) : "f"(v));
    return d;
}

// ---- Narrow numbers

DEVICE float from_f16(u16 h) {
    float d;
    asm("cvt.f32.f16 %0, %1;" : "=f"(d) : "h"(h));
    return d;
}

// to_f16 rounds to nearest even; too large becomes infinity.
DEVICE u16 to_f16(float v) {
    u16 d;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(d) : "f"(v));
    return d;
}

// to_bf16 rounds to nearest even.
DEVICE u16 to_bf16(float v) {
    u16 d;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(d) : "f"(v));
    return d;
}

// pack_f16 and pack_bf16 convert two numbers, the first to the low half.
DEVICE u32 pack_f16(float low, float high) {
    u32 d;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

DEVICE u32 pack_bf16(float low, float high) {
    u32 d;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(d) : "f"(high), "f"(low));
    return d;
}

// add_f16x2 and multiply_f16x2 work on both halves.
DEVICE u32 add_f16x2(u32 a, u32 b) {
    u32 d;
    asm("add.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

DEVICE u32 multiply_f16x2(u32 a, u32 b) {
    u32 d;
    asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(d) : "r"(a), "r"(b));
    return d;
}

// widen_e4m3 makes F16 numbers of two codes E4M3, the low bytes of a word, exact. Others
// have no instruction for it (below).
#if __CUDA_ARCH__ >= 890
DEVICE u32 widen_e4m3(u32 two) {
    u32 d;
    asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(d) : "h"(u16(two)));
    return d;
}
#endif

// ---- Memory. Addresses are aligned to the size of what is read or written.

DEVICE U32x2 load8(const void* p) { return *static_cast<const U32x2*>(p); }
DEVICE U32x4 load16(const void* p) { return *static_cast<const U32x4*>(p); }
DEVICE void store8(void* p, U32x2 v) { *static_cast<U32x2*>(p) = v; }
DEVICE void store16(void* p, U32x4 v) { *static_cast<U32x4*>(p) = v; }

// stream_ loads are of global memory that no kernel writes and that is read
// once: weights. They leave the caches to others.
DEVICE u16 stream2(const void* p) {
    u16 d;
    asm("ld.global.nc.L1::no_allocate.u16 %0, [%1];" : "=h"(d) : "l"(p));
    return d;
}

DEVICE u32 stream4(const void* p) {
    u32 d;
    asm("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(d) : "l"(p));
    return d;
}

DEVICE U32x2 stream8(const void* p) {
    U32x2 d;
    asm("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];" : "=r"(d.x), "=r"(d.y) : "l"(p));
    return d;
}

DEVICE U32x4 stream16(const void* p) {
    U32x4 d;
    asm("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
        : "=r"(d.x), "=r"(d.y), "=r"(d.z), "=r"(d.w) : "l"(p));
    return d;
}

// kept has the compiler compute an address once, here, and not at each use. stream_
// loads alone may read from it.
DEVICE const u8* kept(const u8* p) {
    asm volatile("" : "+l"(p));
    return p;
}

// load_acquire and store_release order what other threads of the device see;
// those of a system also other devices and the host.
DEVICE u32 load_acquire(const u32* p) {
    u32 d;
    asm volatile("ld.acquire.gpu.u32 %0, [%1];" : "=r"(d) : "l"(p) : "memory");
    return d;
}

DEVICE void store_release(u32* p, u32 v) { asm volatile("st.release.gpu.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory"); }

DEVICE u32 load_acquire_system(const u32* p) {
    u32 d;
    asm volatile("ld.acquire.sys.u32 %0, [%1];" : "=r"(d) : "l"(p) : "memory");
    return d;
}

DEVICE void store_release_system(u32* p, u32 v) {
    asm volatile("st.release.sys.u32 [%0], %1;" ::"l"(p), "r"(v) : "memory");
}

// add_acquire_release adds and returns the value before: what stands before it is seen by
// who adds later, what follows it sees what was before the additions that it counts.
DEVICE u32 add_acquire_release(u32* p, u32 v) {
    u32 d;
    asm volatile("atom.acq_rel.gpu.add.u32 %0, [%1], %2;" : "=r"(d) : "l"(p), "r"(v) : "memory");
    return d;
}

// fence orders this thread's accesses for all threads of the device.
DEVICE void fence() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }
DEVICE void fence_system() { asm volatile("fence.acq_rel.sys;" ::: "memory"); }

// Atomics return the value before. They order nothing else.
DEVICE u32 atomic_add(u32* p, u32 v) {
    u32 d;
    asm volatile("atom.add.u32 %0, [%1], %2;" : "=r"(d) : "l"(p), "r"(v) : "memory");
    return d;
}

DEVICE u64 atomic_add(u64* p, u64 v) {
    u64 d;
    asm volatile("atom.add.u64 %0, [%1], %2;" : "=l"(d) : "l"(p), "l"(v) : "memory");
    return d;
}

DEVICE u32 atomic_or(u32* p, u32 v) {
    u32 d;
    asm volatile("atom.or.b32 %0, [%1], %2;" : "=r"(d) : "l"(p), "r"(v) : "memory");
    return d;
}

DEVICE u32 atomic_max(u32* p, u32 v) {
    u32 d;
    asm volatile("atom.max.u32 %0, [%1], %2;" : "=r"(d) : "l"(p), "r"(v) : "memory");
    return d;
}

// atomic_swap stores v; atomic_cas stores v where old stood.
DEVICE u32 atomic_swap(u32* p, u32 v) {
    u32 d;
    asm volatile("atom.exch.b32 %0, [%1], %2;" : "=r"(d) : "l"(p), "r"(v) : "memory");
    return d;
}

DEVICE u32 atomic_cas(u32* p, u32 old, u32 v) {
    u32 d;
    asm volatile("atom.cas.b32 %0, [%1], %2, %3;" : "=r"(d) : "l"(p), "r"(old), "r"(v) : "memory");
    return d;
}

// rest gives way to other threads in a loop that waits for memory.
DEVICE void rest() { asm volatile("nanosleep.u32 64;" ::: "memory"); }

// nanoseconds is a clock of the device.
DEVICE u64 nanoseconds() {
    u64 d;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(d));
    return d;
}

// ---- Barriers

// sync waits for all threads of the block.
DEVICE void sync() { asm volatile("bar.sync 0;" ::: "memory"); }

// sync_some waits until n threads came to barrier id (1 to 15), arrive_some
// counts as one of them and goes on. n is a multiple of 32.
DEVICE void sync_some(i32 id, i32 n) { asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(n) : "memory"); }
DEVICE void arrive_some(i32 id, i32 n) { asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(n) : "memory"); }

// sync_warp waits for all lanes of the warp and orders their accesses.
DEVICE void sync_warp() { asm volatile("bar.warp.sync 0xffffffff;" ::: "memory"); }

// ---- Warps. All 32 lanes must come.

DEVICE u32 shuffle(u32 v, i32 from) {
    u32 d;
    asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, -1;" : "=r"(d) : "r"(v), "r"(from));
    return d;
}

DEVICE u32 shuffle_xor(u32 v, i32 mask) {
    u32 d;
    asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, -1;" : "=r"(d) : "r"(v), "r"(mask));
    return d;
}

// shuffle_up and shuffle_down keep v where there is no such lane.
DEVICE u32 shuffle_up(u32 v, i32 by) {
    u32 d;
    asm volatile("shfl.sync.up.b32 %0, %1, %2, 0, -1;" : "=r"(d) : "r"(v), "r"(by));
    return d;
}

DEVICE u32 shuffle_down(u32 v, i32 by) {
    u32 d;
    asm volatile("shfl.sync.down.b32 %0, %1, %2, 31, -1;" : "=r"(d) : "r"(v), "r"(by));
    return d;
}

// ballot returns a bit for each lane.
DEVICE u32 ballot(bool v) {
    u32 d;
    asm volatile("{ .reg .pred p; setp.ne.u32 p, %1, 0; vote.sync.ballot.b32 %0, p, -1; }" : "=r"(d) : "r"(u32(v)));
    return d;
}

// ---- Copies from global to shared memory that run beside the thread

// copy_async copies 16 bytes, of which those from `valid` on become zero.
DEVICE void copy_async(void* to, const void* from, i32 valid = 16) {
    const u32 at = u32(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(valid) : "memory");
}

// commit_async makes a group of the copies since the last. wait_async waits
// until at most `pending` groups of this thread are on their way.
DEVICE void commit_async() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <i32 pending> DEVICE void wait_async() { asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory"); }

// ---- Matrices

// load_matrices reads four 8x8 matrices of 16-bit numbers from shared memory.
// Lane 8i+j gives the address of row j of matrix i, aligned to 16 bytes; lane
// l gets the numbers 2(l%4), 2(l%4)+1 of row l/4 of each. _transposed: of
// column l/4.
DEVICE void load_matrices(u32 (&d)[4], const void* row) {
    const u32 at = u32(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(at) : "memory");
}

DEVICE void load_matrices_transposed(u32 (&d)[4], const void* row) {
    const u32 at = u32(__cvta_generic_to_shared(row));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3]) : "r"(at) : "memory");
}

// multiply_bf16 and multiply_f16: d [16, 8] += a [16, 16] b [16, 8]. With
// g = lane/4 and t = lane%4:
//     a  rows g, g+8, g, g+8; columns 2t, 2t+1 (the last two: 2t+8, 2t+9)
//     b  rows 2t, 2t+1; 2t+8, 2t+9; column g
//     d  row g, columns 2t, 2t+1; row g+8, columns 2t, 2t+1
DEVICE void multiply_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

DEVICE void multiply_f16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// ---- Dependent launches. What a kernel reads before wait_for_previous must not be
// written by any kernel in flight: not by the one before it, nor by those before that,
// for which the one before need not have waited yet.

DEVICE void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

DEVICE void let_next_start() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

#else
#include "emulator/host.h"
#endif

// ---- The same on both

#define KERNEL(name, Args, threads, blocks)     \
    DEVICE void name##_work(const Args& args);  \
    EARLY_KERNEL(name, Args, threads, blocks) { \
        let_next_start();                       \
        wait_for_previous();                    \
        name##_work(args);                      \
    }                                           \
    DEVICE void name##_work(const Args& args)

template <class T> DEVICE T least(T a, T b) { return b < a ? b : a; }
template <class T> DEVICE T greatest(T a, T b) { return a < b ? b : a; }

DEVICE float from_bf16(u16 h) { return bits<float>(u32(h) << 16); }

// from_e4m3 is the value of an 8-bit float (OCP E4M3).
DEVICE float from_e4m3(u8 b) {
    const u32 size = b & 0x7f;
    const float v = size == 0x7f ? bits<float>(0x7fc00000u) : bits<float>(size << 20) * 0x1p120f;
    return b & 0x80 ? -v : v;
}

// The bits of a size, as F16, are 2^-8 of it; 0x5c00 is 2^8. The size 7f is NaN: adding 1
// reaches the bit above.
#if !defined(GPU_DEVICE) || __CUDA_ARCH__ < 890
DEVICE u32 widen_e4m3(u32 two) {
    const u32 codes = permute_bytes(two, 0, 0x4140), size = codes & 0x007f007f;
    const u32 nan = ((size + 0x00010001) & 0x00800080) * (0x7e00 >> 7);
    return multiply_f16x2(size << 7, 0x5c005c00) | nan | (codes & 0x00800080) << 8;
}
#endif

// to_e4m3 rounds to nearest even; too large becomes 448, and what is not finite
// NaN.
DEVICE u8 to_e4m3(float v) {
    const u32 sign = bits<u32>(v) >> 24 & 0x80, size = bits<u32>(v) & 0x7fffffff;
    if (size >= 0x7f800000) return u8(sign | 0x7f);
    const float most = least(bits<float>(size), 448.0f);
    if (most < 0x1p-6f) return u8(sign | u32(nearest(most * 512)));
    const u32 b = bits<u32>(most);
    return u8(sign | (((b + 0x7ffff + (b >> 20 & 1)) >> 20) - (120 << 3)));
}

DEVICE float shuffle(float v, i32 from) { return bits<float>(shuffle(bits<u32>(v), from)); }
DEVICE float shuffle_xor(float v, i32 mask) { return bits<float>(shuffle_xor(bits<u32>(v), mask)); }

DEVICE u64 shuffle_xor(u64 v, i32 mask) {
    const u64 high = shuffle_xor(u32(v >> 32), mask);
    return high << 32 | shuffle_xor(u32(v), mask);
}

DEVICE u64 shuffle_up(u64 v, i32 by) {
    const u64 high = shuffle_up(u32(v >> 32), by);
    return high << 32 | shuffle_up(u32(v), by);
}

DEVICE double shuffle_xor(double v, i32 mask) { return bits<double>(shuffle_xor(bits<u64>(v), mask)); }

#ifdef GPU_DEVICE

// warp_sum and warp_max return to all lanes the sum, in the order of a
// butterfly from the farthest lane to the nearest, and the greatest. Those of
// a quad are of 4 lanes, from a multiple of 4.
template <class T> DEVICE T warp_sum(T v) {
    UNROLL
    for (i32 mask = WARP / 2; mask > 0; mask /= 2) v = v + shuffle_xor(v, mask);
    return v;
}

template <class T> DEVICE T warp_max(T v) {
    UNROLL
    for (i32 mask = WARP / 2; mask > 0; mask /= 2) v = greatest(v, shuffle_xor(v, mask));
    return v;
}

template <class T> DEVICE T quad_sum(T v) {
    v = v + shuffle_xor(v, 2);
    return v + shuffle_xor(v, 1);
}

template <class T> DEVICE T quad_max(T v) {
    v = greatest(v, shuffle_xor(v, 2));
    return greatest(v, shuffle_xor(v, 1));
}

#endif

#include "args_gen.h"

// report tells Go of a bad index. The first report stays.
DEVICE void report(Fault* fault, u32 code, i32 index) {
    if (atomic_cas(&fault->code, 0, code) == 0) fault->index = index;
}
