#include "kernels/centers.h"

#include <algorithm>
#include <climits>
#include <cmath>

#include "primitives.h"

namespace tfhash {
namespace {

int32_t fixed(double x, double scale) { return static_cast<int32_t>(std::lrint(x * scale)); }

// Sums end under 2^29 and pass through less than 2^30 either way; unused lanes stay here.
constexpr int32_t kOutOfReach = 1 << 30;

}  // namespace

Centers::Centers(int64_t k_, int64_t n_bits_)
    : k(k_),
      n_bits(n_bits_),
      n_words(words_for(n_bits_)),
      n_groups((k_ + kLanes - 1) / kLanes),
      values(k_ * n_bits_),
      norms(k_),
      entries(n_groups * 64 * n_words * kLanes),
      bases(n_groups * kLanes) {
  // ||c||^2 and a partial sum are at most n_bits each.
  int bits = 0;
  while ((int64_t(1) << bits) < n_bits + 1) ++bits;
  scale = std::ldexp(1.0, 29 - bits);
  // Half a unit for each entry that is added and for the base; 1 more for rounding in `values`.
  error = static_cast<int32_t>(n_bits / 2 + 2);
}

void Centers::set_entries(int64_t first, int64_t last) {
  for (int64_t j = 0; j < k; ++j) {
    int32_t* lane = entries.data() + (j / kLanes) * 64 * n_words * kLanes + j % kLanes;
    for (int64_t b = 64 * first; b < std::min(n_bits, 64 * last); ++b) {
      lane[b * kLanes] = fixed(1 - 2 * center(j)[b], scale);
    }
  }
}

void Centers::set_bases() {
  std::fill(bases.data(), bases.data() + bases.size(), kOutOfReach);
  for (int64_t j = 0; j < k; ++j) bases[j] = fixed(norms[j], scale);
}

NearestScratch::NearestScratch()
    : table(kWordTable), sums(kCenterBlock * kLanes), words(kCenterBlock), found(kCenterBlock) {}

double squared_distance(const Columns& codes, int64_t i, const double* center) {
  double sum = 0;
  for (int64_t w = 0; w < codes.n_words; ++w) {
    uint64_t word = codes.column(w)[i];
    const int64_t end = std::min<int64_t>(codes.n_bits, 64 * w + 64);
    for (int64_t b = 64 * w; b < end; ++b, word >>= 1) {
      const double apart = (word & 1) ? 1 - center[b] : center[b];
      sum += apart * apart;
    }
  }
  return sum;
}

void nearest_centers(const Columns& codes, const Centers& centers, int64_t first,
                     const int32_t* rows, int64_t count, NearestScratch& scratch, Nearest* out) {
  const TablePrimitives& tables = primitives().tables;
  int32_t* sums = scratch.sums.data();
  struct Best {
    int32_t first = INT_MAX, second = INT_MAX, center = 0;
  };
  std::vector<Best> best(count);

  for (int64_t g = 0; g < centers.n_groups; ++g) {
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(centers.bases.data() + g * kLanes, kLanes, sums + i * kLanes);
    }
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const uint64_t* words = codes.column(w) + first;
      if (rows != nullptr) {
        for (int64_t i = 0; i < count; ++i) scratch.words[i] = words[rows[i]];
        words = scratch.words.data();
      }
      const int n_nibbles = codes.n_nibbles(w);
      tables.build(centers.entries.data() + (g * centers.n_words + w) * 64 * kLanes, n_nibbles,
                   scratch.table.data());
      tables.scan(scratch.table.data(), n_nibbles, words, count, sums);
    }
    primitives().clusters.two_smallest(sums, count, scratch.found.data());
    for (int64_t i = 0; i < count; ++i) {
      const TwoSmallest& found = scratch.found[i];
      if (found.first < best[i].first) {
        const int32_t second = std::min(best[i].first, found.second);
        best[i] = {found.first, second, static_cast<int32_t>(g * kLanes + found.lane)};
      } else {
        best[i].second = std::min(best[i].second, found.first);
      }
    }
  }

  const double unit = 1 / centers.scale;
  for (int64_t i = 0; i < count; ++i) {
    const double near = double(best[i].first) + centers.error;
    const double next = double(best[i].second) - centers.error;
    const double gap = std::sqrt(std::max(0.0, next) * unit) - std::sqrt(near * unit);
    out[i] = {best[i].center, static_cast<float>(gap)};
    if (next > near) continue;
    // Too close to tell: add up in float64.
    const int64_t row = first + (rows != nullptr ? rows[i] : i);
    double least = squared_distance(codes, row, centers.center(0));
    out[i].label = 0;
    for (int64_t j = 1; j < centers.k; ++j) {
      const double distance = squared_distance(codes, row, centers.center(j));
      if (distance < least) {
        least = distance;
        out[i].label = static_cast<int32_t>(j);
      }
    }
  }
}

}  // namespace tfhash
