#include "kernels/dense_lines.h"

#include <algorithm>
#include <cmath>

#include "interrupt.h"
#include "kernels/blocked_line.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kManyLines = 16;  // from which on putting weights in order pays
constexpr int64_t kLines = 8;  // that share one reading of the first layer's weights

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

// What one thread works in, from line to line.
struct Workspace {
  BlockedLine line;
  std::vector<LineEvent> events;
};

// One line, from the first layer's pre-activations at its two ends.
void follow(const std::vector<NormedLayer>& layers, const double* first_z, int64_t most_points,
            bool* code, Workspace* work, DenseLine* found) {
  BlockedLine& line = work->line;
  std::vector<LineEvent>& events = work->events;
  line.begin(layers[0], first_z);
  for (size_t l = 0; l < layers.size(); ++l) {
    const int64_t n_units = layers[l].layer.n_units;
    const bool is_taken = l + 1 < layers.size();
    if (l > 0) line.enter(layers[l]);
    for (int64_t j = 0; j < n_units; ++j) {
      if (!std::isfinite(line.first()[j]) || !std::isfinite(line.last()[j])) {
        found->outcome = LineOutcome::kNotFinite;
        return;
      }
    }
    line.fill(is_taken);
    for (int64_t j = 0; j < n_units; ++j) code[j] = line.begins_on(j);
    code += n_units;
    line.find_events(&events);
    if (is_taken && line.n_points() + count_new(events) > most_points) {  // the last keeps none
      found->outcome = LineOutcome::kTooManyPoints;
      return;
    }
    line.refine(is_taken, &events);
    for (const LineEvent& event : events) {
      found->switches.push_back({line.t(event.piece), int64_t(l), event.unit});
    }
  }
  sort_checking(found->switches.begin(), found->switches.end(),
                [](const LineSwitch& a, const LineSwitch& b) {
                  if (a.t != b.t) return a.t < b.t;
                  return a.layer != b.layer ? a.layer < b.layer : a.unit < b.unit;
                });
}

}  // namespace

std::vector<DenseLine> dense_lines(const std::vector<DenseLayer>& layers, const double* ends,
                                   int64_t n, int64_t most_points, bool* first_codes) {
  std::vector<DenseLine> lines(n);
  int64_t n_bits = 0;
  for (const DenseLayer& layer : layers) n_bits += layer.n_units;
  const DenseLayer& first = layers[0];
  std::vector<NormedLayer> normed;
  for (const DenseLayer& layer : layers) {
    normed.emplace_back(layer, normed.empty(), n >= kManyLines);
  }
  ThreadTeam team((n + kLines - 1) / kLines);
  std::vector<Workspace> workspaces(team.size());
  team.run((n + kLines - 1) / kLines, [&](int64_t block, int worker) {
    const int64_t begin = block * kLines, end = std::min(n, begin + kLines);
    const int64_t n_rows = 2 * (end - begin), n_in = first.n_inputs, n_out = first.n_units;
    const double* rows = ends + 2 * begin * n_in;
    std::vector<double> with_rest, z(padded(n_rows) * n_out);
    if (padded(n_rows) > n_rows) {
      with_rest.resize(padded(n_rows) * n_in);
      std::copy_n(rows, n_rows * n_in, with_rest.data());
      rows = with_rest.data();
    }
    std::vector<std::vector<int32_t>> active(padded(n_rows) / kDenseRows);
    for (size_t b = 0; b < active.size(); ++b) {
      find_active(rows + b * kDenseRows * n_in, n_in, &active[b]);
    }
    // Columns in the outer loop, so that their weights stay in the cache for all rows.
    for (int64_t c = 0; c < n_out; c += kDenseColumns) {
      check_interrupt();
      for (size_t b = 0; b < active.size(); ++b) {
        multiply(first, rows + b * kDenseRows * n_in, active[b], c,
                 std::min(n_out, c + kDenseColumns), z.data() + b * kDenseRows * n_out);
      }
    }
    finish_rows(first, n_rows, z.data());
    for (int64_t i = begin; i < end; ++i) {
      check_interrupt();
      follow(normed, z.data() + 2 * (i - begin) * n_out, most_points, first_codes + i * n_bits,
             &workspaces[worker], &lines[i]);
    }
  });
  return lines;
}

}  // namespace tfhash
