// Codes by class, and the same matrix of bits the other way round.
#pragma once

#include <vector>

#include "kernels/columns.h"

namespace tfhash {

// Rows of a class are padded to a multiple of 64 with rows of 0. features[b] holds, for
// each bit, the 64 rows from 64 b on as a word; after the bits, a word of the rows that are real.
struct ClassRows {
  Columns codes;
  std::vector<int64_t> starts;      // [n_classes + 1]: first row of each class
  std::vector<int64_t> sizes;       // [n_classes]: real rows
  int64_t n_terms = 0;              // n_bits + 1: the bits and the intercept
  std::vector<uint64_t> features;   // [n_rows / 64][n_terms]
  std::vector<int64_t> on;          // [n_classes][n_bits]: rows that have the bit

  // Bits `kept` of the codes; labels[i] in [0, n_classes) is the class of code i.
  ClassRows(const CodesView& all, const std::vector<int64_t>& kept, const int32_t* labels,
            int64_t n_classes, ThreadTeam& team);

 private:
  void turn_block(int64_t a, int64_t first);
};

}  // namespace tfhash
