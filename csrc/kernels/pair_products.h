// Products of codes with vectors, for pairs of classes side by side, straight from the rows.
#pragma once

#include <vector>

#include "kernels/tiles.h"
#include "primitives/tables.h"

namespace tfhash {

// A pair of classes and what its rows (those of class i, then those of class j) are multiplied with.
struct PairProduct {
  int64_t i, j;
  std::vector<double> coefficients;  // [rows]: rounded to what is really multiplied
  std::vector<double> values;        // [rows]: X X^T coefficients
  double largest = 0;                // entry of X^T coefficients, in absolute value
};

// The codes of each class, and products of them for up to 16 pairs at a time with one reading.
//
// Coefficients are rounded to 22 bits of the largest one, so that they add up exactly, by table
// (primitives/tables.h), for 64 rows at a time; the weights that come of it are added up the same
// way, for 4096 bits at a time. Results are the same for every number of threads.
class PairProducts {
 public:
  PairProducts(const Tiles& codes, const int32_t* labels, int64_t n_classes, ThreadTeam& team);

  int64_t size(int64_t a) const { return int64_t(rows_[a].size()); }

  // Bytes that the products of a pair take, its classes having pairs to fill all lanes.
  int64_t pair_bytes() const;

  // Rounds the coefficients and works out values and largest entries.
  void multiply(std::vector<PairProduct*>& pairs);

  // Rounds the coefficients and adds X^T coefficients, in float64, to weights[pair][bit of the
  // codes that were read].
  void add_weights(std::vector<PairProduct*>& pairs, const std::vector<double*>& weights);

 private:
  // What the rows of one class need to know of up to 16 of the pairs it is in, one to a lane.
  struct Lanes {
    int64_t class_index;
    std::vector<int64_t> pairs;
    Aligned<int32_t> coefficients;  // [rows rounded up to 64][16]
    std::vector<double> values;     // [rows][16]
    Aligned<int64_t> totals;        // [slots][16]: X^T coefficients of the bits at hand
    Aligned<int32_t> entries;       // [bits][16]: the same in other units
    std::vector<double> units;      // [chunks][16]: of the entries
  };
  struct Task {
    Lanes* lanes;
    int64_t first;
  };
  struct Scratch {
    Aligned<int32_t> table, sums;
    Aligned<uint64_t> squares;
    TileBuffer buffer;
  };

  int64_t span() const;  // words that are taken together
  void arrange(std::vector<PairProduct*>& pairs);
  void backward(int64_t first_word, int64_t n_words);
  void combine(const std::vector<PairProduct*>& pairs, int64_t first_word, int64_t n_words);
  void forward(int64_t first_word, int64_t n_words);
  void backward_task(const Task& task, int64_t first_word, int64_t n_words, Scratch& scratch);
  void forward_task(const Task& task, int64_t first_word, int64_t n_words, Scratch& scratch);
  double total(int64_t pair, int64_t slot) const;

  const Tiles& codes_;
  ThreadTeam& team_;
  std::vector<std::vector<int32_t>> rows_;  // [class]
  std::vector<Lanes> lanes_;
  struct Place {
    Lanes* lanes;
    int64_t lane;
  };
  std::vector<Place> places_;        // [pair][2]
  std::vector<double> units_;        // [pair]: of the coefficients
  std::vector<Scratch> scratch_;     // [worker]
};

}  // namespace tfhash
