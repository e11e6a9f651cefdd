#include "async.h"

#include "abi.h"
#include "gpu.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace emu {

namespace {

constexpr uint64_t begun = uint64_t(0x6d626172) << 32; // what stands in a barrier, with its number
constexpr int64_t most_bytes = (1 << 20) - 1;          // that a phase may lack
constexpr int row_bytes = 128;
constexpr unsigned char poison = 0xff;

template <class... Values> std::string text(const char *format, Values... values) {
    char line[512];
    snprintf(line, sizeof line, format, values...);
    return line;
}

std::string spell(Site at) {
    const char *slash = strrchr(at.file, '/');
    return text("%s:%d", slash ? slash + 1 : at.file, at.line);
}

// swizzled is where a byte of a tile stands: an address that is a multiple of
// 1024 has its pieces of 16 bytes in order.
size_t swizzled(size_t at) { return at ^ (at >> 3 & 0x70); }

} // namespace

void Async::enter(Block *b, int registers) {
    block = b;
    signals.clear();
    copies.clear();
    seen.assign(b->shared_bytes, poison);
    unseen = false;
    spare = 0;
    memset(fenced, 0, sizeof fenced);
    for (int w = 0; w < max_warps; w++) {
        held[w] = registers;
        products[w].clear();
        groups[w] = 0;
        asked[w] = 0;
        said[w / 4].clear();
    }
}

std::string Async::left() const {
    if (!copies.empty()) return text("ends while a copy of %zu bytes is on its way, %s", copies[0].bytes, spell(copies[0].at).c_str());
    for (int w = 0; w * lanes < block->count; w++) {
        if (!products[w].empty()) return text("warp %d ends while products are on their way, %s", w, spell(products[w].front().at).c_str());
        if (asked[w] != said[w / 4].size()) return text("warp %d asked for %zu products, another of its group for %zu", w, asked[w], said[w / 4].size());
    }
    return "";
}

// ---- Barriers

Signal &Async::signal(void *at, Site site) {
    const auto p = static_cast<unsigned char *>(at);
    if (p < block->shared || p + 8 > block->shared + block->shared_bytes || (p - block->shared) % 8) {
        fail(CUDA_ERROR_MISALIGNED_ADDRESS, "%s: a barrier at %p, byte %td of shared memory", spell(site).c_str(), at, p - block->shared);
    }
    uint64_t word;
    memcpy(&word, at, 8);
    const uint64_t i = word ^ begun;
    if (i >= signals.size() || block->shared + signals[i].offset != p) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: byte %td of shared memory is no barrier: it was not begun, or overwritten", spell(site).c_str(),
             p - block->shared);
    }
    return signals[i];
}

void Async::begin(void *at, int arrivals, Site site) {
    const auto p = static_cast<unsigned char *>(at);
    const size_t offset = size_t(p - block->shared);
    if (p < block->shared || offset + 8 > block->shared_bytes || offset % 8 || arrivals < 1) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a barrier of %d arrivals at byte %td of shared memory", spell(site).c_str(), arrivals, p - block->shared);
    }
    for (const Signal &s : signals) {
        if (s.offset == offset) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: the barrier at byte %zu was begun before", spell(site).c_str(), offset);
    }
    const uint64_t word = begun ^ signals.size();
    memcpy(at, &word, 8);
    signals.push_back({offset, current->id, false, arrivals, arrivals, 0, 0, site, {}});
}

void Async::publish() {
    for (Signal &s : signals) s.published |= s.owner == current->id;
}

void Async::release(Signal &s) {
    for (int w = 0; w < max_warps; w++) {
        if (s.waiting[w] == 0) continue;
        block->ready_warps |= 1u << w;
        block->ready[w] |= s.waiting[w];
        s.waiting[w] = 0;
    }
}

std::string Async::arrive(Signal &s, int64_t bytes, int arrivals) {
    const std::string where = text("the barrier at byte %zu, %s", s.offset, spell(s.at).c_str());
    if (arrivals > s.pending) return text("%s: more than %d arrivals in a phase", where.c_str(), s.arrivals);
    s.pending -= arrivals;
    s.bytes += bytes;
    if (s.bytes > most_bytes || s.bytes < -most_bytes) return text("%s: %lld bytes to come", where.c_str(), static_cast<long long>(s.bytes));
    if (s.pending > 0) return "";
    if (s.bytes < 0) return text("%s: %lld bytes came that no arrival expected", where.c_str(), static_cast<long long>(-s.bytes));
    if (s.bytes > 0) return "";
    s.parity ^= 1;
    s.pending = s.arrivals;
    release(s);
    return "";
}

