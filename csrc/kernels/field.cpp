#include "kernels/field.h"

#include <algorithm>

#include "interrupt.h"
#include "primitives.h"

namespace tfhash {

void Field::at(int64_t p, double point, int64_t from, int64_t size, double* out) const {
  if (point == 0 || point == 1) {
    std::copy_n(row(point == 0 ? first[p] : first[p + 1] - 1) + from, size, out);
    return;
  }
  const auto begin = t.begin() + first[p], end = t.begin() + first[p + 1];
  const auto after = std::upper_bound(begin, end, point);  // not begin: that is 0
  const int64_t i = (after - t.begin()) - 1;
  const double* here = row(i) + from;
  if (t[i] == point) {
    std::copy_n(here, size, out);
    return;
  }
  const double weight = (point - t[i]) / (t[i + 1] - t[i]);
  primitives().lines.blend(here, here + n_channels, weight, size, out);
}

void order_points(std::vector<double>* points) {
  if (points->empty()) {
    *points = {0.0, 1.0};
    return;
  }
  sort_checking(points->begin(), points->end(), [](double a, double b) { return a < b; });
  points->erase(std::unique(points->begin(), points->end()), points->end());
  points->insert(points->begin(), 0.0);
  points->push_back(1.0);
}

}  // namespace tfhash
