// append: stores k, v [n, kvHeads, dim] at slots [n] of the cache, rounded to
// its type. A warp does a head of k or of v, a block as many of a row as it has.
#include "gpu.h"
#include "cache.h"

template <class C> DEVICE void append(const AppendArgs& args) {
    const KvArgs& cache = args.cache;
    const i32 slot = args.slots[block_x()];
    if (slot == -1) return; // not to be stored
    if (slot < 0 || slot >= cache.blocks * BLOCK_POSITIONS) {
        if (thread() == 0 && block_y() == 0) report(args.fault, FAULT_SLOT, slot);
        return;
    }
    const i32 i = block_y() * (ROW_THREADS / WARP) + warp(), head = i / 2;
    if (head >= cache.kvHeads) return;
    const bool values = i % 2;
    const float* from = (values ? args.v : args.k) + (i64(block_x()) * cache.kvHeads + head) * cache.dim;
    const i64 row = (i64(slot / BLOCK_POSITIONS) * cache.kvHeads + head) * BLOCK_POSITIONS + slot % BLOCK_POSITIONS;
    C::store(values ? cache.v : cache.k, values ? cache.vScale : cache.kScale, row, from, cache.dim);
}

KERNEL(append_f32, AppendArgs, ROW_THREADS, 1) { append<CacheF32>(args); }
KERNEL(append_f16, AppendArgs, ROW_THREADS, 1) { append<CacheF16>(args); }
KERNEL(append_bf16, AppendArgs, ROW_THREADS, 1) { append<CacheBF16>(args); }
KERNEL(append_f8_e4m3, AppendArgs, ROW_THREADS, 1) { append<CacheF8>(args); }
KERNEL(append_i8, AppendArgs, ROW_THREADS, 1) { append<CacheI8>(args); }
