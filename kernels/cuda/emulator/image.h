// Images: what a compiled module says about its kernels.
#pragma once

#include "abi.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace emu {

// ImageKernel is a kernel as its image describes it.
struct ImageKernel {
    std::vector<int> params; // bytes of each
    int registers = 0;       // of a thread; 0: unknown
    int threads = 1024;      // of a block, at most
    int shared = 0;          // static bytes
    int local = 0;           // bytes of stack of a thread
};

// Image is a cubin or PTX text.
struct Image {
    int capability = 0;    // 90: machine code for 9.0, or the least that PTX asks for
    bool exact = false;    // for that capability alone, as sm_90a
    int ptx = 0;           // 80: PTX 8.0; 0: machine code
    std::map<std::string, ImageKernel> kernels;

    // read reads an image. Machine code tells its own length; PTX ends with a
    // zero. what says what is wrong with it.
    CUresult read(const void *data, std::string &what);
};

} // namespace emu
