#include "instruction.h"

#include <cstring>
#include <sys/user.h>

// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: "Intel AVX"
// (the VEX prefix), "ModR/M and SIB Bytes", and the page of each instruction.

namespace amx {

namespace {

// Encoding is a row of the manual: VEX.128.<prefix>.0F38.W0 <opcode>.
struct Encoding {
    Op op;
    int prefix; // 0: none, 1: 66, 2: F3, 3: F2
    int opcode;
    bool memory;
    int reg, rm; // in ModR/M; -1: any
};

constexpr Encoding encodings[] = {
    {Op::ldtilecfg, 0, 0x49, true, 0, -1},
    {Op::tilerelease, 0, 0x49, false, 0, 0},
    {Op::sttilecfg, 1, 0x49, true, 0, -1},
    {Op::tilezero, 3, 0x49, false, -1, 0},
    {Op::tileloadd, 3, 0x4B, true, -1, 4}, // 4: a SIB byte follows
    {Op::tileloadd, 1, 0x4B, true, -1, 4}, // TILELOADDT1, which differs in what stays in caches
    {Op::tilestored, 2, 0x4B, true, -1, 4},
    {Op::tdpbf16ps, 2, 0x5C, false, -1, -1},
};

const Encoding *find(int prefix, int opcode, int mod, int reg, int rm) {
    for (const Encoding &e : encodings) {
        if (e.prefix == prefix && e.opcode == opcode && e.memory == (mod != 3) && (e.reg < 0 || e.reg == reg) && (e.rm < 0 || e.rm == rm)) return &e;
    }
    return nullptr;
}

// memory reads SIB byte and displacement, of which code has n bytes, and returns their length, or 0.
int memory(Instruction &i, const uint8_t *code, int n, int mod, int rm, bool x, bool b) {
    int at = 0;
    i.base = rm + 8 * b;
    if (rm == 4) {
        if (n < 1) return 0;
        const int sib = code[at++];
        i.scale = 1 << (sib >> 6);
        i.index = (sib >> 3 & 7) + 8 * x;
        if (i.index == 4) i.index = -1;
        i.base = (sib & 7) + 8 * b;
        rm = sib & 7;
    } else if (mod == 0 && rm == 5) {
        return 0; // an address relative to RIP: no loop has one
    }
    const int bytes = mod == 1 ? 1 : mod == 2 || rm == 5 ? 4 : 0;
    if (at + bytes > n) return 0;
    if (mod == 0 && rm == 5) i.base = -1;
    if (bytes == 1) i.distance = int8_t(code[at]);
    if (bytes == 4) memcpy(&i.distance, code + at, 4);
    return at + bytes;
}

uint64_t value(const user_regs_struct &r, int number) {
    const unsigned long long all[] = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15};
    return number < 0 ? 0 : all[number];
}

} // namespace

const char *name(Op op) {
    constexpr const char *names[] = {"LDTILECFG", "STTILECFG", "TILERELEASE", "TILEZERO", "TILELOADD", "TILESTORED", "TDPBF16PS"};
    return names[int(op)];
}

uint64_t Instruction::address(const user_regs_struct &regs) const { return value(regs, base) + int64_t(distance); }

int64_t Instruction::stride(const user_regs_struct &regs) const { return int64_t(value(regs, index)) * scale; }

std::optional<Instruction> decode(const uint8_t *code, int n) {
    if (n < 5 || code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) return {}; // map 0F38; W and L are 0
    // R, X, B and vvvv are inverted.
    const bool r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
    const int v = 15 - (code[2] >> 3 & 15), mod = code[4] >> 6, reg = code[4] >> 3 & 7, rm = code[4] & 7;
    const Encoding *e = find(code[2] & 3, code[3], mod, reg, rm);
    if (e == nullptr || r) return {}; // there are eight tiles
    Instruction i = {e->op, 5};
    i.tile = reg;
    if (e->op == Op::tdpbf16ps) {
        if (b || v > 7) return {};
        i.a = rm;
        i.b = v;
        return i;
    }
    if (v != 0) return {};
    if (e->memory) {
        const int more = memory(i, code + 5, n - 5, mod, rm, x, b);
        if (more == 0 && (mod != 0 || rm == 4 || rm == 5)) return {};
        i.length += more;
    }
    return i;
}

} // namespace amx
