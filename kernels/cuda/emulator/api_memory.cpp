// The driver's calls on memory.
#include "driver.h"

#include <algorithm>
#include <cstring>

using namespace emu;

namespace {

unsigned char *pointer(uint64_t address) { return reinterpret_cast<unsigned char *>(address); }
uint64_t address(const void *p) { return reinterpret_cast<uint64_t>(p); }

// on_device says what is wrong with a range of the memory of d, or of a
// device that it may reach.
CUresult on_device(const Device *d, CUdeviceptr p, size_t n) {
    const Device *owner = driver().owner(p);
    if (!owner || (owner != d && !d->peers.count(owner->ordinal))) return CUDA_ERROR_INVALID_VALUE;
    return owner->memory.find(p, n) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

std::shared_ptr<Stream> stream(const void *handle) { return driver().find<Stream>(handle); }

// settle waits until all streams of the device are idle, as calls without a
// stream do.
CUresult settle(Call &call, Device *d) {
    return call.wait([d] { return std::all_of(d->streams.begin(), d->streams.end(), [](const auto &s) { return s->idle(); }); }, d);
}

CUresult copy(Call &call, CUdeviceptr to, uint64_t from, size_t n) {
    if (const CUresult bad = settle(call, here)) return bad;
    memcpy(pointer(to), pointer(from), n);
    return CUDA_SUCCESS;
}

Node node(const char *what, std::function<CUresult()> run) {
    Node n;
    n.what = what;
    n.run = std::move(run);
    return n;
}

// copy_later appends a copy to a stream. What is not pinned host memory, a
// device reads at once, and writes before the call returns.
CUresult copy_later(Call &call, uint64_t to, uint64_t from, size_t n, void *handle) {
    const auto s = stream(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    Driver &d = driver();
    const bool host_from = !d.owner(from), host_to = !d.owner(to);
    const bool pageable = (host_from && !d.pinned(from, n)) || (host_to && !d.pinned(to, n));
    if (pageable && s->capture) {
        d.say("a copy of host memory that is not pinned is captured");
        return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    }
    if (pageable && host_from) {
        const std::string staged(reinterpret_cast<const char *>(pointer(from)), n);
        return enqueue(s, node("memcpy", [to, staged] {
                           memcpy(pointer(to), staged.data(), staged.size());
                           return CUDA_SUCCESS;
                       }));
    }
    const CUresult bad = enqueue(s, node("memcpy", [to, from, n] {
                                     memmove(pointer(to), pointer(from), n);
                                     return CUDA_SUCCESS;
                                 }));
    if (bad || !pageable) return bad;
    return call.wait([&s] { return s->idle(); }, s->device);
}

template <class T> void fill(CUdeviceptr p, T value, size_t count) {
    std::fill_n(reinterpret_cast<T *>(pointer(p)), count, value);
}

template <class T> CUresult fill_now(const char *name, CUdeviceptr p, T value, size_t count) {
    Call call(name, Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (p % sizeof(T) || on_device(here, p, count * sizeof(T))) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = settle(call, here)) return bad;
    fill(p, value, count);
    return CUDA_SUCCESS;
}

template <class T> CUresult fill_later(const char *name, CUdeviceptr p, T value, size_t count, void *handle) {
    Call call(name, Call::context);
    if (call.bad) return call.bad;
    const auto s = stream(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (p % sizeof(T) || on_device(s->device, p, count * sizeof(T))) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(s, node("memset", [p, value, count] {
                       fill(p, value, count);
                       return CUDA_SUCCESS;
                   }));
}

} // namespace

// ---- Allocation

API cuMemAlloc_v2(CUdeviceptr *p, size_t n) {
    Call call("cuMemAlloc", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (!p || n == 0) return CUDA_ERROR_INVALID_VALUE;
    *p = here->memory.allocate(n, driver().settings.seed % 2);
    return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuMemFree_v2(CUdeviceptr p) {
    Call call("cuMemFree", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (p == 0) return CUDA_SUCCESS;
    Device *owner = driver().owner(p);
    if (!owner) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = settle(call, owner)) return bad;
    std::string damage;
    if (!owner->memory.release(p, damage)) {
        driver().say("cuMemFree of what is no allocation: " + owner->memory.near(p));
        return CUDA_ERROR_INVALID_VALUE;
    }
    if (damage.empty()) return CUDA_SUCCESS;
    driver().say("cuMemFree: " + damage);
    return owner->error = CUDA_ERROR_ILLEGAL_ADDRESS;
}

API cuMemGetInfo_v2(size_t *free, size_t *total) {
    Call call("cuMemGetInfo", Call::context);
    if (call.bad) return call.bad;
    *free = size_t(here->memory.free());
    *total = size_t(here->memory.total());
    return CUDA_SUCCESS;
}

API cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr p) {
    Call call("cuMemGetAddressRange", Call::context);
    if (call.bad) return call.bad;
    const Device *owner = driver().owner(p);
    const auto *a = owner ? owner->memory.find(p, 1) : nullptr;
    if (!a) return CUDA_ERROR_NOT_FOUND;
    if (base) *base = a->address;
    if (size) *size = a->bytes;
    return CUDA_SUCCESS;
}

API cuPointerGetAttribute(void *value, int which, CUdeviceptr p) {
    Call call("cuPointerGetAttribute", Call::context);
    if (call.bad) return call.bad;
    Device *owner = driver().owner(p);
    const bool on_host = driver().pinned(p, 1);
    if (!on_host && !(owner && owner->memory.find(p, 1))) return CUDA_ERROR_INVALID_VALUE;
    switch (which) {
    case CU_POINTER_ATTRIBUTE_CONTEXT: *static_cast<void **>(value) = owner ? owner : here; break;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: *static_cast<unsigned *>(value) = on_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE; break;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: *static_cast<CUdeviceptr *>(value) = p; break;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL: *static_cast<int *>(value) = (owner ? owner : here)->ordinal; break;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        if (!on_host) return CUDA_ERROR_INVALID_VALUE;
        *static_cast<void **>(value) = pointer(p);
        break;
    default: return CUDA_ERROR_NOT_SUPPORTED;
    }
    return CUDA_SUCCESS;
}

// ---- Host memory

API cuMemHostAlloc(void **p, size_t n, unsigned flags) {
    Call call("cuMemHostAlloc", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (!p || n == 0 || flags > 7) return CUDA_ERROR_INVALID_VALUE;
    *p = pointer(driver().host.allocate(n, driver().settings.seed % 2));
    return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

API cuMemAllocHost_v2(void **p, size_t n) { return cuMemHostAlloc(p, n, 0); }

API cuMemFreeHost(void *p) {
    Call call("cuMemFreeHost", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (const CUresult bad = settle(call, here)) return bad;
    std::string damage;
    if (!driver().host.release(address(p), damage)) return CUDA_ERROR_INVALID_VALUE;
    if (!damage.empty()) driver().say("cuMemFreeHost: " + damage);
    return damage.empty() ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
}

API cuMemHostGetDevicePointer_v2(CUdeviceptr *p, void *host, unsigned) {
    Call call("cuMemHostGetDevicePointer", Call::context);
    if (call.bad) return call.bad;
    if (!driver().pinned(address(host), 1)) return CUDA_ERROR_INVALID_VALUE;
    *p = address(host);
    return CUDA_SUCCESS;
}

API cuMemHostRegister_v2(void *p, size_t n, unsigned) {
    Call call("cuMemHostRegister", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (!p || n == 0) return CUDA_ERROR_INVALID_VALUE;
    if (driver().pinned(address(p), 1)) return CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED;
    driver().registered[address(p)] = n;
    return CUDA_SUCCESS;
}

API cuMemHostUnregister(void *p) {
    Call call("cuMemHostUnregister", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    return driver().registered.erase(address(p)) ? CUDA_SUCCESS : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
}

// ---- Copies

API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t n) {
    Call call("cuMemcpyHtoD", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (const CUresult bad = on_device(here, to, n)) return bad;
    return copy(call, to, address(from), n);
}

API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t n) {
    Call call("cuMemcpyDtoH", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (const CUresult bad = on_device(here, from, n)) return bad;
    return copy(call, address(to), from, n);
}

API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t n) {
    Call call("cuMemcpyDtoD", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (on_device(here, from, n) || on_device(here, to, n)) return CUDA_ERROR_INVALID_VALUE;
    return copy(call, to, from, n);
}

API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t n, void *s) {
    Call call("cuMemcpyHtoDAsync", Call::context);
    if (call.bad) return call.bad;
    if (const CUresult bad = on_device(here, to, n)) return bad;
    return copy_later(call, to, address(from), n, s);
}

API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t n, void *s) {
    Call call("cuMemcpyDtoHAsync", Call::context);
    if (call.bad) return call.bad;
    if (const CUresult bad = on_device(here, from, n)) return bad;
    return copy_later(call, address(to), from, n, s);
}

API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t n, void *s) {
    Call call("cuMemcpyDtoDAsync", Call::context);
    if (call.bad) return call.bad;
    if (on_device(here, from, n) || on_device(here, to, n)) return CUDA_ERROR_INVALID_VALUE;
    return copy_later(call, to, from, n, s);
}

// A copy between devices needs no peer access.
API cuMemcpyPeerAsync(CUdeviceptr to, void *to_context, CUdeviceptr from, void *from_context, size_t n, void *s) {
    Call call("cuMemcpyPeerAsync", Call::context);
    if (call.bad) return call.bad;
    const Device *a = driver().context(to_context), *b = driver().context(from_context);
    if (!a || !b) return CUDA_ERROR_INVALID_CONTEXT;
    if (!a->memory.find(to, n) || !b->memory.find(from, n)) return CUDA_ERROR_INVALID_VALUE;
    return copy_later(call, to, from, n, s);
}

API cuMemcpyPeer(CUdeviceptr to, void *to_context, CUdeviceptr from, void *from_context, size_t n) {
    Call call("cuMemcpyPeer", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    Device *a = driver().context(to_context), *b = driver().context(from_context);
    if (!a || !b) return CUDA_ERROR_INVALID_CONTEXT;
    if (!a->memory.find(to, n) || !b->memory.find(from, n)) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult bad = settle(call, b)) return bad;
    return copy(call, to, from, n);
}

// ---- Fills

API cuMemsetD8_v2(CUdeviceptr p, unsigned char v, size_t n) { return fill_now("cuMemsetD8", p, v, n); }
API cuMemsetD16_v2(CUdeviceptr p, unsigned short v, size_t n) { return fill_now("cuMemsetD16", p, v, n); }
API cuMemsetD32_v2(CUdeviceptr p, unsigned v, size_t n) { return fill_now("cuMemsetD32", p, v, n); }
API cuMemsetD8Async(CUdeviceptr p, unsigned char v, size_t n, void *s) { return fill_later("cuMemsetD8Async", p, v, n, s); }
API cuMemsetD16Async(CUdeviceptr p, unsigned short v, size_t n, void *s) { return fill_later("cuMemsetD16Async", p, v, n, s); }
API cuMemsetD32Async(CUdeviceptr p, unsigned v, size_t n, void *s) { return fill_later("cuMemsetD32Async", p, v, n, s); }
