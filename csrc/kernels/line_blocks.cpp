#include "kernels/line_blocks.h"

#include <algorithm>
#include <cmath>

#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kColumnsAtOnce = 64;  // of a product, between two looks at whether it is to end
constexpr double kTiny = 1e-150;  // what is smaller may have a square of 0

template <class Weight>
void add_squares(const Weight* weights, int64_t n, double* sums) {
  for (int64_t j = 0; j < n; ++j) sums[j] += double(weights[j]) * double(weights[j]);
}

}  // namespace

int64_t LineBlocks::block_of(int64_t point) const {
  return std::min(point / (kDenseLanes - 1), n_blocks() - 1);
}

int64_t LineBlocks::points_of(int64_t block) const {
  return std::min(kDenseLanes, n_points - first_of(block));
}

int64_t LineBlocks::find(int64_t block, int64_t unit) const {
  const auto begin = units.begin() + start[block], end = units.begin() + start[block + 1];
  const auto at = std::lower_bound(begin, end, unit);
  return at != end && *at == unit ? at - units.begin() : -1;
}

double LineBlocks::value(int64_t point, int64_t unit) const {
  const int64_t block = block_of(point);
  const int64_t at = find(block, unit);
  return at >= 0 ? row(at)[point - first_of(block)] : 0;
}

NormedLayer::NormedLayer(const DenseLayer& given, bool is_first) : layer(given) {
  if (is_first) return;
  const int64_t n = layer.n_units;
  norms.resize(n);
  CheckNowAndThen check(n);
  for (int64_t i = 0; i < layer.n_inputs; ++i) {
    check();
    if (layer.weights_f32 != nullptr) {
      add_squares(layer.weights_f32 + i * n, n, norms.data());
    } else {
      add_squares(layer.weights_f64 + i * n, n, norms.data());
    }
  }
  for (int64_t j = 0; j < n; ++j) {
    norms[j] = 1.000001 * (std::sqrt(norms[j]) + kTiny);
    if (layer.scale != nullptr) norms[j] *= std::fabs(layer.scale[j]);
  }
}

void BlockedLine::begin(const NormedLayer& first, const double* ends) {
  layer_ = &first;
  t_ = {0.0, 1.0};
  z_.n_points = 2;
  ends_ = ends;
}

void BlockedLine::enter(const NormedLayer& next) {
  layer_ = &next;
  z_.n_points = h_.n_points;
  const DenseLayer& layer = next.layer;
  const int64_t n_rows = z_.n_blocks() + 1;
  double* inputs = inputs_.of(padded(n_rows) * layer.n_inputs);
  std::fill_n(inputs, padded(n_rows) * layer.n_inputs, 0.0);
  for (int64_t b = 0; b < h_.n_blocks(); ++b) {
    double* at = inputs + b * layer.n_inputs;
    for (int64_t r = h_.start[b]; r < h_.start[b + 1]; ++r) at[h_.units[r]] = h_.row(r)[0];
  }
  const int64_t b = h_.n_blocks() - 1, lane = h_.points_of(b) - 1;
  double* at = inputs + (b + 1) * layer.n_inputs;
  for (int64_t r = h_.start[b]; r < h_.start[b + 1]; ++r) at[h_.units[r]] = h_.row(r)[lane];

  double* ends = ends_room_.of(padded(n_rows) * layer.n_units);
  CheckNowAndThen check(kDenseRows * layer.n_units);
  for (int64_t r = 0; r < n_rows; r += kDenseRows) {
    check();
    const double* rows = inputs + r * layer.n_inputs;
    find_active(rows, layer.n_inputs, &active_);
    multiply(layer, rows, active_, 0, layer.n_units, ends + r * layer.n_units);
  }
  finish_rows(layer, n_rows, ends);
  ends_ = ends;
}

void BlockedLine::fill(bool is_taken) {
  const int64_t most = z_.n_blocks() * layer_->layer.n_units;
  z_.start.assign(1, 0);
  z_.units.resize(most);
  may_switch_.resize(most);
  for (int64_t b = 0; b < z_.n_blocks(); ++b) {
    check_interrupt();
    choose_units(b, is_taken);
  }
  z_.units.resize(z_.start.back());
  z_.values.of((z_.start.back() + 2) * kDenseLanes);  // lanes after the last are read, not used
  for (int64_t b = 0; b < z_.n_blocks(); ++b) multiply_block(b);
}

