#include "kernels/subspace.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "interrupt.h"
#include "kernels/vectors.h"

namespace tfhash {
namespace {

constexpr int64_t kMost = 24;     // directions kept; then the older half goes
constexpr int64_t kBlock = 128;   // examples at a time: what is read of them stays in cache
constexpr int kMaxSteps = 100;    // of Newton's method in one round
constexpr int kMaxHalvings = 40;
constexpr double kEnough = 1e-8;  // of the new direction's slope may be left after a round
constexpr double kOffsetEnough = 1e-12;

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return tfhash::dot(a.data(), b.data(), int64_t(a.size()));
}

// exp(x) for x <= 0: 2^k * p(r), k = round(x / ln 2), r = x - k ln 2, p a Taylor polynomial. The
// library's may differ from processor to processor.
double exp_of(double x) {
  if (x < -700) return 0;
  constexpr double kLog2E = 1.4426950408889634, kLn2High = 6.93147180369123816490e-01,
                   kLn2Low = 1.90821492927058770002e-10, kRounder = 6755399441055744.0;
  const double k = (x * kLog2E + kRounder) - kRounder;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  double p = 1;
  for (int i = 13; i > 0; --i) p = 1 + p * r * (1.0 / i);
  const uint64_t power = uint64_t(int64_t(k) + 1023) << 52;
  double scale;
  std::memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}

}  // namespace

SubspaceNewton::SubspaceNewton(int64_t n_first, int64_t n_second, double penalty)
    : n_(n_first + n_second),
      n_first_(n_first),
      penalty_(penalty),
      point_{std::log(double(n_second) / double(n_first))},
      residuals_(n_),
      gradient_(n_) {
  minimize();
}

int64_t SubspaceNewton::bytes(int64_t n) { return 8 * n * (2 * kMost + 8); }

bool SubspaceNewton::add(std::vector<double> coefficients, std::vector<double> values) {
  Direction direction{std::move(coefficients), std::move(values)};
  const double squared = dot(direction.coefficients, direction.values);
  if (!(squared > 0)) return false;
  if (int64_t(basis_.size()) == kMost) thin_out();
  orthogonalize(direction);
  const double left = dot(direction.coefficients, direction.values);
  if (!(left > 1e-20 * squared)) return false;
  const double norm = 1 / std::sqrt(left);
  for (int64_t i = 0; i < n_; ++i) {
    direction.coefficients[i] *= norm;
    direction.values[i] *= norm;
  }
  basis_.push_back(std::move(direction));
  point_.insert(point_.end() - 1, 0.0);
  minimize();
  return true;
}

std::vector<double> SubspaceNewton::coefficients() const {
  std::vector<double> sum(n_, 0);
  for (size_t d = 0; d < basis_.size(); ++d) {
    tfhash::add(point_[d], basis_[d].coefficients.data(), n_, sum.data());
  }
  return sum;
}

// Twice: the first leaves rounding errors of what it takes away.
void SubspaceNewton::orthogonalize(Direction& direction) const {
  for (int time = 0; time < 2; ++time) {
    for (const Direction& other : basis_) {
      if (n_ > 1 << 16) check_interrupt();
      const double share = dot(other.coefficients, direction.values);
      tfhash::add(-share, other.coefficients.data(), n_, direction.coefficients.data());
      tfhash::add(-share, other.values.data(), n_, direction.values.data());
    }
  }
}

// The point itself takes the place of the older half of the directions.
void SubspaceNewton::thin_out() {
  const double offset = point_.back();
  Direction here{std::vector<double>(n_, 0), std::vector<double>(n_, 0)};
  double squared = 0;
  const int64_t gone = kMost / 2;
  for (int64_t d = 0; d < gone; ++d) {
    tfhash::add(point_[d], basis_[d].coefficients.data(), n_, here.coefficients.data());
    tfhash::add(point_[d], basis_[d].values.data(), n_, here.values.data());
    squared += point_[d] * point_[d];
  }
  const double length = std::sqrt(squared);
  std::vector<Direction> kept;
  std::vector<double> point;
  if (length > 0) {
    for (int64_t i = 0; i < n_; ++i) {
      here.coefficients[i] /= length;
      here.values[i] /= length;
    }
    kept.push_back(std::move(here));
    point.push_back(length);
  }
  for (int64_t d = gone; d < int64_t(basis_.size()); ++d) {
    kept.push_back(std::move(basis_[d]));
    point.push_back(point_[d]);
  }
  point.push_back(offset);
  basis_.swap(kept);
  point_.swap(point);
}

