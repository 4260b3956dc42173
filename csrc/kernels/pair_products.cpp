#include "kernels/pair_products.h"

#include <algorithm>
#include <cmath>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kRows = 512;        // of a task, whose coefficients add up in an int32
constexpr int kCoefficientBits = 21;  // and a sign
constexpr int64_t kSpanWords = 512;   // taken backward and forward before the next: 4 KiB of a row
constexpr int64_t kBackWords = 32;    // of a task: their sums and totals stay in an L2 cache
constexpr int64_t kChunkWords = 64;   // whose sums are 32 bits wide

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Where the bit is among the totals: squares of bits are turned 8 side by side.
int64_t slot_of(int64_t bit) {
  const int64_t word = bit / 64;
  return word / kSquareWords * kSquareSize + bit % 64 * kSquareWords + word % kSquareWords;
}

}  // namespace

PairProducts::PairProducts(const Tiles& codes, const int32_t* labels, int64_t n_classes,
                           ThreadTeam& team)
    : codes_(codes), team_(team), rows_(n_classes), scratch_(team.size()) {
  for (int64_t i = 0; i < codes.n(); ++i) rows_[labels[i]].push_back(int32_t(i));
  for (Scratch& scratch : scratch_) {
    scratch.table = Aligned<int32_t>(kWordTable);
    scratch.sums = Aligned<int32_t>(std::max(64 * kBackWords, kRows) * kLanes);
    scratch.squares = Aligned<uint64_t>(kSquareSize);
  }
}

int64_t PairProducts::span() const {
  return std::min(kSpanWords, ceil_div(codes_.n_words(), kSquareWords) * kSquareWords);
}

int64_t PairProducts::pair_bytes() const { return 2 * 64 * span() * (8 + 4); }

void PairProducts::multiply(std::vector<PairProduct*>& pairs) {
  arrange(pairs);
  for (PairProduct* pair : pairs) pair->largest = 0;
  for (int64_t word = 0; word < codes_.n_words(); word += kSpanWords) {
    const int64_t n_words = std::min(kSpanWords, codes_.n_words() - word);
    backward(word, n_words);
    combine(pairs, word, n_words);
    forward(word, n_words);
  }
  team_.run(int64_t(pairs.size()), [&](int64_t p, int) {
    PairProduct& pair = *pairs[p];
    pair.values.clear();
    for (int side = 0; side < 2; ++side) {
      const Place& place = places_[2 * p + side];
      const int64_t n = size(place.lanes->class_index);
      for (int64_t i = 0; i < n; ++i) {
        pair.values.push_back(place.lanes->values[i * kLanes + place.lane]);
      }
    }
  });
}

void PairProducts::add_weights(std::vector<PairProduct*>& pairs,
                               const std::vector<double*>& weights) {
  arrange(pairs);
  for (int64_t word = 0; word < codes_.n_words(); word += kSpanWords) {
    const int64_t n_words = std::min(kSpanWords, codes_.n_words() - word);
    backward(word, n_words);
    team_.run(int64_t(pairs.size()), [&](int64_t p, int) {
      const int64_t n_bits = std::min(64 * n_words, codes_.n_bits() - 64 * word);
      for (int64_t b = 0; b < n_bits; ++b) weights[p][64 * word + b] += total(p, slot_of(b));
    });
  }
}

