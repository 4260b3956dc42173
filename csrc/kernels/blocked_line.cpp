#include "kernels/blocked_line.h"

#include <algorithm>

#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {

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
  double* ends = ends_room_.of(padded(n_rows) * layer.n_units);
  ends_ = ends;
  // Few ends leave most lanes empty.
  if (next.by_unit.size() > 0 && n_rows > kDenseRows) {
    for (int64_t r = 0; r < n_rows; r += kDenseLanes) {
      multiply_ends(r, std::min(kDenseLanes, n_rows - r), ends + r * layer.n_units);
    }
    return;
  }
  double* inputs = inputs_.of(padded(n_rows) * layer.n_inputs);
  std::fill_n(inputs, padded(n_rows) * layer.n_inputs, 0.0);
  for (int64_t r = 0; r < n_rows; ++r) {
    const LineBlocks::End end = h_.end_of(r);
    double* at = inputs + r * layer.n_inputs;
    for (int64_t i = end.begin; i < end.end; ++i) at[h_.units[i]] = h_.row(i)[end.lane];
  }
  CheckNowAndThen check(kDenseRows * layer.n_units);
  for (int64_t r = 0; r < n_rows; r += kDenseRows) {
    check();
    const double* rows = inputs + r * layer.n_inputs;
    find_active(rows, layer.n_inputs, &active_);
    multiply(layer, rows, active_, 0, layer.n_units, ends + r * layer.n_units);
  }
  finish_rows(layer, n_rows, ends);
}

// Ends [first, first + n) of blocks, n <= kDenseLanes, side by side as the points of a block are.
void BlockedLine::multiply_ends(int64_t first, int64_t n, double* ends) {
  const int64_t n_inputs = layer_->layer.n_inputs, n_units = layer_->layer.n_units;
  row_of_.assign(n_inputs, -1);
  for (int64_t k = 0; k < n; ++k) {
    const LineBlocks::End end = h_.end_of(first + k);
    for (int64_t i = end.begin; i < end.end; ++i) row_of_[h_.units[i]] = 0;
  }
  active_.clear();
  for (int64_t i = 0; i < n_inputs; ++i) {
    if (row_of_[i] < 0) continue;
    row_of_[i] = int64_t(active_.size());
    active_.push_back(int32_t(i));
  }
  const auto n_active = int64_t(active_.size());
  double* inputs = inputs_.of(n_active * kDenseLanes);
  std::fill_n(inputs, n_active * kDenseLanes, 0.0);
  for (int64_t k = 0; k < n; ++k) {
    const LineBlocks::End end = h_.end_of(first + k);
    for (int64_t i = end.begin; i < end.end; ++i) {
      inputs[row_of_[h_.units[i]] * kDenseLanes + k] = h_.row(i)[end.lane];
    }
  }
  for (auto j = int32_t(all_units_.size()); j < n_units; ++j) all_units_.push_back(j);
  double* values = products_.of(n_units * kDenseLanes);
  layer_->multiply(inputs, active_.data(), n_active, all_units_.data(), n_units, n, values);
  for (int64_t j = 0; j < n_units; ++j) {
    for (int64_t k = 0; k < n; ++k) ends[k * n_units + j] = values[j * kDenseLanes + k];
  }
}

void BlockedLine::fill(bool is_taken) {
  choice_.choose(*layer_, t_.data(), h_, ends_, is_taken, &z_, &may_switch_);
  z_.values.of((z_.start.back() + 2) * kDenseLanes);  // lanes after the last are read, not used
  for (int64_t b = 0; b < z_.n_blocks(); ++b) multiply_block(b);
}

