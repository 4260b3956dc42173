// A dense layer with what is known of its weights, made once a call.
#pragma once

#include <cstdint>
#include <vector>

#include "aligned.h"
#include "kernels/dense_stack.h"

namespace tfhash {

// A layer and, unless it is the first, its weights unit by unit, where there are lines enough for
// that to pay, and what the L2 norms of its units' weights (times their scales) do not exceed:
// where inputs are off a straight line by d, a unit is off one by d times that.
struct NormedLayer {
  NormedLayer(const DenseLayer& given, bool is_first, bool has_many_lines);

  // Pre-activations of n units at n_points points, at which active inputs are the rows of `inputs`,
  // kDenseLanes numbers each; so are the rows of `out`, of which those up to n_points count.
  void multiply(const double* inputs, const int32_t* active, int64_t n_active,
                const int32_t* units, int64_t n, int64_t n_points, double* out) const;

  DenseLayer layer;
  Aligned<double> by_unit;  // [n_units, n_inputs], or empty
  std::vector<double> norms;
};

}  // namespace tfhash
