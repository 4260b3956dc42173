#include "cpu.h"

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "check.h"
#include "target.h"

#if TFHASH_X86
#ifdef _MSC_VER
#include <immintrin.h>
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

namespace tfhash {
namespace {

constexpr Isa kBestFirst[] = {Isa::kAvx512, Isa::kAvx2, Isa::kNeon, Isa::kScalar};

#if TFHASH_X86

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

Registers cpuid(uint32_t leaf) {
#ifdef _MSC_VER
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), 0);
  return {uint32_t(out[0]), uint32_t(out[1]), uint32_t(out[2]), uint32_t(out[3])};
#else
  Registers r{0, 0, 0, 0};
  __get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
#endif
}

// XCR0: which register files the operating system saves on a context switch.
uint64_t saved_state() {
#ifdef _MSC_VER
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t(high) << 32) | low;
#endif
}

bool has(uint32_t bits, int bit) { return (bits >> bit) & 1; }

struct X86Features {
  bool avx2 = false;
  bool avx512 = false;

  X86Features() {
    if (cpuid(0).eax < 7) return;
    const Registers one = cpuid(1), seven = cpuid(7);
    if (!has(one.ecx, 27)) return;  // OSXSAVE: without it xgetbv faults
    const uint64_t state = saved_state();
    const bool ymm = (state & 0x6) == 0x6;
    const bool zmm = (state & 0xe6) == 0xe6;
    const bool popcnt = has(one.ecx, 23), bmi1 = has(seven.ebx, 3), bmi2 = has(seven.ebx, 8);
    avx2 = ymm && popcnt && bmi1 && bmi2 && has(seven.ebx, 5);
    const bool f = has(seven.ebx, 16), dq = has(seven.ebx, 17), bw = has(seven.ebx, 30),
               vl = has(seven.ebx, 31), vpopcntdq = has(seven.ecx, 14);
    avx512 = avx2 && zmm && f && dq && bw && vl && vpopcntdq;
  }
};

const X86Features& x86() {
  static const X86Features features;
  return features;
}

#endif  // TFHASH_X86

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kNeon: return "neon";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    default: return "scalar";
  }
}

bool isa_available(Isa isa) {
  if (isa == Isa::kScalar) return true;
#if TFHASH_X86
  if (isa == Isa::kAvx2) return x86().avx2;
  if (isa == Isa::kAvx512) return x86().avx512;
#elif TFHASH_NEON
  if (isa == Isa::kNeon) return true;
#endif
  return false;
}

Isa choose_isa() {
  const char* asked = std::getenv("TFHASH_ISA");
  std::string available;
  for (Isa isa : kBestFirst) {
    if (!isa_available(isa)) continue;
    if (asked == nullptr || *asked == '\0' || std::string(asked) == isa_name(isa)) return isa;
    available += (available.empty() ? "" : ", ") + std::string(isa_name(isa));
  }
  throw std::runtime_error(message("TFHASH_ISA: Expected one of those this machine has: ",
                                   available, ". Received: '", asked, "'."));
}

}  // namespace tfhash