void BlockedLine::multiply_block(int64_t block) {
  const int64_t first = z_.start[block], n = z_.start[block + 1] - first;
  double* out = z_.row(first);
  const int32_t* units = z_.units.data() + first;
  if (z_.points_of(block) == 2) {  // both are known
    const int64_t n_units = layer_->layer.n_units;
    const double* ends = ends_ + block * n_units;
    for (int64_t i = 0; i < n; ++i) {
      std::fill_n(out + i * kDenseLanes, kDenseLanes, 0.0);
      out[i * kDenseLanes] = ends[units[i]];
      out[i * kDenseLanes + 1] = ends[n_units + units[i]];
    }
    return;
  }
  const int64_t row = h_.start[block];
  layer_->multiply(h_.row(row), h_.units.data() + row, h_.start[block + 1] - row, units, n,
                   z_.points_of(block), out);
}

void BlockedLine::find_events(std::vector<LineEvent>* events) {
  events->clear();
  for (int64_t b = 0; b < z_.n_blocks(); ++b) {
    check_interrupt();
    const auto n_before = int64_t(events->size());
    const int64_t first = z_.first_of(b);
    const int64_t n_pieces = z_.points_of(b) - 1;
    const int64_t begin = z_.start[b], n_rows = z_.start[b + 1] - begin;
    above_.resize(n_rows);
    primitives().dense.mark_lanes(z_.row(begin), n_rows, above_.data());
    const uint32_t pieces = (uint32_t(1) << n_pieces) - 1;
    for (int64_t r = begin; r < begin + n_rows; ++r) {
      uint32_t changes = (above_[r - begin] ^ above_[r - begin] >> 1) & pieces;
      if (!may_switch_[r] || changes == 0) continue;
      const double* z = z_.row(r);
      const int64_t unit = z_.units[r];
      const auto value = [&](int64_t point) {
        const int64_t p = point - first;
        return p >= 0 && p < kDenseLanes ? z[p] : z_.value(point, unit);
      };
      for (; changes != 0; changes &= changes - 1) {
        add_switch(value, first + lowest_bit(changes), z_.n_points, unit, events);
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
  const int64_t row = h_.start.back();
  int64_t i = z_.start[one], k = z_.start[other];
  const int64_t i_end = z_.start[one + 1], k_end = one == other ? k : z_.start[other + 1];
  const int64_t most = i_end - i + k_end - k;
  h_.units.resize(row + most);
  rows_before_.resize(most);
  rows_after_.resize(most);
  int32_t* units = h_.units.data() + row;
  int64_t n_rows = 0;
  for (; i < i_end && one == other; ++i, ++n_rows) {
    units[n_rows] = z_.units[i];
    rows_before_[n_rows] = z_.row(i);
    rows_after_[n_rows] = z_.row(i) + kDenseLanes - 1;
  }
  for (; i < i_end || k < k_end; ++n_rows) {
    const bool in_one = i < i_end && (k == k_end || z_.units[i] <= z_.units[k]);
    units[n_rows] = in_one ? z_.units[i] : z_.units[k];
    const bool in_other = k < k_end && z_.units[k] == units[n_rows];
    rows_before_[n_rows] = in_one ? z_.row(i++) : kOff;
    rows_after_[n_rows] = in_other ? z_.row(k++) : kOff;
  }
  const int64_t kept = primitives().dense.blend_lanes(rows_before_.data(), rows_after_.data(),
                                                      n_rows, from, weight, slope, h_.row(row),
                                                      units);
  h_.units.resize(row + kept);
  h_.start.push_back(row + kept);

  // What was blended is off by a rounding.
  row_of_.resize(layer_->layer.n_units);
  for (int64_t r = row; r < row + kept; ++r) row_of_[h_.units[r]] = r;
  const auto before = [](const LineEvent& event, int64_t point) { return event.piece < point; };
  auto event = std::lower_bound(events.begin(), events.end(), first, before);
  for (; event != events.end() && event->piece < first + n; ++event) {
    if (!event->inside) continue;
    const int64_t at = row_of_[event->unit];  // of another block where this one has no such row
    if (at >= row && at < row + kept && h_.units[at] == event->unit) {
      h_.row(at)[event->piece - first] = 0;
    }
  }
}

}  // namespace tfhash
