#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/chords.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

// Settles the lanes that may hold a nearer switch, in order; z and u point at lane 0.
template <class Float>
inline void settle(uint32_t lanes, const Float* z, const Float* u, int64_t unit, ChordEnds& best) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t lane = _tzcnt_u32(lanes);
    const double distance = z[lane] > 0 ? z[lane] : -z[lane];
    const double speed = u[lane] > 0 ? u[lane] : -u[lane];
    const double t = distance / speed;
    if ((z[lane] > 0) == (u[lane] > 0)) {
      if (t < best.lower) {
        best.lower = t;
        best.lower_unit = unit + lane;
      }
    } else if (t < best.upper) {
      best.upper = t;
      best.upper_unit = unit + lane;
    }
  }
}

inline double farther(const ChordEnds& best) {
  return best.lower > best.upper ? best.lower : best.upper;
}

inline __m512 reach_f32(const ChordEnds& best) {
  return _mm512_set1_ps(float(farther(best)) * kChordMargin32 + kChordSlack32);
}

inline __m512d reach_f64(const ChordEnds& best) {
  return _mm512_set1_pd(farther(best) * kChordMargin64 + kChordSlack64);
}

bool scan_f32(const float* z, const float* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  const __m512 slack = _mm512_set1_ps(kChordSlack32), zero = _mm512_setzero_ps();
  __m512 reach = reach_f32(best);
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 in = n - i >= 16 ? 0xffff : __mmask16((1u << (n - i)) - 1);
    const __m512 distance = _mm512_abs_ps(_mm512_maskz_loadu_ps(in, z + i));
    const __m512 speed = _mm512_abs_ps(_mm512_maskz_loadu_ps(in, u + i));
    largest = _mm512_max_epu32(
        largest,
        _mm512_max_epu32(_mm512_castps_si512(distance), _mm512_castps_si512(speed)));
    const __m512 bound = _mm512_add_ps(_mm512_mul_ps(reach, speed), slack);
    const __mmask16 moving = _mm512_cmp_ps_mask(speed, zero, _CMP_GT_OQ);
    const __mmask16 nearer = _mm512_mask_cmp_ps_mask(moving, distance, bound, _CMP_LE_OQ);
    if (nearer == 0) continue;
    settle(nearer, z + i, u + i, first_unit + i, best);
    reach = reach_f32(best);
  }
  *ends = best;
  return _mm512_cmpge_epu32_mask(largest, _mm512_set1_epi32(0x7f800000)) == 0;
}

bool scan_f64(const double* z, const double* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  const __m512d slack = _mm512_set1_pd(kChordSlack64), zero = _mm512_setzero_pd();
  __m512d reach = reach_f64(best);
  __m512i largest = _mm512_setzero_si512();
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 in = n - i >= 8 ? 0xff : __mmask8((1u << (n - i)) - 1);
    const __m512d distance = _mm512_abs_pd(_mm512_maskz_loadu_pd(in, z + i));
    const __m512d speed = _mm512_abs_pd(_mm512_maskz_loadu_pd(in, u + i));
    largest = _mm512_max_epu64(
        largest,
        _mm512_max_epu64(_mm512_castpd_si512(distance), _mm512_castpd_si512(speed)));
    const __m512d bound = _mm512_add_pd(_mm512_mul_pd(reach, speed), slack);
    const __mmask8 moving = _mm512_cmp_pd_mask(speed, zero, _CMP_GT_OQ);
    const __mmask8 nearer = _mm512_mask_cmp_pd_mask(moving, distance, bound, _CMP_LE_OQ);
    if (nearer == 0) continue;
    settle(nearer, z + i, u + i, first_unit + i, best);
    reach = reach_f64(best);
  }
  *ends = best;
  return _mm512_cmpge_epu64_mask(largest, _mm512_set1_epi64(0x7ff0000000000000)) == 0;
}

}  // namespace

void fill_chords_avx512(ChordPrimitives& table) {
  table.scan_f32 = scan_f32;
  table.scan_f64 = scan_f64;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
