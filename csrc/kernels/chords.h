// Chords: how far a line runs from a point before a unit switches.
#pragma once

#include <cstdint>

#include "kernels/pack.h"

namespace tfhash {

// The ends found so far for n points, to be brought nearer: distances t >= 0 on either side and
// for each the layer and the index in it of the unit that switches there.
struct ChordsView {
  double* lower;
  double* upper;
  int64_t* lower_unit;  // [n, 2]
  int64_t* upper_unit;  // [n, 2]
};

// Brings the ends nearer to the first switch among one layer's units, whose pre-activations at
// the points are z and derivatives along the lines u, both [n, n_units]; see ChordPrimitives.
// Unit j of the layer is reported as (layer, first_unit + j). Returns the first point for which a
// number is NaN or infinite, or -1; the ends mean nothing then.
int64_t reduce_chords(const MatrixView<float>& z, const MatrixView<float>& u, int64_t layer,
                      int64_t first_unit, const ChordsView& ends);
int64_t reduce_chords(const MatrixView<double>& z, const MatrixView<double>& u, int64_t layer,
                      int64_t first_unit, const ChordsView& ends);

}  // namespace tfhash
