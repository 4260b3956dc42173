#include "target.h"

#if TFHASH_NEON

#include <arm_neon.h>

#include "primitives/tables.h"

namespace tfhash {
namespace {

void scan(const int32_t* table, int n_nibbles, const uint64_t* words, int64_t n,
          const int32_t* start, int32_t* sums) {
  for (int64_t i = 0; i < n; ++i, sums += kLanes) {
    uint64_t word = words[i];
    const int32_t* held = start != nullptr ? start : sums;
    int32x4_t s0 = vld1q_s32(held), s1 = vld1q_s32(held + 4), s2 = vld1q_s32(held + 8),
              s3 = vld1q_s32(held + 12);
    for (int nibble = 0; nibble < n_nibbles; ++nibble, word >>= 4) {
      const int32_t* from = table + nibble * kNibbleTable + (word & 15) * kLanes;
      s0 = vaddq_s32(s0, vld1q_s32(from));
      s1 = vaddq_s32(s1, vld1q_s32(from + 4));
      s2 = vaddq_s32(s2, vld1q_s32(from + 8));
      s3 = vaddq_s32(s3, vld1q_s32(from + 12));
    }
    vst1q_s32(sums, s0);
    vst1q_s32(sums + 4, s1);
    vst1q_s32(sums + 8, s2);
    vst1q_s32(sums + 12, s3);
  }
}

}  // namespace

void fill_tables_neon(TablePrimitives& table) { table.scan = scan; }

}  // namespace tfhash

#endif  // TFHASH_NEON
