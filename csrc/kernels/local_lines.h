// Lines through a network whose steps act on a few pixels each, such as convolutions.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/dense_lines.h"

namespace tfhash {

enum class LocalKind : uint8_t { kWindows, kSum, kJoin, kActivation, kMaximum };

// A number for all units (size 1), for each channel, or for each unit; null where there is none.
struct LocalNumbers {
  const double* data = nullptr;
  int64_t size = 0;
};

// A step; what it makes is value `output`, n_pixels x n_channels numbers.
//
// kWindows: output pixel o takes pixels table[o * n_taps + tap] of its input, -1 for none, times
//   weights [n_taps * input channels, n_channels], or times channel_weights [n_taps, n_channels],
//   of which each is for one channel of the input, or as they are where there is neither (n_taps
//   is 1 then); then * scale + shift.
// kSum: its inputs times `signs`. kJoin: its inputs' channels one after another.
// kActivation: slopes[k] * z + offsets[k] where z lies above exactly k of the kinks.
// kMaximum: the largest of the pixels in the table, or of its inputs where there is no table; the
//   smallest for sign -1.
// An input whose pixels are not as many as the step expects is taken apart: one pixel into many.
struct LocalStep {
  LocalKind kind;
  std::vector<int64_t> inputs;
  int64_t output;
  int64_t n_pixels, n_channels;
  const int32_t* table = nullptr;
  int64_t n_taps = 0;
  int64_t n_inputs = 0;  // channels of the input
  const float* weights_f32 = nullptr;
  const double* weights_f64 = nullptr;
  const double* channel_weights = nullptr;
  LocalNumbers scale, shift;
  std::vector<double> signs;
  std::vector<LocalNumbers> kinks, slopes, offsets;
  int64_t layer = 0;        // of an activation's first kink
  int64_t first_state = 0;  // where the states of that layer begin
};

struct LocalLine {
  LineOutcome outcome = LineOutcome::kDone;
  std::vector<LineSwitch> switches;  // in no order
};

// The switches along n lines, from row 2 i of `ends` to row 2 i + 1, [2 n, numbers of value 0], of
// input_pixels pixels. `states`, [2 n, n_states], gets for each line the state of every unit in the
// first piece and in the last: whether it lies above its kink. A line for which more than
// most_bytes of values would be held at once is given up.
std::vector<LocalLine> local_lines(const std::vector<LocalStep>& steps, int64_t n_values,
                                   int64_t input_pixels, const double* ends, int64_t n,
                                   int64_t n_inputs, int64_t most_bytes, int64_t n_states,
                                   bool* states);

}  // namespace tfhash
