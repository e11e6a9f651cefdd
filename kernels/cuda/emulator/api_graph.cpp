// The driver's calls on captures and graphs.
#include "driver.h"

#include "launch.h"

#include <algorithm>

using namespace emu;

namespace {

// end takes a capture from all streams of its device and others that joined.
void end(const std::shared_ptr<Graph> &g, bool &joined, const Stream &origin) {
    joined = true;
    std::vector<bool> led(g->nodes.size()); // to nothing
    for (const auto &n : g->nodes) {
        for (const size_t a : n->after) led[a] = true;
    }
    for (const auto &d : driver().devices) {
        for (const auto &s : d->streams) {
            if (s->capture != g || s.get() == &origin) continue;
            // Its last nodes must lead to a node of the origin.
            for (const size_t n : s->tail) {
                const bool known = std::find(origin.tail.begin(), origin.tail.end(), n) != origin.tail.end();
                if (!led[n] && !known) joined = false;
            }
            s->capture = nullptr;
            s->tail.clear();
        }
    }
}

// order returns the nodes in an order that their dependencies allow, which
// the seed chooses.
std::vector<size_t> order(const std::vector<Node> &nodes, uint64_t seed) {
    std::vector<size_t> waiting(nodes.size()), ready, done;
    for (size_t i = 0; i < nodes.size(); i++) {
        waiting[i] = nodes[i].after.size();
        if (waiting[i] == 0) ready.push_back(i);
    }
    Random random(seed);
    while (!ready.empty()) {
        const size_t at = seed < 2 ? 0 : random.below(uint32_t(ready.size()));
        const size_t n = ready[at];
        ready.erase(ready.begin() + int64_t(at));
        done.push_back(n);
        for (size_t i = 0; i < nodes.size(); i++) {
            const auto uses = std::count(nodes[i].after.begin(), nodes[i].after.end(), n);
            if (uses && (waiting[i] -= size_t(uses)) == 0) ready.push_back(i);
        }
    }
    return done;
}

// following returns the kernel of node all[i] and those that depend on it one after
// the other, on nothing else.
std::vector<const KernelCall *> following(const std::vector<Node> &nodes, const std::vector<size_t> &all, size_t i) {
    std::vector<const KernelCall *> calls = {&nodes[all[i]].call};
    for (; ++i < all.size() && calls.size() <= early_launches; calls.push_back(&nodes[all[i]].call)) {
        const Node &n = nodes[all[i]];
        if (n.what != "kernel" || !n.call.dependent || n.after != std::vector<size_t>{all[i - 1]}) break;
    }
    return calls;
}

// same says whether a graph has an executable graph's shape: the same nodes,
// of the same kernels.
bool same(const Exec &x, const Graph &g) {
    if (x.nodes.size() != g.nodes.size()) return false;
    for (size_t i = 0; i < x.nodes.size(); i++) {
        const Node &a = x.nodes[i], &b = *g.nodes[i];
        if (a.what != b.what || a.after != b.after || a.call.function != b.call.function) return false;
    }
    return true;
}

CUresult instantiate(void **handle, void *graph) {
    Call call("cuGraphInstantiate", Call::context);
    if (call.bad) return call.bad;
    const auto g = driver().find<Graph>(graph);
    if (!g) return CUDA_ERROR_INVALID_HANDLE;
    const auto x = driver().make<Exec>();
    x->device = here;
    for (const auto &n : g->nodes) {
        x->of[n.get()] = x->nodes.size();
        x->nodes.push_back(*n);
    }
    *handle = x.get();
    return CUDA_SUCCESS;
}

} // namespace

namespace emu {
CUresult collect_node(KernelCall &c, const CUkernelNodeParams &p);
}

// ---- Captures

