#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/affinity.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

struct X {
  using Vector = __m256d;
  static constexpr int64_t kLanes = 4;

  static Vector set(double x) { return _mm256_set1_pd(x); }
  static Vector load(const double* x) { return _mm256_loadu_pd(x); }
  static void store(double* to, Vector x) { _mm256_storeu_pd(to, x); }
  static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static Vector least(Vector a, Vector b) { return _mm256_min_pd(a, b); }
  static bool all_above(Vector a, Vector b) {
    return _mm256_movemask_pd(_mm256_cmp_pd(a, b, _CMP_GT_OQ)) == 15;
  }
  static Vector zero_where_above(Vector x, Vector a, Vector b) {
    return _mm256_andnot_pd(_mm256_cmp_pd(a, b, _CMP_GT_OQ), x);
  }
  // x * 2^k, k being the low bits of `shifted`.
  static Vector times_power_of_two(Vector x, Vector shifted) {
    const __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(shifted), 52);
    return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(x), exponent));
  }
};

#include "primitives/affinity_body.h"

}  // namespace

void fill_affinity_avx2(AffinityPrimitives& table) { table = {tile}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
