// Types of the KV cache. A row is one position of one head: dim elements, and
// of I8 a scale beside them. A block of the cache has 64 positions of a head,
// one after another.
#pragma once

#include "functions.h"

#define BLOCK_POSITIONS i32(64)

// Each type stores a row by a warp, rounded, and reads an element of one. What
// load returns is multiplied by the row's scale, which only `scaled` types have.
// two makes 16-bit numbers of two codes, the first or the second two bytes of a word, exact.

// each calls f(i, from[i]) for a lane's elements of a row; four are on their way.
template <class F> DEVICE void each(const float* from, i32 dim, F f) {
    for (i32 i = lane(); i < dim; i += 4 * WARP) {
        float v[4];
        UNROLL
        for (i32 k = 0; k < 4; k++) v[k] = i + k * WARP < dim ? from[i + k * WARP] : 0;
        UNROLL
        for (i32 k = 0; k < 4; k++) {
            if (i + k * WARP < dim) f(i + k * WARP, v[k]);
        }
    }
}

struct CacheF32 {
    static constexpr bool scaled = false;
    static constexpr i32 bytes = 4; // of an element
    DEVICE void store(u8* cache, float*, i64 row, const float* from, i32 dim) {
        float* to = reinterpret_cast<float*>(cache) + row * dim;
        each(from, dim, [&](i32 i, float v) { to[i] = v; });
    }
    DEVICE float load(const u8* row, i32 i) { return reinterpret_cast<const float*>(row)[i]; }
    DEVICE float scale(const float*, i64) { return 1; }
};

struct CacheF16 {
    static constexpr bool scaled = false;
    static constexpr i32 bytes = 2;
    DEVICE void store(u8* cache, float*, i64 row, const float* from, i32 dim) {
        u16* to = reinterpret_cast<u16*>(cache) + row * dim;
        each(from, dim, [&](i32 i, float v) { to[i] = to_f16(v); });
    }
    DEVICE float load(const u8* row, i32 i) { return from_f16(reinterpret_cast<const u16*>(row)[i]); }
    DEVICE float scale(const float*, i64) { return 1; }
};

struct CacheBF16 {
    static constexpr bool scaled = false;
    static constexpr i32 bytes = 2;
    DEVICE void store(u8* cache, float*, i64 row, const float* from, i32 dim) {
        u16* to = reinterpret_cast<u16*>(cache) + row * dim;
        each(from, dim, [&](i32 i, float v) { to[i] = to_bf16(v); });
    }
    DEVICE float load(const u8* row, i32 i) { return from_bf16(reinterpret_cast<const u16*>(row)[i]); }
    DEVICE float scale(const float*, i64) { return 1; }
};

struct CacheF8 {
    static constexpr bool scaled = false;
    static constexpr i32 bytes = 1;
    DEVICE void store(u8* cache, float*, i64 row, const float* from, i32 dim) {
        u8* to = cache + row * dim;
        each(from, dim, [&](i32 i, float v) { to[i] = to_e4m3(v); });
    }
    DEVICE float load(const u8* row, i32 i) { return from_e4m3(row[i]); }
    DEVICE float scale(const float*, i64) { return 1; }
    template <i32 i> DEVICE u32 two(u32 codes) { return widen_e4m3(codes >> 16 * i); } // F16
};

struct CacheI8 {
    static constexpr bool scaled = true;
    static constexpr i32 bytes = 1;

    // store writes codes of v / scale, the scale being the greatest size / 127.
    // A number that is not finite makes the scale NaN, so that it is not lost.
    DEVICE void store(u8* cache, float* scales, i64 row, const float* from, i32 dim) {
        float size = 0;
        bool finite = true;
        each(from, dim, [&](i32, float v) {
            finite = finite && magnitude(v) <= 3.4028234664e38f;
            size = greatest(size, magnitude(v));
        });
        const float scale = ballot(!finite) ? bits<float>(0x7fc00000u) : warp_max(size) / 127;
        i8* to = reinterpret_cast<i8*>(cache) + row * dim;
        each(from, dim, [&](i32 i, float v) { to[i] = scale > 0 ? i8(nearest(v / scale)) : i8(0); });
        if (lane() == 0) scales[row] = scale;
    }
    DEVICE float load(const u8* row, i32 i) { return reinterpret_cast<const i8*>(row)[i]; }
    DEVICE float scale(const float* scales, i64 row) { return scales[row]; }
    // BF16: a code becomes the last byte of a float between 2^23 and 2^24.
    template <i32 i> DEVICE u32 two(u32 codes) {
        const u32 above = codes ^ 0x80808080;
        const float low = bits<float>(permute_bytes(above, 0x4b000000, 0x7550 + 2 * i)), high = bits<float>(permute_bytes(above, 0x4b000000, 0x7551 + 2 * i));
        return pack_bf16(low - (0x1p23f + 128), high - (0x1p23f + 128));
    }
};
