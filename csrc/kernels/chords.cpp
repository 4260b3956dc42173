#include "kernels/chords.h"

#include <algorithm>
#include <vector>

#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlockBytes = 1 << 18;  // of each array

bool scan(const float* z, const float* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  return primitives().chords.scan_f32(z, u, n, first_unit, ends);
}

bool scan(const double* z, const double* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  return primitives().chords.scan_f64(z, u, n, first_unit, ends);
}

template <class T>
int64_t reduce(const MatrixView<T>& z, const MatrixView<T>& u, int64_t layer, int64_t first_unit,
               const ChordsView& out) {
  const int64_t row_bytes = std::max<int64_t>(1, z.n_columns * int64_t(sizeof(T)));
  const int64_t rows = std::max<int64_t>(1, kBlockBytes / row_bytes);
  const int64_t n_blocks = (z.n + rows - 1) / rows;
  // The first bad row of each block: the error must not depend on which thread came first.
  std::vector<int64_t> bad(n_blocks, -1);
  parallel_for(n_blocks, [&](int64_t block, int) {
    for (int64_t i = block * rows; i < std::min(z.n, (block + 1) * rows); ++i) {
      ChordEnds ends{out.lower[i], out.upper[i], -1, -1};
      if (!scan(z.row(i), u.row(i), z.n_columns, first_unit, &ends)) {
        bad[block] = i;
        return;
      }
      if (ends.lower_unit >= 0) {
        out.lower[i] = ends.lower;
        out.lower_unit[2 * i] = layer;
        out.lower_unit[2 * i + 1] = ends.lower_unit;
      }
      if (ends.upper_unit >= 0) {
        out.upper[i] = ends.upper;
        out.upper_unit[2 * i] = layer;
        out.upper_unit[2 * i + 1] = ends.upper_unit;
      }
    }
  });
  for (int64_t i : bad) {
    if (i >= 0) return i;
  }
  return -1;
}

}  // namespace

int64_t reduce_chords(const MatrixView<float>& z, const MatrixView<float>& u, int64_t layer,
                      int64_t first_unit, const ChordsView& ends) {
  return reduce(z, u, layer, first_unit, ends);
}

int64_t reduce_chords(const MatrixView<double>& z, const MatrixView<double>& u, int64_t layer,
                      int64_t first_unit, const ChordsView& ends) {
  return reduce(z, u, layer, first_unit, ends);
}

}  // namespace tfhash
