// dequant: out [rows, ld] F16 and scale [rows] = rows of a weight (scale.h),
// zeros from cols to ld, in the order of packed columns. A warp unpacks a row; it
// moves the packed row and 2 bytes a column. A row's power of two comes from what
// its scales let the values be at most, so that they alone are read twice: what is
// lost is less than 2^-38 of that. Of types whose codes say too little, all is read
// twice, the second time from a cache.
#include "gpu.h"
#include "scale.h"
#include "weights.h"

// greatest_code is the greatest magnitude of a type's codes, as pairs have them, unless
// these have a table; 0: rows do not come near it.
template <class T> constexpr float greatest_code = 0;
template <> constexpr float greatest_code<f8_e4m3> = 448 * 0x1p-8f;
template <> constexpr float greatest_code<q4_0> = 8 * TINY;
template <> constexpr float greatest_code<q4_1> = 15 * TINY;
template <> constexpr float greatest_code<q5_0> = 16 * TINY;
template <> constexpr float greatest_code<q5_1> = 31 * TINY;
template <> constexpr float greatest_code<q8_0> = 128 * TINY;
template <> constexpr float greatest_code<q2_k> = 3 * TINY;
template <> constexpr float greatest_code<q4_k> = 15 * TINY;
template <> constexpr float greatest_code<q5_k> = 31 * TINY;
template <> constexpr float greatest_code<q6_k> = 32 * TINY;
template <> constexpr float greatest_code<iq4_nl> = 127 * TINY;
template <> constexpr float greatest_code<mxfp4> = 12;
template <> constexpr float greatest_code<nvfp4> = 6 * 0x1p-14f;

// A lane unpacks parts of 8 columns that stand side by side, a warp 32 of these at a
// time: 256 columns, a step. BATCH steps are read together.
constexpr i32 PART = 8;
constexpr i32 BATCH = 4;

// Of codes of 1 and 2 bits a word has those of several parts, a part in the same bits of
// each byte. part_byte is where part i of 4 of a lane's words is, or its word, part_bytes
// how much that is, and part_bit the bit where it begins.
template <i32 words> constexpr i32 part_bytes = words < 4 ? 4 : words;
template <i32 words> DEVICE i32 part_byte(i32 i) { return i * words / part_bytes<words> * part_bytes<words>; }
template <i32 words> DEVICE i32 part_bit(i32 i) { return words < 4 ? i * words * 2 % 8 : 0; }

// Row is where a lane reads a row: a part of every step, with codes as the first
// ones of a Lane, and the scales that a group of 32 columns shares. A step is a panel.
template <class T> struct Row {
    typedef typename T::Lane L;
    typedef Panel<T> P;
    // Halves are for a group, or for a step, in which each group has steps of them.
    static constexpr bool wide = L::step_words > 0;
    static constexpr i32 half_bytes = wide ? T::half_bytes : T::half_bytes / 4;
    static constexpr i32 step_bytes = T::panels ? P::bytes : WARP * L::code_words;

    const u8 *codes, *halves, *steps, *high;
    i32 codes_bit, high_bit;
    float scale;        // beside the tensor
    const float* tiles; // of which these instead are several to a row; or nullptr
    i32 tile, column, last; // columns of one; the group's first, and the row's last

    DEVICE Row of(const WeightArgs& w, i32 row, i32 part, i32 group) {
        const u8* data = row_address<T>(w, row);
        const i32 i = row % STRIP_ROWS, odd = group / 4 % 2, at = i * 4 + part % 16 / 4; // the lane of a panel's
        const i32 byte = part_byte<L::code_words>(part % 4), piece = byte / P::piece;
        const float* beside = w.scale ? w.scale + i64(row / w.scaleRows) * w.scaleStride : nullptr;
        const bool one = w.scaleCols >= w.cols;
        const u8* panel = data + group / 8 * step_bytes;
        return {T::panels ? panel + odd * P::code_bytes + (piece * WARP + at) * P::piece + byte % P::piece : data + part * L::code_words,
                panel + P::halves_of(i, odd) + (wide ? 0 : group % 4 * half_bytes),
                panel + P::steps + odd * P::step_bytes + (i * 4 + group % 4) * L::step_words,
                panel + P::high + odd * P::high_bytes + at * 4 * L::high_words + part_byte<L::high_words>(part % 4),
                part_bit<L::code_words>(part % 4), part_bit<L::high_words>(part % 4),
                beside && one ? *beside : 1,
                one ? nullptr : beside,
                w.scaleCols,
                32 * group,
                w.cols - 1};
    }

    // read_scales reads those of a step's group, beside_of returns the one beside the
    // tensor.
    DEVICE void read_scales(L& l, const Row& r, i64 step) {
        if constexpr (wide) Weights::read<L::step_words>(l.steps, r.steps + step * step_bytes);
        if constexpr (L::half_words > 0) Weights::read<half_bytes>(l.halves, r.halves + step * step_bytes);
    }
    DEVICE float beside_of(const Row& r, i32 step) {
        return r.tiles ? r.tiles[u32(least(r.column + step * (WARP * PART), r.last)) / u32(r.tile)] : r.scale;
    }
};

