#include "target.h"

#if TFHASH_NEON

#include <arm_neon.h>

#include "bits.h"
#include "primitives/hamming.h"

namespace tfhash {
namespace {

using V = uint64x2_t;
constexpr int64_t kWidth = 2;

inline V load(const uint64_t* at) { return vld1q_u64(at); }
inline V load_any(const uint64_t* at) { return vld1q_u64(at); }
inline void store(uint64_t* at, V x) { vst1q_u64(at, x); }
inline V all(uint64_t bits) { return vdupq_n_u64(bits); }
inline bool any(V a) { return vmaxvq_u32(vreinterpretq_u32_u64(a)) != 0; }
inline V bit_and(V a, V b) { return vandq_u64(a, b); }
inline V bit_or(V a, V b) { return vorrq_u64(a, b); }
inline V bit_xor(V a, V b) { return veorq_u64(a, b); }
inline V shift_left(V a, int by) { return vshlq_u64(a, vdupq_n_s64(by)); }
inline V shift_right(V a, int by) { return vshlq_u64(a, vdupq_n_s64(-by)); }
inline V sum3(V a, V b, V c) { return bit_xor(bit_xor(a, b), c); }
// Where a and b differ it is c's word, elsewhere a's.
inline V carry3(V a, V b, V c) { return vbslq_u64(bit_xor(a, b), c, a); }

inline void transpose_words(V* x) {
  const V low = vzip1q_u64(x[0], x[1]);
  x[1] = vzip2q_u64(x[0], x[1]);
  x[0] = low;
}

#include "primitives/hamming_body.h"

}  // namespace

void fill_hamming_neon(HammingPrimitives& table) { fill(table); }

}  // namespace tfhash

#endif  // TFHASH_NEON
