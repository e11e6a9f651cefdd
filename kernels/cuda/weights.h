// Packed weights (README.md, "Layout of weights"): the codes of a row as tensor
// cores multiply them, their scales, and the values as floats, which are bit for
// bit those of package model/quant but for the sign of zero.
//
// A row is units of 128 columns. Four lanes share a unit: lane t = lane%4 has
// the columns 16s + {2t, 2t+1, 2t+8, 2t+9} of all steps s = 0..7, 32 in all, side
// by side in memory or in pieces of 16 bytes (Panel), because these are what it
// contributes to a product of 16 columns. They come as 16 pairs: pair 2s has the first
// two of a step, pair 2s+1 the others. A register of 8 codes of 4 bits has those of two
// steps; code i of pair p stands there at place p%4 + 4i, where one mask finds both codes
// of a pair, but for E2M1, whose bits stand where those of F16 do.
#pragma once

#include "functions.h"

#define UNIT i32(128)
#define LANE_COLUMNS i32(32)
#define CHUNK (WARP * LANE_COLUMNS) // of a warp's lanes together

// unit_column is the column, within its unit, of number i of 32 of lane t.
DEVICE i32 unit_column(i32 t, i32 i) { return i / 4 * 16 + 2 * t + i / 2 % 2 * 8 + i % 2; }

DEVICE float half_of(u32 word, i32 i) { return from_f16(u16(word >> 16 * i)); }
DEVICE u32 byte_of(const u32* words, i32 i) { return words[i / 4] >> i % 4 * 8 & 255; }

// Weights reads weights from global memory: 1, 2, 4 or 8 bytes into the low bits of words,
// or whole words, 16 bytes at a time; aligned to that.
struct Weights {
    template <i32 bytes> DEVICE void read(u32* d, const u8* p) {
        if constexpr (bytes == 1) {
            d[0] = *p;
        } else if constexpr (bytes == 2) {
            d[0] = stream2(p);
        } else if constexpr (bytes == 4) {
            d[0] = stream4(p);
        } else if constexpr (bytes == 8) {
            const U32x2 v = stream8(p);
            d[0] = v.x, d[1] = v.y;
        } else {
            UNROLL
            for (i32 i = 0; i < bytes / 4; i += 4) {
                const U32x4 v = stream16(p + 4 * i);
                d[i] = v.x, d[i + 1] = v.y, d[i + 2] = v.z, d[i + 3] = v.w;
            }
        }
    }
};

// Of most types pairs are codes times TINY: a code in the lowest bits of an F16 number
// is that many of its least number, which matrix cores multiply exactly, and scales
// are as much greater. Scales and minimums that are bytes become floats by the same
// way.
#define TINY 0x1p-24f

// less takes a bias from both codes of a pair, exactly.
DEVICE u32 less(u32 two, u32 bias) { return add_f16x2(two, (0x8000 | bias) * 0x10001); }

// tiny_two finds bytes 2g and 2g + 1 of some words.
DEVICE u32 tiny_two(const u32* words, i32 g) { return permute_bytes(words[g / 2], 0, g % 2 ? 0x4342 : 0x4140); }

// whole_signed is byte i of some words, from -128 to 127, times TINY.
DEVICE float whole_signed(const u32* words, i32 i) {
    const u32 word = words[i / 4] ^ 0x80808080;
    return half_of(less(tiny_two(&word, i / 2 % 2), 128), i % 2);
}

// pair_of_4 finds pair p%4 of 8 codes of 4 bits.
DEVICE u32 pair_of_4(u32 word, i32 p) { return word >> 4 * p & 0x000f000f; }

// fields finds the bits of a mask, at `from` in each byte of a word, and brings them to `to`.
DEVICE u32 fields(u32 word, i32 from, i32 to, u32 mask) {
    return (from > to ? word >> (from - to) : word << (to - from)) & (mask * 0x01010101) << to;
}

// field_pairs makes pairs of codes that stand in bytes: field(odd) has the codes of pairs 0
// and 2, or 1 and 3, first the first ones.
template <class Field> DEVICE void field_pairs(u32 (&p)[4], Field field) {
    const u32 two[2] = {field(0), field(1)};
    UNROLL
    for (i32 i = 0; i < 4; i++) p[i] = permute_bytes(two[i % 2], 0, i < 2 ? 0x4240 : 0x4341);
}

