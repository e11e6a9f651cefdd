// The engine runs the blocks of a launch: every thread of a block is a fibre,
// and which of them goes on next is the schedule's choice.
//
// Kernels see this header through host.h, so it stays small.
#pragma once

#include <cstddef>
#include <cstdint>

namespace emu {

constexpr int lanes = 32;
constexpr int max_threads = 1024;
constexpr int max_warps = max_threads / lanes;
constexpr int max_barriers = 16;
constexpr int max_copies = 128; // of one thread, on their way

// Site is a place in a kernel's source, for reports.
struct Site {
    const char *file;
    int line;

    static constexpr Site here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

// Kernel is a compiled-in kernel. They register themselves before main.
struct Kernel {
    const char *name;
    int arg_bytes;
    int threads;
    void (*run)(const void *args);
    uint64_t launches = 0; // guarded by the driver's lock
    Kernel *next = nullptr;

    Kernel(const char *name, int arg_bytes, int threads, void (*run)(const void *args));
};

// kernels returns the first of a list of all kernels.
Kernel *kernels();

// Copy is an asynchronous copy that was asked for and not carried out.
struct Copy {
    void *to;
    const void *from;
    int bytes, valid; // bytes from `valid` on become zero
    uint32_t group;
};

class Async;
struct Block;
struct Warp;

// Thread is one thread of a block: a fibre. It fills one line of a cache.
struct alignas(64) Thread {
    Block *block;
    Warp *warp;
    int id, lane;
    void *stack;       // its top, while another fibre runs
    void *argument;    // of the collective it came to
    const char *doing; // what it waits in
    Site at;
};

// Copies are those of one thread.
struct Copies {
    uint32_t group; // groups committed so far
    int waiting;    // of list
    Copy list[max_copies];
};

// Warp knows which of its lanes came to a collective, and which have left the
// kernel.
struct Warp {
    Thread *threads; // of its 32 lanes
    uint32_t arrived, gone;
    const char *op;
    Site at;
};

// Barrier knows who waits there: some threads only count.
struct Barrier {
    int arrived, expected;
    Site at;
    uint32_t waiting[max_warps];
};

class Engine;

struct Block {
    Engine *engine;
    int x, y, z;
    unsigned char *shared;
    size_t shared_bytes;
    Thread *threads;
    Copies *copies;
    Async *async;
    int count, live;
    bool waited;    // for the launch before
    bool lets_next; // launch begin
    bool suspended; // its threads could go on
    // Sets of threads: a bit for each warp with any, and the lanes of each.
    uint32_t ready_warps, ready[max_warps];
    uint32_t resting_warps, resting[max_warps];
    Warp warps[max_warps];
    Barrier barriers[max_barriers];
};

// current is the thread that runs, on this OS thread.
extern thread_local Thread *current __attribute__((tls_model("initial-exec")));

// Grid is what current's kernel was launched with.
struct Grid {
    int x, y, z, threads;
};
const Grid &grid();

// fail ends the launch with a CUresult and a report.
[[noreturn]] void fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// arrive brings current to a collective of its warp. It returns true to the
// last lane, which then does the work for all and calls leave; to the others
// it returns false, when the work is done.
bool arrive(const char *op, Site at);
void leave();

// sync waits at a barrier of the block; expected 0: for all its threads.
// arrive_at counts current there and goes on.
void sync(int barrier, int expected, Site at);
void arrive_at(int barrier, int expected, Site at);

// rest lets all other threads go first. preempt may let others go first, stand_aside
// other blocks.
void rest(const char *doing, Site at);
void preempt();
void stand_aside();

void copy_async(void *to, const void *from, int bytes, int valid, Site at);
void commit_async();
void wait_async(int pending);

// wait_for_previous waits until the launch before this one is complete and its
// memory can be seen; since that one waited too, so are all before it. let_next_start
// says that the block no longer keeps the next launch from beginning, and nothing of
// memory (PTX ISA, griddepcontrol).
void wait_for_previous(Site at);
void let_next_start();

// What hopper.h has. arrive_mbarrier expects that many bytes more.
void begin_mbarrier(void *at, int arrivals, Site site);
void publish_mbarriers();
void arrive_mbarrier(void *at, int bytes, Site site);
void wait_mbarrier(void *at, uint32_t parity, Site site);
void copy_bulk(void *to, const void *from, int bytes, void *barrier, Site site);
void copy_box(void *to, const void *map, int x, int y, void *barrier, Site site);
void fence_async();

// GroupProduct is a thread's share of a product of a group of four warps.
struct GroupProduct {
    float *d;
    int columns; // of the product: twice the numbers of d
    bool bf16, registers, transposed;
    uint64_t a, b;
    const uint32_t *left; // a in registers; they must stay as they are
};
void fence_products();
void multiply_group(GroupProduct &g, Site site);
void commit_products(Site site);
void wait_products(int pending, Site site);
void set_registers(int n, bool more, Site site);

// noise is a pseudo-random number that depends on the seed and v alone; 0 with
// seed 0.
uint32_t noise(uint32_t v);

// in_order reports whether matrix products add one term after the other; if
// not, all terms and then the accumulator.
bool in_order();

// meet brings all lanes of a warp together: work(threads) runs once, when the
// last of them came with its argument.
template <class Argument, class Work> inline void meet(const char *op, Argument &argument, Site at, Work work) {
    current->argument = &argument;
    if (!arrive(op, at)) return;
    work(current->warp->threads);
    leave();
}

} // namespace emu