std::string Async::waits() const {
    std::string all;
    for (const Signal &s : signals) {
        std::string who;
        for (int w = 0; w < max_warps; w++) {
            if (s.waiting[w]) who += text(" %08x of warp %d", s.waiting[w], w);
        }
        if (who.empty()) continue;
        all += text("\n    the barrier at byte %zu, %s: its phase of parity %u lacks %d of %d arrivals and %lld bytes; there wait%s", s.offset,
                    spell(s.at).c_str(), s.parity, s.pending, s.arrivals, static_cast<long long>(s.bytes), who.c_str());
    }
    return all;
}

// ---- Copies

void Async::copy(const Incoming &c) {
    const size_t begin = size_t(c.to - block->shared), end = begin + c.bytes;
    if (c.to < block->shared || end > block->shared_bytes) {
        fail(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: a copy of %zu bytes to byte %td of %zu bytes of shared memory", spell(c.at).c_str(), c.bytes,
             c.to - block->shared, block->shared_bytes);
    }
    if (!c.signal->published) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: the copy engine does not see the barrier at byte %zu: publish_mbarriers is missing", spell(c.at).c_str(),
             c.signal->offset);
    }
    for (const Incoming &o : copies) {
        const Span s = {size_t(o.to - block->shared), size_t(o.to - block->shared) + o.bytes};
        if (s.meets(begin, end)) {
            fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a copy to byte %zu of shared memory, where that of %s goes", spell(c.at).c_str(), begin, spell(o.at).c_str());
        }
    }
    for (const auto &list : products) {
        for (const Product &p : list) {
            if ((!p.registers && span(p, true).meets(begin, end)) || span(p, false).meets(begin, end)) {
                fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a copy to byte %zu of shared memory, which products still read, %s", spell(c.at).c_str(), begin,
                     spell(p.at).c_str());
            }
        }
    }
    copies.push_back(c);
    const Engine &e = *block->engine;
    if (e.copying == Copying::early) {
        const std::string bad = finish(copies.size() - 1);
        if (!bad.empty()) fail(CUDA_ERROR_LAUNCH_FAILED, "%s", bad.c_str());
    } else {
        memset(c.to, poison, c.bytes);
    }
}

void Async::carry_out(const Incoming &c) {
    unsigned char *const mirror = &seen[size_t(c.to - block->shared)];
    if (c.from) {
        memcpy(c.to, c.from, c.bytes);
    } else {
        const BoxMap &m = *c.map;
        for (int r = 0; r < int(m.box[1]); r++) {
            unsigned char row[row_bytes] = {};
            const int64_t y = int64_t(c.y) + r, wide = row_bytes / m.element;
            const int64_t first = std::max<int64_t>(0, -int64_t(c.x)), last = std::min<int64_t>(wide, int64_t(m.size[0]) - c.x);
            if (y >= 0 && y < int64_t(m.size[1]) && first < last) {
                const auto from = reinterpret_cast<const unsigned char *>(m.address) + y * int64_t(m.stride) + (c.x + first) * m.element;
                memcpy(row + first * m.element, from, size_t((last - first) * m.element));
            }
            for (int i = 0; i < row_bytes; i += 16) memcpy(c.to + swizzled(size_t(r * row_bytes + i)), row + i, 16);
        }
    }
    memcpy(mirror, c.to, c.bytes);
}

std::string Async::finish(size_t i) {
    const Incoming c = copies[i];
    carry_out(c);
    copies.erase(copies.begin() + long(i));
    return arrive(*c.signal, -int64_t(c.bytes), 0);
}

std::string Async::advance(Random &random, bool any) {
    const size_t i = any ? random.below(uint32_t(copies.size())) : 0;
    current = &block->threads[copies[i].thread]; // who is to blame for a bad address
    return finish(i);
}

