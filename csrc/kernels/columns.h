// Codes by columns: the same word of consecutive codes side by side, constant bits left out.
#pragma once

#include <vector>

#include "aligned.h"
#include "codes.h"
#include "parallel.h"

namespace tfhash {

// Word w of row i is words[w * stride + i]. Rows past n (up to the stride) and bits past n_bits
// are 0.
struct Columns {
  int64_t n = 0;
  int64_t n_bits = 0;
  int64_t n_words = 0;
  int64_t stride = 0;
  Aligned<uint64_t> words;

  const uint64_t* column(int64_t w) const { return words.data() + w * stride; }
  bool bit(int64_t i, int64_t j) const { return words[j / 64 * stride + i] >> (j % 64) & 1; }
  // How many nibbles of word w hold bits.
  int n_nibbles(int64_t w) const {
    return static_cast<int>(((n_bits - 64 * w < 64 ? n_bits - 64 * w : 64) + 3) / 4);
  }
};

// Which bits differ between some two of the codes, ascending. A constant bit tells no two codes
// apart: it changes no distance between a code and a mean of codes, and no penalized optimum.
std::vector<int64_t> varying_bits(const CodesView& codes, ThreadTeam& team);

// The same over several sets of codes, all of one width, taken together.
std::vector<int64_t> varying_bits(const std::vector<CodesView>& parts, ThreadTeam& team);

// Bits `kept` (ascending) of the codes `rows`; a row of -1 is all 0, no `rows` means every code.
Columns make_columns(const CodesView& codes, const std::vector<int64_t>& kept,
                     const std::vector<int64_t>* rows, ThreadTeam& team);

// Bits `kept` (ascending) of each code, row after row: out has codes.n rows of
// words_for(kept.size()) words.
void keep_bits(const CodesView& codes, const std::vector<int64_t>& kept, uint64_t* out);

}  // namespace tfhash
