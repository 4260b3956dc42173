#include "kernels/linear_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "check.h"
#include "interrupt.h"
#include "kernels/class_pairs.h"
#include "kernels/tiles.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 512;   // rows of one task
constexpr int64_t kPanel = 1024;  // models that are taken together
constexpr int kMaxExponent = 24;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// What one thread needs.
struct Scratch {
  Aligned<int32_t> table, sums;
  TileBuffer buffer;
  std::vector<double> scores;
};

// Some models in fixed point: weights in two parts, the second what is left over of the first, in
// finer units.
class Panel {
 public:
  Panel(const Tiles& tiles, const double* weights, const double* intercepts, int64_t first,
        int64_t n_models)
      : tiles_(tiles),
        intercepts_(intercepts + first, intercepts + first + n_models),
        scales_(n_models),
        finer_(fixed_point_scale(double(tiles.n_bits()))) {
    const int64_t n_bits = tiles.n_bits();
    for (int64_t g = 0; g < 2 * n_groups(); ++g) parts_.emplace_back(64 * tiles.n_words() * kLanes);
    CheckNowAndThen check(4 * n_bits);
    std::vector<double> model(n_bits);  // read once: what is looked at is what is used
    for (int64_t m = 0; m < n_models; ++m) {
      check();
      std::copy_n(weights + (first + m) * n_bits, n_bits, model.data());
      double most = 0;
      for (int64_t b = 0; b < n_bits; ++b) most += std::fabs(model[b]);
      expect(std::isfinite(most + intercepts_[m]), "Expected finite weights and intercepts. ",
             "Received: NaN or infinity in model ", first + m, ".");
      scales_[m] = fixed_point_scale(most);
      for (int64_t b = 0; b < n_bits; ++b) {
        const double whole = std::nearbyint(model[b] * scales_[m]);
        const int64_t at = b * kLanes + m % kLanes;
        parts_[m / kLanes * 2][at] = static_cast<int32_t>(whole);
        parts_[m / kLanes * 2 + 1][at] =
            static_cast<int32_t>(std::lrint((model[b] * scales_[m] - whole) * finer_));
      }
    }
  }

  int64_t n_models() const { return int64_t(scales_.size()); }
  int64_t n_groups() const { return ceil_div(n_models(), kLanes); }

  // The scores of rows [first, first + count), `stride` apart.
  void score(int64_t first, int64_t count, Scratch& scratch, double* scores,
             int64_t stride) const {
    const TablePrimitives& tables = primitives().tables;
    const Aligned<int32_t> zero(kLanes);
    const int64_t at_once = tiles_.words_at_once(kBlock, 64);
    const int64_t n_sums = 2 * n_groups() * kBlock * kLanes;
    if (scratch.table.size() == 0) scratch.table = Aligned<int32_t>(kWordTable);
    if (scratch.sums.size() < n_sums) scratch.sums = Aligned<int32_t>(n_sums);
    if (tiles_.n_words() == 0) std::fill_n(scratch.sums.data(), n_sums, 0);
    for (int64_t word = 0; word < tiles_.n_words(); word += at_once) {
      const int64_t n_words = std::min(at_once, tiles_.n_words() - word);
      const Tile tile = tiles_.read(word, n_words, first, nullptr, count, scratch.buffer);
      for (int64_t part = 0; part < 2 * n_groups(); ++part) {
        check_interrupt();
        int32_t* sums = scratch.sums.data() + part * kBlock * kLanes;
        for (int64_t w = word; w < word + n_words; ++w) {
          tables.build(parts_[part].data() + w * 64 * kLanes, tiles_.n_nibbles(w),
                       scratch.table.data());
          tables.scan(scratch.table.data(), tiles_.n_nibbles(w), tile.column(w - word), count,
                      w == 0 ? zero.data() : nullptr, sums);
        }
      }
    }
    for (int64_t part = 0; part < 2 * n_groups(); ++part) {
      const int32_t* sums = scratch.sums.data() + part * kBlock * kLanes;
      const int64_t model = part / 2 * kLanes;
      for (int64_t i = 0; i < count; ++i) {
        double* row = scores + i * stride;
        for (int64_t m = model; m < std::min(n_models(), model + kLanes); ++m) {
          const double sum = double(sums[i * kLanes + m - model]) / scales_[m];
          if (part % 2 == 0) {
            row[m] = intercepts_[m] + sum;
          } else {
            row[m] += sum / finer_;
          }
        }
      }
    }
  }

