#include "kernels/pack.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.h"
#include "interrupt.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlockBytes = 1 << 18;  // of input: long enough to be worth a thread
constexpr int64_t kRowPart = 1 << 18;     // columns that are packed between two looks at Ctrl-C

// Ors n_bits bits of `from` (bit `skip` of its first word is the first) into `to` at bit `start`.
void or_bits(const uint64_t* from, int64_t skip, int64_t n_bits, uint64_t* to, int64_t start) {
  from += skip / 64;
  skip %= 64;
  const int64_t available = words_for(skip + n_bits);
  for (int64_t done = 0, word = 0; done < n_bits; done += 64, ++word) {
    uint64_t bits = from[word] >> skip;
    if (skip != 0 && word + 1 < available) bits |= from[word + 1] << (64 - skip);
    const int64_t count = std::min<int64_t>(64, n_bits - done);
    if (count < 64) bits &= (uint64_t(1) << count) - 1;
    const int64_t at = start + done, shift = at % 64;
    to[at / 64] |= bits << shift;
    if (shift != 0 && shift + count > 64) to[at / 64 + 1] |= bits >> (64 - shift);
  }
}

template <class T>
struct Packing;  // how a row is packed, and what is wrong with it when it is

template <>
struct Packing<float> {
  static bool row(const float* x, int64_t n, uint64_t* words) {
    return primitives().pack.pack_f32(x, n, words) < kNotFinite32;
  }
  static bool good(float x) { return std::isfinite(x); }
  static constexpr const char* expected = "finite activations";
};

template <>
struct Packing<double> {
  static bool row(const double* x, int64_t n, uint64_t* words) {
    return primitives().pack.pack_f64(x, n, words) < kNotFinite64;
  }
  static bool good(double x) { return std::isfinite(x); }
  static constexpr const char* expected = "finite activations";
};

template <>
struct Packing<uint8_t> {
  static bool row(const uint8_t* x, int64_t n, uint64_t* words) {
    return primitives().pack.pack_u8(x, n, words) <= 1;
  }
  static bool good(uint8_t x) { return x <= 1; }
  static constexpr const char* expected = "bits that are 0 or 1";
};

// A value that cannot be packed.
template <class T>
struct BadValue {
  int64_t row = -1, column = 0;
  T value{};
};

// Packs a row by parts. Of a part that holds a bad value, a copy is packed and searched: in the
// matrix itself the value may be another one by then.
template <class T>
BadValue<T> pack_row(const T* x, int64_t n, uint64_t* words) {
  for (int64_t first = 0; first < n; first += kRowPart) {
    const int64_t count = std::min(kRowPart, n - first);
    if (first > 0) check_interrupt();
    if (Packing<T>::row(x + first, count, words + first / 64)) continue;
    const std::vector<T> copy(x + first, x + first + count);
    if (Packing<T>::row(copy.data(), count, words + first / 64)) continue;
    const auto at = std::find_if_not(copy.begin(), copy.end(), Packing<T>::good);
    return {0, first + (at - copy.begin()), *at};
  }
  return {};
}

template <class T>
void pack_matrix(const MatrixView<T>& x, const MutableCodes& out, int64_t start, int64_t row_base) {
  if (x.n_columns == 0) return;
  const int64_t n_words = words_for(x.n_columns);
  // Straight into place where no other span shares the words written.
  const bool direct =
      start % 64 == 0 && (x.n_columns % 64 == 0 || start / 64 + n_words == out.n_words);
  const int64_t row_bytes = std::max<int64_t>(1, x.n_columns * int64_t(sizeof(T)));
  const int64_t rows = std::max<int64_t>(1, kBlockBytes / row_bytes);
  const int64_t n_blocks = (x.n + rows - 1) / rows;
  // The first bad value of each block: the error must not depend on which thread came first.
  std::vector<BadValue<T>> bad(n_blocks);
  parallel_for(n_blocks, [&](int64_t block, int) {
    std::vector<uint64_t> scratch(direct ? 0 : n_words);
    for (int64_t i = block * rows; i < std::min(x.n, (block + 1) * rows); ++i) {
      uint64_t* words = direct ? out.row(i) + start / 64 : scratch.data();
      bad[block] = pack_row(x.row(i), x.n_columns, words);
      if (bad[block].row >= 0) {
        bad[block].row = i;
        return;
      }
      if (!direct) or_bits(words, 0, x.n_columns, out.row(i), start);
    }
  });
  for (const BadValue<T>& found : bad) {
    expect(found.row < 0, "Expected ", Packing<T>::expected, ". Received: ", +found.value,
           " at row ", row_base + found.row, ", column ", found.column, ".");
  }
}

}  // namespace

void pack(const MatrixView<float>& x, const MutableCodes& out, int64_t start, int64_t row_base) {
  pack_matrix(x, out, start, row_base);
}

void pack(const MatrixView<double>& x, const MutableCodes& out, int64_t start, int64_t row_base) {
  pack_matrix(x, out, start, row_base);
}

void pack(const MatrixView<uint8_t>& x, const MutableCodes& out, int64_t start, int64_t row_base) {
  pack_matrix(x, out, start, row_base);
}

void copy_bits(const CodesView& codes, int64_t from, const MutableCodes& out, int64_t to,
               int64_t n_bits) {
  if (n_bits == 0) return;
  const int64_t rows = std::max<int64_t>(1, kBlockBytes / 8 / std::max<int64_t>(1, out.n_words));
  parallel_for((codes.n + rows - 1) / rows, [&](int64_t block, int) {
    for (int64_t i = block * rows; i < std::min(codes.n, (block + 1) * rows); ++i) {
      or_bits(codes.row(i), from, n_bits, out.row(i), to);
    }
  });
}

}  // namespace tfhash
