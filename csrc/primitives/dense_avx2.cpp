#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include <type_traits>

#include "primitives/dense.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

struct X {
  using Vector = __m256d;
  static constexpr int64_t kLanes = 4;
  static constexpr int kVectors = 3;  // with kDenseRows rows, 12 of the 16 registers
  static constexpr int kColumns = 2;  // of float32 weights with kDenseLanes points: 8 sums

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

  using Mask = __m256d;
  using Places = __m256i;  // of the halves of numbers
  static Places places(const int64_t* from, int64_t start) {
    const __m256i number = _mm256_sub_epi64(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)), _mm256_set1_epi64x(start));
    const __m256i low = _mm256_add_epi64(number, number);
    const __m256i high = _mm256_add_epi64(low, _mm256_set1_epi64x(1));
    const __m256i half = _mm256_set1_epi64x(0xffffffff);
    return _mm256_or_si256(_mm256_and_si256(low, half), _mm256_slli_epi64(high, 32));
  }
  static Vector pick(const double* numbers, Places places) {
    const __m256 halves = _mm256_castpd_ps(_mm256_loadu_pd(numbers));
    return _mm256_castps_pd(_mm256_permutevar8x32_ps(halves, places));
  }
  static Mask from_on(const int64_t* from, int64_t number) {
    const __m256i given = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm256_castsi256_pd(_mm256_cmpgt_epi64(given, _mm256_set1_epi64x(number - 1)));
  }
  static Mask equal(Vector a, Vector b) { return _mm256_cmp_pd(a, b, _CMP_EQ_OQ); }
  static Vector choose(Mask mask, Vector a, Vector b) { return _mm256_blendv_pd(b, a, mask); }
  static Vector subtract(Vector a, Vector b) { return _mm256_sub_pd(a, b); }
  static Vector above_zero(Vector x) { return _mm256_max_pd(x, zero()); }  // 0 for NaN too
  static Vector either(Vector a, Vector b) { return _mm256_or_pd(a, b); }
  static uint32_t signs_above(Vector x) {
    return uint32_t(_mm256_movemask_pd(_mm256_cmp_pd(x, zero(), _CMP_GT_OQ)));
  }
  static bool is_any(Vector x) {  // other than 0 and -0
    const __m256i bits = _mm256_set1_epi64x(INT64_MAX);
    return !_mm256_testz_si256(_mm256_castpd_si256(x), bits);
  }
};

#include "primitives/dense_body.h"

}  // namespace

void fill_dense_avx2(DensePrimitives& table) {
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
