// wrappers: what each function of gpu.h makes of some words, for a test that holds
// devices and the emulator to the same results (wrappers_test.go). A block of two
// warps does function `op`; a thread has 8 words of in and writes 4 of out. Behind
// these, out has SCRATCH words of zeros.
//
// Shared memory: 1024 bytes.
#include "gpu.h"
#include "functions.h"

struct WrappersArgs {
    u32* out;      // [64, 4], then scratch
    const u32* in; // [64, 8]
    i32 op, unused;
};

constexpr i32 THREADS = 64;
constexpr i32 SCRATCH = 4 * THREADS;

DEVICE float real(u32 v) { return bits<float>(v); }
DEVICE double real(u32 low, u32 high) { return bits<double>(u64(high) << 32 | low); }

DEVICE void put_double(U32x4& d, double v) {
    d.x = u32(bits<u64>(v));
    d.y = u32(bits<u64>(v) >> 32);
}

// arithmetic does those that look at a thread's own words only, and reports
// whether op is one of them.
DEVICE bool arithmetic(U32x4& d, i32 op, const u32 (&v)[8]) {
    switch (op) {
    case 0:
        d = {u32(count_ones(v[0])), u32(highest_bit(v[0])), permute_bytes(v[0], v[1], v[2]), least(v[0], v[1]) ^ greatest(v[0], v[2])};
        break;
    case 1: d.x = bits<u32>(fma(real(v[0]), real(v[1]), real(v[2]))), d.y = bits<u32>(square_root(real(v[3]))); break;
    case 2: put_double(d, fma(real(v[0], v[1]), real(v[2], v[3]), real(v[4], v[5]))); break;
    case 3: d.x = bits<u32>(nearest(real(v[0]))), d.y = bits<u32>(real(v[0]) / real(v[1])); break;
    case 4: put_double(d, nearest(real(v[0], v[1]))); break;
    case 5: d.x = bits<u32>(approx_exp2(real(v[0]))); break;
    case 6: d.x = bits<u32>(approx_rsqrt(real(v[0]))); break;
    case 7: d.x = bits<u32>(approx_reciprocal(real(v[0]))); break;
    case 8: d.x = bits<u32>(from_f16(u16(v[0]))), d.y = bits<u32>(from_bf16(u16(v[1]))), d.z = bits<u32>(from_e4m3(u8(v[2]))); break;
    case 9: d.x = to_f16(real(v[0])), d.y = to_bf16(real(v[0])), d.z = to_e4m3(real(v[0])), d.w = widen_e4m3(permute_bytes(v[1], 0, 0x4420)); break;
    case 10: d.x = pack_f16(real(v[0]), real(v[1])), d.y = pack_bf16(real(v[0]), real(v[1])); break;
    case 11: d.x = add_f16x2(v[0], v[1]), d.y = multiply_f16x2(v[0], v[1]); break;
    default: return false;
    }
    return true;
}

// warps does those that threads of a warp do together.
DEVICE bool warps(U32x4& d, i32 op, const u32 (&v)[8], u8* memory) {
    switch (op) {
    case 20: d = {shuffle(v[0], i32(v[1] % WARP)), shuffle_xor(v[0], 5), shuffle_up(v[0], 3), shuffle_down(v[0], 6)}; break;
    case 21: d.x = ballot(v[0] & 1), d.y = warp_sum(v[0]), d.z = warp_max(v[0]), d.w = quad_sum(v[0]) ^ quad_max(v[0]); break;
    case 22:
    case 23: { // the rows of a warp's four matrices are those of its threads
        u32* rows = reinterpret_cast<u32*>(memory) + 4 * thread();
        store16(rows, {v[0], v[1], v[2], v[3]});
        sync_warp();
        u32 m[4];
        if (op == 22) load_matrices(m, rows);
        else load_matrices_transposed(m, rows);
        d = {m[0], m[1], m[2], m[3]};
        break;
    }
    case 24:
    case 25: {
        float sum[4] = {real(v[6]), 0, 0, real(v[7])};
        const u32 a[4] = {v[0], v[1], v[2], v[3]}, b[2] = {v[4], v[5]};
        if (op == 24) multiply_f16(sum, a, b);
        else multiply_bf16(sum, a, b);
        d = {bits<u32>(sum[0]), bits<u32>(sum[1]), bits<u32>(sum[2]), bits<u32>(sum[3])};
        break;
    }
    default: return false;
    }
    return true;
}

