// Bounded selection: the k nearest of many, of equally near ones those of the lowest index.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bits.h"

namespace tfhash {

// A distance and an index in one word that orders as the pair does. Distances of codes of n_bits
// bits and indices of n codes fit together as long as n * n_bits bits could be stored at all.
class NeighborKey {
 public:
  explicit NeighborKey(int64_t n) : index_bits_(bit_length(uint64_t(n))) {}

  uint64_t key(int64_t distance, int64_t index) const {
    return uint64_t(distance) << index_bits_ | uint64_t(index);
  }
  int64_t distance(uint64_t key) const { return int64_t(key >> index_bits_); }
  int64_t index(uint64_t key) const { return int64_t(key & ((uint64_t(1) << index_bits_) - 1)); }

 private:
  int index_bits_;
};

// The smallest `capacity` >= 1 of the keys pushed, in memory of the caller's: a heap with the
// largest on top once it is full.
class TopK {
 public:
  TopK() = default;
  TopK(uint64_t* keys, int64_t capacity) : keys_(keys), capacity_(capacity) {}

  bool full() const { return size_ == capacity_; }
  int64_t size() const { return size_; }
  int64_t capacity() const { return capacity_; }
  const uint64_t* keys() const { return keys_; }

  // The largest key kept, once full.
  uint64_t top() const { return keys_[0]; }

  void push(uint64_t key) {
    if (!full()) {
      keys_[size_++] = key;
      if (full()) std::make_heap(keys_, keys_ + size_);
    } else if (key < keys_[0]) {
      replace_top(key);
    }
  }

 private:
  void replace_top(uint64_t key) {
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < size_; at = child) {
      child += int64_t(child + 1 < size_ && keys_[child + 1] > keys_[child]);
      if (keys_[child] <= key) break;
      keys_[at] = keys_[child];
    }
    keys_[at] = key;
  }

  uint64_t* keys_ = nullptr;
  int64_t capacity_ = 0;
  int64_t size_ = 0;
};

}  // namespace tfhash
