// Which centre is nearest to a code: the step that K-Means repeats.
#pragma once

#include <vector>

#include "kernels/columns.h"
#include "primitives/tables.h"

namespace tfhash {

// k centres in [0, 1]^n_bits, and what finds the nearest one fast.
//
// ||x - c||^2 = ||c||^2 + sum over the bits of x that are 1 of (1 - 2 c_j). The terms are kept in
// fixed point, 16 centres side by side, and added by table; the result is within `error` of the
// true one. Where two centres are closer than that, the distances are added up in float64. (Centres
// that are codes themselves tie often, but have no error.)
struct Centers {
  int64_t k = 0, n_bits = 0, n_words = 0, n_groups = 0;
  std::vector<double> values;  // [k][n_bits]
  std::vector<double> norms;   // [k]: ||c||^2
  Aligned<int32_t> entries;    // [n_groups][64 * n_words][16]: 1 - 2 c_j
  Aligned<int32_t> bases;      // [n_groups][16]: ||c||^2; out of reach in lanes past k
  double scale = 1;            // fixed-point units in 1
  std::vector<double> errors;  // [n_words]: the most that the entries of a word are off together
  double error = 0;            // in fixed-point units

  Centers() = default;
  Centers(int64_t k, int64_t n_bits);

  double* center(int64_t j) { return values.data() + j * n_bits; }
  const double* center(int64_t j) const { return values.data() + j * n_bits; }

  // Entries of the bits of words [first, last), from the values.
  void set_entries(int64_t first, int64_t last);
  // Bases and the error, when all entries are set, from the norms.
  void set_bases();
};

constexpr int64_t kCenterBlock = 2048;  // rows that are looked up together

// What one thread finds out about a block, and the memory it needs for it.
struct Nearest {
  std::vector<int32_t> labels;  // the nearest centre, the lowest index where several are in float64
  std::vector<float> gaps;      // the next one is farther by at least this (a difference of roots)

  Aligned<int32_t> table, sums;
  std::vector<uint64_t> words;
  std::vector<int32_t> first, second;                     // smallest sums of all groups so far
  std::vector<int32_t> group_first, group_second, lanes;  // and of a group
  Nearest();

  // For `count` rows of the block that starts at row `start`: those listed, or the first `count`.
  void find(const Columns& codes, const Centers& centers, int64_t start, const int32_t* rows,
            int64_t count);
};

// ||x_i - c||^2 in float64, bits in ascending order.
double squared_distance(const Columns& codes, int64_t i, const double* center);

}  // namespace tfhash
