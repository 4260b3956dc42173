#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/pack.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

uint32_t pack_f32(const float* x, int64_t n, uint64_t* words) {
  const __m256 zero = _mm256_setzero_ps();
  const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int part = 0; part < 8 && j + 8 * part < n; ++part) {
      const float* at = x + j + 8 * part;
      __m256 v;
      if (j + 8 * part + 8 <= n) {
        v = _mm256_loadu_ps(at);
      } else {
        alignas(32) float tail[8] = {};
        for (int64_t i = 0; i < n - j - 8 * part; ++i) tail[i] = at[i];
        v = _mm256_load_ps(tail);
      }
      const int mask = _mm256_movemask_ps(_mm256_cmp_ps(v, zero, _CMP_GT_OQ));
      word |= uint64_t(mask) << (8 * part);
      largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_castps_si256(v), no_sign));
    }
    words[j / 64] = word;
  }
  alignas(32) uint32_t each[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(each), largest);
  uint32_t result = 0;
  for (uint32_t value : each) result = value > result ? value : result;
  return result;
}

uint8_t pack_u8(const uint8_t* x, int64_t n, uint64_t* words) {
  const __m256i zero = _mm256_setzero_si256();
  __m256i all = zero;
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int part = 0; part < 2 && j + 32 * part < n; ++part) {
      const uint8_t* at = x + j + 32 * part;
      __m256i v;
      if (j + 32 * part + 32 <= n) {
        v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
      } else {
        alignas(32) uint8_t tail[32] = {};
        for (int64_t i = 0; i < n - j - 32 * part; ++i) tail[i] = at[i];
        v = _mm256_load_si256(reinterpret_cast<const __m256i*>(tail));
      }
      const uint32_t zeros = uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, zero)));
      word |= uint64_t(~zeros) << (32 * part);
      all = _mm256_or_si256(all, v);
    }
    words[j / 64] = word;
  }
  alignas(32) uint8_t each[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(each), all);
  uint8_t result = 0;
  for (uint8_t value : each) result |= value;
  return result;
}

}  // namespace

void fill_pack_avx2(PackPrimitives& table) {
  table.pack_f32 = pack_f32;
  table.pack_u8 = pack_u8;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
