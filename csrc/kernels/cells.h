// Convex cells with their faces of every dimension, cut along the zeros of functions.
#pragma once

#include <cstdint>
#include <vector>

namespace tfhash {

// For each face of one dimension, the faces of one dimension less that bound it:
// parts[offsets[i]] to parts[offsets[i + 1] - 1].
struct FaceBounds {
  std::vector<int64_t> offsets;
  std::vector<int64_t> parts;
};

struct CutCells {
  std::vector<double> values;      // n_points x n_columns, the new points after the old ones
  std::vector<FaceBounds> bounds;  // of edges, polygons, and so on up to the cells
  std::vector<int64_t> origin;     // of each cell, the one that it was a part of
  std::vector<uint8_t> above;      // n_cells x n_done: whether each function is above 0 there
  int64_t n_points = 0;
  int64_t n_done = 0;              // functions gone through
  bool is_consistent = true;       // false where values are not affine in each cell
};

// Cuts cells along the zeros of functions, one after another. The part of a face that is above 0
// keeps its number.
//
// Arguments:
//   values: n_points x n_columns, affine in each cell, finite
//   columns: those that are cut along; tolerances: for each, how near 0 a point is in the cut
//   bounds: as in CutCells, all numbers in range; every edge has two points
//   most_cells: stop after the function with which there are more
CutCells cut_cells(const double* values, int64_t n_points, int64_t n_columns,
                   const std::vector<int64_t>& columns, const double* tolerances,
                   const std::vector<FaceBounds>& bounds, int64_t most_cells);

}  // namespace tfhash
