// The pairs of classes of one-vs-one models, in waves that fit memory.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tfhash {

// Classes i < j; `index` counts the pairs in the order (0, 1), (0, 2), ..., (1, 2), ...
struct ClassPair {
  int64_t i, j, index;
};

inline int64_t n_class_pairs(int64_t n_classes) { return n_classes * (n_classes - 1) / 2; }

// The pair of an index, found class by class.
inline ClassPair class_pair(int64_t index, int64_t n_classes) {
  int64_t i = 0, left = index;
  for (; left >= n_classes - 1 - i; ++i) left -= n_classes - 1 - i;
  return {i, i + 1 + left, index};
}

// Calls function(wave) for waves that together hold every pair once: the pairs between two ranges
// of classes, so that each class is in many pairs of a wave, which share the reading of its codes.
// A wave takes about `most_bytes`, a pair taking `pair_bytes`, and holds one pair at least.
template <class Function>
void for_each_wave(int64_t n_classes, int64_t pair_bytes, int64_t most_bytes,
                   const Function& function) {
  const double pairs = double(most_bytes) / double(pair_bytes);
  const int64_t side = double(n_class_pairs(n_classes)) <= pairs
                           ? n_classes
                           : std::max<int64_t>(1, int64_t(std::sqrt(pairs)));
  for (int64_t first = 0; first < n_classes; first += side) {
    for (int64_t second = first; second < n_classes; second += side) {
      std::vector<ClassPair> wave;
      for (int64_t i = first; i < std::min(n_classes, first + side); ++i) {
        for (int64_t j = std::max(i + 1, second); j < std::min(n_classes, second + side); ++j) {
          wave.push_back({i, j, i * n_classes - i * (i + 1) / 2 + j - i - 1});
        }
      }
      if (!wave.empty()) function(wave);
    }
  }
}

}  // namespace tfhash
