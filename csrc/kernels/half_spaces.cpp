#include "kernels/half_spaces.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <numeric>

#include "interrupt.h"
#include "kernels/vectors.h"

namespace tfhash {
namespace {

constexpr double kParallel = 1e-5;  // the sine of an angle no larger is a rounding

double largest_difference(const double* a, double a_size, const double* b, double b_size,
                          int64_t d) {
  double most = 0;
  for (int64_t c = 0; c < d; ++c) most = std::max(most, std::fabs(a[c] / a_size - b[c] / b_size));
  return most;
}

}  // namespace

MovingUnits moving_units(const StridedRows& slopes, const StridedNumbers& values,
                         const uint8_t* counts, double rounding) {
  MovingUnits found;
  std::vector<double> sizes(slopes.n);
  double largest_size = 0, largest_value = 0;
  CheckNowAndThen check(slopes.d);
  for (int64_t i = 0; i < slopes.n; ++i) {
    check();
    sizes[i] = std::sqrt(dot(slopes.row(i), slopes.row(i), slopes.d));
    if (!std::isfinite(sizes[i])) {
      found.is_finite = false;
      return found;
    }
    largest_size = std::max(largest_size, sizes[i]);
    largest_value = std::max(largest_value, std::fabs(values[i]));
  }
  for (int64_t i = 0; i < slopes.n; ++i) {
    if (counts != nullptr && !counts[i]) continue;
    if (sizes[i] > rounding * largest_size) {
      found.moving.push_back(i);
      if (values[i] == 0) found.at_zero.push_back(i);
    } else if (std::fabs(values[i]) <= rounding * largest_value) {
      found.still.push_back(i);
    }
  }
  return found;
}

void unit_sides(const StridedRows& slopes, const StridedNumbers& values, const uint8_t* above,
                const std::vector<int64_t>& units, const double* x, double* rows, double* offsets) {
  const int64_t d = slopes.d;
  CheckNowAndThen check(d);
  for (const int64_t i : units) {
    check();
    const double* const from = slopes.row(i);
    const double sign = above != nullptr && above[i] ? -1.0 : 1.0;
    for (int64_t c = 0; c < d; ++c) rows[c] = sign * from[c];
    *offsets++ = dot(rows, x, d) - sign * values[i];
    rows += d;
  }
}

DistinctHalfSpaces distinct_half_spaces(const double* rows, const double* offsets, int64_t m,
                                        int64_t d, const double* x, double same) {
  DistinctHalfSpaces found;
  found.sizes.resize(m);
  found.group.resize(m);
  std::vector<double> probe(d), products(m), slack(m);
  for (int64_t c = 0; c < d; ++c) probe[c] = std::sin(1.0 + double(c));
  double largest = 0;
  CheckNowAndThen check(3 * d);
  for (int64_t i = 0; i < m; ++i) {
    check();
    const double* const row = rows + i * d;
    const double size = found.sizes[i] = std::sqrt(dot(row, row, d));
    products[i] = dot(row, probe.data(), d) / size;
    slack[i] = (offsets[i] - dot(row, x, d)) / size;
    for (double* each : {&products[i], &slack[i]}) {  // an order needs numbers
      if (std::isnan(*each)) *each = std::numeric_limits<double>::infinity();
    }
    largest = std::max(largest, std::fabs(slack[i]));
  }
  std::vector<int64_t> order(m), number(m, 0), place(m, -1);
  std::iota(order.begin(), order.end(), int64_t(0));
  const auto by = [&](const std::vector<double>& numbers, int64_t from, int64_t to) {
    std::sort(order.begin() + from, order.begin() + to, [&](int64_t i, int64_t j) {
      return numbers[i] < numbers[j] || (numbers[i] == numbers[j] && i < j);
    });
  };
  by(products, 0, m);
  // Of parallel ones, those that are one lie side by side in the order of their distances.
  for (int64_t start = 0, stop; start < m; start = stop) {
    for (stop = start + 1; stop < m; ++stop) {
      if (!(products[order[stop]] - products[order[stop - 1]] <= same * double(d))) break;
    }
    if (stop - start > 2) by(slack, start, stop);
  }
  for (int64_t k = 1; k < m; ++k) {
    const int64_t i = order[k - 1], j = order[k];
    const bool is_same =
        std::fabs(products[j] - products[i]) <= same * double(d) &&
        std::fabs(slack[i] - slack[j]) <= same * (std::fabs(slack[i]) + 1e-3 * largest) &&
        largest_difference(rows + i * d, found.sizes[i], rows + j * d, found.sizes[j], d) <= same;
    number[j] = number[i] + !is_same;
  }
  for (int64_t i = 0; i < m; ++i) {
    int64_t& at = place[number[i]];
    if (at < 0) {
      at = int64_t(found.first.size());
      found.first.push_back(i);
    }
    found.group[i] = at;
  }
  return found;
}

void holding_in_box(const double* normals, const double* offsets, int64_t m, int64_t d,
                    const double* low, const double* high, uint8_t* holds) {
  CheckNowAndThen check(d);
  for (int64_t i = 0; i < m; ++i, normals += d) {
    check();
    double most = 0;
    for (int64_t c = 0; c < d; ++c) {
      if (normals[c] != 0) most += normals[c] * (normals[c] > 0 ? high[c] : low[c]);
    }
    holds[i] = most <= offsets[i];
  }
}

void sides_met(const double* products, const double* distances, const double* rays, int64_t n_rays,
               int64_t n, int64_t d, const double* below, const double* above, double clear,
               uint8_t* is_met) {
  CheckNowAndThen check(n + d);
  for (int64_t r = 0; r < n_rays; ++r, products += n, rays += d) {
    check();
    // How soon each is met: the reciprocal of the distance.
    double first = 0, next = 0;
    int64_t met = -1;
    for (int64_t j = 0; j < n; ++j) {
      const double soon = products[j] / distances[j];
      if (soon > first) {
        next = first;
        first = soon;
        met = j;
      } else if (soon > next) {
        next = soon;
      }
    }
    for (int64_t c = 0; c < d; ++c) {
      next = std::max(next, rays[c] > 0 ? rays[c] / above[c] : -rays[c] / below[c]);
    }
    if (met >= 0 && first > next * (1 + clear)) is_met[met] = 1;
  }
}

void face_bounds(const double* cosines, const double* faces, const int64_t* places, int64_t k,
                 int64_t m, int64_t d, const double* slack, const std::vector<int64_t>& highs,
                 const std::vector<int64_t>& lows, double* least, uint8_t* is_exact) {
  const double* const to_highs = slack + m;
  const double* const to_lows = to_highs + highs.size();
  CheckNowAndThen check(m + int64_t(highs.size() + lows.size()));
  for (int64_t i = 0; i < k; ++i, cosines += m, faces += d) {
    check();
    const double away = slack[places[i]];
    double farthest = 0;
    bool is_inside = true;
    const auto look = [&](double cosine, double from) {
      const double foot = from - away * cosine;
      if (!(foot < 0)) return;
      is_inside = false;
      // Of sides that are nearly parallel nothing is said.
      const double sine = std::sqrt(std::max(1 - cosine * cosine, 0.0));
      if (sine > kParallel) farthest = std::max(farthest, -foot / sine);
    };
    for (int64_t j = 0; j < m; ++j) {
      if (j != places[i]) look(cosines[j], slack[j]);
    }
    for (size_t j = 0; j < highs.size(); ++j) look(faces[highs[j]], to_highs[j]);
    for (size_t j = 0; j < lows.size(); ++j) look(-faces[lows[j]], to_lows[j]);
    least[i] = std::hypot(away, farthest * (1 - 1e-9));
    is_exact[i] = is_inside;
  }
}

}  // namespace tfhash
