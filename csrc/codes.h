// Views of packed codes: what every kernel takes.
#pragma once

#include <cstdint>

namespace tfhash {

// n codes of n_bits bits, one after the other, n_words = ceil(n_bits / 64) words each.
// Bit j of code i is words[i * n_words + j / 64] >> (j % 64) & 1; bits past n_bits are 0.
struct CodesView {
  const uint64_t* words;
  int64_t n;
  int64_t n_words;
  int64_t n_bits;

  const uint64_t* row(int64_t i) const { return words + i * n_words; }
};

inline int64_t words_for(int64_t n_bits) { return (n_bits + 63) / 64; }

}  // namespace tfhash
