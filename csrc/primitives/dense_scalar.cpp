#include <algorithm>

#include "primitives/dense.h"

namespace tfhash {
namespace {

constexpr int64_t kTile = 8;

template <class Weight>
void multiply(const double* rows, int64_t stride, const int32_t* active, int64_t n_active,
              const Weight* weights, int64_t n_weights, int64_t n_columns, double* out,
              int64_t out_stride) {
  for (int64_t c = 0; c < n_columns; c += kTile) {
    const int64_t width = std::min(kTile, n_columns - c);
    double sums[kDenseRows][kTile] = {};
    for (int64_t a = 0; a < n_active; ++a) {
      const int64_t i = active[a];
      const Weight* w = weights + i * n_weights + c;
      for (int64_t r = 0; r < kDenseRows; ++r) {
        const double x = rows[r * stride + i];
        for (int64_t k = 0; k < width; ++k) sums[r][k] += x * double(w[k]);
      }
    }
    for (int64_t r = 0; r < kDenseRows; ++r) std::copy_n(sums[r], width, out + r * out_stride + c);
  }
}

template <class Weight>
void multiply_lanes(const double* inputs, const int32_t* active, int64_t n_active,
                    const Weight* weights, int64_t n_weights, const int32_t* columns,
                    int64_t n_columns, double* out) {
  for (int64_t c = 0; c < n_columns; ++c, out += kDenseLanes) {
    double sums[kDenseLanes] = {};
    for (int64_t a = 0; a < n_active; ++a) {
      const double w = weights[active[a] * n_weights + columns[c]];
      for (int64_t p = 0; p < kDenseLanes; ++p) sums[p] += inputs[a * kDenseLanes + p] * w;
    }
    std::copy_n(sums, kDenseLanes, out);
  }
}

bool blend_lanes(const double* one, const double* other, const int64_t* from,
                 const double* weight, double slope, double* out) {
  bool any = false;
  for (int64_t p = 0; p < kDenseLanes; ++p) {
    out[p] = blend_lane(one, other, from[p], weight[p], slope);
    any |= out[p] != 0;
  }
  return any;
}

}  // namespace

void fill_dense_scalar(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
  table.blend_lanes = blend_lanes;
}

}  // namespace tfhash
