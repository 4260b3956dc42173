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
  static constexpr int kColumns = 2;  // with kDenseLanes points, 8 sums: as many as an addition takes to be done

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

}  // namespace

void fill_dense_avx2(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