// table_pairs finds the numbers of 8 codes of 4 bits, as pairs: of the four in half a word
// the bytes of the first eight, those of the last eight, then one of the two for each.
DEVICE void table_pairs(u32 (&p)[4], const CodeTable& t, u32 word) {
    const u32 of_eight = word & 0x77777777, which = (word >> 1 & 0x44444444) | 0x32103210;
    u32 found[2];
    UNROLL
    for (i32 i = 0; i < 2; i++) { // permute_bytes takes the low half of its selector
        const u32 low = permute_bytes(t.a, t.b, of_eight >> 16 * i), high = permute_bytes(t.c, t.d, of_eight >> 16 * i);
        found[i] = permute_bytes(low, high, which >> 16 * i);
    }
    field_pairs(p, [&](i32 odd) { return permute_bytes(found[0], found[1], odd ? 0x7531 : 0x6420); });
    UNROLL
    for (i32 i = 0; i < 4; i++) p[i] = less(p[i], 128);
}

// The values of 4-bit codes of IQ4_NL.
DEVICE CodeTable iq4() { return {0x3f2d1801, 0x766a5d4f, 0xa6998d81, 0xf1d9c5b5}; }

// e2m1_pairs finds pairs of 4-bit floats (E2M1) as 2^-14 of their values, whose bits the
// high byte of an F16 number has: the sign, then two of the exponent and one of the fraction.
// Codes of pairs 0 and 2 have them in place; those of pairs 1 and 3, in the same bytes, the
// sign 7 bits lower and the others 3 higher.
DEVICE void e2m1_pairs(u32 (&p)[4], u32 word) {
    const u32 two[2] = {word & 0x8e8e8e8e, (word << 7 & 0x80808080) | (word >> 3 & 0x0e0e0e0e)};
    UNROLL
    for (i32 i = 0; i < 4; i++) p[i] = permute_bytes(two[i % 2], 0, i < 2 ? 0x2404 : 0x3414);
}

// Lane is what a lane has of a row's unit: codes, bits above them, and the
// scales that the unit's columns share, all as they stand in memory.
template <i32 codeWords, i32 highWords, i32 stepWords, i32 halfWords> struct Lane {
    static constexpr i32 code_words = codeWords, high_words = highWords, step_words = stepWords, half_words = halfWords;
    u32 codes[codeWords];
    u32 high[highWords ? highWords : 1];
    u32 steps[stepWords ? stepWords : 1];
    u32 halves[halfWords ? halfWords : 1];
};

// Panel is where what 8 rows have of 256 columns stands: codes of both units, then bits
// above them, steps and halves. A lane's codes of a unit stand in pieces of 16 bytes, or
// as they are if fewer, those of all lanes of a warp side by side: what a warp loads, row
// by row, is one stretch. What columns share stands row by row.
template <class T> struct Panel {
    typedef typename T::Lane L;
    static constexpr i32 piece = L::code_words < 4 ? 4 * L::code_words : 16;
    // Bytes of a unit; halves of some types are for both.
    static constexpr i32 code_bytes = WARP * 4 * L::code_words, high_bytes = WARP * 4 * L::high_words;
    static constexpr i32 step_bytes = STRIP_ROWS * 4 * L::step_words;
    static constexpr bool half_per_unit = L::step_words == 0;
    // Offsets of the planes.
    static constexpr i32 high = 2 * code_bytes, steps = high + 2 * high_bytes, halves = steps + 2 * step_bytes;
    static constexpr i32 bytes = halves + (half_per_unit ? 2 : 1) * STRIP_ROWS * T::half_bytes;

    // halves_of is where row i has those of a unit.
    DEVICE i32 halves_of(i32 i, i32 unit) { return halves + ((half_per_unit ? unit * STRIP_ROWS : 0) + i) * T::half_bytes; }
};

// row_address is where a row begins, or, of a type with panels, its strip.
template <class T> DEVICE const u8* row_address(const WeightArgs& w, i64 row) {
    return w.data + (T::panels ? row / STRIP_ROWS : row) * w.pitch;
}

// Place is where a lane's part of a unit of row i is, from where the strip begins, or the row.
template <class T> struct Place {
    i32 codes, high, steps, halves;

    DEVICE Place of(i32 i, i32 unit) {
        typedef typename T::Lane L;
        typedef Panel<T> P;
        if (!T::panels) return {(unit * 4 + lane() % 4) * (4 * L::code_words), 0, 0, 0};
        const i32 odd = unit % 2, at = i * 4 + lane() % 4, panel = unit / 2 * P::bytes;
        return {panel + odd * P::code_bytes + at * P::piece,
                panel + P::high + odd * P::high_bytes + at * (4 * L::high_words),
                panel + P::steps + odd * P::step_bytes + i * (4 * L::step_words),
                panel + P::halves_of(i, odd)};
    }
};