std::string Async::stray(const Thread &t, Random &random) {
    auto &list = products[t.id / lanes];
    const auto next = std::find_if(list.begin(), list.end(), [](const Product &p) { return !p.done; });
    if (next != list.end() && random.below(4) == 0) multiply(*next);
    return !copies.empty() && random.below(4) == 0 ? finish(random.below(uint32_t(copies.size()))) : "";
}

// ---- Products

namespace {

constexpr size_t address_of(uint64_t operand) { return size_t(operand & 0x3fff) << 4; }
constexpr size_t next_of(uint64_t operand) { return size_t(operand >> 16 & 0x3fff) << 4; }
constexpr size_t stride_of(uint64_t operand) { return size_t(operand >> 32 & 0x3fff) << 4; }

// place returns where piece `piece` (8 numbers) of line `line` of an operand
// stands. Lines are rows of the tile; of an operand in columns the pieces run
// over its columns.
size_t place(uint64_t operand, bool transposed, int line, int piece) {
    size_t at = address_of(operand) + size_t(line) / 8 * stride_of(operand) + size_t(line) % 8 * row_bytes;
    if (transposed) {
        at += size_t(piece) / 8 * next_of(operand) + size_t(piece) % 8 * 16;
    } else {
        at += size_t(piece) * 16;
    }
    return swizzled(at);
}

// add_8 is short, so that compilers make vectors of it.
void add_8(float *__restrict to, const float *__restrict from, float by) {
    for (int i = 0; i < 8; i++) to[i] += from[i] * by;
}

float widen(uint16_t h, bool bf16) { return bf16 ? from_bf16(h) : from_f16(h); }

} // namespace

Span Async::span(const Product &p, bool left) const {
    const uint64_t o = left ? p.a : p.b;
    const size_t begin = address_of(o) / 1024 * 1024;
    if (left) return {begin, begin + 64 * row_bytes};
    const size_t n = size_t(p.sums->columns);
    if (p.transposed) return {begin, begin + (n - 1) / 64 * next_of(o) + 16 * row_bytes};
    return {begin, begin + n * row_bytes};
}

void Async::agree(const Product &p, int columns, int warp) {
    auto &list = said[warp / 4];
    const size_t i = asked[warp]++;
    if (i == list.size()) {
        list.push_back({p.a, p.b, columns, p.at});
    } else if (list[i].a != p.a || list[i].b != p.b || list[i].columns != columns || list[i].at.line != p.at.line) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: warp %d asks for another product than the others of its group, %s", spell(p.at).c_str(), warp,
             spell(list[i].at).c_str());
    }
}

void Async::issue(Product &&p, float *const *of, int columns, int warp) {
    for (const Span s : {Span{address_of(p.a), address_of(p.a) + 1}, Span{address_of(p.b), address_of(p.b) + 1}}) {
        if (s.end > block->shared_bytes) fail(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: an operand at byte %zu of shared memory", spell(p.at).c_str(), s.begin);
    }
    auto &list = products[warp];
    for (const Product &o : list) {
        if (o.sums->of[0] == of[0]) p.sums = o.sums;
    }
    if (!p.sums) {
        p.sums = std::make_shared<Sums>();
        Sums &s = *p.sums;
        s.columns = columns;
        s.users = 0;
        s.values.resize(size_t(16 * columns));
        for (int l = 0; l < lanes; l++) {
            s.of[l] = of[l];
            for (int i = 0; i < columns / 2; i++) {
                s.values[size_t((l / 4 + i / 2 % 2 * 8) * columns + i / 4 * 8 + l % 4 * 2 + i % 2)] = of[l][i];
                of[l][i] = __builtin_nanf(""); // until they are waited for
            }
        }
    }
    p.sums->users++;
    p.group = groups[warp];
    p.done = false;
    list.push_back(std::move(p));
    if (block->engine->copying == Copying::early) multiply(list.back());
}

// operand returns 16 bytes of shared memory that products may read.
unsigned char *Async::operand(uint64_t at, const Product &p, Site site) {
    if (at + 16 > block->shared_bytes) fail(CUDA_ERROR_ILLEGAL_ADDRESS, "%s: an operand at byte %zu of shared memory", spell(site).c_str(), size_t(at));
    for (const Incoming &c : copies) {
        const Span s = {size_t(c.to - block->shared), size_t(c.to - block->shared) + c.bytes};
        if (s.meets(at, at + 16)) {
            fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a product reads byte %zu of shared memory, to which a copy is on its way, %s", spell(p.at).c_str(),
                 size_t(at), spell(c.at).c_str());
        }
    }
    if (memcmp(block->shared + at, &seen[at], 16) != 0) {
        fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a product reads byte %zu of shared memory, which threads wrote without fence_async", spell(p.at).c_str(),
             size_t(at));
    }
    return block->shared + at;
}