// Gives every pair a lane in each of its classes and loads its coefficients.
void PairProducts::arrange(std::vector<PairProduct*>& pairs) {
  units_.resize(pairs.size());
  places_.resize(2 * pairs.size());
  std::vector<std::vector<int64_t>> of_class(rows_.size());
  for (size_t p = 0; p < pairs.size(); ++p) {
    of_class[pairs[p]->i].push_back(int64_t(p));
    of_class[pairs[p]->j].push_back(int64_t(p));
  }
  const int64_t span = this->span();
  size_t used = 0;
  for (size_t a = 0; a < rows_.size(); ++a) {
    for (size_t first = 0; first < of_class[a].size(); first += kLanes) {
      if (used == lanes_.size()) lanes_.emplace_back();
      Lanes& lanes = lanes_[used++];
      lanes.class_index = int64_t(a);
      const size_t last = std::min(of_class[a].size(), first + kLanes);
      lanes.pairs.assign(of_class[a].begin() + int64_t(first), of_class[a].begin() + int64_t(last));
      lanes.coefficients = Aligned<int32_t>(ceil_div(size(int64_t(a)), 64) * 64 * kLanes);
      lanes.values.assign(size(int64_t(a)) * kLanes, 0);
      if (lanes.totals.size() == 0) {
        lanes.totals = Aligned<int64_t>(64 * span * kLanes);
        lanes.entries = Aligned<int32_t>(64 * span * kLanes);
      }
      lanes.units.assign(ceil_div(span, kChunkWords) * kLanes, 0);
    }
  }
  lanes_.resize(used);
  for (Lanes& lanes : lanes_) {
    for (size_t lane = 0; lane < lanes.pairs.size(); ++lane) {
      const int64_t p = lanes.pairs[lane];
      places_[2 * p + (pairs[p]->j == lanes.class_index)] = {&lanes, int64_t(lane)};
    }
  }
  // Lanes that no pair has must add up to nothing, whatever was in them.
  team_.run(int64_t(used), [&](int64_t g, int) {
    if (lanes_[g].pairs.size() < size_t(kLanes)) {
      std::fill_n(lanes_[g].entries.data(), lanes_[g].entries.size(), 0);
    }
  });
  team_.run(int64_t(pairs.size()), [&](int64_t p, int) {
    PairProduct& pair = *pairs[p];
    double most = 0;
    for (double c : pair.coefficients) most = std::max(most, std::fabs(c));
    const double unit = most > 0 ? std::ldexp(1.0, std::ilogb(most) + 1 - kCoefficientBits) : 1;
    units_[p] = unit;
    const int64_t n_first = size(pair.i);
    for (int64_t i = 0; i < int64_t(pair.coefficients.size()); ++i) {
      const Place& place = places_[2 * p + (i >= n_first)];
      const int64_t row = i >= n_first ? i - n_first : i;
      const int32_t rounded = static_cast<int32_t>(std::lrint(pair.coefficients[i] / unit));
      place.lanes->coefficients[row * kLanes + place.lane] = rounded;
      pair.coefficients[i] = rounded * unit;
    }
  });
}

// The totals of words [first_word, first_word + n_words).
void PairProducts::backward(int64_t first_word, int64_t n_words) {
  std::vector<Task> tasks;
  for (Lanes& lanes : lanes_) {
    for (int64_t w = 0; w < n_words; w += kBackWords) tasks.push_back({&lanes, w});
  }
  team_.run(int64_t(tasks.size()), [&](int64_t t, int worker) {
    backward_task(tasks[t], first_word, n_words, scratch_[worker]);
  });
}

void PairProducts::backward_task(const Task& task, int64_t first_word, int64_t n_words,
                                 Scratch& scratch) {
  const TablePrimitives& tables = primitives().tables;
  Lanes& lanes = *task.lanes;
  const std::vector<int32_t>& rows = rows_[lanes.class_index];
  const int64_t words = std::min(kBackWords, n_words - task.first);
  const int64_t n_squares = ceil_div(words, kSquareWords);
  int64_t* totals = lanes.totals.data() + 64 * task.first * kLanes;
  int32_t* sums = scratch.sums.data();
  uint64_t* squares = scratch.squares.data();
  std::fill_n(totals, n_squares * kSquareSize * kLanes, 0);
  std::fill_n(sums, n_squares * kSquareSize * kLanes, 0);
  for (int64_t first = 0; first < int64_t(rows.size()); first += kRows) {
    check_interrupt();
    const int64_t n = std::min(kRows, int64_t(rows.size()) - first);
    const Tile tile = codes_.read(first_word + task.first, words, 0, rows.data() + first, n,
                                  scratch.buffer);
    for (int64_t i = 0; i < n; i += 64) {
      // By 64 rows: their coefficients are the entries, the rows that have a bit the nibbles.
      const int64_t n_rows = std::min<int64_t>(64, n - i);
      const int n_nibbles = static_cast<int>(ceil_div(n_rows, 4));
      tables.build(lanes.coefficients.data() + (first + i) * kLanes, n_nibbles,
                   scratch.table.data());
      for (int64_t q = 0; q < n_squares; ++q) {
        const int64_t n_columns = std::min(kSquareWords, words - q * kSquareWords);
        if (n_rows < 64 || n_columns < kSquareWords) std::fill_n(squares, kSquareSize, 0);
        for (int64_t t = 0; t < n_columns; ++t) {
          const uint64_t* column = tile.column(q * kSquareWords + t) + i;
          for (int64_t r = 0; r < n_rows; ++r) squares[r * kSquareWords + t] = column[r];
        }
        primitives().columns.turn(squares);
        tables.scan(scratch.table.data(), n_nibbles, squares, kSquareSize, nullptr,
                    sums + q * kSquareSize * kLanes);
      }
    }
    tables.flush(sums, n_squares * kSquareSize, totals);
  }
}

