// Which center is nearest to a code: the step that K-Means repeats.
#pragma once

#include <vector>

#include "kernels/tiles.h"
#include "primitives/tables.h"

namespace tfhash {

constexpr int64_t kChunkWords = 64;

// k centers in [0, 1]^n_bits, and what finds the nearest one fast.
//
// ||x - c||^2 = ||c||^2 + sum over the bits of x that are 1 of (1 - 2 c_j). The terms are kept in
// fixed point, 16 centers side by side, and added by table; the result is within `error` of the
// true one. Where two centers are closer than that, the distances are added up in float64. (Centers
// that are codes themselves tie often, but have no error.)
//
// Sums of kChunkWords words are 32 bits wide; those of wider codes are added up in 64 bits, in
// units 2^shift times finer, and rounded down to 32 bits in the end.
struct Centers {
  int64_t k = 0, n_bits = 0, n_words = 0, n_groups = 0;
  std::vector<double> values;  // [k][n_bits]
  std::vector<double> norms;   // [k]: ||c||^2
  Aligned<int32_t> entries;    // [n_groups][64 * n_words][16]: 1 - 2 c_j, in the finer units
  Aligned<int64_t> bases;      // [n_groups][16]: ||c||^2 in the finer units; lanes past k out of reach
  double scale = 1;            // fixed-point units in 1
  int shift = 0;
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

constexpr int64_t kCenterBlock = 2048;  // the most rows that are looked up together

// How many rows to look up together, so that it does not take long.
inline int64_t center_block(int64_t n_words) { return n_words > 512 ? 512 : kCenterBlock; }

// What one thread finds out about a block, and the memory it needs for it.
struct Nearest {
  std::vector<int32_t> labels;  // the nearest center, the lowest index where several are in float64
  std::vector<float> gaps;      // the next one is farther by at least this (a difference of roots)

  Aligned<int32_t> table, sums;
  Aligned<int64_t> totals;  // of wide codes
  TileBuffer buffer;
  std::vector<int32_t> first, second;                     // smallest sums of all groups so far
  std::vector<int32_t> group_first, group_second, lanes;  // and of a group
  Nearest();

  // For `count` rows of the block that starts at row `start`: those listed, or the first `count`.
  void find(const Tiles& codes, const Centers& centers, int64_t start, const int32_t* rows,
            int64_t count);

 private:
  void add_up(const Tiles& codes, const Centers& centers, int64_t group, int64_t start,
              const int32_t* rows, int64_t count);
};

// ||x - c||^2 in float64, bits in ascending order.
double squared_distance(const std::vector<uint64_t>& code, int64_t n_bits, const double* center);

}  // namespace tfhash