// read_place reads it.
template <class T, class From> DEVICE void read_place(typename T::Lane& l, const u8* p, const Place<T>& at) {
    typedef typename T::Lane L;
    constexpr i32 piece = T::panels ? Panel<T>::piece : 4 * L::code_words;
    UNROLL
    for (i32 k = 0; k < 4 * L::code_words / piece; k++) From::template read<piece>(l.codes + 4 * k, p + at.codes + k * (WARP * piece));
    if constexpr (L::high_words > 0) From::template read<4 * L::high_words>(l.high, p + at.high);
    if constexpr (L::step_words > 0) From::template read<4 * L::step_words>(l.steps, p + at.steps);
    if constexpr (L::half_words > 0) From::template read<T::half_bytes>(l.halves, p + at.halves);
}

// read_unit reads a lane's part of a unit of row i of the strip at p, or of the row there.
template <class T> DEVICE void read_unit(typename T::Lane& l, const u8* p, i32 i, i32 unit) {
    read_place<T, Weights>(l, p, Place<T>::of(i, unit));
}

// The types. `group` columns share a scale; 0: codes are values. pairs are
// those of steps 2j and 2j+1, codes as F16 numbers, exact; those of some types
// times a power of two, which their scales take back, or `times`, at the end of a sum. The
// value of a code is code * scale * times - low, in group g of the unit; times is 1 where
// there is a low. is_float: floats are the
// values, and pairs are not always exact. tiles: scales beside the tensor may be
// several to a row. panels: the type stands in panels. half_bytes are those of `halves`
// of a row of a unit, or, where the same are for both units of a panel, of a panel.

// Plain is what types without scales of their own share.
struct Plain {
    static constexpr i32 group = 0;
    static constexpr i32 half_bytes = 0;
    static constexpr float times = 1;
    static constexpr bool has_low = false, is_float = false, tiles = false, panels = true;
    template <class L> DEVICE float scale(const L&, i32) { return 1; }
    template <class L> DEVICE float low(const L&, i32) { return 0; }
};

struct f32 : Plain {
    static constexpr bool is_float = true, panels = false;
    typedef ::Lane<32, 0, 0, 0> Lane;
    DEVICE void floats(float (&v)[8], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 8; i++) v[i] = bits<float>(l.codes[8 * j + i]);
    }
};

struct f16 : Plain {
    static constexpr bool panels = false;
    typedef ::Lane<16, 0, 0, 0> Lane;
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = l.codes[4 * j + i];
    }
};

// Numbers of BF16 are exact in F16 from 2^-14 to 2^16, where weights lie;
// smaller ones are rounded to a multiple of 2^-24.
struct bf16 : Plain {
    static constexpr bool is_float = true, panels = false;
    typedef ::Lane<16, 0, 0, 0> Lane;
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = pack_f16(bits<float>(l.codes[4 * j + i] << 16), bits<float>(l.codes[4 * j + i] & 0xffff0000));
    }
    DEVICE void floats(float (&v)[8], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 8; i++) v[i] = from_bf16(u16(l.codes[4 * j + i / 2] >> 16 * (i % 2)));
    }
};

// Pairs are 2^-8 of the values of E4M3, whose bits they have; none is NaN.
struct f8_e4m3 : Plain {
    static constexpr bool tiles = true;
    typedef ::Lane<8, 0, 0, 0> Lane;
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) {
            const u32 two = permute_bytes(l.codes[2 * j + i / 2], 0, i % 2 ? 0x3424 : 0x1404);
            p[i] = (two & 0x80008000) | (two >> 1 & 0x3f803f80);
        }
    }
    DEVICE float scale(const Lane&, i32) { return 0x1p8f; }
};

// Halves is what types share whose scales are F16, one or two for 32 columns.
template <i32 codeWords, i32 highWords, bool both> struct Halves {
    static constexpr i32 group = 32;
    static constexpr i32 half_bytes = both ? 16 : 8;
    static constexpr float times = both ? 1 : 1 / TINY;
    static constexpr bool has_low = both, is_float = false, tiles = false, panels = true;
    typedef ::Lane<codeWords, highWords, 0, both ? 4 : 2> Lane;
    DEVICE float scale(const Lane& l, i32 g) { return both ? half_of(l.halves[g], 0) / TINY : half_of(l.halves[g / 2], g % 2); }
    // The type adds it.
    DEVICE float low(const Lane& l, i32 g) { return both ? -half_of(l.halves[g], 1) : 0; }
};

struct q4_0 : Halves<4, 0, false> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = less(pair_of_4(l.codes[j], i), 8);
    }
};

