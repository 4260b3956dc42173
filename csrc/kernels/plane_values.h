// The values of a dense layer at the points of a patch of a plane, of those units that count.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/dense_stack.h"
#include "kernels/plane_cuts.h"
#include "parallel.h"

namespace tfhash {

// A layer and, of each unit's weights (times its scale), the sum of their absolute values and what
// their L2 norm does not exceed; and how many times as large the layer's activations typically are
// as its inputs: their root mean square, for weights of random signs.
struct PlaneLayer {
  PlaneLayer(const DenseLayer& given, bool nothing_follows);

  PatchUnits units() const { return {layer.n_units, sums.data(), layer.shift}; }

  DenseLayer layer;
  bool is_last;
  std::vector<double> sums, norms;
  double gain = 0;
};

// Gives the inputs of a point as `row`, and in the patch's `sizes` how large the numbers are that
// they were made of; `room` holds as many numbers, for what comes between.
using MakeInputs = std::function<void(int64_t point, double* row, double* room)>;

// Makes what cut_patch needs: values, which lie in `room`, the largest of each point, signs. False
// where some are not finite.
//
// Points that follow each other are near each other. How far the inputs of a block of them are from
// their mean bounds, by the norm of a unit's weights, how far the unit is from its value there: so
// most units surely do not change sign in a block, and those that are off there, or on where
// nothing follows, are not computed. They are where a polygon with a corner in the block goes on to
// where they do.
bool fill_patch(const PlaneLayer& layer, const MakeInputs& make, std::vector<double>* room,
                ThreadTeam* team, Patch* patch);

}  // namespace tfhash
