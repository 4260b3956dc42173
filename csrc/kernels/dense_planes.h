// A window of a plane through a stack of dense layers: its polygons on which no unit switches.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dense_stack.h"

namespace tfhash {

// Polygon i has the corners corners[offsets[i]], ..., corners[offsets[i + 1] - 1], indices of
// points, in order around it; its code is row i of each layer's words. No two codes are equal.
struct DensePlane {
  bool is_finite = true;         // otherwise nothing else is told
  std::vector<double> points;    // [n_points, 2]
  std::vector<int64_t> offsets, corners;
  std::vector<std::vector<uint64_t>> codes;  // for each layer, [n_polygons, words]
};

// Cuts the convex polygon whose corners are the n rows of `window`, [n, 2], and of `inputs`,
// [n, inputs of the first layer], layer by layer. Where the values at the points take more than
// patch_bytes, polygons go on in patches, one after the other; points on seams are one for all.
DensePlane dense_plane(const std::vector<DenseLayer>& layers, const double* window,
                       const double* inputs, int64_t n, int64_t patch_bytes);

}  // namespace tfhash
