#include "kernels/class_rows.h"

#include <algorithm>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {

ClassRows::ClassRows(const CodesView& all, const std::vector<int64_t>& kept,
                     const int32_t* labels, int64_t n_classes, ThreadTeam& team)
    : starts(n_classes + 1, 0), sizes(n_classes, 0) {
  for (int64_t i = 0; i < all.n; ++i) ++sizes[labels[i]];
  for (int64_t a = 0; a < n_classes; ++a) starts[a + 1] = starts[a] + (sizes[a] + 63) / 64 * 64;
  std::vector<int64_t> rows(starts.back(), -1), next(starts.begin(), starts.end() - 1);
  for (int64_t i = 0; i < all.n; ++i) rows[next[labels[i]]++] = i;
  codes = make_columns(all, kept, &rows, team);
  n_terms = codes.n_bits + 1;
  features.resize(starts.back() / 64 * n_terms);
  on.resize(n_classes * codes.n_bits);
  team.run(n_classes, [&](int64_t a, int) {
    for (int64_t first = starts[a]; first < starts[a + 1]; first += 64) {
      check_interrupt();
      turn_block(a, first);
    }
  });
}

void ClassRows::turn_block(int64_t a, int64_t first) {
  uint64_t* out = features.data() + first / 64 * n_terms;
  for (int64_t w = 0; w < codes.n_words; w += kSquareWords) {
    const int64_t n_words = std::min(kSquareWords, codes.n_words - w);
    uint64_t squares[kSquareSize] = {};
    for (int64_t t = 0; t < n_words; ++t) {
      const uint64_t* column = codes.column(w + t) + first;
      for (int64_t i = 0; i < 64; ++i) squares[i * kSquareWords + t] = column[i];
    }
    primitives().columns.turn(squares);
    for (int64_t t = 0; t < n_words; ++t) {
      const int64_t n_bits = std::min<int64_t>(64, codes.n_bits - 64 * (w + t));
      for (int64_t b = 0; b < n_bits; ++b) out[64 * (w + t) + b] = squares[b * kSquareWords + t];
    }
  }
  for (int64_t b = 0; b < codes.n_bits; ++b) {
    uint64_t word = out[b];
    for (; word != 0; word &= word - 1) ++on[a * codes.n_bits + b];
  }
  const int64_t real = std::min<int64_t>(64, starts[a] + sizes[a] - first);
  out[codes.n_bits] = real == 64 ? ~uint64_t(0) : (uint64_t(1) << real) - 1;
}

}  // namespace tfhash
