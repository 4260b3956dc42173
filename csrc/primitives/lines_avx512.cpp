#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/lines.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

inline __mmask8 lanes(int64_t left) { return left >= 8 ? 0xff : __mmask8((1u << left) - 1); }

void mark_changes(const double* a, const double* b, int64_t n, uint64_t* words) {
  const __m512d zero = _mm512_setzero_pd();
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int64_t i = j; i < j + 64 && i < n; i += 8) {
      const __mmask8 in = lanes(n - i);
      const __mmask8 before =
          _mm512_cmp_pd_mask(_mm512_maskz_loadu_pd(in, a + i), zero, _CMP_GT_OQ);
      const __mmask8 after =
          _mm512_cmp_pd_mask(_mm512_maskz_loadu_pd(in, b + i), zero, _CMP_GT_OQ);
      word |= uint64_t(before ^ after) << (i - j);
    }
    words[j / 64] = word;
  }
}

void mark_signs(const double* z, const double* tolerance, int64_t n, uint64_t* above,
                uint64_t* below) {
  const __m512d zero = _mm512_setzero_pd();
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t up = 0, down = 0;
    for (int64_t i = j; i < j + 64 && i < n; i += 8) {
      const __mmask8 in = lanes(n - i);
      const __m512d value = _mm512_maskz_loadu_pd(in, z + i);
      const __m512d edge = _mm512_maskz_loadu_pd(in, tolerance + i);
      const __m512d other = _mm512_sub_pd(zero, edge);
      up |= uint64_t(_mm512_cmp_pd_mask(value, edge, _CMP_GT_OQ)) << (i - j);
      down |= uint64_t(_mm512_cmp_pd_mask(value, other, _CMP_LT_OQ)) << (i - j);
    }
    above[j / 64] = up;
    below[j / 64] = down;
  }
}

void blend(const double* a, const double* b, double weight, int64_t n, double* out) {
  const __m512d w = _mm512_set1_pd(weight);
  for (int64_t j = 0; j < n; j += 8) {
    const __mmask8 in = lanes(n - j);
    const __m512d from = _mm512_maskz_loadu_pd(in, a + j);
    const __m512d to = _mm512_maskz_loadu_pd(in, b + j);
    const __m512d step = _mm512_mul_pd(w, _mm512_sub_pd(to, from));
    _mm512_mask_storeu_pd(out + j, in, _mm512_add_pd(from, step));
  }
}

}  // namespace

void fill_lines_avx512(LinePrimitives& table) {
  table.mark_changes = mark_changes;
  table.mark_signs = mark_signs;
  table.blend = blend;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
