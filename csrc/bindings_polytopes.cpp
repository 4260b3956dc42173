// The Python face of the kernels for polytopes.
#include "bindings.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "check.h"
#include "kernels/polytopes.h"

namespace py = pybind11;

namespace tfhash {
namespace {

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
    fit.solve(std::vector<uint8_t>(n, 1));
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
  Array<bool> out(n);
  std::copy(is_known.begin(), is_known.end(), out.mutable_data());
  return out;
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
}

}  // namespace tfhash
