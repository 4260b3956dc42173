// Lines through a network that is a stack of dense layers, each followed by a (leaky) ReLU.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dense_stack.h"

namespace tfhash {

// A unit that switches at t, 0 to 1, along a line.
struct LineSwitch {
  double t;
  int64_t layer, unit;
};

enum class LineOutcome : uint8_t { kDone, kTooManyPoints, kNotFinite };

struct DenseLine {
  LineOutcome outcome = LineOutcome::kDone;
  std::vector<LineSwitch> switches;  // by t, layer and unit
};

// The switches along n lines, from row 2 i of `ends` to row 2 i + 1, [2 n, n_inputs of the first
// layer]; and into first_codes, [n, units of all layers], which units are on at the beginning.
// A line on which more than most_points points would have to be held at once is given up.
std::vector<DenseLine> dense_lines(const std::vector<DenseLayer>& layers, const double* ends,
                                   int64_t n, int64_t most_points, bool* first_codes);

}  // namespace tfhash
