// Zeroed words that start at a cache line, as vector loads and stores of whole lines want them.
#pragma once

#include <cstdint>
#include <vector>

namespace tfhash {

class AlignedWords {
 public:
  explicit AlignedWords(int64_t n) : words_(static_cast<size_t>(n) + kLine) {
    const auto at = reinterpret_cast<uintptr_t>(words_.data());
    start_ = words_.data() + (kLine - at / sizeof(uint64_t) % kLine) % kLine;
  }
  AlignedWords(AlignedWords&& other) = default;  // a vector that moves keeps its place
  AlignedWords(const AlignedWords&) = delete;
  AlignedWords& operator=(const AlignedWords&) = delete;

  uint64_t* data() { return start_; }
  const uint64_t* data() const { return start_; }

 private:
  static constexpr size_t kLine = 64 / sizeof(uint64_t);
  std::vector<uint64_t> words_;
  uint64_t* start_;
};

}  // namespace tfhash
