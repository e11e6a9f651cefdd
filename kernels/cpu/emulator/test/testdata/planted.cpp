// A program that uses tiles as its argument says: rightly, or with one mistake.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace {

struct alignas(64) Config {
    uint8_t palette = 1, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

struct alignas(64) Rows {
    uint32_t at[16][16] = {};
};

const Rows constants = {};

bool permit() { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }
void configure(const Config &c) { asm volatile("ldtilecfg %0" ::"m"(c)); }
void release() { asm volatile("tilerelease"); }

// product adds rows of pairs of BF16 to sums.
void product(Rows &sums, const Rows &x, const Rows &weights) {
    asm volatile("tileloadd (%0,%1), %%tmm0" ::"r"(&sums), "r"(64L) : "memory");
    asm volatile("tileloadd 64(%0,%1,2), %%tmm1" ::"r"(uintptr_t(&x) - 64), "r"(32L) : "memory");
    asm volatile("tileloaddt1 4096(%0,%1), %%tmm7" ::"r"(uintptr_t(&weights) - 4096), "r"(64L) : "memory");
    asm volatile("tdpbf16ps %tmm7, %tmm1, %tmm0"); // the assembler has the sums last
    asm volatile("tilestored %%tmm0, (%0,%1)" ::"r"(&sums), "r"(64L) : "memory");
}

uint32_t bits(float v) {
    uint32_t b;
    memcpy(&b, &v, 4);
    return b;
}

// one returns the sum of products of pairs, high half times high half and low times low.
uint32_t one(float before, const std::map<int, std::pair<uint32_t, uint32_t>> &factors) {
    Rows sums, x, weights;
    sums.at[3][5] = bits(before);
    for (const auto &f : factors) {
        x.at[3][f.first] = f.second.first;
        weights.at[f.first][5] = f.second.second;
    }
    product(sums, x, weights);
    for (int i = 0; i < 256; i++) {
        if (i != 3 * 16 + 5 && sums.at[i / 16][i % 16] != 0) return ~0u;
    }
    return sums.at[3][5];
}

// Numbers as pairs of BF16, the second of which is the high half.
constexpr uint32_t low_one = 0x3F80, high_one = 0x3F800000, both = high_one | low_one;
constexpr uint32_t tiny = 0x3380;          // 2^-24
constexpr uint32_t denormal = 0x0040;      // 2^-127
constexpr uint32_t huge = 0x7E80;          // 2^126
constexpr uint32_t smallest = 0x0080, half = 0x3F00; // 2^-126, 2^-1

bool arithmetic() {
    struct {
        uint32_t got, want;
    } cases[] = {
        {one(2, {{0, {both, both}}}), bits(4)},
        {one(0, {{15, {0x40003F80, 0x40403F80}}}), bits(7)},
        // 1 and twice half of its last place: lost in one chain, not in two.
        {one(0, {{0, {low_one, low_one}}, {1, {tiny, low_one}}, {2, {tiny, low_one}}}), bits(1)},
        {one(0, {{0, {low_one | tiny << 16, both}}, {1, {tiny << 16, both}}}), bits(1 + 0x1p-23f)},
        // The products are added before they meet the sum.
        {one(1, {{0, {tiny | tiny << 16, both}}}), bits(1 + 0x1p-23f)},
        {one(1, {{0, {tiny, low_one}}}), bits(1)},
        // Denormals are zeros: of inputs, sums and results.
        {one(0, {{0, {denormal, huge}}}), 0},
        {one(0x1p-127f, {}), 0},
        {one(0, {{0, {smallest, half}}}), 0},
        {one(0, {{0, {smallest, low_one}}}), bits(0x1p-126f)},
    };
    for (const auto &c : cases) {
        if (c.got == c.want) continue;
        printf("case %d: %#x, not %#x\n", int(&c - cases), c.got, c.want);
        return false;
    }
    return true;
}

volatile sig_atomic_t signals;

// multiply makes sums of tiles of n rows and n pairs of ones, with a signal meanwhile, and reports
// whether they are right.
bool multiply(int n) {
    Config c;
    for (int i = 0; i < 8; i++) {
        c.rows[i] = uint8_t(n);
        c.bytes[i] = uint16_t(4 * n);
    }
    Rows sums, ones;
    for (auto &row : ones.at) {
        for (auto &v : row) v = low_one;
    }
    configure(c);
    raise(SIGUSR1);
    product(sums, ones, ones);
    release();
    for (int i = 0; i < 256; i++) {
        if (sums.at[i / 16][i % 16] != (i / 16 < n && i % 16 < n ? bits(float(n)) : 0)) return false;
    }
    return true;
}

// crowd multiplies in two threads at once.
bool crowd() {
    signal(SIGUSR1, [](int) { signals = signals + 1; });
    std::atomic<bool> right = true;
    std::thread threads[2];
    for (int i = 0; i < 2; i++) {
        threads[i] = std::thread([i, &right] {
            for (int k = 0; k < 100; k++) right = multiply(i == 0 ? 16 : 5) && right;
        });
    }
    for (auto &t : threads) t.join();
    return right && signals == 200;
}

// stored reports whether the configuration is stored as it was loaded.
bool stored() {
    Config want, got = {};
    want.rows[3] = 7;
    configure(want);
    asm volatile("sttilecfg %0" : "=m"(got));
    release();
    return memcmp(&want, &got, sizeof want) == 0;
}

void with(const std::function<void(Config &)> &change) {
    Config c;
    change(c);
    configure(c);
}

const std::map<std::string, std::function<void()>> mistakes = {
    {"unasked", [] { configure(Config()); }},
    {"unconfigured", [] { permit(), product(*new Rows, *new Rows, *new Rows); }},
    {"released", [] { permit(), configure(Config()), release(), product(*new Rows, *new Rows, *new Rows); }},
    {"twice", [] { permit(), configure(Config()), configure(Config()); }},
    {"palette", [] { permit(), with([](Config &c) { c.palette = 2; }); }},
    {"reserved", [] { permit(), with([](Config &c) { c.reserved[5] = 1; }); }},
    {"ninth", [] { permit(), with([](Config &c) { c.bytes[8] = 4; }); }},
    {"rows", [] { permit(), with([](Config &c) { c.rows[2] = 17; }); }},
    {"bytes", [] { permit(), with([](Config &c) { c.bytes[2] = 65; }); }},
    {"absent", [] { permit(), with([](Config &c) { c.rows[7] = 0, c.bytes[7] = 0; }), product(*new Rows, *new Rows, *new Rows); }},
    {"odd", [] { permit(), with([](Config &c) { c.bytes[1] = 62; }), product(*new Rows, *new Rows, *new Rows); }},
    {"shapes", [] { permit(), with([](Config &c) { c.rows[1] = 8; }), product(*new Rows, *new Rows, *new Rows); }},
    {"depth", [] { permit(), with([](Config &c) { c.rows[7] = 8; }), product(*new Rows, *new Rows, *new Rows); }},
    {"itself", [] { permit(), configure(Config()); asm volatile(".byte 0xC4, 0xE2, 0x6A, 0x5C, 0xD3"); }},
    {"memory", [] { permit(), configure(Config()), product(*new Rows, *(Rows *)4096, *new Rows); }},
    {"constant", [] { permit(), configure(Config()), product(*(Rows *)&constants, *new Rows, *new Rows); }},
    {"other", [] { asm volatile("ud2"); }},
};

} // namespace

int main(int, char **argv) {
    const std::string what = argv[1];
    if (what != "right") {
        mistakes.at(what)();
        return 0;
    }
    if (!permit()) return 1;
    const bool right = crowd() && stored() && (configure(Config()), arithmetic());
    release();
    return right ? 0 : 1;
}
