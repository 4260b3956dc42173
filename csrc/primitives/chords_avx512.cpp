#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/chords.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

struct F32 {
  using Float = float;
  using Vector = __m512;
  using Mask = __mmask16;
  using Wrong = __m512i;  // the largest bit patterns of absolute values
  static constexpr int kLanes = 16;
  static constexpr Float kInfinity = kChordInfinity32;
  static constexpr Float kMargin = kChordMargin32, kSlack = kChordSlack32;

  static Vector set(Float x) { return _mm512_set1_ps(x); }
  static Vector load(const Float* x, int64_t left) {
    const Mask in = left >= kLanes ? Mask(-1) : Mask((1u << left) - 1);
    return _mm512_maskz_loadu_ps(in, x);
  }
  static Vector abs(Vector x) { return _mm512_abs_ps(x); }
  static Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm512_div_ps(a, b); }
  static Mask positive(Vector x) { return _mm512_cmp_ps_mask(x, set(0), _CMP_GT_OQ); }
  static Mask at_most(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ); }
  static Mask differ(Mask a, Mask b) { return Mask(a ^ b); }
  static Mask both(Mask a, Mask b) { return Mask(a & b); }
  static uint32_t lanes(Mask mask) { return mask; }
  static Vector choose(Mask mask, Vector yes, Vector no) {
    return _mm512_mask_blend_ps(mask, no, yes);
  }
  // A NaN of x changes nothing: min gives its second operand then.
  static Vector min_where(Mask mask, Vector x, Vector least) {
    return _mm512_mask_min_ps(least, mask, x, least);
  }
  static Vector min_where_not(Mask mask, Vector x, Vector least) {
    return _mm512_mask_min_ps(least, Mask(~mask), x, least);
  }
  static Float least(Vector x) { return _mm512_reduce_min_ps(x); }
  static Wrong none_wrong() { return _mm512_setzero_si512(); }
  static void check(Vector a, Vector b, Wrong* wrong) {
    const __m512i larger = _mm512_max_epu32(_mm512_castps_si512(a), _mm512_castps_si512(b));
    *wrong = _mm512_max_epu32(*wrong, larger);
  }
  static bool all_finite(Wrong wrong) {
    return _mm512_cmpge_epu32_mask(wrong, _mm512_set1_epi32(0x7f800000)) == 0;
  }
};

struct F64 {
  using Float = double;
  using Vector = __m512d;
  using Mask = __mmask8;
  using Wrong = __m512i;  // the largest bit patterns of absolute values
  static constexpr int kLanes = 8;
  static constexpr Float kInfinity = kChordInfinity64;
  static constexpr Float kMargin = kChordMargin64, kSlack = kChordSlack64;

  static Vector set(Float x) { return _mm512_set1_pd(x); }
  static Vector load(const Float* x, int64_t left) {
    const Mask in = left >= kLanes ? Mask(-1) : Mask((1u << left) - 1);
    return _mm512_maskz_loadu_pd(in, x);
  }
  static Vector abs(Vector x) { return _mm512_abs_pd(x); }
  static Vector add(Vector a, Vector b) { return _mm512_add_pd(a, b); }
  static Vector multiply(Vector a, Vector b) { return _mm512_mul_pd(a, b); }
  static Vector divide(Vector a, Vector b) { return _mm512_div_pd(a, b); }
  static Mask positive(Vector x) { return _mm512_cmp_pd_mask(x, set(0), _CMP_GT_OQ); }
  static Mask at_most(Vector a, Vector b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }
  static Mask differ(Mask a, Mask b) { return Mask(a ^ b); }
  static Mask both(Mask a, Mask b) { return Mask(a & b); }
  static uint32_t lanes(Mask mask) { return mask; }
  static Vector choose(Mask mask, Vector yes, Vector no) {
    return _mm512_mask_blend_pd(mask, no, yes);
  }
  // A NaN of x changes nothing: min gives its second operand then.
  static Vector min_where(Mask mask, Vector x, Vector least) {
    return _mm512_mask_min_pd(least, mask, x, least);
  }
  static Vector min_where_not(Mask mask, Vector x, Vector least) {
    return _mm512_mask_min_pd(least, Mask(~mask), x, least);
  }
  static Float least(Vector x) { return _mm512_reduce_min_pd(x); }
  static Wrong none_wrong() { return _mm512_setzero_si512(); }
  static void check(Vector a, Vector b, Wrong* wrong) {
    const __m512i larger = _mm512_max_epu64(_mm512_castpd_si512(a), _mm512_castpd_si512(b));
    *wrong = _mm512_max_epu64(*wrong, larger);
  }
  static bool all_finite(Wrong wrong) {
    return _mm512_cmpge_epu64_mask(wrong, _mm512_set1_epi64(0x7ff0000000000000)) == 0;
  }
};

#include "primitives/chords_body.h"

}  // namespace

void fill_chords_avx512(ChordPrimitives& table) {
  table.scan_f32 = scan<F32>;
  table.scan_f64 = scan<F64>;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
