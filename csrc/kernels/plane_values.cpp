#include "kernels/plane_values.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>

#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kPointsPerTask = kDenseRows * kDenseLanes, kPolygonsPerTask = 64;
constexpr double kTiny = 1e-150;  // squares below its own may vanish

uint64_t bits_of(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

double weight_of(const DenseLayer& layer, int64_t input, int64_t unit) {
  const int64_t at = input * layer.n_units + unit;
  return layer.weights_f64 != nullptr ? layer.weights_f64[at] : layer.weights_f32[at];
}

// kDenseLanes points, or as many as there are, worked on by one thread.
class Block {
 public:
  Block(const PlaneLayer& layer, Patch* patch, double* z)
      : layer_(layer), given_(layer.units()), patch_(patch), z_(z),
        lanes_(layer.layer.n_inputs * kDenseLanes), values_(given_.n * kDenseLanes),
        active_(layer.layer.n_inputs), sure_(2 * patch->signs.n_words),
        signs_(2 * patch->signs.n_words * kDenseLanes) {}

  // Makes the signs of n points from `first` on and the values that may be needed; notes in
  // `missing` the units whose values are not made. `rows` has the inputs of kDenseLanes points,
  // `center` their mean, and `middle` the values there. False where some are not finite.
  bool fill(int64_t first, int64_t n, const double* rows, const double* center,
            const double* middle, uint64_t* missing) {
    first_ = first;
    n_ = n;
    const double radius = take_inputs(rows, center);
    nothing_ = 0;
    choose_units(radius, middle, missing);
    multiply();
    place_values();
    return nothing_ == 0;
  }

 private:
  // Puts the inputs side by side, those that are not 0 at all points; how far they are from the
  // center.
  double take_inputs(const double* rows, const double* center) {
    const int64_t n_in = layer_.layer.n_inputs;
    double off[kDenseLanes] = {}, farthest = 0;
    n_active_ = 0;
    for (int64_t i = 0; i < n_in; ++i) {
      double* lanes = lanes_.data() + n_active_ * kDenseLanes;
      uint64_t any = 0;
      for (int64_t p = 0; p < kDenseLanes; ++p) {
        lanes[p] = rows[p * n_in + i];
        any |= bits_of(lanes[p]);
      }
      if (any << 1 == 0) continue;  // but for the sign: -0 is 0
      for (int64_t p = 0; p < kDenseLanes; ++p) {
        const double apart = lanes[p] - center[i];
        off[p] += apart * apart;
      }
      active_[n_active_++] = int32_t(i);
    }
    for (int64_t p = 0; p < n_; ++p) {
      if (!(off[p] <= farthest)) farthest = off[p];  // NaN too: nothing is sure then
    }
    return 1.000001 * (std::sqrt(farthest) + kTiny);
  }

  // Each unit is surely above 0 at all points, surely below, or may be either.
  void choose_units(double radius, const double* middle, uint64_t* missing) {
    const int64_t n_words = patch_->signs.n_words;
    const double* sizes = patch_->sizes.data() + first_;
    const double size = *std::max_element(sizes, sizes + n_);
    // In tolerances, each of which is that of 64 numbers.
    const double roundings = 2 + double(layer_.layer.n_inputs) / 32;
    std::fill(sure_.begin(), sure_.end(), 0);
    columns_.clear();
    for (int64_t j = 0; j < given_.n; ++j) {
      const double most = layer_.norms[j] * radius + roundings * given_.tolerance(size, j);
      const bool is_on = middle[j] > most, is_off = middle[j] < -most;
      const bool is_taken = !layer_.is_last && (is_on || layer_.layer.slope != 0);
      nothing_ += middle[j] * 0;
      sure_[j / 64] |= uint64_t(is_on) << (j % 64);
      sure_[n_words + j / 64] |= uint64_t(is_off) << (j % 64);
      if ((is_on || is_off) && !is_taken) {
        missing[j / 64] |= uint64_t(1) << (j % 64);
      } else {
        columns_.push_back(int32_t(j));
      }
    }
  }

  void multiply() {
    multiply_lanes(layer_.layer, lanes_.data(), active_.data(), n_active_, columns_.data(),
                   int64_t(columns_.size()), n_, values_.data());
  }

  // Scales and shifts the products, and writes them to the patch with their signs.
  void place_values() {
    const DenseLayer& layer = layer_.layer;
    const int64_t n_words = patch_->signs.n_words;
    if (!layer_.is_last) {  // what is not made gives 0
      std::fill_n(z_ + first_ * given_.n, n_ * given_.n, -1.0);
    }
    for (size_t i = 0; i < sure_.size(); ++i) {
      std::fill_n(signs_.data() + i * kDenseLanes, kDenseLanes, sure_[i]);
    }
    double largest[kDenseLanes] = {}, sizes[kDenseLanes] = {}, nothing[kDenseLanes] = {};
    std::copy_n(patch_->sizes.data() + first_, n_, sizes);
    double* values = values_.data();
    for (const int32_t j : columns_) {
      const double scale = layer.scale == nullptr ? 1 : layer.scale[j], shift = layer.shift[j];
      for (int64_t p = 0; p < kDenseLanes; ++p) {
        values[p] = values[p] * scale + shift;
        largest[p] = std::max(largest[p], std::fabs(values[p]));
        nothing[p] += values[p] * 0;  // NaN from then on where it is not finite
      }
      for (int64_t p = 0; p < n_; ++p) z_[(first_ + p) * given_.n + j] = values[p];
      const uint64_t bit = uint64_t(1) << (j % 64);
      if (((sure_[j / 64] | sure_[n_words + j / 64]) & bit) == 0) {
        uint64_t* above = signs_.data() + j / 64 * kDenseLanes;
        uint64_t* below = above + n_words * kDenseLanes;
        for (int64_t p = 0; p < kDenseLanes; ++p) {
          const double within = given_.tolerance(sizes[p], j);
          above[p] |= values[p] > within ? bit : 0;
          below[p] |= values[p] < -within ? bit : 0;
        }
      }
      values += kDenseLanes;
    }
    for (int64_t p = 0; p < n_; ++p) {
      nothing_ += nothing[p];
      patch_->largest[first_ + p] = largest[p];
      for (int64_t word = 0; word < n_words; ++word) {
        const int64_t at = (first_ + p) * n_words + word;
        patch_->signs.above[at] = signs_[word * kDenseLanes + p];
        patch_->signs.below[at] = signs_[(n_words + word) * kDenseLanes + p];
      }
    }
  }

  const PlaneLayer& layer_;
  const PatchUnits given_;
  Patch* const patch_;
  double* const z_;
  int64_t first_ = 0, n_ = 0, n_active_ = 0;
  double nothing_ = 0;            // NaN where some number is not finite
  std::vector<double> lanes_;     // [active inputs, kDenseLanes]
  std::vector<double> values_;    // [columns, kDenseLanes]
  std::vector<int32_t> active_, columns_;
  std::vector<uint64_t> sure_;    // units that are above 0 at all points; units that are below
  std::vector<uint64_t> signs_;   // likewise of each point, [2, words, kDenseLanes]
};

// Finds the units that change sign in each polygon.
void find_crossed(ThreadTeam* team, Patch* patch) {
  const SignBits& signs = patch->signs;
  const int64_t n = patch->n_polygons(), n_words = signs.n_words;
  patch->above.resize(n * n_words);
  patch->crossed.resize(n * n_words);
  team->run((n + kPolygonsPerTask - 1) / kPolygonsPerTask, [&](int64_t task, int) {
    const int64_t first = task * kPolygonsPerTask;
    CheckNowAndThen check(8 * n_words);
    for (int64_t p = first; p < std::min(n, first + kPolygonsPerTask); ++p) {
      check();
      for (int64_t word = 0; word < n_words; ++word) {
        uint64_t above = 0, below = 0;
        for (int64_t slot = patch->offsets[p]; slot < patch->offsets[p + 1]; ++slot) {
          const int64_t at = patch->corners[slot] * n_words + word;
          above |= signs.above[at];
          below |= signs.below[at];
        }
        patch->above[p * n_words + word] = above;
        patch->crossed[p * n_words + word] = above & below;
      }
    }
  });
}

// Makes the values that were not, of units that change sign in a polygon, at its corners. False
// where some are not finite.
bool fill_missing(const PlaneLayer& given, const std::vector<uint64_t>& missing,
                  const MakeInputs& make, double* z, Patch* patch) {
  const DenseLayer& layer = given.layer;
  const int64_t n_words = patch->signs.n_words;
  std::vector<std::pair<int64_t, int64_t>> wanted;  // points and units
  CheckNowAndThen check(8 * n_words);
  for (int64_t p = 0; p < patch->n_polygons(); ++p) {
    check();
    if (!patch->is_crossed(p)) continue;
    for (int64_t slot = patch->offsets[p]; slot < patch->offsets[p + 1]; ++slot) {
      const int64_t v = patch->corners[slot];
      for (int64_t word = 0; word < n_words; ++word) {
        uint64_t bits = patch->crossed_by(p)[word] & missing[v / kDenseLanes * n_words + word];
        for (; bits != 0; bits &= bits - 1) wanted.push_back({v, 64 * word + lowest_bit(bits)});
      }
    }
  }
  sort_checking(wanted.begin(), wanted.end(), std::less<std::pair<int64_t, int64_t>>());
  std::vector<double> row(layer.n_inputs), room(layer.n_inputs);
  double nothing = 0;
  int64_t before = -1;
  CheckNowAndThen multiplying(layer.n_inputs);
  for (const auto& [v, unit] : wanted) {
    multiplying();
    if (v != before) make(v, row.data(), room.data());
    before = v;
    double sum = 0;
    for (int64_t i = 0; i < layer.n_inputs; ++i) sum += row[i] * weight_of(layer, i, unit);
    const double value = sum * (layer.scale == nullptr ? 1 : layer.scale[unit]) + layer.shift[unit];
    nothing += value * 0;
    z[v * layer.n_units + unit] = value;
    patch->largest[v] = std::max(patch->largest[v], std::fabs(value));
  }
  return nothing == 0;
}

}  // namespace

