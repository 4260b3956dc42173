#include "kernels/dense_stack.h"

#include <cstring>

#include "primitives.h"

namespace tfhash {

void find_active(const double* rows, int64_t stride, std::vector<int32_t>* active) {
  active->resize(stride);
  int64_t n = 0;
  for (int64_t i = 0; i < stride; ++i) {
    uint64_t any = 0;
    for (int64_t r = 0; r < kDenseRows; ++r) {
      uint64_t bits;
      std::memcpy(&bits, rows + r * stride + i, sizeof(bits));
      any |= bits;
    }
    (*active)[n] = int32_t(i);
    n += (any << 1) != 0;  // but for the sign: -0 is 0
  }
  active->resize(n);
}

void multiply(const DenseLayer& layer, const double* rows, const std::vector<int32_t>& active,
              int64_t from, int64_t to, double* out) {
  const auto& dense = primitives().dense;
  const int64_t n_in = layer.n_inputs, n_out = layer.n_units, n_active = int64_t(active.size());
  if (layer.weights_f32 != nullptr) {
    dense.multiply_f32(rows, n_in, active.data(), n_active, layer.weights_f32 + from, n_out,
                       to - from, out + from, n_out);
  } else {
    dense.multiply_f64(rows, n_in, active.data(), n_active, layer.weights_f64 + from, n_out,
                       to - from, out + from, n_out);
  }
}

void multiply_lanes(const DenseLayer& layer, const double* inputs, const int32_t* active,
                    int64_t n_active, const int32_t* columns, int64_t n_columns, int64_t n_points,
                    double* out) {
  const auto& dense = primitives().dense;
  if (layer.weights_f32 != nullptr) {
    dense.multiply_lanes_f32(inputs, active, n_active, layer.weights_f32, layer.n_units, 1,
                             columns, n_columns, n_points, out);
  } else {
    dense.multiply_lanes_f64(inputs, active, n_active, layer.weights_f64, layer.n_units, 1,
                             columns, n_columns, n_points, out);
  }
}

void finish_rows(const DenseLayer& layer, int64_t n, double* z) {
  for (int64_t r = 0; r < n; ++r, z += layer.n_units) {
    if (layer.scale != nullptr) {
      for (int64_t j = 0; j < layer.n_units; ++j) z[j] = z[j] * layer.scale[j] + layer.shift[j];
    } else {
      for (int64_t j = 0; j < layer.n_units; ++j) z[j] += layer.shift[j];
    }
  }
}

void activate(const double* z, int64_t n, double slope, double* h) {
  if (slope == 0) {
    for (int64_t j = 0; j < n; ++j) h[j] = z[j] > 0 ? z[j] : 0.0;
  } else {
    for (int64_t j = 0; j < n; ++j) h[j] = z[j] > 0 ? z[j] : slope * z[j];
  }
}

}  // namespace tfhash
