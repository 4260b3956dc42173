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

// What one thread works in, from line to line.
struct Workspace {
  std::vector<int32_t> active;
  std::vector<double> t, new_t;
  Room h, z;
  std::vector<LineEvent> events;
};

// Puts points where units pass 0 inside a piece, one for those that agree, and makes h: what the
// layer gives at all points (null where it is not wanted). Events, which are in order, then tell
// the point in `piece`.
void refine(const DenseLayer& layer, const double* z, double* h, Workspace* work) {
  const int64_t n = int64_t(work->t.size()), n_units = layer.n_units;
  work->new_t.clear();
  size_t e = 0;
  CheckNowAndThen check(8 + n_units);
  for (int64_t p = 0; p < n; ++p, z += n_units) {
    check();
    const int64_t first = int64_t(work->new_t.size());
    work->new_t.push_back(work->t[p]);
    if (h != nullptr) activate(z, n_units, layer.slope, h + first * n_units);
    double before = -1;
    for (; e < work->events.size() && work->events[e].piece == p; ++e) {
      check();
      LineEvent& event = work->events[e];
      event.piece = first;
      if (!event.inside) continue;
      const bool is_new = event.weight != before;
      if (is_new) {
        before = event.weight;
        const double t = work->t[p] + before * (work->t[p + 1] - work->t[p]);
        work->new_t.push_back(std::min(t, work->t[p + 1]));
      }
      event.piece = int64_t(work->new_t.size()) - 1;
      if (h == nullptr) continue;
      double* row = h + event.piece * n_units;
      if (is_new) {
        primitives().lines.blend(z, z + n_units, before, n_units, row);
        activate(row, n_units, layer.slope, row);
      }
      row[event.unit] = 0;  // what was blended is off by a rounding
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

// One line, from the first layer's pre-activations at its two ends.
void follow(const std::vector<DenseLayer>& layers, const double* first_z, int64_t most_points,
            bool* code, Workspace* work, DenseLine* line) {
  work->t = {0.0, 1.0};
  const double* z = first_z;
  for (size_t l = 0; l < layers.size(); ++l) {
    const DenseLayer& layer = layers[l];
    const int64_t n_units = layer.n_units, n = int64_t(work->t.size());
    if (l > 0) {
      double* made = work->z.of(padded(n) * n_units);
      const double* h = work->h.of(0);
      CheckNowAndThen check(kDenseRows * n_units);
      for (int64_t r = 0; r < n; r += kDenseRows) {
        check();
        const double* rows = h + r * layer.n_inputs;
        find_active(rows, layer.n_inputs, &work->active);
        multiply(layer, rows, work->active, 0, n_units, made + r * n_units);
      }
      finish_rows(layer, n, made);
      z = made;
    }
    const double *begin = z, *end = begin + (n - 1) * n_units;
    for (int64_t j = 0; j < n_units; ++j) {
      if (!std::isfinite(begin[j]) || !std::isfinite(end[j])) {
        line->outcome = LineOutcome::kNotFinite;
        return;
      }
      code[j] = begin[j] > 0 || (begin[j] == 0 && begin[n_units + j] > 0);
    }
    code += n_units;
    work->events.clear();
    find_line_events({z, n, n_units, n_units}, 0, n - 1, &work->events);
    const int64_t n_new = count_new(work->events);
    if (l + 1 < layers.size() && n + n_new > most_points) {  // of the last layer none is held
      line->outcome = LineOutcome::kTooManyPoints;
      return;
    }
    double* h = nullptr;
    if (l + 1 < layers.size()) {
      const int64_t n_rows = padded(n + n_new);
      h = work->h.of(n_rows * n_units);
      std::fill(h + (n + n_new) * n_units, h + n_rows * n_units, 0.0);
    }
    refine(layer, z, h, work);
    for (const LineEvent& event : work->events) {
      line->switches.push_back({work->t[event.piece], int64_t(l), event.unit});
    }
  }
  sort_checking(line->switches.begin(), line->switches.end(),
                [](const LineSwitch& a, const LineSwitch& b) {
                  return std::tie(a.t, a.layer, a.unit) < std::tie(b.t, b.layer, b.unit);
                });
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
      follow(layers, z.data() + 2 * (i - begin) * n_out, most_points, first_codes + i * n_bits,
             &workspaces[worker], &lines[i]);
    }
  });
  return lines;
}

}  // namespace tfhash
