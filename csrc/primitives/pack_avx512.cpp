#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/pack.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

// The lanes of a vector of `width` that hold numbers `at`, `at + 1`, ... of n.
inline uint64_t lanes(int64_t at, int64_t n, int width) {
  const int64_t left = n - at;
  if (left >= width) return width == 64 ? ~uint64_t(0) : (uint64_t(1) << width) - 1;
  return left <= 0 ? 0 : (uint64_t(1) << left) - 1;
}

uint32_t pack_f32(const float* x, int64_t n, uint64_t* words) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512i no_sign = _mm512_set1_epi32(0x7fffffff);
  __m512i largest = _mm512_setzero_si512();
  int64_t j = 0;
  for (; j + 64 <= n; j += 64) {
    uint64_t word = 0;
    for (int part = 0; part < 4; ++part) {
      const __m512 v = _mm512_loadu_ps(x + j + 16 * part);
      word |= uint64_t(_mm512_cmp_ps_mask(v, zero, _CMP_GT_OQ)) << (16 * part);
      largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(v), no_sign));
    }
    words[j / 64] = word;
  }
  if (j < n) {
    uint64_t word = 0;
    for (int part = 0; j + 16 * part < n; ++part) {
      const __mmask16 in = __mmask16(lanes(j + 16 * part, n, 16));
      const __m512 v = _mm512_maskz_loadu_ps(in, x + j + 16 * part);
      word |= uint64_t(_mm512_cmp_ps_mask(v, zero, _CMP_GT_OQ)) << (16 * part);
      largest = _mm512_max_epu32(largest, _mm512_and_si512(_mm512_castps_si512(v), no_sign));
    }
    words[j / 64] = word;
  }
  return _mm512_reduce_max_epu32(largest);
}

uint32_t pack_f64(const double* x, int64_t n, uint64_t* words) {
  const __m512d zero = _mm512_setzero_pd();
  const __m512i no_sign = _mm512_set1_epi64(0x7fffffffffffffff);
  __m512i largest = _mm512_setzero_si512();
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int part = 0; part < 8 && j + 8 * part < n; ++part) {
      const __mmask8 in = __mmask8(lanes(j + 8 * part, n, 8));
      const __m512d v = _mm512_maskz_loadu_pd(in, x + j + 8 * part);
      word |= uint64_t(_mm512_cmp_pd_mask(v, zero, _CMP_GT_OQ)) << (8 * part);
      largest = _mm512_max_epu64(largest, _mm512_and_si512(_mm512_castpd_si512(v), no_sign));
    }
    words[j / 64] = word;
  }
  return uint32_t(_mm512_reduce_max_epu64(largest) >> 32);
}

uint8_t pack_u8(const uint8_t* x, int64_t n, uint64_t* words) {
  __m512i all = _mm512_setzero_si512();
  for (int64_t j = 0; j < n; j += 64) {
    const __m512i v = _mm512_maskz_loadu_epi8(__mmask64(lanes(j, n, 64)), x + j);
    words[j / 64] = _mm512_test_epi8_mask(v, v);
    all = _mm512_or_si512(all, v);
  }
  const uint64_t folded = uint64_t(_mm512_reduce_or_epi64(all));
  const uint32_t half = uint32_t(folded | (folded >> 32)), quarter = half | (half >> 16);
  return uint8_t(quarter | (quarter >> 8));
}

}  // namespace

void fill_pack_avx512(PackPrimitives& table) {
  table.pack_f32 = pack_f32;
  table.pack_f64 = pack_f64;
  table.pack_u8 = pack_u8;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
