#include "launch.h"

#include "abi.h"
#include "async.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>
#include <numeric>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

namespace emu {

thread_local Thread *current __attribute__((tls_model("initial-exec")));

namespace {

Kernel *first_kernel; // zero before any constructor runs

const size_t page = size_t(sysconf(_SC_PAGESIZE));
constexpr size_t shared_limit = 228 << 10;
constexpr unsigned char poison = 0xff;

void make_ready(Block &b, int warp, uint32_t set) {
    if (set == 0) return;
    b.ready_warps |= 1u << warp;
    b.ready[warp] |= set;
}

void make_ready(const Thread &t) { make_ready(*t.block, t.id / lanes, 1u << t.lane); }

void release(Block &b, Barrier &barrier) {
    for (int w = 0; w * lanes < b.count; w++) {
        make_ready(b, w, barrier.waiting[w]);
        barrier.waiting[w] = 0;
    }
    barrier.arrived = 0;
}

void carry_out(const Copy &c) {
    if (c.valid > 0) memcpy(c.to, c.from, c.valid);
    if (c.valid < c.bytes) memset(static_cast<char *>(c.to) + c.valid, 0, c.bytes - c.valid);
}

// carry_out carries out copy i of a thread's and forgets it.
void carry_out(Copies &c, int i) {
    carry_out(c.list[i]);
    c.list[i] = c.list[--c.waiting];
}

Copies &copies_of(const Thread &t) { return t.block->copies[t.id]; }

// body is what every fibre runs, block after block.
void body() {
    for (;;) {
        Thread &me = *current;
        Engine &e = *me.block->engine;
        e.launch->kernel->run(e.launch->args);
        Block &b = *me.block;
        b.live--;
        me.warp->gone |= 1u << me.lane;
        // A barrier of all threads is one of those that are left.
        Barrier &all = b.barriers[0];
        if (b.live > 0 && all.arrived == b.live && all.expected == 0) release(b, all);
        e.leave_for(&me);
    }
}

bool same(Site a, Site b) { return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0); }

std::string text(const char *format, ...) __attribute__((format(printf, 1, 2)));

std::string text(const char *format, ...) {
    char line[512];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    return line;
}

const char *base(const char *file) {
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

std::string spell(Site at) { return text("%s:%d", base(at.file), at.line); }

} // namespace

Kernel::Kernel(const char *name, int arg_bytes, int threads, void (*run)(const void *args))
    : name(name), arg_bytes(arg_bytes), threads(threads), run(run), next(first_kernel) {
    first_kernel = this;
}

Kernel *kernels() { return first_kernel; }

const Grid &grid() { return current->block->engine->grid; }

void fail(int code, const char *format, ...) {
    char line[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    current->block->engine->abandon(code, line);
}

// ---- Collectives

bool arrive(const char *op, Site at) {
    Thread &me = *current;
    Warp &w = *me.warp;
    if (w.arrived == 0) {
        w.op = op;
        w.at = at;
    } else if ((w.op != op && strcmp(w.op, op) != 0) || !same(w.at, at)) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "lanes of warp %d diverge: lane %d is at %s, %s, another at %s, %s", me.id / lanes,
             me.lane, op, spell(at).c_str(), w.op, spell(w.at).c_str());
    }
    w.arrived |= 1u << me.lane;
    if (w.arrived == ~0u) {
        w.arrived = 0;
        return true;
    }
    if ((w.gone & ~w.arrived) == ~w.arrived) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s, %s: lane %d waits for lanes that have left the kernel", op, spell(at).c_str(), me.lane);
    }
    me.doing = op;
    me.at = at;
    me.block->engine->leave_for(&me);
    return false;
}

void leave() {
    const Thread &me = *current;
    make_ready(*me.block, me.id / lanes, ~(1u << me.lane));
}

namespace {

// count adds current to a barrier and reports whether it is full.
bool count(Barrier &b, int id, int expected, Site at) {
    Thread &me = *current;
    if (b.arrived == 0) {
        b.expected = expected;
        b.at = at;
    } else if (b.expected != expected) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "barrier %d is for %d threads at %s, for %d at %s", id, expected, spell(at).c_str(),
             b.expected, spell(b.at).c_str());
    } else if (expected == 0 && !same(b.at, at)) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "threads meet at barrier %d from different places: thread %d at %s, another at %s", id, me.id,
             spell(at).c_str(), spell(b.at).c_str());
    }
    b.arrived++;
    return b.arrived == (expected ? expected : me.block->live);
}

