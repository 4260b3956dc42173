// Which units of a dense layer count in which block of a line's points.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/line_blocks.h"
#include "kernels/normed_layer.h"

namespace tfhash {

// How far a block's inputs are off the straight line between its two ends bounds, by the norm of a
// unit's weights, how far the unit is off one: so most units surely do not switch in a block.
class LineChoice {
 public:
  // Makes the rows of z, those of units that may switch in a block and, where something takes what
  // the layer gives, of those that may give something there.
  //
  // t: of all points. h: the layer's inputs. ends: pre-activations of all units at the ends of
  // blocks, [blocks + 1, units]. may_switch: of each row.
  void choose(const NormedLayer& layer, const double* t, const LineBlocks& h, const double* ends,
              bool is_taken, LineBlocks* z, std::vector<uint8_t>* may_switch);

 private:
  void choose_in_block(const NormedLayer& layer, const double* from, double off, double error,
                       bool is_taken, LineBlocks* z, std::vector<uint8_t>* may_switch);

  std::vector<double> least_;    // that a unit is away from 0 at both ends so as not to switch
  std::vector<uint64_t> signs_;  // above and below that, at the first end and at the last
};

}  // namespace tfhash
