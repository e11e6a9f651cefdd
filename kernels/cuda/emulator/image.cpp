#include "image.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <regex>

namespace emu {

namespace {

// ELF64 (System V ABI), and what NVIDIA added to it, as cuobjdump -elf names
// it.
constexpr unsigned header_bytes = 64, section_bytes = 64;
constexpr uint16_t machine_cuda = 190;
constexpr uint8_t abi_cuda12 = 0x33; // the architecture in the low byte of the flags, else in the second
constexpr uint8_t info_half = 3, info_sized = 4;
constexpr uint8_t attribute_max_threads = 0x05, attribute_frame = 0x11, attribute_param = 0x17, attribute_registers = 0x2f;
constexpr int reserved_shared = 1024; // of a block, by the system, from 9.0 on

template <class T> T get(const unsigned char *p) {
    T v;
    memcpy(&v, p, sizeof v);
    return v;
}

struct Section {
    std::string name;
    const unsigned char *data;
    uint64_t size;
    uint32_t type, link;
};

// Elf is machine code being read. The driver's interface gives no length, so
// only what the header says can be checked.
class Elf {
public:
    explicit Elf(const unsigned char *data) : data(data) {}
    CUresult read(Image &image, std::string &what);

private:
    void sections();
    void info(Image &image, const Section &s);
    void attribute(Image &image, ImageKernel *kernel, uint8_t attribute, const unsigned char *value, uint16_t size);
    ImageKernel *symbol(Image &image, uint32_t i);

