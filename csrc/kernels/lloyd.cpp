#include "kernels/lloyd.h"

#include <algorithm>
#include <cmath>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kUpdateWords = 8;  // whose shifts are added up together
constexpr int64_t kCountRows = 512;  // that are read together

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

LloydRun::LloydRun(const Tiles& codes, int64_t k)
    : centers(k, codes.n_bits()),
      labels(codes.n(), -1),
      keys(codes.n(), -1),
      travel(k, 0),
      limits(ceil_div(k, kLanes) * kLanes),
      moves(ceil_div(codes.n(), center_block(codes.n_words()))),
      sizes(k, 0),
      counts(codes.n_words() * k * 64),
      shifts(ceil_div(codes.n_words(), kUpdateWords) * k),
      norms(shifts.size()) {}

Lloyd::Lloyd(const Tiles& codes, int64_t k, ThreadTeam& team)
    : codes_(codes),
      k_(k),
      block_(center_block(codes.n_words())),
      n_blocks_(ceil_div(codes.n(), block_)),
      n_chunks_(ceil_div(codes.n_words(), kUpdateWords)),
      team_(team),
      nearest_(team.size()),
      rows_(team.size(), std::vector<int32_t>(kCenterBlock + kLanes)),
      moved_(team.size()) {}

void Lloyd::start(LloydRun& run, const int64_t* seeds) const {
  Centers& centers = run.centers;
  CheckNowAndThen check(codes_.n_bits());
  for (int64_t j = 0; j < k_; ++j) {
    check();
    const std::vector<uint64_t> code = codes_.code(seeds[j]);
    double norm = 0;
    for (int64_t b = 0; b < codes_.n_bits(); ++b) {
      norm += centers.center(j)[b] = double(code[b / 64] >> (b % 64) & 1);
    }
    centers.norms[j] = norm;
  }
  centers.set_entries(0, centers.n_words);
  centers.set_bases();
}

void Lloyd::finish(std::vector<LloydRun>& runs, int64_t max_iter, double shift_limit,
                   const std::function<void(int64_t)>& after_iteration) {
  std::vector<LloydRun*> active;
  for (LloydRun& run : runs) active.push_back(&run);
  for (int64_t iter = 1; iter <= max_iter && !active.empty(); ++iter) {
    assign(active);
    for (LloydRun* run : active) relocate(*run);
    update(active, true);
    for (LloydRun* run : active) step(*run, iter, shift_limit);
    active.erase(std::remove_if(active.begin(), active.end(), [](LloydRun* r) { return r->done; }),
                 active.end());
    after_iteration(iter);
  }
  // The labels must be those of the final centers.
  active.clear();
  for (LloydRun& run : runs) {
    if (!run.settled) active.push_back(&run);
  }
  assign(active);
  update(active, false);
}

