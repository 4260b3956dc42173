#include "target.h"

#if TFHASH_NEON

#include <arm_neon.h>

#include "primitives/pack.h"

namespace tfhash {
namespace {

uint32_t pack_f32(const float* x, int64_t n, uint64_t* words) {
  const uint32_t bit_values[4] = {1, 2, 4, 8};
  const uint32x4_t bit = vld1q_u32(bit_values), no_sign = vdupq_n_u32(0x7fffffff);
  uint32x4_t largest = vdupq_n_u32(0);
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int part = 0; part < 16 && j + 4 * part < n; ++part) {
      const float* at = x + j + 4 * part;
      float tail[4] = {0, 0, 0, 0};
      if (j + 4 * part + 4 > n) {
        for (int64_t i = 0; i < n - j - 4 * part; ++i) tail[i] = at[i];
        at = tail;
      }
      const float32x4_t v = vld1q_f32(at);
      const uint32x4_t on = vandq_u32(vcgtq_f32(v, vdupq_n_f32(0)), bit);
      word |= uint64_t(vaddvq_u32(on)) << (4 * part);
      largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(v), no_sign));
    }
    words[j / 64] = word;
  }
  return vmaxvq_u32(largest);
}

}  // namespace

void fill_pack_neon(PackPrimitives& table) { table.pack_f32 = pack_f32; }

}  // namespace tfhash

#endif  // TFHASH_NEON