 private:
  const Tiles& tiles_;
  std::vector<double> intercepts_, scales_;
  double finer_;
  std::vector<Aligned<int32_t>> parts_;
};

// Calls use(panel, first model, first row, rows, scratch) for all blocks of rows of one panel of
// models after another; blocks in parallel.
template <class Use>
void for_each_block(const CodesView& codes, const double* weights, const double* intercepts,
                    int64_t n_models, const Progress& progress, const Use& use) {
  const int64_t n_blocks = ceil_div(codes.n, kBlock);
  ThreadTeam team(n_blocks);
  std::vector<int64_t> all(codes.n_bits);
  std::iota(all.begin(), all.end(), int64_t(0));
  const Tiles tiles(codes, all, 0, team);
  std::vector<Scratch> scratch(team.size());
  for (int64_t model = 0; model < n_models; model += kPanel) {
    const int64_t count = std::min(kPanel, n_models - model);
    const Panel panel(tiles, weights, intercepts, model, count);
    Progress part;
    if (progress) {
      part = [&](double share, const std::string& note) {
        progress((double(model) + share * double(count)) / double(n_models), note);
      };
    }
    run_reporting(team, n_blocks, part, [&](int64_t block, int worker) {
      const int64_t first = block * kBlock;
      use(panel, model, first, std::min(kBlock, codes.n - first), scratch[worker]);
    });
  }
}

}  // namespace

double fixed_point_scale(double most) {
  if (most == 0) return std::ldexp(1.0, kMaxExponent);
  return std::ldexp(1.0, std::min(kMaxExponent, 28 - std::ilogb(most)));
}

void linear_scores(const CodesView& codes, const double* weights, const double* intercepts,
                   int64_t n_models, const Progress& progress, double* scores) {
  for_each_block(codes, weights, intercepts, n_models, progress,
                 [&](const Panel& panel, int64_t model, int64_t first, int64_t count,
                     Scratch& scratch) {
                   panel.score(first, count, scratch, scores + first * n_models + model, n_models);
                 });
}

void class_votes(const CodesView& codes, const double* weights, const double* intercepts,
                 int64_t n_classes, const Progress& progress, double* votes) {
  const int64_t n_models = n_class_pairs(n_classes);
  std::vector<double> confidence(codes.n * n_classes, 0);
  std::fill_n(votes, codes.n * n_classes, 0);
  for_each_block(
      codes, weights, intercepts, n_models, progress,
      [&](const Panel& panel, int64_t model, int64_t first, int64_t count, Scratch& scratch) {
        scratch.scores.resize(kBlock * kPanel);
        panel.score(first, count, scratch, scratch.scores.data(), kPanel);
        const ClassPair start = class_pair(model, n_classes);
        for (int64_t row = 0; row < count; ++row) {
          double* for_class = votes + (first + row) * n_classes;
          double* sums = confidence.data() + (first + row) * n_classes;
          int64_t i = start.i, j = start.j;
          for (int64_t m = 0; m < panel.n_models(); ++m) {
            const double odds = scratch.scores[row * kPanel + m];
            for_class[odds > 0 ? j : i] += 1;
            sums[i] -= odds;
            sums[j] += odds;
            if (++j == n_classes) j = ++i + 1;
          }
        }
      });
  CheckNowAndThen check(2);
  for (int64_t at = 0; at < codes.n * n_classes; ++at) {
    check();
    votes[at] += confidence[at] / (3 * (std::fabs(confidence[at]) + 1));
  }
}

}  // namespace tfhash
