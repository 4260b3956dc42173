#include "kernels/columns.h"

#include <algorithm>

#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 512;  // rows: their words of one column are 4 KiB
constexpr int64_t kGatherWords = 512;  // of a row: what they have in common stays in an L1 cache

int64_t n_blocks(int64_t n) { return (n + kBlock - 1) / kBlock; }

}  // namespace

std::vector<int64_t> varying_bits(const CodesView& codes, ThreadTeam& team) {
  return varying_bits(std::vector<CodesView>{codes}, team);
}

std::vector<int64_t> varying_bits(const std::vector<CodesView>& parts, ThreadTeam& team) {
  const int64_t n_words = parts.front().n_words;
  // Bits on in all rows of a worker, and in any.
  std::vector<std::vector<uint64_t>> all(team.size()), any(team.size());
  for (int worker = 0; worker < team.size(); ++worker) {
    all[worker].assign(n_words, ~uint64_t(0));
    any[worker].assign(n_words, 0);
  }
  const auto gather_bits = primitives().columns.gather_bits;
  for (const CodesView& codes : parts) {
    team.run(n_blocks(codes.n), [&](int64_t block, int worker) {
      const int64_t first = block * kBlock, n_rows = std::min(kBlock, codes.n - first);
      for (int64_t w = 0; w < n_words; w += kGatherWords) {
        check_interrupt();
        gather_bits(codes.row(first) + w, n_words, n_rows, std::min(kGatherWords, n_words - w),
                    all[worker].data() + w, any[worker].data() + w);
      }
    });
  }
  std::vector<int64_t> varying;
  for (int64_t w = 0; w < n_words; ++w) {
    uint64_t on_in_all = ~uint64_t(0), on_in_any = 0;
    for (int worker = 0; worker < team.size(); ++worker) {
      on_in_all &= all[worker][w];
      on_in_any |= any[worker][w];
    }
    uint64_t left = on_in_any & ~on_in_all;
    if (w == n_words - 1) left &= last_word_mask(parts.front().n_bits);
    for (; left != 0; left &= left - 1) {
      varying.push_back(64 * w + lowest_bit(left));
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
  const std::vector<Compressor> compressors(masks.begin(), masks.end());

  team.run(n_blocks(out.n), [&](int64_t block, int) {
    const int64_t first = block * kBlock, count = std::min(kBlock, out.n - first);
    const uint64_t* from[kBlock];
    uint64_t bits[kBlock];
    for (int64_t i = 0; i < count; ++i) {
      const int64_t row = rows != nullptr ? (*rows)[first + i] : first + i;
      from[i] = row >= 0 ? codes.row(row) : nullptr;
    }
    int64_t at = 0;
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const Compressor& c = compressors[w];
      if (c.count == 0) continue;
      if (w % 64 == 63) check_interrupt();
      for (int64_t i = 0; i < count; ++i) bits[i] = from[i] != nullptr ? from[i][w] : 0;
      primitives().columns.compress(c, bits, count);
      uint64_t* low = out.words.data() + at / 64 * out.stride + first;
      const int shift = static_cast<int>(at % 64);
      for (int64_t i = 0; i < count; ++i) low[i] |= bits[i] << shift;
      if (shift + c.count > 64) {
        for (int64_t i = 0; i < count; ++i) low[out.stride + i] |= bits[i] >> (64 - shift);
      }
      at += c.count;
    }
  });
  return out;
}

void keep_bits(const CodesView& codes, const std::vector<int64_t>& kept, uint64_t* out) {
  const int64_t n_words = words_for(int64_t(kept.size()));
  std::vector<uint64_t> masks(codes.n_words, 0);
  for (int64_t bit : kept) masks[bit / 64] |= uint64_t(1) << (bit % 64);
  const std::vector<Compressor> compressors(masks.begin(), masks.end());
  constexpr int64_t kRows = 16;  // of a task: a word of each is compressed by the same steps
  parallel_for((codes.n + kRows - 1) / kRows, [&](int64_t block, int) {
    const int64_t first = block * kRows, count = std::min(kRows, codes.n - first);
    std::fill_n(out + first * n_words, count * n_words, 0);
    uint64_t bits[kRows];
    int64_t at = 0;
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const Compressor& c = compressors[w];
      if (c.count == 0) continue;
      if (w % 4096 == 4095) check_interrupt();
      for (int64_t i = 0; i < count; ++i) bits[i] = codes.row(first + i)[w];
      primitives().columns.compress(c, bits, count);
      uint64_t* to = out + first * n_words + at / 64;
      const int shift = static_cast<int>(at % 64);
      for (int64_t i = 0; i < count; ++i, to += n_words) {
        to[0] |= bits[i] << shift;
        if (shift + c.count > 64) to[1] |= bits[i] >> (64 - shift);
      }
      at += c.count;
    }
  });
}

}  // namespace tfhash
