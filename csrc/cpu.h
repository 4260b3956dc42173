// Which instruction set the kernels use, found once when the module loads.
#pragma once

namespace tfhash {

enum class Isa { kScalar, kNeon, kAvx2, kAvx512 };

// "scalar", "neon", "avx2", "avx512": the values that TFHASH_ISA takes.
const char* isa_name(Isa isa);

// Whether this build and this processor (and its operating system) can run it.
// kAvx512 means F, BW, DQ, VL and VPOPCNTDQ itself: the kernels count bits with it.
bool isa_available(Isa isa);

// The one TFHASH_ISA asks for; without it, the best available.
// Throws std::runtime_error where the asked-for one is unknown or absent.
Isa choose_isa();

}  // namespace tfhash
