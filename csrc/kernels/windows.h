// The linear steps of a line through pixels.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "kernels/field.h"
#include "kernels/local_lines.h"
#include "parallel.h"

namespace tfhash {

// Who does the blocks of a step, and what each of them works in.
class Work {
 public:
  struct Room {
    std::vector<double> rows, products, points;
    std::vector<int32_t> active;
  };

  Work() : rooms_(1) {}  // the thread that asks
  explicit Work(ThreadTeam* team) : team_(team), rooms_(team->size()) {}

  // Calls body(block, room) once for each block.
  void run(int64_t n_blocks, const std::function<void(int64_t, Room*)>& body);

 private:
  ThreadTeam* team_ = nullptr;
  std::vector<Room> rooms_;
};

constexpr int64_t kPixels = 64;  // in a block

// Makes room for a field of step.n_pixels x step.n_channels. points(pixel, block, list) gives the
// points of a pixel in order, ends included; those of a block are asked in order. False, and no
// field, where it takes more than most_bytes.
bool lay_out(const LocalStep& step, int64_t most_bytes, Work* work,
             const std::function<void(int64_t, int64_t, std::vector<double>*)>& points,
             Field* made);

// The values of one pixel of an input: of a field with as many channels as are expected, or with
// one pixel that holds those of all.
struct Source {
  const Field* field;
  int64_t n_channels;

  bool is_whole() const { return field->n_channels == n_channels; }
  void add_inner(int64_t p, std::vector<double>* points) const {
    field->add_inner(is_whole() ? p : 0, points);
  }
  void at(int64_t p, double t, double* out) const {
    field->at(is_whole() ? p : 0, t, is_whole() ? 0 : p * n_channels, n_channels, out);
  }
};

LineOutcome windows(const LocalStep& step, const Field& input, int64_t most_bytes, Work* work,
                    Field* made);

// Sums and joins.
LineOutcome combined(const LocalStep& step, const std::vector<const Field*>& inputs,
                     int64_t most_bytes, Work* work, Field* made);

}  // namespace tfhash
