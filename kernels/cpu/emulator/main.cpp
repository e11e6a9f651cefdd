// Runs a program on a processor without AMX as if it had the instructions of tiles.
//
// Usage: amx PROGRAM [ARGUMENT ...]
//
// The program sees TRONA_EMULATED_AMX=1, for CPUID cannot be asked to lie. Its threads are traced
// (ptrace(2)): where one stops at an illegal instruction that is one of AMX, its effect is carried
// out and the thread goes on behind it. What a processor refuses, and tiles that are configured
// twice without a release, is reported with the instruction's address and ends the program.
// Programs that it starts have no tiles. Where it cannot work, for lack of a processor's
// instructions or of the right to trace, or because the processor has tiles, its exit status is
// 69, EX_UNAVAILABLE.
#include "instruction.h"
#include "tiles.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>
#include <unordered_map>

namespace amx {

namespace {

constexpr uint64_t request_permission = 0x1023, tile_data = 18; // of arch_prctl(2)

[[noreturn]] void fail(const char *what, int status = EX_OSERR) {
    fprintf(stderr, "amx: %s: %s\n", what, strerror(errno));
    exit(status);
}

// become runs the program, once it is traced, which a byte at gate says. The tracer is told of
// calls that ask for the permission to use tiles, and of no other.
[[noreturn]] void become(char **argv, int gate) {
    char go;
    if (read(gate, &go, 1) != 1) _exit(1);
    const auto field = [](size_t offset) { return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, uint32_t(offset)); };
    sock_filter filter[] = {
        field(offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 3),
        field(offsetof(seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, request_permission, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) fail("seccomp");
    setenv("TRONA_EMULATED_AMX", "1", 1);
    execvp(argv[0], argv);
    fail(argv[0]);
}

class Tracer {
  public:
    explicit Tracer(pid_t program) : program(program) {}
    int run();
    long carried_out = 0;

  private:
    bool emulate(pid_t thread);
    void carry_out(const Instruction &i, const user_regs_struct &regs, Tiles &tiles);
    const std::optional<Instruction> &at(uint64_t address);
    void permit(pid_t thread);
    void stopped(pid_t thread, int status);
    void move(uint64_t address, int64_t stride, int rows, int bytes, uint8_t *data, int apart, bool store);

    const pid_t program;
    bool permitted = false;
    std::unordered_map<pid_t, Tiles> threads;
    std::unordered_map<uint64_t, std::optional<Instruction>> code; // it does not change
};

// at returns the instruction at an address, if it is one of AMX.
const std::optional<Instruction> &Tracer::at(uint64_t address) {
    const auto found = code.find(address);
    if (found != code.end()) return found->second;
    Code bytes = {};
    const uint64_t page = 4096, here = std::min<uint64_t>(bytes.size(), page - address % page); // of this page; the next may be none
    iovec local = {bytes.data(), bytes.size()}, remote[] = {{(void *)address, here}, {(void *)(address + here), bytes.size() - here}};
    process_vm_readv(program, &local, 1, remote, 2, 0);
    return code[address] = decode(bytes);
}

// move copies rows between the program's memory and data, whose rows are `apart`.
void Tracer::move(uint64_t address, int64_t stride, int rows, int bytes, uint8_t *data, int apart, bool store) {
    iovec local[most_rows], remote[most_rows];
    if (stride == bytes && bytes == apart) { // one copy is much faster than many
        bytes *= rows;
        rows = 1;
    }
    for (int i = 0; i < rows; i++) {
        local[i] = {data + i * apart, size_t(bytes)};
        remote[i] = {(void *)(address + stride * i), size_t(bytes)};
    }
    const auto copy = store ? process_vm_writev : process_vm_readv;
    if (copy(program, local, rows, remote, rows, 0) == ssize_t(rows) * bytes) return;
    char text[96];
    snprintf(text, sizeof text, "no %s memory at %#lx: %d times %d bytes", store ? "writable" : "readable", address, rows, bytes);
    throw Illegal(text);
}

void Tracer::carry_out(const Instruction &i, const user_regs_struct &regs, Tiles &tiles) {
    const uint64_t address = i.address(regs);
    Tiles::Config config;
    if (!permitted) throw Illegal("the program did not ask the system for tiles");
    switch (i.op) {
    case Op::ldtilecfg:
        move(address, 0, 1, int(config.size()), config.data(), 0, false);
        return tiles.configure(config);
    case Op::sttilecfg:
        config = tiles.config();
        return move(address, 0, 1, int(config.size()), config.data(), 0, true);
    case Op::tilerelease:
        return tiles.release();
    case Op::tilezero:
        return tiles.zero(i.tile);
    case Op::tileloadd:
        tiles.zero(i.tile);
        [[fallthrough]];
    case Op::tilestored: {
        Tile &t = tiles.tile(i.tile);
        return move(address, i.stride(regs), t.rows, t.bytes, t.data[0], row_bytes, i.op == Op::tilestored);
    }
    case Op::tdpbf16ps:
        return tiles.multiply(i.tile, i.a, i.b);
    case Op::prefetch:
        return;
    }
}

// emulate carries out the instructions that begin where a thread stands, as far as it can. It
// reports whether there was one.
bool Tracer::emulate(pid_t thread) {
    user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, thread, 0, &regs) != 0) return false; // killed meanwhile
    const uint64_t from = regs.rip;
    for (auto *i = &at(regs.rip); *i; i = &at(regs.rip)) {
        try {
            carry_out(**i, regs, threads[thread]);
        } catch (const Illegal &e) {
            fprintf(stderr, "amx: %s at %#llx: %s\n", name((*i)->op), regs.rip, e.what());
            kill(program, SIGKILL);
            return true;
        }
        regs.rip += (*i)->length;
        carried_out += (*i)->op != Op::prefetch;
    }
    if (regs.rip == from) return false;
    ptrace(PTRACE_SETREGS, thread, 0, &regs);
    return true;
}

// permit answers the question whether tiles may be used.
void Tracer::permit(pid_t thread) {
    user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, thread, 0, &regs) != 0) return;
    permitted = regs.rsi == tile_data;
    regs.orig_rax = -1ULL; // the kernel is not asked
    regs.rax = permitted ? 0 : uint64_t(-EINVAL);
    ptrace(PTRACE_SETREGS, thread, 0, &regs);
}

