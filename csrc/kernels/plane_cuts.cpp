#include "kernels/plane_cuts.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "bits.h"
#include "interrupt.h"
#include "kernels/arrangement.h"
#include "kernels/polygon_edges.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kPolygonsPerBlock = 64;
constexpr size_t kChordsPerTask = 64;  // polygons with more are first divided into such cells

// The new points on edges: units share a point where their tolerances do not tell them apart.
class CutEdges : public EdgePoints {
 public:
  CutEdges(const Patch& patch, const PatchUnits& units, ThreadTeam* team) {
    const auto run = [team](int64_t n_blocks, const auto& body) { team->run(n_blocks, body); };
    const auto is_crossed = [&](int64_t polygon) { return patch.is_crossed(polygon); };
    fill(crossed_edges(patch.signs, patch.offsets.data(), patch.n_polygons(),
                       patch.corners.data(), run, is_crossed),
         int64_t(patch.corners.size()), 64,
         [&](int64_t a, int64_t b) { add(patch, units, a, b); });
  }

 private:
  struct Crossing {
    double weight, tolerance;
    int64_t unit;
  };

  void add(const Patch& patch, const PatchUnits& given, int64_t a, int64_t b) {
    crossings_.clear();
    // The same way in all patches, in which points have other numbers.
    const double *at = &patch.points[2 * a], *to = &patch.points[2 * b];
    if (std::tie(to[0], to[1]) < std::tie(at[0], at[1])) std::swap(a, b);
    const double size = std::max(patch.sizes[a], patch.sizes[b]);
    for (int64_t word = 0; word < patch.signs.n_words; ++word) {
      for (uint64_t bits = patch.signs.crossing(a, b, word); bits != 0; bits &= bits - 1) {
        const int64_t unit = 64 * word + lowest_bit(bits);
        const double from = std::fabs(patch.row(a)[unit]), to = std::fabs(patch.row(b)[unit]);
        const double within = given.tolerance(size, unit);
        crossings_.push_back({from / (from + to), within / (from + to), unit});
      }
    }
    sort_checking(crossings_.begin(), crossings_.end(), [](const Crossing& x, const Crossing& y) {
      return std::tie(x.weight, x.unit) < std::tie(y.weight, y.unit);
    });
    double slack = 0;
    for (size_t i = 0; i < crossings_.size(); ++i) {
      const Crossing& at = crossings_[i];
      if (i == 0 || at.weight - points.back().weight > std::max(slack, at.tolerance)) {
        points.push_back({a, b, at.weight, int64_t(units.size()), 0});
        slack = 0;
      }
      slack = std::max(slack, at.tolerance);
      units.push_back(at.unit);
      points.back().last_unit = int64_t(units.size());
    }
  }

  std::vector<Crossing> crossings_;
};

// What some polygons became. New points inside are numbered -1, -2, ... here.
struct Pieces {
  void reserve(int64_t n, int64_t n_corners, int64_t n_words) {
    sizes.reserve(n);
    parents.reserve(n);
    code.reserve(n * n_words);
    corners.reserve(2 * n_corners);
  }

  std::vector<NewPoint> made;
  std::vector<int64_t> sizes, corners, parents;
  std::vector<uint64_t> code;
};

// Cuts one polygon after another.
class Cutter {
 public:
  Cutter(const Patch& patch, const PatchUnits& units, const EdgePoints& edges)
      : patch_(patch), units_(units), edges_(edges), place_(units.n, -1),
        code_(patch.signs.n_words) {}

  // Adds a polygon in which no unit changes sign; false for another.
  bool keep(int64_t polygon, Pieces* out) {
    if (patch_.is_crossed(polygon)) return false;
    const int64_t begin = patch_.offsets[polygon], end = patch_.offsets[polygon + 1];
    out->corners.insert(out->corners.end(), patch_.corners.begin() + begin,
                        patch_.corners.begin() + end);
    out->sizes.push_back(end - begin);
    out->parents.push_back(polygon);
    const uint64_t* code = patch_.above.data() + polygon * patch_.signs.n_words;
    out->code.insert(out->code.end(), code, code + patch_.signs.n_words);
    return true;
  }

