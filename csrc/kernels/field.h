// Values along a line, pixel by pixel, each with the points at which it bends.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "kernels/pack.h"

namespace tfhash {

// The values of pixel p at the points t[first[p]] to t[first[p + 1] - 1], of which there are two at
// least, 0 and 1: rows of n_channels numbers, affine between.
struct Field {
  int64_t n_channels = 0;
  std::vector<int64_t> first;
  std::vector<double> t;
  std::unique_ptr<double[]> rows;

  int64_t n_pixels() const { return int64_t(first.size()) - 1; }
  int64_t n_rows() const { return int64_t(t.size()); }
  int64_t bytes() const { return 8 * n_rows() * (n_channels + 1); }
  const double* row(int64_t i) const { return rows.get() + i * n_channels; }
  MatrixView<double> pixel(int64_t p) const {
    return {row(first[p]), first[p + 1] - first[p], n_channels, n_channels};
  }

  // Adds the points of pixel p between the ends.
  void add_inner(int64_t p, std::vector<double>* points) const {
    points->insert(points->end(), t.begin() + first[p] + 1, t.begin() + first[p + 1] - 1);
  }

  // The values of pixel p at any point, `size` of them from channel `from` on.
  void at(int64_t p, double point, int64_t from, int64_t size, double* out) const;
};

// Sorts points between the ends, keeps one of equal ones, and puts the ends around them.
void order_points(std::vector<double>* points);

}  // namespace tfhash
