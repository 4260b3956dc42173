#include "kernels/line_choice.h"

#include <algorithm>
#include <cmath>

#include "bits.h"
#include "codes.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr double kTiny = 1e-150;  // what is smaller may have a square of 0

// How far the inputs of a block are off the straight line, and how large they are.
struct Spread {
  double off, size;
};

Spread spread_of(const LineBlocks& h, const double* t, int64_t block) {
  const int64_t last = h.points_of(block) - 1, row = h.start[block];
  t += h.first_of(block);
  const double length = t[last] - t[0];
  double share[kDenseLanes] = {}, off[kDenseLanes] = {}, sizes[2] = {};
  for (int64_t p = 1; p <= last && length > 0; ++p) share[p] = (t[p] - t[0]) / length;
  primitives().dense.add_offsets(h.row(row), h.start[block + 1] - row, last, share, off, sizes);
  double farthest = 0;
  for (int64_t p = 0; p < last; ++p) {
    if (!(off[p] <= farthest)) farthest = off[p];  // NaN too: nothing is sure then
  }
  const double most = 1.000001 * (std::sqrt(farthest) + kTiny);
  return {most, most + 1.000001 * (std::sqrt(std::max(sizes[0], sizes[1])) + kTiny)};
}

}  // namespace

void LineChoice::choose(const NormedLayer& layer, const double* t, const LineBlocks& h,
                        const double* ends, bool is_taken, LineBlocks* z,
                        std::vector<uint8_t>* may_switch) {
  const int64_t n = layer.layer.n_units, most = z->n_blocks() * n;
  z->start.assign(1, 0);
  z->units.resize(most);
  may_switch->resize(most);
  for (int64_t b = 0; b < z->n_blocks(); ++b) {
    check_interrupt();
    double off = 0, error = 0;
    if (z->points_of(b) > 2) {
      // Values at the ends and between them are off by their roundings.
      error = double(layer.layer.n_inputs + 8) * 0x1p-50;
      const Spread inputs = spread_of(h, t, b);
      off = inputs.off + error * inputs.size;
    }
    choose_in_block(layer, ends + b * n, off, error, is_taken, z, may_switch);
  }
  z->units.resize(z->start.back());
}

// Adds the rows of the next block. Units are off a straight line by `off` times their norms, but
// for roundings of the shift, of which each is at most `error` of it.
void LineChoice::choose_in_block(const NormedLayer& layer, const double* from, double off,
                                 double error, bool is_taken, LineBlocks* z,
                                 std::vector<uint8_t>* may_switch) {
  const int64_t n = layer.layer.n_units, n_words = words_for(n);
  least_.assign(n, 0.0);
  if (error > 0) {
    const double *norms = layer.norms.data(), *shift = layer.layer.shift;
    for (int64_t j = 0; j < n; ++j) least_[j] = off * norms[j] + error * std::fabs(shift[j]);
  }
  signs_.resize(4 * n_words);
  uint64_t *above = signs_.data(), *below = above + n_words;
  uint64_t *above_after = below + n_words, *below_after = above_after + n_words;
  primitives().lines.mark_signs(from, least_.data(), n, above, below);
  primitives().lines.mark_signs(from + n, least_.data(), n, above_after, below_after);
  const uint64_t taken = is_taken ? ~uint64_t(0) : 0;
  const uint64_t taken_below = layer.layer.slope != 0 ? taken : 0;
  int64_t row = z->start.back();
  for (int64_t w = 0; w < n_words; ++w) {
    const uint64_t all = w + 1 < n_words ? ~uint64_t(0) : last_word_mask(n);
    const uint64_t on = above[w] & above_after[w], off_here = below[w] & below_after[w];
    const uint64_t may = all & ~(on | off_here);
    uint64_t bits = may | (on & taken) | (off_here & taken_below);
    for (; bits != 0; bits &= bits - 1, ++row) {
      const int bit = lowest_bit(bits);
      z->units[row] = int32_t(64 * w + bit);
      (*may_switch)[row] = uint8_t(may >> bit & 1);
    }
  }
  z->start.push_back(row);
}

}  // namespace tfhash
