#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "bits.h"
#include "primitives/hamming.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

using V = __m512i;
constexpr int64_t kWidth = 8;

inline V load(const uint64_t* at) { return _mm512_load_si512(at); }
inline V load_any(const uint64_t* at) { return _mm512_loadu_si512(at); }
inline void store(uint64_t* at, V x) { _mm512_store_si512(at, x); }
inline V all(uint64_t bits) { return _mm512_set1_epi64(int64_t(bits)); }
inline bool any(V a) { return _mm512_test_epi64_mask(a, a) != 0; }
inline V bit_and(V a, V b) { return _mm512_and_si512(a, b); }
inline V bit_or(V a, V b) { return _mm512_or_si512(a, b); }
inline V bit_xor(V a, V b) { return _mm512_xor_si512(a, b); }
inline V shift_left(V a, int by) { return _mm512_slli_epi64(a, unsigned(by)); }
inline V shift_right(V a, int by) { return _mm512_srli_epi64(a, unsigned(by)); }
// One instruction each: the immediate is the column of the truth table.
inline V sum3(V a, V b, V c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
inline V carry3(V a, V b, V c) { return _mm512_ternarylogic_epi64(a, b, c, 0xe8); }

inline void transpose_words(V* x) {
  V pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    // Quarters of 128 bits: those of words i, 2 + i, 4 + i and 6 + i.
    const V a = _mm512_shuffle_i64x2(pairs[i], pairs[i + 2], 0x88);
    const V b = _mm512_shuffle_i64x2(pairs[i + 4], pairs[i + 6], 0x88);
    const V c = _mm512_shuffle_i64x2(pairs[i], pairs[i + 2], 0xdd);
    const V d = _mm512_shuffle_i64x2(pairs[i + 4], pairs[i + 6], 0xdd);
    x[i] = _mm512_shuffle_i64x2(a, b, 0x88);
    x[i + 2] = _mm512_shuffle_i64x2(c, d, 0x88);
    x[i + 4] = _mm512_shuffle_i64x2(a, b, 0xdd);
    x[i + 6] = _mm512_shuffle_i64x2(c, d, 0xdd);
  }
}

#include "primitives/hamming_body.h"

}  // namespace

void fill_hamming_avx512(HammingPrimitives& table) { fill(table); }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
