// Reading packed weights (README.md, "Layout of weights"): the values of a row
// as floats, bit for bit those of package model/quant but for the sign of zero.
//
// A warp reads a row in chunks of CHUNK columns, of which each lane gets
// LANE_COLUMNS, in groups of T::group: one group is one load of at most 16
// bytes, and the groups of a warp's lanes stand side by side.
#pragma once

constexpr i32 LANE_COLUMNS = 32;
constexpr i32 CHUNK = WARP * LANE_COLUMNS;

// whole is v - bias for whole v and bias, at most 2^22, in two instructions.
DEVICE float whole(u32 v, float bias) { return bits<float>(0x4b000000u | v) - (8388608.0f + bias); }

DEVICE u16 load2(const u8* p) { return *reinterpret_cast<const u16*>(p); }
DEVICE u32 load4(const u8* p) { return *reinterpret_cast<const u32*>(p); }

// half_at is number i of a plane of F16.
DEVICE float half_at(const u8* plane, i32 i) { return from_f16(load2(plane + 2 * i)); }

DEVICE u32 word_of(const U32x4& v, i32 i) { return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w; }
DEVICE u32 word_of(const U32x2& v, i32 i) { return i == 0 ? v.x : v.y; }

// Table has 16 whole numbers, as bytes that are 128 too large.
struct Table { u32 a, b, c, d; };

// look_up finds the numbers of 4 codes, the nibbles of the low half of v: the
// byte of the first eight, that of the last eight, then one of the two.
DEVICE u32 look_up(const Table& t, u32 v) {
    const u32 low = permute_bytes(t.a, t.b, v & 0x7777), high = permute_bytes(t.c, t.d, v & 0x7777);
    return permute_bytes(low, high, 0x3210 | (v & 0x8888) >> 1);
}

// table_values multiplies the numbers of 8 codes by a factor.
DEVICE void table_values(float* v, const Table& t, u32 word, float factor) {
    UNROLL
    for (i32 half = 0; half < 2; half++) {
        const u32 found = look_up(t, word >> 16 * half & 0xffff);
        UNROLL
        for (i32 i = 0; i < 4; i++) v[4 * half + i] = factor * whole(found >> 8 * i & 255, 128);
    }
}

// The values of 4-bit codes of IQ4, and twice those of 4-bit floats (E2M1).
DEVICE Table iq4() { return {0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5}; }
DEVICE Table e2m1_twice() { return {0x83828180, 0x8c888684, 0x7d7e7f80, 0x74787a7c}; }

// The types. group columns are a load; read writes their values, the first of
// which is column c, a multiple of group.

struct f32 {
    static constexpr i32 group = 4;
    DEVICE void read(float (&v)[group], const WeightArgs&, const u8* row, i32 c) {
        const U32x4 q = stream16(row + 4 * c);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = bits<float>(word_of(q, i));
    }
};

struct f16 {
    static constexpr i32 group = 8;
    DEVICE void read(float (&v)[group], const WeightArgs&, const u8* row, i32 c) {
        const U32x4 q = stream16(row + 2 * c);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = from_f16(u16(word_of(q, i / 2) >> 16 * (i % 2)));
    }
};

struct bf16 {
    static constexpr i32 group = 8;
    DEVICE void read(float (&v)[group], const WeightArgs&, const u8* row, i32 c) {
        const U32x4 q = stream16(row + 2 * c);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = from_bf16(u16(word_of(q, i / 2) >> 16 * (i % 2)));
    }
};

struct f8_e4m3 {
    static constexpr i32 group = 16;
    DEVICE void read(float (&v)[group], const WeightArgs&, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = from_e4m3(u8(word_of(q, i / 4) >> 8 * (i % 4)));
    }
};

// nibble is code i of 32.
DEVICE u32 nibble(const U32x4& q, i32 i) { return word_of(q, i / 8) >> 4 * (i % 8) & 15; }

struct q4_0 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const float d = half_at(row + w.halves, c / 32);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = whole(nibble(q, i), 8) * d;
    }
};

struct q4_1 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const float d = half_at(row + w.halves, c / 16), m = half_at(row + w.halves, c / 16 + 1);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = whole(nibble(q, i), 0) * d + m;
    }
};

// five is code i of 32 with its fifth bit.
DEVICE u32 five(const U32x4& q, u32 high, i32 i) { return nibble(q, i) | (high >> i & 1) << 4; }

struct q5_0 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const u32 high = load4(row + w.high + c / 8);
        const float d = half_at(row + w.halves, c / 32);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = whole(five(q, high, i), 16) * d;
    }
};

struct q5_1 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const u32 high = load4(row + w.high + c / 8);
        const float d = half_at(row + w.halves, c / 16), m = half_at(row + w.halves, c / 16 + 1);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = whole(five(q, high, i), 0) * d + m;
    }
};

struct q8_0 {
    static constexpr i32 group = 16;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c);
        const float d = half_at(row + w.halves, c / 32);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = whole((word_of(q, i / 4) >> 8 * (i % 4) & 255) ^ 128, 128) * d;
    }
};

struct q2_k {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x2 q = stream8(row + c / 4);
        const u32 steps = load2(row + w.steps + c / 16);
        const float d = half_at(row + w.halves, c / 256 * 2), dmin = half_at(row + w.halves, c / 256 * 2 + 1);
        UNROLL
        for (i32 part = 0; part < 2; part++) {
            const u32 step = steps >> 8 * part;
            const float scale = d * whole(step & 15, 0), low = dmin * whole(step >> 4 & 15, 0);
            UNROLL
            for (i32 i = 0; i < 16; i++) v[16 * part + i] = scale * whole(word_of(q, part) >> 2 * i & 3, 0) - low;
        }
    }
};

