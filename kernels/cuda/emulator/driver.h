// The driver's objects. One lock guards all of them; kernels and copies run
// outside it, on a thread for each stream.
#pragma once

#include "abi.h"
#include "engine.h"
#include "image.h"
#include "memory.h"
#include "settings.h"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace emu {

// Object is what a handle stands for: its address.
struct Object {
    virtual ~Object() = default;
};

struct Stream;
struct Graph;
struct KernelCall;

// Device is a device and its one context, the primary.
struct Device : Object {
    int ordinal = 0;
    int retained = 0; // uses of the context
    Memory memory;
    std::set<int> peers; // devices that this one may reach
    CUresult error = CUDA_SUCCESS; // sticky
    bool lost = false;
    uint64_t launches = 0;
    std::vector<std::shared_ptr<Stream>> streams;
};

// What a device of a compute capability has.
struct Limits {
    int capability;                  // times ten
    int processors, threads, blocks; // multiprocessors, and what one holds
    int shared, shared_block;        // bytes of a multiprocessor, and for a block at most
    const char *name;
    int l2;
};
const Limits &limits(int capability);

// Work is an entry of a stream's queue.
struct Work {
    std::function<bool()> ready; // under the lock; empty: always
    std::function<CUresult()> run; // outside it
    bool always = false; // after an error too: others wait for it
    std::shared_ptr<const KernelCall> kernel; // instead of run
};

struct Stream : Object {
    Device *device = nullptr;
    unsigned flags = 0;
    std::deque<Work> queue;
    std::condition_variable more; // in the queue, or an event that it may wait for
    bool busy = false, closing = false;
    std::thread thread;

    std::shared_ptr<Graph> capture; // records instead of running
    unsigned capture_mode = 0;
    std::thread::id capturer;
    bool origin = false; // it began the capture
    bool invalid = false;
    std::vector<size_t> tail; // nodes that the next one depends on

    bool idle() const { return queue.empty() && !busy; }
};

struct Event : Object {
    Device *device = nullptr;
    unsigned flags = 0;
    uint64_t recorded = 0, completed = 0; // counts
    int64_t time = 0;                     // of the last completion
    std::shared_ptr<Graph> capture;       // recorded while capturing
    std::vector<size_t> tail;
};

struct Module;

struct Function : Object {
    Module *module = nullptr;
    Kernel *kernel = nullptr;
    ImageKernel image;
    int shared_limit = 48 << 10; // dynamic, that a launch may ask for
    int carveout = -1;
};

struct Module : Object {
    Device *device = nullptr;
    Image image;
    std::map<std::string, std::shared_ptr<Function>> functions;
};

// KernelCall is a launch with its arguments.
struct KernelCall {
    std::shared_ptr<Function> function;
    unsigned grid[3];
    unsigned shared_bytes;
    bool dependent = false; // may begin before the kernel before it is complete
    std::vector<unsigned char> args;
};

struct Node : Object {
    std::string what; // "kernel", "memcpy", "memset", "host", "event", "empty"
    std::vector<size_t> after; // nodes that must end before
    KernelCall call;           // of a kernel
    std::function<CUresult()> run; // of the others
};

struct Graph : Object {
    std::vector<std::shared_ptr<Node>> nodes;
    size_t add(Node node);
};

struct Exec : Object {
    Device *device = nullptr;
    std::vector<Node> nodes;
    std::map<void *, size_t> of; // by the nodes of the graph
    int running = 0;             // launches under way
};

// Driver is the state of the library.
struct Driver {
    std::mutex lock;
    std::condition_variable changed; // a stream became idle, an event happened, a device was lost, a setting changed
    Settings settings;
    Settings machine; // as cuInit found the settings
    bool initialized = false;
    std::vector<std::unique_ptr<Device>> devices, former; // contexts of the latter may be current still
    Memory host; // pinned
    std::map<uint64_t, size_t> registered;
    std::map<const void *, std::shared_ptr<Object>> objects; // all but contexts
    std::string report;
    std::map<std::string, uint64_t> calls; // of each function

    template <class T> std::shared_ptr<T> make() {
        auto o = std::make_shared<T>();
        objects[o.get()] = o;
        return o;
    }
    // find returns the object of a handle if it is one of that type.
    template <class T> std::shared_ptr<T> find(const void *handle) {
        const auto i = objects.find(handle);
        return i == objects.end() ? nullptr : std::dynamic_pointer_cast<T>(i->second);
    }
    Device *context(const void *handle) const;
    // happened wakes all that may wait for an event.
    void happened();
    // say keeps a report and prints it.
    void say(std::string text);
    // owner returns the device whose window holds an address.
    Device *owner(uint64_t address) const;
    bool pinned(uint64_t address, size_t n) const;
};

Driver &driver();

// here is the context of this OS thread, null if it has none.
extern thread_local Device *here;

// Call is the frame of one call of the driver: it holds the lock and has
// looked whether the call may be made.
class Call {
public:
    enum : unsigned {
        plain = 0,
        initialized = 1,
        context = 2 | initialized, // there is one, and its device works
        uncaptured = 4,            // not while this thread captures a stream
    };
    Call(const char *name, unsigned needs);

    std::unique_lock<std::mutex> lock;
    CUresult bad = CUDA_SUCCESS;

    // wait waits until done() or the device fails, and returns the error.
    CUresult wait(const std::function<bool()> &done, const Device *d);
};

// enqueue appends work to a stream, or records it as a node where the stream
// captures.
CUresult enqueue(const std::shared_ptr<Stream> &s, Node node, std::function<bool()> ready = nullptr);
CUresult invalidate(Stream &s, CUresult code);
void work(std::shared_ptr<Stream> s);

// check_call says whether a device would refuse a launch.
CUresult check_call(const Device &d, const KernelCall &c);
// run_call runs the first of some kernels on the thread of a stream. Those after it
// come next, and each depends on the one before it: they may begin before. More than
// early_launches + 1 are of no use.
CUresult run_call(Device *d, const std::vector<const KernelCall *> &calls);
constexpr size_t early_launches = 12;

// blocks_of_processor is how many blocks a multiprocessor holds.
int blocks_of_processor(const Function &f, unsigned shared_bytes);

// close_stream ends a stream's thread; the lock is held.
void close_stream(std::unique_lock<std::mutex> &lock, const std::shared_ptr<Stream> &s);

} // namespace emu

#define API extern "C" __attribute__((visibility("default"))) CUresult