  // Finds the chords of a polygon; how many there are.
  size_t open(int64_t polygon) {
    polygon_ = polygon;
    find_outline();
    find_chords();
    arrangement_.begin(&outline_, &chords_);
    made_before_ = 0;
    return chords_.size();
  }

  // The polygon that was opened, as one cell.
  void whole(Cell* cell) { arrangement_.whole(code_, cell); }

  // Divides a cell of it into two with the second returned in `below`; false where it stays.
  bool divide(Cell* cell, Cell* above, Cell* below) {
    return arrangement_.divide(cell, above, below);
  }

  // Divides a cell until nothing crosses any. Its points inside are numbered anew from `out`'s.
  void divide_all(const Cell& start, Pieces* out) {
    const auto offset = int64_t(out->made.size());
    size_t depth = 1;
    reserve(1);
    stack_[0] = start;
    CheckNowAndThen check(512);
    while (depth > 0) {
      check();
      std::swap(current_, stack_[depth - 1]);
      --depth;
      reserve(depth + 2);
      if (arrangement_.divide(&current_, &stack_[depth + 1], &stack_[depth])) {
        depth += 2;
        continue;
      }
      for (int64_t id : current_.points) out->corners.push_back(id >= 0 ? id : id - offset);
      out->sizes.push_back(int64_t(current_.points.size()));
      out->parents.push_back(polygon_);
      out->code.insert(out->code.end(), current_.code.begin(), current_.code.end());
    }
    add_made(&out->made);
  }

  // The points inside made since the last call, or since the polygon was opened.
  void add_made(std::vector<NewPoint>* made) {
    for (; made_before_ < arrangement_.made.size(); ++made_before_) {
      const CrossingPoint& point = arrangement_.made[made_before_];
      const Chord& chord = chords_[point.chord];
      const OutlinePoint &p = outline_[chord.from], &q = outline_[chord.to];
      made->push_back({p.row_a, p.row_b, q.row_a, q.row_b, p.weight, q.weight, point.weight,
                       chord.unit});
    }
  }

  // Lets the numbers of points inside begin at -1 again.
  void forget_made() {
    arrangement_.made.clear();
    made_before_ = 0;
  }

 private:
  struct Ends {
    int64_t unit;
    int64_t slots[2];
    int32_t points[2];
    int n;
  };

  void reserve(size_t n) {
    if (stack_.size() < n) stack_.resize(n);
  }

  // The polygon's corners and the new points on its edges; notes which units cross which edge.
  void find_outline() {
    outline_.clear();
    corner_at_.clear();
    crossing_.clear();
    const int64_t begin = patch_.offsets[polygon_], end = patch_.offsets[polygon_ + 1];
    for (int64_t slot = begin; slot < end; ++slot) {
      const int64_t corner = patch_.corners[slot];
      const double* z = patch_.row(corner);
      const auto side = int32_t(slot - begin);
      corner_at_.push_back(int32_t(outline_.size()));
      outline_.push_back({corner, corner, corner, z, z, 0.0, side});
      const int64_t edge = edges_.edge_of_slot[slot];
      if (edge < 0) continue;
      const int64_t first = edges_.start[edge], last = edges_.start[edge + 1];
      for (int64_t i = first; i < last; ++i) {
        const int64_t k = edges_.points[first].a == corner ? i : first + last - 1 - i;
        const EdgePoint& point = edges_.points[k];
        for (int64_t u = point.first_unit; u < point.last_unit; ++u) {
          note(edges_.units[u], slot - begin, int32_t(outline_.size()));
        }
        outline_.push_back({patch_.n_points + k, point.a, point.b, patch_.row(point.a),
                            patch_.row(point.b), point.weight, side});
      }
    }
  }

