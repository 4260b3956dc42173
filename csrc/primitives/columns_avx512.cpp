#include "target.h"

#if TFHASH_X86

#include <immintrin.h>

#include "primitives/columns.h"

TFHASH_TARGET_BEGIN_AVX512

namespace tfhash {
namespace {

#include "primitives/columns_body.h"

// By squares of 8 words of 8 rows, exchanged in registers.
void copy_squares(const uint64_t* const* rows, int64_t n_rows, int64_t n_words, uint64_t* out,
                  int64_t stride) {
  const int64_t whole = n_words / 8 * 8;
  int64_t i = 0;
  for (; i + 8 <= n_rows; i += 8) {
    for (int64_t w = 0; w < whole; w += 8) {
      __m512i x[8], pairs[8];
      for (int r = 0; r < 8; ++r) x[r] = _mm512_loadu_si512(rows[i + r] + w);
      for (int r = 0; r < 8; r += 2) {
        pairs[r] = _mm512_unpacklo_epi64(x[r], x[r + 1]);
        pairs[r + 1] = _mm512_unpackhi_epi64(x[r], x[r + 1]);
      }
      for (int r = 0; r < 2; ++r) {
        // Quarters of 128 bits: those of words r, 2 + r, 4 + r and 6 + r.
        const __m512i a = _mm512_shuffle_i64x2(pairs[r], pairs[r + 2], 0x88);
        const __m512i b = _mm512_shuffle_i64x2(pairs[r + 4], pairs[r + 6], 0x88);
        const __m512i c = _mm512_shuffle_i64x2(pairs[r], pairs[r + 2], 0xdd);
        const __m512i d = _mm512_shuffle_i64x2(pairs[r + 4], pairs[r + 6], 0xdd);
        uint64_t* to = out + (w + r) * stride + i;
        _mm512_store_si512(to, _mm512_shuffle_i64x2(a, b, 0x88));
        _mm512_store_si512(to + 2 * stride, _mm512_shuffle_i64x2(c, d, 0x88));
        _mm512_store_si512(to + 4 * stride, _mm512_shuffle_i64x2(a, b, 0xdd));
        _mm512_store_si512(to + 6 * stride, _mm512_shuffle_i64x2(c, d, 0xdd));
      }
    }
  }
  copy_words(rows, 0, i, whole, n_words, out, stride);
  copy_words(rows, i, n_rows, 0, n_words, out, stride);
}

}  // namespace

void fill_columns_avx512(ColumnPrimitives& table) { table = {gather_bits, compress, copy_squares, turn}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
