#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/affinity.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

struct X {
  using Vector = __m512d;
  static constexpr int64_t kLanes = 8;

  static Vector set(double x) { return _mm512_set1_pd(x); }
  static Vector load(const double* x) { return _mm512_loadu_pd(x); }
  static void store(double* to, Vector x) { _mm512_storeu_pd(to, x); }
  static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
  static Vector least(Vector a, Vector b) { return _mm512_min_pd(a, b); }
  static bool all_above(Vector a, Vector b) {
    return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ) == 255;
  }
  static Vector zero_where_above(Vector x, Vector a, Vector b) {
    return _mm512_maskz_mov_pd(__mmask8(~_mm512_cmp_pd_mask(a, b, _CMP_GT_OQ)), x);
  }
  // x * 2^k, k being the low bits of `shifted`.
  static Vector times_power_of_two(Vector x, Vector shifted) {
    const __m512i exponent = _mm512_slli_epi64(_mm512_castpd_si512(shifted), 52);
    return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(x), exponent));
  }
};

#include "primitives/affinity_body.h"

}  // namespace

void fill_affinity_avx512(AffinityPrimitives& table) { table = {tile}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
