#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include <climits>

#include "primitives/clusters.h"
#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

// A vector whose every lane is the smallest of v.
inline __m512i smallest(__m512i v) {
  v = _mm512_min_epi32(v, _mm512_shuffle_i64x2(v, v, 0x4e));
  v = _mm512_min_epi32(v, _mm512_shuffle_i64x2(v, v, 0xb1));
  v = _mm512_min_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_BADC));
  return _mm512_min_epi32(v, _mm512_shuffle_epi32(v, _MM_PERM_CDAB));
}

inline int32_t any_lane(__m512i v) { return _mm_cvtsi128_si32(_mm512_castsi512_si128(v)); }

void two_smallest(const int32_t* sums, int64_t n, int32_t* first, int32_t* second, int32_t* lane) {
  const __m512i largest = _mm512_set1_epi32(INT_MAX);
  for (int64_t i = 0; i < n; ++i) {
    const __m512i v = _mm512_load_si512(sums + i * kLanes);
    const __m512i least = smallest(v);
    const uint32_t equal = _mm512_cmpeq_epi32_mask(v, least);
    const __mmask16 lowest = __mmask16(equal & (0u - equal));
    first[i] = any_lane(least);
    second[i] = any_lane(smallest(_mm512_mask_mov_epi32(v, lowest, largest)));
    lane[i] = static_cast<int32_t>(_tzcnt_u32(equal));
  }
}

void gaps(const int32_t* first, const int32_t* second, int64_t n, float error, float unit,
          float* gaps) {
  const __m512 errors = _mm512_set1_ps(error), units = _mm512_set1_ps(unit);
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 in = n - i >= 16 ? __mmask16(0xffff) : __mmask16((1u << (n - i)) - 1);
    const __m512 b = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(in, second + i));
    const __m512 a = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(in, first + i));
    const __m512 next =
        _mm512_mul_ps(_mm512_max_ps(_mm512_sub_ps(b, errors), _mm512_setzero_ps()), units);
    const __m512 near = _mm512_mul_ps(_mm512_add_ps(a, errors), units);
    const __m512 root = _mm512_sqrt_ps(next);
    const __m512 safe = _mm512_sub_ps(root, _mm512_mul_ps(root, _mm512_set1_ps(1e-6f)));
    _mm512_mask_storeu_ps(gaps + i, in, _mm512_sub_ps(safe, _mm512_sqrt_ps(near)));
  }
}

int64_t overdue(const float* keys, const int32_t* labels, const float* limits, int64_t n,
                int64_t n_limits, int32_t* rows) {
  const __m512 few = _mm512_loadu_ps(limits);
  __m512i row = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  int64_t count = 0;
  for (int64_t i = 0; i < n; i += 16) {
    const __mmask16 in = n - i >= 16 ? __mmask16(0xffff) : __mmask16((1u << (n - i)) - 1);
    const __m512i label = _mm512_maskz_loadu_epi32(in, labels + i);
    const __m512 limit = n_limits <= 16
                             ? _mm512_permutexvar_ps(label, few)
                             : _mm512_mask_i32gather_ps(few, in, label, limits, 4);
    const __m512 key = _mm512_maskz_loadu_ps(in, keys + i);
    const __mmask16 due = _mm512_mask_cmp_ps_mask(in, key, limit, _CMP_LE_OQ);
    _mm512_storeu_si512(rows + count, _mm512_maskz_compress_epi32(due, row));
    count += _mm_popcnt_u32(due);
    row = _mm512_add_epi32(row, _mm512_set1_epi32(16));
  }
  return count;
}

