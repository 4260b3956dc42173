#include "kernels/lines.h"

#include <algorithm>

#include "bits.h"
#include "interrupt.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlockBytes = 1 << 17;

int64_t rows_per_block(int64_t n_columns) {
  return std::max<int64_t>(1, kBlockBytes / (8 * std::max<int64_t>(1, n_columns)));
}

}  // namespace

void find_line_events(const MatrixView<double>& z, int64_t from, int64_t to,
                      std::vector<LineEvent>* events) {
  const auto start = events->size();
  std::vector<uint64_t> changed(words_for(z.n_columns));
  CheckNowAndThen check(16 + z.n_columns);
  for (int64_t p = from; p < to; ++p) {
    check();
    primitives().lines.mark_changes(z.row(p), z.row(p + 1), z.n_columns, changed.data());
    for (int64_t w = 0; w < int64_t(changed.size()); ++w) {
      for (uint64_t bits = changed[w]; bits != 0; bits &= bits - 1) {
        const int64_t unit = 64 * w + lowest_bit(bits);
        add_switch([&](int64_t at) { return z.row(at)[unit]; }, p, z.n, unit, events);
      }
    }
  }
  sort_checking(events->begin() + start, events->end(), is_earlier);
}

std::vector<LineEvent> line_events(const MatrixView<double>& z) {
  const int64_t n_pieces = z.n - 1, rows = rows_per_block(z.n_columns);
  if (n_pieces < 1) return {};
  const int64_t n_blocks = (n_pieces + rows - 1) / rows;
  std::vector<std::vector<LineEvent>> found(n_blocks);
  parallel_for(n_blocks, [&](int64_t block, int) {
    find_line_events(z, block * rows, std::min(n_pieces, (block + 1) * rows), &found[block]);
  });
  std::vector<LineEvent> events;
  for (const auto& part : found) events.insert(events.end(), part.begin(), part.end());
  sort_checking(events.begin(), events.end(), is_earlier);
  return events;
}

void blend_rows(const MatrixView<double>& values, const int64_t* piece, const double* weight,
                int64_t n_new, double* out) {
  const int64_t rows = rows_per_block(values.n_columns), n_columns = values.n_columns;
  parallel_for((values.n + rows - 1) / rows, [&](int64_t block, int) {
    const int64_t first = block * rows, last = std::min(values.n, first + rows);
    int64_t i = std::lower_bound(piece, piece + n_new, first) - piece;
    CheckNowAndThen check(8 + n_columns);
    for (int64_t p = first; p < last; ++p) {
      check();
      std::copy_n(values.row(p), n_columns, out + (p + i) * n_columns);
      for (; i < n_new && piece[i] == p; ++i) {
        check();
        primitives().lines.blend(values.row(p), values.row(p + 1), weight[i], n_columns,
                                 out + (p + 1 + i) * n_columns);
      }
    }
  });
}

}  // namespace tfhash
