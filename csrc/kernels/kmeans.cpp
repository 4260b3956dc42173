#include "kernels/kmeans.h"

#include <algorithm>
#include <limits>

#include "check.h"
#include "kernels/kmeans_seed.h"
#include "kernels/lloyd.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kWave = 16;                   // runs side by side: work for many threads
constexpr int64_t kWaveBytes = int64_t(1) << 30;  // that they may take together

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

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
  const int64_t run_bytes = 32 * codes.n + 80 * k * columns.n_bits;
  const int64_t wave = std::max<int64_t>(1, std::min(kWave, kWaveBytes / run_bytes));
  for (int64_t first = 0; first < options.n_runs; first += wave) {
    const int64_t n_runs = std::min(wave, options.n_runs - first);
    const std::vector<int64_t> seeds = kmeans_seeds(
        columns, k, options.draws + first * n_draws, n_runs, options.n_trials, team);
    std::vector<LloydRun> runs;
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
