#include <algorithm>

#include "primitives/lines.h"

namespace tfhash {
namespace {

void mark_changes(const double* a, const double* b, int64_t n, uint64_t* words) {
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t word = 0;
    for (int64_t i = 0; i < std::min<int64_t>(64, n - j); ++i) {
      word |= uint64_t((a[j + i] > 0) != (b[j + i] > 0)) << i;
    }
    words[j / 64] = word;
  }
}

void mark_signs(const double* z, const double* tolerance, int64_t n, uint64_t* above,
                uint64_t* below) {
  for (int64_t j = 0; j < n; j += 64) {
    uint64_t up = 0, down = 0;
    for (int64_t i = 0; i < std::min<int64_t>(64, n - j); ++i) {
      up |= uint64_t(z[j + i] > tolerance[j + i]) << i;
      down |= uint64_t(z[j + i] < -tolerance[j + i]) << i;
    }
    above[j / 64] = up;
    below[j / 64] = down;
  }
}

void blend(const double* a, const double* b, double weight, int64_t n, double* out) {
  for (int64_t j = 0; j < n; ++j) out[j] = a[j] + weight * (b[j] - a[j]);
}

}  // namespace

void fill_lines_scalar(LinePrimitives& table) {
  table.mark_changes = mark_changes;
  table.mark_signs = mark_signs;
  table.blend = blend;
}

}  // namespace tfhash
