// Error messages for bad input: what was expected, what was received.
#pragma once

#include <cstdint>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

namespace tfhash {

// The parts, streamed one after the other into one string.
template <class... Parts>
std::string message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Throws std::invalid_argument (ValueError in Python) unless the condition holds.
template <class... Parts>
void expect(bool condition, const Parts&... parts) {
  if (!condition) throw std::invalid_argument(message(parts...));
}

// a * b of two numbers >= 0, or the largest number there is.
inline int64_t product(int64_t a, int64_t b) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  return b != 0 && a > kMost / b ? kMost : a * b;
}

// Whether [start, start + count) lies in [0, size), whatever the numbers are.
inline bool span_fits(int64_t start, int64_t count, int64_t size) {
  return start >= 0 && count >= 0 && count <= size && start <= size - count;
}

}  // namespace tfhash
