#include "fibre.h"

#include <cstdint>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

// What the two calling conventions preserve: System V for x86-64, AAPCS64.
#if defined(__x86_64__)
asm(R"(
.text
.globl emu_switch_fibre
.type emu_switch_fibre, @function
emu_switch_fibre:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size emu_switch_fibre, .-emu_switch_fibre
)");
#elif defined(__aarch64__)
asm(R"(
.text
.globl emu_switch_fibre
.type emu_switch_fibre, %function
emu_switch_fibre:
    sub sp, sp, #160
    stp x19, x20, [sp]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
.size emu_switch_fibre, .-emu_switch_fibre
)");
#else
#error "the emulator knows x86-64 and arm64"
#endif

namespace emu {

namespace {

const size_t page = size_t(sysconf(_SC_PAGESIZE));

// shade moves the top of a stack within a page, for the same reason.
size_t shade(size_t i) { return i * 832 % 4096; }

} // namespace

Stacks::Stacks(size_t count) : count(count) {
    void *p = mmap(nullptr, count * bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    base = static_cast<char *>(p);
    for (size_t i = 0; i < count; i++) mprotect(base + i * bytes, page, PROT_NONE);
}

Stacks::~Stacks() { munmap(base, count * bytes); }

void *Stacks::prepare(size_t i, void (*entry)()) const {
    auto top = reinterpret_cast<uintptr_t *>(base + (i + 1) * bytes - shade(i) - 64);
#if defined(__x86_64__)
    // Six registers and the address to return to; below it the alignment that
    // a function expects at its entry.
    *--top = 0;
    *--top = reinterpret_cast<uintptr_t>(entry);
    for (int r = 0; r < 6; r++) *--top = 0;
#else
    top -= 20;
    for (int r = 0; r < 20; r++) top[r] = 0;
    top[11] = reinterpret_cast<uintptr_t>(entry); // x30
#endif
    return top;
}

bool Stacks::guards(const void *address) const {
    const char *p = static_cast<const char *>(address);
    return p >= base && p < base + count * bytes && size_t(p - base) % bytes < page;
}

} // namespace emu
