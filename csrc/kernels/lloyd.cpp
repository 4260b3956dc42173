#include "kernels/lloyd.h"

#include <algorithm>
#include <cmath>

#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kChunkWords = 8;  // of the codes: one task of an update

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

LloydRun::LloydRun(const Columns& codes, int64_t k)
    : centers(k, codes.n_bits),
      labels(codes.n, -1),
      keys(codes.n, -1),
      travel(k, 0),
      limits(ceil_div(k, kLanes) * kLanes),
      moves(ceil_div(codes.n, kCenterBlock)),
      sizes(k, 0),
      counts(codes.n_words * k * 64),
      shifts(ceil_div(codes.n_words, kChunkWords) * k),
      norms(shifts.size()) {}

Lloyd::Lloyd(const Columns& codes, int64_t k, ThreadTeam& team)
    : codes_(codes),
      k_(k),
      n_blocks_(ceil_div(codes.n, kCenterBlock)),
      n_chunks_(ceil_div(codes.n_words, kChunkWords)),
      team_(team),
      nearest_(team.size()),
      rows_(team.size(), std::vector<int32_t>(kCenterBlock + kLanes)) {}

void Lloyd::start(LloydRun& run, const int64_t* seeds) const {
  Centers& centers = run.centers;
  for (int64_t j = 0; j < k_; ++j) {
    double norm = 0;
    for (int64_t b = 0; b < codes_.n_bits; ++b) {
      norm += centers.center(j)[b] = codes_.bit(seeds[j], b);
    }
    centers.norms[j] = norm;
  }
  centers.set_entries(0, centers.n_words);
  centers.set_bases();
}

void Lloyd::finish(std::vector<LloydRun>& runs, int64_t max_iter, double shift_limit) {
  std::vector<LloydRun*> active;
  for (LloydRun& run : runs) active.push_back(&run);
  for (int64_t iter = 1; iter <= max_iter && !active.empty(); ++iter) {
    assign(active);
    for (LloydRun* run : active) relocate(*run);
    update(active, true);
    for (LloydRun* run : active) step(*run, iter, shift_limit);
    active.erase(std::remove_if(active.begin(), active.end(), [](LloydRun* r) { return r->done; }),
                 active.end());
  }
  // The labels must be those of the final centres.
  active.clear();
  for (LloydRun& run : runs) {
    if (!run.settled) active.push_back(&run);
  }
  assign(active);
  update(active, false);
}

double Lloyd::inertia(const LloydRun& run) const {
  double sum = 0;
  for (int64_t j = 0; j < k_; ++j) {
    const double* center = run.centers.center(j);
    for (int64_t b = 0; b < codes_.n_bits; ++b) {
      const double on = run.counts[(b / 64 * k_ + j) * 64 + b % 64];
      const double off = double(run.sizes[j]) - on, c = center[b];
      sum += on * ((1 - c) * (1 - c)) + off * (c * c);
    }
  }
  return sum;
}

void Lloyd::assign(const std::vector<LloydRun*>& runs) {
  team_.run(int64_t(runs.size()) * n_blocks_, [&](int64_t task, int worker) {
    LloydRun& run = *runs[task / n_blocks_];
    const int64_t block = task % n_blocks_, first = block * kCenterBlock;
    const int64_t n = std::min(kCenterBlock, codes_.n - first);
    int32_t* rows = rows_[worker].data();
    Nearest& nearest = nearest_[worker];
    std::vector<Move>& moves = run.moves[block];
    int32_t* labels = run.labels.data() + first;
    float* keys = run.keys.data() + first;
    moves.clear();
    int64_t count = n;
    if (labels[0] >= 0) {
      count = primitives().clusters.overdue(keys, labels, run.limits.data(), n,
                                            run.limits.size(), rows);
    }
    if (count == 0) return;
    const bool all = count == n;
    nearest.find(codes_, run.centers, first, all ? nullptr : rows, count);
    for (int64_t i = 0; i < count; ++i) {
      const int32_t row = all ? static_cast<int32_t>(i) : rows[i], label = nearest.labels[i];
      if (label != labels[row]) moves.push_back({row, labels[row], label});
      labels[row] = label;
      // Rounded down, to be on the safe side.
      const double gap = nearest.gaps[i], travel = run.travel[label];
      keys[row] = static_cast<float>(gap + travel - 1e-6 * (std::fabs(gap) + travel));
    }
  });
  for (LloydRun* run : runs) {
    for (const std::vector<Move>& moves : run->moves) {
      for (const Move& move : moves) {
        ++run->sizes[move.to];
        if (move.from >= 0) --run->sizes[move.from];
      }
    }
  }
}