// stopped lets a thread go on.
void Tracer::stopped(pid_t thread, int status) {
    const int signal = WSTOPSIG(status), event = status >> 16;
    if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) { // the program was stopped, as by Ctrl-Z
        ptrace(PTRACE_LISTEN, thread, 0, 0);
        return;
    }
    if (event == PTRACE_EVENT_SECCOMP) permit(thread);
    const bool mine = event != 0 || (signal == SIGILL && emulate(thread));
    ptrace(PTRACE_CONT, thread, 0, mine ? 0 : signal);
}

// run returns the program's exit status.
int Tracer::run() {
    for (;;) {
        int status;
        const pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) fail("waitpid");
        if (WIFSTOPPED(status)) {
            stopped(thread, status);
            continue;
        }
        threads.erase(thread);
        if (thread == program) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: amx PROGRAM [ARGUMENT ...]\n");
        return 2;
    }
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512vnni")) {
        fprintf(stderr, "amx: this processor lacks AVX512_BF16 or AVX512_VNNI, which processors with AMX have\n");
        return EX_UNAVAILABLE;
    }
    if (__builtin_cpu_supports("amx-tile")) {
        fprintf(stderr, "amx: this processor has tiles: what configures them does not stop\n");
        return EX_UNAVAILABLE;
    }
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) != 0) fail("pipe");
    const pid_t program = fork();
    if (program < 0) fail("fork");
    if (program == 0) {
        close(gate[1]); // so that it ends if the tracer does
        become(argv + 1, gate[0]);
    }
    if (ptrace(PTRACE_SEIZE, program, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACESECCOMP) != 0) {
        const int why = errno;
        kill(program, SIGKILL);
        errno = why;
        fail("ptrace", EX_UNAVAILABLE);
    }
    if (write(gate[1], "", 1) != 1) fail("pipe");
    close(gate[0]);
    close(gate[1]);
    flush_denormals();
    Tracer tracer(program);
    const int status = tracer.run();
    fprintf(stderr, "amx: %ld instructions of tiles were emulated\n", tracer.carried_out);
    return status;
}

} // namespace

} // namespace amx

int main(int argc, char **argv) { return amx::main(argc, argv); }
