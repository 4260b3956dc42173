// The steps at which a line through pixels bends.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/field.h"
#include "kernels/local_lines.h"
#include "kernels/windows.h"

namespace tfhash {

// Where a step notes its switches, and the states of its units in the first and the last piece.
struct Bends {
  std::vector<LineSwitch>* switches;
  bool *first_states, *last_states;
};

// What an activation function makes; after the last step nothing is made, and points are not held.
LineOutcome bent(const LocalStep& step, const Field& z, bool is_last, int64_t most_bytes,
                 Work* work, const Bends& bends, Field* made);

// What a maximum makes: it bends where another candidate becomes the largest, and notes nothing.
LineOutcome largest(const LocalStep& step, const std::vector<const Field*>& inputs,
                    int64_t most_bytes, Work* work, Field* made);

}  // namespace tfhash
