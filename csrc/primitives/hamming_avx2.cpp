#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "bits.h"
#include "primitives/hamming.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

using V = __m256i;
constexpr int64_t kWidth = 4;

inline V load(const uint64_t* at) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(at));
}
inline V load_any(const uint64_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
inline void store(uint64_t* at, V x) { _mm256_store_si256(reinterpret_cast<__m256i*>(at), x); }
inline V all(uint64_t bits) { return _mm256_set1_epi64x(int64_t(bits)); }
inline bool any(V a) { return !_mm256_testz_si256(a, a); }
inline V bit_and(V a, V b) { return _mm256_and_si256(a, b); }
inline V bit_or(V a, V b) { return _mm256_or_si256(a, b); }
inline V bit_xor(V a, V b) { return _mm256_xor_si256(a, b); }
inline V shift_left(V a, int by) { return _mm256_slli_epi64(a, by); }
inline V shift_right(V a, int by) { return _mm256_srli_epi64(a, by); }
inline V sum3(V a, V b, V c) { return bit_xor(bit_xor(a, b), c); }
inline V carry3(V a, V b, V c) {
  return _mm256_or_si256(bit_and(a, b), bit_and(bit_xor(a, b), c));
}

inline void transpose_words(V* x) {
  const V a = _mm256_unpacklo_epi64(x[0], x[1]), b = _mm256_unpackhi_epi64(x[0], x[1]);
  const V c = _mm256_unpacklo_epi64(x[2], x[3]), d = _mm256_unpackhi_epi64(x[2], x[3]);
  x[0] = _mm256_permute2x128_si256(a, c, 0x20);
  x[1] = _mm256_permute2x128_si256(b, d, 0x20);
  x[2] = _mm256_permute2x128_si256(a, c, 0x31);
  x[3] = _mm256_permute2x128_si256(b, d, 0x31);
}

#include "primitives/hamming_body.h"

}  // namespace

void fill_hamming_avx2(HammingPrimitives& table) { fill(table); }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
