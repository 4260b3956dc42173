#include "kernels/local_lines.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "interrupt.h"
#include "kernels/bends.h"
#include "kernels/field.h"
#include "kernels/lines.h"
#include "kernels/windows.h"
#include "parallel.h"

namespace tfhash {
namespace {

// Carries one line through the steps.
class Line {
 public:
  Line(const std::vector<LocalStep>& steps, int64_t n_values, int64_t most_bytes, Work* work,
       bool* first_states, bool* last_states, LocalLine* found)
      : steps_(steps), fields_(n_values), most_bytes_(most_bytes), work_(work),
        states_{first_states, last_states}, found_(found), last_use_(n_values, -1) {
    for (size_t i = 0; i < steps.size(); ++i) {
      for (const int64_t input : steps[i].inputs) last_use_[input] = int64_t(i);
    }
  }

  void run(int64_t n_pixels, const double* ends, int64_t n_inputs) {
    start(n_pixels, ends, n_inputs);
    for (size_t i = 0; i < steps_.size() && found_->outcome == LineOutcome::kDone; ++i) {
      carry_out(steps_[i], i + 1 == steps_.size());
      for (const int64_t input : steps_[i].inputs) {
        if (last_use_[input] == int64_t(i)) fields_[input] = Field();
      }
    }
  }

 private:
  void start(int64_t n_pixels, const double* ends, int64_t n_inputs) {
    Field& input = fields_[0];
    const int64_t n_channels = n_inputs / n_pixels;
    input.n_channels = n_channels;
    input.first.resize(n_pixels + 1);
    for (int64_t p = 0; p <= n_pixels; ++p) input.first[p] = 2 * p;
    input.t.resize(2 * n_pixels);
    input.rows.reset(new double[2 * n_inputs]);
    for (int64_t p = 0; p < n_pixels; ++p) {
      for (int64_t end = 0; end < 2; ++end) {
        input.t[2 * p + end] = double(end);
        std::copy_n(ends + end * n_inputs + p * n_channels, n_channels,
                    input.rows.get() + (2 * p + end) * n_channels);
      }
    }
  }

  void carry_out(const LocalStep& step, bool is_last) {
    std::vector<const Field*> inputs;
    for (const int64_t input : step.inputs) inputs.push_back(&fields_[input]);
    int64_t left = most_bytes_;
    for (const Field& field : fields_) left -= field.first.empty() ? 0 : field.bytes();
    Field* made = &fields_[step.output];
    switch (step.kind) {
      case LocalKind::kWindows:
        settle(windows(step, *inputs[0], left, work_, made));
        break;
      case LocalKind::kSum:
      case LocalKind::kJoin:
        settle(combined(step, inputs, left, work_, made));
        break;
      case LocalKind::kActivation:
        settle(bent(step, *inputs[0], is_last, left, work_, bends_of(step), made));
        break;
      case LocalKind::kMaximum:
        settle(largest(step, inputs, left, work_, made));
        break;
    }
  }

  Bends bends_of(const LocalStep& step) {
    return {&found_->switches, states_[0] + step.first_state, states_[1] + step.first_state};
  }

  void settle(LineOutcome outcome) { found_->outcome = outcome; }

  const std::vector<LocalStep>& steps_;
  std::vector<Field> fields_;
  const int64_t most_bytes_;
  Work* const work_;
  bool* const states_[2];
  LocalLine* const found_;
  std::vector<int64_t> last_use_;
};

}  // namespace

std::vector<LocalLine> local_lines(const std::vector<LocalStep>& steps, int64_t n_values,
                                   int64_t input_pixels, const double* ends, int64_t n,
                                   int64_t n_inputs, int64_t most_bytes, int64_t n_states,
                                   bool* states) {
  std::vector<LocalLine> lines(n);
  const auto run = [&](int64_t i, int64_t bytes, Work* work) {
    Line line(steps, n_values, bytes, work, states + 2 * i * n_states,
              states + (2 * i + 1) * n_states, &lines[i]);
    line.run(input_pixels, ends + 2 * i * n_inputs, n_inputs);
  };
  ThreadTeam team(INT64_MAX);
  // Threads share a line where there are few, and its memory is the line's; else each has its own.
  if (n < 2 * team.size()) {
    Work work(&team);
    for (int64_t i = 0; i < n; ++i) run(i, most_bytes, &work);
  } else {
    std::vector<Work> alone(team.size());
    team.run(n, [&](int64_t i, int worker) {
      run(i, most_bytes / team.size(), &alone[worker]);
    });
  }
  return lines;
}

}  // namespace tfhash
