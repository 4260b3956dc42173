// The points of a line at which units switch.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pack.h"

namespace tfhash {

// Unit `unit` switches between points `piece` and `piece + 1`, at the share `weight` of the way.
// Where it switches at point `piece` itself, being exactly 0 there, `inside` is false and weight 0.
struct LineEvent {
  int64_t piece;
  double weight;
  int64_t unit;
  bool inside;
};

// The switches of units whose values at successive points are the rows of z, affine between
// them: a unit is on in a piece where its values there are > 0, off where they are < 0 or 0
// throughout. Sorted by piece, weight and unit. A value of 0 at the first or last point is no
// switch, there being no piece beyond. Throws std::invalid_argument where a unit passes from one
// infinity to another.
std::vector<LineEvent> line_events(const MatrixView<double>& z);

// Those of the pieces [from, to), in order, added to `events`.
void find_line_events(const MatrixView<double>& z, int64_t from, int64_t to,
                      std::vector<LineEvent>* events);

// The rows of `values` with new ones between: after row piece[i], in the order given, one at the
// share weight[i] of the way to the next. piece is ascending. out has values.n + n_new rows.
void blend_rows(const MatrixView<double>& values, const int64_t* piece, const double* weight,
                int64_t n_new, double* out);

}  // namespace tfhash
