#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/lines.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

void mark_changes(const double* a, const double* b, int64_t n, uint64_t* words) {
  const __m256d zero = _mm256_setzero_pd();
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    int64_t i = j;
    const int64_t end = n - j < 64 ? n : j + 64;
    for (; i + 4 <= end; i += 4) {
      const __m256d changed =
          _mm256_xor_pd(_mm256_cmp_pd(_mm256_loadu_pd(a + i), zero, _CMP_GT_OQ),
                        _mm256_cmp_pd(_mm256_loadu_pd(b + i), zero, _CMP_GT_OQ));
      word |= uint64_t(_mm256_movemask_pd(changed)) << (i - j);
    }
    for (; i < end; ++i) word |= uint64_t((a[i] > 0) != (b[i] > 0)) << (i - j);
    words[j / 64] = word;
  }
}

void mark_signs(const double* z, const double* tolerance, int64_t n, uint64_t* above,
                uint64_t* below) {
  const __m256d sign = _mm256_set1_pd(-0.0);
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t up = 0, down = 0;
    int64_t i = j;
    const int64_t end = n - j < 64 ? n : j + 64;
    for (; i + 4 <= end; i += 4) {
      const __m256d value = _mm256_loadu_pd(z + i), edge = _mm256_loadu_pd(tolerance + i);
      const __m256d over = _mm256_cmp_pd(value, edge, _CMP_GT_OQ);
      const __m256d under = _mm256_cmp_pd(value, _mm256_xor_pd(edge, sign), _CMP_LT_OQ);
      up |= uint64_t(_mm256_movemask_pd(over)) << (i - j);
      down |= uint64_t(_mm256_movemask_pd(under)) << (i - j);
    }
    for (; i < end; ++i) {
      up |= uint64_t(z[i] > tolerance[i]) << (i - j);
      down |= uint64_t(z[i] < -tolerance[i]) << (i - j);
    }
    above[j / 64] = up;
    below[j / 64] = down;
  }
}

void blend(const double* a, const double* b, double weight, int64_t n, double* out) {
  const __m256d w = _mm256_set1_pd(weight);
  int64_t j = 0;
  for (; j + 4 <= n; j += 4) {
    const __m256d from = _mm256_loadu_pd(a + j);
    const __m256d step = _mm256_mul_pd(w, _mm256_sub_pd(_mm256_loadu_pd(b + j), from));
    _mm256_storeu_pd(out + j, _mm256_add_pd(from, step));
  }
  for (; j < n; ++j) out[j] = a[j] + weight * (b[j] - a[j]);
}

}  // namespace

void fill_lines_avx2(LinePrimitives& table) {
  table.mark_changes = mark_changes;
  table.mark_signs = mark_signs;
  table.blend = blend;
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
