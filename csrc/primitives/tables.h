// Sums over the set bits of words, by table: a nibble of the word is the index of a partial sum.
//
// Numbers are 32-bit fixed point, so sums are exact and the same in any order. A vector holds one
// sum for each of 16 lanes (centroids of K-Means, pairs of classes of a regression).
#pragma once

#include <cstdint>

namespace tfhash {

constexpr int kLanes = 16;
constexpr int kNibbleTable = 16 * kLanes;        // numbers in the table of one nibble
constexpr int kWordTable = 16 * kNibbleTable;    // and of one word: 16 KiB, half of an L1 cache

// Tables, entries, sums and totals are 64-byte aligned.
struct TablePrimitives {
  // table[nibble][value][lane] = the sum of entries[4 * nibble + bit][lane] over the bits of value.
  void (*build)(const int32_t* entries, int n_nibbles, int32_t* table);

  // sums[i][lane] += the sum over nibbles of table[nibble][words[i] >> 4 * nibble & 15][lane];
  // where `start` is not null, from start[lane] on instead of what was in sums[i][lane]. Bits of
  // the words past 4 * n_nibbles are 0. No sum may leave the range of int32.
  void (*scan)(const int32_t* table, int n_nibbles, const uint64_t* words, int64_t n,
               const int32_t* start, int32_t* sums);

  // totals[i][lane] += sums[i][lane], which are set to 0.
  void (*flush)(int32_t* sums, int64_t n, int64_t* totals);
};

void fill_tables_scalar(TablePrimitives& table);
void fill_tables_avx2(TablePrimitives& table);
void fill_tables_avx512(TablePrimitives& table);
void fill_tables_neon(TablePrimitives& table);

}  // namespace tfhash