// four finds pairs of codes of 4 bits, five of 5.
template <class L> DEVICE void four(u32 (&p)[4], const L& l, i32 j) {
    UNROLL
    for (i32 i = 0; i < 4; i++) p[i] = pair_of_4(l.codes[j], i);
}

template <class L> DEVICE void five(u32 (&p)[4], const L& l, i32 j) {
    field_pairs(p, [&](i32 odd) { return fields(l.codes[j], 4 * odd, 0, 15) | fields(l.high[0], 2 * j + odd, 4, 1); });
}

struct q4_1 : Halves<4, 0, true> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { four(p, l, j); }
};

struct q5_0 : Halves<4, 1, false> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        five(p, l, j);
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = less(p[i], 16);
    }
};

struct q5_1 : Halves<4, 1, true> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { five(p, l, j); }
};

struct q8_0 : Halves<8, 0, false> {
    // Codes are 128 too large.
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = less(tiny_two(l.codes + 2 * j, i), 128);
    }
};

struct iq4_nl : Halves<4, 0, false> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { table_pairs(p, iq4(), l.codes[j]); }
};

// Super is what types share that have a scale for 256 columns, F16, and steps
// of it, whole numbers, for 16 or 32.
template <i32 codeWords, i32 highWords, i32 stepWords, bool both, i32 columns> struct Super {
    static constexpr i32 group = columns;
    static constexpr i32 half_bytes = both ? 4 : 2;
    static constexpr float times = 1;
    static constexpr bool has_low = both, is_float = false, tiles = false, panels = true;
    typedef ::Lane<codeWords, highWords, stepWords, 1> Lane;
    // signed_step is the scale with a step from -128 to 127.
    DEVICE float signed_step(const Lane& l, i32 g) { return half_of(l.halves[0], 0) / (TINY * TINY) * whole_signed(l.steps, g); }
    DEVICE float low(const Lane&, i32) { return 0; }
};

struct q2_k : Super<2, 0, 2, true, 16> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        field_pairs(p, [&](i32 odd) { return fields(l.codes[j / 2], j % 2 * 4 + 2 * odd, 0, 3); });
    }
    DEVICE float scale(const Lane& l, i32 g) { return half_of(l.halves[0], 0) / TINY * float(byte_of(l.steps, g) & 15); }
    DEVICE float low(const Lane& l, i32 g) { return half_of(l.halves[0], 1) * float(byte_of(l.steps, g) >> 4); }
};

struct q3_k : Super<2, 1, 2, false, 16> {
    // Codes of pairs 0 and 2, or 1 and 3, stand in bytes, a pair's two bytes apart: folded,
    // they are a selector that has them side by side.
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j, const CodeTable& t) {
        UNROLL
        for (i32 odd = 0; odd < 2; odd++) {
            const u32 codes = fields(l.codes[j / 2], j % 2 * 4 + 2 * odd, 0, 3) | fields(l.high[0], 2 * j + odd, 2, 1);
            const u32 found = permute_bytes(t.a, t.b, codes | codes >> 12);
            p[odd] = less(tiny_two(&found, 0), 128), p[odd + 2] = less(tiny_two(&found, 1), 128);
        }
    }
    DEVICE float scale(const Lane& l, i32 g) { return signed_step(l, g); }
};

// Steps is what Q4_K and Q5_K share: a scale and a minimum for 32 columns.
template <i32 highWords> struct Steps : Super<4, highWords, 2, true, 32> {
    typedef typename Super<4, highWords, 2, true, 32>::Lane Lane;
    DEVICE float scale(const Lane& l, i32 g) { return half_of(l.halves[0], 0) / (TINY * TINY) * half_of(tiny_two(l.steps, g), 0); }
    DEVICE float low(const Lane& l, i32 g) { return half_of(l.halves[0], 1) / TINY * half_of(tiny_two(l.steps, g), 1); }
};

struct q4_k : Steps<0> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { four(p, l, j); }
};

struct q5_k : Steps<1> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { five(p, l, j); }
};

struct q6_k : Super<4, 2, 2, false, 16> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) {
        field_pairs(p, [&](i32 odd) { return fields(l.codes[j], 4 * odd, 0, 15) | fields(l.high[j / 2], j % 2 * 4 + 2 * odd, 4, 3); });
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = less(p[i], 32);
    }
    DEVICE float scale(const Lane& l, i32 g) { return signed_step(l, g); }
};

struct iq4_xs : Super<4, 0, 1, false, 32> {
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j, const CodeTable& t) { table_pairs(p, t, l.codes[j]); }
    DEVICE float scale(const Lane& l, i32 g) { return signed_step(l, g); }
};