// Slopes, residuals and, where asked for, curvature at a point.
void SubspaceNewton::evaluate(const std::vector<double>& point, bool with_curvature) {
  const int64_t m = int64_t(point.size());
  const double share = 1 / double(n_);
  slopes_.assign(m, 0);
  if (with_curvature) curvature_.assign(m * m, 0);
  std::vector<double> weighted(kBlock), ones(kBlock, 1);
  double scores[kBlock], curves[kBlock];
  CheckNowAndThen check(kBlock * (8 + m * m / 4));
  for (int64_t first = 0; first < n_; first += kBlock) {
    check();
    const int64_t count = std::min(kBlock, n_ - first);
    std::fill_n(scores, count, point[m - 1]);
    for (int64_t d = 0; d < m - 1; ++d) {
      tfhash::add(point[d], basis_[d].values.data() + first, count, scores);
    }
    double* residuals = residuals_.data() + first;
    for (int64_t i = 0; i < count; ++i) {
      // Of the probability of the wrong class, so that a small one keeps its digits.
      const bool second = first + i >= n_first_;
      const double x = second ? -scores[i] : scores[i], e = exp_of(-std::fabs(x));
      const double wrong = x > 0 ? 1 / (1 + e) : e / (1 + e);
      residuals[i] = (second ? -wrong : wrong) * share;
      curves[i] = e / ((1 + e) * (1 + e)) * share;
    }
    for (int64_t d = 0; d < m; ++d) {
      const double* values = d < m - 1 ? basis_[d].values.data() + first : ones.data();
      slopes_[d] += dot(values, residuals, count);
      if (!with_curvature) continue;
      for (int64_t i = 0; i < count; ++i) weighted[i] = values[i] * curves[i];
      for (int64_t other = 0; other < d; ++other) {
        curvature_[d * m + other] +=
            dot(weighted.data(), basis_[other].values.data() + first, count);
      }
      curvature_[d * m + d] += dot(weighted.data(), values, count);
    }
  }
  for (int64_t d = 0; d < m - 1; ++d) {
    slopes_[d] += penalty_ * point[d];
    if (with_curvature) curvature_[d * m + d] += penalty_;
  }
}

// Solves curvature * step = -slopes by Cholesky's method.
bool SubspaceNewton::newton_step(std::vector<double>& step) const {
  const int64_t m = int64_t(slopes_.size());
  std::vector<double> factor = curvature_;
  step.resize(m);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double sum = factor[i * m + j];
      for (int64_t l = 0; l < j; ++l) sum -= factor[i * m + l] * factor[j * m + l];
      if (j < i) {
        factor[i * m + j] = sum / factor[j * m + j];
      } else if (sum > 1e-15 * curvature_[i * m + i]) {
        factor[i * m + i] = std::sqrt(sum);
      } else {
        return false;
      }
    }
  }
  for (int64_t i = 0; i < m; ++i) {
    double sum = -slopes_[i];
    for (int64_t l = 0; l < i; ++l) sum -= factor[i * m + l] * step[l];
    step[i] = sum / factor[i * m + i];
  }
  for (int64_t i = m - 1; i >= 0; --i) {
    for (int64_t l = i + 1; l < m; ++l) step[i] -= factor[l * m + i] * step[l];
    step[i] /= factor[i * m + i];
  }
  return true;
}

// From the point to the minimum over all directions and the offset. A convex function has fallen
// where its slope along a step has not turned to more than half of what it was.
void SubspaceNewton::minimize() {
  const int64_t m = int64_t(point_.size());
  evaluate(point_, true);
  const auto largest = [this] {
    double most = 0;
    for (double slope : slopes_) most = std::max(most, std::fabs(slope));
    return most;
  };
  const double enough = std::max(kEnough * largest(), kOffsetEnough);
  std::vector<double> step, trial(m);
  for (int steps = 0; steps < kMaxSteps; ++steps) {
    if (largest() <= enough && std::fabs(slopes_.back()) <= kOffsetEnough) break;
    if (!newton_step(step)) break;
    const double before = dot(slopes_, step);
    double length = 1;
    int halvings = 0;
    for (;; ++halvings) {
      for (int64_t d = 0; d < m; ++d) trial[d] = point_[d] + length * step[d];
      evaluate(trial, true);
      const double after = dot(slopes_, step);
      if (after <= -0.5 * before || halvings == kMaxHalvings) break;
      length *= std::max(0.1, std::min(0.5, -before / (after - before)));
    }
    point_ = trial;
    if (!(before < 0) || halvings == kMaxHalvings) break;
  }
  slope_ = slopes_.back();
  const double shift = slope_ / double(n_);
  gradient_ = coefficients();
  for (int64_t i = 0; i < n_; ++i) gradient_[i] = gradient_[i] * penalty_ + residuals_[i] - shift;
}

}  // namespace tfhash
