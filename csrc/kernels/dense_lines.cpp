#include "kernels/dense_lines.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>

#include "interrupt.h"
#include "kernels/lines.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kLines = 8;  // that share one reading of the first layer's weights

// Room that grows; what is in it is lost then.
class Room {
 public:
  double* of(int64_t size) {
    if (size > size_) {
      size_ = size + size / 2;
      data_.reset(new double[size_]);
    }
    return data_.get();
  }

 private:
  std::unique_ptr<double[]> data_;
  int64_t size_ = 0;
};

// A point that is put inside a piece, and the events that are there.
struct NewPoint {
  int64_t piece, row;  // of the points before and of all points
  double weight;
  size_t first_event, last_event;
};

// What one thread works in, from line to line.
struct Workspace {
  std::vector<int32_t> active;
  std::vector<double> t, new_t;
  std::vector<int64_t> places;  // of the points before, among all points
  std::vector<NewPoint> added;
  Room h, products, z[2], change, least;
  std::vector<LineEvent> events;
};

// Puts points where units pass 0 inside a piece, one for those that agree. Events, which are in
// order, then tell the point in `piece`.
void refine(Workspace* work) {
  const int64_t n = int64_t(work->t.size());
  work->new_t.clear();
  work->places.clear();
  work->added.clear();
  size_t e = 0;
  CheckNowAndThen check(8);
  for (int64_t p = 0; p < n; ++p) {
    check();
    const int64_t first = int64_t(work->new_t.size());
    work->places.push_back(first);
    work->new_t.push_back(work->t[p]);
    double before = -1;
    for (; e < work->events.size() && work->events[e].piece == p; ++e) {
      check();
      LineEvent& event = work->events[e];
      event.piece = first;
      if (!event.inside) continue;
      if (event.weight != before) {
        before = event.weight;
        const double t = work->t[p] + before * (work->t[p + 1] - work->t[p]);
        work->added.push_back({p, int64_t(work->new_t.size()), before, e, e});
        work->new_t.push_back(std::min(t, work->t[p + 1]));
      }
      work->added.back().last_event = e + 1;
      event.piece = work->added.back().row;
    }
  }
  work->t.swap(work->new_t);
}

int64_t count_new(const std::vector<LineEvent>& events) {
  int64_t n = 0, piece = -1;
  double weight = 0;
  for (const LineEvent& event : events) {
    if (!event.inside || (event.piece == piece && event.weight == weight)) continue;
    piece = event.piece;
    weight = event.weight;
    ++n;
  }
  return n;
}

// Pre-activations of a layer, at n rows of its inputs, with those that pad them.
double* products(const DenseLayer& layer, const double* rows, int64_t n, Workspace* work) {
  double* made = work->products.of(padded(n) * layer.n_units);
  CheckNowAndThen check(kDenseRows * layer.n_units);
  for (int64_t r = 0; r < n; r += kDenseRows) {
    check();
    const double* block = rows + r * layer.n_inputs;
    find_active(block, layer.n_inputs, &work->active);
    multiply(layer, block, work->active, 0, layer.n_units, made + r * layer.n_units);
  }
  finish_rows(layer, n, made);
  return made;
}

// Adds what an input does to pre-activations, or the sizes of that.
template <bool kSizes, class Weight>
void add(const Weight* weights, const double* scale, double input, int64_t n, double* sums) {
  for (int64_t j = 0; j < n; ++j) {
    const double more = input * (scale == nullptr ? double(weights[j]) : weights[j] * scale[j]);
    sums[j] += kSizes ? std::fabs(more) : more;
  }
}

template <bool kSizes>
void add(const DenseLayer& layer, int64_t unit, double input, double* sums) {
  const int64_t n = layer.n_units;
  if (layer.weights_f32 != nullptr) {
    add<kSizes>(layer.weights_f32 + unit * n, layer.scale, input, n, sums);
  } else {
    add<kSizes>(layer.weights_f64 + unit * n, layer.scale, input, n, sums);
  }
}

constexpr double kUnsure = 0x1p-30;  // of the sizes of the numbers whose sum a value is

// Values at the share `weight` of the way, where `row` is what they miss of those at the beginning
// and `ahead` of those at the end. False where one is not larger than its `least`, where that is
// not 0.
bool combine(const double* from, const double* to, double weight, const double* ahead,
             const double* least, int64_t n, double* row) {
  int64_t n_unsure = 0;
  for (int64_t j = 0; j < n; ++j) {
    row[j] = (1 - weight) * (from[j] - row[j]) + weight * (to[j] - ahead[j]);
    n_unsure += int64_t(!(std::fabs(row[j]) > least[j])) & int64_t(least[j] != 0);
  }
  return n_unsure == 0;
}