// half_e8m0 is half the power of two that a code of MXFP4 scales means: the
// greatest would be no float.
DEVICE float half_e8m0(u32 e) { return bits<float>(e >= 2 ? (e - 1) << 23 : 0x00200000u << e); }

struct mxfp4 : Plain {
    static constexpr i32 group = 32;
    typedef ::Lane<4, 0, 1, 0> Lane;
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { // twice the values
        e2m1_pairs(p, l.codes[j]);
        UNROLL
        for (i32 i = 0; i < 4; i++) p[i] = multiply_f16x2(p[i], 0x78007800);
    }
    DEVICE float scale(const Lane& l, i32 g) { return half_e8m0(byte_of(l.steps, g)); }
};

struct nvfp4 : Plain {
    static constexpr i32 group = 16;
    static constexpr float times = 0x1p14f;
    typedef ::Lane<4, 0, 2, 0> Lane;
    DEVICE void pairs(u32 (&p)[4], const Lane& l, i32 j) { e2m1_pairs(p, l.codes[j]); }
    DEVICE float scale(const Lane& l, i32 g) {
        return half_of(widen_e4m3(l.steps[g / 4] >> g / 2 % 2 * 16), g % 2);
    }
};

// FOR_NARROW_TYPES calls F(type) for each type that tensor cores multiply,
// FOR_WEIGHT_TYPES for all.
#define FOR_NARROW_TYPES(F) \
    F(f16) F(bf16) F(f8_e4m3) F(q4_0) F(q4_1) F(q5_0) F(q5_1) F(q8_0) \
    F(q2_k) F(q3_k) F(q4_k) F(q5_k) F(q6_k) F(iq4_nl) F(iq4_xs) F(mxfp4) F(nvfp4)
#define FOR_WEIGHT_TYPES(F) F(f32) FOR_NARROW_TYPES(F)

// tile_scale is the scale beside the tensor of row `row` at a column.
DEVICE float tile_scale(const WeightArgs& w, i64 row, i32 column) {
    return w.scale ? w.scale[row / w.scaleRows * w.scaleStride + column / w.scaleCols] : 1;
}

// has_table: what codes mean comes with the arguments of a kernel.
template <class T> constexpr bool has_table() { return false; }
template <> constexpr bool has_table<q3_k>() { return true; }
template <> constexpr bool has_table<iq4_xs>() { return true; }

// pairs_by finds pairs of any type.
template <class T> DEVICE void pairs_by(u32 (&p)[4], const typename T::Lane& l, i32 j, const CodeTable& table) {
    if constexpr (has_table<T>()) {
        T::pairs(p, l, j, table);
    } else {
        T::pairs(p, l, j);
    }
}

// values writes the floats of steps 2j and 2j+1 of a unit.
template <class T> DEVICE void values(float (&v)[8], const typename T::Lane& l, i32 j, const CodeTable& table) {
    if constexpr (T::is_float) {
        T::floats(v, l, j);
    } else {
        u32 p[4];
        pairs_by<T>(p, l, j, table);
        UNROLL
        for (i32 i = 0; i < 8; i++) {
            const i32 g = T::group == 32 ? j : 2 * j + i / 4;
            v[i] = half_of(p[i / 2], i % 2);
            if (T::group > 0 || T::tiles) v[i] = v[i] * (T::scale(l, g) * T::times);
            if (T::has_low) v[i] = v[i] - T::low(l, g);
        }
    }
}

// read_lane reads this lane's columns of a chunk that begins at column `from`,
// scales beside the tensor included; zeros beyond the last.
template <class T>
DEVICE void read_lane(float (&v)[LANE_COLUMNS], const WeightArgs& w, i64 row, i32 from, const CodeTable& table) {
    const i32 unit = from / UNIT + lane() / 4;
    UNROLL
    for (i32 i = 0; i < LANE_COLUMNS; i++) v[i] = 0;
    if (unit * UNIT >= w.cols) return;
    typename T::Lane l;
    read_unit<T>(l, row_address<T>(w, row), row % STRIP_ROWS, unit);
    UNROLL
    for (i32 j = 0; j < 4; j++) {
        if (unit * UNIT + 32 * j >= w.cols) return;
        float part[8];
        values<T>(part, l, j, table);
        const float scale = tile_scale(w, row, unit * UNIT + 32 * j);
        UNROLL
        for (i32 i = 0; i < 8; i++) v[8 * j + i] = part[i] * scale;
    }
}

// lane_column is the column, within its chunk, of number i of this lane.
DEVICE i32 lane_column(i32 i) { return lane() / 4 * UNIT + unit_column(lane() % 4, i); }
