// Settings: what the emulated machine is and what is to go wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace emu {

// Fault is one entry of TRONA_EMU_FAULT: the n-th call of what gives code.
struct InjectedFault {
    std::string what; // a driver function, a kernel, or "device1"
    int64_t left;     // calls until it strikes, 0: it has
    int code;         // CUresult, or one of these
    enum { lost = -1, hang = -2 };
};

struct Settings {
    // These count from cuInit.
    int devices = 1;
    int capability = 90; // compute capability times ten
    int driver = 12040;
    int64_t memory = int64_t(80) << 30;
    bool peers = true;

    uint64_t seed = 0;
    double timeout = 20; // seconds of a launch
    std::vector<InjectedFault> faults;
    int64_t fault_lists = 0; // that were set
    std::string coverage; // file of executed kernels' names
    bool quiet = false;

    // set changes one setting by the name of its environment variable. It
    // reports whether name and value are right.
    bool set(const std::string &name, const std::string &value);
    // read_environment sets what the environment names. It returns the name of
    // a variable with a bad value, or "".
    std::string read_environment();

    // strikes counts a call and returns the code of the fault it meets, 0 if
    // none.
    int strikes(const std::string &what);
};

} // namespace emu
