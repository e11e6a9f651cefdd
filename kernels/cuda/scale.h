// Rows of F16 numbers: each is divided by a power of two that brings its
// greatest value to 2^14, so that none overflows, and one that is lost is less
// than 2^-38 of it.
#pragma once

// scale_shift returns the exponent of that power, from the greatest magnitude
// that this thread has seen. Shared memory: a float for each warp. It ends with
// all threads of the block in step.
template <i32 threads = ROW_THREADS> DEVICE i32 scale_shift(float most) {
    float* warps = reinterpret_cast<float*>(shared());
    most = warp_max(most);
    if (lane() == 0) warps[warp()] = most;
    sync();
    UNROLL
    for (i32 w = 0; w < threads / WARP; w++) most = greatest(most, warps[w]);
    sync();
    return greatest(i32(bits<u32>(most) >> 23) - 127 - 14, -126);
}

DEVICE float power_of_two(i32 e) { return bits<float>(u32(e + 127) << 23); }

DEVICE float magnitude(float v) { return bits<float>(bits<u32>(v) & 0x7fffffff); }
