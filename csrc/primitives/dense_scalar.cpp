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
                    const Weight* weights, int64_t input_stride, int64_t unit_stride,
                    const int32_t* columns, int64_t n_columns, int64_t n_points, double* out) {
  for (int64_t c = 0; c < n_columns; ++c, out += kDenseLanes) {
    const Weight* of_unit = weights + columns[c] * unit_stride;
    double sums[kDenseLanes] = {};
    for (int64_t a = 0; a < n_active; ++a) {
      const double w = of_unit[active[a] * input_stride];
      for (int64_t p = 0; p < n_points; ++p) sums[p] += inputs[a * kDenseLanes + p] * w;
    }
    std::copy_n(sums, n_points, out);
  }
}

int64_t blend_lanes(const double* const* one, const double* const* other, int64_t n_rows,
                    const int64_t* from, const double* weight, double slope, double* out,
                    int32_t* units) {
  constexpr int64_t seam = kDenseLanes - 1;
  int64_t kept = 0;
  for (int64_t i = 0; i < n_rows; ++i) {
    double* row = out + kept * kDenseLanes;
    bool any = false;
    for (int64_t p = 0; p < kDenseLanes; ++p) {
      const double* z = from[p] < seam ? one[i] + from[p] : other[i] + (from[p] - seam);
      const double value = weight[p] == 0 ? z[0] : z[0] + weight[p] * (z[1] - z[0]);
      row[p] = value > 0 ? value : slope == 0 ? 0.0 : slope * value;
      any |= row[p] != 0;
    }
    units[kept] = units[i];
    kept += any;
  }
  return kept;
}

void mark_lanes(const double* rows, int64_t n_rows, uint32_t* above) {
  for (int64_t i = 0; i < n_rows; ++i, rows += kDenseLanes) {
    above[i] = 0;
    for (int64_t p = 0; p < kDenseLanes; ++p) above[i] |= uint32_t(rows[p] > 0) << p;
  }
}

void add_offsets(const double* rows, int64_t n_rows, int64_t last, const double* share,
                 double* off, double* sizes) {
  for (int64_t i = 0; i < n_rows; ++i, rows += kDenseLanes) {
    const double from = rows[0], to = rows[last], step = to - from;
    sizes[0] += from * from;
    sizes[1] += to * to;
    for (int64_t p = 0; p < kDenseLanes; ++p) {
      const double apart = rows[p] - (from + share[p] * step);
      off[p] += apart * apart;
    }
  }
}

}  // namespace

void fill_dense_scalar(DensePrimitives& table) {
  table.multiply_f32 = multiply<float>;
  table.multiply_f64 = multiply<double>;
  table.multiply_lanes_f32 = multiply_lanes<float>;
  table.multiply_lanes_f64 = multiply_lanes<double>;
  table.blend_lanes = blend_lanes;
  table.mark_lanes = mark_lanes;
  table.add_offsets = add_offsets;
}

}  // namespace tfhash
