// What the library exports beside the driver's interface, and the driver's
// calls that it refuses.
#include "driver.h"

#include <algorithm>
#include <cstring>

using namespace emu;

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// give copies a text to a caller's buffer and returns its length.
int give(const std::string &text, char *to, int size) {
    if (to && size > 0) {
        const size_t n = std::min(text.size(), size_t(size) - 1);
        memcpy(to, text.data(), n);
        to[n] = 0;
    }
    return int(text.size());
}

} // namespace

EXPORT int trona_emu_set(const char *name, const char *value) {
    std::lock_guard<std::mutex> hold(driver().lock);
    driver().changed.notify_all();
    return name && value && driver().settings.set(name, value) ? 0 : 1;
}

EXPORT int trona_emu_report(char *to, int size) {
    std::lock_guard<std::mutex> hold(driver().lock);
    return give(driver().report, to, size);
}

EXPORT int trona_emu_kernels(char *to, int size) {
    std::lock_guard<std::mutex> hold(driver().lock);
    std::vector<std::string> lines;
    for (const Kernel *k = kernels(); k; k = k->next) {
        lines.push_back(std::string(k->name) + " " + std::to_string(k->arg_bytes) + " " + std::to_string(k->launches) + "\n");
    }
    std::sort(lines.begin(), lines.end());
    std::string text;
    for (const auto &l : lines) text += l;
    return give(text, to, size);
}

EXPORT int trona_emu_calls(char *to, int size) {
    std::lock_guard<std::mutex> hold(driver().lock);
    std::string text;
    for (const auto &[name, calls] : driver().calls) text += name + " " + std::to_string(calls) + "\n";
    return give(text, to, size);
}

// Programs that link the driver need these to be there.
#define REFUSED(name)                                 \
    API name() {                                      \
        Call call(#name, Call::initialized);          \
        return call.bad ? call.bad : CUDA_ERROR_NOT_SUPPORTED; \
    }

REFUSED(cuArray3DCreate_v2)
REFUSED(cuArray3DGetDescriptor_v2)
REFUSED(cuArrayCreate_v2)
REFUSED(cuArrayDestroy)
REFUSED(cuArrayGetDescriptor_v2)
REFUSED(cuCtxGetCacheConfig)
REFUSED(cuCtxGetLimit)
REFUSED(cuCtxGetSharedMemConfig)
REFUSED(cuCtxResetPersistingL2Cache)
REFUSED(cuCtxSetCacheConfig)
REFUSED(cuCtxSetLimit)
REFUSED(cuCtxSetSharedMemConfig)
REFUSED(cuFuncSetSharedMemConfig)
REFUSED(cuGraphAddChildGraphNode)
REFUSED(cuGraphAddDependencies)
REFUSED(cuGraphAddEmptyNode)
REFUSED(cuGraphAddHostNode)
REFUSED(cuGraphAddMemcpyNode)
REFUSED(cuGraphAddMemsetNode)
REFUSED(cuGraphClone)
REFUSED(cuGraphDestroyNode)
REFUSED(cuGraphGetEdges)
REFUSED(cuLinkAddData_v2)
REFUSED(cuLinkAddFile_v2)
REFUSED(cuLinkComplete)
REFUSED(cuLinkCreate_v2)
REFUSED(cuLinkDestroy)
REFUSED(cuMemAdvise)
REFUSED(cuMemAllocManaged)
REFUSED(cuMemAllocPitch_v2)
REFUSED(cuMemPrefetchAsync)
REFUSED(cuMemcpy)
REFUSED(cuMemcpy2DAsync_v2)
REFUSED(cuMemcpy2DUnaligned_v2)
REFUSED(cuMemcpy2D_v2)
REFUSED(cuMemcpy3DAsync_v2)
REFUSED(cuMemcpy3DPeer)
REFUSED(cuMemcpy3DPeerAsync)
REFUSED(cuMemcpy3D_v2)
REFUSED(cuMemcpyAsync)
REFUSED(cuMemcpyAtoA_v2)
REFUSED(cuMemcpyAtoD_v2)
REFUSED(cuMemcpyAtoHAsync_v2)
REFUSED(cuMemcpyAtoH_v2)
REFUSED(cuMemcpyDtoA_v2)
REFUSED(cuMemcpyHtoAAsync_v2)
REFUSED(cuMemcpyHtoA_v2)
REFUSED(cuMemsetD2D16Async)
REFUSED(cuMemsetD2D16_v2)
REFUSED(cuMemsetD2D32Async)
REFUSED(cuMemsetD2D32_v2)
REFUSED(cuMemsetD2D8Async)
REFUSED(cuMemsetD2D8_v2)
REFUSED(cuModuleGetSurfRef)
REFUSED(cuModuleGetTexRef)
REFUSED(cuPointerSetAttribute)
REFUSED(cuStreamAttachMemAsync)
REFUSED(cuSurfRefGetArray)
REFUSED(cuSurfRefSetArray)
REFUSED(cuTexRefGetAddressMode)
REFUSED(cuTexRefGetAddress_v2)
REFUSED(cuTexRefGetArray)
REFUSED(cuTexRefGetBorderColor)
REFUSED(cuTexRefGetFilterMode)
REFUSED(cuTexRefGetFlags)
REFUSED(cuTexRefGetFormat)
REFUSED(cuTexRefGetMaxAnisotropy)
REFUSED(cuTexRefSetAddress2D_v3)
REFUSED(cuTexRefSetAddressMode)
REFUSED(cuTexRefSetAddress_v2)
REFUSED(cuTexRefSetArray)
REFUSED(cuTexRefSetBorderColor)
REFUSED(cuTexRefSetFilterMode)
REFUSED(cuTexRefSetFlags)
REFUSED(cuTexRefSetFormat)
REFUSED(cuTexRefSetMaxAnisotropy)
REFUSED(cuTexRefSetMipmapFilterMode)
REFUSED(cuTexRefSetMipmapLevelBias)
REFUSED(cuTexRefSetMipmapLevelClamp)
