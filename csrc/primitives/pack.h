// Rows of numbers to rows of bits.
#pragma once

#include <cstdint>

namespace tfhash {

// n numbers to ceil(n / 64) words: bit j is 1 where the number j is > 0 (for pack_u8: not 0), bits
// past n are 0. The result tells whether the row was in order:
//  - pack_f32, pack_f64: the largest bit pattern of an absolute value (for float64 its upper half);
//    at least kNotFinite32 or kNotFinite64 when a NaN or an infinity is among them.
//  - pack_u8: the bitwise or of all bytes; over 1 when a byte is neither 0 nor 1.
struct PackPrimitives {
  uint32_t (*pack_f32)(const float* x, int64_t n, uint64_t* words);
  uint32_t (*pack_f64)(const double* x, int64_t n, uint64_t* words);
  uint8_t (*pack_u8)(const uint8_t* x, int64_t n, uint64_t* words);
};

constexpr uint32_t kNotFinite32 = 0x7f800000;
constexpr uint32_t kNotFinite64 = 0x7ff00000;

void fill_pack_scalar(PackPrimitives& table);
void fill_pack_avx2(PackPrimitives& table);
void fill_pack_avx512(PackPrimitives& table);
void fill_pack_neon(PackPrimitives& table);

}  // namespace tfhash
