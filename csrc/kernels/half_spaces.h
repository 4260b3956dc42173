// The half-spaces of a region: made of units, told apart, and ruled out or proved where no solver
// is needed.
#pragma once

#include <cstdint>
#include <vector>

namespace tfhash {

// A matrix whose rows lie `stride` numbers apart, and a vector likewise.
struct StridedRows {
  const double* data;
  int64_t n, d, stride;
  const double* row(int64_t i) const { return data + i * stride; }
};

struct StridedNumbers {
  const double* data;
  int64_t stride;
  double operator[](int64_t i) const { return data[i * stride]; }
};

// Which units of a layer bound a region, by their slopes and their values at a point.
struct MovingUnits {
  std::vector<int64_t> moving;  // those that change in the region and count
  std::vector<int64_t> still;   // those that are 0 and do not change
  std::vector<int64_t> at_zero;  // the moving ones that are exactly 0 at the point
  bool is_finite = true;         // whether all slopes are
};

// Arguments:
//   slopes: n x d; values: n, at the point
//   counts: n, the units to look at; null for all
//   rounding: a slope or value no larger, of the layer's largest, is a rounding of 0
MovingUnits moving_units(const StridedRows& slopes, const StridedNumbers& values,
                         const uint8_t* counts, double rounding);

// The half-spaces rows @ z <= offsets of units, on their sides: at most 0 where a unit is off, at
// least 0 where it is on.
//
// Arguments:
//   above: n, the units that are on; null for none
//   x: d, where the values are taken
// Writes k x d rows and k offsets of the k units.
void unit_sides(const StridedRows& slopes, const StridedNumbers& values, const uint8_t* above,
                const std::vector<int64_t>& units, const double* x, double* rows, double* offsets);

// Half-spaces of normals of length 1, each of several rows that are the same one.
struct DistinctHalfSpaces {
  std::vector<int64_t> first;  // the first row of each
  std::vector<int64_t> group;  // of each row, its half-space
  std::vector<double> sizes;   // lengths of the rows
};

// Two are the same where their normals, and their distances from x, differ by no more than `same`
// of them. Normals that are equal have the same product with any vector, so only those are compared
// that lie side by side in its order, and of equal ones in the order of their distances.
//
// Arguments: m x d rows, none of them 0; m offsets; x: d
DistinctHalfSpaces distinct_half_spaces(const double* rows, const double* offsets, int64_t m,
                                        int64_t d, const double* x, double same);

// For each of m half-spaces, normals @ z <= offsets, whether all of the box low <= z <= high, [d],
// which may be infinite, is in it.
void holding_in_box(const double* normals, const double* offsets, int64_t m, int64_t d,
                    const double* low, const double* high, uint8_t* holds);

// Which sides are met by a ray from a point inside clearly before any other and the box: facets
// (Marechal and Perin, Efficient elimination of redundancies in polyhedra by raytracing, VMCAI
// 2017).
//
// Arguments:
//   products: n_rays x n, of each ray and each side's normal
//   distances: n, from the point to the sides, above 0
//   rays: n_rays x d; below, above: d, from the point to the box, which may be infinite
//   clear: a difference no larger, relative to the distance, is a rounding
// Adds to is_met, [n].
void sides_met(const double* products, const double* distances, const double* rays, int64_t n_rays,
               int64_t n, int64_t d, const double* below, const double* above, double clear,
               uint8_t* is_met);

// Lower bounds of the distances from a point to faces of a polytope, and whether they are exact.
//
// A face lies in its hyperplane, and there on the right side of every other: the distance to the
// hyperplane and, within it, to the farthest of those sides bound it from below. Where the point of
// the hyperplane that is nearest is inside all of them, it is exact.
//
// Arguments:
//   cosines: k x m, of the faces' normals and the m sides that have normals
//   faces: k x d, the faces' normals
//   places: k, from 0 to m - 1, the sides that the faces are
//   slack: m + n_highs + n_lows, from the point to the sides, below 0 where it is outside; the
//     box's follow the others
//   highs, lows: from 0 to d - 1, the inputs that have a bound
void face_bounds(const double* cosines, const double* faces, const int64_t* places, int64_t k,
                 int64_t m, int64_t d, const double* slack, const std::vector<int64_t>& highs,
                 const std::vector<int64_t>& lows, double* least, uint8_t* is_exact);

}  // namespace tfhash
