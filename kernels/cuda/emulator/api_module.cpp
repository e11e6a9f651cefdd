// The driver's calls on modules, functions and launches.
#include "async.h"
#include "driver.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

using namespace emu;

namespace {

Kernel *compiled_in(const std::string &name) {
    for (Kernel *k = kernels(); k; k = k->next) {
        if (name == k->name) return k;
    }
    return nullptr;
}

// fits says whether an image is for the device and the driver.
CUresult fits(const Driver &d, const Image &image) {
    const int have = d.machine.capability;
    if (image.ptx) {
        // CUDA 12.0 reads PTX 8.0, 12.4 reads 8.4.
        const int newest = (d.machine.driver / 1000 - 4) * 10 + d.machine.driver % 1000 / 10;
        if (image.ptx > newest) return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
        return image.capability > have || (image.exact && image.capability != have) ? CUDA_ERROR_INVALID_PTX : CUDA_SUCCESS;
    }
    const bool same_major = image.capability / 10 == have / 10 && image.capability <= have;
    if (image.exact ? image.capability != have : !same_major) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    return d.machine.driver < 12000 ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_SUCCESS; // made by CUDA 12
}

// disagreement says how a kernel of an image differs from the one compiled in.
std::string disagreement(const std::string &name, const ImageKernel &image, const Kernel *k) {
    if (!k) return "kernel " + name + " is in the image but not in the emulator: build it again";
    if (image.params.size() != 1 || image.params[0] != k->arg_bytes) {
        const std::string has = image.params.size() == 1 ? std::to_string(image.params[0]) + " bytes" : std::to_string(image.params.size()) + " parameters";
        return "kernel " + name + " takes " + has + " in the image, " + std::to_string(k->arg_bytes) + " bytes in the emulator";
    }
    if (image.threads != k->threads) {
        return "kernel " + name + " has blocks of " + std::to_string(image.threads) + " threads in the image, of " +
               std::to_string(k->threads) + " in the emulator";
    }
    return "";
}

CUresult load(void **handle, const void *data) {
    Call call("cuModuleLoadData", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    if (!handle || !data) return CUDA_ERROR_INVALID_VALUE;
    Driver &d = driver();
    Image image;
    std::string what;
    if (const CUresult bad = image.read(data, what)) {
        d.say(what);
        return bad;
    }
    if (const CUresult bad = fits(d, image)) {
        d.say("an image for " + std::to_string(image.capability) + (image.exact ? "a" : "") + ", PTX " + std::to_string(image.ptx) +
              ", on a device of " + std::to_string(d.machine.capability) + ", driver " + std::to_string(d.machine.driver));
        return bad;
    }
    for (const auto &[name, k] : image.kernels) {
        const std::string differs = disagreement(name, k, compiled_in(name));
        if (differs.empty()) continue;
        d.say(differs);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const auto m = d.make<Module>();
    m->device = here;
    m->image = std::move(image);
    *handle = m.get();
    return CUDA_SUCCESS;
}

// collect fills in a call from a launch's parameters.
CUresult collect(KernelCall &c, void *function, const unsigned *grid, const unsigned *block, unsigned shared_bytes, void **params,
                 void **extra) {
    c.function = driver().find<Function>(function);
    if (!c.function) return CUDA_ERROR_INVALID_HANDLE;
    const Kernel &k = *c.function->kernel;
    std::copy(grid, grid + 3, c.grid);
    c.shared_bytes = shared_bytes;
    if (block[0] != unsigned(k.threads) || block[1] != 1 || block[2] != 1) {
        driver().say(std::string(k.name) + ": a block of " + std::to_string(block[0]) + ", " + std::to_string(block[1]) + ", " +
                     std::to_string(block[2]) + " threads, but the kernel is for " + std::to_string(k.threads));
        return CUDA_ERROR_INVALID_VALUE;
    }
    const void *args = params ? params[0] : nullptr;
    size_t bytes = size_t(k.arg_bytes);
    // CU_LAUNCH_PARAM_BUFFER_POINTER 1, _BUFFER_SIZE 2, _END 0
    for (; extra && *extra; extra += 2) {
        if (extra[0] == reinterpret_cast<void *>(1)) args = extra[1];
        if (extra[0] == reinterpret_cast<void *>(2)) bytes = *static_cast<size_t *>(extra[1]);
    }
    if (!args || bytes != size_t(k.arg_bytes)) {
        driver().say(std::string(k.name) + ": " + std::to_string(bytes) + " bytes of arguments, it takes " + std::to_string(k.arg_bytes));
        return CUDA_ERROR_INVALID_VALUE;
    }
    c.args.assign(static_cast<const unsigned char *>(args), static_cast<const unsigned char *>(args) + bytes);
    return CUDA_SUCCESS;
}

CUresult launch(const char *name, void *stream, void *function, const unsigned *grid, const unsigned *block, unsigned shared_bytes,
                void **params, void **extra, bool dependent) {
    Call call(name, Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(stream);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    Node n;
    n.what = "kernel";
    n.call.dependent = dependent;
    if (const CUresult bad = collect(n.call, function, grid, block, shared_bytes, params, extra)) return bad;
    if (const CUresult bad = check_call(*s->device, n.call)) return bad;
    return enqueue(s, std::move(n));
}

} // namespace

namespace emu {

CUresult collect_node(KernelCall &c, const CUkernelNodeParams &p) {
    return collect(c, p.function, p.grid, p.block, p.shared_bytes, p.params, p.extra);
}

} // namespace emu

// ---- Modules

API cuModuleLoadData(void **module, const void *image) { return load(module, image); }
API cuModuleLoadDataEx(void **module, const void *image, unsigned, int *, void **) { return load(module, image); }
API cuModuleLoadFatBinary(void **module, const void *image) { return load(module, image); }

API cuModuleLoad(void **module, const char *path) {
    std::ifstream f(path, std::ios::binary);
    if (!f) return CUDA_ERROR_FILE_NOT_FOUND;
    const std::string image{std::istreambuf_iterator<char>(f), {}};
    return load(module, image.c_str());
}

API cuModuleUnload(void *handle) {
    Call call("cuModuleUnload", Call::context | Call::uncaptured);
    if (call.bad) return call.bad;
    const auto m = driver().find<Module>(handle);
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    for (const auto &[name, f] : m->functions) driver().objects.erase(f.get());
    driver().objects.erase(handle);
    return CUDA_SUCCESS;
}

API cuModuleGetFunction(void **function, void *module, const char *name) {
    Call call("cuModuleGetFunction", Call::context);
    if (call.bad) return call.bad;
    const auto m = driver().find<Module>(module);
    if (!m) return CUDA_ERROR_INVALID_HANDLE;
    const auto k = m->image.kernels.find(name);
    if (k == m->image.kernels.end()) return CUDA_ERROR_NOT_FOUND;
    auto &f = m->functions[name];
    if (!f) {
        f = driver().make<Function>();
        f->module = m.get();
        f->kernel = compiled_in(name);
        f->image = k->second;
    }
    *function = f.get();
    return CUDA_SUCCESS;
}

API cuModuleGetGlobal_v2(CUdeviceptr *, size_t *, void *module, const char *) {
    Call call("cuModuleGetGlobal", Call::context);
    if (call.bad) return call.bad;
    return driver().find<Module>(module) ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE; // kernels have none
}

// ---- Functions

API cuFuncGetAttribute(int *value, int which, void *function) {
    Call call("cuFuncGetAttribute", Call::context);
    if (call.bad) return call.bad;
    const auto f = driver().find<Function>(function);
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    switch (which) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = f->image.threads; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = f->image.shared; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = f->image.local; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = f->image.registers; break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION: *value = f->module->image.ptx ? f->module->image.ptx : f->module->image.capability; break;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = f->module->image.ptx ? driver().machine.capability : f->module->image.capability; break;
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA: *value = 0; break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = f->shared_limit; break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT: *value = f->carveout; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

API cuFuncSetAttribute(void *function, int which, int value) {
    Call call("cuFuncSetAttribute", Call::context);
    if (call.bad) return call.bad;
    const auto f = driver().find<Function>(function);
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    if (which == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
        if (value < 0 || value + f->image.shared > limits(driver().machine.capability).shared_block) return CUDA_ERROR_INVALID_VALUE;
        f->shared_limit = value;
    } else if (which == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT) {
        if (value < -1 || value > 100) return CUDA_ERROR_INVALID_VALUE;
        f->carveout = value;
    } else {
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

API cuFuncSetCacheConfig(void *function, int) {
    Call call("cuFuncSetCacheConfig", Call::context);
    if (call.bad) return call.bad;
    return driver().find<Function>(function) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

API cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, void *function, int threads, size_t shared_bytes, unsigned) {
    Call call("cuOccupancyMaxActiveBlocksPerMultiprocessor", Call::context);
    if (call.bad) return call.bad;
    const auto f = driver().find<Function>(function);
    if (!f) return CUDA_ERROR_INVALID_HANDLE;
    *blocks = threads == f->kernel->threads ? blocks_of_processor(*f, unsigned(shared_bytes)) : 0;
    return CUDA_SUCCESS;
}

API cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared_bytes) {
    return cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, threads, shared_bytes, 0);
}

// ---- Launches

API cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared_bytes,
                   void *stream, void **params, void **extra) {
    const unsigned grid[] = {gx, gy, gz}, block[] = {bx, by, bz};
    return launch("cuLaunchKernel", stream, function, grid, block, shared_bytes, params, extra, false);
}

// Clusters are not emulated.
API cuLaunchKernelEx(const CUlaunchConfig *c, void *function, void **params, void **extra) {
    if (!c) return CUDA_ERROR_INVALID_VALUE;
    bool dependent = false;
    for (unsigned i = 0; i < c->count; i++) {
        const CUlaunchAttribute &a = c->attributes[i];
        if (a.id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION) {
            dependent = a.value[0] != 0;
        } else if (a.id != CU_LAUNCH_ATTRIBUTE_IGNORE) {
            return CUDA_ERROR_NOT_SUPPORTED;
        }
    }
    if (dependent && driver().machine.capability < 90) return CUDA_ERROR_NOT_SUPPORTED;
    return launch("cuLaunchKernelEx", c->stream, function, c->grid, c->block, c->shared_bytes, params, extra, dependent);
}

// ---- Maps for the copy engine

// Of all that a map can say, two dimensions and rows of 128 bytes in the 128-byte
// swizzle are emulated; the rules are those of the driver.
API cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const uint64_t *sizes, const uint64_t *strides,
                           const uint32_t *box, const uint32_t *steps, int interleave, int swizzle, int promotion, int fill) {
    Call call("cuTensorMapEncodeTiled", Call::context);
    if (call.bad) return call.bad;
    if (driver().machine.capability < 90) return CUDA_ERROR_NOT_SUPPORTED;
    constexpr uint32_t element_bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4}; // CUtensorMapDataType
    if (!map || reinterpret_cast<uintptr_t>(map) % 64 || type < 0 || type > 10 || !address || !sizes || !strides || !box || !steps) return CUDA_ERROR_INVALID_VALUE;
    if (rank != 2 || interleave != 0 || swizzle != 3 || promotion < 0 || promotion > 3 || fill != 0) return CUDA_ERROR_NOT_SUPPORTED;
    const auto at = reinterpret_cast<uint64_t>(address);
    const uint32_t element = element_bytes[type];
    bool fits = at % 16 == 0 && strides[0] % 16 == 0 && strides[0] < uint64_t(1) << 40 && strides[0] >= sizes[0] * element;
    for (int i = 0; i < 2; i++) {
        fits = fits && sizes[i] > 0 && sizes[i] <= uint64_t(1) << 32 && box[i] > 0 && box[i] <= 256 && steps[i] == 1;
    }
    if (!fits) return CUDA_ERROR_INVALID_VALUE;
    if (box[0] * element != 128) return CUDA_ERROR_NOT_SUPPORTED;
    const BoxMap m = {BoxMap::right, at, {sizes[0], sizes[1]}, strides[0], {box[0], box[1]}, element, {}};
    memcpy(map, &m, sizeof m);
    return CUDA_SUCCESS;
}
