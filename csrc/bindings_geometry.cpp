// The geometry kernels' Python face.
#include "bindings.h"

#include "check.h"
#include "kernels/chords.h"

namespace py = pybind11;

namespace tfhash {
namespace {

template <class T>
int64_t py_reduce_chords(const Array<T>& z, const Array<T>& u, int64_t layer, int64_t first_unit,
                         Array<double> lower, Array<double> upper, Array<int64_t> lower_unit,
                         Array<int64_t> upper_unit) {
  expect(z.ndim() == 2 && u.ndim() == 2 && u.shape(0) == z.shape(0) && u.shape(1) == z.shape(1),
         "Expected z and u of one shape [n, n_units]. Received: ", shape_of(z), " and ",
         shape_of(u), ".");
  const int64_t n = z.shape(0);
  for (const Array<double>* end : {&lower, &upper}) {
    expect(end->ndim() == 1 && end->shape(0) == n, "Expected ends of shape [", n,
           "]. Received: ", shape_of(*end), ".");
  }
  for (const Array<int64_t>* unit : {&lower_unit, &upper_unit}) {
    expect(unit->ndim() == 2 && unit->shape(0) == n && unit->shape(1) == 2,
           "Expected units of shape [", n, ", 2]. Received: ", shape_of(*unit), ".");
  }
  const MatrixView<T> values{z.data(), n, z.shape(1), z.shape(1)};
  const MatrixView<T> slopes{u.data(), n, u.shape(1), u.shape(1)};
  const ChordsView ends{lower.mutable_data(), upper.mutable_data(), lower_unit.mutable_data(),
                        upper_unit.mutable_data()};
  py::gil_scoped_release release;
  return reduce_chords(values, slopes, layer, first_unit, ends);
}

}  // namespace

void bind_geometry(py::module_& m) {
  const auto bind = [&](auto function) {
    m.def("reduce_chords", function, py::arg("z").noconvert(), py::arg("u").noconvert(),
          py::arg("layer"), py::arg("first_unit"), py::arg("lower").noconvert(),
          py::arg("upper").noconvert(), py::arg("lower_unit").noconvert(),
          py::arg("upper_unit").noconvert());
  };
  bind(py_reduce_chords<float>);
  bind(py_reduce_chords<double>);
}

}  // namespace tfhash
