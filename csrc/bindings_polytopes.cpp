// The Python face of the kernels for polytopes.
#include "bindings.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "check.h"
#include "kernels/half_spaces.h"
#include "kernels/polytopes.h"

namespace py = pybind11;

namespace tfhash {
namespace {

Array<bool> bools_of(const std::vector<uint8_t>& flags) {
  Array<bool> out(py::ssize_t(flags.size()));
  std::copy(flags.begin(), flags.end(), out.mutable_data());
  return out;
}

std::vector<uint8_t> flags(const Array<bool>& given, int64_t n) {
  expect(given.ndim() == 1 && given.shape(0) == n, "Expected ", n,
         " flags. Received shape: ", shape_of(given), ".");
  return std::vector<uint8_t>(given.data(), given.data() + n);
}

void check_sides(const Array<double>& normals, const Array<double>& distances) {
  expect(normals.ndim() == 2 && distances.ndim() == 1 && distances.shape(0) == normals.shape(0),
         "Expected normals of shape [n, d] and distances of shape [n]. Received: ",
         shape_of(normals), " and ", shape_of(distances), ".");
}

py::tuple py_nonnegative_fit(const Array<double>& columns, const Array<double>& wanted) {
  expect(columns.ndim() == 2 && wanted.ndim() == 1 && wanted.shape(0) == columns.shape(1),
         "Expected columns of shape [n, size] and wanted of shape [size]. Received: ",
         shape_of(columns), " and ", shape_of(wanted), ".");
  const int64_t n = columns.shape(0), size = columns.shape(1);
  std::vector<double> weights, residual;
  {
    const double *data = columns.data(), *to = wanted.data();
    KernelCall call;
    NonnegativeFit fit(data, n, size, to);
    fit.solve(all_of(n));
    weights = fit.weights();
    residual = fit.residual();
  }
  return py::make_tuple(array_of(weights), array_of(residual));
}

py::object py_nearest_point(const Array<double>& normals, const Array<double>& distances,
                            int64_t equal) {
  check_sides(normals, distances);
  const int64_t n = normals.shape(0), d = normals.shape(1);
  expect(equal >= -1 && equal < n, "Expected equal from -1 to ", n - 1, ". Received: ", equal, ".");
  Array<double> y(d);
  bool found;
  {
    const double *rows = normals.data(), *from = distances.data();
    double* const to = y.mutable_data();
    KernelCall call;
    found = nearest_point(rows, from, n, d, equal, to);
  }
  if (!found) return py::none();
  return std::move(y);
}

py::object py_largest_ball(const Array<double>& normals, const Array<double>& distances,
                           double cap) {
  check_sides(normals, distances);
  const int64_t n = normals.shape(0), d = normals.shape(1);
  Array<double> center(d);
  double bound = 0;
  bool found;
  {
    const double *rows = normals.data(), *from = distances.data();
    double* const to = center.mutable_data();
    KernelCall call;
    found = largest_ball(rows, from, n, d, cap, to, &bound);
  }
  if (!found) return py::none();
  return py::make_tuple(center, bound);
}

Array<bool> py_settle_facets(const Array<double>& normals, const Array<double>& distances,
                             const Array<bool>& known, const Array<bool>& open, double clear) {
  check_sides(normals, distances);
  const int64_t n = normals.shape(0), d = normals.shape(1);
  std::vector<uint8_t> is_known = flags(known, n), is_open = flags(open, n);
  {
    const double *rows = normals.data(), *from = distances.data();
    KernelCall call;
    settle_facets(rows, from, n, d, clear, &is_known, &is_open);
  }
  return bools_of(is_known);
}

// An array of float64 that may be a view of a larger one. Its numbers in a row lie side by side.
using View = py::array_t<double, kAligned>;

StridedRows rows_of(const View& matrix) {
  expect(matrix.ndim() == 2 && (matrix.shape(1) < 2 || matrix.strides(1) == sizeof(double)),
         "Expected a matrix whose rows lie side by side in memory. Received shape: ",
         shape_of(matrix), ".");
  return {matrix.data(), matrix.shape(0), matrix.shape(1),
          matrix.strides(0) / int64_t(sizeof(double))};
}

std::vector<uint8_t> optional_flags(const std::optional<Array<bool>>& given, int64_t n) {
  return given ? flags(*given, n) : std::vector<uint8_t>();
}

const uint8_t* or_null(const std::optional<Array<bool>>& given, const std::vector<uint8_t>& flags) {
  return given ? flags.data() : nullptr;
}

Array<int64_t> named(int64_t layer, const std::vector<int64_t>& units) {
  Array<int64_t> out({py::ssize_t(units.size()), py::ssize_t(2)});
  int64_t* to = out.mutable_data();
  for (const int64_t unit : units) {
    *to++ = layer;
    *to++ = unit;
  }
  return out;
}

py::object py_unit_sides(int64_t layer, const View& slopes, const View& values,
                         const std::optional<Array<bool>>& above,
                         const std::optional<Array<bool>>& counts, const Array<double>& x,
                         double rounding) {
  const StridedRows rows = rows_of(slopes);
  expect(values.ndim() == 1 && values.shape(0) == rows.n && x.ndim() == 1 && x.shape(0) == rows.d,
         "Expected slopes of shape [n, d], values of shape [n] and x of shape [d]. Received: ",
         shape_of(slopes), ", ", shape_of(values), " and ", shape_of(x), ".");
  const StridedNumbers numbers{values.data(), values.strides(0) / int64_t(sizeof(double))};
  const std::vector<uint8_t> is_above = optional_flags(above, rows.n),
                             does_count = optional_flags(counts, rows.n);
  const double* const at = x.data();
  MovingUnits found;
  {
    KernelCall call;
    found = moving_units(rows, numbers, or_null(counts, does_count), rounding);
  }
  if (!found.is_finite) return py::none();
  const auto k = py::ssize_t(found.moving.size());
  Array<double> normals({k, py::ssize_t(rows.d)}), offsets(k);
  {
    double *const to = normals.mutable_data(), *const ends = offsets.mutable_data();
    KernelCall call;
    unit_sides(rows, numbers, or_null(above, is_above), found.moving, at, to, ends);
  }
  return py::make_tuple(normals, offsets, named(layer, found.moving), named(layer, found.still),
                        named(layer, found.at_zero));
}

py::tuple py_distinct_half_spaces(const Array<double>& rows, const Array<double>& offsets,
                                  const Array<double>& x, double same) {
  check_sides(rows, offsets);
  const int64_t m = rows.shape(0), d = rows.shape(1);
  expect(x.ndim() == 1 && x.shape(0) == d, "Expected x of shape [", d,
         "]. Received shape: ", shape_of(x), ".");
  const double *from = rows.data(), *ends = offsets.data(), *at = x.data();
  DistinctHalfSpaces found;
  {
    KernelCall call;
    found = distinct_half_spaces(from, ends, m, d, at, same);
  }
  const auto k = py::ssize_t(found.first.size());
  Array<double> normals({k, py::ssize_t(d)}), distances(k);
  double *to = normals.mutable_data(), *away = distances.mutable_data();
  for (const int64_t i : found.first) {
    for (int64_t c = 0; c < d; ++c) *to++ = from[i * d + c] / found.sizes[i];
    *away++ = ends[i] / found.sizes[i];
  }
  return py::make_tuple(normals, distances, array_of(found.first), array_of(found.group));
}

Array<bool> py_holding_in_box(const Array<double>& normals, const Array<double>& offsets,
                              const Array<double>& low, const Array<double>& high) {
  check_sides(normals, offsets);
  const int64_t m = normals.shape(0), d = normals.shape(1);
  expect(low.ndim() == 1 && low.shape(0) == d && high.ndim() == 1 && high.shape(0) == d,
         "Expected low and high of shape [", d, "]. Received: ", shape_of(low), " and ",
         shape_of(high), ".");
  std::vector<uint8_t> holds(m);
  {
    const double *rows = normals.data(), *ends = offsets.data(), *from = low.data(),
                 *to = high.data();
    KernelCall call;
    holding_in_box(rows, ends, m, d, from, to, holds.data());
  }
  return bools_of(holds);
}

Array<bool> py_sides_met(const Array<double>& products, const Array<double>& distances,
                         const Array<double>& rays, const Array<double>& below,
                         const Array<double>& above, double clear) {
  expect(products.ndim() == 2 && distances.ndim() == 1 && rays.ndim() == 2 && below.ndim() == 1 &&
             above.ndim() == 1 && products.shape(1) == distances.shape(0) &&
             products.shape(0) == rays.shape(0) && below.shape(0) == rays.shape(1) &&
             above.shape(0) == rays.shape(1),
         "Expected products of shape [r, n], distances of shape [n], rays of shape [r, d], below "
         "and above of shape [d]. Received: ",
         shape_of(products), ", ", shape_of(distances), ", ", shape_of(rays), ", ",
         shape_of(below), " and ", shape_of(above), ".");
  const int64_t n = distances.shape(0), d = rays.shape(1);
  std::vector<uint8_t> is_met(n, 0);
  {
    const double *with = products.data(), *away = distances.data(), *along = rays.data(),
                 *down = below.data(), *up = above.data();
    const int64_t n_rays = rays.shape(0);
    KernelCall call;
    sides_met(with, away, along, n_rays, n, d, down, up, clear, is_met.data());
  }
  return bools_of(is_met);
}

// Numbers of things of which there are `n`, which their owner can no longer change.
std::vector<int64_t> numbers_below(const Array<int64_t>& given, int64_t n) {
  std::vector<int64_t> numbers = copy_of(given);
  for (const int64_t number : numbers) {
    expect(number >= 0 && number < n, "Expected numbers from 0 to ", n - 1, ". Received: ", number,
           ".");
  }
  return numbers;
}

py::tuple py_face_bounds(const Array<double>& cosines, const Array<double>& faces,
                         const Array<int64_t>& places, const Array<double>& slack,
                         const Array<int64_t>& highs, const Array<int64_t>& lows) {
  expect(cosines.ndim() == 2 && faces.ndim() == 2 && faces.shape(0) == cosines.shape(0) &&
             places.ndim() == 1 && places.shape(0) == faces.shape(0) && slack.ndim() == 1 &&
             highs.ndim() == 1 && lows.ndim() == 1 &&
             slack.shape(0) == cosines.shape(1) + highs.shape(0) + lows.shape(0),
         "Expected cosines of shape [k, m], faces of shape [k, d], places of shape [k] and a slack "
         "for each of the m sides and those of the box. Received: ",
         shape_of(cosines), ", ", shape_of(faces), ", ", shape_of(places), " and ",
         shape_of(slack), ".");
  const int64_t k = faces.shape(0), m = cosines.shape(1), d = faces.shape(1);
  const std::vector<int64_t> at = numbers_below(places, m), up = numbers_below(highs, d),
                             down = numbers_below(lows, d);
  Array<double> least(k);
  std::vector<uint8_t> is_exact(k);
  {
    const double *with = cosines.data(), *along = faces.data(), *away = slack.data();
    double* const to = least.mutable_data();
    KernelCall call;
    face_bounds(with, along, at.data(), k, m, d, away, up, down, to, is_exact.data());
  }
  return py::make_tuple(least, bools_of(is_exact));
}

}  // namespace

void bind_polytopes(py::module_& m) {
  m.def("nonnegative_fit", py_nonnegative_fit, py::arg("columns").noconvert(),
        py::arg("wanted").noconvert());
  m.def("nearest_point", py_nearest_point, py::arg("normals").noconvert(),
        py::arg("distances").noconvert(), py::arg("equal") = -1);
  m.def("largest_ball", py_largest_ball, py::arg("normals").noconvert(),
        py::arg("distances").noconvert(), py::arg("cap"));
  m.def("settle_facets", py_settle_facets, py::arg("normals").noconvert(),
        py::arg("distances").noconvert(), py::arg("known").noconvert(),
        py::arg("open").noconvert(), py::arg("clear"));
  m.def("unit_sides", py_unit_sides, py::arg("layer"), py::arg("slopes").noconvert(),
        py::arg("values").noconvert(), py::arg("above").noconvert(),
        py::arg("counts").noconvert(), py::arg("x").noconvert(), py::arg("rounding"));
  m.def("distinct_half_spaces", py_distinct_half_spaces, py::arg("rows").noconvert(),
        py::arg("offsets").noconvert(), py::arg("x").noconvert(), py::arg("same"));
  m.def("holding_in_box", py_holding_in_box, py::arg("normals").noconvert(),
        py::arg("offsets").noconvert(), py::arg("low").noconvert(), py::arg("high").noconvert());
  m.def("sides_met", py_sides_met, py::arg("products").noconvert(),
        py::arg("distances").noconvert(), py::arg("rays").noconvert(),
        py::arg("below").noconvert(), py::arg("above").noconvert(), py::arg("clear"));
  m.def("face_bounds", py_face_bounds, py::arg("cosines").noconvert(),
        py::arg("faces").noconvert(), py::arg("places").noconvert(), py::arg("slack").noconvert(),
        py::arg("highs").noconvert(), py::arg("lows").noconvert());
}

}  // namespace tfhash