// X^T coefficients of a bit of the span at hand.
double PairProducts::total(int64_t pair, int64_t slot) const {
  int64_t sum = 0;
  for (int side = 0; side < 2; ++side) {
    const Place& place = places_[2 * pair + side];
    sum += place.lanes->totals[slot * kLanes + place.lane];
  }
  return double(sum) * units_[pair];
}

// The entries of the span at hand, from the totals.
void PairProducts::combine(const std::vector<PairProduct*>& pairs, int64_t first_word,
                           int64_t n_words) {
  const int64_t n_chunks = ceil_div(n_words, kChunkWords), n_pairs = int64_t(pairs.size());
  std::vector<double> largest(n_chunks * n_pairs);
  team_.run(n_chunks * n_pairs, [&](int64_t task, int) {
    const int64_t chunk = task / n_pairs, p = task % n_pairs;
    const int64_t first = 64 * chunk * kChunkWords;
    const int64_t last = std::min({first + 64 * kChunkWords, 64 * n_words,
                                   codes_.n_bits() - 64 * first_word});
    std::vector<double> weights;
    double positive = 0, negative = 0;
    for (int64_t b = first; b < last; ++b) {
      const double weight = total(p, slot_of(b));
      weights.push_back(weight);
      (weight > 0 ? positive : negative) += std::fabs(weight);
      largest[task] = std::max(largest[task], std::fabs(weight));
    }
    // Sums of any of them stay under 2^30 and a little, for rounding, however small they are.
    const double most = std::max(positive, negative);
    const double scale = most > 1e-200 ? std::ldexp(1.0, 29 - std::ilogb(most)) : 1;
    for (int side = 0; side < 2; ++side) {
      const Place& place = places_[2 * p + side];
      place.lanes->units[chunk * kLanes + place.lane] = 1 / scale;
      int32_t* entries = place.lanes->entries.data() + place.lane;
      for (int64_t b = first; b < last; ++b) {
        entries[b * kLanes] = static_cast<int32_t>(std::lrint(weights[b - first] * scale));
      }
    }
  });
  for (int64_t task = 0; task < n_chunks * n_pairs; ++task) {
    double& most = pairs[task % n_pairs]->largest;
    most = std::max(most, largest[task]);
  }
}

// Adds what the span's words are worth to the values.
void PairProducts::forward(int64_t first_word, int64_t n_words) {
  std::vector<Task> tasks;
  for (Lanes& lanes : lanes_) {
    for (int64_t row = 0; row < size(lanes.class_index); row += kRows) {
      tasks.push_back({&lanes, row});
    }
  }
  team_.run(int64_t(tasks.size()), [&](int64_t t, int worker) {
    forward_task(tasks[t], first_word, n_words, scratch_[worker]);
  });
}

void PairProducts::forward_task(const Task& task, int64_t first_word, int64_t n_words,
                                Scratch& scratch) {
  const TablePrimitives& tables = primitives().tables;
  Lanes& lanes = *task.lanes;
  const std::vector<int32_t>& rows = rows_[lanes.class_index];
  const int64_t n = std::min(kRows, int64_t(rows.size()) - task.first);
  const Aligned<int32_t> zero(kLanes);
  int32_t* sums = scratch.sums.data();
  for (int64_t first = 0; first < n_words; first += kChunkWords) {
    const int64_t words = std::min(kChunkWords, n_words - first);
    const Tile tile =
        codes_.read(first_word + first, words, 0, rows.data() + task.first, n, scratch.buffer);
    for (int64_t w = 0; w < words; ++w) {
      const int n_nibbles = codes_.n_nibbles(first_word + first + w);
      tables.build(lanes.entries.data() + 64 * (first + w) * kLanes, n_nibbles,
                   scratch.table.data());
      tables.scan(scratch.table.data(), n_nibbles, tile.column(w), n,
                  w == 0 ? zero.data() : nullptr, sums);
    }
    const double* units = lanes.units.data() + first / kChunkWords * kLanes;
    double* values = lanes.values.data() + task.first * kLanes;
    for (int64_t i = 0; i < n; ++i) {
      for (int lane = 0; lane < kLanes; ++lane) {
        values[i * kLanes + lane] += double(sums[i * kLanes + lane]) * units[lane];
      }
    }
  }
  std::fill_n(sums, n * kLanes, 0);
}

}  // namespace tfhash
