// gemm_W_N: out[t * ldOut + r] = x[t] · w[r] times the scales of both rows: F16
// inputs, weights of F16 or BF16, float sums, by tensor cores. A block does
// GEMM_ROWS out-features and N tokens; weights are the left operand, so that few
// tokens waste little. Both operands pass through shared memory, STAGES steps of
// 64 columns at a time on their way.
//
// BF16 weights become F16 in registers: exact from 2^-14 to 2^16, where weights
// lie; smaller ones are rounded to a multiple of 2^-24.
//
// A sum is taken in order of columns, 16 at a time by one instruction: the
// same for every N, so it does not depend on the number of tokens.
//
// expect HMMA LDGSTS LDSM: gemm_
#include "gpu.h"
#include "sums.h"
#include "tile.h"

constexpr i32 STEP = 64;            // columns of a step: 128 bytes of a row
constexpr i32 PIECES = STEP / 8;      // of 16 bytes in a row
constexpr i32 STAGES = 3;

// fetch starts the copies of `rows` rows of a step, zeros from row `limit` on.
template <i32 rows> DEVICE void fetch(const Tile<PIECES>& to, const u16* from, i64 ld, i32 column, i32 limit) {
    UNROLL
    for (i32 i = 0; i < rows * PIECES / GEMM_THREADS; i++) {
        const i32 at = i * GEMM_THREADS + thread(), row = at / PIECES, piece = at % PIECES;
        const bool there = row < limit;
        copy_async(Tile<PIECES>::at(to, row, piece), from + (there ? row : 0) * ld + column + piece * 8, there ? 16 : 0);
    }
}

// The weights' types: narrow makes a register of two numbers one of F16.
struct WeightF16 {
    DEVICE u32 narrow(u32 two) { return two; }
};

struct WeightBF16 {
    DEVICE u32 narrow(u32 two) { return pack_f16(bits<float>(two << 16), bits<float>(two & 0xffff0000)); }
};

// products adds a step to a warp's sums: M x 16 out-features by T x 8 tokens.
template <class W, i32 M, i32 T>
DEVICE void products(float (&sums)[M][T][4], const Tile<PIECES>& w, const Tile<PIECES>& x, i32 first_row, i32 first_token) {
    UNROLL
    for (i32 k = 0; k < STEP / 16; k++) {
        u32 a[M][4], b[T][2];
        UNROLL
        for (i32 m = 0; m < M; m++) {
            load_left(a[m], w, first_row + 16 * m, 2 * k);
            UNROLL
            for (i32 i = 0; i < 4; i++) a[m][i] = W::narrow(a[m][i]);
        }
        UNROLL
        for (i32 t = 0; t < T; t += 2) load_right(b[t], b[t + 1], x, first_token + 8 * t, 2 * k);
        UNROLL
        for (i32 m = 0; m < M; m++) {
            UNROLL
            for (i32 t = 0; t < T; t++) multiply_f16(sums[m][t], a[m], b[t]);
        }
    }
}

// gemm gives each of the 4 warps M x 16 out-features and T x 8 tokens.
template <class W, i32 N, i32 M, i32 T> DEVICE void gemm(const GemmArgs& args) {
    const i32 down = GEMM_ROWS / (16 * M);
    const i32 first_row = warp() % down * 16 * M, first_token = warp() / down * 8 * T;
    const i32 row = block_x() * GEMM_ROWS, token = block_y() * N;
    const u16* w = args.w + i64(row) * args.ldW;
    const u16* x = args.x + i64(token) * args.ldX;
    const i32 steps = (args.cols + STEP - 1) / STEP;
    const i32 stage_bytes = (GEMM_ROWS + N) * STEP * 2;

    const auto start = [&](i32 step) {
        if (step < steps) {
            u8* stage = shared() + step % STAGES * stage_bytes;
            fetch<GEMM_ROWS>(Tile<PIECES>{stage}, w, args.ldW, step * STEP, args.rows - row);
            fetch<N>(Tile<PIECES>{stage + GEMM_ROWS * STEP * 2}, x, args.ldX, step * STEP, args.n - token);
        }
        commit_async();
    };
    float sums[M][T][4] = {};
    UNROLL
    for (i32 s = 0; s < STAGES - 1; s++) start(s);
    NO_UNROLL
    for (i32 step = 0; step < steps; step++) {
        wait_async<STAGES - 2>();
        sync(); // all copies of this step are there, and all are done with the step before
        start(step + STAGES - 1);
        u8* stage = shared() + step % STAGES * stage_bytes;
        products<W, M, T>(sums, Tile<PIECES>{stage}, Tile<PIECES>{stage + GEMM_ROWS * STEP * 2}, first_row, first_token);
    }
    const i32 r = row + first_row + lane() / 4, n = token + first_token + lane() % 4 * 2;
    write_sums<M, T>(args, reinterpret_cast<float(&)[4 * M * T]>(sums), r, n);
}

KERNEL(gemm_f16_16, GemmArgs, GEMM_THREADS, 1) { gemm<WeightF16, 16, 1, 2>(args); }
KERNEL(gemm_f16_64, GemmArgs, GEMM_THREADS, 1) { gemm<WeightF16, 64, 2, 4>(args); }
KERNEL(gemm_f16_128, GemmArgs, GEMM_THREADS, 1) { gemm<WeightF16, 128, 2, 8>(args); }
KERNEL(gemm_bf16_16, GemmArgs, GEMM_THREADS, 1) { gemm<WeightBF16, 16, 1, 2>(args); }
KERNEL(gemm_bf16_64, GemmArgs, GEMM_THREADS, 1) { gemm<WeightBF16, 64, 2, 4>(args); }
KERNEL(gemm_bf16_128, GemmArgs, GEMM_THREADS, 1) { gemm<WeightBF16, 128, 2, 8>(args); }
