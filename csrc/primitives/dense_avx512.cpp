#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include <type_traits>

#include "primitives/dense.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

struct X {
  using Vector = __m512d;
  static constexpr int64_t kLanes = 8;
  static constexpr int kVectors = int(kDenseColumns / kLanes);
  static constexpr int kColumns = 4;  // of float32 weights with kDenseLanes points: 8 sums

  static __mmask8 lanes(int64_t left) { return __mmask8((1u << left) - 1); }
  static Vector zero() { return _mm512_setzero_pd(); }
  static Vector set(double x) { return _mm512_set1_pd(x); }
  static Vector spread(const double* x) { return _mm512_set1_pd(*x); }
  static Vector spread(const float* x) { return _mm512_cvtps_pd(_mm256_broadcast_ss(x)); }
  static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
  static Vector load(const double* x) { return _mm512_loadu_pd(x); }
  static Vector load(const float* x) { return _mm512_cvtps_pd(_mm256_loadu_ps(x)); }
  static Vector load_some(const double* x, int64_t left) {
    return _mm512_maskz_loadu_pd(lanes(left), x);
  }
  static Vector load_some(const float* x, int64_t left) {
    return _mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes(left), x));
  }
  static void store(double* to, Vector x) { _mm512_storeu_pd(to, x); }
  static void store_some(double* to, int64_t left, Vector x) {
    _mm512_mask_storeu_pd(to, lanes(left), x);
  }

  using Mask = __mmask8;
  using Places = __m512i;
  static Places places(const int64_t* from, int64_t start) {
    return _mm512_sub_epi64(_mm512_loadu_si512(from), _mm512_set1_epi64(start));
  }
  static Vector pick(const double* numbers, Places places) {
    return _mm512_permutexvar_pd(places, _mm512_loadu_pd(numbers));
  }
  static Mask from_on(const int64_t* from, int64_t number) {
    return _mm512_cmpge_epi64_mask(_mm512_loadu_si512(from), _mm512_set1_epi64(number));
  }
  static Mask equal(Vector a, Vector b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
  static Vector choose(Mask mask, Vector a, Vector b) { return _mm512_mask_blend_pd(mask, b, a); }
  static Vector subtract(Vector a, Vector b) { return _mm512_sub_pd(a, b); }
  static Vector above_zero(Vector x) { return _mm512_max_pd(x, zero()); }  // 0 for NaN too
  static Vector either(Vector a, Vector b) { return _mm512_or_pd(a, b); }
  static uint32_t signs_above(Vector x) {
    return uint32_t(_mm512_cmp_pd_mask(x, zero(), _CMP_GT_OQ));
  }
  static bool is_any(Vector x) {  // other than 0 and -0
    return _mm512_test_epi64_mask(_mm512_castpd_si512(x), _mm512_set1_epi64(INT64_MAX)) != 0;
  }
};

#include "primitives/dense_body.h"

}  // namespace

void fill_dense_avx512(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
  table.blend_lanes = blend_lanes;
  table.mark_lanes = mark_lanes;
  table.add_offsets = add_offsets;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
