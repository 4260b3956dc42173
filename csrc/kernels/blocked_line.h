// A line on its way through a stack of dense layers, in blocks of points.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/line_blocks.h"
#include "kernels/line_choice.h"
#include "kernels/lines.h"
#include "kernels/normed_layer.h"

namespace tfhash {

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
  void multiply_ends(int64_t first, int64_t n, double* ends);
  void multiply_block(int64_t block);
  void put_points(std::vector<LineEvent>* events);
  void blend_block(int64_t block, const std::vector<LineEvent>& events);

  const NormedLayer* layer_ = nullptr;  // whose pre-activations there are
  std::vector<double> t_, new_t_;       // of all points
  LineBlocks h_, z_;                    // what the layer before gave; pre-activations
  std::vector<uint8_t> may_switch_;     // row of z_
  const double* ends_ = nullptr;        // [blocks + 1, units]
  std::vector<Source> sources_;         // of the points after the layer
  LineChoice choice_;
  Room ends_room_, inputs_, products_;
  std::vector<int32_t> active_, all_units_;
  std::vector<uint32_t> above_;
  std::vector<int64_t> row_of_;  // unit -> a row of h_, or of inputs_
  std::vector<const double*> rows_before_, rows_after_;  // of a block that is blended
};

}  // namespace tfhash