void Async::multiply(Product &p) {
    p.done = true;
    if (unseen) memcpy(seen.data(), block->shared, block->shared_bytes);
    unseen = false;
    Sums &s = *p.sums;
    const int n = s.columns;
    float a[16][16];
    std::vector<float> b(size_t(16 * n));
    for (int l = 0; l < lanes && p.registers; l++) {
        for (int i = 0; i < 8; i++) a[l / 4 + i / 2 % 2 * 8][l % 4 * 2 + i % 2 + i / 4 * 8] = widen(uint16_t(p.left[l][i / 2] >> 16 * (i % 2)), p.bf16);
    }
    for (int r = 0; r < 16 && !p.registers; r++) {
        for (int i = 0; i < 16; i++) {
            const unsigned char *from = operand(place(p.a, false, p.first + r, i / 8), p, p.at) + i % 8 * 2;
            uint16_t h;
            memcpy(&h, from, 2);
            a[r][i] = widen(h, p.bf16);
        }
    }
    for (int i = 0; i < 2 * n; i++) { // pieces of b
        const int line = p.transposed ? i / (n / 8) : i / 2, piece = p.transposed ? i % (n / 8) : i % 2;
        uint16_t h[8];
        memcpy(h, operand(place(p.b, p.transposed, line, piece), p, p.at), 16);
        for (int j = 0; j < 8; j++) {
            const int k = p.transposed ? line : 8 * piece + j, c = p.transposed ? 8 * piece + j : line;
            b[size_t(k * n + c)] = widen(h[j], p.bf16);
        }
    }
    const bool one_by_one = in_order();
    std::vector<float> sum(static_cast<size_t>(n));
    for (int r = 0; r < 16; r++) {
        float *const to = &s.values[size_t(r * n)];
        float *const into = one_by_one ? to : sum.data();
        if (!one_by_one) std::fill(sum.begin(), sum.end(), 0.0f);
        for (int k = 0; k < 16; k++) {
            const float left = a[r][k], *const right = &b[size_t(k * n)];
            for (int c = 0; c < n; c += 8) add_8(into + c, right + c, left);
        }
        for (int c = 0; c < n && !one_by_one; c++) to[c] += sum[size_t(c)];
    }
}

void Async::wait(int pending, int warp) {
    auto &list = products[warp];
    while (!list.empty() && int64_t(list.front().group) < int64_t(groups[warp]) - pending) {
        Product &p = list.front();
        if (!p.done) multiply(p);
        for (int l = 0; l < lanes && p.registers; l++) {
            if (memcmp(p.left[l], p.registers_of[l], sizeof p.left[l]) == 0) continue;
            fail(CUDA_ERROR_LAUNCH_FAILED, "%s: an operand in registers changed before its product was waited for", spell(p.at).c_str());
        }
        Sums &s = *p.sums;
        if (--s.users == 0) {
            for (int l = 0; l < lanes; l++) {
                for (int i = 0; i < s.columns / 2; i++) {
                    s.of[l][i] = s.values[size_t((l / 4 + i / 2 % 2 * 8) * s.columns + i / 4 * 8 + l % 4 * 2 + i % 2)];
                }
            }
        }
        list.pop_front();
    }
}

// ---- What hopper.h asks for

namespace {

Async &mine() { return *current->block->async; }

void demand(const std::string &bad, Site at) {
    if (!bad.empty()) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: %s", spell(at).c_str(), bad.c_str());
}

} // namespace

void begin_mbarrier(void *at, int arrivals, Site site) { mine().begin(at, arrivals, site); }
void publish_mbarriers() { mine().publish(); }

void arrive_mbarrier(void *at, int bytes, Site site) {
    preempt();
    Async &a = mine();
    if (bytes < 0) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: %d bytes to come", spell(site).c_str(), bytes);
    demand(a.arrive(a.signal(at, site), bytes, 1), site);
    preempt();
}

