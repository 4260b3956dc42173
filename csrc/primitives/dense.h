// Float64 numbers times a matrix of weights.
#pragma once

#include <cstdint>

namespace tfhash {

constexpr int64_t kDenseRows = 4;      // that are multiplied together
constexpr int64_t kDenseColumns = 48;  // that fit in registers with them, with the widest vectors
constexpr int64_t kDenseLanes = 16;    // points side by side, where only some columns are wanted

// Row r of out, r < kDenseRows, n_columns long: the sum, in the order of `active`, of
// rows[r * stride + i] * weights[i * n_weights + column] for i in active. Every product and sum is
// rounded to float64, so that all instruction sets give the same bits.
struct DensePrimitives {
  void (*multiply_f32)(const double* rows, int64_t stride, const int32_t* active, int64_t n_active,
                       const float* weights, int64_t n_weights, int64_t n_columns, double* out,
                       int64_t out_stride);
  void (*multiply_f64)(const double* rows, int64_t stride, const int32_t* active, int64_t n_active,
                       const double* weights, int64_t n_weights, int64_t n_columns, double* out,
                       int64_t out_stride);
  // out[c * kDenseLanes + p], c < n_columns: the same sum for column columns[c], in which input
  // active[a] at point p is inputs[a * kDenseLanes + p].
  void (*multiply_lanes_f32)(const double* inputs, const int32_t* active, int64_t n_active,
                             const float* weights, int64_t n_weights, const int32_t* columns,
                             int64_t n_columns, double* out);
  void (*multiply_lanes_f64)(const double* inputs, const int32_t* active, int64_t n_active,
                             const double* weights, int64_t n_weights, const int32_t* columns,
                             int64_t n_columns, double* out);
  // out[p], p < kDenseLanes: what a unit gives at the share weight[p] of the way from number from[p]
  // to the next, in three roundings (at that number itself where weight[p] is 0): what is above 0
  // as it is, `slope` times what is not. Numbers before kDenseLanes - 1 are those of `one`, from
  // there on those of `other`: the number after one of `one` is always of `one`. `from` ascends by
  // 0 or 1. False where all are 0. After both, kDenseLanes more numbers are read, and not used.
  bool (*blend_lanes)(const double* one, const double* other, const int64_t* from,
                      const double* weight, double slope, double* out);
};

// One lane of blend_lanes.
inline double blend_lane(const double* one, const double* other, int64_t from, double weight,
                         double slope) {
  constexpr int64_t seam = kDenseLanes - 1;
  const double* z = from < seam ? one + from : other + (from - seam);
  const double value = weight == 0 ? z[0] : z[0] + weight * (z[1] - z[0]);
  return value > 0 ? value : slope == 0 ? 0.0 : slope * value;
}

void fill_dense_scalar(DensePrimitives& table);
void fill_dense_avx2(DensePrimitives& table);
void fill_dense_avx512(DensePrimitives& table);

}  // namespace tfhash
