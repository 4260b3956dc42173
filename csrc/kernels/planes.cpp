#include "kernels/planes.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "check.h"
#include "interrupt.h"
#include "kernels/polygon_edges.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kPointsPerBlock = 256, kPolygonsPerBlock = 64, kColumnsPerBlock = 64;

struct Signs : SignBits {
  Signs(const MatrixView<double>& z, const double* tolerance) : SignBits(z.n, z.n_columns) {
    parallel_for((z.n + kPointsPerBlock - 1) / kPointsPerBlock, [&](int64_t block, int) {
      const int64_t first = block * kPointsPerBlock;
      for (int64_t v = first; v < std::min(z.n, first + kPointsPerBlock); ++v) {
        primitives().lines.mark_signs(z.row(v), tolerance, z.n_columns, above.data() + v * n_words,
                                      below.data() + v * n_words);
      }
    });
  }
};

template <class Function>
void for_each_bit(uint64_t bits, int64_t unit, Function function) {
  for (; bits != 0; bits >>= 1, ++unit) {
    if (bits & 1) function(unit);
  }
}

double blend(double a, double b, double weight) { return a + weight * (b - a); }

// Where on the way from value a to value b 0 lies. Of infinities there is no such place, and what
// cannot be ordered cannot be sorted.
double share(double a, double b) {
  const double weight = std::fabs(a) / (std::fabs(a) + std::fabs(b));
  expect(!std::isnan(weight), "Expected finite values on both sides of 0. Received: ", a, " and ",
         b, ".");
  return weight;
}

// The new points on edges: units whose lines meet an edge at one share of it share a point.
struct CutEdges : EdgePoints {
  CutEdges(const MatrixView<double>& z, const Signs& signs, const PolygonsView& polygons) {
    fill(crossed_edges(signs, polygons.offsets, polygons.n, polygons.corners, parallel_for,
                       [](int64_t) { return true; }),
         polygons.offsets[polygons.n], 8 + signs.n_words,
         [&](int64_t a, int64_t b) { add(z, signs, a, b); });
  }

 private:
  void add(const MatrixView<double>& z, const Signs& signs, int64_t a, int64_t b) {
    std::vector<std::pair<double, int64_t>> crossings;
    for (int64_t word = 0; word < signs.n_words; ++word) {
      for_each_bit(signs.crossing(a, b, word), 64 * word, [&](int64_t unit) {
        crossings.push_back({share(z.row(a)[unit], z.row(b)[unit]), unit});
      });
    }
    sort_checking(crossings.begin(), crossings.end(), std::less<std::pair<double, int64_t>>());
    CheckNowAndThen check;
    for (size_t i = 0; i < crossings.size(); ++i) {
      check();
      if (i == 0 || crossings[i].first != crossings[i - 1].first) {
        const int64_t unit = int64_t(units.size());
        points.push_back({a, b, crossings[i].first, unit, unit});
      }
      units.push_back(crossings[i].second);
      points.back().last_unit = int64_t(units.size());
    }
  }
};

// What a block of polygons became. New points inside polygons are numbered -1, -2, ... here.
struct Pieces {
  std::vector<int64_t> from, to;
  std::vector<double> weight;
  std::vector<int64_t> zero_point, zero_unit;
  std::vector<int64_t> sizes, corners, parent;
};

// Cuts one polygon after another, along the lines of the units that change sign in it.
class Cutter {
 public:
  Cutter(const MatrixView<double>& z, const double* tolerance, const PolygonsView& polygons,
         const Signs& signs, const EdgePoints& edges)
      : z_(z), tolerance_(tolerance), polygons_(polygons), signs_(signs), edges_(edges) {}

  void cut(int64_t polygon, Pieces* out) {
    find_units(polygon);
    ids_.clear();
    values_.clear();
    loops_.assign(1, {});
    add_boundary(polygon);
    for (size_t u = 0; u < units_.size(); ++u) {
      check_interrupt();
      cut_along(u, out);
    }
    for (const auto& loop : loops_) {
      for (int64_t i : loop) out->corners.push_back(ids_[i]);
      out->sizes.push_back(int64_t(loop.size()));
      out->parent.push_back(polygon);
    }
  }

 private:
  using Loop = std::vector<int64_t>;  // local numbers of points

  void find_units(int64_t polygon) {
    units_.clear();
    for (int64_t word = 0; word < signs_.n_words; ++word) {
      uint64_t above = 0, below = 0;
      for (int64_t slot = polygons_.offsets[polygon]; slot < polygons_.offsets[polygon + 1];
           ++slot) {
        const int64_t i = polygons_.corners[slot] * signs_.n_words + word;
        above |= signs_.above[i];
        below |= signs_.below[i];
      }
      for_each_bit(above & below, 64 * word, [&](int64_t unit) { units_.push_back(unit); });
    }
  }

