#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include <climits>

#include "primitives/clusters.h"
#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

inline __m256i load(const void* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
inline void store(void* p, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), v); }
inline __m256i load_unaligned(const void* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

// A vector whose every lane is the smallest of v.
inline __m256i smallest(__m256i v) {
  v = _mm256_min_epi32(v, _mm256_permute2x128_si256(v, v, 0x01));
  v = _mm256_min_epi32(v, _mm256_shuffle_epi32(v, 0x4e));
  return _mm256_min_epi32(v, _mm256_shuffle_epi32(v, 0xb1));
}

inline int32_t any_lane(__m256i v) { return _mm_cvtsi128_si32(_mm256_castsi256_si128(v)); }

inline uint32_t mask_of(__m256i lanes) {
  return uint32_t(_mm256_movemask_ps(_mm256_castsi256_ps(lanes)));
}

void two_smallest(const int32_t* sums, int64_t n, int32_t* first, int32_t* second, int32_t* lane) {
  const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i largest = _mm256_set1_epi32(INT_MAX);
  for (int64_t i = 0; i < n; ++i) {
    const __m256i a = load(sums + i * kLanes), b = load(sums + i * kLanes + 8);
    const __m256i least = smallest(_mm256_min_epi32(a, b));
    const uint32_t equal = mask_of(_mm256_cmpeq_epi32(a, least)) |
                           mask_of(_mm256_cmpeq_epi32(b, least)) << 8;
    const int32_t lowest = static_cast<int32_t>(_tzcnt_u32(equal));
    const __m256i in_a = _mm256_cmpeq_epi32(index, _mm256_set1_epi32(lowest));
    const __m256i in_b = _mm256_cmpeq_epi32(index, _mm256_set1_epi32(lowest - 8));
    const __m256i others = _mm256_min_epi32(_mm256_blendv_epi8(a, largest, in_a),
                                            _mm256_blendv_epi8(b, largest, in_b));
    first[i] = any_lane(least);
    second[i] = any_lane(smallest(others));
    lane[i] = lowest;
  }
}

// Eight rows' numbers to a vector: the last of them may be fewer.
inline __m256 floats(const int32_t* p, int64_t n) {
  if (n >= 8) return _mm256_cvtepi32_ps(load_unaligned(p));
  alignas(32) int32_t tail[8] = {};
  for (int64_t i = 0; i < n; ++i) tail[i] = p[i];
  return _mm256_cvtepi32_ps(load(tail));
}

void gaps(const int32_t* first, const int32_t* second, int64_t n, float error, float unit,
          float* gaps) {
  const __m256 errors = _mm256_set1_ps(error), units = _mm256_set1_ps(unit);
  for (int64_t i = 0; i < n; i += 8) {
    const __m256 above = _mm256_sub_ps(floats(second + i, n - i), errors);
    const __m256 next = _mm256_mul_ps(_mm256_max_ps(above, _mm256_setzero_ps()), units);
    const __m256 near = _mm256_mul_ps(_mm256_add_ps(floats(first + i, n - i), errors), units);
    const __m256 root = _mm256_sqrt_ps(next);
    const __m256 safe = _mm256_sub_ps(root, _mm256_mul_ps(root, _mm256_set1_ps(1e-6f)));
    alignas(32) float gap[8];
    _mm256_store_ps(gap, _mm256_sub_ps(safe, _mm256_sqrt_ps(near)));
    for (int64_t j = 0; j < 8 && i + j < n; ++j) gaps[i + j] = gap[j];
  }
}

int64_t overdue(const float* keys, const int32_t* labels, const float* limits, int64_t n, int64_t,
                int32_t* rows) {
  int64_t count = 0, i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 limit = _mm256_i32gather_ps(limits, load_unaligned(labels + i), 4);
    const __m256 due = _mm256_cmp_ps(_mm256_loadu_ps(keys + i), limit, _CMP_LE_OQ);
    for (uint32_t left = uint32_t(_mm256_movemask_ps(due)); left != 0; left &= left - 1) {
      rows[count++] = static_cast<int32_t>(i + _tzcnt_u32(left));
    }
  }
  for (; i < n; ++i) {
    rows[count] = static_cast<int32_t>(i);
    count += keys[i] <= limits[labels[i]];
  }
  return count;
}

// -1 in the lanes whose bit of the byte is 1.
inline __m256i spread(uint64_t byte) {
  const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int32_t(byte & 255)), bit), bit);
}

void count_moves(const uint64_t* words, const Move* moves, int64_t n, int32_t* counts) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t word = words[moves[i].row];
    int32_t* to = counts + 64 * int64_t(moves[i].to);
    for (int part = 0; part < 8; ++part) {
      const __m256i bits = spread(word >> (8 * part));
      store(to + 8 * part, _mm256_sub_epi32(load(to + 8 * part), bits));
    }
    if (moves[i].from < 0) continue;
    int32_t* from = counts + 64 * int64_t(moves[i].from);
    for (int part = 0; part < 8; ++part) {
      const __m256i bits = spread(word >> (8 * part));
      store(from + 8 * part, _mm256_add_epi32(load(from + 8 * part), bits));
    }
  }
}

// How many bits each of the 4 words has: its nibbles looked up, its bytes added.
inline __m256i count_bits(__m256i v) {
  const __m256i low = _mm256_set1_epi8(15);
  const __m256i count = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4, 0, 1, 1, 2,
                                         1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i lower = _mm256_shuffle_epi8(count, _mm256_and_si256(v, low));
  const __m256i upper = _mm256_shuffle_epi8(count, _mm256_and_si256(_mm256_srli_epi16(v, 4), low));
  return _mm256_sad_epu8(_mm256_add_epi8(lower, upper), _mm256_setzero_si256());
}

void distances(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
               int64_t n, bool more, int64_t* distances) {
  for (int64_t i = 0; i < n && !more; ++i) distances[i] = 0;
  for (int64_t w = 0; w < n_words; ++w) {
    const uint64_t* column = words + w * stride;
    const __m256i center = _mm256_set1_epi64x(int64_t(code[w]));
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
      const __m256i apart = count_bits(_mm256_xor_si256(load_unaligned(column + i), center));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(distances + i),
                          _mm256_add_epi64(load_unaligned(distances + i), apart));
    }
    for (; i < n; ++i) distances[i] += int64_t(_mm_popcnt_u64(column[i] ^ code[w]));
  }
}

int64_t potential(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
                  int64_t n, bool more, int32_t* closest, bool keep, int64_t* scratch) {
  distances(words, stride, n_words, code, n, more, scratch);
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t least =
        scratch[i] < closest[i] ? static_cast<int32_t>(scratch[i]) : closest[i];
    sum += least;
    if (keep) closest[i] = least;
  }
  return sum;
}

}  // namespace

void fill_clusters_avx2(ClusterPrimitives& table) {
  table = {two_smallest, gaps, overdue, count_moves, distances, potential};
}

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
