#include "kernels/linear_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "check.h"
#include "kernels/tiles.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 512;  // rows of one task
constexpr int kMaxExponent = 24;

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

double fixed_point_scale(double most) {
  if (most == 0) return std::ldexp(1.0, kMaxExponent);
  return std::ldexp(1.0, std::min(kMaxExponent, 28 - std::ilogb(most)));
}

void linear_scores(const CodesView& codes, const double* weights, const double* intercepts,
                   int64_t n_models, const Progress& progress, double* scores) {
  const int64_t n_blocks = ceil_div(codes.n, kBlock), n_groups = ceil_div(n_models, kLanes);
  ThreadTeam team(n_blocks);
  std::vector<int64_t> all(codes.n_bits);
  std::iota(all.begin(), all.end(), int64_t(0));
  const Tiles tiles(codes, all, 0, team);

  // Weights in two parts, the second what is left over of the first, in finer units.
  const int64_t n_entries = 64 * codes.n_words * kLanes;
  const double finer = fixed_point_scale(double(codes.n_bits));
  std::vector<Aligned<int32_t>> parts;
  std::vector<double> scales(n_models);
  for (int64_t g = 0; g < 2 * n_groups; ++g) parts.emplace_back(n_entries);
  for (int64_t m = 0; m < n_models; ++m) {
    const double* model = weights + m * codes.n_bits;
    double most = 0;
    for (int64_t b = 0; b < codes.n_bits; ++b) most += std::fabs(model[b]);
    expect(std::isfinite(most + intercepts[m]),
           "Expected finite weights and intercepts. Received: NaN or infinity in model ", m, ".");
    scales[m] = fixed_point_scale(most);
    for (int64_t b = 0; b < codes.n_bits; ++b) {
      const double whole = std::nearbyint(model[b] * scales[m]);
      const int64_t at = b * kLanes + m % kLanes;
      parts[m / kLanes * 2][at] = static_cast<int32_t>(whole);
      parts[m / kLanes * 2 + 1][at] =
          static_cast<int32_t>(std::lrint((model[b] * scales[m] - whole) * finer));
    }
  }

  const TablePrimitives& tables = primitives().tables;
  std::vector<Aligned<int32_t>> sums_of, table_of;
  for (int worker = 0; worker < team.size(); ++worker) {
    sums_of.emplace_back(2 * n_groups * kBlock * kLanes);
    table_of.emplace_back(kWordTable);
  }
  std::vector<TileBuffer> buffers(team.size());
  const Aligned<int32_t> zero(kLanes);
  const int64_t at_once = tiles.words_at_once(kBlock, 64);
  run_reporting(team, n_blocks, progress, [&](int64_t block, int worker) {
    const int64_t first = block * kBlock, count = std::min(kBlock, codes.n - first);
    int32_t* table = table_of[worker].data();
    for (int64_t word = 0; word < codes.n_words; word += at_once) {
      const int64_t n_words = std::min(at_once, codes.n_words - word);
      const Tile tile = tiles.read(word, n_words, first, nullptr, count, buffers[worker]);
      for (int64_t part = 0; part < 2 * n_groups; ++part) {
        int32_t* sums = sums_of[worker].data() + part * kBlock * kLanes;
        for (int64_t w = word; w < word + n_words; ++w) {
          tables.build(parts[part].data() + w * 64 * kLanes, tiles.n_nibbles(w), table);
          tables.scan(table, tiles.n_nibbles(w), tile.column(w - word), count,
                      w == 0 ? zero.data() : nullptr, sums);
        }
      }
    }
    for (int64_t part = 0; part < 2 * n_groups; ++part) {
      const int32_t* sums = sums_of[worker].data() + part * kBlock * kLanes;
      const int64_t model = part / 2 * kLanes;
      for (int64_t i = 0; i < count; ++i) {
        double* row = scores + (first + i) * n_models;
        for (int64_t m = model; m < std::min(n_models, model + kLanes); ++m) {
          const double sum = double(sums[i * kLanes + m - model]) / scales[m];
          if (part % 2 == 0) {
            row[m] = intercepts[m] + sum;
          } else {
            row[m] += sum / finer;
          }
        }
      }
    }
  });
}

}  // namespace tfhash
