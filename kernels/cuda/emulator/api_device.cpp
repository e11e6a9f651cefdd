// The driver's calls on itself, devices and contexts.
#include "driver.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>

using namespace emu;

namespace {

struct Text {
    CUresult code;
    const char *name, *text;
};

#define TEXT(code, text) {code, #code, text}
constexpr Text texts[] = {
    TEXT(CUDA_SUCCESS, "no error"),
    TEXT(CUDA_ERROR_INVALID_VALUE, "invalid argument"),
    TEXT(CUDA_ERROR_OUT_OF_MEMORY, "out of memory"),
    TEXT(CUDA_ERROR_NOT_INITIALIZED, "initialization error"),
    TEXT(CUDA_ERROR_DEINITIALIZED, "driver shutting down"),
    TEXT(CUDA_ERROR_NO_DEVICE, "no CUDA-capable device is detected"),
    TEXT(CUDA_ERROR_INVALID_DEVICE, "invalid device ordinal"),
    TEXT(CUDA_ERROR_INVALID_IMAGE, "device kernel image is invalid"),
    TEXT(CUDA_ERROR_INVALID_CONTEXT, "invalid device context"),
    TEXT(CUDA_ERROR_NO_BINARY_FOR_GPU, "no kernel image is available for execution on the device"),
    TEXT(CUDA_ERROR_ECC_UNCORRECTABLE, "uncorrectable ECC error encountered"),
    TEXT(CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, "peer access is not supported between these two devices"),
    TEXT(CUDA_ERROR_INVALID_PTX, "a PTX JIT compilation failed"),
    TEXT(CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "the provided PTX was compiled with an unsupported toolchain."),
    TEXT(CUDA_ERROR_FILE_NOT_FOUND, "file not found"),
    TEXT(CUDA_ERROR_INVALID_HANDLE, "invalid resource handle"),
    TEXT(CUDA_ERROR_ILLEGAL_STATE, "the operation cannot be performed in the present state"),
    TEXT(CUDA_ERROR_NOT_FOUND, "named symbol not found"),
    TEXT(CUDA_ERROR_NOT_READY, "device not ready"),
    TEXT(CUDA_ERROR_ILLEGAL_ADDRESS, "an illegal memory access was encountered"),
    TEXT(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "too many resources requested for launch"),
    TEXT(CUDA_ERROR_LAUNCH_TIMEOUT, "the launch timed out and was terminated"),
    TEXT(CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED, "peer access is already enabled"),
    TEXT(CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, "peer access has not been enabled"),
    TEXT(CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE, "cannot set while device is active in this process"),
    TEXT(CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED, "part or all of the requested memory range is already mapped"),
    TEXT(CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED, "pointer does not correspond to a registered memory region"),
    TEXT(CUDA_ERROR_MISALIGNED_ADDRESS, "misaligned address"),
    TEXT(CUDA_ERROR_LAUNCH_FAILED, "unspecified launch failure"),
    TEXT(CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE, "too many blocks in cooperative launch"),
    TEXT(CUDA_ERROR_NOT_PERMITTED, "operation not permitted"),
    TEXT(CUDA_ERROR_NOT_SUPPORTED, "operation not supported"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "operation not permitted when stream is capturing"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "operation failed due to a previous error during capture"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_MERGE, "operation would result in a merge of separate capture sequences"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "capture was not ended in the same stream as it began"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_UNJOINED, "capturing stream has unjoined work"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "dependency created on uncaptured work in another stream"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "operation would make the legacy stream depend on a capturing blocking stream"),
    TEXT(CUDA_ERROR_CAPTURED_EVENT, "operation not permitted on an event last recorded in a capturing stream"),
    TEXT(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "attempt to terminate a thread-local capture sequence from another thread"),
    TEXT(CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "the graph update was not performed because it included changes which violated constraints"),
    TEXT(CUDA_ERROR_UNKNOWN, "unknown error"),
};
#undef TEXT

const Text *text_of(CUresult code) {
    for (const Text &t : texts) {
        if (t.code == code) return &t;
    }
    return nullptr;
}

// device returns the device with a number, null if there is none.
Device *device(CUdevice n) {
    const auto &all = driver().devices;
    return n >= 0 && size_t(n) < all.size() ? all[size_t(n)].get() : nullptr;
}

bool in_use(const Driver &d) {
    return std::any_of(d.devices.begin(), d.devices.end(), [](const auto &x) { return x->retained > 0; });
}

int attribute(const Driver &d, const Device &dev, int which) {
    const Limits &l = limits(d.machine.capability);
    switch (which) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
    case CU_DEVICE_ATTRIBUTE_MAX_PITCH: return 0x7fffffff;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY: return 64 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR: return 64 << 10;
    case CU_DEVICE_ATTRIBUTE_CLOCK_RATE: return 1980000;
    case CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT: return 512;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return l.processors;
    case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
    case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
    case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    case CU_DEVICE_ATTRIBUTE_STREAM_PRIORITIES_SUPPORTED:
    case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH: return 1;
    case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID: return dev.ordinal + 1;
    case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE: return 2619000;
    case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH: return 5120;
    case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE: return l.l2;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: return l.threads;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 3;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return d.machine.capability / 10;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return d.machine.capability % 10;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR: return l.shared;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN: return l.shared_block;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR: return l.blocks;
    case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK: return 1024;
    default: return 0; // what is not there: managed memory, pools, multicast
    }
}