Barrier &barrier_of(int id, int expected, Site at) {
    if (id < 0 || id >= max_barriers || expected < 0 || expected % lanes != 0 || expected > current->block->count) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: there is no barrier %d for %d threads", spell(at).c_str(), id, expected);
    }
    return current->block->barriers[id];
}

} // namespace

void sync(int id, int expected, Site at) {
    Thread &me = *current;
    Barrier &b = barrier_of(id, expected, at);
    if (count(b, id, expected, at)) {
        release(*me.block, b);
        preempt();
        return;
    }
    b.waiting[me.id / lanes] |= 1u << me.lane;
    me.doing = "sync";
    me.at = at;
    me.block->engine->leave_for(&me);
}

void arrive_at(int id, int expected, Site at) {
    Barrier &b = barrier_of(id, expected, at);
    if (count(b, id, expected, at)) release(*current->block, b);
}

void rest(const char *doing, Site at) {
    Thread &me = *current;
    me.doing = doing;
    me.at = at;
    me.block->resting_warps |= 1u << me.id / lanes;
    me.block->resting[me.id / lanes] |= 1u << me.lane;
    me.block->engine->leave_for(&me);
}

void preempt() {
    Thread &me = *current;
    Engine &e = *me.block->engine;
    if (e.order < Order::random || e.random.below(4) != 0) return;
    make_ready(me);
    e.leave_for(&me);
}

void stand_aside() {
    Thread &me = *current;
    Engine &e = *me.block->engine;
    if (e.order < Order::random || e.random.below(2) != 0) return;
    make_ready(me);
    e.suspend(&me);
}

// ---- Copies

void copy_async(void *to, const void *from, int bytes, int valid, Site at) {
    Thread &me = *current;
    Engine &e = *me.block->engine;
    const auto p = static_cast<unsigned char *>(to), begin = me.block->shared;
    if (p < begin || p + bytes > begin + me.block->shared_bytes) {
        fail(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: a copy to %p, %zd bytes from the beginning of %zu bytes of shared memory",
             spell(at).c_str(), to, p - begin, me.block->shared_bytes);
    }
    if (valid < 0 || valid > bytes) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: %d valid bytes of %d", spell(at).c_str(), valid, bytes);
    Copies &mine = copies_of(me);
    const Copy c = {to, from, bytes, valid, mine.group};
    if (e.copying == Copying::early || (e.copying == Copying::random && e.random.below(2) == 0)) {
        carry_out(c);
        return;
    }
    if (mine.waiting == max_copies) carry_out(mine, 0);
    memset(to, poison, size_t(bytes));
    mine.list[mine.waiting++] = c;
}

void commit_async() { copies_of(*current).group++; }

void wait_async(int pending) {
    Engine &e = *current->block->engine;
    Copies &mine = copies_of(*current);
    // Copies of the groups that must be complete, in any order.
    for (;;) {
        int due[max_copies], n = 0;
        for (int i = 0; i < mine.waiting; i++) {
            if (int64_t(mine.list[i].group) < int64_t(mine.group) - pending) due[n++] = i;
        }
        if (n == 0) break;
        carry_out(mine, due[e.order < Order::random ? 0 : e.random.below(uint32_t(n))]);
    }
    preempt();
}

void wait_for_previous(Site at) {
    const Engine &e = *current->block->engine;
    current->block->waited = true;
    while (e.held) rest("wait_for_previous", at);
}

void let_next_start() { current->block->lets_next = true; }

uint32_t noise(uint32_t v) {
    const uint64_t seed = current->block->engine->launch->seed;
    if (seed == 0) return 0;
    uint64_t h = (v ^ seed << 32) * 0x9e3779b97f4a7c15;
    h ^= h >> 29;
    return uint32_t(h * 0xbf58476d1ce4e5b9 >> 32) | 1u << 31;
}

bool in_order() { return current->block->engine->launch->seed % 2 == 0; }

// ---- Rooms

