// The inner loops of taking codes apart by bits (kernels/columns.h, kernels/tiles.h).
#pragma once

#include <cstdint>

namespace tfhash {

constexpr int64_t kSquareWords = 8;                      // 64 x 64 squares of bits, side by side
constexpr int64_t kSquareSize = 64 * kSquareWords;       // words of them

// How the bits of a word that a mask has are moved to its low end, in order: the parallel suffix
// method of Warren, Hacker's Delight, section 7-4, with the steps worked out once for a mask.
struct Compressor {
  uint64_t mask = 0;
  uint64_t moves[6] = {};
  int count = 0;

  Compressor() = default;
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
};

struct ColumnPrimitives {
  // all[w] &= and any[w] |= word w of each of n_rows rows, `stride` words apart.
  void (*gather_bits)(const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_words,
                      uint64_t* all, uint64_t* any);

  // words[i] gets its bits in the compressor's mask, at its low end.
  void (*compress)(const Compressor& compressor, uint64_t* words, int64_t n);

  // out[w * stride + i] = rows[i][w], for n_rows rows of n_words words; stride is a multiple of 8,
  // out 64-byte aligned.
  void (*copy)(const uint64_t* const* rows, int64_t n_rows, int64_t n_words, uint64_t* out,
               int64_t stride);

  // Turns 8 squares of bits, in place: bit k of words[8 i + t] changes places with bit i of
  // words[8 k + t], for i and k < 64, t < 8.
  void (*turn)(uint64_t* words);
};

void fill_columns_scalar(ColumnPrimitives& table);
void fill_columns_avx2(ColumnPrimitives& table);
void fill_columns_avx512(ColumnPrimitives& table);

}  // namespace tfhash
