// Convex polygons of a plane, cut along the lines on which units switch.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pack.h"

namespace tfhash {

// n polygons: polygon i has the corners corners[offsets[i]], ..., corners[offsets[i + 1] - 1],
// indices of points, in order around it.
struct PolygonsView {
  const int64_t* offsets;
  const int64_t* corners;
  int64_t n;
};

// New points, each at the share `weight` of the way between two points that come before it; the
// units that are exactly 0 at new points (ascending by point); and the polygons, each with the one
// it was cut from.
struct Cut {
  std::vector<int64_t> from, to;
  std::vector<double> weight;
  std::vector<int64_t> zero_point, zero_unit;
  std::vector<int64_t> offsets, corners, parent;
};

// Cuts polygons until no unit changes sign within one. Values of the units at the points are the
// rows of z; they are affine within each polygon. A value within tolerance[unit] of 0 counts as
// 0, so that lines that agree to that are one. Polygons that share an edge share the points put
// on it.
Cut cut_polygons(const MatrixView<double>& z, const double* tolerance,
                 const PolygonsView& polygons);

// The rows of `values` with those of the new points of a cut after them, out being
// [values.n + from.size(), n_columns]; where zero_point is given, with its zeros.
void blend_points(const MatrixView<double>& values, const int64_t* from, const int64_t* to,
                  const double* weight, int64_t n_new, const int64_t* zero_point,
                  const int64_t* zero_unit, int64_t n_zeros, double* out);

// Codes of polygons in which no unit changes sign: bit j of code i is 1 where z[., j] is above
// tolerance[j] at a corner of polygon i.
void polygon_codes(const MatrixView<double>& z, const double* tolerance,
                   const PolygonsView& polygons, const MutableCodes& out);

}  // namespace tfhash
