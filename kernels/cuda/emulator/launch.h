// Launches: what the driver asks of the engine.
#pragma once

#include "engine.h"
#include "fibre.h"

#include <atomic>
#include <csetjmp>
#include <ctime>
#include <memory>
#include <string>
#include <vector>

namespace emu {

// Launch is one kernel to run.
struct Launch {
    const Kernel *kernel;
    int grid[3];
    int shared_bytes;
    int resident;     // blocks that a device would hold at a time
    int registers;    // of a thread
    bool dependent;   // it may begin before the launch before is complete
    uint64_t seed;    // of the schedule
    uint64_t salt;    // of this launch: kernel and number
    double seconds;   // it may take
    const void *args;
};

// Outcome is how a launch ended.
struct Outcome {
    int code = 0; // CUresult
    std::string report;
};

// Random is a small generator (xorshift64*).
class Random {
public:
    explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15 + 0x632be59bd9b4e019) {}
    uint32_t next() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return uint32_t(state * 0x2545f4914f6cdd1d >> 32);
    }
    uint32_t below(uint32_t n) { return uint32_t(uint64_t(next()) * n >> 32); }

private:
    uint64_t state;
};

// Order says which thread of a block goes on.
enum class Order { ascending, descending, random, bursts };

// Copying says when an asynchronous copy is carried out.
enum class Copying { early, late, random };

// Room is where one block runs: stacks and shared memory. It is used again for
// block after block, of any engine of its OS thread.
class Async;

class Room {
public:
    explicit Room(int threads);
    ~Room();

    // enter begins block (x, y, z) of an engine's launch.
    void enter(Engine &e, int x, int y, int z);
    // shares reports whether an address lies in or beside the shared memory.
    bool shares(const void *address) const;
    // left says what was written behind the shared memory.
    std::string left() const;

    Block block;
    Stacks stacks;
    std::vector<Thread> threads;
    std::vector<Copies> copies;
    std::unique_ptr<Async> async;
    bool fresh = true; // no fibre stands at the beginning of its loop

private:
    void share(size_t bytes);

    unsigned char *pages;
    size_t shared_bytes = 0; // for which pages are open
};

constexpr size_t suspended_rooms = 8; // are taken at most while blocks are suspended

// Rooms are those where no block runs, of all engines of an OS thread.
class Rooms {
public:
    std::unique_ptr<Room> take(int threads);
    void give(std::unique_ptr<Room> r) { all.push_back(std::move(r)); }

private:
    std::vector<std::unique_ptr<Room>> all;
};

// Engine runs launches, one at a time, on the OS thread that made it.
class Engine {
public:
    explicit Engine(Rooms &free_rooms);
    ~Engine();
    Engine(const Engine &) = delete;
    Engine &operator=(const Engine &) = delete;

    // prologue begins some blocks of a launch while the one before it has not
    // run, and runs them until they wait for it; run goes on from there. It
    // returns whether all of them let the next launch begin.
    bool prologue(const Launch &l);
    // run runs a launch to its end. memory_says completes the report of a bad
    // address of global memory.
    Outcome run(const Launch &l, std::string (*memory_says)(const void *address));
    // drop leaves the blocks that have not ended.
    void drop();

    // Of the launch that runs, for its threads.
    const Launch *launch = nullptr;
    Grid grid;
    Order order;
    Copying copying;
    Random random{0};
    bool held = false; // the launch before has not run

    // leave_for goes on with a ready thread of the block, or with none.
    void leave_for(Thread *from);
    // suspend leaves a block whose threads could go on, for a while, unless many are.
    void suspend(Thread *from);
    // abandon ends the launch from within a thread.
    [[noreturn]] void abandon(int code, std::string report);

    // What a signal's handler left, before it jumped to escape.
    enum class Fault { address, division, late };
    std::jmp_buf escape;
    volatile bool inside = false; // a kernel's code runs
    Fault fault;
    void *address;
    bool writing;
    std::atomic<int64_t> deadline{0}; // by spent(); 0: nothing runs
    const int thread_id;
    // spent returns how long the engine's thread has computed, in nanoseconds: on
    // a busy machine a launch does not take longer by it.
    int64_t spent() const;

private:
    const clockid_t clock; // of the thread
    enum class Step { finished, resting, failed };

    void begin(const Launch &l);
    void attend();
    void blocks();
    void enter_next();
    void wrong(const Room &r, const std::string &what);
    bool step();
    Step advance(Room &r);
    bool enter(Room &r);
    Thread *pick(Block &b);
    void number(int64_t i, int &x, int &y, int &z) const;
    void faulted(Room &r);
    void dead_lock(Room &r);
    void fail_late(const Thread &t);
    std::string where(const Thread &t) const;

    Rooms &free_rooms;
    std::vector<std::unique_ptr<Room>> rooms;
    void *main_stack = nullptr;
    int last_warp = 0; // that pick chose
    int64_t total, stride, offset, begun; // blocks, their order, and how many began
    Outcome outcome;
    bool failed = false, strange = false; // an address of global memory is bad
};

// now is the monotonic clock, in nanoseconds.
int64_t now();

// catch_faults makes sure that signals of kernels come to their engine: bad
// addresses, divisions by zero and, from a thread that looks for them,
// launches that take too long. Others go to the handler before.
void catch_faults();

} // namespace emu
