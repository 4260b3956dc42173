#include "kernels/arrangement.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "interrupt.h"

namespace tfhash {
namespace {

void set_bit(std::vector<uint64_t>* code, int64_t unit) {
  (*code)[unit / 64] |= uint64_t(1) << (unit % 64);
}

// Where on the way from value a to value b 0 lies.
double share(double a, double b) {
  const double sum = std::fabs(a) + std::fabs(b);
  return sum > 0 ? std::fabs(a) / sum : 0.5;
}

// Indices around a cell of n points, counted from `first`.
int32_t counted(int32_t index, int32_t first, int32_t n) {
  return index >= first ? index - first : index - first + n;
}

// Whether the way forward from one point of a cell to another is straight.
bool is_flat(const Cell& cell, int32_t from, int32_t to) {
  const auto n = int32_t(cell.points.size());
  for (int32_t i = from; i != to; i = i + 1 < n ? i + 1 : 0) {
    if (cell.sides[i] != cell.sides[from]) return false;
  }
  return true;
}

}  // namespace

void Arrangement::whole(const std::vector<uint64_t>& code, Cell* cell) const {
  cell->points.clear();
  cell->sides.clear();
  cell->pieces.clear();
  cell->code.assign(code.begin(), code.end());
  for (const OutlinePoint& point : *outline_) {
    cell->points.push_back(point.id);
    cell->sides.push_back(point.side);
  }
  for (size_t i = 0; i < chords_->size(); ++i) {
    cell->pieces.push_back({int32_t(i), (*chords_)[i].from, (*chords_)[i].to, 0.0, 1.0});
  }
}

double Arrangement::value(const Chord& chord, int32_t point) const {
  if (point == chord.from || point == chord.to) return 0;
  const OutlinePoint& at = (*outline_)[point];
  const double a = at.a[chord.unit];
  return at.row_a == at.row_b ? a : a + at.weight * (at.b[chord.unit] - a);
}

// The share of a chord's way at which it meets another.
double Arrangement::crossing(const Chord& along, const Chord& other, double* tolerance) const {
  const double first = value(other, along.from), last = value(other, along.to);
  const double sum = std::fabs(first) + std::fabs(last);
  *tolerance = sum > 0 ? other.tolerance / sum : 1;
  return share(first, last);
}

size_t Arrangement::most_even(const Cell& cell) const {
  const auto n = int32_t(cell.points.size());
  size_t best = 0;
  int32_t most = -1;
  for (size_t i = 0; i < cell.pieces.size(); ++i) {
    const int32_t ahead = counted(cell.pieces[i].to, cell.pieces[i].from, n);
    const int32_t smaller = std::min(ahead, n - ahead);
    if (smaller > most) {
      most = smaller;
      best = i;
    }
  }
  return best;
}

void Arrangement::drop_flat_pieces(Cell* cell) const {
  size_t kept = 0;
  for (const Cell::Piece& piece : cell->pieces) {
    if (is_flat(*cell, piece.from, piece.to)) continue;  // nothing of the cell is above 0
    if (is_flat(*cell, piece.to, piece.from)) {
      set_bit(&cell->code, (*chords_)[piece.chord].unit);
      continue;
    }
    cell->pieces[kept++] = piece;
  }
  cell->pieces.resize(kept);
}

// The pieces that cross one piece of a cell, in the order in which it meets them.
void Arrangement::find_met(const Cell& cell, size_t piece) {
  const auto n = int32_t(cell.points.size());
  const Cell::Piece& line = cell.pieces[piece];
  const int32_t end = counted(line.to, line.from, n);
  met_.clear();
  for (size_t i = 0; i < cell.pieces.size(); ++i) {
    const int32_t from = counted(cell.pieces[i].from, line.from, n);
    const int32_t to = counted(cell.pieces[i].to, line.from, n);
    const bool crosses = from > 0 && to > 0 && from != end && to != end && (from < end) != (to < end);
    if (!crosses) continue;
    Met met{0, 0, i, 0};
    met.weight = crossing((*chords_)[line.chord], (*chords_)[cell.pieces[i].chord], &met.tolerance);
    met_.push_back(met);
  }
  std::sort(met_.begin(), met_.end(), [](const Met& a, const Met& b) {
    return std::tie(a.weight, a.piece) < std::tie(b.weight, b.piece);
  });
}

// New points on a piece, one for those that agree; -1 and -2 for its ends.
void Arrangement::place_points(const Cell& cell, size_t piece) {
  const Cell::Piece& line = cell.pieces[piece];
  line_.clear();
  double before = 0, slack = 0;
  for (Met& met : met_) {
    if (met.weight <= line.start + met.tolerance) {
      met.point = -1;
    } else if (met.weight >= line.stop - met.tolerance) {
      met.point = -2;
    } else if (!line_.empty() && met.weight - before <= std::max(slack, met.tolerance)) {
      met.point = int64_t(line_.size()) - 1;
      slack = std::max(slack, met.tolerance);
    } else {
      met.point = int64_t(line_.size());
      before = met.weight;
      slack = met.tolerance;
      line_.push_back(inside(int64_t(made.size())));
      made.push_back({line.chord, met.weight});
    }
  }
}

bool Arrangement::divide(Cell* cell, Cell* above, Cell* below) {
  drop_flat_pieces(cell);
  if (cell->pieces.empty()) return false;
  const size_t at = most_even(*cell);
  find_met(*cell, at);
  place_points(*cell, at);
  const Cell::Piece line = cell->pieces[at];
  const auto n = int32_t(cell->points.size()), n_new = int32_t(line_.size());
  const int32_t end = counted(line.to, line.from, n);
  const auto side = int32_t(outline_->size()) + line.chord;

  for (Cell* part : {above, below}) {
    part->points.clear();
    part->sides.clear();
    part->pieces.clear();
    part->code.assign(cell->code.begin(), cell->code.end());
  }
  for (int32_t k = 0, i = line.from; k <= n; ++k, i = i + 1 < n ? i + 1 : 0) {
    if (k <= end) {
      above->points.push_back(cell->points[i]);
      if (k < end) above->sides.push_back(cell->sides[i]);
    }
    if (k >= end) {
      below->points.push_back(cell->points[i]);
      if (k < n) below->sides.push_back(cell->sides[i]);
    }
  }
  above->points.insert(above->points.end(), line_.rbegin(), line_.rend());
  below->points.insert(below->points.end(), line_.begin(), line_.end());
  above->sides.insert(above->sides.end(), size_t(n_new) + 1, side);
  below->sides.insert(below->sides.end(), size_t(n_new) + 1, side);
  set_bit(&above->code, (*chords_)[line.chord].unit);

  // The point in which the chord at hand meets each piece, for those that cross it.
  size_t met = 0;
  std::sort(met_.begin(), met_.end(), [](const Met& a, const Met& b) { return a.piece < b.piece; });
  for (size_t i = 0; i < cell->pieces.size(); ++i) {
    if (i == at) continue;
    const Cell::Piece& piece = cell->pieces[i];
    const Chord& chord = (*chords_)[piece.chord];
    const int32_t from = counted(piece.from, line.from, n), to = counted(piece.to, line.from, n);
    if (met < met_.size() && met_[met].piece == i) {
      const int64_t point = met_[met++].point;
      const int32_t k = int32_t(point);
      const int32_t in_above = point == -1 ? 0 : point == -2 ? end : end + n_new - k;
      const int32_t in_below = point == -1 ? n - end : point == -2 ? 0 : n - end + 1 + k;
      double tolerance;
      const double weight = crossing(chord, (*chords_)[line.chord], &tolerance);
      const double split = std::min(std::max(weight, piece.start), piece.stop);
      if (from < end) {
        above->pieces.push_back({piece.chord, from, in_above, piece.start, split});
        below->pieces.push_back({piece.chord, in_below, to - end, split, piece.stop});
      } else {
        below->pieces.push_back({piece.chord, from - end, in_below, piece.start, split});
        above->pieces.push_back({piece.chord, in_above, to, split, piece.stop});
      }
      continue;
    }
    const bool both_ends = (from == 0 || from == end) && (to == 0 || to == end);
    if (both_ends) {  // one line
      set_bit(from == 0 ? &above->code : &below->code, chord.unit);
    } else if (from <= end && to <= end) {
      above->pieces.push_back({piece.chord, from, to, piece.start, piece.stop});
      if (from > to) set_bit(&below->code, chord.unit);
    } else {
      const int32_t a = from == 0 ? n : from, b = to == 0 ? n : to;
      below->pieces.push_back({piece.chord, a - end, b - end, piece.start, piece.stop});
      if (a > b) set_bit(&above->code, chord.unit);
    }
  }
  return true;
}

}  // namespace tfhash
