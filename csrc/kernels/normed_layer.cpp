#include "kernels/normed_layer.h"

#include <algorithm>
#include <cmath>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kColumnsAtOnce = 96;  // of a product, between two looks at whether it is to end
constexpr double kTiny = 1e-150;        // what is smaller may have a square of 0

constexpr int64_t kTile = 16;  // rows and columns that are transposed together

// Inputs [from, to) of weights [n_inputs, n] into [n, n_inputs], unless that is null; adds their
// squares to `sums`.
template <class Weight>
void transpose(const Weight* weights, int64_t n_inputs, int64_t n, int64_t from, int64_t to,
               double* by_unit, double* sums) {
  for (int64_t first = 0; first < n; first += kTile) {
    const int64_t last = std::min(n, first + kTile);
    for (int64_t i = from; i < to; ++i) {
      for (int64_t j = first; j < last; ++j) {
        const double weight = weights[i * n + j];
        if (by_unit != nullptr) by_unit[j * n_inputs + i] = weight;
        sums[j] += weight * weight;
      }
    }
  }
}

}  // namespace

NormedLayer::NormedLayer(const DenseLayer& given, bool is_first, bool has_many_lines)
    : layer(given) {
  if (is_first) return;
  const int64_t n_inputs = layer.n_inputs, n = layer.n_units;
  norms.resize(n);
  if (has_many_lines) by_unit = Aligned<double>(n * n_inputs);
  CheckNowAndThen check(kTile * n);
  for (int64_t i = 0; i < n_inputs; i += kTile) {
    check();
    const int64_t end = std::min(n_inputs, i + kTile);
    if (layer.weights_f32 != nullptr) {
      transpose(layer.weights_f32, n_inputs, n, i, end, by_unit.data(), norms.data());
    } else {
      transpose(layer.weights_f64, n_inputs, n, i, end, by_unit.data(), norms.data());
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    norms[j] = 1.000001 * (std::sqrt(norms[j]) + kTiny);
    if (layer.scale != nullptr) norms[j] *= std::fabs(layer.scale[j]);
  }
}

void NormedLayer::multiply(const double* inputs, const int32_t* active, int64_t n_active,
                           const int32_t* units, int64_t n, int64_t n_points, double* out) const {
  for (int64_t i = 0; i < n; i += kColumnsAtOnce) {
    check_interrupt();
    const int64_t some = std::min(kColumnsAtOnce, n - i);
    double* to = out + i * kDenseLanes;
    if (by_unit.size() > 0) {
      primitives().dense.multiply_lanes_f64(inputs, active, n_active, by_unit.data(), 1,
                                            layer.n_inputs, units + i, some, n_points, to);
    } else {
      multiply_lanes(layer, inputs, active, n_active, units + i, some, n_points, to);
    }
  }
  for (int64_t i = 0; i < n; ++i, out += kDenseLanes) {
    const double scale = layer.scale != nullptr ? layer.scale[units[i]] : 1;
    const double shift = layer.shift[units[i]];
    for (int64_t p = 0; p < kDenseLanes; ++p) out[p] = out[p] * scale + shift;
  }
}

}  // namespace tfhash
