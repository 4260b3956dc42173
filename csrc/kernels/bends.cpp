#include "kernels/bends.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <tuple>

#include "interrupt.h"
#include "kernels/dense_stack.h"
#include "kernels/lines.h"

namespace tfhash {
namespace {

// Unit `unit` of a pixel passes kink `kink` at t.
struct Crossing {
  int64_t pixel;
  double t;
  int64_t unit, kink;
};

bool earlier(const Crossing& a, const Crossing& b) {
  return std::tie(a.t, a.unit, a.kink) < std::tie(b.t, b.unit, b.kink);
}

double number(const LocalNumbers& numbers, int64_t pixel, int64_t c, int64_t n_channels) {
  return numbers.data[numbers.size == 1            ? 0
                      : numbers.size == n_channels ? c
                                                   : pixel * n_channels + c];
}

bool is_number(const LocalNumbers& numbers, double value) {
  return numbers.size == 1 && numbers.data[0] == value;
}

// An activation function, and what one thread finds its crossings in.
class Function {
 public:
  explicit Function(const LocalStep& step) : step_(step) {
    is_relu_ = step.kinks.size() == 1 && is_number(step.kinks[0], 0) &&
               step.slopes[0].size == 1 && is_number(step.slopes[1], 1) &&
               is_number(step.offsets[0], 0) && is_number(step.offsets[1], 0);
  }

  double kink(size_t k, int64_t pixel, int64_t c) const {
    return number(step_.kinks[k], pixel, c, step_.n_channels);
  }

  bool is_at_zero(size_t k) const { return is_number(step_.kinks[k], 0); }

  void values(const double* z, int64_t pixel, double* h) const {
    const int64_t n = step_.n_channels;
    if (is_relu_) {
      activate(z, n, step_.slopes[0].data[0], h);
      return;
    }
    for (int64_t c = 0; c < n; ++c) {
      size_t k = 0;
      while (k < step_.kinks.size() && z[c] > kink(k, pixel, c)) ++k;
      h[c] = z[c] * number(step_.slopes[k], pixel, c, n) + number(step_.offsets[k], pixel, c, n);
    }
  }

