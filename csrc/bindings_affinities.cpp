// The Python face of the kernel for mutual information.
#include "bindings.h"

#include <cmath>
#include <utility>

#include "check.h"
#include "kernels/affinities.h"

namespace py = pybind11;

namespace tfhash {
namespace {

template <class Float>
py::array py_affinity_sums(const Array<Float>& z, const Array<int64_t>& units, double scale,
                           const Array<int64_t>& labels, const py::object& progress) {
  expect(z.ndim() == 2 && z.shape(0) > 0, "Expected numbers of shape [n, n_units], n >= 1. Received ",
         "shape: ", shape_of(z), ".");
  const int64_t n = z.shape(0), n_units = z.shape(1);
  expect(std::isfinite(scale), "Expected a finite scale. Received: ", scale, ".");
  Points<Float> points{z.data(), n, n_units, copy_of(units), scale};
  expect(!points.units.empty(), "Expected at least one unit. Received: none.");
  for (int64_t unit : points.units) {
    expect(unit >= 0 && unit < n_units, "Expected units from 0 to ", n_units - 1, ". Received: ",
           unit, ".");
  }
  const std::vector<int64_t> classes = copy_of(labels);
  expect(classes.empty() || int64_t(classes.size()) == n, "Expected ", n,
         " labels or none. Received: ", classes.size(), ".");
  Array<double> sums({py::ssize_t(classes.empty() ? 2 : 4), py::ssize_t(n)});
  double* to = sums.mutable_data();
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    affinity_sums(points, classes, report, to);
  }
  return std::move(sums);
}

}  // namespace

void bind_affinities(py::module_& m) {
  const auto bind = [&](auto function) {
    m.def("affinity_sums", function, py::arg("z").noconvert(), py::arg("units").noconvert(),
          py::arg("scale"), py::arg("labels").noconvert(), py::arg("progress") = py::none());
  };
  bind(py_affinity_sums<float>);
  bind(py_affinity_sums<double>);
}

}  // namespace tfhash
