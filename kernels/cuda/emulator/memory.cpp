#include "memory.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace emu {

namespace {

const size_t page = size_t(sysconf(_SC_PAGESIZE));
constexpr size_t alignment = 256; // that the driver promises
constexpr unsigned char poison = 0xff;

// A device hands out large allocations in steps of 2 MiB, and small ones from
// pools of 2 MiB.
constexpr int64_t step = 2 << 20;
constexpr int64_t small_limit = 1 << 20;

// Of a larger allocation the middle is left zero, so that the emulated memory
// may be larger than this machine's.
constexpr size_t poison_limit = size_t(256) << 20;

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

void *pointer(uint64_t address) { return reinterpret_cast<void *>(address); }

// misfit returns the first byte of [from, to) that is not poison, or null.
const unsigned char *misfit(uint64_t from, uint64_t to) {
    const auto begin = static_cast<const unsigned char *>(pointer(from)), end = static_cast<const unsigned char *>(pointer(to));
    const auto p = std::find_if(begin, end, [](unsigned char c) { return c != poison; });
    return p == end ? nullptr : p;
}

} // namespace

void Memory::reserve(int64_t total, Memory *former) {
    size = total;
    const uint64_t least = uint64_t(round_up(total, step)) * 2;
    if (former && former->base + former->window - former->next >= least) {
        base = former->next;
        window = former->base + former->window - base;
        former->window -= window;
    } else {
        window = least * 2 + (uint64_t(1) << 30);
        void *p = mmap(nullptr, window, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) throw std::bad_alloc();
        base = reinterpret_cast<uint64_t>(p);
    }
    next = base + page;
}

Memory::~Memory() {
    if (window) munmap(pointer(base), window);
}

int64_t Memory::free() const { return size - large - round_up(small, step); }

uint64_t Memory::place(size_t need) {
    if (next + need + page <= base + window) {
        const uint64_t at = next;
        next += need + page; // which stays closed
        return at;
    }
    const auto old = used_before.lower_bound(need);
    if (old == used_before.end()) return 0;
    const uint64_t at = old->second;
    used_before.erase(old);
    return at;
}

uint64_t Memory::allocate(size_t bytes, bool first) {
    if (bytes == 0 || int64_t(bytes) < 0 || int64_t(bytes) > size) return 0;
    const bool is_small = int64_t(bytes) < small_limit;
    const int64_t counted = is_small ? round_up(int64_t(bytes), alignment) : round_up(int64_t(bytes), step);
    const int64_t left = is_small ? size - large - round_up(small + counted, step) : free() - counted;
    if (left < 0) return 0;
    const size_t need = size_t(round_up(int64_t(bytes), int64_t(page)));
    const uint64_t at = place(need);
    if (at == 0 || mprotect(pointer(at), need, PROT_READ | PROT_WRITE) != 0) return 0;
    (is_small ? small : large) += counted;
    const size_t aligned = size_t(round_up(int64_t(bytes), alignment));
    const Allocation a = {first ? at : at + need - aligned, bytes, at, need, false};
    if (need <= poison_limit) {
        memset(pointer(at), poison, need);
    } else {
        memset(pointer(at), poison, poison_limit / 2);
        memset(pointer(at + need - poison_limit / 2), poison, poison_limit / 2);
    }
    all[at] = a;
    return a.address;
}

std::string Memory::damage(const Allocation &a) const {
    char text[200];
    if (const unsigned char *p = misfit(a.pages, a.address)) {
        const uint64_t at = reinterpret_cast<uint64_t>(p);
        snprintf(text, sizeof text, "byte -%llu of an allocation of %zu bytes was written",
                 static_cast<unsigned long long>(a.address - at), a.bytes);
        return text;
    }
    if (const unsigned char *p = misfit(a.address + a.bytes, a.pages + a.page_bytes)) {
        const uint64_t at = reinterpret_cast<uint64_t>(p);
        snprintf(text, sizeof text, "byte %llu of an allocation of %zu bytes was written",
                 static_cast<unsigned long long>(at - a.address), a.bytes);
        return text;
    }
    return "";
}

bool Memory::release(uint64_t address, std::string &bad) {
    const Allocation *a = find(address, 1);
    if (a == nullptr || a->address != address) return false;
    bad = damage(*a);
    const int64_t bytes = int64_t(a->bytes);
    if (bytes < small_limit) {
        small -= round_up(bytes, alignment);
    } else {
        large -= round_up(bytes, step);
    }
    // The pages go back, the addresses stay taken and closed.
    mmap(pointer(a->pages), a->page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    used_before.emplace(a->page_bytes, a->pages);
    all[a->pages].freed = true;
    return true;
}

void Memory::clear() {
    std::string bad;
    for (const auto &[pages, a] : all) {
        if (!a.freed) release(a.address, bad);
    }
}

const Memory::Allocation *Memory::find(uint64_t address, size_t n) const {
    auto at = all.upper_bound(address);
    if (at == all.begin()) return nullptr;
    const Allocation &a = (--at)->second;
    if (a.freed || address < a.address || n > a.bytes || address - a.address > a.bytes - n) return nullptr;
    return &a;
}

std::string Memory::near(uint64_t address) const {
    const auto after = all.upper_bound(address);
    const Allocation *below = after == all.begin() ? nullptr : &std::prev(after)->second;
    const Allocation *above = after == all.end() ? nullptr : &after->second;
    if (below == nullptr && above == nullptr) return "where nothing was ever allocated";
    const bool past = below && address >= below->address + below->bytes;
    const bool up = above && (!below || (past && above->address - address < address - (below->address + below->bytes)));
    const Allocation &a = up ? *above : *below;
    const uint64_t end = a.address + a.bytes;
    const uint64_t distance = address < a.address ? a.address - address : address < end ? address - a.address : address - end;
    const char *where = address < a.address ? "bytes before" : address < end ? "bytes into" : "bytes past the end of";
    char text[200];
    snprintf(text, sizeof text, "%llu %s %s of %zu bytes", static_cast<unsigned long long>(distance), where,
             a.freed ? "freed memory" : "an allocation", a.bytes);
    return text;
}

} // namespace emu