double Lloyd::inertia(const LloydRun& run) const {
  double sum = 0;
  CheckNowAndThen check(codes_.n_bits());
  for (int64_t j = 0; j < k_; ++j) {
    check();
    const double* center = run.centers.center(j);
    for (int64_t b = 0; b < codes_.n_bits(); ++b) {
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
    const int64_t block = task % n_blocks_, first = block * block_;
    const int64_t n = std::min(block_, codes_.n() - first);
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

// Gives each empty cluster one of the rows farthest from their centers, as scikit-learn does;
// the farthest goes to the first, the lower row first where they are equally far.
void Lloyd::relocate(LloydRun& run) {
  run.relocations.clear();
  std::vector<int32_t> empty;
  for (int64_t j = 0; j < k_; ++j) {
    if (run.sizes[j] == 0) empty.push_back(static_cast<int32_t>(j));
  }
  if (empty.empty()) return;
  std::vector<double> distances(codes_.n());
  std::vector<int64_t> order(codes_.n());
  team_.run(n_blocks_, [&](int64_t block, int) {
    const int64_t end = std::min(codes_.n(), (block + 1) * block_);
    CheckNowAndThen check(codes_.n_bits());
    for (int64_t i = block * block_; i < end; ++i) {
      check();
      distances[i] = squared_distance(codes_.code(i), codes_.n_bits(),
                                      run.centers.center(run.labels[i]));
      order[i] = i;
    }
  });
  CheckNowAndThen check;
  std::partial_sort(order.begin(), order.begin() + int64_t(empty.size()), order.end(),
                    [&](int64_t a, int64_t b) {
                      check();
                      return distances[a] > distances[b] ||
                             (distances[a] == distances[b] && a < b);
                    });
  if (distances[order[0]] == 0) return;  // more clusters than distinct codes
  for (size_t i = 0; i < empty.size(); ++i) {
    check_interrupt();
    run.relocations.push_back(
        {run.labels[order[i]], empty[i], order[i], codes_.code(order[i])});
  }
}

// Brings the counts up to date with the moves; with `centers` the centers too.
void Lloyd::update(const std::vector<LloydRun*>& runs, bool centers) {
  // Of wide codes a task takes several chunks, so that more of a row is read at once.
  const int64_t step = std::max<int64_t>(1, std::min<int64_t>(8, n_chunks_ / 64));
  const int64_t n_tasks = ceil_div(n_chunks_, step);
  team_.run(int64_t(runs.size()) * n_tasks, [&](int64_t task, int worker) {
    LloydRun& run = *runs[task / n_tasks];
    const int64_t first_chunk = task % n_tasks * step;
    const int64_t last_chunk = std::min(n_chunks_, first_chunk + step);
    count(run, first_chunk * kUpdateWords,
          std::min(codes_.n_words(), last_chunk * kUpdateWords), worker);
    for (int64_t chunk = first_chunk; chunk < last_chunk && centers; ++chunk) {
      const int64_t first = chunk * kUpdateWords;
      const int64_t last = std::min(codes_.n_words(), first + kUpdateWords);
      std::fill_n(run.shifts.data() + chunk * k_, k_, 0);
      std::fill_n(run.norms.data() + chunk * k_, k_, 0);
      for (int64_t w = first; w < last; ++w) {
        check_interrupt();
        update_word(run, w, chunk);
      }
      run.centers.set_entries(first, last);
    }
  });
}

// Adds and takes off the moved codes' bits of words [first, last).
void Lloyd::count(LloydRun& run, int64_t first, int64_t last, int worker) {
  Nearest& nearest = nearest_[worker];
  const auto add = [&](const Tile& tile, const Move* moves, int64_t n) {
    for (int64_t w = first; w < last; ++w) {
      primitives().clusters.count_moves(tile.column(w - first), moves, n,
                                        run.counts.data() + w * k_ * 64);
    }
  };
  for (int64_t block = 0; block < n_blocks_; ++block) {
    check_interrupt();
    const std::vector<Move>& moves = run.moves[block];
    const int64_t n = int64_t(moves.size()), start = block * block_;
    if (codes_.resident()) {
      const int64_t n_rows = std::min(block_, codes_.n() - start);
      if (n > 0) {
        add(codes_.read(first, last - first, start, nullptr, n_rows, nearest.buffer),
            moves.data(), n);
      }
      continue;
    }
    for (int64_t done = 0; done < n; done += kCountRows) {  // no more is read than has moved
      const int64_t part = std::min(kCountRows, n - done);
      std::vector<Move>& moved = moved_[worker];
      moved.assign(moves.begin() + done, moves.begin() + done + part);
      int32_t* rows = rows_[worker].data();
      for (int64_t i = 0; i < part; ++i) {
        rows[i] = moved[i].row;
        moved[i].row = int32_t(i);
      }
      add(codes_.read(first, last - first, start, rows, part, nearest.buffer), moved.data(),
          part);
    }
  }
}

// The means of the bits of one word.
void Lloyd::update_word(LloydRun& run, int64_t w, int64_t chunk) const {
  const int32_t* counts = run.counts.data() + w * k_ * 64;
  const int64_t n_bits = std::min<int64_t>(64, codes_.n_bits() - 64 * w);
  std::vector<int32_t> moved_counts;
  std::vector<int64_t> sizes = run.sizes;
  if (!run.relocations.empty()) {
    moved_counts.assign(counts, counts + k_ * 64);
    CheckNowAndThen check(64);
    for (const Relocation& r : run.relocations) {
      check();
      for (int64_t b = 0; b < n_bits; ++b) {
        const int32_t bit = int32_t(r.code[w] >> b & 1);
        moved_counts[r.from * 64 + b] -= bit;
        moved_counts[r.to * 64 + b] = bit;
      }
      --sizes[r.from];
      sizes[r.to] = 1;
    }
    counts = moved_counts.data();
  }
  CheckNowAndThen check(128);
  const int64_t largest = std::max_element(sizes.begin(), sizes.end()) - sizes.begin();
  for (int64_t j = 0; j < k_; ++j) {
    check();
    // A cluster that stays empty waits at the center of the largest.
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

// Takes note of how far the centers have moved, and whether that is the end of it.
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