// Part is what a lane has of a step.
template <class T> struct Part {
    typedef typename T::Lane L;
    L l;

    DEVICE void read(Part& p, const Row<T>& r, i64 step) {
        Weights::read<part_bytes<L::code_words>>(p.l.codes, r.codes + step * Row<T>::step_bytes);
        if constexpr (L::code_words < 4) p.l.codes[0] >>= r.codes_bit;
        if constexpr (L::high_words > 0) {
            Weights::read<part_bytes<L::high_words>>(p.l.high, r.high + step * Row<T>::step_bytes);
            p.l.high[0] >>= r.high_bit;
        }
        Row<T>::read_scales(p.l, r, step);
    }

    // values are those of the columns times `factor`.
    DEVICE void values(float (&v)[PART], const Part& p, float factor, const CodeTable& table) {
        if constexpr (T::is_float) {
            T::floats(v, p.l, 0);
            UNROLL
            for (i32 i = 0; i < PART; i++) v[i] = v[i] * factor;
            return;
        } else {
            u32 pairs[PART / 2];
            pairs_by<T>(pairs, p.l, 0, table);
            UNROLL
            for (i32 i = 0; i < PART; i++) {
                const i32 g = T::group == 16 ? i / 4 : 0;
                const float scale = T::scale(p.l, g) * T::times * factor, code = half_of(pairs[i / 2], i % 2);
                v[i] = T::has_low ? fma(code, scale, -(T::low(p.l, g) * factor)) : code * scale;
            }
        }
    }
};

// at_part is a row where the lane's parts of it are.
template <class T> DEVICE Row<T> at_part(const WeightArgs& w, i32 row) {
    return Row<T>::of(w, row, lane(), lane() / 16 * 4 + lane() % 4);
}

// bound returns what no value of the lane's share of a row exceeds.
template <class T> DEVICE float bound(const DequantArgs& args, i32 row, i32 parts) {
    float most = 0;
    if constexpr (has_table<T>() || greatest_code<T> > 0) {
        const float greatest_pair = has_table<T>() ? args.most * TINY : greatest_code<T>;
        const Row<T> r = Row<T>::of(args.w, row, 0, lane());
        NO_UNROLL
        for (i32 g = 0; g + lane() < parts / 4; g += WARP) { // 4 steps
            typename T::Lane l;
            Row<T>::read_scales(l, r, g / 8);
            const float beside = Row<T>::beside_of(r, g / 8);
            UNROLL
            for (i32 i = 0; i < (T::group == 16 ? 2 : 1); i++) {
                const float code = magnitude(T::scale(l, i) * T::times) * greatest_pair;
                most = greatest(most, (code + magnitude(T::low(l, i))) * magnitude(beside));
            }
        }
    } else {
        const Row<T> r = at_part<T>(args.w, row);
        NO_UNROLL
        for (i32 i = 0; i + lane() < parts; i += WARP) {
            Part<T> p;
            float v[PART];
            Part<T>::read(p, r, i / WARP);
            Part<T>::values(v, p, Row<T>::beside_of(r, i / WARP), args.table);
            UNROLL
            for (i32 k = 0; k < PART; k++) most = greatest(most, magnitude(v[k]));
        }
    }
    return most;
}

// dequant_row reads the first batch before the kernel before it, which may read
// what this one writes, is complete.
template <class T> DEVICE void dequant_row(const DequantArgs& args) {
    let_next_start();
    const i32 at = block_x() * (ROW_THREADS / WARP) + warp(), row = args.first + at;
    if (at >= args.rows) {
        wait_for_previous();
        return;
    }
    const i32 parts = args.ld / PART;
    const Row<T> r = at_part<T>(args.w, row);
    Part<T> p[BATCH] = {};
    float beside[BATCH];
    const auto read = [&](i32 from) {
        UNROLL
        for (i32 k = 0; k < BATCH; k++) {
            beside[k] = r.scale;
            if (from + k * WARP + lane() < parts) Part<T>::read(p[k], r, from / WARP + k);
        }
        if (!r.tiles) return;
        UNROLL
        for (i32 k = 0; k < BATCH; k++) beside[k] = Row<T>::beside_of(r, from / WARP + k);
    };
    read(0);
    const i32 shift = shift_of(warp_max(bound<T>(args, row, parts)));
    const float down = power_of_two(-shift);
    wait_for_previous();
    if (lane() == 0) args.scale[at] = power_of_two(shift);
    u16* out = args.out + i64(at) * args.ld + lane() * PART;
    NO_UNROLL
    for (i32 from = 0; from < parts; from += BATCH * WARP) {
        UNROLL
        for (i32 k = 0; k < BATCH; k++) {
            if (from + k * WARP + lane() >= parts) continue;
            float v[PART];
            Part<T>::values(v, p[k], beside[k] * down, args.table);
            const U32x4 eight = {pack_f16(v[0], v[1]), pack_f16(v[2], v[3]), pack_f16(v[4], v[5]), pack_f16(v[6], v[7])};
            store16(out + (i64(from) + k * WARP) * PART, eight);
        }
        read(from + BATCH * WARP);
    }
}

#define DEFINE(type) \
    EARLY_KERNEL(dequant_##type, DequantArgs, ROW_THREADS, 1) { dequant_row<type>(args); }
FOR_NARROW_TYPES(DEFINE)
