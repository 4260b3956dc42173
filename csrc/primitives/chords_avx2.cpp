#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/chords.h"

TFHASH_TARGET_BEGIN_AVX2

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

inline __m256 reach_f32(const ChordEnds& best) {
  return _mm256_set1_ps(float(farther(best)) * kChordMargin32 + kChordSlack32);
}

inline __m256d reach_f64(const ChordEnds& best) {
  return _mm256_set1_pd(farther(best) * kChordMargin64 + kChordSlack64);
}

bool scan_f32(const float* z, const float* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  const __m256 slack = _mm256_set1_ps(kChordSlack32), zero = _mm256_setzero_ps();
  const __m256 no_sign = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  const __m256 infinity = _mm256_castsi256_ps(_mm256_set1_epi32(0x7f800000));
  __m256 reach = reach_f32(best), wrong = zero;
  alignas(32) float z_tail[8] = {}, u_tail[8] = {};
  for (int64_t i = 0; i < n; i += 8) {
    const float *z_at = z + i, *u_at = u + i;
    if (n - i < 8) {
      for (int64_t k = 0; k < n - i; ++k) {
        z_tail[k] = z_at[k];
        u_tail[k] = u_at[k];
      }
      z_at = z_tail;
      u_at = u_tail;
    }
    const __m256 distance = _mm256_and_ps(_mm256_loadu_ps(z_at), no_sign);
    const __m256 speed = _mm256_and_ps(_mm256_loadu_ps(u_at), no_sign);
    wrong = _mm256_or_ps(wrong, _mm256_or_ps(_mm256_cmp_ps(distance, infinity, _CMP_NLT_UQ),
                                             _mm256_cmp_ps(speed, infinity, _CMP_NLT_UQ)));
    const __m256 bound = _mm256_add_ps(_mm256_mul_ps(reach, speed), slack);
    const __m256 nearer = _mm256_and_ps(_mm256_cmp_ps(speed, zero, _CMP_GT_OQ),
                                        _mm256_cmp_ps(distance, bound, _CMP_LE_OQ));
    const uint32_t lanes = uint32_t(_mm256_movemask_ps(nearer));
    if (lanes == 0) continue;
    settle(lanes, z_at, u_at, first_unit + i, best);
    reach = reach_f32(best);
  }
  *ends = best;
  return _mm256_movemask_ps(wrong) == 0;
}

bool scan_f64(const double* z, const double* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  const __m256d slack = _mm256_set1_pd(kChordSlack64), zero = _mm256_setzero_pd();
  const __m256d no_sign = _mm256_castsi256_pd(_mm256_set1_epi64x(0x7fffffffffffffff));
  const __m256d infinity = _mm256_castsi256_pd(_mm256_set1_epi64x(0x7ff0000000000000));
  __m256d reach = reach_f64(best), wrong = zero;
  alignas(32) double z_tail[4] = {}, u_tail[4] = {};
  for (int64_t i = 0; i < n; i += 4) {
    const double *z_at = z + i, *u_at = u + i;
    if (n - i < 4) {
      for (int64_t k = 0; k < n - i; ++k) {
        z_tail[k] = z_at[k];
        u_tail[k] = u_at[k];
      }
      z_at = z_tail;
      u_at = u_tail;
    }
    const __m256d distance = _mm256_and_pd(_mm256_loadu_pd(z_at), no_sign);
    const __m256d speed = _mm256_and_pd(_mm256_loadu_pd(u_at), no_sign);
    wrong = _mm256_or_pd(wrong, _mm256_or_pd(_mm256_cmp_pd(distance, infinity, _CMP_NLT_UQ),
                                             _mm256_cmp_pd(speed, infinity, _CMP_NLT_UQ)));
    const __m256d bound = _mm256_add_pd(_mm256_mul_pd(reach, speed), slack);
    const __m256d nearer = _mm256_and_pd(_mm256_cmp_pd(speed, zero, _CMP_GT_OQ),
                                         _mm256_cmp_pd(distance, bound, _CMP_LE_OQ));
    const uint32_t lanes = uint32_t(_mm256_movemask_pd(nearer));
    if (lanes == 0) continue;
    settle(lanes, z_at, u_at, first_unit + i, best);
    reach = reach_f64(best);
  }
  *ends = best;
  return _mm256_movemask_pd(wrong) == 0;
}

}  // namespace

void fill_chords_avx2(ChordPrimitives& table) {
  table.scan_f32 = scan_f32;
  table.scan_f64 = scan_f64;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