// The next layer's values at the points [first, last) that a layer has put inside one piece, from
// those at the ends of the piece, which `out` has. False where one may be 0 but for rounding.
//
// A unit that passes 0 at w gives there 0, where halfway between what it gives at the ends would
// be c. So what it gives lies below the straight line by a tent: c t / w up to w, c (1 - t) / (1 -
// w) from there. The tents' sums are taken from either end, so that nothing large cancels.
bool fill_piece(const DenseLayer& layer, const DenseLayer& next, const double* z, size_t first,
                size_t last, double* out, Workspace* work) {
  const int64_t n = next.n_units;
  const std::vector<NewPoint>& added = work->added;
  const double *begin = z + added[first].piece * layer.n_units, *end = begin + layer.n_units;
  const double* from = out + (added[first].row - 1) * n;
  const double* to = out + (added[last - 1].row + 1) * n;
  const auto height = [&](const NewPoint& point, int64_t unit) {
    double gives[2];
    activate(begin + unit, 1, layer.slope, gives);
    activate(end + unit, 1, layer.slope, gives + 1);
    return (1 - point.weight) * gives[0] + point.weight * gives[1];
  };
  double *change = work->change.of(n), *least = work->least.of(n);
  for (int64_t j = 0; j < n; ++j) least[j] = std::fabs(from[j]) + std::fabs(to[j]);
  CheckNowAndThen check(8 + 4 * n);
  std::fill_n(change, n, 0.0);
  for (size_t i = first; i < last; ++i) {
    check();
    std::copy_n(change, n, out + added[i].row * n);
    for (size_t e = added[i].first_event; e < added[i].last_event; ++e) {
      const int64_t unit = work->events[e].unit;
      add<true>(next, unit, height(added[i], unit), least);
      if (i + 1 < last) {
        add<false>(next, unit, height(added[i], unit) / (1 - added[i].weight), change);
      }
    }
  }
  for (int64_t j = 0; j < n; ++j) least[j] *= kUnsure;
  std::fill_n(change, n, 0.0);
  for (size_t i = last; i-- > first;) {
    check();
    for (size_t e = added[i].first_event; e < added[i].last_event; ++e) {
      const int64_t unit = work->events[e].unit;
      add<false>(next, unit, height(added[i], unit) / added[i].weight, change);
    }
    if (!combine(from, to, added[i].weight, change, least, n, out + added[i].row * n)) return false;
  }
  return true;
}

// The next layer's values at all new points, each from what the layer gives there.
void fill_exactly(const DenseLayer& layer, const DenseLayer& next, const double* z, double* out,
                  Workspace* work) {
  const int64_t n_units = layer.n_units, n = next.n_units;
  const auto n_new = int64_t(work->added.size());
  double* h = work->h.of(padded(n_new) * n_units);
  std::fill(h + n_new * n_units, h + padded(n_new) * n_units, 0.0);
  CheckNowAndThen check(8 + n_units);
  for (int64_t i = 0; i < n_new; ++i) {
    check();
    const NewPoint& point = work->added[i];
    const double* begin = z + point.piece * n_units;
    double* row = h + i * n_units;
    primitives().lines.blend(begin, begin + n_units, point.weight, n_units, row);
    activate(row, n_units, layer.slope, row);
    // What was blended is off by a rounding.
    for (size_t e = point.first_event; e < point.last_event; ++e) row[work->events[e].unit] = 0;
  }
  const double* made = products(next, h, n_new, work);
  for (int64_t i = 0; i < n_new; ++i) {
    std::copy_n(made + i * n, n, out + work->added[i].row * n);
  }
}

// Whether no value of n rows may be 0 but for rounding, by the largest at the two ends.
bool are_sure(const double* z, int64_t n, int64_t n_units) {
  double largest = 0;
  for (int64_t j = 0; j < n_units; ++j) {
    largest = std::max({largest, std::fabs(z[j]), std::fabs(z[(n - 1) * n_units + j])});
  }
  const double least = kUnsure * largest;
  int64_t n_unsure = 0;
  for (int64_t i = 0; i < n * n_units; ++i) {
    n_unsure += int64_t(std::fabs(z[i]) < least) & int64_t(z[i] != 0);
  }
  return n_unsure == 0;
}

