// Sums of the affinities of points to each other.
#pragma once

#include <cstdint>
#include <vector>

#include "progress.h"

namespace tfhash {

// `n` points, row after row, each of n_units numbers, of which those in `units` count, each in
// [0, n_units), in this order, times `scale`; at least one. No product may be NaN or infinite.
template <class Float>
struct Points {
  const Float* values;
  int64_t n, n_units;
  std::vector<int64_t> units;
  double scale;
};

// With e(i, j) = exp(-|point i - point j|^2), 0 where the squared distance is beyond 48
// (primitives/affinity.h), writes for each point i
//   sums[i]         the sum over all j, i among them, of e(i, j),
//   sums[n + i]     of e(i, j)^4,
//   sums[2 n + i]   of e(i, j) over the j with labels[j] == labels[i],
//   sums[3 n + i]   of e(i, j)^4 over them;
// without labels (empty) the first two alone.
void affinity_sums(const Points<float>& points, const std::vector<int64_t>& labels,
                   const Progress& progress, double* sums);
void affinity_sums(const Points<double>& points, const std::vector<int64_t>& labels,
                   const Progress& progress, double* sums);

}  // namespace tfhash
