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

void blend(const double* a, const double* b, double weight, int64_t n, double* out) {
  for (int64_t j = 0; j < n; ++j) out[j] = a[j] + weight * (b[j] - a[j]);
}

}  // namespace

void fill_lines_scalar(LinePrimitives& table) {
  table.mark_changes = mark_changes;
  table.blend = blend;
}

}  // namespace tfhash
