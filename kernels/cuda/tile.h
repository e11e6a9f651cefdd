// Tiles of 16-bit numbers in shared memory, as tensor cores read them.
#pragma once

// Tile is rows of `pieces` pieces of 16 bytes (8 numbers). Piece p of row r
// stands at place p ^ r%8 of its row, so that one piece of 8 rows lies in all
// banks.
template <i32 pieces> struct Tile {
    static_assert(pieces % 8 == 0, "a row is a multiple of 128 bytes");
    u8* memory;

    DEVICE u8* at(const Tile& t, i32 row, i32 piece) { return t.memory + (row * pieces + (piece ^ row % 8)) * 16; }
};

// The numbers of a tile: how two floats become one register, and the product
// of fragments.
struct HalfF16 {
    static constexpr u32 exponent = 0x7c00; // all ones: not finite
    DEVICE u32 pack(float low, float high) { return pack_f16(low, high); }
    DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { multiply_f16(d, a, b); }
};

struct HalfBF16 {
    static constexpr u32 exponent = 0x7f80;
    DEVICE u32 pack(float low, float high) { return pack_bf16(low, high); }
    DEVICE void multiply(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) { multiply_bf16(d, a, b); }
};

// load_left reads the left operand [16, 16] whose first row and piece are
// given; load_right two right operands [16, 8] side by side, from rows that
// are their columns; load_right_rows the same from rows that are their rows.
template <i32 pieces> DEVICE void load_left(u32 (&a)[4], const Tile<pieces>& t, i32 row, i32 piece) {
    load_matrices(a, Tile<pieces>::at(t, row + lane() % 16, piece + lane() / 16));
}

template <i32 pieces> DEVICE void load_right(u32 (&b0)[2], u32 (&b1)[2], const Tile<pieces>& t, i32 row, i32 piece) {
    u32 m[4]; // one piece and the next of rows 0 to 7, then of 8 to 15
    load_matrices(m, Tile<pieces>::at(t, row + lane() % 8 + lane() / 16 * 8, piece + lane() / 8 % 2));
    b0[0] = m[0], b0[1] = m[1], b1[0] = m[2], b1[1] = m[3];
}

template <i32 pieces> DEVICE void load_right_rows(u32 (&b0)[2], u32 (&b1)[2], const Tile<pieces>& t, i32 row, i32 piece) {
    u32 m[4];
    load_matrices_transposed(m, Tile<pieces>::at(t, row + lane() % 16, piece + lane() / 16));
    b0[0] = m[0], b0[1] = m[1], b1[0] = m[2], b1[1] = m[3];
}