void count_moves(const uint64_t* words, const Move* moves, int64_t n, int32_t* counts) {
  const __m512i one = _mm512_set1_epi32(1);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t word = words[moves[i].row];
    int32_t* to = counts + 64 * int64_t(moves[i].to);
    for (int part = 0; part < 4; ++part) {
      const __m512i v = _mm512_load_si512(to + 16 * part);
      const __mmask16 bits = __mmask16(word >> (16 * part));
      _mm512_store_si512(to + 16 * part, _mm512_mask_add_epi32(v, bits, v, one));
    }
    if (moves[i].from < 0) continue;
    int32_t* from = counts + 64 * int64_t(moves[i].from);
    for (int part = 0; part < 4; ++part) {
      const __m512i v = _mm512_load_si512(from + 16 * part);
      const __mmask16 bits = __mmask16(word >> (16 * part));
      _mm512_store_si512(from + 16 * part, _mm512_mask_sub_epi32(v, bits, v, one));
    }
  }
}

// The distances of up to 8 rows over a few words, onto `sum`.
inline __m512i add_distances(__m512i sum, __mmask8 in, const uint64_t* words, int64_t stride,
                             int64_t n_words, const uint64_t* code) {
  for (int64_t w = 0; w < n_words; ++w) {
    const __m512i row = _mm512_maskz_loadu_epi64(in, words + w * stride);
    const __m512i apart = _mm512_xor_si512(row, _mm512_set1_epi64(int64_t(code[w])));
    sum = _mm512_add_epi64(sum, _mm512_popcnt_epi64(apart));
  }
  return sum;
}

constexpr int64_t kAtOnce = 8;  // columns: each is a stream of its own

// Adds up all but the last kAtOnce words or fewer, and returns how many words that are.
int64_t begin_distances(const uint64_t* words, int64_t stride, int64_t n_words,
                        const uint64_t* code, int64_t n, bool more, int64_t* distances) {
  int64_t w = 0;
  for (; w + kAtOnce < n_words; w += kAtOnce) {
    for (int64_t i = 0; i < n; i += 8) {
      const __mmask8 in = n - i >= 8 ? __mmask8(0xff) : __mmask8((1u << (n - i)) - 1);
      const __m512i sum =
          w == 0 && !more ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi64(in, distances + i);
      _mm512_mask_storeu_epi64(distances + i, in,
                               add_distances(sum, in, words + w * stride + i, stride, kAtOnce,
                                             code + w));
    }
  }
  return w;
}

void distances(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
               int64_t n, bool more, int64_t* distances) {
  const int64_t w = begin_distances(words, stride, n_words, code, n, more, distances);
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 in = n - i >= 8 ? __mmask8(0xff) : __mmask8((1u << (n - i)) - 1);
    const __m512i sum =
        w == 0 && !more ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi64(in, distances + i);
    _mm512_mask_storeu_epi64(distances + i, in,
                             add_distances(sum, in, words + w * stride + i, stride, n_words - w,
                                           code + w));
  }
}

int64_t potential(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
                  int64_t n, bool more, int32_t* closest, bool keep, int64_t* scratch) {
  const int64_t w = begin_distances(words, stride, n_words, code, n, more, scratch);
  __m512i total = _mm512_setzero_si512();
  for (int64_t i = 0; i < n; i += 8) {
    const __mmask8 in = n - i >= 8 ? __mmask8(0xff) : __mmask8((1u << (n - i)) - 1);
    __m512i sum =
        w == 0 && !more ? _mm512_setzero_si512() : _mm512_maskz_loadu_epi64(in, scratch + i);
    sum = add_distances(sum, in, words + w * stride + i, stride, n_words - w, code + w);
    const __m256i nearest =
        _mm256_min_epi32(_mm256_maskz_loadu_epi32(in, closest + i), _mm512_cvtepi64_epi32(sum));
    total = _mm512_mask_add_epi64(total, in, total, _mm512_cvtepi32_epi64(nearest));
    if (keep) _mm256_mask_storeu_epi32(closest + i, in, nearest);
  }
  return _mm512_reduce_add_epi64(total);
}

}  // namespace

void fill_clusters_avx512(ClusterPrimitives& table) {
  table = {two_smallest, gaps, overdue, count_moves, distances, potential};
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
