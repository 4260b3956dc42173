#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/logistic.h"
#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

inline __m256 exp_of(__m256 x) {
  const __m256 rounder = _mm256_set1_ps(kRounder), one = _mm256_set1_ps(1);
  const __m256 k =
      _mm256_sub_ps(_mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(kLog2E)), rounder), rounder);
  const __m256 high = _mm256_sub_ps(x, _mm256_mul_ps(k, _mm256_set1_ps(kLn2High)));
  const __m256 r = _mm256_sub_ps(high, _mm256_mul_ps(k, _mm256_set1_ps(kLn2Low)));
  __m256 p = _mm256_set1_ps(kExp[0]);
  for (int i = 1; i < 5; ++i) p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(kExp[i]));
  p = _mm256_add_ps(_mm256_mul_ps(_mm256_add_ps(_mm256_mul_ps(p, r), one), r), one);
  const __m256i power = _mm256_add_epi32(_mm256_cvttps_epi32(k), _mm256_set1_epi32(127));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(power, 23)));
}

void residuals(const int32_t* sums, int64_t n, const float* unit, const float* sign,
               int32_t* out) {
  const __m256 rounder = _mm256_set1_ps(kRounder), one = _mm256_set1_ps(1);
  const __m256 most = _mm256_set1_ps(kExpLimit), least = _mm256_set1_ps(-kExpLimit);
  for (int half = 0; half < kLanes; half += 8) {
    const __m256 signs = _mm256_load_ps(sign + half);
    const __m256 units = _mm256_mul_ps(_mm256_load_ps(unit + half), signs);
    const __m256 whole = _mm256_mul_ps(_mm256_set1_ps(1 << kResidualBits), signs);
    for (int64_t i = 0; i < n; ++i) {
      const __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + i * kLanes + half));
      __m256 x = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), units);
      x = _mm256_min_ps(most, _mm256_max_ps(least, x));
      const __m256 e = exp_of(_mm256_sub_ps(_mm256_setzero_ps(), x));
      const __m256 residual = _mm256_div_ps(whole, _mm256_add_ps(one, e));
      const __m256 rounded = _mm256_sub_ps(_mm256_add_ps(residual, rounder), rounder);
      _mm256_store_si256(reinterpret_cast<__m256i*>(out + i * kLanes + half), _mm256_cvttps_epi32(rounded));
    }
  }
}

}  // namespace

void fill_logistic_avx2(LogisticPrimitives& table) { table = {residuals}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
