// Packing: matrices of activations or of 0/1 to codes, and copies of spans of bits.
#pragma once

#include "codes.h"

namespace tfhash {

// A row-major matrix whose rows are `stride` elements apart.
template <class T>
struct MatrixView {
  const T* data;
  int64_t n;
  int64_t n_columns;
  int64_t stride;

  const T* row(int64_t i) const { return data + i * stride; }
};

// The words of n codes, to be written.
struct MutableCodes {
  uint64_t* words;
  int64_t n;
  int64_t n_words;

  uint64_t* row(int64_t i) const { return words + i * n_words; }
};

// Writes bit j of row i of x (1 where > 0) to bit start + j of code i. The bits from start on must
// be 0 before. Throws std::invalid_argument naming the first NaN or infinity by row and column
// (row_base is added to the row); the codes are then partly written. Where another thread writes
// to x meanwhile, a bit and an error are those of a value that x has held.
void pack(const MatrixView<float>& x, const MutableCodes& out, int64_t start, int64_t row_base);
void pack(const MatrixView<double>& x, const MutableCodes& out, int64_t start, int64_t row_base);

// The same for bytes that are 0 or 1; throws naming the first that is neither.
void pack(const MatrixView<uint8_t>& x, const MutableCodes& out, int64_t start, int64_t row_base);

// Copies bits [from, from + n_bits) of each code to [to, to + n_bits) of out, where they are 0.
void copy_bits(const CodesView& codes, int64_t from, const MutableCodes& out, int64_t to,
               int64_t n_bits);

}  // namespace tfhash
