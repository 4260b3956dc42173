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
  // out[c * kDenseLanes + p], c < n_columns and p < n_points: the same sum for column columns[c],
  // in which input active[a] at point p is inputs[a * kDenseLanes + p], and the weight of input i
  // and column j is weights[i * input_stride + j * unit_stride]. What is in out from n_points on,
  // to kDenseLanes, is undefined.
  void (*multiply_lanes_f32)(const double* inputs, const int32_t* active, int64_t n_active,
                             const float* weights, int64_t input_stride, int64_t unit_stride,
                             const int32_t* columns, int64_t n_columns, int64_t n_points,
                             double* out);
  void (*multiply_lanes_f64)(const double* inputs, const int32_t* active, int64_t n_active,
                             const double* weights, int64_t input_stride, int64_t unit_stride,
                             const int32_t* columns, int64_t n_columns, int64_t n_points,
                             double* out);
  // Rows of kDenseLanes numbers: what units give at points of a line. Number p of row i comes from
  // the share weight[p] of the way from number from[p] of unit i to the next, in three roundings
  // (from that number itself where weight[p] is 0): what is above 0 as it is, `slope` times what is
  // not. Numbers before kDenseLanes - 1 are those of one[i], from there on those of other[i]: the
  // number after one of one[i] is always of one[i]. `from` ascends by 0 or 1. Rows of 0 alone are
  // left out, of `units` too; gives how many stay. After one[i] and other[i], kDenseLanes more
  // numbers are read, and not used.
  int64_t (*blend_lanes)(const double* const* one, const double* const* other, int64_t n_rows,
                         const int64_t* from, const double* weight, double slope, double* out,
                         int32_t* units);
  // Bit p of above[i], p < kDenseLanes: whether number p of row i is > 0.
  void (*mark_lanes)(const double* rows, int64_t n_rows, uint32_t* above);
  // Adds to off[p], p < kDenseLanes, the square of how far number p of each row is from the share
  // share[p] of the way from its first number to number `last`, row by row; to sizes[0] and
  // sizes[1] the squares of those two. No operations are fused.
  void (*add_offsets)(const double* rows, int64_t n_rows, int64_t last, const double* share,
                      double* off, double* sizes);
};

void fill_dense_scalar(DensePrimitives& table);
void fill_dense_avx2(DensePrimitives& table);
void fill_dense_avx512(DensePrimitives& table);

}  // namespace tfhash