  void note(int64_t unit, int64_t slot, int32_t point) {
    if (place_[unit] < 0) {
      place_[unit] = int64_t(crossing_.size());
      crossing_.push_back({unit, {-1, -1}, {0, 0}, 0});
    }
    Ends& ends = crossing_[place_[unit]];
    if (ends.n < 2) {
      ends.slots[ends.n] = slot;
      ends.points[ends.n] = point;
    }
    ++ends.n;
  }

  // The chords, by unit, and the code of what they leave over.
  void find_chords() {
    chords_.clear();
    const int64_t n_words = patch_.signs.n_words;
    const uint64_t* crossed = patch_.crossed_by(polygon_);
    code_.assign(&patch_.above[polygon_ * n_words], &patch_.above[polygon_ * n_words] + n_words);
    for (int64_t word = 0; word < n_words; ++word) {
      for (uint64_t bits = crossed[word]; bits != 0; bits &= bits - 1) {
        const int64_t unit = 64 * word + lowest_bit(bits);
        Chord chord{unit, -1, -1, 0};
        if (find_ends(&chord)) {
          chords_.push_back(chord);
          code_[word] &= ~(bits & -bits);
        } else if (!mostly_above(unit)) {
          code_[word] &= ~(bits & -bits);
        }
      }
    }
    for (const Ends& ends : crossing_) place_[ends.unit] = -1;
  }

  // Where the line of a unit enters and leaves; false where it does neither, or, by roundings, both
  // more than once.
  bool find_ends(Chord* chord) {
    const int64_t begin = patch_.offsets[polygon_];
    const auto n = int64_t(corner_at_.size());
    int64_t k0 = 0;
    while (patch_.signs.sign(patch_.corners[begin + k0], chord->unit) == 0) ++k0;
    int before = patch_.signs.sign(patch_.corners[begin + k0], chord->unit), changes = 0;
    int32_t zero = -1;
    double size = 0;
    for (int64_t step = 1, k = k0; step <= n; ++step) {
      const int64_t slot = k;
      k = k + 1 < n ? k + 1 : 0;
      const int64_t corner = patch_.corners[begin + k];
      size = std::max(size, patch_.sizes[corner]);
      const int sign = patch_.signs.sign(corner, chord->unit);
      if (sign == 0) {
        if (zero < 0) zero = corner_at_[k];
        continue;
      }
      if (sign != before) {
        const int32_t point = zero >= 0 ? zero : point_on(chord->unit, slot);
        (sign > 0 ? chord->from : chord->to) = point;
        ++changes;
        before = sign;
      }
      zero = -1;
    }
    chord->tolerance = units_.tolerance(size, chord->unit);
    return changes == 2 && chord->from >= 0 && chord->to >= 0 && chord->from != chord->to;
  }

  int32_t point_on(int64_t unit, int64_t slot) const {
    const Ends& ends = crossing_[place_[unit]];
    for (int i = 0; i < std::min(ends.n, 2); ++i) {
      if (ends.slots[i] == slot) return ends.points[i];
    }
    return -1;
  }

  bool mostly_above(int64_t unit) const {
    double most = 0;
    for (int64_t slot = patch_.offsets[polygon_]; slot < patch_.offsets[polygon_ + 1]; ++slot) {
      const double z = patch_.row(patch_.corners[slot])[unit];
      if (std::fabs(z) > std::fabs(most)) most = z;
    }
    return most > 0;
  }

  const Patch& patch_;
  const PatchUnits& units_;
  const EdgePoints& edges_;
  int64_t polygon_ = 0;
  std::vector<int64_t> place_;       // unit -> its index in crossing_, or -1
  std::vector<Ends> crossing_;       // where units cross edges
  std::vector<int32_t> corner_at_;   // index of each corner in outline_
  std::vector<OutlinePoint> outline_;
  std::vector<Chord> chords_;
  std::vector<uint64_t> code_;
  Arrangement arrangement_;
  size_t made_before_ = 0;
  std::vector<Cell> stack_;
  Cell current_;
};

