// Fibres: stacks between which one OS thread switches by hand.
#pragma once

#include <cstddef>

namespace emu {

// switch_fibre saves the registers that a call preserves on the present stack,
// stores its top in *from, and goes on where the stack `to` was left.
extern "C" void emu_switch_fibre(void **from, void *to);

// Stacks are many stacks of one size, each above a page without access.
class Stacks {
public:
    // Of one, its guard page included. It is no power of two, so that the tops
    // do not compete for the same lines of the processor's caches.
    static constexpr size_t bytes = 68 << 10;

    explicit Stacks(size_t count);
    ~Stacks();
    Stacks(const Stacks &) = delete;
    Stacks &operator=(const Stacks &) = delete;

    // prepare returns the top of stack i, so that the first switch to it calls
    // entry, which must not return.
    void *prepare(size_t i, void (*entry)()) const;

    // guards reports whether an address lies in the guard page of a stack.
    bool guards(const void *address) const;

private:
    char *base;
    size_t count;
};

} // namespace emu