BlockedLine::Spread BlockedLine::spread(int64_t block) const {
  const int64_t first = h_.first_of(block), last = h_.points_of(block) - 1;
  const double length = t_[first + last] - t_[first];
  double share[kDenseLanes] = {}, off[kDenseLanes] = {}, begin_size = 0, end_size = 0;
  for (int64_t p = 1; p <= last && length > 0; ++p) share[p] = (t_[first + p] - t_[first]) / length;
  for (int64_t r = h_.start[block]; r < h_.start[block + 1]; ++r) {
    const double* h = h_.row(r);
    const double from = h[0], step = h[last] - from;
    begin_size += from * from;
    end_size += h[last] * h[last];
    for (int64_t p = 0; p < kDenseLanes; ++p) {
      const double apart = h[p] - (from + share[p] * step);
      off[p] += apart * apart;
    }
  }
  double farthest = 0;
  for (int64_t p = 0; p < last; ++p) {
    if (!(off[p] <= farthest)) farthest = off[p];  // NaN too: nothing is sure then
  }
  const double most = 1.000001 * (std::sqrt(farthest) + kTiny);
  return {most, most + 1.000001 * (std::sqrt(std::max(begin_size, end_size)) + kTiny)};
}

void BlockedLine::choose_units(int64_t block, bool is_taken) {
  const DenseLayer& layer = layer_->layer;
  const int64_t n = layer.n_units;
  const double *from = ends_ + block * n, *to = from + n;
  const bool gives_below = is_taken && layer.slope != 0;
  int64_t row = z_.start.back();
  const auto choose = [&](int64_t j, double least) {
    const bool is_on = from[j] > 0;
    const double nearest = std::min(std::fabs(from[j]), std::fabs(to[j]));
    const bool may_switch = is_on != (to[j] > 0) || !(nearest > least);
    z_.units[row] = int32_t(j);
    may_switch_[row] = may_switch;
    row += may_switch | gives_below | (is_taken & is_on);
  };
  if (z_.points_of(block) == 2) {
    for (int64_t j = 0; j < n; ++j) choose(j, 0);
  } else {
    // Values at the ends and between them are off by their roundings.
    const double error = double(layer.n_inputs + 8) * 0x1p-50;
    const Spread inputs = spread(block);
    const double by_norm = inputs.off + error * inputs.size;
    for (int64_t j = 0; j < n; ++j) {
      choose(j, by_norm * layer_->norms[j] + error * std::fabs(layer.shift[j]));
    }
  }
  z_.start.push_back(row);
}

void BlockedLine::multiply_block(int64_t block) {
  const DenseLayer& layer = layer_->layer;
  const int64_t first = z_.start[block], n = z_.start[block + 1] - first;
  double* out = z_.row(first);
  const int32_t* units = z_.units.data() + first;
  if (z_.points_of(block) == 2) {
    const double* ends = ends_ + block * layer.n_units;
    for (int64_t i = 0; i < n; ++i) {
      std::fill_n(out + i * kDenseLanes, kDenseLanes, 0.0);
      out[i * kDenseLanes] = ends[units[i]];
      out[i * kDenseLanes + 1] = ends[layer.n_units + units[i]];
    }
    return;
  }
  const auto& dense = primitives().dense;
  const int32_t* active = h_.units.data() + h_.start[block];
  const int64_t n_active = h_.start[block + 1] - h_.start[block];
  const double* inputs = h_.row(h_.start[block]);
  for (int64_t i = 0; i < n; i += kColumnsAtOnce) {
    check_interrupt();
    const int64_t some = std::min(kColumnsAtOnce, n - i);
    double* to = out + i * kDenseLanes;
    if (layer.weights_f32 != nullptr) {
      dense.multiply_lanes_f32(inputs, active, n_active, layer.weights_f32, layer.n_units,
                               units + i, some, to);
    } else {
      dense.multiply_lanes_f64(inputs, active, n_active, layer.weights_f64, layer.n_units,
                               units + i, some, to);
    }
  }
  for (int64_t i = 0; i < n; ++i, out += kDenseLanes) {
    const double scale = layer.scale != nullptr ? layer.scale[units[i]] : 1;
    const double shift = layer.shift[units[i]];
    for (int64_t p = 0; p < kDenseLanes; ++p) out[p] = out[p] * scale + shift;
  }
}

bool BlockedLine::begins_on(int64_t unit) const {
  return first()[unit] > 0 || (first()[unit] == 0 && z_.value(1, unit) > 0);
}

