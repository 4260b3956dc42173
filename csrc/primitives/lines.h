// Rows of values at points along a line, between which they are affine.
#pragma once

#include <cstdint>

namespace tfhash {

struct LinePrimitives {
  // Bit j of words (ceil(n / 64), padding 0): whether just one of a[j] and b[j] is > 0.
  void (*mark_changes)(const double* a, const double* b, int64_t n, uint64_t* words);
  // Bit j of above: whether z[j] > tolerance[j]; of below: whether z[j] < -tolerance[j].
  void (*mark_signs)(const double* z, const double* tolerance, int64_t n, uint64_t* above,
                     uint64_t* below);
  // out[j] = a[j] + weight * (b[j] - a[j]), in three roundings.
  void (*blend)(const double* a, const double* b, double weight, int64_t n, double* out);
};

void fill_lines_scalar(LinePrimitives& table);
void fill_lines_avx2(LinePrimitives& table);
void fill_lines_avx512(LinePrimitives& table);

}  // namespace tfhash
