#include "kernels/kmeans.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "check.h"
#include "interrupt.h"
#include "kernels/kmeans_seed.h"
#include "kernels/lloyd.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kWave = 16;                   // runs side by side: work for many threads
constexpr int64_t kRunBytes = int64_t(1) << 28;  // that they may take together

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
double mean_variance(const Tiles& codes, int64_t n_bits, ThreadTeam& team) {
  constexpr int64_t kRows = 512;
  std::vector<double> variances(codes.n_words());
  std::vector<TileBuffer> buffers(team.size());
  std::vector<Move> moves;
  for (int64_t i = 0; i < kRows; ++i) moves.push_back({int32_t(i), -1, 0});
  const int64_t at_once = codes.n_words() > 512 ? codes.words_at_once(kRows, 64) : 1;
  team.run(ceil_div(codes.n_words(), at_once), [&](int64_t task, int worker) {
    const int64_t word = task * at_once;
    const int64_t n_words = std::min(at_once, codes.n_words() - word);
    Aligned<int32_t> counts(64 * n_words);
    for (int64_t first = 0; first < codes.n(); first += kRows) {
      check_interrupt();
      const int64_t n = std::min(kRows, codes.n() - first);
      const Tile tile = codes.read(word, n_words, first, nullptr, n, buffers[worker]);
      for (int64_t w = 0; w < n_words; ++w) {
        primitives().clusters.count_moves(tile.column(w), moves.data(), n,
                                          counts.data() + 64 * w);
      }
    }
    for (int64_t b = 0; b < 64 * n_words; ++b) {
      const double mean = double(counts[b]) / double(codes.n());
      variances[word + b / 64] += mean * (1 - mean);
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
  const Tiles tiles(codes, varying_bits(codes, team), options.resident_bytes, team);
  const std::vector<int64_t>& kept = tiles.kept();
  const double shift_limit =
      options.tol == 0 ? 0 : options.tol * mean_variance(tiles, codes.n_bits, team);
  const int64_t n_draws = 1 + (k - 1) * options.n_trials;

  Lloyd lloyd(tiles, k, team);
  KMeansResult best;
  std::vector<double> centers;
  const int64_t bit_bytes = 12 * k + 4 * kLanes * ceil_div(k, kLanes);
  const int64_t run_bytes = 32 * codes.n + bit_bytes * tiles.n_bits();
  const int64_t wave = std::max<int64_t>(1, std::min(kWave, kRunBytes / run_bytes));
  for (int64_t first = 0; first < options.n_runs; first += wave) {
    const int64_t n_runs = std::min(wave, options.n_runs - first);
    const double share = double(first) / double(options.n_runs);
    const std::string starts = message("start ", first + 1, " to ", first + n_runs, " of ",
                                       options.n_runs, ", ");
    const std::vector<int64_t> seeds = kmeans_seeds(
        tiles, k, options.draws + first * n_draws, n_runs, options.n_trials, team,
        [&](double, const std::string& note) { report(options.progress, share, starts + note); });
    std::vector<LloydRun> runs;
    for (int64_t r = 0; r < n_runs; ++r) runs.emplace_back(tiles, k);
    team.run(n_runs, [&](int64_t r, int) { lloyd.start(runs[r], seeds.data() + r * k); });
    lloyd.finish(runs, options.max_iter, shift_limit, [&](int64_t iteration) {
      report(options.progress, share, starts + message("iteration ", iteration));
    });
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
  CheckNowAndThen check(codes.n_bits);
  for (int64_t j = 0; j < k; ++j) {
    check();
    double* out = best.centers.data() + j * codes.n_bits;
    for (int64_t b = 0; b < codes.n_bits; ++b) out[b] = codes.row(0)[b / 64] >> (b % 64) & 1;
    for (int64_t b = 0; b < tiles.n_bits(); ++b) out[kept[b]] = centers[j * tiles.n_bits() + b];
  }
  return best;
}

double kmeans_assign(const CodesView& codes, const double* values, int64_t k,
                     const Progress& progress, int32_t* labels) {
  const int64_t rows = center_block(codes.n_words), n_blocks = ceil_div(codes.n, rows);
  ThreadTeam team(n_blocks);
  std::vector<int64_t> all(codes.n_bits);
  std::iota(all.begin(), all.end(), int64_t(0));
  const Tiles tiles(codes, all, 0, team);
  Centers centers(k, codes.n_bits);
  CheckNowAndThen check(codes.n_bits);
  for (int64_t j = 0; j < k; ++j) {
    check();
    std::copy_n(values + j * codes.n_bits, codes.n_bits, centers.center(j));
    for (int64_t b = 0; b < codes.n_bits; ++b) {
      const double value = centers.center(j)[b];
      expect(value >= 0 && value <= 1, "Expected centers of codes, in [0, 1]. Received: ", value,
             " in center ", j, ", bit ", b, ".");
      centers.norms[j] += value * value;
    }
  }
  centers.set_entries(0, centers.n_words);
  centers.set_bases();

  std::vector<Nearest> nearest(team.size());
  std::vector<double> sums(n_blocks);
  run_reporting(team, n_blocks, progress, [&](int64_t block, int worker) {
    const int64_t first = block * rows, count = std::min(rows, codes.n - first);
    nearest[worker].find(tiles, centers, first, nullptr, count);
    CheckNowAndThen rows_check(codes.n_bits);
    for (int64_t i = 0; i < count; ++i) {
      rows_check();
      const int32_t label = labels[first + i] = nearest[worker].labels[i];
      sums[block] +=
          squared_distance(tiles.code(first + i), codes.n_bits, centers.center(label));
    }
  });
  double sum = 0;
  for (double part : sums) sum += part;
  return sum;
}

}  // namespace tfhash
