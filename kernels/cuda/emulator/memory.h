// Memory of an emulated device, and host memory that it sees.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace emu {

// Memory is a window of addresses, in which each allocation stands between
// pages without access. An address is used again only when the window is full.
class Memory {
public:
    Memory() = default;
    ~Memory();
    Memory(const Memory &) = delete;
    Memory &operator=(const Memory &) = delete;

    // reserve takes a window for `total` bytes of memory: what another, which gets none any more,
    // never used of its own, if that is enough, for a process has but 128 TiB of addresses.
    void reserve(int64_t total, Memory *former = nullptr);

    struct Allocation {
        uint64_t address; // what the caller got
        size_t bytes;     // what it asked for
        uint64_t pages;   // the pages it has
        size_t page_bytes;
        bool freed;
    };

    // allocate returns poisoned memory, 0 if there is not enough. With
    // `first` it stands at the beginning of its pages, else at their end.
    uint64_t allocate(size_t bytes, bool first);
    // release takes memory back. It returns nullptr if there is none at
    // address; what was written around the allocation is said by damage.
    bool release(uint64_t address, std::string &damage);

    // clear takes all memory back.
    void clear();

    // find returns the live allocation that holds n bytes from address.
    const Allocation *find(uint64_t address, size_t n) const;
    // near describes where an address lies among the allocations, for reports.
    std::string near(uint64_t address) const;
    // damage says what was written beside an allocation; "" if nothing.
    std::string damage(const Allocation &a) const;
    bool holds(uint64_t address) const { return address >= base && address - base < window; }

    int64_t total() const { return size; }
    int64_t free() const;

private:
    uint64_t place(size_t need);

    uint64_t base = 0;
    uint64_t window = 0;
    uint64_t next = 0; // never used before
    int64_t size = 0;
    int64_t large = 0, small = 0; // bytes in use
    std::map<uint64_t, Allocation> all; // by pages; freed ones too
    std::multimap<size_t, uint64_t> used_before; // freed, by need; once the window is full
};

} // namespace emu