PlaneLayer::PlaneLayer(const DenseLayer& given, bool nothing_follows)
    : layer(given), is_last(nothing_follows), sums(given.n_units), norms(given.n_units) {
  CheckNowAndThen check(2 * given.n_units);
  for (int64_t i = 0; i < given.n_inputs; ++i) {
    check();
    for (int64_t j = 0; j < given.n_units; ++j) {
      const double weight = weight_of(given, i, j);
      sums[j] += std::fabs(weight);
      norms[j] += weight * weight;
    }
  }
  for (int64_t j = 0; j < given.n_units; ++j) {
    const double scale = given.scale == nullptr ? 1 : std::fabs(given.scale[j]);
    sums[j] *= scale;
    norms[j] = 1.000001 * (std::sqrt(norms[j]) + kTiny) * scale;
    gain += norms[j] * norms[j];
  }
  // Half of the units are on.
  gain = std::sqrt(gain / double(given.n_units) * (1 + given.slope * given.slope) / 2);
}

bool fill_patch(const PlaneLayer& given, const MakeInputs& make, std::vector<double>* room,
                ThreadTeam* team, Patch* patch) {
  const DenseLayer& layer = given.layer;
  const int64_t n = patch->n_points, n_in = layer.n_inputs, n_units = layer.n_units;
  const int64_t n_words = patch->signs.n_words;
  if (int64_t(room->size()) < n * n_units) room->resize((n + n / 4) * n_units);
  double* z = room->data();
  patch->z = z;
  std::vector<uint64_t> missing((n + kDenseLanes - 1) / kDenseLanes * n_words);
  std::atomic<bool> is_finite{true};
  struct Bench {
    Block block;
    std::vector<double> rows, spare, centers, middles;
    std::vector<int32_t> active;
  };
  const int64_t most = std::min(kPointsPerTask, (n + kDenseLanes - 1) / kDenseLanes * kDenseLanes);
  std::vector<Bench> benches(
      team->size(), {Block(given, patch, z), std::vector<double>(most * n_in),
                     std::vector<double>(n_in), std::vector<double>(kDenseRows * n_in),
                     std::vector<double>(kDenseRows * n_units), std::vector<int32_t>()});
  team->run((n + kPointsPerTask - 1) / kPointsPerTask, [&](int64_t task, int worker) {
    Bench& bench = benches[worker];
    CheckNowAndThen check(n_in * n_units);
    const int64_t first = task * kPointsPerTask, last = std::min(n, first + kPointsPerTask);
    std::fill(bench.centers.begin(), bench.centers.end(), 0.0);
    for (int64_t v = first; v < last; ++v) {
      const int64_t i = v - first;
      const double share = 1.0 / double(std::min(kDenseLanes, last - v + i % kDenseLanes));
      double* row = bench.rows.data() + i * n_in;
      make(v, row, bench.spare.data());
      double* center = bench.centers.data() + i / kDenseLanes * n_in;
      for (int64_t k = 0; k < n_in; ++k) center[k] += share * row[k];
    }
    std::fill(bench.rows.begin() + (last - first) * n_in, bench.rows.end(), 0.0);
    find_active(bench.centers.data(), n_in, &bench.active);
    multiply(layer, bench.centers.data(), bench.active, 0, n_units, bench.middles.data());
    finish_rows(layer, kDenseRows, bench.middles.data());
    for (int64_t v = first, b = 0; v < last; v += kDenseLanes, ++b) {
      check();
      if (!bench.block.fill(v, std::min(kDenseLanes, last - v),
                            bench.rows.data() + b * kDenseLanes * n_in,
                            bench.centers.data() + b * n_in, bench.middles.data() + b * n_units,
                            missing.data() + v / kDenseLanes * n_words)) {
        is_finite = false;
      }
    }
  });
  find_crossed(team, patch);
  return is_finite && fill_missing(given, missing, make, z, patch);
}

}  // namespace tfhash
