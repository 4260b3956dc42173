// The ends of the piece of a line on which no unit switches.
#pragma once

#include <cstdint>
#include <limits>

namespace tfhash {

// The nearest switches found so far on either side of a point, as distances t >= 0 along the
// line, and the index of the unit that switches there. A unit replaces another only where it is
// strictly nearer, so the first of several at one distance stays.
struct ChordEnds {
  double lower, upper;
  int64_t lower_unit, upper_unit;
};

// Pre-activations z at the point and their derivatives u along the line, n units. Unit i switches
// at -z[i] / u[i]: ahead (upper) or behind (lower). z = 0 counts as off, so such a unit switches
// at 0, on the side on which it rises. u = 0 never switches. Units are numbered from first_unit.
// The result is false where a number is NaN or infinite; the ends then mean nothing.
struct ChordPrimitives {
  bool (*scan_f32)(const float* z, const float* u, int64_t n, int64_t first_unit, ChordEnds* ends);
  bool (*scan_f64)(const double* z, const double* u, int64_t n, int64_t first_unit,
                   ChordEnds* ends);
};

// A distance is a float64 division, and those are slow. A first look at a chunk of units finds the
// least distance in each of its blocks by the vector's own division; a second one goes through the
// blocks that hold the least of all, and divides in float64 only where
// |z| <= reach * |u| + slack, reach being that distance times the margin plus the slack. The margin
// is more than roundings can lose and the slack covers what underflows, so that no unit at the
// least distance is passed over and the ends are the same however a look is carried out.
constexpr int64_t kChordChunk = 1024, kChordBlock = 128;
constexpr float kChordMargin32 = 1 + 1.0f / (1 << 20), kChordSlack32 = 1.17549435e-38f;
constexpr double kChordMargin64 = 1 + 1.0 / (int64_t(1) << 50);
constexpr double kChordSlack64 = 2.2250738585072014e-308;
constexpr float kChordInfinity32 = std::numeric_limits<float>::infinity();
constexpr double kChordInfinity64 = std::numeric_limits<double>::infinity();

void fill_chords_scalar(ChordPrimitives& table);
void fill_chords_avx2(ChordPrimitives& table);
void fill_chords_avx512(ChordPrimitives& table);

}  // namespace tfhash
