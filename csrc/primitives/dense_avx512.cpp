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
  static constexpr int kColumns = 4;  // with kDenseLanes points, 8 sums: as many as an addition takes to be done

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

}  // namespace

void fill_dense_avx512(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