// Gives each empty cluster one of the rows farthest from their centres, as scikit-learn does;
// the farthest goes to the first, the lower row first where they are equally far.
void Lloyd::relocate(LloydRun& run) {
  run.relocations.clear();
  std::vector<int32_t> empty;
  for (int64_t j = 0; j < k_; ++j) {
    if (run.sizes[j] == 0) empty.push_back(static_cast<int32_t>(j));
  }
  if (empty.empty()) return;
  std::vector<double> distances(codes_.n);
  std::vector<int64_t> order(codes_.n);
  team_.run(n_blocks_, [&](int64_t block, int) {
    const int64_t end = std::min(codes_.n, (block + 1) * kCenterBlock);
    for (int64_t i = block * kCenterBlock; i < end; ++i) {
      distances[i] = squared_distance(codes_, i, run.centers.center(run.labels[i]));
      order[i] = i;
    }
  });
  std::partial_sort(order.begin(), order.begin() + int64_t(empty.size()), order.end(),
                    [&](int64_t a, int64_t b) {
                      return distances[a] > distances[b] ||
                             (distances[a] == distances[b] && a < b);
                    });
  if (distances[order[0]] == 0) return;  // more clusters than distinct codes
  for (size_t i = 0; i < empty.size(); ++i) {
    run.relocations.push_back({run.labels[order[i]], empty[i], order[i]});
  }
}

// Brings the counts up to date with the moves; with `centers` the centres too.
void Lloyd::update(const std::vector<LloydRun*>& runs, bool centers) {
  team_.run(int64_t(runs.size()) * n_chunks_, [&](int64_t task, int) {
    LloydRun& run = *runs[task / n_chunks_];
    const int64_t chunk = task % n_chunks_;
    const int64_t first = chunk * kChunkWords;
    const int64_t last = std::min(codes_.n_words, first + kChunkWords);
    std::fill_n(run.shifts.data() + chunk * k_, k_, 0);
    std::fill_n(run.norms.data() + chunk * k_, k_, 0);
    for (int64_t w = first; w < last; ++w) {
      for (int64_t block = 0; block < n_blocks_; ++block) {
        const std::vector<Move>& moves = run.moves[block];
        primitives().clusters.count_moves(codes_.column(w) + block * kCenterBlock, moves.data(),
                                          int64_t(moves.size()),
                                          run.counts.data() + w * k_ * 64);
      }
      if (centers) update_word(run, w, chunk);
    }
    if (centers) run.centers.set_entries(first, last);
  });
}

// The means of the bits of one word.
void Lloyd::update_word(LloydRun& run, int64_t w, int64_t chunk) const {
  const int32_t* counts = run.counts.data() + w * k_ * 64;
  const int64_t n_bits = std::min<int64_t>(64, codes_.n_bits - 64 * w);
  std::vector<int32_t> moved_counts;
  std::vector<int64_t> sizes = run.sizes;
  if (!run.relocations.empty()) {
    moved_counts.assign(counts, counts + k_ * 64);
    for (const Relocation& r : run.relocations) {
      for (int64_t b = 0; b < n_bits; ++b) {
        const int32_t bit = codes_.bit(r.row, 64 * w + b);
        moved_counts[r.from * 64 + b] -= bit;
        moved_counts[r.to * 64 + b] = bit;
      }
      --sizes[r.from];
      sizes[r.to] = 1;
    }
    counts = moved_counts.data();
  }
  const int64_t largest = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
  for (int64_t j = 0; j < k_; ++j) {
    // A cluster that stays empty waits at the centre of the largest.
    const int64_t source = sizes[j] > 0 ? j : largest;
    double* center = run.centers.center(j) + 64 * w;
    double shift = 0, norm = 0;
    for (int64_t b = 0; b < n_bits; ++b) {
      const double mean = double(counts[source * 64 + b]) / double(sizes[source]);
      shift += (mean - center[b]) * (mean - center[b]);
      norm += mean * mean;
      center[b] = mean;
    }
    run.shifts[chunk * k_ + j] += shift;
    run.norms[chunk * k_ + j] += norm;
  }
}

// Takes note of how far the centres have moved, and whether that is the end of it.
void Lloyd::step(LloydRun& run, int64_t iter, double shift_limit) const {
  double total = 0;
  std::vector<double> shifts(k_, 0);
  for (int64_t j = 0; j < k_; ++j) {
    run.centers.norms[j] = 0;
    for (int64_t chunk = 0; chunk < n_chunks_; ++chunk) {
      shifts[j] += run.shifts[chunk * k_ + j];
      run.centers.norms[j] += run.norms[chunk * k_ + j];
    }
    total += shifts[j];
    shifts[j] = std::sqrt(shifts[j]);
  }
  run.centers.set_bases();
  int64_t farthest = 0;
  for (int64_t j = 0; j < k_; ++j) {
    if (shifts[j] > shifts[farthest]) farthest = j;
  }
  double second = 0;
  for (int64_t j = 0; j < k_; ++j) {
    if (j != farthest) second = std::max(second, shifts[j]);
  }
  for (int64_t j = 0; j < k_; ++j) {
    run.travel[j] += shifts[j] + (j == farthest ? second : shifts[farthest]);
    run.limits[j] = static_cast<float>(run.travel[j] * (1 + 1e-6));
  }
  run.n_iter = iter;
  run.settled = std::all_of(run.moves.begin(), run.moves.end(),
                            [](const std::vector<Move>& moves) { return moves.empty(); });
  run.done = run.settled || total <= shift_limit;
}

}  // namespace tfhash
