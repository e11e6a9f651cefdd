// What a block of Hopper has on its way: copies that report to barriers in
// shared memory, and products of groups of four warps.
#pragma once

#include "engine.h"
#include "launch.h"

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace emu {

// BoxMap is what the words of a TensorMap mean here: a rectangle of an array,
// whose rows go to shared memory.
struct BoxMap {
    static constexpr uint64_t right = 0x70616d20786f6220;
    uint64_t magic;
    uint64_t address;
    uint64_t size[2]; // elements of a row, rows
    uint64_t stride;  // bytes from row to row
    uint32_t box[2];
    uint32_t element; // bytes
    uint32_t unused[19];
};
static_assert(sizeof(BoxMap) == 128, "the size of a CUtensorMap");

// Signal is a barrier in shared memory.
struct Signal {
    size_t offset;
    int owner; // thread that began it
    bool published;
    int arrivals, pending; // of a phase, and those that it still lacks
    int64_t bytes;         // that it still lacks
    uint32_t parity;       // of the present phase
    Site at;
    uint32_t waiting[max_warps];
};

// Incoming is a copy to shared memory that was not carried out.
struct Incoming {
    int thread; // that asked for it
    unsigned char *to;
    const unsigned char *from; // of a plain copy
    size_t bytes;
    const BoxMap *map; // of a box
    int x, y;
    Signal *signal;
    Site at;
};

// Sums are what products of a warp add to: 16 rows.
struct Sums {
    float *of[lanes]; // the threads' numbers
    int columns;
    std::vector<float> values; // [16, columns]
    int users;                 // products that were not waited for
};

// Product is a warp's share of a group's: 16 rows.
struct Product {
    bool bf16, registers, transposed; // what a and b are
    int first; // row of the group
    uint64_t a, b;
    const uint32_t *registers_of[lanes]; // the threads' own
    uint32_t left[lanes][4];             // what they had: a in registers
    std::shared_ptr<Sums> sums;
    uint32_t group;
    bool done;
    Site at;
};

// Span is a range of bytes of shared memory.
struct Span {
    size_t begin, end;
    bool meets(size_t b, size_t e) const { return begin < e && b < end; }
};

class Async {
public:
    // enter begins a block.
    void enter(Block *b, int registers);
    // left says what is wrong with the end of a block; "" if nothing.
    std::string left() const;

    // Of the copies.
    bool idle() const { return copies.empty(); }
    // advance carries out one copy. It returns what is wrong with it.
    std::string advance(Random &random, bool any);
    // stray carries out what the copy engine does when it likes, for a thread.
    std::string stray(const Thread &t, Random &random);
    // waits describes who waits for what, for the report of a dead-lock.
    std::string waits() const;

    // For the functions of hopper.h.
    Signal &signal(void *at, Site site);
    void begin(void *at, int arrivals, Site site);
    void publish();
    std::string arrive(Signal &s, int64_t bytes, int arrivals);
    void copy(const Incoming &c);
    void fence() { unseen = true; }
    void issue(Product &&p, float *const *sums, int columns, int warp);
    void agree(const Product &p, int columns, int warp);
    void commit(int warp) { groups[warp]++; }
    void wait(int pending, int warp);

    int held[max_warps];      // registers of a warp's thread
    int spare;                // that were given back, of a thread of a warp
    bool fenced[max_threads]; // since the last commit

private:
    void carry_out(const Incoming &c);
    std::string finish(size_t i);
    void multiply(Product &p);
    unsigned char *operand(uint64_t address, const Product &p, Site at);
    Span span(const Product &p, bool left) const;
    void release(Signal &s);

    Block *block;
    std::deque<Signal> signals;
    std::vector<Incoming> copies;
    std::vector<unsigned char> seen; // shared memory as products see it
    bool unseen;                     // a fence says that they see all of it now

    struct Said { // what a group's first warp asked for
        uint64_t a, b;
        int columns;
        Site at;
    };
    std::list<Product> products[max_warps];
    uint32_t groups[max_warps];
    std::vector<Said> said[max_warps / 4];
    size_t asked[max_warps];
};

} // namespace emu
