// The instructions of AMX that the loops of amx_amd64.s use.
#pragma once

#include <cstdint>
#include <optional>

struct user_regs_struct;

namespace amx {

enum class Op { ldtilecfg, sttilecfg, tilerelease, tilezero, tileloadd, tilestored, tdpbf16ps };

const char *name(Op op);

struct Instruction {
    Op op;
    int length;                   // bytes
    int tile = 0, a = 0, b = 0;   // a and b are the factors of a product
    int base = -1, index = -1;    // numbers of registers; -1: none
    int scale = 1, distance = 0;  // the address is base + distance, that of row i index*scale*i behind

    uint64_t address(const user_regs_struct &regs) const;
    int64_t stride(const user_regs_struct &regs) const;
};

// longest is the most bytes of an instruction of any kind.
constexpr int longest = 15;

// decode returns what stands at code, n bytes; nothing if that is another instruction.
std::optional<Instruction> decode(const uint8_t *code, int n);

} // namespace amx
