#include <algorithm>
#include <cstring>

#include "primitives/pack.h"

namespace tfhash {
namespace {

uint32_t magnitude(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits & 0x7fffffff;
}

uint32_t magnitude(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return uint32_t(bits >> 32) & 0x7fffffff;
}

template <class Float>
uint32_t pack_float(const Float* x, int64_t n, uint64_t* words) {
  uint32_t largest = 0;
  for (int64_t j = 0; j < n; j += 64) {
    const int64_t end = std::min<int64_t>(64, n - j);
    uint64_t word = 0;
    for (int64_t i = 0; i < end; ++i) {
      word |= uint64_t(x[j + i] > 0) << i;
      largest = std::max(largest, magnitude(x[j + i]));
    }
    words[j / 64] = word;
  }
  return largest;
}

uint8_t pack_u8(const uint8_t* x, int64_t n, uint64_t* words) {
  uint8_t all = 0;
  for (int64_t j = 0; j < n; j += 64) {
    const int64_t end = std::min<int64_t>(64, n - j);
    uint64_t word = 0;
    for (int64_t i = 0; i < end; ++i) {
      word |= uint64_t(x[j + i] != 0) << i;
      all |= x[j + i];
    }
    words[j / 64] = word;
  }
  return all;
}

}  // namespace

void fill_pack_scalar(PackPrimitives& table) {
  table.pack_f32 = pack_float<float>;
  table.pack_f64 = pack_float<double>;
  table.pack_u8 = pack_u8;
}

}  // namespace tfhash
