// Values at points of a line, in blocks of points.
#pragma once

#include <cstdint>
#include <vector>

#include "aligned.h"
#include "primitives/dense.h"

namespace tfhash {

// Room that grows; what is in it is lost then.
class Room {
 public:
  double* of(int64_t size) {
    if (size > room_.size()) room_ = Aligned<double>(size + size / 2);
    return room_.data();
  }
  double* data() { return room_.data(); }
  const double* data() const { return room_.data(); }

 private:
  Aligned<double> room_;
};

// Values at points of a line, of those units alone that count. Block b holds the points from
// b * (kDenseLanes - 1) on, kDenseLanes of them or as many as there are: two at least. So the last
// point of a block is the first of the next.
struct LineBlocks {
  int64_t n_points = 2;
  std::vector<int64_t> start;  // block -> its first row; one more than there are blocks
  std::vector<int32_t> units;  // row -> its unit, ascending within a block
  Room values;                 // [rows, kDenseLanes]

  // The rows that the first point of a block has, and its lane.
  struct End {
    int64_t begin, end, lane;
  };

  int64_t n_blocks() const { return (n_points + kDenseLanes - 3) / (kDenseLanes - 1); }
  int64_t block_of(int64_t point) const;
  int64_t first_of(int64_t block) const { return block * (kDenseLanes - 1); }
  int64_t points_of(int64_t block) const;
  double* row(int64_t i) { return values.data() + i * kDenseLanes; }
  const double* row(int64_t i) const { return values.data() + i * kDenseLanes; }
  // A unit's row in a block, or -1.
  int64_t find(int64_t block, int64_t unit) const;
  // 0 of a unit that has no row in the point's block.
  double value(int64_t point, int64_t unit) const;
  // The first point of a block; of the block after the last one, the last point of all.
  End end_of(int64_t block) const;
};

}  // namespace tfhash