// The next layer's values at all points, from a layer's at the points before. False where one may
// be 0 but for rounding, unless all are to be made exactly.
bool carry_on(const DenseLayer& layer, const DenseLayer& next, const double* z, bool exactly,
              double* out, Workspace* work) {
  const auto n = int64_t(work->places.size());
  const int64_t n_units = layer.n_units, n_next = next.n_units;
  double* h = work->h.of(padded(n) * n_units);
  activate(z, n * n_units, layer.slope, h);
  std::fill(h + n * n_units, h + padded(n) * n_units, 0.0);
  const double* made = products(next, h, n, work);
  for (int64_t p = 0; p < n; ++p) {
    std::copy_n(made + p * n_next, n_next, out + work->places[p] * n_next);
  }
  if (exactly) {
    fill_exactly(layer, next, z, out, work);
    return true;
  }
  if (!are_sure(made, n, n_next)) return false;
  for (size_t first = 0, last; first < work->added.size(); first = last) {
    last = first + 1;
    while (last < work->added.size() && work->added[last].piece == work->added[first].piece) ++last;
    if (!fill_piece(layer, next, z, first, last, out, work)) return false;
  }
  return true;
}

// One line, from the first layer's pre-activations at its two ends. False, and nothing found, where
// a value may be 0 but for rounding: what is exactly 0 is to stay so, and takes `exactly`.
bool follow(const std::vector<DenseLayer>& layers, const double* first_z, int64_t most_points,
            bool exactly, bool* code, Workspace* work, DenseLine* line) {
  *line = {};
  work->t = {0.0, 1.0};
  const double* z = first_z;
  for (size_t l = 0; l < layers.size(); ++l) {
    const DenseLayer& layer = layers[l];
    const int64_t n_units = layer.n_units, n = int64_t(work->t.size());
    const double *begin = z, *end = begin + (n - 1) * n_units;
    for (int64_t j = 0; j < n_units; ++j) {
      if (!std::isfinite(begin[j]) || !std::isfinite(end[j])) {
        line->outcome = LineOutcome::kNotFinite;
        return true;
      }
      code[j] = begin[j] > 0 || (begin[j] == 0 && begin[n_units + j] > 0);
    }
    code += n_units;
    work->events.clear();
    find_line_events({z, n, n_units, n_units}, 0, n - 1, &work->events);
    const bool is_last = l + 1 == layers.size();
    if (!is_last && n + count_new(work->events) > most_points) {  // of the last none is held
      line->outcome = LineOutcome::kTooManyPoints;
      return true;
    }
    refine(work);
    for (const LineEvent& event : work->events) {
      line->switches.push_back({work->t[event.piece], int64_t(l), event.unit});
    }
    if (is_last) break;
    double* next_z = work->z[l % 2].of(int64_t(work->t.size()) * layers[l + 1].n_units);
    if (!carry_on(layer, layers[l + 1], z, exactly, next_z, work)) return false;
    z = next_z;
  }
  sort_checking(line->switches.begin(), line->switches.end(),
                [](const LineSwitch& a, const LineSwitch& b) {
                  return std::tie(a.t, a.layer, a.unit) < std::tie(b.t, b.layer, b.unit);
                });
  return true;
}

}  // namespace

std::vector<DenseLine> dense_lines(const std::vector<DenseLayer>& layers, const double* ends,
                                   int64_t n, int64_t most_points, bool* first_codes) {
  std::vector<DenseLine> lines(n);
  int64_t n_bits = 0;
  for (const DenseLayer& layer : layers) n_bits += layer.n_units;
  const DenseLayer& first = layers[0];
  ThreadTeam team((n + kLines - 1) / kLines);
  std::vector<Workspace> workspaces(team.size());
  team.run((n + kLines - 1) / kLines, [&](int64_t block, int worker) {
    const int64_t begin = block * kLines, end = std::min(n, begin + kLines);
    const int64_t n_rows = 2 * (end - begin), n_in = first.n_inputs, n_out = first.n_units;
    std::vector<double> rows(padded(n_rows) * n_in), z(padded(n_rows) * n_out);
    std::copy_n(ends + 2 * begin * n_in, n_rows * n_in, rows.data());
    std::vector<std::vector<int32_t>> active(rows.size() / (kDenseRows * n_in));
    for (size_t b = 0; b < active.size(); ++b) {
      find_active(rows.data() + b * kDenseRows * n_in, n_in, &active[b]);
    }
    // Columns in the outer loop, so that their weights stay in the cache for all rows.
    for (int64_t c = 0; c < n_out; c += kDenseColumns) {
      check_interrupt();
      for (size_t b = 0; b < active.size(); ++b) {
        multiply(first, rows.data() + b * kDenseRows * n_in, active[b], c,
                 std::min(n_out, c + kDenseColumns), z.data() + b * kDenseRows * n_out);
      }
    }
    finish_rows(first, n_rows, z.data());
    for (int64_t i = begin; i < end; ++i) {
      check_interrupt();
      const auto along = [&](bool exactly) {
        return follow(layers, z.data() + 2 * (i - begin) * n_out, most_points, exactly,
                      first_codes + i * n_bits, &workspaces[worker], &lines[i]);
      };
      if (!along(false)) along(true);
    }
  });
  return lines;
}

}  // namespace tfhash
