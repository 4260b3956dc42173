// The cells into which chords divide one convex polygon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tfhash {

// A corner of the polygon, or another point on its outline at which chords begin or end, at the
// share `weight` of the way between two corners (a corner lies between itself and itself).
struct OutlinePoint {
  int64_t id;              // >= 0
  int64_t row_a, row_b;    // rows of the values at the two corners
  const double *a, *b;     // those values, one for each unit
  double weight;
  int32_t side;            // of the polygon, on which the next point lies too
};

// The line on which a unit is 0, from one point of the outline to another, by their indices: the
// unit is above 0 on the way forward from `from` to `to`. A value within `tolerance` counts as 0.
struct Chord {
  int64_t unit;
  int32_t from, to;
  double tolerance;
};

// A point inside: at the share `weight` of a chord's way.
struct CrossingPoint {
  int32_t chord;
  double weight;
};

// Part of a polygon, with the pieces of chords that still are to divide it.
struct Cell {
  struct Piece {
    int32_t chord;
    int32_t from, to;      // indices of points of the cell
    double start, stop;    // shares of the chord's way
  };

  std::vector<int64_t> points;  // around the cell; those inside the polygon are -1, -2, ...
  std::vector<int32_t> sides;   // what the way from each point to the next is part of
  std::vector<Piece> pieces;
  std::vector<uint64_t> code;   // one bit for each unit, right where it is settled
};

// Divides cells of one polygon. Which chords cross is read off the order of their ends around a
// cell, so that no rounding can contradict another; numbers decide only in which order one chord
// meets others, and which of those it meets at one point. Each division costs what it creates: the
// points around the cell and the pieces in it.
class Arrangement {
 public:
  // A number of a point inside, for the `made`-th that this object has made.
  static int64_t inside(int64_t made) { return -1 - made; }

  // Begins with another polygon. The vectors are to stay as they are meanwhile.
  void begin(const std::vector<OutlinePoint>* outline, const std::vector<Chord>* chords) {
    outline_ = outline;
    chords_ = chords;
    made.clear();
  }

  // The whole polygon; the bits of the units that have a chord are 0.
  void whole(const std::vector<uint64_t>& code, Cell* cell) const;

  // Divides a cell along one of its pieces, into the parts where the unit is above 0 and below.
  // False where none is left: the cell is whole then, and its code is settled.
  bool divide(Cell* cell, Cell* above, Cell* below);

  std::vector<CrossingPoint> made;

 private:
  struct Met {
    double weight, tolerance;  // along the chord at hand
    size_t piece;
    int64_t point;             // index in `line_`
  };

  double value(const Chord& chord, int32_t point) const;
  double crossing(const Chord& along, const Chord& other, double* tolerance) const;
  size_t most_even(const Cell& cell) const;
  void drop_flat_pieces(Cell* cell) const;
  void find_met(const Cell& cell, size_t piece);
  void place_points(const Cell& cell, size_t piece);

  const std::vector<OutlinePoint>* outline_ = nullptr;
  const std::vector<Chord>* chords_ = nullptr;
  std::vector<Met> met_;
  std::vector<int64_t> line_;  // new points along the chord at hand
};

}  // namespace tfhash