  // The polygon's corners and the new points on its edges.
  void add_boundary(int64_t polygon) {
    const int64_t begin = polygons_.offsets[polygon], end = polygons_.offsets[polygon + 1];
    CheckNowAndThen check(8 + int64_t(units_.size()));
    for (int64_t slot = begin; slot < end; ++slot) {
      check();
      const int64_t corner = polygons_.corners[slot];
      loops_[0].push_back(int64_t(ids_.size()));
      ids_.push_back(corner);
      for (int64_t unit : units_) values_.push_back(snapped(z_.row(corner)[unit], unit));
      const int64_t edge = edges_.edge_of_slot[slot];
      if (edge < 0) continue;
      const int64_t first = edges_.start[edge], last = edges_.start[edge + 1];
      for (int64_t i = 0; i < last - first; ++i) {
        check();
        const bool forth = edges_.points[first].a == corner;
        add_edge_point(forth ? first + i : last - 1 - i);
      }
    }
  }

  void add_edge_point(int64_t index) {
    const EdgePoint& point = edges_.points[index];
    loops_[0].push_back(int64_t(ids_.size()));
    ids_.push_back(z_.n + index);
    int64_t zero = point.first_unit;  // units_ and the units of a point are ascending
    for (int64_t unit : units_) {
      if (zero < point.last_unit && edges_.units[zero] == unit) {
        values_.push_back(0);
        ++zero;
      } else {
        const double value = blend(z_.row(point.a)[unit], z_.row(point.b)[unit], point.weight);
        values_.push_back(snapped(value, unit));
      }
    }
  }

  double snapped(double value, int64_t unit) const {
    return std::fabs(value) <= tolerance_[unit] ? 0 : value;
  }

  double value(int64_t point, size_t u) const { return values_[point * units_.size() + u]; }

  void cut_along(size_t u, Pieces* out) {
    made_.clear();
    const size_t n_loops = loops_.size();
    CheckNowAndThen check(64);
    for (size_t i = 0; i < n_loops; ++i) {
      check();
      bool above = false, below = false;
      for (int64_t point : loops_[i]) {
        above |= value(point, u) > 0;
        below |= value(point, u) < 0;
      }
      if (!above || !below) continue;
      Loop upper, lower;
      for (size_t k = 0; k < loops_[i].size(); ++k) {
        const int64_t p = loops_[i][k], q = loops_[i][k + 1 < loops_[i].size() ? k + 1 : 0];
        const double from = value(p, u), to = value(q, u);
        if (from >= 0) upper.push_back(p);
        if (from <= 0) lower.push_back(p);
        if ((from > 0 && to < 0) || (from < 0 && to > 0)) {
          const int64_t between = point_between(std::min(p, q), std::max(p, q), u, out);
          upper.push_back(between);
          lower.push_back(between);
        }
      }
      // Roundings may leave a sliver of fewer corners, which stays with the polygon.
      if (upper.size() < 3 || lower.size() < 3) continue;
      loops_[i] = std::move(upper);
      loops_.push_back(std::move(lower));
    }
  }

  // The point where unit u is 0 between two points; one for both polygons that meet there.
  int64_t point_between(int64_t p, int64_t q, size_t u, Pieces* out) {
    for (const auto& made : made_) {
      if (made.p == p && made.q == q) return made.point;
    }
    const double weight = share(value(p, u), value(q, u));
    const int64_t point = int64_t(ids_.size());
    out->from.push_back(ids_[p]);
    out->to.push_back(ids_[q]);
    out->weight.push_back(weight);
    ids_.push_back(-int64_t(out->from.size()));
    out->zero_point.push_back(ids_.back());
    out->zero_unit.push_back(units_[u]);
    for (size_t k = 0; k < units_.size(); ++k) {
      const double here = k == u ? 0 : blend(value(p, k), value(q, k), weight);
      values_.push_back(snapped(here, units_[k]));
    }
    made_.push_back({p, q, point});
    return point;
  }

  struct Made {
    int64_t p, q, point;
  };

  const MatrixView<double>& z_;
  const double* tolerance_;
  const PolygonsView& polygons_;
  const Signs& signs_;
  const EdgePoints& edges_;
  std::vector<int64_t> units_;   // that change sign in the polygon, ascending
  std::vector<int64_t> ids_;     // of the points met so far: corners, on edges, inside (negative)
  std::vector<double> values_;   // of those units at those points
  std::vector<Loop> loops_;      // the polygons so far
  std::vector<Made> made_;       // the points made for the unit at hand
};

}  // namespace

