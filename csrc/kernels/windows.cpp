#include "kernels/windows.h"

#include <algorithm>

#include "interrupt.h"
#include "kernels/dense_stack.h"

namespace tfhash {
namespace {

constexpr int64_t kWork = 1 << 18;  // multiplications in a block of rows

// Calls body(first, last, room) for blocks of rows, of about `work` multiplications each.
void for_rows(const Field& field, int64_t work_per_row, Work* work,
              const std::function<void(int64_t, int64_t, Work::Room*)>& body) {
  const int64_t share = kWork / std::max<int64_t>(1, work_per_row);
  const int64_t size = padded(std::min<int64_t>(4096, std::max<int64_t>(kDenseRows, share)));
  const int64_t n = field.n_rows();
  work->run((n + size - 1) / size, [&](int64_t block, Work::Room* room) {
    body(block * size, std::min(n, (block + 1) * size), room);
  });
}

int64_t pixel_of(const Field& field, int64_t row) {
  return std::upper_bound(field.first.begin(), field.first.end(), row) - field.first.begin() - 1;
}

// z * scale + shift of a pixel's channels.
void finish(const LocalStep& step, int64_t pixel, double* z) {
  const auto of = [&](const LocalNumbers& numbers) {
    return numbers.data + (numbers.size == step.n_channels ? 0 : pixel * step.n_channels);
  };
  if (step.scale.data != nullptr) {
    const double* scale = of(step.scale);
    for (int64_t c = 0; c < step.n_channels; ++c) z[c] *= scale[c];
  }
  if (step.shift.data != nullptr) {
    const double* shift = of(step.shift);
    for (int64_t c = 0; c < step.n_channels; ++c) z[c] += shift[c];
  }
}

// Products of kDenseRows rows, with a look at Ctrl-C now and then.
void multiply_checking(const DenseLayer& layer, const double* rows,
                       const std::vector<int32_t>& active, double* out) {
  const int64_t columns = std::max<int64_t>(1, (int64_t(1) << 22) / (layer.n_inputs + 1));
  const int64_t step = (columns + kDenseColumns - 1) / kDenseColumns * kDenseColumns;
  for (int64_t c = 0; c < layer.n_units; c += step) {
    check_interrupt();
    multiply(layer, rows, active, c, std::min(layer.n_units, c + step), out);
  }
}

void gather(const LocalStep& step, const Source& source, int64_t pixel, double t, double* row) {
  const int32_t* taps = step.table + pixel * step.n_taps;
  for (int64_t k = 0; k < step.n_taps; ++k, row += source.n_channels) {
    if (taps[k] < 0) {
      std::fill_n(row, source.n_channels, 0.0);
    } else {
      source.at(taps[k], t, row);
    }
  }
}

}  // namespace

void Work::run(int64_t n_blocks, const std::function<void(int64_t, Room*)>& body) {
  if (team_ != nullptr && n_blocks > 1) {
    team_->run(n_blocks, [&](int64_t block, int worker) { body(block, &rooms_[worker]); });
    return;
  }
  for (int64_t block = 0; block < n_blocks; ++block) {
    check_interrupt();
    body(block, &rooms_[0]);
  }
}

bool lay_out(const LocalStep& step, int64_t most_bytes, Work* work,
             const std::function<void(int64_t, int64_t, std::vector<double>*)>& points,
             Field* made) {
  const int64_t n = step.n_pixels, n_blocks = (n + kPixels - 1) / kPixels;
  made->n_channels = step.n_channels;
  made->first.assign(n + 1, 0);
  std::vector<std::vector<double>> found(n_blocks);
  work->run(n_blocks, [&](int64_t block, Work::Room* room) {
    for (int64_t p = block * kPixels; p < std::min(n, (block + 1) * kPixels); ++p) {
      room->points.clear();
      points(p, block, &room->points);
      found[block].insert(found[block].end(), room->points.begin(), room->points.end());
      made->first[p + 1] = int64_t(room->points.size());
    }
  });
  for (int64_t p = 0; p < n; ++p) made->first[p + 1] += made->first[p];
  if (made->first[n] > most_bytes / (8 * (step.n_channels + 1))) {
    *made = Field();
    return false;
  }
  made->t.reserve(made->first[n]);
  for (auto& part : found) {
    made->t.insert(made->t.end(), part.begin(), part.end());
    part = {};
  }
  made->rows.reset(new double[made->first[n] * step.n_channels]);
  return true;
}

LineOutcome windows(const LocalStep& step, const Field& input, int64_t most_bytes, Work* work,
                    Field* made) {
  const bool has_products = step.weights_f32 != nullptr || step.weights_f64 != nullptr;
  const int64_t n_out = step.n_channels, n_in = step.n_inputs * step.n_taps;
  const Source source{&input, step.n_inputs};
  const auto points = [&](int64_t pixel, int64_t, std::vector<double>* list) {
    const int32_t* taps = step.table + pixel * step.n_taps;
    for (int64_t k = 0; k < step.n_taps; ++k) {
      if (taps[k] >= 0) source.add_inner(taps[k], list);
    }
    order_points(list);
  };
  if (!lay_out(step, most_bytes, work, points, made)) return LineOutcome::kTooManyPoints;
  const DenseLayer layer{step.weights_f32, step.weights_f64, n_in, n_out, nullptr, nullptr, 0};
  const int64_t multiplicity = has_products ? 1 : std::max<int64_t>(1, n_out / step.n_inputs);
  const auto fill = [&](int64_t first, int64_t last, Work::Room* room) {
    room->rows.resize(kDenseRows * n_in);
    room->products.resize(kDenseRows * n_out);
    double* const rows = room->rows.data();
    CheckNowAndThen check(kDenseRows * (n_in * (has_products ? n_out / 4 : 1) + n_in));
    int64_t pixel = pixel_of(*made, first), gathered = pixel;
    for (int64_t r = first; r < last; r += kDenseRows) {
      check();
      const int64_t n = std::min(kDenseRows, last - r);
      for (int64_t i = 0; i < n; ++i) {
        while (r + i >= made->first[gathered + 1]) ++gathered;
        gather(step, source, gathered, made->t[r + i], rows + i * n_in);
      }
      double* const out = made->rows.get() + r * n_out;
      if (has_products) {
        std::fill(rows + n * n_in, rows + kDenseRows * n_in, 0.0);
        find_active(rows, n_in, &room->active);
        double* const products = n == kDenseRows ? out : room->products.data();
        multiply_checking(layer, rows, room->active, products);
        if (products != out) std::copy_n(products, n * n_out, out);
      } else if (step.channel_weights != nullptr) {
        std::fill_n(out, n * n_out, 0.0);
        for (int64_t i = 0; i < n; ++i) {
          for (int64_t k = 0; k < step.n_taps; ++k) {
            const double* from = rows + i * n_in + k * step.n_inputs;
            const double* weights = step.channel_weights + k * n_out;
            for (int64_t c = 0; c < n_out; ++c) {
              out[i * n_out + c] += from[c / multiplicity] * weights[c];
            }
          }
        }
      } else {
        std::copy_n(rows, n * n_out, out);
      }
      for (int64_t i = 0; i < n; ++i) {
        while (r + i >= made->first[pixel + 1]) ++pixel;
        finish(step, pixel, out + i * n_out);
      }
    }
  };
  for_rows(*made, n_in * (has_products ? n_out : 8), work, fill);
  return LineOutcome::kDone;
}

LineOutcome combined(const LocalStep& step, const std::vector<const Field*>& inputs,
                     int64_t most_bytes, Work* work, Field* made) {
  const bool is_sum = step.kind == LocalKind::kSum;
  std::vector<Source> sources;
  for (const Field* input : inputs) {
    sources.push_back({input, is_sum ? step.n_channels : input->n_channels});
  }
  const auto points = [&](int64_t pixel, int64_t, std::vector<double>* list) {
    for (const Source& source : sources) source.add_inner(pixel, list);
    order_points(list);
  };
  if (!lay_out(step, most_bytes, work, points, made)) return LineOutcome::kTooManyPoints;
  const auto fill = [&](int64_t first, int64_t last, Work::Room* room) {
    int64_t pixel = pixel_of(*made, first);
    room->rows.resize(step.n_channels);
    CheckNowAndThen check(8 + 2 * step.n_channels * int64_t(sources.size()));
    for (int64_t r = first; r < last; ++r) {
      check();
      while (r >= made->first[pixel + 1]) ++pixel;
      double* out = made->rows.get() + r * step.n_channels;
      for (size_t s = 0; s < sources.size(); ++s) {
        if (!is_sum) {
          sources[s].at(pixel, made->t[r], out);
          out += sources[s].n_channels;
          continue;
        }
        sources[s].at(pixel, made->t[r], room->rows.data());
        for (int64_t c = 0; c < step.n_channels; ++c) {
          const double part = step.signs[s] * room->rows[c];
          out[c] = s == 0 ? part : out[c] + part;
        }
      }
    }
  };
  for_rows(*made, 8 * step.n_channels, work, fill);
  return LineOutcome::kDone;
}

}  // namespace tfhash