struct q3_k {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x2 q = stream8(row + c / 4);
        const u32 high = load4(row + w.high + c / 8), steps = load2(row + w.steps + c / 16);
        const float d = half_at(row + w.halves, c / 256);
        UNROLL
        for (i32 part = 0; part < 2; part++) {
            const float scale = d * whole((steps >> 8 * part & 255) ^ 128, 128);
            UNROLL
            for (i32 i = 0; i < 16; i++) {
                const u32 code = (word_of(q, part) >> 2 * i & 3) | (high >> (16 * part + i) & 1) << 2;
                v[16 * part + i] = scale * whole(code, 4);
            }
        }
    }
};

struct q4_k {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const u32 steps = load2(row + w.steps + c / 16);
        const float scale = half_at(row + w.halves, c / 256 * 2) * whole(steps & 255, 0);
        const float low = half_at(row + w.halves, c / 256 * 2 + 1) * whole(steps >> 8, 0);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = scale * whole(nibble(q, i), 0) - low;
    }
};

struct q5_k {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const u32 high = load4(row + w.high + c / 8), steps = load2(row + w.steps + c / 16);
        const float scale = half_at(row + w.halves, c / 256 * 2) * whole(steps & 255, 0);
        const float low = half_at(row + w.halves, c / 256 * 2 + 1) * whole(steps >> 8, 0);
        UNROLL
        for (i32 i = 0; i < group; i++) v[i] = scale * whole(five(q, high, i), 0) - low;
    }
};

struct q6_k {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const U32x2 high = stream8(row + w.high + c / 4);
        const u32 steps = load2(row + w.steps + c / 16);
        const float d = half_at(row + w.halves, c / 256);
        UNROLL
        for (i32 part = 0; part < 2; part++) {
            const float scale = d * whole((steps >> 8 * part & 255) ^ 128, 128);
            UNROLL
            for (i32 i = 0; i < 16; i++) {
                const u32 code = nibble(q, 16 * part + i) | (word_of(high, part) >> 2 * i & 3) << 4;
                v[16 * part + i] = scale * whole(code, 32);
            }
        }
    }
};

struct iq4_nl {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const float d = half_at(row + w.halves, c / 32);
        UNROLL
        for (i32 i = 0; i < 4; i++) table_values(v + 8 * i, iq4(), word_of(q, i), d);
    }
};

struct iq4_xs {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const float scale = half_at(row + w.halves, c / 256) * whole(row[w.steps + c / 32] ^ 128u, 128);
        UNROLL
        for (i32 i = 0; i < 4; i++) table_values(v + 8 * i, iq4(), word_of(q, i), scale);
    }
};

// half_e8m0 is half the power of two that a code of MXFP4 scales means: the
// greatest would be no float.
DEVICE float half_e8m0(u32 e) { return bits<float>(e >= 2 ? (e - 1) << 23 : 0x00200000u << e); }

struct mxfp4 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const float half = half_e8m0(row[w.steps + c / 32]);
        UNROLL
        for (i32 i = 0; i < 4; i++) table_values(v + 8 * i, e2m1_twice(), word_of(q, i), half);
    }
};

struct nvfp4 {
    static constexpr i32 group = 32;
    DEVICE void read(float (&v)[group], const WeightArgs& w, const u8* row, i32 c) {
        const U32x4 q = stream16(row + c / 2);
        const u32 steps = load2(row + w.steps + c / 16);
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            const float half = from_e4m3(u8(steps >> 8 * (i / 2))) * 0.5f;
            table_values(v + 8 * i, e2m1_twice(), word_of(q, i), half);
        }
    }
};

// FOR_WEIGHT_TYPES calls F(type) for each type, FOR_NARROW_TYPES for all but f32.
#define FOR_WEIGHT_TYPES(F) F(f32) FOR_NARROW_TYPES(F)
#define FOR_NARROW_TYPES(F) \
    F(f16) F(bf16) F(f8_e4m3) F(q4_0) F(q4_1) F(q5_0) F(q5_1) F(q8_0) \
    F(q2_k) F(q3_k) F(q4_k) F(q5_k) F(q6_k) F(iq4_nl) F(iq4_xs) F(mxfp4) F(nvfp4)

// lane_column is the column, within its chunk, of number i of this lane.
template <class T> DEVICE i32 lane_column(i32 i) {
    return i / T::group * (WARP * T::group) + lane() * T::group + i % T::group;
}

// read_lane reads this lane's columns of a chunk that begins at column `from`,
// zeros beyond the last.
template <class T> DEVICE void read_lane(float (&v)[LANE_COLUMNS], const WeightArgs& w, i64 row, i32 from) {
    const u8* data = w.data + row * w.rowBytes;
    const float* scales = w.scale ? w.scale + row / w.scaleRows * w.scaleStride : nullptr;
    UNROLL
    for (i32 i = 0; i < LANE_COLUMNS; i += T::group) {
        const i32 c = from + lane_column<T>(i);
        float g[T::group] = {};
        if (c < w.cols) {
            T::read(g, w, data, c);
            if (scales) {
                const float scale = scales[c / w.scaleCols];
                UNROLL
                for (i32 j = 0; j < T::group; j++) g[j] = g[j] * scale;
            }
        }
        UNROLL
        for (i32 j = 0; j < T::group; j++) v[i + j] = g[j];
    }
}
