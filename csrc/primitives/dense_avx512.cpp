#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/dense.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

struct X {
  using Vector = __m512d;
  static constexpr int64_t kLanes = 8;
  static constexpr int kVectors = int(kDenseColumns / kLanes);
  static constexpr int kColumns = 4;  // with kDenseLanes points: 8 sums

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
};

#include "primitives/dense_body.h"

bool blend_lanes(const double* one, const double* other, const int64_t* from,
                 const double* weight, double slope, double* out) {
  constexpr int64_t seam = kDenseLanes - 1;
  const __m512d zero = _mm512_setzero_pd(), factor = _mm512_set1_pd(slope);
  bool is_any = false;
  for (int64_t p = 0; p < kDenseLanes; p += 8) {
    if (from[p] < seam && from[p + 7] >= seam) {
      for (int64_t i = p; i < p + 8; ++i) {
        out[i] = blend_lane(one, other, from[i], weight[i], slope);
        is_any |= out[i] != 0;
      }
      continue;
    }
    // Eight lanes come from eight numbers that follow each other, and those after each.
    const double* start = from[p] < seam ? one + from[p] : other + (from[p] - seam);
    const __m512i places =
        _mm512_sub_epi64(_mm512_loadu_si512(from + p), _mm512_set1_epi64(from[p]));
    const __m512d a = _mm512_permutexvar_pd(places, _mm512_loadu_pd(start));
    const __m512d b = _mm512_permutexvar_pd(places, _mm512_loadu_pd(start + 1));
    const __m512d share = _mm512_loadu_pd(weight + p);
    const __m512d between = _mm512_add_pd(a, _mm512_mul_pd(share, _mm512_sub_pd(b, a)));
    const __m512d value =
        _mm512_mask_blend_pd(_mm512_cmp_pd_mask(share, zero, _CMP_EQ_OQ), between, a);
    const __m512d below = slope == 0 ? zero : _mm512_mul_pd(factor, value);
    const __m512d given =
        _mm512_mask_blend_pd(_mm512_cmp_pd_mask(value, zero, _CMP_GT_OQ), below, value);
    is_any |= _mm512_cmp_pd_mask(given, zero, _CMP_NEQ_UQ) != 0;
    _mm512_storeu_pd(out + p, given);
  }
  return is_any;
}

}  // namespace

void fill_dense_avx512(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
  table.blend_lanes = blend_lanes;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
