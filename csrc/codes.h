// Views of packed codes: what every kernel takes.
#pragma once

#include <cstdint>

namespace tfhash {

// n codes of n_bits bits, one after the other, n_words = ceil(n_bits / 64) words each.
// Bit j of code i is words[i * n_words + j / 64] >> (j % 64) & 1.
//
// Bits past n_bits may be anything: codes may lie in a file that is damaged, or in memory that
// another thread writes to. So whoever looks at whole words masks the last one (last_word_mask),
// and whatever is used as an index is made from words that were read once.
struct CodesView {
  const uint64_t* words;
  int64_t n;
  int64_t n_words;
  int64_t n_bits;

  const uint64_t* row(int64_t i) const { return words + i * n_words; }
};

constexpr int64_t kMostCodes = int64_t(1) << 48;

inline int64_t words_for(int64_t n_bits) { return n_bits / 64 + (n_bits % 64 != 0); }

// The bits of a code's last word that are bits of the code: all of them where n_bits is a multiple
// of 64.
inline uint64_t last_word_mask(int64_t n_bits) {
  return n_bits % 64 == 0 ? ~uint64_t(0) : (uint64_t(1) << (n_bits % 64)) - 1;
}

}  // namespace tfhash
