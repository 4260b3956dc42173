#include <algorithm>
#include <climits>
#include <cmath>

#include "primitives/clusters.h"
#include "primitives/tables.h"

namespace tfhash {
namespace {

int count_bits(uint64_t x) {
#if defined(__GNUC__)
  return __builtin_popcountll(x);
#else
  x -= x >> 1 & 0x5555555555555555;
  x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
  return static_cast<int>(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
#endif
}

void two_smallest(const int32_t* sums, int64_t n, int32_t* first, int32_t* second, int32_t* lane) {
  for (int64_t i = 0; i < n; ++i, sums += kLanes) {
    first[i] = sums[0];
    second[i] = INT_MAX;
    lane[i] = 0;
    for (int at = 1; at < kLanes; ++at) {
      if (sums[at] < first[i]) {
        second[i] = first[i];
        first[i] = sums[at];
        lane[i] = at;
      } else {
        second[i] = std::min(second[i], sums[at]);
      }
    }
  }
}

void gaps(const int32_t* first, const int32_t* second, int64_t n, float error, float unit,
          float* gaps) {
  for (int64_t i = 0; i < n; ++i) {
    const float next = std::max(static_cast<float>(second[i]) - error, 0.0f) * unit;
    const float near = (static_cast<float>(first[i]) + error) * unit;
    const float root = std::sqrt(next);
    gaps[i] = (root - root * 1e-6f) - std::sqrt(near);
  }
}

int64_t overdue(const float* keys, const int32_t* labels, const float* limits, int64_t n, int64_t,
                int32_t* rows) {
  int64_t count = 0;
  for (int64_t i = 0; i < n; ++i) {
    rows[count] = static_cast<int32_t>(i);
    count += keys[i] <= limits[labels[i]];
  }
  return count;
}

void count_moves(const uint64_t* words, const Move* moves, int64_t n, int32_t* counts) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t word = words[moves[i].row];
    int32_t* to = counts + 64 * int64_t(moves[i].to);
    for (int bit = 0; bit < 64; ++bit) to[bit] += static_cast<int32_t>(word >> bit & 1);
    if (moves[i].from < 0) continue;
    int32_t* from = counts + 64 * int64_t(moves[i].from);
    for (int bit = 0; bit < 64; ++bit) from[bit] -= static_cast<int32_t>(word >> bit & 1);
  }
}

void distances(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
               int64_t n, bool more, int64_t* distances) {
  if (!more) std::fill(distances, distances + n, 0);
  for (int64_t w = 0; w < n_words; ++w) {
    for (int64_t i = 0; i < n; ++i) distances[i] += count_bits(words[w * stride + i] ^ code[w]);
  }
}

int64_t potential(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
                  int64_t n, bool more, int32_t* closest, bool keep, int64_t* scratch) {
  distances(words, stride, n_words, code, n, more, scratch);
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t least = static_cast<int32_t>(std::min<int64_t>(closest[i], scratch[i]));
    sum += least;
    if (keep) closest[i] = least;
  }
  return sum;
}

}  // namespace

void fill_clusters_scalar(ClusterPrimitives& table) {
  table = {two_smallest, gaps, overdue, count_moves, distances, potential};
}

}  // namespace tfhash
