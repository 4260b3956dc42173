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

// The lanes that may hold a nearer switch than `best`, settled in order; z and u are at lane 0.
template <class Float>
inline void settle(uint32_t lanes, const Float* z, const Float* u, int64_t unit, ChordEnds* best) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t lane = _tzcnt_u32(lanes);
    // 0 - z, because -z would give a 0 a sign.
    const double distance = z[lane] > 0 ? z[lane] : 0 - z[lane];
    const double speed = u[lane] > 0 ? u[lane] : 0 - u[lane];
    const double t = distance / speed;
    if ((z[lane] > 0) == (u[lane] > 0)) {
      if (t < best->lower) {
        best->lower = t;
        best->lower_unit = unit + lane;
      }
    } else if (t < best->upper) {
      best->upper = t;
      best->upper_unit = unit + lane;
    }
  }
}

// Units [0, n) of a chunk, numbered from `unit`; lanes that are NaN or infinite go to `wrong`.
template <class X>
inline void scan_chunk(const typename X::Float* z, const typename X::Float* u, int64_t n,
                       int64_t unit, ChordEnds* best, typename X::Wrong* wrong) {
  using Float = typename X::Float;
  using Vector = typename X::Vector;
  using Mask = typename X::Mask;
  Float behind_least[kChordChunk / kChordBlock], ahead_least[kChordChunk / kChordBlock];
  Float behind_nearest = X::kInfinity, ahead_nearest = X::kInfinity;
  for (int64_t from = 0; from < n; from += kChordBlock) {
    const int64_t to = n - from < kChordBlock ? n : from + kChordBlock;
    Vector behind = X::set(X::kInfinity), ahead = behind;
    for (int64_t i = from; i < to; i += X::kLanes) {
      const Vector a = X::load(z + i, to - i), b = X::load(u + i, to - i);
      const Vector distance = X::abs(a), speed = X::abs(b);
      X::check(distance, speed, wrong);
      const Vector t = X::divide(distance, speed);  // 0 / 0 where nothing moves and past n
      const Mask is_ahead = X::differ(X::positive(a), X::positive(b));
      behind = X::min_where_not(is_ahead, t, behind);
      ahead = X::min_where(is_ahead, t, ahead);
    }
    const Float b = X::least(behind), a = X::least(ahead);
    behind_least[from / kChordBlock] = b;
    ahead_least[from / kChordBlock] = a;
    behind_nearest = b < behind_nearest ? b : behind_nearest;
    ahead_nearest = a < ahead_nearest ? a : ahead_nearest;
  }
  // A side on which no unit of this chunk is nearer than the end so far is looked at no more
  // (an infinite distance may be a finite one in float64).
  const bool behind_open = !(behind_nearest < X::kInfinity) ||
      behind_nearest <= best->lower * X::kMargin + X::kSlack;
  const bool ahead_open = !(ahead_nearest < X::kInfinity) ||
      ahead_nearest <= best->upper * X::kMargin + X::kSlack;
  const Float behind_reach = behind_open ? behind_nearest * X::kMargin + X::kSlack : -1;
  const Float ahead_reach = ahead_open ? ahead_nearest * X::kMargin + X::kSlack : -1;
  const Vector slack = X::set(X::kSlack);
  for (int64_t from = 0; from < n; from += kChordBlock) {
    if (!(behind_least[from / kChordBlock] <= behind_reach ||
          ahead_least[from / kChordBlock] <= ahead_reach)) {
      continue;
    }
    const int64_t to = n - from < kChordBlock ? n : from + kChordBlock;
    for (int64_t i = from; i < to; i += X::kLanes) {
      const Vector a = X::load(z + i, to - i), b = X::load(u + i, to - i);
      const Vector distance = X::abs(a), speed = X::abs(b);
      const Mask is_ahead = X::differ(X::positive(a), X::positive(b));
      const Vector reach = X::choose(is_ahead, X::set(ahead_reach), X::set(behind_reach));
      const Vector bound = X::add(X::multiply(reach, speed), slack);
      const uint32_t lanes = X::lanes(X::both(X::positive(speed), X::at_most(distance, bound)));
      if (lanes != 0) settle(lanes, z + i, u + i, unit + i, best);
    }
  }
}

template <class X>
bool scan(const typename X::Float* z, const typename X::Float* u, int64_t n, int64_t first_unit,
          ChordEnds* ends) {
  ChordEnds best = *ends;
  typename X::Wrong wrong = X::none_wrong();
  for (int64_t from = 0; from < n; from += kChordChunk) {
    const int64_t left = n - from;
    scan_chunk<X>(z + from, u + from, left < kChordChunk ? left : kChordChunk, first_unit + from,
                  &best, &wrong);
  }
  *ends = best;
  return X::all_finite(wrong);
}

}  // namespace

void fill_chords_avx512(ChordPrimitives& table) {
  table.scan_f32 = scan<F32>;
  table.scan_f64 = scan<F64>;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
