#include "kernels/centers.h"

#include <algorithm>
#include <cmath>

#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

// Sums end under 2^29 and pass through less than 2^30 either way; unused lanes stay here.
constexpr int64_t kOutOfReach = 1 << 30;

// Marks sums that are rounded in the end as not exact, be it by no more than rounding.
constexpr double kRounded = 1e-9;

// The least b for which most + 1 <= 2^b.
int bits_for(int64_t most) { return bit_length(uint64_t(most)); }

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
  scale = std::ldexp(1.0, 29 - bits_for(n_bits));
  shift = bits_for(n_bits) - bits_for(std::min(n_bits, 64 * kChunkWords));
}

void Centers::set_entries(int64_t first, int64_t last) {
  const double finer = std::ldexp(scale, shift);
  for (int64_t w = first; w < last; ++w) {
    errors[w] = 0;
    CheckNowAndThen check(128);
    for (int64_t j = 0; j < k; ++j) {
      check();
      int32_t* lane = entries.data() + (j / kLanes) * 64 * n_words * kLanes + j % kLanes;
      double off = 0;
      for (int64_t b = 64 * w; b < std::min(n_bits, 64 * w + 64); ++b) {
        const double exact = (1 - 2 * center(j)[b]) * finer;
        const int32_t entry = static_cast<int32_t>(std::lrint(exact));
        lane[b * kLanes] = entry;
        off += std::fabs(exact - entry);
        if (entry % (1 << shift) != 0) off += kRounded;
      }
      errors[w] = std::max(errors[w], off);
    }
  }
}

void Centers::set_bases() {
  const double finer = std::ldexp(scale, shift);
  std::fill(bases.data(), bases.data() + bases.size(), kOutOfReach << shift);
  double off = 0;
  for (int64_t j = 0; j < k; ++j) {
    bases[j] = static_cast<int64_t>(std::llrint(norms[j] * finer));
    off = std::max(off, std::fabs(norms[j] * finer - double(bases[j])));
  }
  error = off;
  for (double e : errors) error += e;
  error = std::ldexp(error, -shift);
  // Values that are not exact themselves: far less than a unit. Rounding down: less than one.
  if (error > 0) error += shift > 0 ? 2 : 1;
}

double squared_distance(const std::vector<uint64_t>& code, int64_t n_bits, const double* center) {
  double sum = 0;
  for (int64_t w = 0; w < int64_t(code.size()); ++w) {
    uint64_t word = code[w];
    const int64_t end = std::min<int64_t>(n_bits, 64 * w + 64);
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
      first(kCenterBlock),
      second(kCenterBlock),
      group_first(kCenterBlock),
      group_second(kCenterBlock),
      lanes(kCenterBlock) {}

// The sums of a group of centers.
void Nearest::add_up(const Tiles& codes, const Centers& centers, int64_t group, int64_t start,
                     const int32_t* rows, int64_t count) {
  const TablePrimitives& tables = primitives().tables;
  const int64_t* bases = centers.bases.data() + group * kLanes;
  const bool wide = centers.shift > 0;
  Aligned<int32_t> from(kLanes);  // of wide codes: 0, the bases are added in the end
  for (int lane = 0; lane < kLanes && !wide; ++lane) from[lane] = int32_t(bases[lane]);
  if (codes.n_words() == 0) {
    for (int64_t i = 0; i < count; ++i) std::copy_n(from.data(), kLanes, sums.data() + i * kLanes);
  }
  if (wide && totals.size() == 0) totals = Aligned<int64_t>(kCenterBlock * kLanes);
  const int64_t at_once = codes.words_at_once(count, kChunkWords);
  for (int64_t word = 0; word < codes.n_words(); word += at_once) {
    if (word > 0) check_interrupt();
    const int64_t n_words = std::min(at_once, codes.n_words() - word);
    const Tile tile = codes.read(word, n_words, start, rows, count, buffer);
    for (int64_t w = word; w < word + n_words; ++w) {
      const int n_nibbles = codes.n_nibbles(w);
      tables.build(centers.entries.data() + (group * centers.n_words + w) * 64 * kLanes,
                   n_nibbles, table.data());
      tables.scan(table.data(), n_nibbles, tile.column(w - word), count,
                  w == 0 ? from.data() : nullptr, sums.data());
    }
    const int64_t end = word + n_words;
    if (wide && (end % kChunkWords == 0 || end == codes.n_words())) {
      tables.flush(sums.data(), count, totals.data());
    }
  }
  for (int64_t i = 0; i < count * kLanes && wide; ++i) {
    sums[i] = static_cast<int32_t>((totals[i] + bases[i % kLanes]) >> centers.shift);
    totals[i] = 0;
  }
}

void Nearest::find(const Tiles& codes, const Centers& centers, int64_t start, const int32_t* rows,
                   int64_t count) {
  const ClusterPrimitives& clusters = primitives().clusters;
  CheckNowAndThen check(64 * count);
  for (int64_t g = 0; g < centers.n_groups; ++g) {
    check();
    add_up(codes, centers, g, start, rows, count);
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
  // Codes that another thread writes to meanwhile may come near a lane that is none of a center.
  for (int64_t i = 0; i < count; ++i) {
    if (labels[i] >= centers.k) labels[i] = 0;
  }
  clusters.gaps(first.data(), second.data(), count, static_cast<float>(centers.error),
                static_cast<float>(1 / centers.scale), gaps.data());

  CheckNowAndThen exact_check(centers.n_bits);
  for (int64_t i = 0; centers.error > 0 && i < count; ++i) {
    if (double(second[i]) - first[i] > 2 * centers.error) continue;
    // Too close to tell: add up in float64.
    const std::vector<uint64_t> code = codes.code(start + (rows != nullptr ? rows[i] : i));
    double least = squared_distance(code, centers.n_bits, centers.center(0));
    labels[i] = 0;
    for (int64_t j = 1; j < centers.k; ++j) {
      exact_check();
      const double distance = squared_distance(code, centers.n_bits, centers.center(j));
      if (distance < least) {
        least = distance;
        labels[i] = static_cast<int32_t>(j);
      }
    }
  }
}

}  // namespace tfhash
