#include "tiles.h"

#include <cmath>
#include <cstring>
#include <immintrin.h>
#include <string>

namespace amx {

namespace {

[[noreturn]] void illegal(const std::string &why) { throw Illegal(why); }

std::string shape(int i, const Tile &t) {
    return "tile " + std::to_string(i) + " of " + std::to_string(t.rows) + " rows of " + std::to_string(t.bytes) + " bytes";
}

// pair returns the two BF16 at p as floats.
std::array<float, 2> pair(const uint8_t *p) {
    uint32_t both, wide[2];
    std::array<float, 2> floats;
    memcpy(&both, p, 4);
    wide[0] = both << 16;
    wide[1] = both & 0xFFFF0000;
    memcpy(&floats, wide, 8);
    return floats;
}

} // namespace

void Tiles::configure(const Config &c) {
    if (configured) illegal("tiles are configured already: TILERELEASE is missing");
    if (c[0] != 1) illegal("palette " + std::to_string(c[0]) + ", not 1");
    if (c[1] != 0) illegal("begins at row " + std::to_string(c[1]));
    std::array<Tile, tiles> next = {};
    for (int i = 2; i < 64; i++) {
        const bool named = (i >= 16 && i < 32) || (i >= 48 && i < 56);
        if (!named && c[i] != 0) illegal("reserved byte " + std::to_string(i) + " of the configuration is not 0");
    }
    for (int i = 0; i < tiles; i++) {
        Tile &t = next[i];
        t.bytes = c[16 + 2 * i] | c[17 + 2 * i] << 8;
        t.rows = c[48 + i];
        if (t.rows > most_rows || t.bytes > row_bytes || (t.rows == 0) != (t.bytes == 0)) illegal("there is no " + shape(i, t));
    }
    all = next;
    configured = true;
}

Tiles::Config Tiles::config() const {
    Config c = {};
    if (!configured) return c;
    c[0] = 1;
    for (int i = 0; i < tiles; i++) {
        c[16 + 2 * i] = uint8_t(all[i].bytes);
        c[48 + i] = uint8_t(all[i].rows);
    }
    return c;
}

void Tiles::release() {
    configured = false;
    all = {};
}

Tile &Tiles::tile(int i) {
    if (!configured) illegal("no tile is configured");
    Tile &t = all[i];
    if (t.rows == 0) illegal("tile " + std::to_string(i) + " is not configured");
    if (t.bytes % 4 != 0) illegal(shape(i, t) + ": not a multiple of 4");
    return t;
}

void Tiles::zero(int i) {
    Tile &t = tile(i);
    memset(t.data, 0, sizeof t.data);
}

void Tiles::multiply(int sums, int a, int b) {
    Tile &c = tile(sums);
    const Tile &x = tile(a), &w = tile(b);
    if (sums == a || sums == b || a == b) illegal("a tile is named twice");
    if (c.rows != x.rows || c.bytes != w.bytes || x.bytes / 4 != w.rows) {
        illegal("shapes do not fit: " + shape(sums, c) + ", " + shape(a, x) + ", " + shape(b, w));
    }
    for (int m = 0; m < c.rows; m++) {
        float even[row_bytes / 4] = {}, odd[row_bytes / 4] = {}, sum[row_bytes / 4];
        for (int k = 0; k < x.bytes / 4; k++) {
            const auto u = pair(x.data[m] + 4 * k);
            for (int n = 0; n < c.bytes / 4; n++) {
                const auto v = pair(w.data[k] + 4 * n);
                even[n] = std::fma(u[0], v[0], even[n]);
                odd[n] = std::fma(u[1], v[1], odd[n]);
            }
        }
        memcpy(sum, c.data[m], sizeof sum);
        for (int n = 0; n < c.bytes / 4; n++) sum[n] += even[n] + odd[n];
        memcpy(c.data[m], sum, sizeof sum);
    }
}

void flush_denormals() { _mm_setcsr(0x9FC0); } // to zero as inputs and results; no exceptions; to nearest even

} // namespace amx
