#include "kernels/distinct.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "interrupt.h"
#include "kernels/row_hash.h"
#include "parallel.h"

namespace tfhash {
namespace {

constexpr int64_t kBlockBytes = 1 << 20;   // of rows that a thread takes at a time
constexpr int64_t kCachedBytes = 1 << 17;  // of rows whose table, half as large, fits L2 beside them

int64_t rows_of_block(int64_t n_words) {
  return std::max<int64_t>(1, kBlockBytes / (8 * std::max<int64_t>(1, n_words)));
}

inline void copy_row(const uint64_t* from, int64_t n_words, uint64_t last_mask, uint64_t* to) {
  if (n_words == 1) {
    *to = *from & last_mask;
    return;
  }
  std::memcpy(to, from, size_t(n_words) * sizeof(uint64_t));
  to[n_words - 1] &= last_mask;
}

// The distinct rows among count of them, moved to the front.
int64_t keep_distinct_few(uint64_t* rows, int64_t count, int64_t n_words, uint64_t salt,
                          std::vector<int64_t>& table) {
  int64_t size = 16;
  while (size < 2 * count) size *= 2;
  table.assign(size, -1);
  CheckNowAndThen check(8 * (1 + n_words));
  int64_t kept = 0;
  for (int64_t i = 0; i < count; ++i) {
    check();
    const uint64_t* row = rows + i * n_words;
    for (int64_t at = hash_row(row, n_words, ~uint64_t(0), salt) & (size - 1);;
         at = (at + 1) & (size - 1)) {
      if (table[at] < 0) {
        table[at] = kept;
        if (kept != i) copy_row(row, n_words, ~uint64_t(0), rows + kept * n_words);
        ++kept;
        break;
      }
      const uint64_t* known = rows + table[at] * n_words;
      if (*known == *row &&
          std::memcmp(known, row, size_t(n_words) * sizeof(uint64_t)) == 0) {
        break;
      }
    }
  }
  return kept;
}

}  // namespace

std::vector<int64_t> group_by_hash(const CodesView& codes, uint64_t salt, int bits,
                                   const Progress& progress, uint64_t* out) {
  const int64_t n = codes.n, n_words = codes.n_words, n_groups = int64_t(1) << bits;
  const uint64_t last_mask = last_word_mask(codes.n_bits);
  const int64_t block_rows = rows_of_block(n_words);
  const int64_t n_blocks = (n + block_rows - 1) / block_rows;
  ThreadTeam team(n_blocks);
  const std::unique_ptr<uint16_t[]> group(new uint16_t[n]);
  std::vector<int64_t> at(n_blocks * n_groups, 0), starts(n_groups + 1, 0);
  run_reporting(team, n_blocks, progress, [&](int64_t block, int) {
    int64_t* count = &at[block * n_groups];
    CheckNowAndThen check(1 + n_words);
    for (int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i) {
      check();
      const uint64_t hash = hash_row(codes.row(i), n_words, last_mask, salt);
      group[i] = bits == 0 ? 0 : static_cast<uint16_t>(hash >> (64 - bits));
      ++count[group[i]];
    }
  });
  int64_t next = 0;
  for (int64_t g = 0; g < n_groups; ++g) {
    check_interrupt();
    starts[g] = next;
    for (int64_t block = 0; block < n_blocks; ++block) {
      const int64_t count = at[block * n_groups + g];
      at[block * n_groups + g] = next;
      next += count;
    }
  }
  starts[n_groups] = next;
  team.run(n_blocks, [&](int64_t block, int) {
    int64_t* to = &at[block * n_groups];
    CheckNowAndThen check(1 + n_words);
    for (int64_t i = block * block_rows; i < std::min(n, (block + 1) * block_rows); ++i) {
      check();
      copy_row(codes.row(i), n_words, last_mask, out + to[group[i]]++ * n_words);
    }
  });
  return starts;
}

int64_t keep_distinct(uint64_t* rows, int64_t n, int64_t n_words, uint64_t salt,
                      const Progress& progress, uint64_t* scratch) {
  int bits = 0;
  while (((8 * n * n_words) >> bits) > kCachedBytes && bits < kMostGroupBits) ++bits;
  const int64_t n_groups = int64_t(1) << bits;
  const std::vector<int64_t> starts =
      group_by_hash({rows, n, n_words, 64 * n_words}, salt, bits, progress, scratch);
  std::vector<int64_t> kept(n_groups);
  ThreadTeam team(n_groups);
  std::vector<std::vector<int64_t>> tables(team.size());
  team.run(n_groups, [&](int64_t g, int worker) {
    kept[g] = keep_distinct_few(scratch + starts[g] * n_words, starts[g + 1] - starts[g], n_words,
                                salt, tables[worker]);
  });
  int64_t total = 0;
  for (int64_t g = 0; g < n_groups; ++g) {
    check_interrupt();
    std::memcpy(rows + total * n_words, scratch + starts[g] * n_words,
                size_t(kept[g] * n_words) * sizeof(uint64_t));
    total += kept[g];
  }
  return total;
}

}  // namespace tfhash
