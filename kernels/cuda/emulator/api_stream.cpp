// The driver's calls on streams and events.
#include "driver.h"

#include "launch.h"

#include <algorithm>
#include <csignal>
#include <pthread.h>

using namespace emu;

namespace {

// start begins a stream's thread. It leaves all signals to others.
void start(const std::shared_ptr<Stream> &s) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    s->thread = std::thread(work, s);
    pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

Node node(const char *what, std::function<CUresult()> run) {
    Node n;
    n.what = what;
    n.run = std::move(run);
    return n;
}

CUresult nothing() { return CUDA_SUCCESS; }

} // namespace

// ---- Streams

// A stream is its own thread. The legacy stream (0) does not exist here: it
// would wait for all others.
API cuStreamCreate(void **handle, unsigned flags) {
    Call call("cuStreamCreate", Call::context);
    if (call.bad) return call.bad;
    if (!handle || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
    const auto s = driver().make<Stream>();
    s->device = here;
    s->flags = flags;
    here->streams.push_back(s);
    start(s);
    *handle = s.get();
    return CUDA_SUCCESS;
}

API cuStreamCreateWithPriority(void **handle, unsigned flags, int) { return cuStreamCreate(handle, flags); }

API cuStreamDestroy_v2(void *handle) {
    Call call("cuStreamDestroy", Call::initialized);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    close_stream(call.lock, s);
    return CUDA_SUCCESS;
}

API cuStreamSynchronize(void *handle) {
    Call call("cuStreamSynchronize", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    return call.wait([&s] { return s->idle(); }, s->device);
}

API cuStreamQuery(void *handle) {
    Call call("cuStreamQuery", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    return s->idle() ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API cuStreamGetFlags(void *handle, unsigned *flags) {
    Call call("cuStreamGetFlags", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    *flags = s->flags;
    return CUDA_SUCCESS;
}

API cuStreamGetPriority(void *handle, int *priority) {
    unsigned flags;
    *priority = 0;
    return cuStreamGetFlags(handle, &flags);
}

API cuLaunchHostFunc(void *handle, void (*function)(void *), void *argument) {
    Call call("cuLaunchHostFunc", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    return enqueue(s, node("host", [=] {
                       function(argument);
                       return CUDA_SUCCESS;
                   }));
}

API cuStreamWriteValue32_v2(void *handle, CUdeviceptr p, uint32_t value, unsigned) {
    Call call("cuStreamWriteValue32", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    return enqueue(s, node("write", [=] {
                       __atomic_store_n(reinterpret_cast<uint32_t *>(p), value, __ATOMIC_RELEASE);
                       return CUDA_SUCCESS;
                   }));
}

// The wait looks whenever anything changes in the driver, and at each tick.
API cuStreamWaitValue32_v2(void *handle, CUdeviceptr p, uint32_t value, unsigned flags) {
    Call call("cuStreamWaitValue32", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (flags > 3) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(s, node("wait", [=] {
                       for (;;) {
                           const uint32_t v = __atomic_load_n(reinterpret_cast<uint32_t *>(p), __ATOMIC_ACQUIRE);
                           const bool met = flags == 0   ? int32_t(v - value) >= 0
                                            : flags == 1 ? v == value
                                            : flags == 2 ? (v & value) != 0
                                                         : ~(v | value) != 0;
                           if (met) return CUDA_SUCCESS;
                           std::this_thread::yield();
                       }
                   }));
}

// ---- Events

API cuEventCreate(void **handle, unsigned flags) {
    Call call("cuEventCreate", Call::context);
    if (call.bad) return call.bad;
    if (!handle || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    const auto e = driver().make<Event>();
    e->device = here;
    e->flags = flags;
    *handle = e.get();
    return CUDA_SUCCESS;
}

API cuEventDestroy_v2(void *handle) {
    Call call("cuEventDestroy", Call::initialized);
    if (call.bad) return call.bad;
    if (!driver().find<Event>(handle)) return CUDA_ERROR_INVALID_HANDLE;
    driver().objects.erase(handle);
    return CUDA_SUCCESS;
}

API cuEventRecord(void *event, void *stream) {
    Call call("cuEventRecord", Call::context);
    if (call.bad) return call.bad;
    const auto e = driver().find<Event>(event);
    const auto s = driver().find<Stream>(stream);
    if (!e || !s) return CUDA_ERROR_INVALID_HANDLE;
    e->capture = s->capture;
    e->tail = s->tail;
    if (s->capture) return s->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    const uint64_t ticket = ++e->recorded;
    return enqueue(s, node("event", [e, ticket] {
                       std::lock_guard<std::mutex> hold(driver().lock);
                       e->completed = std::max(e->completed, ticket);
                       e->time = now();
                       driver().happened();
                       return CUDA_SUCCESS;
                   }));
}

API cuEventQuery(void *handle) {
    Call call("cuEventQuery", Call::context);
    if (call.bad) return call.bad;
    const auto e = driver().find<Event>(handle);
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    if (e->capture) return CUDA_ERROR_CAPTURED_EVENT;
    return e->completed >= e->recorded ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

API cuEventSynchronize(void *handle) {
    Call call("cuEventSynchronize", Call::context);
    if (call.bad) return call.bad;
    const auto e = driver().find<Event>(handle);
    if (!e) return CUDA_ERROR_INVALID_HANDLE;
    if (e->capture) return CUDA_ERROR_CAPTURED_EVENT;
    const uint64_t ticket = e->recorded;
    const Device *d = e->device;
    return call.wait([&] { return e->completed >= ticket || d->error; }, d);
}

API cuEventElapsedTime(float *milliseconds, void *from, void *to) {
    Call call("cuEventElapsedTime", Call::context);
    if (call.bad) return call.bad;
    const auto a = driver().find<Event>(from), b = driver().find<Event>(to);
    if (!a || !b || !a->recorded || !b->recorded) return CUDA_ERROR_INVALID_HANDLE;
    if ((a->flags | b->flags) & CU_EVENT_DISABLE_TIMING) return CUDA_ERROR_INVALID_HANDLE;
    if (a->completed < a->recorded || b->completed < b->recorded) return CUDA_ERROR_NOT_READY;
    *milliseconds = float(double(b->time - a->time) * 1e-6);
    return CUDA_SUCCESS;
}

// A stream that waits for an event of a capture joins it.
API cuStreamWaitEvent(void *stream, void *event, unsigned) {
    Call call("cuStreamWaitEvent", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(stream);
    const auto e = driver().find<Event>(event);
    if (!s || !e) return CUDA_ERROR_INVALID_HANDLE;
    if (e->capture) {
        if (s->capture && s->capture != e->capture) return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_MERGE);
        if (!s->capture) {
            s->capture = e->capture;
            s->capture_mode = CU_STREAM_CAPTURE_MODE_RELAXED; // the stream where it began says what is allowed
            s->origin = s->invalid = false;
            s->tail.clear();
        }
        for (const size_t n : e->tail) {
            if (std::find(s->tail.begin(), s->tail.end(), n) == s->tail.end()) s->tail.push_back(n);
        }
        return CUDA_SUCCESS;
    }
    if (s->capture) return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_ISOLATION);
    const uint64_t ticket = e->recorded;
    return enqueue(s, node("wait", nothing), [e, ticket] { return e->completed >= ticket; });
}
