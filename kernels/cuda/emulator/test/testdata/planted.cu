// Kernels with one bug each, which the emulator must find, beside the same
// kernels without it (right_...). All take a block of 128 threads.
#include "gpu.h"

constexpr i32 THREADS = 128;

struct PlantedArgs {
    float* out;
    const float* in;
    u32* flags[2]; // of two devices
    float* peers[2];
    i32 n;
    u32 rank, epoch, unused;
};

#define PLANTED(name) KERNEL(name, PlantedArgs, THREADS, 1)

// ---- Barriers: out[i] = in[n-1-i], through shared memory

template <bool right> DEVICE void reverse(const PlantedArgs& args) {
    float* memory = reinterpret_cast<float*>(shared());
    memory[thread()] = args.in[thread()];
    if (right) sync();
    args.out[thread()] = memory[THREADS - 1 - thread()];
}

PLANTED(missing_barrier) { reverse<false>(args); }
PLANTED(right_barrier) { reverse<true>(args); }

// In a loop, what was read must be read by all before it is written again.
template <bool right> DEVICE void rotate(const PlantedArgs& args) {
    float* memory = reinterpret_cast<float*>(shared());
    float v = args.in[thread()];
    for (i32 i = 0; i < args.n; i++) {
        memory[thread()] = v;
        sync();
        v = memory[(thread() + 1) % THREADS];
        if (right) sync();
    }
    args.out[thread()] = v;
}

PLANTED(missing_second_barrier) { rotate<false>(args); }
PLANTED(right_second_barrier) { rotate<true>(args); }

PLANTED(divergent_barrier) {
    if (thread() < 64) sync();
    args.out[thread()] = args.in[thread()];
    if (thread() >= 96) sync();
}

PLANTED(unequal_barrier) { sync_some(1, warp() == 0 ? 64 : 128); }

// Two warps write, two read, by a barrier on which the writers do not wait.
PLANTED(right_named_barrier) {
    float* memory = reinterpret_cast<float*>(shared());
    if (thread() < 64) {
        memory[thread()] = args.in[thread()];
        memory[thread() + 64] = args.in[thread() + 64];
        arrive_some(1, THREADS);
    } else {
        sync_some(1, THREADS);
        args.out[thread()] = memory[thread()];
        args.out[thread() - 64] = memory[thread() - 64];
    }
}

// ---- Warps

PLANTED(lane_left) {
    if (lane() == 7) return;
    args.out[thread()] = warp_sum(args.in[thread()]);
}

PLANTED(lanes_diverge) {
    float v = args.in[thread()];
    if (lane() < 16) {
        v = warp_sum(v);
    } else {
        v = warp_max(v);
    }
    args.out[thread()] = v;
}

// ---- Asynchronous copies: out = in, 512 bytes

enum class Copy { right, no_wait, no_commit, wrong_group, early_reuse };

template <Copy bug> DEVICE void copies(const PlantedArgs& args) {
    constexpr i32 stages = 2, bytes = THREADS * 4;
    const auto stage = [](i32 i) { return shared() + i % stages * bytes; };
    const auto fetch = [&](i32 i) {
        if (i < args.n && thread() < bytes / 16) copy_async(stage(i) + 16 * thread(), args.in + i * THREADS + 4 * thread());
        if (bug != Copy::no_commit) commit_async();
    };
    fetch(0);
    for (i32 i = 0; i < args.n; i++) {
        if (bug == Copy::early_reuse) fetch(i + 1); // into what others may still read
        if (bug == Copy::wrong_group || bug == Copy::early_reuse) {
            wait_async<1>();
        } else if (bug != Copy::no_wait) {
            wait_async<0>();
        }
        sync();
        if (bug != Copy::early_reuse) fetch(i + 1);
        args.out[i * THREADS + thread()] = reinterpret_cast<float*>(stage(i))[THREADS - 1 - thread()];
    }
}

PLANTED(right_copies) { copies<Copy::right>(args); }
PLANTED(missing_wait) { copies<Copy::no_wait>(args); }
PLANTED(missing_commit) { copies<Copy::no_commit>(args); }
PLANTED(wrong_group) { copies<Copy::wrong_group>(args); }
PLANTED(early_reuse) { copies<Copy::early_reuse>(args); }

// ---- Memory

PLANTED(past_end) { args.out[thread() + 1] = 1; }
PLANTED(before_begin) { args.out[thread() - 1] = 1; }
PLANTED(far_past_end) { args.out[thread() + args.n] = 1; }
PLANTED(past_shared) { reinterpret_cast<float*>(shared())[thread() + 1] = 1; }
PLANTED(far_past_shared) { reinterpret_cast<float*>(shared())[thread() + args.n] = 1; }
PLANTED(before_shared) { reinterpret_cast<float*>(shared())[thread() - args.n] = 1; }

PLANTED(misaligned) {
    const U32x4 v = load16(args.in + 1);
    args.out[thread()] = bits<float>(v.x);
}

PLANTED(right_copy) { args.out[thread()] = args.in[thread()]; }

// ---- Arithmetic and time

PLANTED(division_by_zero) { args.out[thread()] = float(thread() / args.n); }

PLANTED(endless) {
    volatile float* out = args.out;
    while (true) out[thread()] = 1;
}

PLANTED(waits_for_nobody) {
    while (load_acquire(args.flags[0]) == 0) rest();
}

// ---- Blocks that wait for one another: block i for block i-1

PLANTED(right_chain) {
    const i32 before = block_x();
    if (thread() == 0) {
        while (load_acquire(args.flags[0]) != u32(before)) rest();
        args.out[before] = before == 0 ? 1 : 2 * args.out[before - 1];
        store_release(args.flags[0], u32(before) + 1);
    }
}

// ---- The block that comes last adds what all have written. A block comes when all of
// its threads have.

template <bool right> DEVICE void last_block(const PlantedArgs& args) {
    u32* last = reinterpret_cast<u32*>(shared());
    args.peers[0][block_x() * THREADS + thread()] = args.in[thread()];
    if (right) sync();
    if (thread() == 0) *last = add_acquire_release(args.flags[0], 1) == u32(grid_x() - 1);
    sync();
    if (!*last) return;
    float sum = 0;
    for (i32 b = 0; b < grid_x(); b++) sum = sum + args.peers[0][b * THREADS + thread()];
    args.out[thread()] = sum;
}

PLANTED(right_last_block) { last_block<true>(args); }
PLANTED(early_arrival) { last_block<false>(args); }

// ---- Two devices exchange numbers, epoch after epoch: each writes its flag at
// the other, and waits for the other's at itself

template <bool right> DEVICE void exchange(const PlantedArgs& args) {
    const u32 other = 1 - args.rank;
    for (u32 epoch = 1; epoch <= args.epoch; epoch++) {
        if (thread() == 0) {
            fence_system();
            store_release_system(args.flags[other], epoch);
            // A fast peer may have come to the next epoch already.
            const auto there = [&] {
                const u32 seen = load_acquire_system(args.flags[args.rank]);
                return right ? i32(seen - epoch) >= 0 : seen == epoch;
            };
            while (!there()) rest();
        }
        sync();
    }
    args.out[thread()] = args.peers[other][thread()];
}

PLANTED(right_epochs) { exchange<true>(args); }
PLANTED(epoch_bug) { exchange<false>(args); }
