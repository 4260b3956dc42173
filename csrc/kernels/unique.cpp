#include "kernels/unique.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "interrupt.h"
#include "kernels/row_hash.h"
#include "parallel.h"

namespace tfhash {
namespace {

struct Entry {
  uint64_t hash;
  int64_t index;
};

constexpr int64_t kPartitionRows = 1 << 13;  // its table of 2^14 entries takes 256 KiB of L2
constexpr int64_t kMaxPartitions = 1 << 12;
constexpr int64_t kHashBlockBytes = 1 << 18;
constexpr int64_t kScatterRows = 1 << 15;
constexpr int64_t kWordsBetweenChecks = 1 << 18;  // for Ctrl-C: a millisecond or so

// Whether two codes of n_words words are equal, their last words masked.
bool equal_rows(const uint64_t* a, const uint64_t* b, int64_t n_words, uint64_t last_mask) {
  if (n_words == 0) return true;
  const int64_t last = n_words - 1;
  return ((a[last] ^ b[last]) & last_mask) == 0 &&
         std::memcmp(a, b, size_t(last) * sizeof(uint64_t)) == 0;
}

// Bits that number the partitions; they are the upper ones, the tables use the lower ones.
int partition_bits(int64_t n) {
  int bits = 0;
  while ((n >> bits) > kPartitionRows && (int64_t(1) << bits) < kMaxPartitions) ++bits;
  return bits;
}

// An array whose elements are written before they are read; a vector would clear it first.
template <class T>
std::unique_ptr<T[]> uninitialized(int64_t n) {
  return std::unique_ptr<T[]>(new T[n]);
}

// For each entry, the index of the first code equal to it, by one pass in order of index.
// Returns how many distinct codes there are.
int64_t find_firsts(const CodesView& codes, const Entry* entries, int64_t count,
                 std::vector<Entry>& slots, int64_t* first) {
  int64_t size = 16;
  while (size < 2 * count) size *= 2;
  slots.assign(size, Entry{0, -1});
  int64_t distinct = 0, between_checks = 1;
  while (2 * between_checks * (1 + codes.n_words) <= kWordsBetweenChecks) between_checks *= 2;
  const uint64_t last_mask = last_word_mask(codes.n_bits);
  for (int64_t e = 0; e < count; ++e) {
    if ((e & (between_checks - 1)) == 0) check_interrupt();
    const Entry& entry = entries[e];
    for (int64_t at = entry.hash & (size - 1);; at = (at + 1) & (size - 1)) {
      Entry& slot = slots[at];
      if (slot.index < 0) {
        slot = entry;
        first[entry.index] = entry.index;
        ++distinct;
        break;
      }
      if (slot.hash == entry.hash && equal_rows(codes.row(slot.index), codes.row(entry.index),
                                                codes.n_words, last_mask)) {
        first[entry.index] = slot.index;
        break;
      }
    }
  }
  return distinct;
}

}  // namespace

int64_t first_equal(const CodesView& codes, const Progress& progress, int64_t* first) {
  const int64_t n = codes.n;
  const int bits = partition_bits(n);
  const int64_t n_partitions = int64_t(1) << bits;
  const auto partition = [bits](uint64_t hash) {
    return bits == 0 ? 0 : static_cast<int64_t>(hash >> (64 - bits));
  };

  const int64_t hash_rows =
      std::max<int64_t>(1, kHashBlockBytes / (8 * std::max<int64_t>(1, codes.n_words)));
  const int64_t n_blocks = (n + kScatterRows - 1) / kScatterRows;
  ThreadTeam team(std::max(n_blocks, (n + hash_rows - 1) / hash_rows));
  const auto hashes = uninitialized<uint64_t>(n);
  const uint64_t last_mask = last_word_mask(codes.n_bits);
  run_reporting(team, (n + hash_rows - 1) / hash_rows, progress, [&](int64_t block, int) {
    for (int64_t i = block * hash_rows; i < std::min(n, (block + 1) * hash_rows); ++i) {
      hashes[i] = hash_row(codes.row(i), codes.n_words, last_mask);
    }
  });

  // A stable counting sort by partition: offsets[block][p] is where block writes partition p next.
  std::vector<int64_t> offsets(n_blocks * n_partitions, 0), starts(n_partitions + 1, 0);
  team.run(n_blocks, [&](int64_t block, int) {
    int64_t* count = &offsets[block * n_partitions];
    for (int64_t i = block * kScatterRows; i < std::min(n, (block + 1) * kScatterRows); ++i) {
      ++count[partition(hashes[i])];
    }
  });
  for (int64_t p = 0, at = 0; p < n_partitions; ++p) {
    check_interrupt();
    for (int64_t block = 0; block < n_blocks; ++block) {
      const int64_t count = offsets[block * n_partitions + p];
      offsets[block * n_partitions + p] = at;
      at += count;
    }
    starts[p + 1] = at;
  }
  const auto entries = uninitialized<Entry>(n);
  team.run(n_blocks, [&](int64_t block, int) {
    int64_t* offset = &offsets[block * n_partitions];
    for (int64_t i = block * kScatterRows; i < std::min(n, (block + 1) * kScatterRows); ++i) {
      entries[offset[partition(hashes[i])]++] = {hashes[i], i};
    }
  });

  std::vector<std::vector<Entry>> slots(team.size());
  std::vector<int64_t> distinct(n_partitions);
  team.run(n_partitions, [&](int64_t p, int worker) {
    distinct[p] = find_firsts(codes, entries.get() + starts[p], starts[p + 1] - starts[p],
                              slots[worker], first);
  });
  return std::accumulate(distinct.begin(), distinct.end(), int64_t(0));
}

void number_regions(int64_t n, int64_t* ids, int64_t* counts) {
  int64_t m = 0;
  for (int64_t i = 0; i < n; ++i) {
    if (i % kWordsBetweenChecks == 0) check_interrupt();
    if (ids[i] == i) {
      ids[i] = m;
      counts[m++] = 1;
    } else {
      ids[i] = ids[ids[i]];  // a first code comes before its repeats: already a number
      ++counts[ids[i]];
    }
  }
}

}  // namespace tfhash
