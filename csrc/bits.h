// Bits of a word.
#pragma once

#include <cstdint>

#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace tfhash {

inline int popcount64(uint64_t x) {
#ifdef _MSC_VER
  x -= (x >> 1) & 0x5555555555555555;
  x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
  return int((((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101) >> 56);
#else
  return __builtin_popcountll(x);
#endif
}

// The lowest bit that is set, of x != 0.
inline int lowest_bit(uint64_t x) {
#ifdef _MSC_VER
  unsigned long at;
#ifdef _WIN64
  _BitScanForward64(&at, x);
#endif
  return int(at);
#else
  return __builtin_ctzll(x);
#endif
}

// How many binary digits x has: 0 for 0.
inline int bit_length(uint64_t x) {
#ifdef _MSC_VER
  unsigned long at;
  return _BitScanReverse64(&at, x) ? int(at) + 1 : 0;
#else
  return x == 0 ? 0 : 64 - __builtin_clzll(x);
#endif
}

}  // namespace tfhash