// reset ends all that a context has; the lock is held.
void reset(std::unique_lock<std::mutex> &lock, Device &d) {
    while (!d.streams.empty()) {
        const auto s = d.streams.back();
        close_stream(lock, s);
    }
    Driver &all = driver();
    for (auto i = all.objects.begin(); i != all.objects.end();) {
        const auto m = dynamic_cast<Module *>(i->second.get());
        const auto f = dynamic_cast<Function *>(i->second.get());
        const auto e = dynamic_cast<Event *>(i->second.get());
        const auto x = dynamic_cast<Exec *>(i->second.get());
        const Device *owner = m ? m->device : f ? f->module->device : e ? e->device : x ? x->device : nullptr;
        i = owner == &d ? all.objects.erase(i) : std::next(i);
    }
    d.memory.clear();
    d.peers.clear();
    d.error = CUDA_SUCCESS;
}

} // namespace

// ---- The driver

API cuInit(unsigned flags) {
    Driver &d = driver();
    std::lock_guard<std::mutex> hold(d.lock);
    if (!d.initialized) {
        const std::string bad = d.settings.read_environment();
        if (!bad.empty()) {
            d.say("a bad value of " + bad);
            return CUDA_ERROR_UNKNOWN;
        }
        d.host.reserve(int64_t(64) << 30);
    }
    if (const int bad = d.settings.strikes("cuInit")) return CUresult(bad);
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (!d.initialized || !in_use(d)) {
        d.machine = d.settings;
        auto before = std::move(d.devices);
        d.devices.clear();
        for (int i = 0; i < d.machine.devices; i++) {
            d.devices.push_back(std::make_unique<Device>());
            d.devices.back()->ordinal = i;
            d.devices.back()->memory.reserve(d.machine.memory, size_t(i) < before.size() ? &before[i]->memory : nullptr);
        }
        std::move(before.begin(), before.end(), std::back_inserter(d.former));
    }
    if (d.devices.empty()) return CUDA_ERROR_NO_DEVICE;
    d.initialized = true;
    return CUDA_SUCCESS;
}

API cuDriverGetVersion(int *version) {
    Call call("cuDriverGetVersion", Call::plain);
    if (call.bad) return call.bad;
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = driver().initialized ? driver().machine.driver : driver().settings.driver;
    return CUDA_SUCCESS;
}