void BlockedLine::find_events(std::vector<LineEvent>* events) const {
  events->clear();
  for (int64_t b = 0; b < z_.n_blocks(); ++b) {
    check_interrupt();
    const auto n_before = int64_t(events->size());
    const int64_t first = z_.first_of(b);
    const int64_t n_pieces = z_.points_of(b) - 1;
    for (int64_t r = z_.start[b]; r < z_.start[b + 1]; ++r) {
      if (!may_switch_[r]) continue;
      const double* z = z_.row(r);
      uint64_t changes = 0;
      primitives().lines.mark_changes(z, z + 1, n_pieces, &changes);
      const int64_t unit = z_.units[r];
      const auto value = [&](int64_t point) {
        const int64_t p = point - first;
        return p >= 0 && p < kDenseLanes ? z[p] : z_.value(point, unit);
      };
      for (uint64_t bits = changes; bits != 0; bits &= bits - 1) {
        add_switch(value, first + lowest_bit(bits), z_.n_points, unit, events);
      }
    }
    sort_checking(events->begin() + n_before, events->end(), is_earlier);
  }
}

void BlockedLine::refine(bool is_taken, std::vector<LineEvent>* events) {
  put_points(events);
  if (!is_taken) return;
  h_.n_points = n_points();
  h_.start.assign(1, 0);
  h_.units.clear();
  // A block of points lies in two of the blocks before at most.
  int64_t n_rows = 0;
  for (int64_t b = 0; b < h_.n_blocks(); ++b) {
    const int64_t first = h_.first_of(b), last = first + h_.points_of(b) - 1;
    const int64_t one = z_.block_of(sources_[first].from);
    const int64_t other = z_.block_of(sources_[last].from);
    n_rows += z_.start[other + 1] - z_.start[one];
  }
  h_.values.of(n_rows * kDenseLanes);
  for (int64_t b = 0; b < h_.n_blocks(); ++b) {
    check_interrupt();
    blend_block(b, *events);
  }
}

void BlockedLine::put_points(std::vector<LineEvent>* events) {
  const int64_t n = n_points();
  new_t_.clear();
  sources_.clear();
  size_t e = 0;
  CheckNowAndThen check;
  for (int64_t p = 0; p < n; ++p) {
    const int64_t first = int64_t(new_t_.size());
    new_t_.push_back(t_[p]);
    sources_.push_back({p, 0.0});
    double before = -1;
    for (; e < events->size() && (*events)[e].piece == p; ++e) {
      check();
      LineEvent& event = (*events)[e];
      event.piece = first;
      if (!event.inside) continue;
      if (event.weight != before) {
        before = event.weight;
        const double t = t_[p] + before * (t_[p + 1] - t_[p]);
        new_t_.push_back(std::min(t, t_[p + 1]));
        sources_.push_back({p, before});
      }
      event.piece = int64_t(new_t_.size()) - 1;
    }
  }
  t_.swap(new_t_);
}

void BlockedLine::blend_block(int64_t block, const std::vector<LineEvent>& events) {
  const double slope = layer_->layer.slope;
  const int64_t first = h_.first_of(block), n = h_.points_of(block);
  const int64_t one = z_.block_of(sources_[first].from);
  const int64_t other = z_.block_of(sources_[first + n - 1].from);
  int64_t from[kDenseLanes];
  double weight[kDenseLanes];
  for (int64_t p = 0; p < kDenseLanes; ++p) {
    const Source& source = sources_[first + std::min(p, n - 1)];
    from[p] = source.from - z_.first_of(one);
    weight[p] = source.weight;
  }

  // Of a unit without a row in a block nothing is above 0 there, and 0 stands for that.
  static const double kOff[2 * kDenseLanes] = {};
  int64_t i = z_.start[one], k = z_.start[other], row = h_.start.back();
  const int64_t i_end = z_.start[one + 1], k_end = one == other ? k : z_.start[other + 1];
  while (i < i_end || k < k_end) {
    const bool in_one = i < i_end && (k == k_end || z_.units[i] <= z_.units[k]);
    const int32_t unit = in_one ? z_.units[i] : z_.units[k];
    const bool in_other = k < k_end && z_.units[k] == unit;
    const double* before = in_one ? z_.row(i++) : kOff;
    const double* after = in_other ? z_.row(k++) : one == other ? before + kDenseLanes - 1 : kOff;
    if (primitives().dense.blend_lanes(before, after, from, weight, slope, h_.row(row))) {
      h_.units.push_back(unit);
      ++row;
    }
  }
  h_.start.push_back(row);

  const auto before = [](const LineEvent& event, int64_t point) { return event.piece < point; };
  auto event = std::lower_bound(events.begin(), events.end(), first, before);
  for (; event != events.end() && event->piece < first + n; ++event) {
    const int64_t at = event->inside ? h_.find(block, event->unit) : -1;
    if (at >= 0) h_.row(at)[event->piece - first] = 0;  // what was blended is off by a rounding
  }
}

}  // namespace tfhash
