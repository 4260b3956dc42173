#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/dense.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

struct X {
  using Vector = __m256d;
  static constexpr int64_t kLanes = 4;
  static constexpr int kVectors = 3;  // with kDenseRows rows, 12 of the 16 registers
  static constexpr int kColumns = 2;  // with kDenseLanes points: 8 sums

  static __m256i lanes(int64_t left) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(left), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Vector zero() { return _mm256_setzero_pd(); }
  static Vector set(double x) { return _mm256_set1_pd(x); }
  static Vector spread(const double* x) { return _mm256_set1_pd(*x); }
  static Vector spread(const float* x) { return _mm256_cvtps_pd(_mm_broadcast_ss(x)); }
  static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static Vector load(const double* x) { return _mm256_loadu_pd(x); }
  static Vector load(const float* x) { return _mm256_cvtps_pd(_mm_loadu_ps(x)); }
  static Vector load_some(const double* x, int64_t left) {
    return _mm256_maskload_pd(x, lanes(left));
  }
  static Vector load_some(const float* x, int64_t left) {
    const __m128i in = _mm_cmpgt_epi32(_mm_set1_epi32(int(left)), _mm_setr_epi32(0, 1, 2, 3));
    return _mm256_cvtps_pd(_mm_maskload_ps(x, in));
  }
  static void store(double* to, Vector x) { _mm256_storeu_pd(to, x); }
  static void store_some(double* to, int64_t left, Vector x) {
    _mm256_maskstore_pd(to, lanes(left), x);
  }
};

#include "primitives/dense_body.h"

bool blend_lanes(const double* one, const double* other, const int64_t* from,
                 const double* weight, double slope, double* out) {
  constexpr int64_t seam = kDenseLanes - 1;
  const __m256d zero = _mm256_setzero_pd(), factor = _mm256_set1_pd(slope);
  __m256d any = zero;
  bool is_any = false;
  for (int64_t p = 0; p < kDenseLanes; p += 4) {
    if (from[p] < seam && from[p + 3] >= seam) {
      for (int64_t i = p; i < p + 4; ++i) {
        out[i] = blend_lane(one, other, from[i], weight[i], slope);
        is_any |= out[i] != 0;
      }
      continue;
    }
    // Four lanes come from four numbers that follow each other, and those after each.
    const double* start = from[p] < seam ? one + from[p] : other + (from[p] - seam);
    const __m256i places = _mm256_sub_epi64(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + p)), _mm256_set1_epi64x(from[p]));
    const __m256i low = _mm256_add_epi64(places, places);
    const __m256i high = _mm256_add_epi64(low, _mm256_set1_epi64x(1));
    const __m256i halves = _mm256_or_si256(low, _mm256_slli_epi64(high, 32));
    const auto pick = [&](const double* numbers) {
      return _mm256_castps_pd(
          _mm256_permutevar8x32_ps(_mm256_castpd_ps(_mm256_loadu_pd(numbers)), halves));
    };
    const __m256d a = pick(start), b = pick(start + 1), share = _mm256_loadu_pd(weight + p);
    const __m256d between = _mm256_add_pd(a, _mm256_mul_pd(share, _mm256_sub_pd(b, a)));
    const __m256d value = _mm256_blendv_pd(between, a, _mm256_cmp_pd(share, zero, _CMP_EQ_OQ));
    const __m256d below = slope == 0 ? zero : _mm256_mul_pd(factor, value);
    const __m256d given = _mm256_blendv_pd(below, value, _mm256_cmp_pd(value, zero, _CMP_GT_OQ));
    any = _mm256_or_pd(any, _mm256_cmp_pd(given, zero, _CMP_NEQ_UQ));
    _mm256_storeu_pd(out + p, given);
  }
  return is_any || _mm256_movemask_pd(any) != 0;
}

}  // namespace

void fill_dense_avx2(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
  table.blend_lanes = blend_lanes;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
