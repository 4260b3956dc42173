// Sums over a few numbers of float64, in an order of their own.
#pragma once

#include <cstdint>

namespace tfhash {

// Four sums side by side: the compiler may use vectors, the order is fixed.
inline double dot(const double* a, const double* b, int64_t n) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (int j = 0; j < 4; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
}

inline void add(double scale, const double* from, int64_t n, double* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += scale * from[i];
}

}  // namespace tfhash
