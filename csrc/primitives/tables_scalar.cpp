#include "primitives/tables.h"

#include <cstring>

namespace tfhash {
namespace {

void build(const int32_t* entries, int n_nibbles, int32_t* table) {
  for (int nibble = 0; nibble < n_nibbles; ++nibble, table += kNibbleTable, entries += 4 * kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) table[lane] = 0;
    for (int bit = 0; bit < 4; ++bit) {
      // The values from 2^bit on: those below it, and this bit's entry.
      const int32_t* entry = entries + bit * kLanes;
      for (int value = 0; value < 1 << bit; ++value) {
        const int32_t* from = table + value * kLanes;
        int32_t* to = table + (value + (1 << bit)) * kLanes;
        for (int lane = 0; lane < kLanes; ++lane) to[lane] = from[lane] + entry[lane];
      }
    }
  }
}

// The sums are held apart while they are added to: the compiler keeps them in vector registers,
// where the target's plain instructions have any (SSE2, NEON).
void scan(const int32_t* table, int n_nibbles, const uint64_t* words, int64_t n,
          const int32_t* start, int32_t* sums) {
  for (int64_t i = 0; i < n; ++i, sums += kLanes) {
    uint64_t word = words[i];
    int32_t held[kLanes];
    std::memcpy(held, start != nullptr ? start : sums, sizeof(held));
    for (int nibble = 0; nibble < n_nibbles; ++nibble, word >>= 4) {
      const int32_t* from = table + nibble * kNibbleTable + (word & 15) * kLanes;
      for (int lane = 0; lane < kLanes; ++lane) held[lane] += from[lane];
    }
    std::memcpy(sums, held, sizeof(held));
  }
}

void flush(int32_t* sums, int64_t n, int64_t* totals) {
  for (int64_t i = 0; i < n * kLanes; ++i) {
    totals[i] += sums[i];
    sums[i] = 0;
  }
}

}  // namespace

void fill_tables_scalar(TablePrimitives& table) { table = {build, scan, flush}; }

}  // namespace tfhash
