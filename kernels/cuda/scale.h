// Rows of F16 numbers: each is divided by a power of two that brings its
// greatest value to 2^14, so that none overflows, and one that is lost is less
// than 2^-38 of it.
#pragma once

// shift_of returns the exponent of that power, from the greatest magnitude or more.
DEVICE i32 shift_of(float most) { return greatest(i32(bits<u32>(most) >> 23) - 127 - 14, -126); }

DEVICE float power_of_two(i32 e) { return bits<float>(u32(e + 127) << 23); }
