#include "driver.h"

#include "launch.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <pthread.h>
#include <random>
#include <unistd.h>

namespace emu {

thread_local Device *here;

Driver &driver() {
    static auto *d = new Driver; // outlives the threads of streams
    return *d;
}

Device *Driver::context(const void *handle) const {
    for (const auto &d : devices) {
        if (d.get() == handle && d->retained > 0) return d.get();
    }
    return nullptr;
}

void Driver::happened() {
    changed.notify_all();
    for (const auto &d : devices) {
        for (const auto &s : d->streams) s->more.notify_all();
    }
}

void Driver::say(std::string text) {
    report = std::move(text);
    if (!settings.quiet) fprintf(stderr, "emulated CUDA: %s\n", report.c_str());
}

Device *Driver::owner(uint64_t address) const {
    for (const auto &d : devices) {
        if (d->memory.holds(address)) return d.get();
    }
    return nullptr;
}

bool Driver::pinned(uint64_t address, size_t n) const {
    if (host.find(address, n)) return true;
    const auto r = registered.upper_bound(address);
    if (r == registered.begin()) return false;
    const auto &[begin, bytes] = *std::prev(r);
    return address - begin <= bytes && n <= bytes - (address - begin);
}

size_t Graph::add(Node node) {
    nodes.push_back(std::make_shared<Node>(std::move(node)));
    return nodes.size() - 1;
}

// ---- Calls

namespace {

// struck applies a fault that a setting asks for. What hangs does so until others are set.
CUresult struck(Driver &d, std::unique_lock<std::mutex> &lock, const std::string &what, Device *device) {
    int code = d.settings.strikes(what);
    if (code == 0 && device) {
        code = d.settings.strikes("device" + std::to_string(device->ordinal));
        if (code == InjectedFault::lost) {
            device->lost = true;
            d.happened();
        }
    }
    if (code == InjectedFault::hang) {
        d.changed.wait(lock, [&d, before = d.settings.fault_lists] { return d.settings.fault_lists != before; });
        return CUDA_SUCCESS;
    }
    return code < 0 ? CUDA_ERROR_UNKNOWN : CUresult(code);
}

// invalidate_captures ends the captures that a call of this thread may not
// meet. It returns the error of the call.
CUresult invalidate_captures(Driver &d) {
    CUresult bad = CUDA_SUCCESS;
    for (const auto &device : d.devices) {
        for (const auto &s : device->streams) {
            if (!s->capture || s->capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED) continue;
            if (s->capture_mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && s->capturer != std::this_thread::get_id()) continue;
            s->invalid = true;
            bad = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return bad;
}

} // namespace

Call::Call(const char *name, unsigned needs) : lock(driver().lock) {
    Driver &d = driver();
    d.calls[name]++;
    if ((needs & initialized) && !d.initialized) {
        bad = CUDA_ERROR_NOT_INITIALIZED;
        return;
    }
    bad = struck(d, lock, name, here);
    if (bad || !(needs & context & ~initialized)) return;
    if (here == nullptr || here->retained == 0) {
        bad = CUDA_ERROR_INVALID_CONTEXT;
    } else if (here->lost) {
        bad = CUDA_ERROR_UNKNOWN;
    } else if (here->error) {
        bad = here->error;
    } else if (needs & uncaptured) {
        bad = invalidate_captures(d);
    }
}

CUresult Call::wait(const std::function<bool()> &done, const Device *d) {
    driver().changed.wait(lock, [&] { return done() || d->lost; });
    return d->lost ? CUDA_ERROR_UNKNOWN : d->error;
}

// ---- Streams

CUresult invalidate(Stream &s, CUresult code) {
    s.invalid = true;
    return code;
}

CUresult enqueue(const std::shared_ptr<Stream> &s, Node node, std::function<bool()> ready) {
    if (s->capture) {
        if (s->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
        node.after = s->tail;
        s->tail = {s->capture->add(std::move(node))};
        return CUDA_SUCCESS;
    }
    std::shared_ptr<const KernelCall> kernel;
    if (node.what == "kernel") kernel = std::make_shared<KernelCall>(std::move(node.call));
    s->queue.push_back({std::move(ready), std::move(node.run), node.what == "event", std::move(kernel)});
    s->more.notify_all();
    return CUDA_SUCCESS;
}

namespace {

// following returns the kernel at the beginning of a queue, if there is one, and
// those that depend on it one after the other.
std::vector<std::shared_ptr<const KernelCall>> following(const std::deque<Work> &queue) {
    std::vector<std::shared_ptr<const KernelCall>> kernels;
    for (const Work &w : queue) {
        if (!w.kernel || (!kernels.empty() && !w.kernel->dependent) || kernels.size() > early_launches) break;
        kernels.push_back(w.kernel);
    }
    return kernels;
}

} // namespace

// work is what a stream's thread does.
void work(std::shared_ptr<Stream> s) {
    Driver &d = driver();
    std::unique_lock<std::mutex> lock(d.lock);
    for (;;) {
        const auto can = [&] { return !s->queue.empty() && (!s->queue.front().ready || s->queue.front().ready()); };
        s->more.wait(lock, [&] { return s->closing || can(); });
        if (!can()) return;
        auto run = std::move(s->queue.front().run);
        const bool always = s->queue.front().always;
        auto kernels = following(s->queue);
        s->queue.pop_front();
        Device &device = *s->device;
        if ((device.error == CUDA_SUCCESS && !device.lost) || always) {
            s->busy = true;
            lock.unlock();
            CUresult code;
            if (kernels.empty()) {
                code = run();
            } else {
                std::vector<const KernelCall *> calls;
                for (const auto &k : kernels) calls.push_back(k.get());
                code = run_call(&device, calls);
            }
            run = nullptr; // what it holds may need the lock, or time
            kernels.clear();
            lock.lock();
            s->busy = false;
            if (code && !device.error) device.error = code;
        }
        if (device.error || device.lost) d.happened();
        if (s->queue.empty()) d.changed.notify_all();
    }
}

void close_stream(std::unique_lock<std::mutex> &lock, const std::shared_ptr<Stream> &s) {
    s->closing = true;
    if (s->device->lost) s->queue.clear();
    s->more.notify_all();
    std::thread thread = std::move(s->thread);
    lock.unlock();
    if (thread.joinable()) thread.join();
    lock.lock();
    auto &all = s->device->streams;
    all.erase(std::remove(all.begin(), all.end(), s), all.end());
    driver().objects.erase(s.get());
}

// ---- Kernels

namespace {

constexpr Limits table[] = {
    {80, 108, 2048, 32, 164 << 10, 163 << 10, "Emulated A100", 40 << 20},
    {86, 84, 1536, 16, 100 << 10, 99 << 10, "Emulated RTX A6000", 6 << 20},
    {89, 142, 1536, 24, 100 << 10, 99 << 10, "Emulated L40", 96 << 20},
    {90, 132, 2048, 32, 228 << 10, 227 << 10, "Emulated H100", 50 << 20},
    {100, 148, 2048, 32, 228 << 10, 227 << 10, "Emulated B200", 126 << 20},
    {110, 20, 1536, 24, 228 << 10, 227 << 10, "Emulated Thor", 32 << 20},
    {120, 188, 1536, 24, 100 << 10, 99 << 10, "Emulated RTX PRO 6000", 128 << 20},
};

constexpr int registers = 64 << 10; // of a multiprocessor, and for a block at most

// registers_of is what a block takes, in units of 256 for a warp.
int registers_of(const Function &f, int threads) {
    const int warps = (threads + 31) / 32;
    return warps * ((f.image.registers * 32 + 255) / 256 * 256);
}

// resident is how many blocks a multiprocessor holds, or all of them.
int resident(const Function &f, unsigned shared_bytes, bool of_one) {
    const Limits &l = limits(driver().machine.capability);
    const int threads = f.kernel->threads;
    int n = std::min(l.blocks, l.threads / threads);
    if (const int r = registers_of(f, threads)) n = std::min(n, registers / r);
    n = std::min(n, l.shared / std::max(1024, int(shared_bytes) + f.image.shared + 1024));
    return of_one ? n : n * l.processors;
}

// count records that a kernel ran, in the coverage file if there is one.
uint64_t count(Driver &d, Kernel &k) {
    if (k.launches++ == 0 && !d.settings.coverage.empty()) {
        const int f = open(d.settings.coverage.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        const std::string line = std::string(k.name) + "\n";
        if (f < 0 || write(f, line.data(), line.size()) != ssize_t(line.size())) {
            fprintf(stderr, "emulated CUDA: cannot write %s\n", d.settings.coverage.c_str());
        }
        if (f >= 0) close(f);
    }
    return k.launches;
}

std::string memory_says(const void *address) {
    const auto at = reinterpret_cast<uint64_t>(address);
    std::lock_guard<std::mutex> hold(driver().lock);
    if (const Device *d = driver().owner(at)) return d->memory.near(at);
    return "an address of no device";
}

// stranger returns a word of the arguments that points to a device which d may
// not reach, 0 if there is none.
uint64_t stranger(const Driver &all, const Device &d, const KernelCall &c) {
    for (size_t i = 0; i + 8 <= c.args.size(); i += 8) {
        uint64_t word;
        memcpy(&word, &c.args[i], 8);
        const Device *owner = all.owner(word);
        if (owner && owner != &d && d.peers.count(owner->ordinal) == 0) return word;
    }
    return 0;
}

// damage says what a kernel wrote beside the memory that its arguments point to.
std::string damage(const Driver &all, const KernelCall &c) {
    for (size_t i = 0; i + 8 <= c.args.size(); i += 8) {
        uint64_t word;
        memcpy(&word, &c.args[i], 8);
        const Device *owner = all.owner(word);
        const auto *a = owner ? owner->memory.find(word, 0) : nullptr;
        std::string bad = a ? owner->memory.damage(*a) : "";
        if (!bad.empty()) return bad;
    }
    return "";
}

} // namespace

const Limits &limits(int capability) {
    return *std::find_if(std::begin(table), std::end(table), [capability](const Limits &l) { return l.capability == capability; });
}

int blocks_of_processor(const Function &f, unsigned shared_bytes) { return resident(f, shared_bytes, true); }

CUresult check_call(const Device &d, const KernelCall &c) {
    Driver &all = driver();
    const Function &f = *c.function;
    const std::string name = f.kernel->name;
    if (f.module->device != &d) {
        all.say(name + " was loaded on another device");
        return CUDA_ERROR_INVALID_HANDLE;
    }
    if (c.grid[0] == 0 || c.grid[1] == 0 || c.grid[2] == 0 || c.grid[0] > 0x7fffffff || c.grid[1] > 65535 || c.grid[2] > 65535) {
        all.say(name + ": a grid of " + std::to_string(c.grid[0]) + ", " + std::to_string(c.grid[1]) + ", " + std::to_string(c.grid[2]));
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (int(c.shared_bytes) > f.shared_limit) {
        all.say(name + ": " + std::to_string(c.shared_bytes) + " bytes of shared memory, " + std::to_string(f.shared_limit) + " are allowed");
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (registers_of(f, f.kernel->threads) > registers) {
        all.say(name + ": " + std::to_string(f.image.registers) + " registers are too many for its threads");
        return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    }
    if (c.dependent && f.module->image.capability < 90) { // a device would let it run
        all.say(name + ": its code is for " + std::to_string(f.module->image.capability) + " and cannot wait for the launch before");
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    return CUDA_SUCCESS;
}

namespace {

// prepare fills in a launch of a call and counts it.
CUresult prepare(const Device &device, const KernelCall &c, Launch &l) {
    Driver &d = driver();
    Kernel &k = *c.function->kernel;
    std::unique_lock<std::mutex> lock(d.lock);
    if (const CUresult bad = struck(d, lock, k.name, nullptr)) return bad;
    if (const uint64_t word = stranger(d, device, c)) {
        char text[200];
        snprintf(text, sizeof text, "kernel %s: argument %#llx is memory of a device without peer access", k.name,
                 static_cast<unsigned long long>(word));
        d.say(text);
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    l.salt = std::hash<std::string>()(k.name) + count(d, k);
    l.seed = d.settings.seed;
    l.seconds = d.settings.timeout;
    l.kernel = &k;
    for (int i = 0; i < 3; i++) l.grid[i] = int(c.grid[i]);
    l.shared_bytes = int(c.shared_bytes);
    l.resident = resident(*c.function, c.shared_bytes, false);
    l.registers = c.function->image.registers;
    if (l.registers == 0) l.registers = std::min(248, registers / k.threads / 8 * 8); // PTX does not say
    l.dependent = c.dependent;
    l.args = c.args.data();
    return CUDA_SUCCESS;
}

// Flight is a launch that runs or began before those before it ran.
struct Flight {
    explicit Flight(Rooms &rooms) : engine(rooms) {}

    Engine engine;
    Launch launch;
    CUresult bad = CUDA_SUCCESS; // it cannot run
    bool lets_next = false;      // launch begin, though it waits itself
};

// Runner runs the kernels of a stream. Before one runs, those that depend on it may
// begin: the next one, and the one after each that lets it before it waits. Nothing
// says to these that any launch before them is complete.
class Runner {
public:
    CUresult run(const Device &device, const std::vector<const KernelCall *> &calls);

private:
    std::unique_ptr<Flight> make(const Device &device, const KernelCall &c);
    void begin(const Device &device, const std::vector<const KernelCall *> &calls, size_t n);
    static CUresult end(const Kernel &kernel, const KernelCall &c, Outcome o);
    void give(std::unique_ptr<Flight> f);

    Rooms rooms;
    std::deque<std::unique_ptr<Flight>> early; // those that began, in order
    std::vector<std::unique_ptr<Flight>> spare;
};

std::unique_ptr<Flight> Runner::make(const Device &device, const KernelCall &c) {
    if (spare.empty()) spare.push_back(std::make_unique<Flight>(rooms));
    auto f = std::move(spare.back());
    spare.pop_back();
    f->launch = {};
    f->bad = prepare(device, c, f->launch);
    return f;
}

void Runner::give(std::unique_ptr<Flight> f) {
    f->engine.drop();
    spare.push_back(std::move(f));
}

// ahead is how many launches a schedule lets begin before one runs. Few, mostly:
// what is read too early was written now by the launch before, now by others.
size_t ahead(const Launch &l) {
    if (l.seed == 0) return 0;
    Random random(l.seed + l.salt);
    size_t n = 0;
    while (n < early_launches && (l.seed == 1 || random.below(2))) n++;
    return n;
}

// begin begins calls 1 to n, unless they have begun.
void Runner::begin(const Device &device, const std::vector<const KernelCall *> &calls, size_t n) {
    while (early.size() < std::min(n, calls.size() - 1) && (early.empty() || early.back()->lets_next)) {
        auto f = make(device, *calls[early.size() + 1]);
        f->lets_next = !f->bad && f->engine.prologue(f->launch);
        early.push_back(std::move(f));
    }
}

CUresult Runner::run(const Device &device, const std::vector<const KernelCall *> &calls) {
    std::unique_ptr<Flight> f;
    if (early.empty()) {
        f = make(device, *calls[0]);
    } else {
        f = std::move(early.front());
        early.pop_front();
    }
    CUresult bad = f->bad;
    if (!bad) {
        begin(device, calls, ahead(f->launch));
        bad = end(*f->launch.kernel, *calls[0], f->engine.run(f->launch, memory_says));
    }
    give(std::move(f));
    while (bad && !early.empty()) { // nothing runs after an error
        give(std::move(early.front()));
        early.pop_front();
    }
    return bad;
}

// end says what was wrong with a call.
CUresult Runner::end(const Kernel &kernel, const KernelCall &c, Outcome o) {
    Driver &d = driver();
    std::lock_guard<std::mutex> hold(d.lock);
    if (!o.code) {
        o.report = damage(d, c);
        if (o.report.empty()) return CUDA_SUCCESS;
        o = {CUDA_ERROR_ILLEGAL_ADDRESS, std::string("kernel ") + kernel.name + ": " + o.report};
    }
    d.say(o.report);
    return CUresult(o.code);
}

} // namespace

CUresult run_call(Device *device, const std::vector<const KernelCall *> &calls) {
    thread_local Runner runner;
    return runner.run(*device, calls);
}

} // namespace emu
