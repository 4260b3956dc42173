// One layer's cuts through the polygons of a patch of a plane.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/polygon_edges.h"
#include "parallel.h"

namespace tfhash {

// What makes the values of a patch: for each unit the sum of its absolute weights, and its shift.
struct PatchUnits {
  int64_t n;
  const double* sums;
  const double* shift;

  // How near 0 a value counts as 0 that was made of numbers of at most `size`.
  double tolerance(double size, int64_t j) const {
    constexpr double share = 1.0 / (int64_t(1) << 47);
    return share * (sums[j] * size + std::fabs(shift[j]));
  }
};

// Some polygons on their way through a network: polygon i has the corners corners[offsets[i]], ...
struct Patch {
  Patch(int64_t n, int64_t n_units)
      : n_points(n), n_units(n_units), points(2 * n), sizes(n), largest(n), seams(n, -1),
        signs(n, n_units) {}

  int64_t n_polygons() const { return int64_t(offsets.size()) - 1; }
  const double* row(int64_t v) const { return z + v * n_units; }
  const uint64_t* crossed_by(int64_t polygon) const {
    return crossed.data() + polygon * signs.n_words;
  }
  bool is_crossed(int64_t polygon) const {
    const uint64_t* words = crossed_by(polygon);
    return std::any_of(words, words + signs.n_words, [](uint64_t word) { return word != 0; });
  }

  int64_t n_points, n_units;
  std::vector<double> points;   // [n_points, 2]
  const double* z = nullptr;    // [n_points, n_units]: affine within each polygon; where a unit is
                                // surely 0 or less it may be any number that is
  std::vector<double> sizes;    // [n_points]: of the largest number that z was made of
  std::vector<double> largest;  // [n_points]: of the largest z
  std::vector<int64_t> seams;   // [n_points]: numbers of points that other patches have too, or -1
  std::vector<int64_t> offsets, corners;
  std::vector<uint64_t> codes;  // [n_polygons, words of all layers before]
  SignBits signs;               // of z, where it does not count as 0
  std::vector<uint64_t> above, crossed;  // [n_polygons, words]: units that are above 0 at a corner,
                                         // and of them those that are below 0 at another
};

// On the way from a point at the share `first` between points a and b to one at the share `second`
// between c and d, the share `weight` of it. A point on an edge is the first of the two alone.
struct NewPoint {
  int64_t a, b, c, d;
  double first, second, weight;
  int64_t unit;  // one that is 0 there

  template <class Get>
  double blend(Get get) const {
    const double from = get(a) + first * (get(b) - get(a));
    if (weight == 0) return from;
    return from + weight * (get(c) + second * (get(d) - get(c)) - from);
  }
};

// The polygons after the cut: corners count the new points after the old ones.
struct PlaneCut {
  std::vector<NewPoint> made;
  int64_t n_on_edges = 0;  // of them, and these come first
  std::vector<int64_t> offsets, corners, parents;
  std::vector<uint64_t> code;  // [n_polygons, words]
};

// Cuts a patch along the lines on which units are 0. A value within 2**-47 of the numbers it was
// made of counts as 0, and the line then goes through that point. Polygons that share an edge share
// the points put on it.
PlaneCut cut_patch(const Patch& patch, const PatchUnits& units, ThreadTeam* team);

}  // namespace tfhash
