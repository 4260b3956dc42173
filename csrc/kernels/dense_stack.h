// A stack of dense layers, each followed by a (leaky) ReLU.
#pragma once

#include <cstdint>
#include <vector>

#include "primitives/dense.h"

namespace tfhash {

// Pre-activations are (inputs times weights) * scale + shift; a unit gives what is above 0 as it
// is, and `slope` times what is not.
struct DenseLayer {
  const float* weights_f32;   // [n_inputs, n_units], or null
  const double* weights_f64;  // likewise; one of the two is given
  int64_t n_inputs, n_units;
  const double* scale;  // [n_units], or null for 1
  const double* shift;  // [n_units]
  double slope;
};

// Rows, with those that make them a multiple of kDenseRows.
inline int64_t padded(int64_t rows) { return (rows + kDenseRows - 1) / kDenseRows * kDenseRows; }

// The inputs of which some row of a block of kDenseRows is not 0: they alone count.
void find_active(const double* rows, int64_t stride, std::vector<int32_t>* active);

// Columns [from, to) of kDenseRows rows times a layer's weights.
void multiply(const DenseLayer& layer, const double* rows, const std::vector<int32_t>& active,
              int64_t from, int64_t to, double* out);

// Columns `columns` of a layer's products at n_points points side by side, as multiply_lanes_f64 of
// the primitives.
void multiply_lanes(const DenseLayer& layer, const double* inputs, const int32_t* active,
                    int64_t n_active, const int32_t* columns, int64_t n_columns, int64_t n_points,
                    double* out);

// Scales and shifts n rows of products: they are pre-activations then.
void finish_rows(const DenseLayer& layer, int64_t n, double* z);

// What n units give.
void activate(const double* z, int64_t n, double slope, double* h);

}  // namespace tfhash
