#include "kernels/kmeans_seed.h"

#include <algorithm>
#include <climits>

#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 2048;

struct Seeding {
  std::vector<int64_t> chosen;
  std::vector<int32_t> closest;      // to a chosen centre
  std::vector<int64_t> sums;         // of closest, by block
  std::vector<int64_t> trials;       // candidate rows
  std::vector<int64_t> trial_sums;   // [n_trials][n_blocks], as if the candidate were chosen
};

std::vector<uint64_t> code_of(const Columns& codes, int64_t i) {
  std::vector<uint64_t> words(codes.n_words);
  for (int64_t w = 0; w < codes.n_words; ++w) words[w] = codes.column(w)[i];
  return words;
}

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

std::vector<int64_t> kmeans_seeds(const Columns& codes, int64_t k, const double* draws,
                                  int64_t n_runs, int64_t n_trials, ThreadTeam& team) {
  const int64_t n_blocks = (codes.n + kBlock - 1) / kBlock;
  const auto potential = primitives().clusters.potential;
  const auto total = [](const int64_t* sums, int64_t count) {
    int64_t sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += sums[i];
    return sum;
  };

  std::vector<Seeding> runs(n_runs);
  for (int64_t r = 0; r < n_runs; ++r) {
    const double draw = draws[r * (1 + (k - 1) * n_trials)];
    runs[r].chosen = {std::min(codes.n - 1, static_cast<int64_t>(draw * double(codes.n)))};
    runs[r].closest.assign(codes.n, INT_MAX);
    runs[r].sums.resize(n_blocks);
    runs[r].trial_sums.resize(n_trials * n_blocks);
  }

  // Runs body(run, block, words of the block, its length, scratch) for all runs and blocks.
  const auto for_blocks = [&](auto body) {
    team.run(n_runs * n_blocks, [&](int64_t task, int) {
      int64_t scratch[kBlock];
      const int64_t block = task % n_blocks, first = block * kBlock;
      body(runs[task / n_blocks], block, codes.words.data() + first,
           std::min(kBlock, codes.n - first), scratch);
    });
  };

  for (int64_t c = 1; c < k; ++c) {
    for_blocks([&](Seeding& run, int64_t block, const uint64_t* words, int64_t count,
                   int64_t* scratch) {
      const std::vector<uint64_t> code = code_of(codes, run.chosen.back());
      run.sums[block] = potential(words, codes.stride, codes.n_words, code.data(), count,
                                  run.closest.data() + block * kBlock, true, scratch);
    });
    for (int64_t r = 0; r < n_runs; ++r) {
      const double* draw = draws + r * (1 + (k - 1) * n_trials) + 1 + (c - 1) * n_trials;
      const double sum = double(total(runs[r].sums.data(), n_blocks));
      runs[r].trials.clear();
      for (int64_t t = 0; t < n_trials; ++t) {
        runs[r].trials.push_back(row_at(runs[r], draw[t] * sum));
      }
    }
    for_blocks([&](Seeding& run, int64_t block, const uint64_t* words, int64_t count,
                   int64_t* scratch) {
      for (int64_t t = 0; t < n_trials; ++t) {
        const std::vector<uint64_t> code = code_of(codes, run.trials[t]);
        run.trial_sums[t * n_blocks + block] =
            potential(words, codes.stride, codes.n_words, code.data(), count,
                      run.closest.data() + block * kBlock, false, scratch);
      }
    });
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
  }

  std::vector<int64_t> seeds;
  for (const Seeding& run : runs) seeds.insert(seeds.end(), run.chosen.begin(), run.chosen.end());
  return seeds;
}

}  // namespace tfhash
