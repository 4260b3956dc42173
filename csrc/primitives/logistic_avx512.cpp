#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/logistic.h"
#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

inline __m512 exp_of(__m512 x) {
  const __m512 rounder = _mm512_set1_ps(kRounder), one = _mm512_set1_ps(1);
  const __m512 k =
      _mm512_sub_ps(_mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(kLog2E)), rounder), rounder);
  const __m512 high = _mm512_sub_ps(x, _mm512_mul_ps(k, _mm512_set1_ps(kLn2High)));
  const __m512 r = _mm512_sub_ps(high, _mm512_mul_ps(k, _mm512_set1_ps(kLn2Low)));
  __m512 p = _mm512_set1_ps(kExp[0]);
  for (int i = 1; i < 5; ++i) p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(kExp[i]));
  p = _mm512_add_ps(_mm512_mul_ps(_mm512_add_ps(_mm512_mul_ps(p, r), one), r), one);
  const __m512i power = _mm512_add_epi32(_mm512_cvttps_epi32(k), _mm512_set1_epi32(127));
  return _mm512_mul_ps(p, _mm512_castsi512_ps(_mm512_slli_epi32(power, 23)));
}

void residuals(const int32_t* sums, int64_t n, const float* unit, const float* sign,
               int32_t* out) {
  const __m512 rounder = _mm512_set1_ps(kRounder), one = _mm512_set1_ps(1);
  const __m512 most = _mm512_set1_ps(kExpLimit), least = _mm512_set1_ps(-kExpLimit);
  const __m512 signs = _mm512_load_ps(sign);
  const __m512 units = _mm512_mul_ps(_mm512_load_ps(unit), signs);
  const __m512 whole = _mm512_mul_ps(_mm512_set1_ps(1 << kResidualBits), signs);
  for (int64_t i = 0; i < n; ++i) {
    const __m512i sum = _mm512_load_si512(sums + i * kLanes);
    __m512 x = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), units);
    x = _mm512_min_ps(most, _mm512_max_ps(least, x));
    const __m512 e = exp_of(_mm512_sub_ps(_mm512_setzero_ps(), x));
    const __m512 residual = _mm512_div_ps(whole, _mm512_add_ps(one, e));
    const __m512 rounded = _mm512_sub_ps(_mm512_add_ps(residual, rounder), rounder);
    _mm512_store_si512(out + i * kLanes, _mm512_cvttps_epi32(rounded));
  }
}

}  // namespace

void fill_logistic_avx512(LogisticPrimitives& table) { table = {residuals}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
