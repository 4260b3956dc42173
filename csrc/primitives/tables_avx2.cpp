#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

inline __m256i load(const int32_t* p) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}

inline void store(int32_t* p, __m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), v); }

void build(const int32_t* entries, int n_nibbles, int32_t* table) {
  for (int nibble = 0; nibble < n_nibbles; ++nibble, table += kNibbleTable, entries += 4 * kLanes) {
    for (int half = 0; half < kLanes; half += 8) {
      const __m256i e0 = load(entries + half), e1 = load(entries + kLanes + half),
                    e2 = load(entries + 2 * kLanes + half), e3 = load(entries + 3 * kLanes + half);
      __m256i v[8];
      v[0] = _mm256_setzero_si256();
      v[1] = e0;
      v[2] = e1;
      v[3] = _mm256_add_epi32(e0, e1);
      for (int i = 0; i < 4; ++i) v[4 + i] = _mm256_add_epi32(v[i], e2);
      for (int i = 0; i < 8; ++i) {
        store(table + i * kLanes + half, v[i]);
        store(table + (8 + i) * kLanes + half, _mm256_add_epi32(v[i], e3));
      }
    }
  }
}

// Two rows at once: their chains of additions overlap.
inline void scan_two(const int32_t* table, int n_nibbles, const uint64_t* words,
                     const int32_t* start, int32_t* sums) {
  uint64_t w0 = words[0], w1 = words[1];
  const int32_t* from = start != nullptr ? start : sums;
  const int64_t step = start != nullptr ? 0 : kLanes;
  __m256i a0 = load(from), a1 = load(from + 8), b0 = load(from + step), b1 = load(from + step + 8);
  for (int nibble = 0; nibble < n_nibbles; ++nibble, table += kNibbleTable) {
    const int32_t* a = table + (w0 & 15) * kLanes;
    const int32_t* b = table + (w1 & 15) * kLanes;
    a0 = _mm256_add_epi32(a0, load(a));
    a1 = _mm256_add_epi32(a1, load(a + 8));
    b0 = _mm256_add_epi32(b0, load(b));
    b1 = _mm256_add_epi32(b1, load(b + 8));
    w0 >>= 4;
    w1 >>= 4;
  }
  store(sums, a0);
  store(sums + 8, a1);
  store(sums + 16, b0);
  store(sums + 24, b1);
}

void scan(const int32_t* table, int n_nibbles, const uint64_t* words, int64_t n,
          const int32_t* start, int32_t* sums) {
  int64_t i = 0;
  for (; i + 2 <= n; i += 2) scan_two(table, n_nibbles, words + i, start, sums + i * kLanes);
  if (i < n) {
    uint64_t word = words[i];
    const int32_t* from = start != nullptr ? start : sums + i * kLanes;
    __m256i a0 = load(from), a1 = load(from + 8);
    for (int nibble = 0; nibble < n_nibbles; ++nibble, word >>= 4, table += kNibbleTable) {
      const int32_t* a = table + (word & 15) * kLanes;
      a0 = _mm256_add_epi32(a0, load(a));
      a1 = _mm256_add_epi32(a1, load(a + 8));
    }
    store(sums + i * kLanes, a0);
    store(sums + i * kLanes + 8, a1);
  }
}

void flush(int32_t* sums, int64_t n, int64_t* totals) {
  for (int64_t i = 0; i < n * kLanes; i += 4) {
    __m128i* part = reinterpret_cast<__m128i*>(sums + i);
    __m256i* total = reinterpret_cast<__m256i*>(totals + i);
    const __m256i wide = _mm256_cvtepi32_epi64(_mm_load_si128(part));
    _mm256_store_si256(total, _mm256_add_epi64(_mm256_load_si256(total), wide));
    _mm_store_si128(part, _mm_setzero_si128());
  }
}

}  // namespace

void fill_tables_avx2(TablePrimitives& table) { table = {build, scan, flush}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
