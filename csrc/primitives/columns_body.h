// The functions of ColumnPrimitives: plain loops, which the compiler turns into the vector
// instructions of the target region that columns_<isa>.cpp includes this in, within an unnamed
// namespace and after all real headers.

void gather_bits(const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_words,
                 uint64_t* all, uint64_t* any) {
  int64_t i = 0;
  for (; i + 4 <= n_rows; i += 4) {
    const uint64_t* a = rows + i * stride;
    const uint64_t *b = a + stride, *c = b + stride, *d = c + stride;
    for (int64_t w = 0; w < n_words; ++w) {
      all[w] &= (a[w] & b[w]) & (c[w] & d[w]);
      any[w] |= (a[w] | b[w]) | (c[w] | d[w]);
    }
  }
  for (; i < n_rows; ++i) {
    const uint64_t* row = rows + i * stride;
    for (int64_t w = 0; w < n_words; ++w) {
      all[w] &= row[w];
      any[w] |= row[w];
    }
  }
}

template <int kStep>
inline uint64_t move_bits(uint64_t x, uint64_t moves) {
  const uint64_t moved = x & moves;
  return (x ^ moved) | (moved >> (1 << kStep));
}

void compress(const Compressor& compressor, uint64_t* words, int64_t n) {
  const uint64_t mask = compressor.mask;
  const uint64_t m0 = compressor.moves[0], m1 = compressor.moves[1], m2 = compressor.moves[2],
                 m3 = compressor.moves[3], m4 = compressor.moves[4], m5 = compressor.moves[5];
  for (int64_t i = 0; i < n; ++i) {
    uint64_t x = words[i] & mask;
    x = move_bits<0>(x, m0);
    x = move_bits<1>(x, m1);
    x = move_bits<2>(x, m2);
    x = move_bits<3>(x, m3);
    x = move_bits<4>(x, m4);
    words[i] = move_bits<5>(x, m5);
  }
}

// Words [word, n_words) of rows [row, n_rows).
inline void copy_words(const uint64_t* const* rows, int64_t row, int64_t n_rows, int64_t word,
                       int64_t n_words, uint64_t* out, int64_t stride) {
  for (int64_t i = row; i < n_rows; ++i) {
    for (int64_t w = word; w < n_words; ++w) out[w * stride + i] = rows[i][w];
  }
}

inline void copy(const uint64_t* const* rows, int64_t n_rows, int64_t n_words, uint64_t* out,
                 int64_t stride) {
  int64_t i = 0;
  for (; i + 8 <= n_rows; i += 8) {  // whole cache lines of `out`
    for (int64_t w = 0; w < n_words; ++w) {
      for (int r = 0; r < 8; ++r) out[w * stride + i + r] = rows[i + r][w];
    }
  }
  copy_words(rows, i, n_rows, 0, n_words, out, stride);
}

// Swaps the off-diagonal quarters of squares of 2 * kHalf rows (Hacker's Delight, section 7-3).
template <int kHalf>
inline void swap_quarters(uint64_t* words, uint64_t mask) {
  for (int first = 0; first < 64; first += 2 * kHalf) {
    for (int i = first; i < first + kHalf; ++i) {
      uint64_t* upper = words + 8 * i;
      uint64_t* lower = words + 8 * (i + kHalf);
      for (int t = 0; t < 8; ++t) {
        const uint64_t swap = ((upper[t] >> kHalf) ^ lower[t]) & mask;
        upper[t] ^= swap << kHalf;
        lower[t] ^= swap;
      }
    }
  }
}

void turn(uint64_t* words) {
  swap_quarters<32>(words, 0x00000000ffffffff);
  swap_quarters<16>(words, 0x0000ffff0000ffff);
  swap_quarters<8>(words, 0x00ff00ff00ff00ff);
  swap_quarters<4>(words, 0x0f0f0f0f0f0f0f0f);
  swap_quarters<2>(words, 0x3333333333333333);
  swap_quarters<1>(words, 0x5555555555555555);
}
