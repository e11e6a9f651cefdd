// The instructions of AMX that the loops of amx_amd64.s use, and the prefetches that stand
// between them: not to stop behind each of those saves half of the time.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

struct user_regs_struct;

namespace amx {

enum class Op { ldtilecfg, sttilecfg, tilerelease, tilezero, tileloadd, tilestored, tdpbf16ps, prefetch };

const char *name(Op op);

struct Instruction {
    Op op;
    int length;                  // bytes
    int tile = 0, a = 0, b = 0;  // a and b are the factors of a product
    int base = -1, index = -1;   // numbers of registers, 16 is RIP; -1: none
    int scale = 1, distance = 0; // the address is base + distance, that of row i index*scale*i behind

    uint64_t address(const user_regs_struct &regs) const;
    int64_t stride(const user_regs_struct &regs) const;
};

// Code has as many bytes as the longest instruction of any kind.
using Code = std::array<uint8_t, 15>;

// decode returns the instruction that begins there; nothing if it is of another kind.
std::optional<Instruction> decode(const Code &code);

} // namespace amx
