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

Nearest::Nearest()
    : labels(kCenterBlock),
      gaps(kCenterBlock),
      table(kWordTable),
      sums(kCenterBlock * kLanes),
      words(kCenterBlock),
      first(kCenterBlock),
      second(kCenterBlock),
      group_first(kCenterBlock),
      group_second(kCenterBlock),
      lanes(kCenterBlock) {}

void Nearest::find(const Columns& codes, const Centers& centers, int64_t start,
                   const int32_t* rows, int64_t count) {
  const TablePrimitives& tables = primitives().tables;
  const ClusterPrimitives& clusters = primitives().clusters;
  for (int64_t g = 0; g < centers.n_groups; ++g) {
    const int32_t* bases = centers.bases.data() + g * kLanes;
    if (codes.n_words == 0) {
      for (int64_t i = 0; i < count; ++i) std::copy_n(bases, kLanes, sums.data() + i * kLanes);
    }
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const uint64_t* column = codes.column(w) + start;
      if (rows != nullptr) {
        for (int64_t i = 0; i < count; ++i) words[i] = column[rows[i]];
        column = words.data();
      }
      const int n_nibbles = codes.n_nibbles(w);
      tables.build(centers.entries.data() + (g * centers.n_words + w) * 64 * kLanes, n_nibbles,
                   table.data());
      tables.scan(table.data(), n_nibbles, column, count, w == 0 ? bases : nullptr, sums.data());
    }
    if (g == 0) {
      clusters.two_smallest(sums.data(), count, first.data(), second.data(), labels.data());
      continue;
    }
    clusters.two_smallest(sums.data(), count, group_first.data(), group_second.data(),
                          lanes.data());
    for (int64_t i = 0; i < count; ++i) {
      if (group_first[i] < first[i]) {
        second[i] = std::min(first[i], group_second[i]);
        first[i] = group_first[i];
        labels[i] = static_cast<int32_t>(g * kLanes + lanes[i]);
      } else {
        second[i] = std::min(second[i], group_first[i]);
      }
    }
  }
  clusters.gaps(first.data(), second.data(), count, static_cast<float>(centers.error),
                static_cast<float>(1 / centers.scale), gaps.data());

  for (int64_t i = 0; centers.error > 0 && i < count; ++i) {
    if (double(second[i]) - first[i] > 2 * centers.error) continue;
    // Too close to tell: add up in float64.
    const int64_t row = start + (rows != nullptr ? rows[i] : i);
    double least = squared_distance(codes, row, centers.center(0));
    labels[i] = 0;
    for (int64_t j = 1; j < centers.k; ++j) {
      const double distance = squared_distance(codes, row, centers.center(j));
      if (distance < least) {
        least = distance;
        labels[i] = static_cast<int32_t>(j);
      }
    }
  }
}

}  // namespace tfhash
