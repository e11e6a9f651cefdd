#include "launch.h"

#include <algorithm>
#include <csignal>
#include <ctime>
#include <mutex>
#include <pthread.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

namespace emu {

namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGFPE};

struct sigaction before[NSIG];

thread_local Engine *here __attribute__((tls_model("initial-exec")));

std::mutex lock;
std::vector<Engine *> &engines() {
    static auto *all = new std::vector<Engine *>; // outlives the threads that look at it
    return *all;
}

// writes reports whether the faulting access was one.
bool writes(const void *context) {
#if defined(__x86_64__)
    return static_cast<const ucontext_t *>(context)->uc_mcontext.gregs[REG_ERR] & 2;
#else
    (void)context;
    return false; // not told
#endif
}

void pass_on(int sig, siginfo_t *info, void *context) {
    const struct sigaction &old = before[sig];
    if (old.sa_flags & SA_SIGINFO) {
        old.sa_sigaction(sig, info, context);
    } else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) {
        old.sa_handler(sig);
    } else { // the access is repeated, and the process ends as it would have
        sigaction(sig, &old, nullptr);
    }
}

void caught(int sig, siginfo_t *info, void *context) {
    Engine *e = here;
    const bool sent = info->si_code <= 0;
    if (e == nullptr || !e->inside || (sent && e->spent() < e->deadline)) {
        if (!sent) pass_on(sig, info, context);
        return;
    }
    e->fault = sent ? Engine::Fault::late : sig == SIGFPE ? Engine::Fault::division : Engine::Fault::address;
    e->address = info->si_addr;
    e->writing = writes(context);
    e->inside = false;
    sigset_t set;
    sigemptyset(&set);
    for (int s : signals) sigaddset(&set, s);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    std::longjmp(e->escape, 1);
}

// watch sends a signal to threads whose launch takes too long.
void watch() {
    for (;;) {
        const timespec pause = {0, 100 * 1000 * 1000};
        nanosleep(&pause, nullptr);
        std::lock_guard<std::mutex> hold(lock);
        for (Engine *e : engines()) {
            if (e->deadline != 0 && e->spent() > e->deadline) syscall(SYS_tgkill, getpid(), e->thread_id, SIGSEGV);
        }
    }
}

int64_t time_of(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return int64_t(t.tv_sec) * 1000000000 + t.tv_nsec;
}

clockid_t own_clock() {
    clockid_t clock;
    pthread_getcpuclockid(pthread_self(), &clock);
    return clock;
}

} // namespace

int64_t now() { return time_of(CLOCK_MONOTONIC); }

int64_t Engine::spent() const { return time_of(clock); }

// An engine's OS thread handles the signals on a stack of their own, since a
// fibre's may be what is full.
Engine::Engine(Rooms &free_rooms) : thread_id(int(syscall(SYS_gettid))), clock(own_clock()), free_rooms(free_rooms) {
    stack_t alternative = {};
    sigaltstack(nullptr, &alternative);
    if (alternative.ss_flags & SS_DISABLE) { // the thread's first engine
        alternative = {};
        alternative.ss_size = 64 << 10;
        alternative.ss_sp = ::operator new(alternative.ss_size);
        sigaltstack(&alternative, nullptr);
    }
    sigset_t set;
    sigemptyset(&set);
    for (int s : signals) sigaddset(&set, s);
    pthread_sigmask(SIG_UNBLOCK, &set, nullptr);

    std::lock_guard<std::mutex> hold(lock);
    engines().push_back(this);
    static bool watched = false;
    if (!watched) {
        watched = true;
        sigset_t all, old;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        std::thread(watch).detach();
        pthread_sigmask(SIG_SETMASK, &old, nullptr);
    }
}

Engine::~Engine() {
    std::lock_guard<std::mutex> hold(lock);
    auto &all = engines();
    all.erase(std::find(all.begin(), all.end(), this));
    here = nullptr;
    stack_t none = {}, old = {};
    none.ss_flags = SS_DISABLE;
    sigaltstack(&none, &old);
    if (!(old.ss_flags & SS_DISABLE)) ::operator delete(old.ss_sp);
}

// attend makes this the engine that the thread's signals are for.
void Engine::attend() { here = this; }

void catch_faults() {
    // The program may put its own handler back at any time, so look each time.
    std::lock_guard<std::mutex> hold(lock);
    for (int s : signals) {
        struct sigaction present;
        sigaction(s, nullptr, &present);
        if ((present.sa_flags & SA_SIGINFO) && present.sa_sigaction == caught) continue;
        before[s] = present;
        struct sigaction ours = {};
        ours.sa_sigaction = caught;
        ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigfillset(&ours.sa_mask);
        sigaction(s, &ours, nullptr);
    }
}

} // namespace emu