void wait_mbarrier(void *at, uint32_t parity, Site site) {
    Thread &me = *current;
    Signal &s = mine().signal(at, site);
    if (parity > 1) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a parity of %u", spell(site).c_str(), parity);
    while (s.parity == parity) {
        s.waiting[me.id / lanes] |= 1u << me.lane;
        me.doing = "wait";
        me.at = site;
        me.block->engine->leave_for(&me);
    }
    preempt();
}

void copy_bulk(void *to, const void *from, int bytes, void *barrier, Site site) {
    const auto odd = [](const void *p) { return reinterpret_cast<uintptr_t>(p) % 16 != 0; };
    if (odd(to) || odd(from)) fail(CUDA_ERROR_MISALIGNED_ADDRESS, "%s: a bulk copy from %p to %p", spell(site).c_str(), from, to);
    if (bytes <= 0 || bytes % 16) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: a bulk copy of %d bytes", spell(site).c_str(), bytes);
    Async &a = mine();
    a.copy({current->id, static_cast<unsigned char *>(to), static_cast<const unsigned char *>(from), size_t(bytes), nullptr, 0, 0, &a.signal(barrier, site), site});
    preempt();
}

void copy_box(void *to, const void *map, int x, int y, void *barrier, Site site) {
    const auto m = static_cast<const BoxMap *>(map);
    if (m->magic != BoxMap::right) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: the driver did not make this map", spell(site).c_str());
    const auto p = static_cast<unsigned char *>(to);
    Async &a = mine();
    if ((p - current->block->shared) % 1024) fail(CUDA_ERROR_MISALIGNED_ADDRESS, "%s: a box to byte %td of shared memory", spell(site).c_str(), p - current->block->shared);
    a.copy({current->id, p, nullptr, size_t(m->box[1]) * row_bytes, m, x, y, &a.signal(barrier, site), site});
    preempt();
}

void fence_async() { mine().fence(); }

void fence_products() { mine().fenced[current->id] = true; }

void multiply_group(GroupProduct &g, Site site) {
    meet("group_multiply", g, site, [site](Thread *threads) {
        const auto of = [threads](int l) { return static_cast<GroupProduct *>(threads[l].argument); };
        const GroupProduct &first = *of(0);
        Async &a = mine();
        Product p = {};
        p.bf16 = first.bf16, p.registers = first.registers, p.transposed = first.transposed, p.a = first.a, p.b = first.b, p.at = site;
        float *sums[lanes];
        const int warp = threads[0].id / lanes;
        for (int l = 0; l < lanes; l++) {
            if (of(l)->a != first.a || of(l)->b != first.b) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: lanes ask for different products", spell(site).c_str());
            if (!a.fenced[threads[l].id]) fail(CUDA_ERROR_LAUNCH_FAILED, "%s: no fence_products since the last group of products", spell(site).c_str());
            sums[l] = of(l)->d;
            p.registers_of[l] = of(l)->left;
            if (p.registers) memcpy(p.left[l], of(l)->left, sizeof p.left[l]);
        }
        p.first = warp % 4 * 16;
        a.agree(p, first.columns, warp);
        a.issue(std::move(p), sums, first.columns, warp);
    });
}

void commit_products(Site site) {
    int none = 0;
    meet("commit_products", none, site, [](Thread *threads) {
        for (int l = 0; l < lanes; l++) mine().fenced[threads[l].id] = false;
        mine().commit(threads[0].id / lanes);
    });
}

void wait_products(int pending, Site site) {
    int none = 0;
    meet("wait_products", none, site, [pending](Thread *threads) { mine().wait(pending, threads[0].id / lanes); });
    preempt();
}

void set_registers(int n, bool more, Site site) {
    int none = 0;
    meet("set_registers", none, site, [n, more, site](Thread *threads) {
        Async &a = mine();
        int &held = a.held[threads[0].id / lanes];
        if (n % 8 || n < 24 || n > 256 || (more ? n < held : n > held)) {
            fail(CUDA_ERROR_LAUNCH_FAILED, "%s: from %d registers to %d", spell(site).c_str(), held, n);
        }
        while (n - held > a.spare) rest("set_registers", site);
        a.spare -= n - held;
        held = n;
    });
}

} // namespace emu
