#include "kernels/kmeans.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "check.h"
#include "kernels/centers.h"
#include "kernels/kmeans_seed.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kWave = 16;       // runs side by side: enough work for many threads
constexpr int64_t kChunkWords = 8;  // of the codes: one task of an update

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Centre `to` takes the place of a row of cluster `from` because nothing was assigned to it.
struct Relocation {
  int32_t from, to;
  int64_t row;
};

// One run of Lloyd's algorithm.
//
// Most rows are nearest to the centre they were nearest to before, and need no looking at. When a
// row is looked up, its next-nearest centre is farther than its own by some gap. A step of the
// centres shortens the gap of a row in cluster j by at most travel, the shift of centre j plus the
// largest of the others'. So the row is looked up again only when the travel of its cluster since
// then has used up its gap: when its key, gap + travel so far then, is at most the travel so far
// now. (Hamerly, 2010, "Making k-means even faster", with both bounds in one number.)
struct Run {
  Centers centers;
  std::vector<int32_t> labels;
  std::vector<float> keys;
  std::vector<double> travel;         // [k]
  Aligned<float> limits;              // travel, rounded up; k rounded up to 16
  std::vector<std::vector<Move>> moves;  // [block], of the last assignment
  std::vector<int64_t> sizes;         // [k]
  Aligned<int32_t> counts;            // [word][k][64]: how many of a cluster have a bit
  std::vector<Relocation> relocations;
  std::vector<double> shifts, norms;  // [chunk][k]: squared, of the bits of a chunk
  int64_t n_iter = 0;
  bool done = false, settled = false;

  Run(const Columns& codes, int64_t k)
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
};

class Lloyd {
 public:
  Lloyd(const Columns& codes, int64_t k, ThreadTeam& team)
      : codes_(codes),
        k_(k),
        n_blocks_(ceil_div(codes.n, kCenterBlock)),
        n_chunks_(ceil_div(codes.n_words, kChunkWords)),
        team_(team),
        nearest_(team.size()),
        rows_(team.size(), std::vector<int32_t>(kCenterBlock + kLanes)) {}

