// The points of a line at which units switch.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "check.h"
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

inline constexpr auto is_earlier = [](const LineEvent& a, const LineEvent& b) {
  if (a.piece != b.piece) return a.piece < b.piece;
  if (a.weight != b.weight) return a.weight < b.weight;
  return a.unit < b.unit;
};

// Adds the switch, if any, of a unit for which just one of its values at points p and p + 1 of n
// is > 0. value(q) gives its value at point q: at those two and, where one of them is 0, at the
// point before or the one after.
template <class Value>
void add_switch(Value value, int64_t p, int64_t n, int64_t unit, std::vector<LineEvent>* events) {
  const double from = value(p), to = value(p + 1);
  if (from != 0 && to != 0) {
    const double a = std::fabs(from), b = std::fabs(to);
    const double weight = a / (a + b);
    // Infinity has no share of the way, and what cannot be ordered cannot be sorted.
    expect(!std::isnan(weight), "Expected finite values. Received: ", from, " and ", to,
           " of unit ", unit, " at points ", p, " and ", p + 1, ".");
    events->push_back({p, weight, unit, true});
  } else if (from == 0) {
    // On in this piece, and switched at point p if it was off in the piece before.
    if (p > 0 && !(value(p - 1) > 0)) events->push_back({p, 0, unit, false});
  } else {
    // On in this piece, and switches at point p + 1 if it is off in the piece after.
    if (p + 2 < n && !(value(p + 2) > 0)) events->push_back({p + 1, 0, unit, false});
  }
}

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
