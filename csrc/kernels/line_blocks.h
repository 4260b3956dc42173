// A line on its way through a stack of dense layers, in blocks of points.
#pragma once

#include <cstdint>
#include <vector>

#include "aligned.h"
#include "kernels/dense_stack.h"
#include "kernels/lines.h"

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
};

// A layer and, unless it is the first, its weights unit by unit, where there are lines enough for
// that to pay, and what the L2 norms of its units'
// weights (times their scales) do not exceed: where inputs are off a straight line by d, a unit is
// off one by d times that.
struct NormedLayer {
  NormedLayer(const DenseLayer& given, bool is_first, bool has_many_lines);

  DenseLayer layer;
  Aligned<double> by_unit;  // [n_units, n_inputs], or empty
  std::vector<double> norms;
};

class BlockedLine {
 public:
  // Begins with the first layer's pre-activations at the two ends of the line.
  void begin(const NormedLayer& first, const double* ends);

  // Makes the pre-activations of the next layer, of all units at the ends of blocks.
  void enter(const NormedLayer& next);

  // Those of all units at the first point and at the last.
  const double* first() const { return ends_; }
  const double* last() const { return ends_ + z_.n_blocks() * layer_->layer.n_units; }

  // Makes them at all points of a block for the units that may switch in it and, where something
  // takes what the layer gives, those that may give something there.
  void fill(bool is_taken);

  // Whether a unit is on in the first piece.
  bool begins_on(int64_t unit) const {
    return first()[unit] > 0 || (first()[unit] == 0 && z_.value(1, unit) > 0);
  }

  // The switches, in order.
  void find_events(std::vector<LineEvent>* events);

  // Puts points where units pass 0 inside a piece, one for those that agree, and makes what the
  // layer gives at all points where something takes it. Events then tell the point in `piece`.
  void refine(bool is_taken, std::vector<LineEvent>* events);

  double t(int64_t point) const { return t_[point]; }
  int64_t n_points() const { return int64_t(t_.size()); }

 private:
  // A point is one of the points before where weight is 0, or lies at that share of the way from
  // it to the next.
  struct Source {
    int64_t from;
    double weight;
  };
  // How far a block's inputs are off the straight line between its ends, and how large they are.
  struct Spread {
    double off, size;
  };

  // The rows of h_ that the first point of block r has, or the last point of all, and its lane.
  struct End {
    int64_t begin, end, lane;
  };

  End end_of(int64_t r) const;
  void multiply_ends(int64_t first, int64_t n, double* ends);
  void multiply_units(const double* inputs, const int32_t* active, int64_t n_active,
                      const int32_t* units, int64_t n, int64_t n_points, double* out) const;
  Spread spread(int64_t block) const;
  void choose_units(int64_t block, bool is_taken);
  void multiply_block(int64_t block);
  void put_points(std::vector<LineEvent>* events);
  void blend_block(int64_t block, const std::vector<LineEvent>& events);

  const NormedLayer* layer_ = nullptr;  // whose pre-activations there are
  std::vector<double> t_, new_t_;       // of all points
  LineBlocks h_, z_;                    // what the layer before gave; pre-activations
  std::vector<uint8_t> may_switch_;     // row of z_
  const double* ends_ = nullptr;        // [blocks + 1, units]
  std::vector<Source> sources_;         // of the points after the layer
  Room ends_room_, inputs_, products_;
  std::vector<int32_t> active_, all_units_;
  std::vector<double> least_;
  std::vector<uint64_t> signs_;
  std::vector<uint32_t> above_;
  std::vector<int64_t> row_of_;  // unit -> a row of h_, or of inputs_
  std::vector<const double*> rows_before_, rows_after_;  // of a block that is blended
};

}  // namespace tfhash
