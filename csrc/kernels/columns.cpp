#include "kernels/columns.h"

#include <algorithm>

namespace tfhash {
namespace {

constexpr int64_t kBlock = 512;  // rows: their words of one column are 4 KiB

int64_t n_blocks(int64_t n) { return (n + kBlock - 1) / kBlock; }

// Moves the bits of a word that a mask has to its low end, in order: the parallel suffix method of
// Warren, Hacker's Delight, section 7-4, with the steps worked out once for a mask.
struct Compressor {
  uint64_t mask;
  uint64_t moves[6];
  int count = 0;

  explicit Compressor(uint64_t m) : mask(m) {
    for (uint64_t left = m; left != 0; left &= left - 1) ++count;
    uint64_t zeros_below = ~m << 1;
    for (int step = 0; step < 6; ++step) {
      uint64_t parity = zeros_below;
      for (int shift = 1; shift < 64; shift *= 2) parity ^= parity << shift;
      moves[step] = parity & m;
      m = (m ^ moves[step]) | (moves[step] >> (1 << step));
      zeros_below &= ~parity;
    }
  }

  uint64_t operator()(uint64_t x) const {
    x &= mask;
    for (int step = 0; step < 6; ++step) {
      const uint64_t moved = x & moves[step];
      x = (x ^ moved) | (moved >> (1 << step));
    }
    return x;
  }
};

}  // namespace

std::vector<int64_t> varying_bits(const CodesView& codes, ThreadTeam& team) {
  const int64_t blocks = n_blocks(codes.n);
  // Bits on in all rows of a worker, and in any.
  std::vector<std::vector<uint64_t>> all(team.size()), any(team.size());
  for (int worker = 0; worker < team.size(); ++worker) {
    all[worker].assign(codes.n_words, ~uint64_t(0));
    any[worker].assign(codes.n_words, 0);
  }
  team.run(blocks, [&](int64_t block, int worker) {
    uint64_t* on_in_all = all[worker].data();
    uint64_t* on_in_any = any[worker].data();
    for (int64_t i = block * kBlock; i < std::min(codes.n, (block + 1) * kBlock); ++i) {
      const uint64_t* row = codes.row(i);
      for (int64_t w = 0; w < codes.n_words; ++w) {
        on_in_all[w] &= row[w];
        on_in_any[w] |= row[w];
      }
    }
  });
  std::vector<int64_t> varying;
  for (int64_t w = 0; w < codes.n_words; ++w) {
    uint64_t on_in_all = ~uint64_t(0), on_in_any = 0;
    for (int worker = 0; worker < team.size(); ++worker) {
      on_in_all &= all[worker][w];
      on_in_any |= any[worker][w];
    }
    for (int bit = 0; bit < 64; ++bit) {
      if ((on_in_any & ~on_in_all) >> bit & 1) varying.push_back(64 * w + bit);
    }
  }
  return varying;
}

Columns make_columns(const CodesView& codes, const std::vector<int64_t>& kept,
                     const std::vector<int64_t>* rows, ThreadTeam& team) {
  Columns out;
  out.n = rows != nullptr ? static_cast<int64_t>(rows->size()) : codes.n;
  out.n_bits = static_cast<int64_t>(kept.size());
  out.n_words = words_for(out.n_bits);
  out.stride = (out.n + 63) / 64 * 64;
  if (out.stride % 512 == 0) out.stride += 8;  // columns 4 KiB apart would share their cache sets
  out.words = Aligned<uint64_t>(out.n_words * out.stride);

  std::vector<uint64_t> masks(codes.n_words, 0);
  for (int64_t bit : kept) masks[bit / 64] |= uint64_t(1) << (bit % 64);
  const std::vector<Compressor> compress(masks.begin(), masks.end());

  team.run(n_blocks(out.n), [&](int64_t block, int) {
    const int64_t first = block * kBlock, count = std::min(kBlock, out.n - first);
    const uint64_t* from[kBlock];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = rows != nullptr ? (*rows)[first + i] : first + i;
      from[i] = row >= 0 ? codes.row(row) : nullptr;
    }
    int64_t at = 0;
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const Compressor& c = compress[w];
      if (c.count == 0) continue;
      uint64_t* low = out.words.data() + at / 64 * out.stride + first;
      const int shift = static_cast<int>(at % 64);
      const bool spills = shift + c.count > 64;
      for (int64_t i = 0; i < count; ++i) {
        const uint64_t bits = c(from[i] != nullptr ? from[i][w] : 0);
        low[i] |= bits << shift;
        if (spills) low[out.stride + i] |= bits >> (64 - shift);
      }
      at += c.count;
    }
  });
  return out;
}

void transpose_64(uint64_t* words) {
  // Swaps the off-diagonal quarters of ever smaller squares (Hacker's Delight, section 7-3).
  uint64_t mask = 0x00000000ffffffff;
  for (int half = 32; half != 0; half >>= 1, mask ^= mask << half) {
    for (int i = 0; i < 64; i = ((i | half) + 1) & ~half) {
      const uint64_t swap = ((words[i] >> half) ^ words[i | half]) & mask;
      words[i] ^= swap << half;
      words[i | half] ^= swap;
    }
  }
}

}  // namespace tfhash
