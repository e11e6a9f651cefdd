// The tiles of a thread.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>

namespace amx {

// Illegal is a use for which the processor has an exception, or which no loop means.
struct Illegal : std::runtime_error {
    using runtime_error::runtime_error;
};

constexpr int tiles = 8, most_rows = 16, row_bytes = 64; // of palette 1

struct Tile {
    int rows = 0, bytes = 0; // of a row
    uint8_t data[most_rows][row_bytes] = {};
};

class Tiles {
  public:
    using Config = std::array<uint8_t, 64>;

    void configure(const Config &c); // LDTILECFG
    Config config() const;           // STTILECFG
    void release();                  // TILERELEASE
    Tile &tile(int i);               // that may be used
    void zero(int i);                // TILEZERO
    // multiply is TDPBF16PS: sums of products of pairs of BF16.
    void multiply(int sums, int a, int b);

  private:
    bool configured = false;
    std::array<Tile, tiles> all;
};

// flush_denormals makes this thread's arithmetic that of TDPBF16PS.
void flush_denormals();

} // namespace amx
