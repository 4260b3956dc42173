#include "kernels/line_blocks.h"

#include <algorithm>

namespace tfhash {

int64_t LineBlocks::block_of(int64_t point) const {
  return std::min(point / (kDenseLanes - 1), n_blocks() - 1);
}

int64_t LineBlocks::points_of(int64_t block) const {
  return std::min(kDenseLanes, n_points - first_of(block));
}

int64_t LineBlocks::find(int64_t block, int64_t unit) const {
  const auto begin = units.begin() + start[block], end = units.begin() + start[block + 1];
  const auto at = std::lower_bound(begin, end, unit);
  return at != end && *at == unit ? at - units.begin() : -1;
}

double LineBlocks::value(int64_t point, int64_t unit) const {
  const int64_t block = block_of(point);
  const int64_t at = find(block, unit);
  return at >= 0 ? row(at)[point - first_of(block)] : 0;
}

LineBlocks::End LineBlocks::end_of(int64_t block) const {
  const bool is_last = block == n_blocks();
  if (is_last) --block;
  return {start[block], start[block + 1], is_last ? points_of(block) - 1 : 0};
}

}  // namespace tfhash
