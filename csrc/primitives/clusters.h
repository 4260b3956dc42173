// The inner loops of K-Means on codes by columns (kernels/columns.h).
#pragma once

#include <cstdint>

namespace tfhash {

// A code that changed its cluster: row of a block, cluster left (-1: none) and joined.
struct Move {
  int32_t row, from, to;
};

struct ClusterPrimitives {
  // The two smallest of each row of 16 sums (64-byte aligned), and the lane of the smallest, the
  // lowest where they tie.
  void (*two_smallest)(const int32_t* sums, int64_t n, int32_t* first, int32_t* second,
                       int32_t* lane);

  // gaps[i] = sqrt((second[i] - error) * unit) - sqrt((first[i] + error) * unit), less a millionth
  // of the first root for rounding: a lower bound on the difference of two distances whose squares
  // are known to within an error. The same float32 operations for every instruction set.
  void (*gaps)(const int32_t* first, const int32_t* second, int64_t n, float error, float unit,
               float* gaps);

  // Writes the rows in [0, n) for which keys[row] <= limits[labels[row]], ascending, and returns
  // how many they are. `rows` has room for n + 16, `limits` for a multiple of 16.
  int64_t (*overdue)(const float* keys, const int32_t* labels, const float* limits, int64_t n,
                     int64_t n_limits, int32_t* rows);

  // For each move, adds the bits of words[row] to counts[to][64] and takes them from
  // counts[from][64] (64-byte aligned).
  void (*count_moves)(const uint64_t* words, const Move* moves, int64_t n, int32_t* counts);

  // distances[i] = the Hamming distance from code to row i, for n rows; with `more` it is added.
  // Word w of row i is words[w * stride + i].
  void (*distances)(const uint64_t* words, int64_t stride, int64_t n_words, const uint64_t* code,
                    int64_t n, bool more, int64_t* distances);

  // The sum of min(closest[i], distance from code to row i) over n rows, which replaces closest[i]
  // where `keep`. With `more`, scratch[i] is what the words before these add to the distance.
  // `scratch` has room for n rounded up to 8.
  int64_t (*potential)(const uint64_t* words, int64_t stride, int64_t n_words,
                       const uint64_t* code, int64_t n, bool more, int32_t* closest, bool keep,
                       int64_t* scratch);
};

void fill_clusters_scalar(ClusterPrimitives& table);
void fill_clusters_avx2(ClusterPrimitives& table);
void fill_clusters_avx512(ClusterPrimitives& table);

}  // namespace tfhash