 private:
  const LocalStep& step_;
  bool is_relu_;
};

struct Block {
  std::vector<Crossing> crossings;  // inside pieces, pixel by pixel, in order
  std::vector<LineSwitch> switches;
};

bool above(double here, double beside) { return here > 0 || (here == 0 && beside > 0); }

// The crossings of one pixel. False where its values are not finite at an end.
bool cross(const LocalStep& step, const Function& function, const Field& field, int64_t pixel,
           const Bends& bends, std::vector<double>* shifted, std::vector<LineEvent>* events,
           Block* block) {
  const MatrixView<double> z = field.pixel(pixel);
  const double* t = field.t.data() + field.first[pixel];
  const int64_t n_units = step.n_pixels * step.n_channels;
  const size_t begin = block->crossings.size();
  for (int64_t c = 0; c < z.n_columns; ++c) {
    if (!std::isfinite(z.row(0)[c]) || !std::isfinite(z.row(z.n - 1)[c])) return false;
  }
  for (size_t k = 0; k < step.kinks.size(); ++k) {
    MatrixView<double> view = z;
    if (!function.is_at_zero(k)) {
      shifted->resize(z.n * z.n_columns);
      for (int64_t i = 0; i < z.n; ++i) {
        for (int64_t c = 0; c < z.n_columns; ++c) {
          (*shifted)[i * z.n_columns + c] = z.row(i)[c] - function.kink(k, pixel, c);
        }
      }
      view.data = shifted->data();
    }
    const int64_t layer = step.layer + int64_t(k);
    for (int64_t c = 0; c < z.n_columns; ++c) {
      const int64_t at = int64_t(k) * n_units + pixel * z.n_columns + c;
      bends.first_states[at] = above(view.row(0)[c], view.row(1)[c]);
      bends.last_states[at] = above(view.row(z.n - 1)[c], view.row(z.n - 2)[c]);
    }
    events->clear();
    find_line_events(view, 0, z.n - 1, events);
    for (const LineEvent& event : *events) {
      double at = t[event.piece];
      if (event.inside) {
        const double later = t[event.piece + 1];
        at = std::min(at + event.weight * (later - at), later);
        block->crossings.push_back({pixel, at, event.unit, int64_t(k)});
      }
      block->switches.push_back({at, layer, pixel * z.n_columns + event.unit});
    }
  }
  sort_checking(block->crossings.begin() + begin, block->crossings.end(), earlier);
  return true;
}

// The points of a pixel and its crossings' between them, in order, none twice.
void refined(const Field& field, int64_t pixel, const Crossing* crossing, const Crossing* end,
             std::vector<double>* points) {
  for (int64_t i = field.first[pixel]; i < field.first[pixel + 1]; ++i) {
    const double t = field.t[i];
    for (; crossing != end && crossing->t < t; ++crossing) {
      if (points->empty() || crossing->t > points->back()) points->push_back(crossing->t);
    }
    points->push_back(t);
  }
}

// The values at the points that `refined` gives.
void fill(const Function& function, const Field& field, int64_t pixel,
          const Crossing* crossing, const Crossing* end, std::vector<double>* blended,
          double* out) {
  const MatrixView<double> z = field.pixel(pixel);
  const double* t = field.t.data() + field.first[pixel];
  blended->resize(z.n_columns);
  CheckNowAndThen check(8 + 2 * z.n_columns);
  for (int64_t i = 0; i < z.n; ++i, out += z.n_columns) {
    check();
    function.values(z.row(i), pixel, out);
    while (crossing != end && crossing->t <= t[i]) ++crossing;  // at a point, by rounding
    while (crossing != end && i + 1 < z.n && crossing->t < t[i + 1]) {
      check();
      const double here = crossing->t;
      field.at(pixel, here, 0, z.n_columns, blended->data());
      for (; crossing != end && crossing->t == here; ++crossing) {
        // What is blended is off by a rounding.
        (*blended)[crossing->unit] = function.kink(size_t(crossing->kink), pixel, crossing->unit);
      }
      out += z.n_columns;
      function.values(blended->data(), pixel, out);
    }
  }
}

}  // namespace

LineOutcome bent(const LocalStep& step, const Field& z, bool is_last, int64_t most_bytes,
                 Work* work, const Bends& bends, Field* made) {
  const Function function(step);
  const int64_t n = step.n_pixels, n_blocks = (n + kPixels - 1) / kPixels;
  std::vector<Block> blocks(n_blocks);
  std::atomic<bool> is_finite{true};
  work->run(n_blocks, [&](int64_t b, Work::Room* room) {
    std::vector<LineEvent> events;
    for (int64_t p = b * kPixels; p < std::min(n, (b + 1) * kPixels); ++p) {
      if (!cross(step, function, z, p, bends, &room->rows, &events, &blocks[b])) {
        is_finite = false;
      }
    }
  });
  if (!is_finite) return LineOutcome::kNotFinite;
  if (!is_last) {
    const auto of_pixel = [&](int64_t b, int64_t pixel) {
      const auto& all = blocks[b].crossings;
      const auto range =
          std::equal_range(all.begin(), all.end(), Crossing{pixel, 0, 0, 0},
                           [](const Crossing& a, const Crossing& c) { return a.pixel < c.pixel; });
      return std::make_pair(all.data() + (range.first - all.begin()),
                            all.data() + (range.second - all.begin()));
    };
    const auto points = [&](int64_t pixel, int64_t b, std::vector<double>* list) {
      const auto range = of_pixel(b, pixel);
      refined(z, pixel, range.first, range.second, list);
    };
    if (!lay_out(step, most_bytes, work, points, made)) return LineOutcome::kTooManyPoints;
    work->run(n_blocks, [&](int64_t b, Work::Room* room) {
      for (int64_t p = b * kPixels; p < std::min(n, (b + 1) * kPixels); ++p) {
        const auto range = of_pixel(b, p);
        fill(function, z, p, range.first, range.second, &room->rows,
             made->rows.get() + made->first[p] * step.n_channels);
      }
    });
  }
  for (const Block& block : blocks) {
    bends.switches->insert(bends.switches->end(), block.switches.begin(), block.switches.end());
  }
  return LineOutcome::kDone;
}

namespace {

// The largest so far of a pixel's candidates, at points between which it is affine.
struct Leader {
  std::vector<double> t, rows;