Cut cut_polygons(const MatrixView<double>& z, const double* tolerance,
                 const PolygonsView& polygons) {
  const Signs signs(z, tolerance);
  const CutEdges edges(z, signs, polygons);
  const int64_t n_blocks = (polygons.n + kPolygonsPerBlock - 1) / kPolygonsPerBlock;
  std::vector<Pieces> pieces(n_blocks);
  parallel_for(n_blocks, [&](int64_t block, int) {
    Cutter cutter(z, tolerance, polygons, signs, edges);
    const int64_t first = block * kPolygonsPerBlock;
    for (int64_t p = first; p < std::min(polygons.n, first + kPolygonsPerBlock); ++p) {
      cutter.cut(p, &pieces[block]);
    }
  });

  Cut cut;
  CheckNowAndThen check(32);
  for (size_t i = 0; i < edges.points.size(); ++i) {
    check();
    const EdgePoint& point = edges.points[i];
    cut.from.push_back(point.a);
    cut.to.push_back(point.b);
    cut.weight.push_back(point.weight);
    for (int64_t k = point.first_unit; k < point.last_unit; ++k) {
      cut.zero_point.push_back(z.n + int64_t(i));
      cut.zero_unit.push_back(edges.units[k]);
    }
  }
  cut.offsets.push_back(0);
  for (const Pieces& part : pieces) {
    check_interrupt();
    const int64_t first = z.n + int64_t(cut.from.size());  // of the points inside
    const auto global = [first](int64_t id) { return id >= 0 ? id : first - id - 1; };
    for (int64_t id : part.from) cut.from.push_back(global(id));
    for (int64_t id : part.to) cut.to.push_back(global(id));
    cut.weight.insert(cut.weight.end(), part.weight.begin(), part.weight.end());
    for (int64_t id : part.zero_point) cut.zero_point.push_back(global(id));
    cut.zero_unit.insert(cut.zero_unit.end(), part.zero_unit.begin(), part.zero_unit.end());
    for (int64_t id : part.corners) cut.corners.push_back(global(id));
    for (int64_t size : part.sizes) cut.offsets.push_back(cut.offsets.back() + size);
    cut.parent.insert(cut.parent.end(), part.parent.begin(), part.parent.end());
  }
  return cut;
}

void blend_points(const MatrixView<double>& values, const int64_t* from, const int64_t* to,
                  const double* weight, int64_t n_new, const int64_t* zero_point,
                  const int64_t* zero_unit, int64_t n_zeros, double* out) {
  const int64_t n = values.n, n_columns = values.n_columns;
  CheckNowAndThen copying(8 + n_columns);
  for (int64_t i = 0; i < n; ++i) {
    copying();
    std::copy_n(values.row(i), n_columns, out + i * n_columns);
  }
  // By columns: a new point may lie between others.
  parallel_for((n_columns + kColumnsPerBlock - 1) / kColumnsPerBlock, [&](int64_t block, int) {
    const int64_t first = block * kColumnsPerBlock;
    const int64_t width = std::min(kColumnsPerBlock, n_columns - first);
    int64_t zero = 0;
    CheckNowAndThen check(16 + width);
    for (int64_t i = 0; i < n_new; ++i) {
      check();
      double* row = out + (n + i) * n_columns;
      primitives().lines.blend(out + from[i] * n_columns + first, out + to[i] * n_columns + first,
                               weight[i], width, row + first);
      for (; zero < n_zeros && zero_point[zero] == n + i; ++zero) {
        const int64_t unit = zero_unit[zero];
        if (unit >= first && unit < first + width) row[unit] = 0;
      }
    }
  });
}

void polygon_codes(const MatrixView<double>& z, const double* tolerance,
                   const PolygonsView& polygons, const MutableCodes& out) {
  const Signs signs(z, tolerance);
  parallel_for((polygons.n + kPolygonsPerBlock - 1) / kPolygonsPerBlock, [&](int64_t block, int) {
    const int64_t first = block * kPolygonsPerBlock;
    CheckNowAndThen check(8 + signs.n_words);
    for (int64_t p = first; p < std::min(polygons.n, first + kPolygonsPerBlock); ++p) {
      for (int64_t slot = polygons.offsets[p]; slot < polygons.offsets[p + 1]; ++slot) {
        check();
        for (int64_t word = 0; word < signs.n_words; ++word) {
          out.row(p)[word] |= signs.above[polygons.corners[slot] * signs.n_words + word];
        }
      }
    }
  });
}

}  // namespace tfhash
