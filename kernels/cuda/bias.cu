// add_bias: x [n, d] += bias [d], of up to BIAS_PARTS x of as many rows. swiglu:
// gate [n, d] = silu(gate + gateBias [d]) * (up [n, d] + upBias [d]). A block does a
// span of FLAT_ITEMS columns of a row; 8 bytes an element, and 12.
//
// Biases, which nobody writes, are read while the kernel before runs.
#include "gpu.h"
#include "functions.h"

constexpr i32 EACH = FLAT_ITEMS / FLAT_THREADS;
static_assert(BIAS_PARTS == 3, "the parts that add_bias looks at");

// read_span reads a thread's columns of a span of d, zeros from d on.
DEVICE void read_span(float (&v)[EACH], const float* row, i32 first, i32 d) {
    UNROLL
    for (i32 k = 0; k < EACH; k++) v[k] = first + k * FLAT_THREADS < d ? row[first + k * FLAT_THREADS] : 0;
}

DEVICE void write_span(float* row, const float (&v)[EACH], i32 first, i32 d) {
    UNROLL
    for (i32 k = 0; k < EACH; k++) {
        if (first + k * FLAT_THREADS < d) row[first + k * FLAT_THREADS] = v[k];
    }
}

EARLY_KERNEL(add_bias, AddBiasArgs, FLAT_THREADS, 1) {
    let_next_start();
    const BiasPart& part = args.parts[(block_y() >= args.parts[1].first) + (block_y() >= args.parts[2].first)];
    const i32 d = part.d, first = (block_y() - part.first) * FLAT_ITEMS + thread();
    float* x = part.x + i64(block_x()) * d;
    float bias[EACH], v[EACH];
    read_span(bias, part.bias, first, d);
    wait_for_previous();
    read_span(v, x, first, d);
    UNROLL
    for (i32 k = 0; k < EACH; k++) v[k] = v[k] + bias[k];
    write_span(x, v, first, d);
}

EARLY_KERNEL(swiglu, SwigluArgs, FLAT_THREADS, 1) {
    let_next_start();
    const i32 d = args.d, first = block_y() * FLAT_ITEMS + thread();
    const i64 row = i64(block_x()) * d;
    float gateBias[EACH], upBias[EACH], gate[EACH], up[EACH];
    read_span(gateBias, args.gateBias, first, d);
    read_span(upBias, args.upBias, first, d);
    wait_for_previous();
    read_span(gate, args.gate + row, first, d);
    read_span(up, args.up + row, first, d);
    UNROLL
    for (i32 k = 0; k < EACH; k++) gate[k] = silu(gate[k] + gateBias[k]) * (up[k] + upBias[k]);
    write_span(args.gate + row, gate, first, d);
}
