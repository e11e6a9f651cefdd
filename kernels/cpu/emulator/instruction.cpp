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

// memory reads what ModR/M at code[at] and the bytes behind it say of an address, to which prefixes
// add x and b.
void memory(Instruction &i, const Code &code, int at, bool x, bool b) {
    const int mod = code[at] >> 6;
    int rm = code[at++] & 7;
    const bool relative = mod == 0 && rm == 5;
    if (rm == 4) {
        const int sib = code[at++];
        i.scale = 1 << (sib >> 6);
        i.index = (sib >> 3 & 7) + 8 * x;
        if (i.index == 4) i.index = -1;
        rm = sib & 7;
    }
    const bool none = mod == 0 && rm == 5;
    i.base = relative ? 16 : none ? -1 : rm + 8 * b;
    if (mod == 1) i.distance = int8_t(code[at++]);
    if (mod == 2 || none) {
        memcpy(&i.distance, &code[at], 4);
        at += 4;
    }
    i.length = at;
}

// prefetch decodes PREFETCHh, 0F 18 behind a REX prefix or none.
std::optional<Instruction> prefetch(const Code &code) {
    const int rex = (code[0] & 0xF0) == 0x40;
    if (code[rex] != 0x0F || code[rex + 1] != 0x18 || code[rex + 2] >> 6 == 3) return {};
    Instruction i = {Op::prefetch, 0};
    memory(i, code, rex + 2, false, false); // of which the length counts
    return i;
}

uint64_t value(const user_regs_struct &r, int number) {
    const unsigned long long all[] = {r.rax, r.rcx, r.rdx, r.rbx, r.rsp, r.rbp, r.rsi, r.rdi, r.r8, r.r9, r.r10, r.r11, r.r12, r.r13, r.r14, r.r15, r.rip};
    return number < 0 ? 0 : all[number];
}

} // namespace

const char *name(Op op) {
    constexpr const char *names[] = {"LDTILECFG", "STTILECFG", "TILERELEASE", "TILEZERO", "TILELOADD", "TILESTORED", "TDPBF16PS", "PREFETCH"};
    return names[int(op)];
}

uint64_t Instruction::address(const user_regs_struct &regs) const {
    return value(regs, base) + int64_t(distance) + (base == 16 ? length : 0);
}

int64_t Instruction::stride(const user_regs_struct &regs) const { return int64_t(value(regs, index)) * scale; }

std::optional<Instruction> decode(const Code &code) {
    if (const auto hint = prefetch(code)) return hint;
    if (code[0] != 0xC4 || (code[1] & 0x1F) != 2 || (code[2] & 0x84) != 0) return {}; // map 0F38; W and L are 0
    // R, X, B and vvvv are inverted.
    const bool r = !(code[1] & 0x80), x = !(code[1] & 0x40), b = !(code[1] & 0x20);
    const int v = 15 - (code[2] >> 3 & 15), mod = code[4] >> 6, reg = code[4] >> 3 & 7, rm = code[4] & 7;
    const Encoding *e = find(code[2] & 3, code[3], mod, reg, rm);
    const bool product = e != nullptr && e->op == Op::tdpbf16ps;
    if (e == nullptr || r || v > (product ? 7 : 0) || (product && b)) return {}; // there are eight tiles
    Instruction i = {e->op, 5};
    i.tile = reg;
    i.a = rm;
    i.b = v;
    if (e->memory) memory(i, code, 4, x, b);
    return i;
}

} // namespace amx