API cuStreamBeginCapture_v2(void *handle, unsigned mode) {
    Call call("cuStreamBeginCapture", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    if (mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    if (s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    s->capture = driver().make<Graph>();
    s->capture_mode = mode;
    s->capturer = std::this_thread::get_id();
    s->origin = true;
    s->invalid = false;
    s->tail.clear();
    return CUDA_SUCCESS;
}

API cuStreamEndCapture(void *handle, void **graph) {
    Call call("cuStreamEndCapture", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s || !graph) return CUDA_ERROR_INVALID_HANDLE;
    *graph = nullptr;
    if (!s->capture) return CUDA_ERROR_ILLEGAL_STATE;
    if (!s->origin) return invalidate(*s, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
    if (s->capture_mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && s->capturer != std::this_thread::get_id()) {
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    }
    const auto g = std::move(s->capture);
    bool joined;
    end(g, joined, *s);
    s->tail.clear();
    if (s->invalid || !joined) {
        driver().objects.erase(g.get());
        return s->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    *graph = g.get();
    return CUDA_SUCCESS;
}

API cuStreamIsCapturing(void *handle, unsigned *status) {
    Call call("cuStreamIsCapturing", Call::context);
    if (call.bad) return call.bad;
    const auto s = driver().find<Stream>(handle);
    if (!s) return CUDA_ERROR_INVALID_HANDLE;
    *status = !s->capture ? CU_STREAM_CAPTURE_STATUS_NONE : s->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

API cuThreadExchangeStreamCaptureMode(unsigned *mode) {
    thread_local unsigned present = CU_STREAM_CAPTURE_MODE_GLOBAL;
    if (!mode || *mode > CU_STREAM_CAPTURE_MODE_RELAXED) return CUDA_ERROR_INVALID_VALUE;
    std::swap(*mode, present);
    return CUDA_SUCCESS;
}

// ---- Graphs

API cuGraphCreate(void **graph, unsigned) {
    Call call("cuGraphCreate", Call::initialized);
    if (call.bad) return call.bad;
    *graph = driver().make<Graph>().get();
    return CUDA_SUCCESS;
}

API cuGraphDestroy(void *graph) {
    Call call("cuGraphDestroy", Call::initialized);
    if (call.bad) return call.bad;
    if (!driver().find<Graph>(graph)) return CUDA_ERROR_INVALID_HANDLE;
    driver().objects.erase(graph);
    return CUDA_SUCCESS;
}

API cuGraphGetNodes(void *graph, void **nodes, size_t *count) {
    Call call("cuGraphGetNodes", Call::initialized);
    if (call.bad) return call.bad;
    const auto g = driver().find<Graph>(graph);
    if (!g || !count) return CUDA_ERROR_INVALID_HANDLE;
    if (nodes) {
        for (size_t i = 0; i < *count; i++) nodes[i] = i < g->nodes.size() ? g->nodes[i].get() : nullptr;
        *count = std::min(*count, g->nodes.size());
    } else {
        *count = g->nodes.size();
    }
    return CUDA_SUCCESS;
}

// ---- Executable graphs

API cuGraphInstantiateWithFlags(void **exec, void *graph, uint64_t) { return instantiate(exec, graph); }
API cuGraphInstantiate_v2(void **exec, void *graph, void **, char *, size_t) { return instantiate(exec, graph); }

API cuGraphUpload(void *exec, void *stream) {
    Call call("cuGraphUpload", Call::context);
    if (call.bad) return call.bad;
    return driver().find<Exec>(exec) && driver().find<Stream>(stream) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

// A launch keeps the parameters that the graph has now. Launches of one graph
// never overlap.
API cuGraphLaunch(void *exec, void *stream) {
    Call call("cuGraphLaunch", Call::context);
    if (call.bad) return call.bad;
    const auto x = driver().find<Exec>(exec);
    const auto s = driver().find<Stream>(stream);
    if (!x || !s) return CUDA_ERROR_INVALID_HANDLE;
    if (s->capture) return invalidate(*s, CUDA_ERROR_NOT_SUPPORTED);
    for (const Node &n : x->nodes) {
        if (n.what != "kernel") continue;
        if (const CUresult bad = check_call(*s->device, n.call)) return bad;
    }
    Device *const d = s->device;
    const uint64_t seed = driver().settings.seed < 2 ? 0 : driver().settings.seed + d->launches++;
    Node all;
    all.what = "graph";
    all.run = [x, nodes = x->nodes, d, seed] {
        {
            std::unique_lock<std::mutex> lock(driver().lock);
            driver().changed.wait(lock, [&x] { return x->running == 0; });
            x->running = 1;
        }
        CUresult bad = CUDA_SUCCESS;
        const std::vector<size_t> all = order(nodes, seed);
        for (size_t i = 0; i < all.size() && !bad; i++) {
            const Node &n = nodes[all[i]];
            bad = n.what == "kernel" ? run_call(d, following(nodes, all, i)) : n.run();
        }
        std::lock_guard<std::mutex> hold(driver().lock);
        x->running = 0;
        driver().happened();
        return bad;
    };
    return enqueue(s, std::move(all));
}

API cuGraphExecDestroy(void *exec) {
    Call call("cuGraphExecDestroy", Call::initialized);
    if (call.bad) return call.bad;
    if (!driver().find<Exec>(exec)) return CUDA_ERROR_INVALID_HANDLE;
    driver().objects.erase(exec);
    return CUDA_SUCCESS;
}

API cuGraphExecUpdate_v2(void *exec, void *graph, CUgraphExecUpdateResultInfo *info) {
    Call call("cuGraphExecUpdate", Call::context);
    if (call.bad) return call.bad;
    const auto x = driver().find<Exec>(exec);
    const auto g = driver().find<Graph>(graph);
    if (!x || !g) return CUDA_ERROR_INVALID_HANDLE;
    const bool fits = same(*x, *g);
    if (info) *info = {fits ? 0 : 2, nullptr, nullptr}; // 2: the topology changed
    if (!fits) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    for (size_t i = 0; i < x->nodes.size(); i++) {
        x->nodes[i] = *g->nodes[i];
        x->of[g->nodes[i].get()] = i;
    }
    return CUDA_SUCCESS;
}

API cuGraphExecKernelNodeSetParams_v2(void *exec, void *node, const CUkernelNodeParams *params) {
    Call call("cuGraphExecKernelNodeSetParams", Call::context);
    if (call.bad) return call.bad;
    const auto x = driver().find<Exec>(exec);
    if (!x || !params) return CUDA_ERROR_INVALID_HANDLE;
    const auto at = x->of.find(node);
    if (at == x->of.end() || x->nodes[at->second].what != "kernel") return CUDA_ERROR_INVALID_VALUE;
    KernelCall c;
    if (const CUresult bad = collect_node(c, *params)) return bad;
    if (const CUresult bad = check_call(*x->device, c)) return bad;
    x->nodes[at->second].call = c;
    return CUDA_SUCCESS;
}

API cuGraphAddKernelNode_v2(void **node, void *graph, void *const *after, size_t count, const CUkernelNodeParams *params) {
    Call call("cuGraphAddKernelNode", Call::context);
    if (call.bad) return call.bad;
    const auto g = driver().find<Graph>(graph);
    if (!g || !params) return CUDA_ERROR_INVALID_HANDLE;
    Node n;
    n.what = "kernel";
    if (const CUresult bad = collect_node(n.call, *params)) return bad;
    for (size_t i = 0; i < count; i++) {
        const auto at = std::find_if(g->nodes.begin(), g->nodes.end(), [&](const auto &o) { return o.get() == after[i]; });
        if (at == g->nodes.end()) return CUDA_ERROR_INVALID_VALUE;
        n.after.push_back(size_t(at - g->nodes.begin()));
    }
    *node = g->nodes[g->add(std::move(n))].get();
    return CUDA_SUCCESS;
}
