#include "kernels/kmeans_seed.h"

#include <algorithm>
#include <climits>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 2048;

struct Seeding {
  std::vector<int64_t> chosen;
  std::vector<int32_t> closest;      // to a chosen center
  std::vector<int64_t> sums;         // of closest, by block
  std::vector<int64_t> trials;       // candidate rows
  std::vector<int64_t> trial_sums;   // [n_trials][n_blocks], as if the candidate were chosen
};

// The first row at which the running sum of `closest` reaches `target`.
int64_t row_at(const Seeding& run, double target) {
  int64_t sum = 0, block = 0;
  const int64_t n = static_cast<int64_t>(run.closest.size());
  const int64_t last = static_cast<int64_t>(run.sums.size()) - 1;
  while (block < last && double(sum + run.sums[block]) < target) sum += run.sums[block++];
  int64_t i = block * kBlock;
  for (; i < n - 1; ++i) {
    sum += run.closest[i];
    if (double(sum) >= target) break;
  }
  return i;
}

}  // namespace

std::vector<int64_t> kmeans_seeds(const Tiles& codes, int64_t k, const double* draws,
                                  int64_t n_runs, int64_t n_trials, ThreadTeam& team,
                                  const Progress& progress) {
  const int64_t n = codes.n(), n_words = codes.n_words(), n_blocks = (n + kBlock - 1) / kBlock;
  const int64_t at_once = codes.words_at_once(kBlock, std::max<int64_t>(1, n_words));
  const ClusterPrimitives& clusters = primitives().clusters;
  const auto total = [](const int64_t* sums, int64_t count) {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += sums[i];
    return sum;
  };

  std::vector<Seeding> runs(n_runs);
  for (int64_t r = 0; r < n_runs; ++r) {
    const double draw = draws[r * (1 + (k - 1) * n_trials)];
    const double row = draw * double(n);  // of a draw that is none: not a row that is not there
    runs[r].chosen = {row >= 0 && row < double(n) ? static_cast<int64_t>(row) : n - 1};
    runs[r].closest.assign(n, INT_MAX);
    runs[r].sums.resize(n_blocks);
    runs[r].trial_sums.resize(n_trials * n_blocks);
  }
  std::vector<TileBuffer> buffers(team.size());
  std::vector<std::vector<int64_t>> scratch(team.size());

  // Writes sums(run)[c * n_blocks + block], the potential of a block if the c-th of rows(run) were
  // a center too; with `keep` it is one.
  const auto potentials = [&](auto rows, auto sums, bool keep) {
    std::vector<std::vector<uint64_t>> words;
    std::vector<size_t> starts;
    for (Seeding& run : runs) {
      starts.push_back(words.size());
      for (int64_t row : rows(run)) {
        check_interrupt();
        words.push_back(codes.code(row));
      }
    }
    starts.push_back(words.size());
    team.run(n_runs * n_blocks, [&](int64_t task, int worker) {
      const int64_t r = task / n_blocks, block = task % n_blocks, first = block * kBlock;
      const int64_t count = std::min(kBlock, n - first), n_codes = starts[r + 1] - starts[r];
      scratch[worker].resize(n_codes * kBlock);
      int32_t* closest = runs[r].closest.data() + first;
      int64_t word = 0;
      do {
        const int64_t at = std::min(at_once, n_words - word);
        const Tile tile = codes.read(word, at, first, nullptr, count, buffers[worker]);
        const bool last = word + at == n_words;
        CheckNowAndThen check(count * at);
        for (int64_t c = 0; c < n_codes; ++c) {
          check();
          const uint64_t* code = words[starts[r] + c].data() + word;
          int64_t* distances = scratch[worker].data() + c * kBlock;
          if (last) {
            sums(runs[r])[c * n_blocks + block] =
                clusters.potential(tile.words, tile.stride, at, code, count, word > 0, closest,
                                   keep, distances);
          } else {
            clusters.distances(tile.words, tile.stride, at, code, count, word > 0, distances);
          }
        }
        word += at;
      } while (word < n_words);
    });
  };

  for (int64_t c = 1; c < k; ++c) {
    potentials([](Seeding& run) { return std::vector<int64_t>{run.chosen.back()}; },
               [](Seeding& run) { return run.sums.data(); }, true);
    for (int64_t r = 0; r < n_runs; ++r) {
      check_interrupt();
      const double* draw = draws + r * (1 + (k - 1) * n_trials) + 1 + (c - 1) * n_trials;
      const double sum = double(total(runs[r].sums.data(), n_blocks));
      runs[r].trials.clear();
      for (int64_t t = 0; t < n_trials; ++t) {
        runs[r].trials.push_back(row_at(runs[r], draw[t] * sum));
      }
    }
    potentials([](Seeding& run) { return run.trials; },
               [](Seeding& run) { return run.trial_sums.data(); }, false);
    for (Seeding& run : runs) {
      int64_t best = 0, best_sum = LLONG_MAX;
      for (int64_t t = 0; t < n_trials; ++t) {
        const int64_t sum = total(run.trial_sums.data() + t * n_blocks, n_blocks);
        if (sum < best_sum) {
          best = t;
          best_sum = sum;
        }
      }
      run.chosen.push_back(run.trials[best]);
    }
    report(progress, double(c) / double(k), "choosing starts");
  }

  std::vector<int64_t> seeds;
  for (const Seeding& run : runs) seeds.insert(seeds.end(), run.chosen.begin(), run.chosen.end());
  return seeds;
}

}  // namespace tfhash