API cuGetErrorName(CUresult code, const char **name) {
    const Text *t = text_of(code);
    *name = t ? t->name : nullptr;
    return t ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

API cuGetErrorString(CUresult code, const char **text) {
    const Text *t = text_of(code);
    *text = t ? t->text : nullptr;
    return t ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// The newest form of a function that this library has is the one that every
// driver since 12.0 has.
API cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags, int *status) {
    Call call("cuGetProcAddress", Call::plain);
    if (call.bad) return call.bad;
    if (!name || !function || flags > 2) return CUDA_ERROR_INVALID_VALUE;
    Dl_info self;
    dladdr(reinterpret_cast<void *>(cuGetErrorName), &self);
    void *library = dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = nullptr;
    for (const char *form : {"_v3", "_v2", ""}) {
        if (!*function) *function = dlsym(library, (std::string(name) + form).c_str());
    }
    dlclose(library);
    const bool old = *function && version > (driver().initialized ? driver().machine.driver : driver().settings.driver);
    if (old) *function = nullptr;
    if (status) *status = old ? 2 : *function ? 0 : 1;
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

// ---- Devices

API cuDeviceGetCount(int *count) {
    Call call("cuDeviceGetCount", Call::initialized);
    if (call.bad) return call.bad;
    *count = int(driver().devices.size());
    return CUDA_SUCCESS;
}

API cuDeviceGet(CUdevice *dev, int ordinal) {
    Call call("cuDeviceGet", Call::initialized);
    if (call.bad) return call.bad;
    if (!device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
    *dev = ordinal;
    return CUDA_SUCCESS;
}

API cuDeviceGetName(char *name, int bytes, CUdevice dev) {
    Call call("cuDeviceGetName", Call::initialized);
    if (call.bad) return call.bad;
    if (!device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    if (bytes <= 0) return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, size_t(bytes), "%s", limits(driver().machine.capability).name);
    return CUDA_SUCCESS;
}

API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice dev) {
    Call call("cuDeviceGetUuid", Call::initialized);
    if (call.bad) return call.bad;
    if (!device(dev)) return CUDA_ERROR_INVALID_DEVICE;
    memcpy(uuid->bytes, "emulated device", 16);
    uuid->bytes[15] = static_cast<unsigned char>(dev);
    return CUDA_SUCCESS;
}

API cuDeviceGetUuid(CUuuid *uuid, CUdevice dev) { return cuDeviceGetUuid_v2(uuid, dev); }

API cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev) {
    Call call("cuDeviceTotalMem", Call::initialized);
    if (call.bad) return call.bad;
    const Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    *bytes = size_t(d->memory.total());
    return CUDA_SUCCESS;
}

API cuDeviceGetAttribute(int *value, int which, CUdevice dev) {
    Call call("cuDeviceGetAttribute", Call::initialized);
    if (call.bad) return call.bad;
    const Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    *value = attribute(driver(), *d, which);
    return CUDA_SUCCESS;
}

API cuDeviceCanAccessPeer(int *can, CUdevice from, CUdevice to) {
    Call call("cuDeviceCanAccessPeer", Call::initialized);
    if (call.bad) return call.bad;
    if (!device(from) || !device(to)) return CUDA_ERROR_INVALID_DEVICE;
    *can = from != to && driver().machine.peers;
    return CUDA_SUCCESS;
}

API cuDeviceGetP2PAttribute(int *value, int which, CUdevice from, CUdevice to) {
    Call call("cuDeviceGetP2PAttribute", Call::initialized);
    if (call.bad) return call.bad;
    if (!device(from) || !device(to) || from == to) return CUDA_ERROR_INVALID_DEVICE;
    if (which < 1 || which > 4) return CUDA_ERROR_INVALID_VALUE;
    *value = which < 4 && driver().machine.peers; // 4: arrays
    return CUDA_SUCCESS;
}

// ---- Contexts: a device has one, the primary.

API cuDevicePrimaryCtxRetain(void **context, CUdevice dev) {
    Call call("cuDevicePrimaryCtxRetain", Call::initialized);
    if (call.bad) return call.bad;
    Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    if (d->lost) return CUDA_ERROR_UNKNOWN;
    d->retained++;
    *context = d;
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(CUdevice dev) {
    Call call("cuDevicePrimaryCtxRelease", Call::initialized);
    if (call.bad) return call.bad;
    Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    if (d->retained == 0) return CUDA_ERROR_INVALID_CONTEXT;
    if (--d->retained == 0) reset(call.lock, *d);
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxReset_v2(CUdevice dev) {
    Call call("cuDevicePrimaryCtxReset", Call::initialized);
    if (call.bad) return call.bad;
    Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    if (d->lost) return CUDA_ERROR_UNKNOWN;
    reset(call.lock, *d);
    return CUDA_SUCCESS;
}

API cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned) {
    Call call("cuDevicePrimaryCtxSetFlags", Call::initialized);
    if (call.bad) return call.bad;
    return device(dev) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

API cuDevicePrimaryCtxGetState(CUdevice dev, unsigned *flags, int *active) {
    Call call("cuDevicePrimaryCtxGetState", Call::initialized);
    if (call.bad) return call.bad;
    const Device *d = device(dev);
    if (!d) return CUDA_ERROR_INVALID_DEVICE;
    *flags = 0;
    *active = d->retained > 0;
    return CUDA_SUCCESS;
}

API cuCtxCreate_v2(void **context, unsigned, CUdevice dev) {
    const CUresult bad = cuDevicePrimaryCtxRetain(context, dev);
    if (!bad) here = static_cast<Device *>(*context);
    return bad;
}

API cuCtxDestroy_v2(void *context) {
    int ordinal;
    {
        Call call("cuCtxDestroy", Call::initialized);
        if (call.bad) return call.bad;
        const Device *d = driver().context(context);
        if (!d) return CUDA_ERROR_INVALID_CONTEXT;
        if (here == d) here = nullptr;
        ordinal = d->ordinal;
    }
    return cuDevicePrimaryCtxRelease_v2(ordinal);
}

API cuCtxSetCurrent(void *context) {
    Call call("cuCtxSetCurrent", Call::initialized);
    if (call.bad) return call.bad;
    Device *d = driver().context(context);
    if (context && !d) return CUDA_ERROR_INVALID_CONTEXT;
    here = d;
    return CUDA_SUCCESS;
}

API cuCtxGetCurrent(void **context) {
    Call call("cuCtxGetCurrent", Call::initialized);
    if (call.bad) return call.bad;
    *context = here;
    return CUDA_SUCCESS;
}

// The stack of contexts is one deep.
API cuCtxPushCurrent_v2(void *context) { return cuCtxSetCurrent(context); }

API cuCtxPopCurrent_v2(void **context) {
    const CUresult bad = cuCtxGetCurrent(context);
    here = nullptr;
    return bad;
}

API cuCtxGetDevice(CUdevice *dev) {
    Call call("cuCtxGetDevice", Call::context);
    if (call.bad) return call.bad;
    *dev = here->ordinal;
    return CUDA_SUCCESS;
}

API cuCtxGetApiVersion(void *context, unsigned *version) {
    Call call("cuCtxGetApiVersion", Call::initialized);
    if (call.bad) return call.bad;
    if (context && !driver().context(context)) return CUDA_ERROR_INVALID_CONTEXT;
    *version = 3020;
    return CUDA_SUCCESS;
}

API cuCtxGetFlags(unsigned *flags) {
    Call call("cuCtxGetFlags", Call::context);
    if (!call.bad) *flags = 0;
    return call.bad;
}

API cuCtxSynchronize() {
    Call call("cuCtxSynchronize", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    Device *d = here;
    return call.wait([d] { return std::all_of(d->streams.begin(), d->streams.end(), [](const auto &s) { return s->idle(); }); }, d);
}

API cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    Call call("cuCtxGetStreamPriorityRange", Call::context);
    if (call.bad) return call.bad;
    if (least) *least = 0;
    if (greatest) *greatest = -5;
    return CUDA_SUCCESS;
}

API cuCtxEnablePeerAccess(void *context, unsigned flags) {
    Call call("cuCtxEnablePeerAccess", Call::context);
    if (call.bad) return call.bad;
    const Device *d = driver().context(context);
    if (!d) return CUDA_ERROR_INVALID_CONTEXT;
    if (flags) return CUDA_ERROR_INVALID_VALUE;
    if (d == here) return CUDA_ERROR_INVALID_DEVICE;
    if (!driver().machine.peers) return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    return here->peers.insert(d->ordinal).second ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
}

API cuCtxDisablePeerAccess(void *context) {
    Call call("cuCtxDisablePeerAccess", Call::context);
    if (call.bad) return call.bad;
    const Device *d = driver().context(context);
    if (!d) return CUDA_ERROR_INVALID_CONTEXT;
    return here->peers.erase(d->ordinal) ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}