  // Puts points where another candidate passes the leader, and takes it there.
  void meet(const Source& source, int64_t pixel, double sign, Leader* next) {
    const int64_t n_channels = source.n_channels;
    std::vector<double>& points = next->t;
    points.assign(t.begin() + 1, t.end() - 1);
    source.add_inner(pixel, &points);
    order_points(&points);
    std::vector<double> mine, others, ahead;
    sample(source, pixel, sign, points, &mine, &others);
    ahead.resize(mine.size());
    for (size_t i = 0; i < mine.size(); ++i) ahead[i] = mine[i] - others[i];
    std::vector<LineEvent> events;
    const auto n = int64_t(points.size());
    find_line_events({ahead.data(), n, n_channels, n_channels}, 0, n - 1, &events);
    std::vector<double> crossings(points.begin() + 1, points.end() - 1);
    for (const LineEvent& event : events) {
      if (!event.inside) continue;
      const double from = points[event.piece], to = points[event.piece + 1];
      crossings.push_back(std::min(from + event.weight * (to - from), to));
    }
    if (crossings.size() + 2 > points.size()) {
      crossings.erase(std::remove(crossings.begin(), crossings.end(), 1.0), crossings.end());
      crossings.erase(std::remove(crossings.begin(), crossings.end(), 0.0), crossings.end());
      order_points(&crossings);
      points.swap(crossings);
      sample(source, pixel, sign, points, &mine, &others);
    }
    next->rows.resize(mine.size());
    for (size_t i = 0; i < mine.size(); ++i) next->rows[i] = std::max(mine[i], others[i]);
  }

 private:
  void sample(const Source& source, int64_t pixel, double sign, const std::vector<double>& points,
              std::vector<double>* mine, std::vector<double>* others) {
    const int64_t n_channels = source.n_channels;
    mine->resize(points.size() * n_channels);
    others->resize(points.size() * n_channels);
    CheckNowAndThen check(8 + 4 * n_channels);
    size_t piece = 0;
    for (size_t i = 0; i < points.size(); ++i) {
      check();
      while (piece + 2 < t.size() && t[piece + 1] <= points[i]) ++piece;
      const double from = t[piece], to = t[piece + 1];
      double* here = mine->data() + i * n_channels;
      double* there = others->data() + i * n_channels;
      const double* row = rows.data() + piece * n_channels;
      for (int64_t c = 0; c < n_channels; ++c) {
        const double a = row[c], b = row[n_channels + c];
        here[c] = points[i] == from ? a
                  : points[i] == to ? b
                                    : a + (points[i] - from) / (to - from) * (b - a);
      }
      source.at(pixel, points[i], there);
      for (int64_t c = 0; c < n_channels; ++c) there[c] *= sign;
    }
  }
};

}  // namespace

LineOutcome largest(const LocalStep& step, const std::vector<const Field*>& inputs,
                    int64_t most_bytes, Work* work, Field* made) {
  const int64_t n = step.n_pixels, n_channels = step.n_channels;
  const int64_t n_blocks = (n + kPixels - 1) / kPixels;
  const double sign = step.signs[0];
  std::vector<Source> sources;
  for (const Field* input : inputs) sources.push_back({input, n_channels});
  std::vector<std::vector<double>> rows(n_blocks);
  std::atomic<int64_t> held{0};
  const auto points = [&](int64_t pixel, int64_t b, std::vector<double>* list) {
    Leader leader, next;
    const int64_t n_candidates = step.table == nullptr ? int64_t(sources.size()) : step.n_taps;
    for (int64_t k = 0; k < n_candidates && held <= most_bytes; ++k) {
      const Source& source = step.table == nullptr ? sources[k] : sources[0];
      const int64_t at = step.table == nullptr ? pixel : step.table[pixel * step.n_taps + k];
      if (at < 0) continue;
      if (leader.t.empty()) {
        source.add_inner(at, &leader.t);
        order_points(&leader.t);
        leader.rows.resize(leader.t.size() * n_channels);
        for (size_t i = 0; i < leader.t.size(); ++i) {
          source.at(at, leader.t[i], leader.rows.data() + i * n_channels);
        }
        for (double& value : leader.rows) value *= sign;
        continue;
      }
      leader.meet(source, at, sign, &next);
      std::swap(leader, next);
    }
    held += 8 * int64_t(leader.rows.size());
    for (double& value : leader.rows) value *= sign;
    rows[b].insert(rows[b].end(), leader.rows.begin(), leader.rows.end());
    *list = leader.t;
  };
  if (!lay_out(step, most_bytes, work, points, made)) return LineOutcome::kTooManyPoints;
  if (held > most_bytes) return LineOutcome::kTooManyPoints;
  work->run(n_blocks, [&](int64_t b, Work::Room*) {
    std::copy(rows[b].begin(), rows[b].end(),
              made->rows.get() + made->first[b * kPixels] * n_channels);
  });
  return LineOutcome::kDone;
}

}  // namespace tfhash
