#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/chords.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

struct F32 {
  using Float = float;
  using Vector = __m256;
  using Mask = __m256;  // all bits of a lane, or none
  using Wrong = __m256;
  static constexpr int kLanes = 8;
  static constexpr Float kInfinity = kChordInfinity32;
  static constexpr Float kMargin = kChordMargin32, kSlack = kChordSlack32;

  static Vector set(Float x) { return _mm256_set1_ps(x); }
  static Vector load(const Float* x, int64_t left) {
    if (left >= kLanes) return _mm256_loadu_ps(x);
    Float tail[kLanes] = {};
    for (int64_t i = 0; i < left; ++i) tail[i] = x[i];
    return _mm256_loadu_ps(tail);
  }
  static Vector abs(Vector x) { return _mm256_andnot_ps(set(Float(-0.0)), x); }
  static Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm256_div_ps(a, b); }
  static Mask positive(Vector x) { return _mm256_cmp_ps(x, set(0), _CMP_GT_OQ); }
  static Mask at_most(Vector a, Vector b) { return _mm256_cmp_ps(a, b, _CMP_LE_OQ); }
  static Mask differ(Mask a, Mask b) { return _mm256_xor_ps(a, b); }
  static Mask both(Mask a, Mask b) { return _mm256_and_ps(a, b); }
  static uint32_t lanes(Mask mask) { return uint32_t(_mm256_movemask_ps(mask)); }
  static Vector choose(Mask mask, Vector yes, Vector no) {
    return _mm256_blendv_ps(no, yes, mask);
  }
  // A NaN of x changes nothing: min gives its second operand then.
  static Vector min_where(Mask mask, Vector x, Vector least) {
    return _mm256_min_ps(_mm256_blendv_ps(least, x, mask), least);
  }
  static Vector min_where_not(Mask mask, Vector x, Vector least) {
    return _mm256_min_ps(_mm256_blendv_ps(x, least, mask), least);
  }
  static Float least(Vector x) {
    Float all[kLanes];
    _mm256_storeu_ps(all, x);
    Float result = all[0];
    for (Float one : all) result = one < result ? one : result;
    return result;
  }
  static Wrong none_wrong() { return set(0); }
  static void check(Vector a, Vector b, Wrong* wrong) {
    const Vector infinity = set(kInfinity);
    *wrong = _mm256_or_ps(*wrong, _mm256_or_ps(_mm256_cmp_ps(a, infinity, _CMP_NLT_UQ),
                                                 _mm256_cmp_ps(b, infinity, _CMP_NLT_UQ)));
  }
  static bool all_finite(Wrong wrong) { return _mm256_movemask_ps(wrong) == 0; }
};

struct F64 {
  using Float = double;
  using Vector = __m256d;
  using Mask = __m256d;  // all bits of a lane, or none
  using Wrong = __m256d;
  static constexpr int kLanes = 4;
  static constexpr Float kInfinity = kChordInfinity64;
  static constexpr Float kMargin = kChordMargin64, kSlack = kChordSlack64;

  static Vector set(Float x) { return _mm256_set1_pd(x); }
  static Vector load(const Float* x, int64_t left) {
    if (left >= kLanes) return _mm256_loadu_pd(x);
    Float tail[kLanes] = {};
    for (int64_t i = 0; i < left; ++i) tail[i] = x[i];
    return _mm256_loadu_pd(tail);
  }
  static Vector abs(Vector x) { return _mm256_andnot_pd(set(Float(-0.0)), x); }
  static Vector add(Vector a, Vector b) { return _mm256_add_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm256_mul_pd(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm256_div_pd(a, b); }
  static Mask positive(Vector x) { return _mm256_cmp_pd(x, set(0), _CMP_GT_OQ); }
  static Mask at_most(Vector a, Vector b) { return _mm256_cmp_pd(a, b, _CMP_LE_OQ); }
  static Mask differ(Mask a, Mask b) { return _mm256_xor_pd(a, b); }
  static Mask both(Mask a, Mask b) { return _mm256_and_pd(a, b); }
  static uint32_t lanes(Mask mask) { return uint32_t(_mm256_movemask_pd(mask)); }
  static Vector choose(Mask mask, Vector yes, Vector no) {
    return _mm256_blendv_pd(no, yes, mask);
  }
  // A NaN of x changes nothing: min gives its second operand then.
  static Vector min_where(Mask mask, Vector x, Vector least) {
    return _mm256_min_pd(_mm256_blendv_pd(least, x, mask), least);
  }
  static Vector min_where_not(Mask mask, Vector x, Vector least) {
    return _mm256_min_pd(_mm256_blendv_pd(x, least, mask), least);
  }
  static Float least(Vector x) {
    Float all[kLanes];
    _mm256_storeu_pd(all, x);
    Float result = all[0];
    for (Float one : all) result = one < result ? one : result;
    return result;
  }
  static Wrong none_wrong() { return set(0); }
  static void check(Vector a, Vector b, Wrong* wrong) {
    const Vector infinity = set(kInfinity);
    *wrong = _mm256_or_pd(*wrong, _mm256_or_pd(_mm256_cmp_pd(a, infinity, _CMP_NLT_UQ),
                                                 _mm256_cmp_pd(b, infinity, _CMP_NLT_UQ)));
  }
  static bool all_finite(Wrong wrong) { return _mm256_movemask_pd(wrong) == 0; }
};

#include "primitives/chords_body.h"

}  // namespace

void fill_chords_avx2(ChordPrimitives& table) {
  table.scan_f32 = scan<F32>;
  table.scan_f64 = scan<F64>;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
