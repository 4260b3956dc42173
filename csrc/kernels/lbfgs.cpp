#include "kernels/lbfgs.h"

#include <algorithm>
#include <cmath>

namespace tfhash {
namespace {

// Eight sums side by side, added up in the end: the compiler may use vectors, the order is fixed.
double dot(const double* a, const double* b, int64_t n) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) sums[j] += a[i + j] * b[i + j];
  }
  for (; i < n; ++i) sums[0] += a[i] * b[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

void add(double scale, const double* from, int64_t n, double* to) {
  for (int64_t i = 0; i < n; ++i) to[i] += scale * from[i];
}

}  // namespace

Lbfgs::Lbfgs(int64_t n)
    : n_(n),
      x_(n, 0),
      gradient_(n),
      direction_(n),
      trial_(n, 0),
      steps_(kMemory * n),
      changes_(kMemory * n) {}

bool Lbfgs::advance(const double* gradient) {
  if (!started_) {
    started_ = true;
    std::copy_n(gradient, n_, gradient_.data());
    turn();
    return slope_ < 0;
  }
  const double slope = dot(gradient, direction_.data(), n_);
  const bool too_short = slope < 0.9 * slope_, too_long = slope > -0.5 * slope_;
  if (too_short || too_long) {
    if (++trials_ == kMaxTrials) return false;
    if (too_long) {
      bracketed_ = true;
      high_ = length_;
      high_slope_ = slope;
    }
    if (too_short) {
      // Where the slope would reach 0 if it went on rising as it did.
      const double rise = slope - low_slope_;
      const double ahead = rise > 0 ? -slope * (length_ - low_) / rise : 9 * length_;
      low_ = length_;
      low_slope_ = slope;
      length_ += std::min(9 * length_, std::max(0.5 * length_, ahead));
    }
    if (bracketed_) {
      const double share = -low_slope_ / (high_slope_ - low_slope_);
      length_ = low_ + (high_ - low_) * std::min(0.9, std::max(0.1, share));
    }
    place();
    return true;
  }

  double* step = steps_.data() + next_ * n_;
  double* change = changes_.data() + next_ * n_;
  for (int64_t i = 0; i < n_; ++i) {
    step[i] = trial_[i] - x_[i];
    change[i] = gradient[i] - gradient_[i];
  }
  x_ = trial_;
  std::copy_n(gradient, n_, gradient_.data());
  ++n_iter_;
  products_[next_] = dot(step, change, n_);
  if (products_[next_] > 0) {
    next_ = (next_ + 1) % kMemory;
    remembered_ = std::min(remembered_ + 1, kMemory);
  }
  turn();
  return slope_ < 0;
}

void Lbfgs::turn() {
  double* d = direction_.data();
  for (int64_t i = 0; i < n_; ++i) d[i] = -gradient_[i];
  double shares[kMemory];
  for (int back = 1; back <= remembered_; ++back) {
    const int m = (next_ - back + kMemory) % kMemory;
    shares[m] = dot(steps_.data() + m * n_, d, n_) / products_[m];
    add(-shares[m], changes_.data() + m * n_, n_, d);
  }
  if (remembered_ > 0) {
    const int m = (next_ - 1 + kMemory) % kMemory;
    const double* change = changes_.data() + m * n_;
    const double scale = products_[m] / dot(change, change, n_);
    for (int64_t i = 0; i < n_; ++i) d[i] *= scale;
  }
  for (int back = remembered_; back >= 1; --back) {
    const int m = (next_ - back + kMemory) % kMemory;
    const double share = dot(changes_.data() + m * n_, d, n_) / products_[m];
    add(shares[m] - share, steps_.data() + m * n_, n_, d);
  }
  slope_ = dot(gradient_.data(), d, n_);
  low_ = 0;
  low_slope_ = slope_;
  bracketed_ = false;
  trials_ = 0;
  length_ = 1;
  if (remembered_ == 0) length_ = std::min(1.0, 1 / std::sqrt(-slope_));
  place();
}

void Lbfgs::place() {
  for (int64_t i = 0; i < n_; ++i) trial_[i] = x_[i] + length_ * direction_[i];
}

}  // namespace tfhash
