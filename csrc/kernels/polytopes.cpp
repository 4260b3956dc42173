#include "kernels/polytopes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "interrupt.h"
#include "kernels/vectors.h"

namespace tfhash {
namespace {

constexpr double kRounding = 1e-14;     // of the vector: no column brings the sum nearer by less
constexpr double kNowhere = 1e-9;       // of 1: what is left where there is no point at all
constexpr double kFar = 1e3;            // of the mean distance to the sides
constexpr double kSharper = 1e-7;       // of a point: how far its last digits are off
constexpr double kDependent = 1e-12;    // of a column: less than that is new about it
constexpr int kMoves = 12;              // of a point on a face, into it
constexpr double kMove = 1.9;           // times the way to the side that it is farthest behind
constexpr double kInside = 1e-6;        // of the distances to the sides: far enough inside

double length(const double* a, int64_t n) { return std::sqrt(dot(a, a, n)); }

// The side among some that a point is farthest behind, or not far enough inside; -1 where none.
int64_t farthest_behind(const double* normals, const double* distances, int64_t d, int64_t side,
                        const std::vector<int64_t>& among, const double* point, double* most) {
  int64_t worst = -1;
  *most = 0;
  CheckNowAndThen check(d);
  for (const int64_t j : among) {
    if (j == side) continue;
    check();
    const double behind = dot(normals + j * d, point, d) - distances[j] * (1 - kInside);
    if (!(behind <= *most)) {
      *most = behind;
      worst = j;
    }
  }
  return worst;
}

// Whether a point of a side is found that is inside all known and open ones: the side is a facet
// then. From the point nearest to the inside one it goes, within the side, past the one that it is
// farthest behind (relaxation: Agmon, The relaxation method for linear inequalities, 1954). Most
// facets are found so, at a small part of what a fit costs; where none is, nothing is known.
bool meets_inside(const double* normals, const double* distances, int64_t d, int64_t side,
                  const std::vector<int64_t>& known, const std::vector<int64_t>& open,
                  double* point) {
  const double* const normal = normals + side * d;
  for (int64_t c = 0; c < d; ++c) point[c] = distances[side] * normal[c];
  const int64_t moves = std::min<int64_t>(kMoves, 2 * d);
  for (int64_t move = 0; move < moves; ++move) {
    double most;
    // The known ones first: of a side that follows from others, only few are looked at.
    int64_t worst = farthest_behind(normals, distances, d, side, known, point, &most);
    if (worst < 0) worst = farthest_behind(normals, distances, d, side, open, point, &most);
    if (worst < 0) return true;
    const double* const other = normals + worst * d;
    const double cosine = dot(normal, other, d), square = 1 - cosine * cosine;
    if (!(square > kDependent)) return false;
    const double step = -kMove * most / square;
    add(step, other, d, point);
    add(-step * cosine, normal, d, point);
  }
  return false;
}

}  // namespace

std::vector<int64_t> all_of(int64_t n) {
  std::vector<int64_t> numbers(n);
  std::iota(numbers.begin(), numbers.end(), int64_t(0));
  return numbers;
}

NonnegativeFit::NonnegativeFit(const double* columns, int64_t n, int64_t size,
                               const double* wanted)
    : columns_(columns),
      n_(n),
      size_(size),
      wanted_(wanted),
      wanted_length_(length(wanted, size)),
      lengths_(n, -1.0),
      in_use_(n, 0),
      passed_over_(n, 0),
      residual_(wanted, wanted + size),
      error_(wanted_length_) {}

double NonnegativeFit::length_of(int64_t j) {
  if (lengths_[j] < 0) lengths_[j] = length(column(j), size_);
  return lengths_[j];
}

void NonnegativeFit::solve(const std::vector<int64_t>& among) {
  std::fill(passed_over_.begin(), passed_over_.end(), 0);
  // Roundings may let columns come and go in a circle: the error falls at each step, or the column
  // that came in is passed over until it does.
  for (int64_t left = 10 * (n_ + size_); left > 0; --left) {
    check_interrupt();
    const int64_t j = most_promising(among);
    if (j < 0) return;
    const double before = error_;
    if (take(j) && settle() && error_ < before) {
      std::fill(passed_over_.begin(), passed_over_.end(), 0);
    } else {
      passed_over_[j] = 1;
    }
  }
}

std::vector<double> NonnegativeFit::weights() const {
  std::vector<double> all(n_, 0.0);
  for (size_t i = 0; i < used_.size(); ++i) all[used_[i]] = weights_[i];
  return all;
}

// The column nearest in direction to what is missing, -1 where none leads there at all.
int64_t NonnegativeFit::most_promising(const std::vector<int64_t>& among) {
  int64_t best = -1;
  double most = kRounding * wanted_length_;
  CheckNowAndThen check(size_);
  for (const int64_t j : among) {
    if (in_use_[j] || passed_over_[j] || !(length_of(j) > 0)) continue;
    check();
    const double reach = dot(column(j), residual_.data(), size_) / lengths_[j];
    if (reach > most) {
      best = j;
      most = reach;
    }
  }
  return best;
}

// Takes a column into the basis; false where it has nothing new.
bool NonnegativeFit::take(int64_t j) {
  const int64_t k = int64_t(used_.size());
  if (k == size_) return false;
  basis_.resize((k + 1) * size_);
  double* const made = direction(k);
  std::copy_n(column(j), size_, made);
  std::vector<double> row(k + 1, 0.0);
  for (int time = 0; time < 2; ++time) {  // the first leaves roundings of what it takes away
    for (int64_t i = 0; i < k; ++i) {
      const double share = dot(direction(i), made, size_);
      add(-share, direction(i), size_, made);
      row[i] += share;
    }
  }
  row[k] = length(made, size_);
  if (!(row[k] > kDependent * length_of(j))) return false;
  for (int64_t c = 0; c < size_; ++c) made[c] /= row[k];
  triangle_.push_back(std::move(row));
  shares_.push_back(dot(made, wanted_, size_));
  used_.push_back(j);
  weights_.push_back(0.0);
  in_use_[j] = 1;
  return true;
}

// Goes toward the best multiples of the columns in use, dropping those that come to 0 on the way.
// False where the last one should not have come in.
bool NonnegativeFit::settle() {
  const int64_t last = used_.back();
  std::vector<double> best;
  for (bool is_first = true; !used_.empty(); is_first = false) {
    check_interrupt();
    multiples(&best);
    if (is_first && !(best.back() > 0)) {
      drop(int64_t(used_.size()) - 1);
      return false;
    }
    double step = 1;
    for (size_t i = 0; i < best.size(); ++i) {
      if (!(best[i] > 0)) step = std::min(step, weights_[i] / (weights_[i] - best[i]));
    }
    if (step == 1 && *std::min_element(best.begin(), best.end()) > 0) {
      weights_ = best;
      break;
    }
    std::vector<int64_t> gone;
    for (size_t i = 0; i < best.size(); ++i) {
      const bool reaches = !(best[i] > 0) && weights_[i] / (weights_[i] - best[i]) <= step;
      weights_[i] += step * (best[i] - weights_[i]);
      if (reaches || !(weights_[i] > 0)) gone.push_back(int64_t(i));
    }
    for (auto place = gone.rbegin(); place != gone.rend(); ++place) drop(*place);
  }
  find_residual();
  return in_use_[last] != 0;
}

void NonnegativeFit::drop(int64_t place) {
  in_use_[used_[place]] = 0;
  used_.erase(used_.begin() + place);
  weights_.erase(weights_.begin() + place);
  triangle_.erase(triangle_.begin() + place);
  // Each column after it has a number too many, below the triangle, which a rotation takes away.
  const int64_t k = int64_t(used_.size());
  for (int64_t i = place; i < k; ++i) {
    const double a = triangle_[i][i], b = triangle_[i][i + 1], r = std::hypot(a, b);
    const double c = a / r, s = b / r;
    for (int64_t j = i; j < k; ++j) {
      double &upper = triangle_[j][i], &lower = triangle_[j][i + 1];
      const double one = c * upper + s * lower;
      lower = c * lower - s * upper;
      upper = one;
    }
    triangle_[i].pop_back();
    double *const first = direction(i), *const second = direction(i + 1);
    for (int64_t d = 0; d < size_; ++d) {
      const double one = c * first[d] + s * second[d];
      second[d] = c * second[d] - s * first[d];
      first[d] = one;
    }
    const double one = c * shares_[i] + s * shares_[i + 1];
    shares_[i + 1] = c * shares_[i + 1] - s * shares_[i];
    shares_[i] = one;
  }
  shares_.pop_back();
  basis_.resize(k * size_);
}

// The multiples of the columns in use whose sum is nearest, of any sign.
void NonnegativeFit::multiples(std::vector<double>* found) const {
  *found = shares_;
  for (int64_t i = int64_t(used_.size()) - 1; i >= 0; --i) {
    const double value = (*found)[i] /= triangle_[i][i];
    for (int64_t j = 0; j < i; ++j) (*found)[j] -= value * triangle_[i][j];
  }
}

std::vector<double> NonnegativeFit::meeting(const std::vector<double>& products) {
  for (int64_t j = 0; j < n_; ++j) {
    check_interrupt();
    if (!in_use_[j]) take(j);  // 0 times
  }
  const int64_t k = int64_t(used_.size());
  std::vector<double> y(size_, 0.0), along(k);
  for (int64_t i = 0; i < k; ++i) {
    const double* const row = triangle_[i].data();
    along[i] = (products[used_[i]] - dot(row, along.data(), i)) / row[i];
    add(along[i], basis_.data() + i * size_, size_, y.data());
  }
  return y;
}

void NonnegativeFit::find_residual() {
  std::copy_n(wanted_, size_, residual_.data());
  for (size_t i = 0; i < used_.size(); ++i) {
    add(-weights_[i], column(used_[i]), size_, residual_.data());
  }
  error_ = length(residual_.data(), size_);
}

bool largest_ball(const double* normals, const double* distances, int64_t n, int64_t d, double cap,
                  double* center, double* bound) {
  // Of a side, and of the cap: its normal, 1 for the radius, and how far it is.
  const bool is_capped = std::isfinite(cap);
  const int64_t size = d + 2, m = n + is_capped;
  std::vector<double> columns(m * size, 0.0), wanted(size, 0.0);
  double unit = 0;
  for (int64_t i = 0; i < n; ++i) unit += std::fabs(distances[i]) / double(n);
  if (!(unit > 0)) unit = 1;
  for (int64_t i = 0; i < m; ++i) {
    double* const to = columns.data() + i * size;
    if (i < n) std::copy_n(normals + i * d, d, to);
    to[d] = 1;
    to[d + 1] = 1 - (i < n ? distances[i] : cap) / (unit * kFar);
  }
  wanted[d + 1] = 1;
  NonnegativeFit far(columns.data(), m, size, wanted.data());
  far.solve(all_of(m));
  // What the far point was projected onto, without it.
  const int64_t k = int64_t(far.used().size());
  std::vector<double> touched(k * (d + 1)), ends(k), up(d + 1, 0.0);
  for (int64_t i = 0; i < k; ++i) {
    const int64_t side = far.used()[i];
    std::copy_n(columns.data() + side * size, d + 1, touched.data() + i * (d + 1));
    ends[i] = side < n ? distances[side] : cap;
  }
  up[d] = 1;
  NonnegativeFit proof(touched.data(), k, d + 1, up.data());
  proof.solve(all_of(k));
  if (!(proof.error() < kNowhere)) return false;
  const std::vector<double> multipliers = proof.weights(), ball = proof.meeting(ends);
  std::copy_n(ball.data(), d, center);
  *bound = dot(multipliers.data(), ends.data(), k);
  return true;
}

bool nearest_point(const double* normals, const double* distances, int64_t n, int64_t d,
                   int64_t equal, double* y) {
  double least = 0;
  for (int64_t i = 0; i < n; ++i) least = std::min(least, distances[i]);
  if (equal >= 0) least = std::min(least, -std::fabs(distances[equal]));
  std::fill_n(y, d, 0.0);
  if (!(least < 0)) return true;
  // In units of a lower bound of the distance, so that its size does not matter. A side with
  // equality is two sides.
  const int64_t size = d + 1, m = n + (equal >= 0);
  std::vector<double> columns(m * size), wanted(size, 0.0);
  wanted[d] = 1;
  for (int64_t i = 0; i < m; ++i) {
    const int64_t side = i < n ? i : equal;
    const double sign = i < n ? 1 : -1;
    double* const to = columns.data() + i * size;
    for (int64_t c = 0; c < d; ++c) to[c] = -sign * normals[side * d + c];
    to[d] = sign * distances[side] / least;
  }
  NonnegativeFit fit(columns.data(), m, size, wanted.data());
  fit.solve(all_of(m));
  if (fit.error() < kNowhere) return false;
  const std::vector<double>& left = fit.residual();
  // Its last number, which is 1 less the rest, is this too, but loses its digits where it is small.
  const double square = fit.error() * fit.error();
  double largest = 0;
  for (int64_t c = 0; c < d; ++c) {
    y[c] = left[c] * (least / square);
    largest = std::max(largest, std::fabs(y[c]));
  }
  // On the sides it touches to the last digits: the shortest y that is on all of them.
  const int64_t k = int64_t(fit.used().size());
  std::vector<double> factor(k * k), on(k);
  const auto normal = [&](int64_t i) { return columns.data() + fit.used()[i] * size; };
  for (int64_t i = 0; i < k; ++i) {
    check_interrupt();
    on[i] = -least * normal(i)[d];
    for (int64_t j = 0; j <= i; ++j) {
      const double product = dot(normal(i), normal(j), d);
      const double sum = product - dot(factor.data() + i * k, factor.data() + j * k, j);
      if (j < i) {
        factor[i * k + j] = sum / factor[j * k + j];
      } else {
        if (!(sum > 1e-14 * product)) return true;
        factor[i * k + i] = std::sqrt(sum);
      }
    }
    on[i] = (on[i] - dot(factor.data() + i * k, on.data(), i)) / factor[i * k + i];
  }
  std::vector<double> sharp(d, 0.0);
  for (int64_t i = k - 1; i >= 0; --i) {
    on[i] /= factor[i * k + i];
    for (int64_t j = 0; j < i; ++j) on[j] -= on[i] * factor[i * k + j];
    add(on[i], normal(i), d, sharp.data());
  }
  double off = 0;
  for (int64_t c = 0; c < d; ++c) off = std::max(off, std::fabs(sharp[c] - y[c]));
  if (off <= kSharper * largest) std::copy_n(sharp.data(), d, y);
  return true;
}

void settle_facets(const double* normals, const double* distances, int64_t n, int64_t d,
                   double clear, std::vector<uint8_t>* known, std::vector<uint8_t>* open) {
  const int64_t size = d + 1;
  std::vector<double> columns((n + 1) * size, 0.0);
  for (int64_t j = 0; j < n; ++j) std::copy_n(normals + j * d, d, columns.data() + j * size);
  columns.back() = 1;  // a side may follow with room to spare: the last column is that room
  std::vector<double> wanted(size, 1.0), point(d), soon;
  std::vector<int64_t> bounding, left, among;
  for (int64_t j = 0; j < n; ++j) {
    if ((*known)[j]) bounding.push_back(j);
    if ((*open)[j]) left.push_back(j);
  }
  const auto settle = [&](int64_t side, bool is_facet) {
    left.erase(std::find(left.begin(), left.end(), side));
    (*open)[side] = 0;
    if (!is_facet || (*known)[side]) return;
    (*known)[side] = 1;
    bounding.push_back(side);
  };
  while (!left.empty()) {
    const int64_t i = left.front();
    if (meets_inside(normals, distances, d, i, bounding, left, point.data())) {
      settle(i, true);
      continue;
    }
    for (const int64_t j : bounding) columns[j * size + d] = distances[j] / distances[i];
    std::copy_n(normals + i * d, d, wanted.data());
    NonnegativeFit fit(columns.data(), n + 1, size, wanted.data());
    while ((*open)[i]) {
      among = bounding;
      among.push_back(n);
      fit.solve(among);
      if (!(fit.error() > clear)) {
        settle(i, false);
        break;
      }
      const double* const ray = fit.residual().data();
      // Of several met at once, the nearest to the point is no combination of the others.
      double first = 0;
      soon.assign(left.size(), 0.0);
      for (size_t k = 0; k < left.size(); ++k) {
        soon[k] = dot(normals + left[k] * d, ray, d) / distances[left[k]];
        first = std::max(first, soon[k]);
      }
      int64_t met = -1;
      for (size_t k = 0; k < left.size(); ++k) {
        if (soon[k] < first * (1 - clear)) continue;
        if (met < 0 || distances[left[k]] < distances[met]) met = left[k];
      }
      if (met < 0) met = i;
      settle(met, true);
      columns[met * size + d] = distances[met] / distances[i];
    }
  }
}

}  // namespace tfhash
