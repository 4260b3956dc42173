#include "kernels/centers.h"

#include <algorithm>
#include <cmath>

#include "primitives.h"

namespace tfhash {
namespace {

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
      bases(n_groups * kLanes),
      errors(n_words) {
  // ||c||^2 and a partial sum are at most n_bits each.
  int bits = 0;
  while ((int64_t(1) << bits) < n_bits + 1) ++bits;
  scale = std::ldexp(1.0, 29 - bits);
}

void Centers::set_entries(int64_t first, int64_t last) {
  for (int64_t w = first; w < last; ++w) {
    errors[w] = 0;
    for (int64_t j = 0; j < k; ++j) {
      int32_t* lane = entries.data() + (j / kLanes) * 64 * n_words * kLanes + j % kLanes;
      double off = 0;
      for (int64_t b = 64 * w; b < std::min(n_bits, 64 * w + 64); ++b) {
        const double exact = (1 - 2 * center(j)[b]) * scale;
        const int32_t entry = static_cast<int32_t>(std::lrint(exact));
        lane[b * kLanes] = entry;
        off += std::fabs(exact - entry);
      }
      errors[w] = std::max(errors[w], off);
    }
  }
}

void Centers::set_bases() {
  std::fill(bases.data(), bases.data() + bases.size(), kOutOfReach);
  double off = 0;
  for (int64_t j = 0; j < k; ++j) {
    bases[j] = static_cast<int32_t>(std::lrint(norms[j] * scale));
    off = std::max(off, std::fabs(norms[j] * scale - bases[j]));
  }
  error = off;
  for (double e : errors) error += e;
  // Values that are not exact themselves: far less than a unit.
  if (error > 0) error += 1;
}

NearestScratch::NearestScratch()
    : table(kWordTable),
      sums(kCenterBlock * kLanes),
      words(kCenterBlock),
      best(kCenterBlock),
      found(kCenterBlock) {}

double squared_distance(const Columns& codes, int64_t i, const double* center) {
  double sum = 0;
  for (int64_t w = 0; w < codes.n_words; ++w) {
    uint64_t word = codes.column(w)[i];
    const int64_t end = std::min<int64_t>(codes.n_bits, 64 * w + 64);
    for (int64_t b = 64 * w; b < end; ++b, word >>= 1) {
      const double apart = double(word & 1) - center[b];
      sum += apart * apart;
    }
  }
  return sum;
}

void nearest_centers(const Columns& codes, const Centers& centers, int64_t first,
                     const int32_t* rows, int64_t count, NearestScratch& scratch, Nearest* out) {
  const TablePrimitives& tables = primitives().tables;
  int32_t* sums = scratch.sums.data();
  TwoSmallest* best = scratch.best.data();

  for (int64_t g = 0; g < centers.n_groups; ++g) {
    const int32_t* start = centers.bases.data() + g * kLanes;
    if (codes.n_words == 0) {
      for (int64_t i = 0; i < count; ++i) std::copy_n(start, kLanes, sums + i * kLanes);
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
      tables.scan(scratch.table.data(), n_nibbles, words, count, w == 0 ? start : nullptr, sums);
    }
    TwoSmallest* found = g == 0 ? best : scratch.found.data();
    primitives().clusters.two_smallest(sums, count, found);
    for (int64_t i = 0; g > 0 && i < count; ++i) {
      if (found[i].first < best[i].first) {
        const int32_t second = std::min(best[i].first, found[i].second);
        best[i] = {found[i].first, second, static_cast<int32_t>(g * kLanes + found[i].lane)};
      } else {
        best[i].second = std::min(best[i].second, found[i].first);
      }
    }
  }

  const double unit = 1 / centers.scale;
  for (int64_t i = 0; i < count; ++i) {
    const double near = best[i].first + centers.error, next = best[i].second - centers.error;
    const double gap = std::sqrt(std::max(0.0, next) * unit) - std::sqrt(near * unit);
    out[i] = {best[i].lane, static_cast<float>(gap)};
    if (next > near || centers.error == 0) continue;
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