    const unsigned char *data;
    std::vector<Section> all;
};

void Elf::sections() {
    const auto table = data + get<uint64_t>(data + 40);
    const int count = get<uint16_t>(data + 60), names = get<uint16_t>(data + 62);
    const auto text = data + get<uint64_t>(table + names * section_bytes + 24);
    for (int i = 0; i < count; i++) {
        const auto s = table + i * section_bytes;
        all.push_back({reinterpret_cast<const char *>(text + get<uint32_t>(s)), data + get<uint64_t>(s + 24), get<uint64_t>(s + 32),
                       get<uint32_t>(s + 4), get<uint32_t>(s + 40)});
    }
}

// symbol returns the kernel that symbol i names, if it is one.
ImageKernel *Elf::symbol(Image &image, uint32_t i) {
    for (const Section &s : all) {
        if (s.type != 2 || (i + 1) * 24 > s.size) continue;
        const auto names = all[s.link].data;
        const auto k = image.kernels.find(reinterpret_cast<const char *>(names + get<uint32_t>(s.data + i * 24)));
        return k == image.kernels.end() ? nullptr : &k->second;
    }
    return nullptr;
}

void Elf::attribute(Image &image, ImageKernel *kernel, uint8_t attribute, const unsigned char *value, uint16_t size) {
    if (attribute == attribute_registers && size >= 8) {
        if (ImageKernel *k = symbol(image, get<uint32_t>(value))) k->registers = get<int32_t>(value + 4);
    } else if (attribute == attribute_frame && size >= 8) {
        if (ImageKernel *k = symbol(image, get<uint32_t>(value))) k->local = get<int32_t>(value + 4);
    } else if (kernel && attribute == attribute_max_threads && size >= 12) {
        kernel->threads = get<int32_t>(value) * get<int32_t>(value + 4) * get<int32_t>(value + 8);
    } else if (kernel && attribute == attribute_param && size >= 12) {
        const size_t ordinal = get<uint16_t>(value + 4);
        if (kernel->params.size() <= ordinal) kernel->params.resize(ordinal + 1);
        kernel->params[ordinal] = int(get<uint32_t>(value + 8) >> 18);
    }
}

void Elf::info(Image &image, const Section &s) {
    const std::string name = s.name.size() > 9 ? s.name.substr(9) : "";
    const auto k = image.kernels.find(name);
    for (uint64_t at = 0; at + 4 <= s.size;) {
        const uint8_t format = s.data[at];
        const uint16_t size = get<uint16_t>(s.data + at + 2);
        if (format == info_sized && at + 4 + size <= s.size) {
            attribute(image, k == image.kernels.end() ? nullptr : &k->second, s.data[at + 1], s.data + at + 4, size);
        }
        at += 4 + (format == info_sized ? size : 0);
    }
}

CUresult Elf::read(Image &image, std::string &what) {
    if (data[4] != 2 || data[5] != 1 || get<uint16_t>(data + 18) != machine_cuda || data[20] == 0) {
        what = "the image is an ELF file, but not of CUDA code";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    const uint32_t flags = get<uint32_t>(data + 48);
    const bool old = data[7] == abi_cuda12;
    image.capability = int(old ? flags & 0xff : flags >> 8 & 0xff);
    image.exact = old ? flags >> 11 & 1 : flags >> 3 & 1;
    sections();
    const bool reserved = std::any_of(all.begin(), all.end(), [](const Section &s) { return s.name == ".nv.shared.reserved.0"; });
    for (const Section &s : all) {
        if (s.name.rfind(".text.", 0) == 0) image.kernels[s.name.substr(6)];
    }
    for (const Section &s : all) {
        if (s.name.rfind(".nv.info", 0) == 0) info(image, s);
        const auto k = s.name.rfind(".nv.shared.", 0) == 0 ? image.kernels.find(s.name.substr(11)) : image.kernels.end();
        if (k != image.kernels.end()) k->second.shared = std::max(0, int(s.size) - (reserved ? reserved_shared : 0));
    }
    return CUDA_SUCCESS;
}

// Ptx is text being read.
class Ptx {
public:
    explicit Ptx(const char *text) : text(text) {}
    CUresult read(Image &image, std::string &what);

private:
    static int size_of(const std::string &type);
    static void params(const std::string &list, ImageKernel &k);

    const std::string text;
};

int Ptx::size_of(const std::string &type) {
    const size_t digit = type.find_first_of("0123456789");
    return digit == std::string::npos ? 0 : std::stoi(type.substr(digit)) / 8;
}

void Ptx::params(const std::string &list, ImageKernel &k) {
    static const std::regex one(R"(\.param\s+(?:\.align\s+\d+\s+)?\.(\w+)(?:\s+\.ptr\S*)*\s+[\w$]+(?:\[(\d+)\])?)");
    for (std::sregex_iterator i(list.begin(), list.end(), one), end; i != end; ++i) {
        const int size = size_of((*i)[1]);
        k.params.push_back((*i)[2].matched ? size * std::stoi((*i)[2]) : size);
    }
}

CUresult Ptx::read(Image &image, std::string &what) {
    std::smatch m;
    static const std::regex version(R"(\.version\s+(\d+)\.(\d+))"), target(R"(\.target\s+sm_(\d+)(a?))");
    if (!std::regex_search(text, m, version)) {
        what = "the image is neither machine code nor PTX";
        return CUDA_ERROR_INVALID_IMAGE;
    }
    image.ptx = std::stoi(m[1]) * 10 + std::stoi(m[2]);
    if (!std::regex_search(text, m, target)) {
        what = "the PTX names no target";
        return CUDA_ERROR_INVALID_PTX;
    }
    image.capability = std::stoi(m[1]);
    image.exact = m[2].length() > 0;
    static const std::regex threads(R"(^\s*\.(?:maxntid|reqntid)\s+(\d+)\s*(?:,\s*(\d+))?\s*(?:,\s*(\d+))?)");
    for (size_t at = text.find(".entry"); at != std::string::npos; at = text.find(".entry", at + 1)) {
        const size_t name = text.find_first_not_of(" \t\n", at + 6), open = text.find_first_of("( \t\n", name);
        const size_t close = text.find(')', open), body = text.find('{', close);
        if (body == std::string::npos) {
            what = "the PTX has an .entry without a body";
            return CUDA_ERROR_INVALID_PTX;
        }
        ImageKernel &k = image.kernels[text.substr(name, open - name)];
        params(text.substr(open, close - open), k);
        const std::string directives = text.substr(close + 1, body - close - 1);
        if (std::regex_search(directives, m, threads)) {
            k.threads = 1;
            for (int i = 1; i <= 3; i++) k.threads *= m[i].matched ? std::stoi(m[i]) : 1;
        }
    }
    return CUDA_SUCCESS;
}

} // namespace

CUresult Image::read(const void *data, std::string &what) {
    if (memcmp(data, "\x7f" "ELF", 4) == 0) return Elf(static_cast<const unsigned char *>(data)).read(*this, what);
    if (memcmp(data, "\x50\xed\x55\xba", 4) == 0) {
        what = "a fat binary: give the machine code or PTX in it";
        return CUDA_ERROR_NOT_SUPPORTED;
    }
    return Ptx(static_cast<const char *>(data)).read(*this, what);
}

} // namespace emu