// memories does loads, stores, copies, barriers and what orders them.
DEVICE void memories(U32x4& d, const WrappersArgs& args, const u32 (&v)[8], u8* memory) {
    const u32* in = args.in + 8 * thread();
    u32 *words = reinterpret_cast<u32*>(memory), *scratch = args.out + SCRATCH;
    switch (args.op) {
    case 40: d.x = stream4(kept(reinterpret_cast<const u8*>(in))) ^ stream2(in + 1), d.y = stream8(in + 2).y, d.z = stream16(in + 4).z, d.w = load8(in + 6).x; break;
    case 41: { // 16 bytes of the thread after, some of them
        const i32 next = (thread() + 1) % THREADS;
        copy_async(words + 4 * next, in, thread() % 17);
        commit_async();
        wait_async<0>();
        sync();
        d = load16(words + 4 * thread());
        break;
    }
    case 42: // each warp's words to the other: the second writes when the first has met it
        if (warp() == 0) {
            store8(words + 2 * lane(), {v[0], v[1]});
            arrive_some(1, THREADS);
            sync_some(2, THREADS);
            const U32x2 other = load8(words + 2 * lane());
            d = {other.x, other.y, 0, 0};
        } else {
            sync_some(1, THREADS);
            const U32x2 other = load8(words + 2 * lane());
            store8(words + 2 * lane(), {v[0], v[1]});
            arrive_some(2, THREADS);
            d = {other.x, other.y, 0, 0};
        }
        break;
    case 43: { // order: what the first warp wrote, the second sees
        if (warp() == 0) {
            scratch[lane()] = v[0];
            fence();
            fence_system();
            store_release(scratch + 32 + lane(), 1);
            store_release_system(scratch + 64 + lane(), 1);
        } else {
            while (!load_acquire(scratch + 32 + lane()) || !load_acquire_system(scratch + 64 + lane())) rest();
            d.x = scratch[lane()];
        }
        break;
    }
    case 44: { // sums and the like of all threads; of swap and cas, what does not depend on who came first
        thread() % 2 ? add_acquire_release(scratch, v[0]) : atomic_add(scratch, v[0]);
        atomic_add(reinterpret_cast<u64*>(scratch + 2), u64(v[0]) << 16 | v[1]);
        atomic_or(scratch + 4, 1u << v[0] % 32);
        atomic_max(scratch + 5, v[0]);
        atomic_add(scratch + 6, atomic_swap(scratch + 7, v[0]));
        if (atomic_cas(scratch + 8, 0, 1) == 0) atomic_add(scratch + 9, 1);
        fence();
        sync();
        const u32 swapped = load_acquire(scratch + 6) + load_acquire(scratch + 7);
        if (thread() == 0) d = {load_acquire(scratch), load_acquire(scratch + 2), load_acquire(scratch + 3), load_acquire(scratch + 4)};
        if (thread() == 1) d = {load_acquire(scratch + 5), swapped, load_acquire(scratch + 8), load_acquire(scratch + 9)};
        break;
    }
    case 45: { // a clock that does not go back
        const u64 before = nanoseconds();
        d = {u32(nanoseconds() >= before), u32(threads()), u32(block_x() + block_y() + block_z()), u32(grid_x() * grid_y() * grid_z())};
        break;
    }
    }
}

KERNEL(wrappers, WrappersArgs, THREADS, 1) {
    u32 v[8];
    UNROLL
    for (i32 i = 0; i < 8; i += 4) {
        const U32x4 four = load16(args.in + 8 * thread() + i);
        v[i] = four.x, v[i + 1] = four.y, v[i + 2] = four.z, v[i + 3] = four.w;
    }
    U32x4 d = {};
    if (!arithmetic(d, args.op, v) && !warps(d, args.op, v, shared())) memories(d, args, v, shared());
    store16(args.out + 4 * thread(), d);
}