// Adds what polygons became to a cut; points inside are counted from `first`.
void append(const Pieces& part, int64_t first, PlaneCut* cut) {
  const int64_t start = first + int64_t(cut->made.size());
  cut->made.insert(cut->made.end(), part.made.begin(), part.made.end());
  for (int64_t id : part.corners) cut->corners.push_back(id >= 0 ? id : start - id - 1);
  for (int64_t size : part.sizes) cut->offsets.push_back(cut->offsets.back() + size);
  cut->parents.insert(cut->parents.end(), part.parents.begin(), part.parents.end());
  cut->code.insert(cut->code.end(), part.code.begin(), part.code.end());
}

}  // namespace

PlaneCut cut_patch(const Patch& patch, const PatchUnits& units, ThreadTeam* team) {
  const CutEdges edges(patch, units, team);
  const int64_t n = patch.n_polygons(), n_old = patch.n_points;
  PlaneCut cut;
  cut.offsets.push_back(0);
  for (const EdgePoint& point : edges.points) {
    cut.made.push_back({point.a, point.b, point.a, point.b, point.weight, point.weight, 0.0,
                        edges.units[point.first_unit]});
  }
  cut.n_on_edges = int64_t(cut.made.size());

  const int64_t n_blocks = (n + kPolygonsPerBlock - 1) / kPolygonsPerBlock;
  std::vector<Pieces> pieces(n_blocks);
  std::vector<std::vector<int64_t>> wide(n_blocks);
  std::vector<Cutter> cutters(team->size(), Cutter(patch, units, edges));
  team->run(n_blocks, [&](int64_t block, int worker) {
    Cutter& cutter = cutters[worker];
    Cell cell;
    const int64_t first = block * kPolygonsPerBlock, last = std::min(n, first + kPolygonsPerBlock);
    pieces[block].reserve(2 * (last - first), patch.offsets[last] - patch.offsets[first],
                          patch.signs.n_words);
    for (int64_t p = first; p < last; ++p) {
      if (cutter.keep(p, &pieces[block])) continue;
      if (cutter.open(p) > kChordsPerTask) {
        wide[block].push_back(p);
        continue;
      }
      cutter.whole(&cell);
      cutter.divide_all(cell, &pieces[block]);
    }
  });
  for (Pieces& part : pieces) {
    check_interrupt();
    append(part, n_old, &cut);
    part = Pieces();
  }

  // Polygons with many chords are divided into cells with few, which threads then share.
  for (const auto& several : wide) {
    for (int64_t p : several) {
      Cutter opened(patch, units, edges);
      opened.open(p);
      std::vector<Cell> waiting(1), tasks;
      opened.whole(&waiting[0]);
      CheckNowAndThen check(1 << 14);
      while (!waiting.empty()) {
        check();
        Cell cell = std::move(waiting.back()), above, below;
        waiting.pop_back();
        if (cell.pieces.size() > kChordsPerTask && opened.divide(&cell, &above, &below)) {
          waiting.push_back(std::move(below));
          waiting.push_back(std::move(above));
        } else {
          tasks.push_back(std::move(cell));
        }
      }
      const int64_t start = n_old + int64_t(cut.made.size());
      opened.add_made(&cut.made);
      opened.forget_made();
      for (Cell& cell : tasks) {
        for (int64_t& id : cell.points) id = id >= 0 ? id : start - id - 1;
      }
      std::vector<Pieces> parts(tasks.size());
      team->run(int64_t(tasks.size()), [&](int64_t task, int) {
        Cutter cutter(patch, units, edges);
        cutter.open(p);
        cutter.divide_all(tasks[task], &parts[task]);
      });
      for (Pieces& part : parts) {
        check_interrupt();
        append(part, n_old, &cut);
        part = Pieces();
      }
    }
  }
  return cut;
}

}  // namespace tfhash
