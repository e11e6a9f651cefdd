#include "settings.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace emu {

namespace {

// number reads a whole number in [low, high].
bool number(const std::string &s, int64_t low, int64_t high, int64_t &v) {
    char *end;
    v = strtoll(s.c_str(), &end, 10);
    return !s.empty() && *end == 0 && v >= low && v <= high;
}

template <class T> bool number(const std::string &s, int64_t low, int64_t high, T &v) {
    int64_t n;
    if (!number(s, low, high, n)) return false;
    v = T(n);
    return true;
}

bool bytes(std::string s, int64_t &v) {
    int shift = 0;
    if (!s.empty()) {
        const char unit = s.back();
        shift = unit == 'K' ? 10 : unit == 'M' ? 20 : unit == 'G' ? 30 : 0;
        if (shift) s.pop_back();
    }
    if (!number(s, 1, int64_t(1) << 40 >> shift, v)) return false;
    v <<= shift;
    return true;
}

bool compute_capability(const std::string &s, int &v) {
    for (const char *known : {"8.0", "8.6", "8.9", "9.0", "10.0", "11.0", "12.0"}) {
        if (s != known) continue;
        v = int(strtod(known, nullptr) * 10 + 0.5);
        return true;
    }
    return false;
}

// fault reads "what@n=code".
bool fault(const std::string &s, InjectedFault &f) {
    const size_t at = s.find('@'), is = s.find('=');
    if (at == std::string::npos || is == std::string::npos || at == 0 || is < at) return false;
    f.what = s.substr(0, at);
    const std::string code = s.substr(is + 1);
    f.code = code == "hang" ? InjectedFault::hang : InjectedFault::lost;
    return number(s.substr(at + 1, is - at - 1), 1, INT64_MAX, f.left) && (code == "lost" || code == "hang" || number(code, 1, 999, f.code));
}

bool fault_list(const std::string &s, std::vector<InjectedFault> &list) {
    std::vector<InjectedFault> all;
    std::istringstream in(s);
    for (std::string one; std::getline(in, one, ',');) {
        InjectedFault f;
        if (!fault(one, f)) return false;
        all.push_back(f);
    }
    list = all;
    return true;
}

const char *const names[] = {"TRONA_EMU_DEVICES", "TRONA_EMU_CC",      "TRONA_EMU_DRIVER", "TRONA_EMU_MEMORY",   "TRONA_EMU_PEERS",
                             "TRONA_EMU_SEED",    "TRONA_EMU_TIMEOUT", "TRONA_EMU_FAULT",  "TRONA_EMU_COVERAGE", "TRONA_EMU_QUIET"};

} // namespace

bool Settings::set(const std::string &name, const std::string &value) {
    if (name == "TRONA_EMU_DEVICES") return number(value, 0, 64, devices);
    if (name == "TRONA_EMU_CC") return compute_capability(value, capability);
    if (name == "TRONA_EMU_DRIVER") return number(value, 1000, 99999, driver);
    if (name == "TRONA_EMU_MEMORY") return bytes(value, memory);
    if (name == "TRONA_EMU_SEED") return number(value, 0, INT64_MAX, seed);
    if (name == "TRONA_EMU_FAULT") {
        fault_lists++;
        return fault_list(value, faults);
    }
    if (name == "TRONA_EMU_QUIET") return number(value, 0, 1, quiet);
    if (name == "TRONA_EMU_COVERAGE") {
        coverage = value;
        return true;
    }
    if (name == "TRONA_EMU_PEERS") {
        peers = value == "all";
        return peers || value == "none";
    }
    if (name == "TRONA_EMU_TIMEOUT") {
        char *end;
        timeout = strtod(value.c_str(), &end);
        return timeout > 0 && *end == 0;
    }
    return false;
}

std::string Settings::read_environment() {
    for (const char *name : names) {
        const char *value = getenv(name);
        if (value && !set(name, value)) return name;
    }
    return "";
}

int Settings::strikes(const std::string &what) {
    for (InjectedFault &f : faults) {
        if (f.what == what && f.left > 0 && --f.left == 0) return f.code;
    }
    return 0;
}

} // namespace emu