Room::Room(int count) : stacks(size_t(count)), threads(size_t(count)), copies(size_t(count)), async(std::make_unique<Async>()) {
    void *p = mmap(nullptr, shared_limit + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    pages = static_cast<unsigned char *>(p) + page;
}

Room::~Room() { munmap(pages - page, shared_limit + 2 * page); }

// share opens the last pages of the room for shared memory that ends where
// they end, but for the alignment of its beginning.
void Room::share(size_t bytes) {
    if (bytes != shared_bytes) {
        const size_t open = (bytes + page - 1) / page * page;
        mprotect(pages, shared_limit - open, PROT_NONE);
        mprotect(pages + shared_limit - open, open, PROT_READ | PROT_WRITE);
        shared_bytes = bytes;
    }
    const size_t aligned = (bytes + 1023) / 1024 * 1024;
    block.shared = pages + shared_limit - aligned;
    block.shared_bytes = bytes;
    memset(block.shared, poison, aligned);
}

bool Room::shares(const void *address) const {
    return address >= pages - page && address < pages + shared_limit + page;
}

std::string Room::left() const {
    const unsigned char *end = pages + shared_limit;
    for (const unsigned char *p = block.shared + block.shared_bytes; p < end; p++) {
        if (*p == poison) continue;
        return text("byte %td of %zu bytes of shared memory was written", p - block.shared, block.shared_bytes);
    }
    return "";
}

void Room::enter(Engine &e, int x, int y, int z) {
    const Launch &l = *e.launch;
    Block &b = block;
    b.engine = &e;
    b.x = x, b.y = y, b.z = z;
    b.threads = threads.data();
    b.copies = copies.data();
    b.async = async.get();
    b.waited = b.lets_next = b.suspended = false;
    b.count = b.live = l.kernel->threads;
    b.ready_warps = b.resting_warps = 0;
    memset(b.ready, 0, sizeof b.ready);
    memset(b.resting, 0, sizeof b.resting);
    memset(b.barriers, 0, sizeof b.barriers);
    for (int w = 0; w * lanes < b.count; w++) {
        b.warps[w] = {b.threads + w * lanes, 0, 0, "", {"", 0}};
        make_ready(b, w, ~0u);
    }
    for (int i = 0; i < b.count; i++) {
        Thread &t = threads[size_t(i)];
        t.block = &b, t.warp = &b.warps[i / lanes], t.id = i, t.lane = i % lanes, t.doing = "";
        copies[size_t(i)].group = 0, copies[size_t(i)].waiting = 0;
    }
    if (fresh) {
        for (size_t i = 0; i < threads.size(); i++) threads[i].stack = stacks.prepare(i, body);
        fresh = false;
    }
    share(size_t(l.shared_bytes));
    async->enter(&b, l.registers);
}

// take returns the smallest room for so many threads, of equals the one that was
// used last.
std::unique_ptr<Room> Rooms::take(int threads) {
    auto best = all.end();
    for (auto r = all.begin(); r != all.end(); ++r) {
        const size_t n = (*r)->threads.size();
        if (n >= size_t(threads) && (best == all.end() || n <= (*best)->threads.size())) best = r;
    }
    if (best == all.end()) return std::make_unique<Room>(std::max(threads, 256));
    std::swap(*best, all.back());
    std::unique_ptr<Room> r = std::move(all.back());
    all.pop_back();
    return r;
}

// ---- The engine

Thread *Engine::pick(Block &b) {
    if (b.ready_warps == 0) return nullptr;
    int w, l;
    switch (order) {
    case Order::ascending:
        w = __builtin_ctz(b.ready_warps);
        l = __builtin_ctz(b.ready[w]);
        break;
    case Order::descending:
        w = 31 - __builtin_clz(b.ready_warps);
        l = 31 - __builtin_clz(b.ready[w]);
        break;
    default: {
        // A random warp, and of bursts mostly the one before; any lane.
        const uint32_t r = random.next();
        const bool stay = order == Order::bursts && r >> 10 & 15 && b.ready_warps >> last_warp & 1;
        const auto from = [](uint32_t set, uint32_t at) {
            const uint32_t above = set >> at << at;
            return __builtin_ctz(above ? above : set);
        };
        w = stay ? last_warp : from(b.ready_warps, r & 31);
        l = from(b.ready[w], r >> 5 & 31);
        last_warp = w;
    }
    }
    b.ready[w] &= ~(1u << l);
    if (b.ready[w] == 0) b.ready_warps &= ~(1u << w);
    return &b.threads[w * lanes + l];
}

void Engine::leave_for(Thread *from) {
    if (copying == Copying::random) {
        Copies &c = copies_of(*from);
        if (c.waiting > 0 && random.below(4) == 0) carry_out(c, int(random.below(uint32_t(c.waiting))));
        const std::string bad = from->block->async->stray(*from, random);
        if (!bad.empty()) abandon(CUDA_ERROR_LAUNCH_FAILED, bad);
    }
    Thread *to = pick(*from->block);
    if (to == from) return;
    current = to;
    emu_switch_fibre(&from->stack, to ? to->stack : main_stack);
}

void Engine::suspend(Thread *from) {
    if (rooms.size() > suspended_rooms) {
        leave_for(from);
        return;
    }
    from->block->suspended = true;
    current = nullptr;
    emu_switch_fibre(&from->stack, main_stack);
}

void Engine::abandon(int code, std::string report) {
    failed = true;
    const Thread &t = *current;
    outcome = {code, where(t) + ": " + std::move(report)};
    void *nowhere;
    emu_switch_fibre(&nowhere, main_stack);
    __builtin_unreachable();
}

std::string Engine::where(const Thread &t) const {
    return text("kernel %s, block (%d, %d, %d), thread %d", launch->kernel->name, t.block->x, t.block->y, t.block->z, t.id);
}

// enter runs a block's ready threads until none is left. It returns false when
// a signal ended them.
bool Engine::enter(Room &r) {
    if (setjmp(escape)) {
        inside = false;
        return false;
    }
    attend();
    inside = true;
    while (r.block.ready_warps == 0 && !r.async->idle() && !failed) { // all wait for copies
        const std::string bad = r.async->advance(random, order >= Order::random);
        if (!bad.empty()) wrong(r, bad);
    }
    current = failed ? nullptr : pick(r.block);
    if (current) emu_switch_fibre(&main_stack, current->stack);
    inside = false;
    return true;
}

Engine::Step Engine::advance(Room &r) {
    Block &b = r.block;
    if (b.suspended && random.below(16) != 0) return Step::resting;
    b.suspended = false;
    if (b.ready_warps == 0 && r.async->idle()) { // all rested before
        for (int w = 0; w * lanes < b.count; w++) {
            make_ready(b, w, b.resting[w]);
            b.resting[w] = 0;
        }
        b.resting_warps = 0;
    }
    do {
        if (!enter(r)) {
            faulted(r);
            return Step::failed;
        }
        if (failed) return Step::failed;
    } while (b.live > 0 && !b.suspended && !r.async->idle());
    if (b.live == 0) {
        std::string bad = r.left();
        if (!bad.empty()) {
            failed = true;
            outcome = {CUDA_ERROR_ILLEGAL_ADDRESS, where(r.threads[0]) + " or another: " + bad};
            return Step::failed;
        }
        bad = r.async->left();
        if (bad.empty() && launch->dependent && !b.waited) bad = "a dependent launch without wait_for_previous";
        if (bad.empty()) return Step::finished;
        wrong(r, bad);
        return Step::failed;
    }
    if (b.suspended || b.resting_warps != 0) return Step::resting;
    dead_lock(r);
    return Step::failed;
}

// faulted says what a signal meant. An address of global memory is looked up by run.
void Engine::faulted(Room &r) {
    if (fault == Fault::late) {
        fail_late(*current);
        return;
    }
    failed = true;
    outcome.code = CUDA_ERROR_ILLEGAL_ADDRESS;
    if (fault == Fault::division) {
        outcome = {CUDA_ERROR_LAUNCH_FAILED, where(*current) + ": a whole number is divided by zero"};
    } else if (r.stacks.guards(address)) {
        outcome = {CUDA_ERROR_LAUNCH_FAILED, where(*current) + ": the thread's stack is full"};
    } else if (r.shares(address)) {
        outcome.report = where(*current) + text(": %s byte %td of %zu bytes of shared memory", writing ? "writes" : "reads",
                                                 static_cast<unsigned char *>(address) - r.block.shared, r.block.shared_bytes);
    } else {
        outcome.report = where(*current) + text(" %s %p, ", writing ? "writes to" : "reads from", address);
        strange = true;
    }
}

// wrong says what is wrong with a block.
void Engine::wrong(const Room &r, const std::string &what) {
    failed = true;
    outcome = {CUDA_ERROR_LAUNCH_FAILED, where(r.threads[0]) + " or another: " + what};
}

// dead_lock reports who waits where.
void Engine::dead_lock(Room &r) {
    const Block &b = r.block;
    failed = true;
    outcome.code = CUDA_ERROR_LAUNCH_TIMEOUT;
    outcome.report = text("kernel %s, block (%d, %d, %d): dead-lock, %d of %d threads have left", launch->kernel->name, b.x, b.y,
                          b.z, b.count - b.live, b.count);
    for (int id = 0; id < max_barriers; id++) {
        const Barrier &at = b.barriers[id];
        if (at.arrived == 0) continue;
        outcome.report += text("\n    barrier %d, %s: %d threads came of %d:", id, spell(at.at).c_str(), at.arrived,
                               at.expected ? at.expected : b.live);
        for (int w = 0; w < max_warps; w++) {
            if (at.waiting[w]) outcome.report += text(" %08x of warp %d", at.waiting[w], w);
        }
    }
    for (int w = 0; w * lanes < b.count; w++) {
        const Warp &of = b.warps[w];
        if (of.arrived == 0) continue;
        outcome.report += text("\n    %s, %s: lanes %08x of warp %d came, %08x have left", of.op, spell(of.at).c_str(), of.arrived, w,
                               of.gone);
    }
    outcome.report += r.async->waits();
}

// number returns the coordinates of the i-th block to run.
void Engine::number(int64_t i, int &x, int &y, int &z) const {
    const int *g = launch->grid;
    const int64_t total = int64_t(g[0]) * g[1] * g[2];
    if (order == Order::descending) i = total - 1 - i;
    if (order >= Order::random) i = int64_t((__int128(i) * stride + offset) % total);
    x = int(i % g[0]);
    y = int(i / g[0] % g[1]);
    z = int(i / g[0] / g[1]);
}

void Engine::begin(const Launch &l) {
    drop();
    launch = &l;
    grid = {l.grid[0], l.grid[1], l.grid[2], l.kernel->threads};
    total = int64_t(l.grid[0]) * l.grid[1] * l.grid[2];
    random = Random(l.seed + l.salt);
    order = l.seed == 0 ? Order::ascending : l.seed == 1 ? Order::descending : random.next() % 2 ? Order::random : Order::bursts;
    copying = l.seed == 0 ? Copying::early : l.seed == 1 ? Copying::late : Copying(random.below(3));
    offset = random.next() % total;
    do stride = random.next() % total + 1;
    while (std::gcd(stride, total) != 1);
    begun = 0;
    held = false;
    outcome = {};
    failed = strange = false;
    deadline = spent() + int64_t(l.seconds * 1e9);
}

// step advances all rooms once and reports whether a block ended.
bool Engine::step() {
    const size_t before = rooms.size();
    for (size_t i = 0; i < rooms.size() && !failed;) {
        if (advance(*rooms[i]) != Step::finished) {
            i++;
            continue;
        }
        free_rooms.give(std::move(rooms[i]));
        rooms.erase(rooms.begin() + int64_t(i));
    }
    return rooms.size() < before;
}

// blocks runs all blocks: one at a time, or, where those that began all rest or are
// suspended, as many as a device holds.
void Engine::blocks() {
    while (!failed) {
        if (step() || failed) continue;
        if (begun < total && int(rooms.size()) < std::max(1, launch->resident)) {
            enter_next();
        } else if (rooms.empty()) {
            return;
        } else if (spent() > deadline) {
            const Block &b = rooms.front()->block;
            const bool rests = b.resting_warps != 0;
            const int w = __builtin_ctz(rests ? b.resting_warps : b.ready_warps);
            fail_late(b.threads[w * lanes + __builtin_ctz(rests ? b.resting[w] : b.ready[w])]);
        } else {
            sched_yield(); // others must write what these wait for
        }
    }
}

void Engine::enter_next() {
    int x, y, z;
    number(begun++, x, y, z);
    rooms.push_back(free_rooms.take(launch->kernel->threads));
    rooms.back()->enter(*this, x, y, z);
}

void Engine::drop() {
    for (auto &r : rooms) {
        r->fresh = true; // its fibres were left somewhere
        free_rooms.give(std::move(r));
    }
    rooms.clear();
    current = nullptr;
    launch = nullptr;
}

bool Engine::prologue(const Launch &l) {
    catch_faults();
    begin(l);
    held = true;
    const int64_t some = std::min<int64_t>({total, std::max(1, l.resident), 2});
    while (begun < some) enter_next();
    step();
    deadline = 0;
    return !failed && std::all_of(rooms.begin(), rooms.end(), [](const auto &r) { return r->block.lets_next; });
}

void Engine::fail_late(const Thread &t) {
    failed = true;
    outcome = {CUDA_ERROR_LAUNCH_TIMEOUT, where(t) + ": still running after its time"};
    if (*t.doing) outcome.report += std::string(", last in ") + t.doing + ", " + spell(t.at);
}

Outcome Engine::run(const Launch &l, std::string (*memory_says)(const void *address)) {
    catch_faults();
    if (held) {
        held = false;
        deadline = spent() + int64_t(l.seconds * 1e9);
    } else {
        begin(l);
    }
    blocks();
    deadline = 0;
    if (strange) outcome.report += memory_says(address);
    drop();
    return std::move(outcome);
}

} // namespace emu
