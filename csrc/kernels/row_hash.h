// The hash of a code: 64 bits that depend on all of its words.
#pragma once

#include <cstdint>

#ifdef _MSC_VER
#include <intrin.h>
#endif

namespace tfhash {

// Odd constants with random bits (the fractional digits of the square roots of 2, 3, 5, 7).
constexpr uint64_t kHashSeeds[4] = {0x6a09e667f3bcc909, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b,
                                    0xa54ff53a5f1d36f1};

// Both halves of the 128-bit product, folded: each bit of the result depends on all bits of both.
inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
#ifdef _MSC_VER
  uint64_t high;
  const uint64_t low = _umul128(a, b, &high);
  return low ^ high;
#else
  const auto product = static_cast<unsigned __int128>(a) * b;
  return uint64_t(product) ^ uint64_t(product >> 64);
#endif
}

// The hash of a row, its last word masked. Rows that have one hash under a salt have different
// ones under another. Four chains, so that the multiplications of a wide code overlap. The chain's
// own state enters each product by addition as well: a factor that happens to be 0 then loses no
// other word.
inline uint64_t hash_row(const uint64_t* words, int64_t n_words, uint64_t last_mask,
                         uint64_t salt = 0) {
  uint64_t h[4] = {kHashSeeds[0] ^ salt, kHashSeeds[1] ^ salt, kHashSeeds[2] ^ salt,
                   kHashSeeds[3] ^ salt};
  int64_t w = 0;
  for (; w + 8 <= n_words; w += 8) {
    const uint64_t mask = w + 8 == n_words ? last_mask : ~uint64_t(0);
    for (int lane = 0; lane < 4; ++lane) {
      const uint64_t a = words[w + 2 * lane];
      const uint64_t b = words[w + 2 * lane + 1] & (lane == 3 ? mask : ~uint64_t(0));
      h[lane] =
          fold_multiply(a ^ h[lane], b ^ kHashSeeds[lane]) + (h[lane] ^ a) + b * kHashSeeds[0];
    }
  }
  for (; w < n_words; ++w) {
    const uint64_t a = words[w] & (w + 1 == n_words ? last_mask : ~uint64_t(0));
    h[w % 4] = fold_multiply(a ^ h[w % 4], kHashSeeds[1]) + a;
  }
  const uint64_t mixed = fold_multiply(h[0] ^ kHashSeeds[2], h[1] ^ kHashSeeds[3]) ^
                         fold_multiply(h[2] ^ kHashSeeds[0], h[3] ^ kHashSeeds[1]);
  return fold_multiply(mixed ^ kHashSeeds[3], kHashSeeds[0]);
}

}  // namespace tfhash