  void start(Run& run, const int64_t* seeds) {
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

  // All runs to their ends, in step: what they have to do is one pool of tasks.
  void finish(std::vector<Run>& runs, int64_t max_iter, double shift_limit) {
    std::vector<Run*> active;
    for (Run& run : runs) active.push_back(&run);
    for (int64_t iter = 1; iter <= max_iter && !active.empty(); ++iter) {
      assign(active);
      for (Run* run : active) relocate(*run);
      update(active, true);
      for (Run* run : active) step(*run, iter, shift_limit);
      active.erase(std::remove_if(active.begin(), active.end(), [](Run* r) { return r->done; }),
                   active.end());
    }
    // The labels must be those of the final centres.
    active.clear();
    for (Run& run : runs) {
      if (!run.settled) active.push_back(&run);
    }
    assign(active);
    update(active, false);
  }

  double inertia(const Run& run) const {
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

 private:
  void assign(const std::vector<Run*>& runs) {
    team_.run(int64_t(runs.size()) * n_blocks_, [&](int64_t task, int worker) {
      Run& run = *runs[task / n_blocks_];
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
    for (Run* run : runs) {
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
  void relocate(Run& run) {
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
  void update(const std::vector<Run*>& runs, bool centers) {
    team_.run(int64_t(runs.size()) * n_chunks_, [&](int64_t task, int) {
      Run& run = *runs[task / n_chunks_];
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
  void update_word(Run& run, int64_t w, int64_t chunk) {
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
  void step(Run& run, int64_t iter, double shift_limit) {
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

  const Columns& codes_;
  const int64_t k_, n_blocks_, n_chunks_;
  ThreadTeam& team_;
  std::vector<Nearest> nearest_;
  std::vector<std::vector<int32_t>> rows_;
};

// Whether both say the same but for the numbers of the clusters.
bool same_clustering(const std::vector<int32_t>& a, const std::vector<int32_t>& b, int64_t k) {
  std::vector<int32_t> name(k, -1);
  for (size_t i = 0; i < a.size(); ++i) {
    if (name[a[i]] == -1) name[a[i]] = b[i];
    if (name[a[i]] != b[i]) return false;
  }
  return true;
}

// The mean over bits of their variance over the codes.
double mean_variance(const Columns& codes, int64_t n_bits, ThreadTeam& team) {
  std::vector<double> variances(codes.n_words);
  team.run(codes.n_words, [&](int64_t w, int) {
    Aligned<int32_t> counts(64);
    std::vector<Move> moves;
    for (int64_t first = 0; first < codes.n; first += kCenterBlock) {
      const int64_t n = std::min(kCenterBlock, codes.n - first);
      while (int64_t(moves.size()) < n) moves.push_back({int32_t(moves.size()), -1, 0});
      primitives().clusters.count_moves(codes.column(w) + first, moves.data(), n, counts.data());
    }
    for (int64_t b = 0; b < 64; ++b) {
      const double mean = double(counts[b]) / double(codes.n);
      variances[w] += mean * (1 - mean);
    }
  });
  double sum = 0;
  for (double variance : variances) sum += variance;
  return sum / double(n_bits);
}

}  // namespace

KMeansResult kmeans(const CodesView& codes, const KMeansOptions& options) {
  const int64_t k = options.k;
  expect(k >= 1 && k <= codes.n, "Expected 1 <= n_clusters <= the number of codes, ", codes.n,
         ". Received: n_clusters = ", k, ".");
  expect(codes.n < std::numeric_limits<int32_t>::max(),
         "Expected fewer than 2^31 codes. Received: ", codes.n, ".");
  ThreadTeam team(kWave * ceil_div(codes.n, kCenterBlock));
  const std::vector<int64_t> kept = varying_bits(codes, team);
  const Columns columns = make_columns(codes, kept, nullptr, team);
  const double shift_limit =
      options.tol == 0 ? 0 : options.tol * mean_variance(columns, codes.n_bits, team);
  const int64_t n_draws = 1 + (k - 1) * options.n_trials;

  Lloyd lloyd(columns, k, team);
  KMeansResult best;
  std::vector<double> centers;
  for (int64_t first = 0; first < options.n_runs; first += kWave) {
    const int64_t n_runs = std::min(kWave, options.n_runs - first);
    const std::vector<int64_t> seeds = kmeans_seeds(
        columns, k, options.draws + first * n_draws, n_runs, options.n_trials, team);
    std::vector<Run> runs;
    for (int64_t r = 0; r < n_runs; ++r) runs.emplace_back(columns, k);
    team.run(n_runs, [&](int64_t r, int) { lloyd.start(runs[r], seeds.data() + r * k); });
    lloyd.finish(runs, options.max_iter, shift_limit);
    for (int64_t r = 0; r < n_runs; ++r) {
      const double inertia = lloyd.inertia(runs[r]);
      // A run that found the same clusters may differ by a rounding error: not better.
      if (!best.labels.empty() && (inertia >= best.inertia ||
                                   same_clustering(runs[r].labels, best.labels, k))) {
        continue;
      }
      best.inertia = inertia;
      best.labels.swap(runs[r].labels);
      best.seeds.assign(seeds.begin() + r * k, seeds.begin() + (r + 1) * k);
      best.n_iter = runs[r].n_iter;
      centers.swap(runs[r].centers.values);
    }
  }

  best.centers.resize(k * codes.n_bits);
  for (int64_t j = 0; j < k; ++j) {
    double* out = best.centers.data() + j * codes.n_bits;
    for (int64_t b = 0; b < codes.n_bits; ++b) out[b] = codes.row(0)[b / 64] >> (b % 64) & 1;
    for (int64_t b = 0; b < columns.n_bits; ++b) out[kept[b]] = centers[j * columns.n_bits + b];
  }
  return best;
}

double kmeans_assign(const CodesView& codes, const double* values, int64_t k, int32_t* labels) {
  const int64_t n_blocks = ceil_div(codes.n, kCenterBlock);
  ThreadTeam team(n_blocks);
  std::vector<int64_t> all(codes.n_bits);
  for (int64_t b = 0; b < codes.n_bits; ++b) all[b] = b;
  const Columns columns = make_columns(codes, all, nullptr, team);
  Centers centers(k, codes.n_bits);
  std::copy_n(values, k * codes.n_bits, centers.values.data());
  for (int64_t j = 0; j < k; ++j) {
    for (int64_t b = 0; b < codes.n_bits; ++b) {
      const double value = centers.center(j)[b];
      expect(value >= 0 && value <= 1, "Expected centres of codes, in [0, 1]. Received: ", value,
             " in centre ", j, ", bit ", b, ".");
      centers.norms[j] += value * value;
    }
  }
  centers.set_entries(0, centers.n_words);
  centers.set_bases();

  std::vector<Nearest> nearest(team.size());
  std::vector<double> sums(n_blocks);
  team.run(n_blocks, [&](int64_t block, int worker) {
    const int64_t first = block * kCenterBlock, count = std::min(kCenterBlock, codes.n - first);
    nearest[worker].find(columns, centers, first, nullptr, count);
    for (int64_t i = 0; i < count; ++i) {
      const int32_t label = labels[first + i] = nearest[worker].labels[i];
      sums[block] += squared_distance(columns, first + i, centers.center(label));
    }
  });
  double sum = 0;
  for (double part : sums) sum += part;
  return sum;
}

}  // namespace tfhash
