#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/tables.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

inline __m512i load(const int32_t* p) { return _mm512_load_si512(p); }

void build(const int32_t* entries, int n_nibbles, int32_t* table) {
  for (int nibble = 0; nibble < n_nibbles; ++nibble, table += kNibbleTable, entries += 4 * kLanes) {
    const __m512i e0 = load(entries), e1 = load(entries + kLanes), e2 = load(entries + 2 * kLanes),
                  e3 = load(entries + 3 * kLanes);
    __m512i v[16];
    v[0] = _mm512_setzero_si512();
    v[1] = e0;
    v[2] = e1;
    v[3] = _mm512_add_epi32(e0, e1);
    for (int i = 0; i < 4; ++i) v[4 + i] = _mm512_add_epi32(v[i], e2);
    for (int i = 0; i < 8; ++i) v[8 + i] = _mm512_add_epi32(v[i], e3);
    for (int i = 0; i < 16; ++i) _mm512_store_si512(table + i * kLanes, v[i]);
  }
}

// The table is addressed in bytes: a vector is 64 of them.
inline __m512i at(const char* table, uint64_t offset) {
  return _mm512_load_si512(table + offset);
}

// Four rows at once: their chains of additions overlap.
inline void scan_four(const int32_t* table, int n_nibbles, const uint64_t* words,
                      const int32_t* start, int32_t* sums) {
  const char* base = reinterpret_cast<const char*>(table);
  uint64_t w0 = words[0], w1 = words[1], w2 = words[2], w3 = words[3];
  const int32_t* from = start != nullptr ? start : sums;
  const int64_t step = start != nullptr ? 0 : kLanes;
  __m512i s0 = load(from), s1 = load(from + step), s2 = load(from + 2 * step),
          s3 = load(from + 3 * step);
  for (int nibble = 0; nibble < n_nibbles; ++nibble, base += 4 * kNibbleTable) {
    s0 = _mm512_add_epi32(s0, at(base, (w0 & 15) << 6));
    s1 = _mm512_add_epi32(s1, at(base, (w1 & 15) << 6));
    s2 = _mm512_add_epi32(s2, at(base, (w2 & 15) << 6));
    s3 = _mm512_add_epi32(s3, at(base, (w3 & 15) << 6));
    w0 >>= 4;
    w1 >>= 4;
    w2 >>= 4;
    w3 >>= 4;
  }
  _mm512_store_si512(sums, s0);
  _mm512_store_si512(sums + kLanes, s1);
  _mm512_store_si512(sums + 2 * kLanes, s2);
  _mm512_store_si512(sums + 3 * kLanes, s3);
}

void scan(const int32_t* table, int n_nibbles, const uint64_t* words, int64_t n,
          const int32_t* start, int32_t* sums) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) scan_four(table, n_nibbles, words + i, start, sums + i * kLanes);
  for (; i < n; ++i) {
    const char* base = reinterpret_cast<const char*>(table);
    uint64_t word = words[i];
    __m512i sum = load(start != nullptr ? start : sums + i * kLanes);
    for (int nibble = 0; nibble < n_nibbles; ++nibble, word >>= 4, base += 4 * kNibbleTable) {
      sum = _mm512_add_epi32(sum, at(base, (word & 15) << 6));
    }
    _mm512_store_si512(sums + i * kLanes, sum);
  }
}

void flush(int32_t* sums, int64_t n, int64_t* totals) {
  for (int64_t i = 0; i < n * kLanes; i += 8) {
    const __m256i half = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + i));
    const __m512i total = _mm512_load_si512(totals + i);
    _mm512_store_si512(totals + i, _mm512_add_epi64(total, _mm512_cvtepi32_epi64(half)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums + i), _mm256_setzero_si256());
  }
}

}  // namespace

void fill_tables_avx512(TablePrimitives& table) { table = {build, scan, flush}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
