// The Python face of the kernel for cells.
#include "bindings.h"

#include <pybind11/stl.h>

#include <utility>
#include <vector>

#include "check.h"
#include "kernels/cells.h"

namespace py = pybind11;

namespace tfhash {
namespace {

using Bounds = std::pair<Array<int64_t>, Array<int64_t>>;

// Lists of numbers below n, which their owner can no longer change.
FaceBounds bounds_of(const Bounds& given, int64_t n, bool are_edges) {
  FaceBounds bounds{copy_of(given.first), copy_of(given.second)};
  const std::vector<int64_t>& offsets = bounds.offsets;
  bool good = !offsets.empty() && offsets.front() == 0 &&
              offsets.back() == int64_t(bounds.parts.size());
  for (size_t i = 0; good && i + 1 < offsets.size(); ++i) {
    good = offsets[i] <= offsets[i + 1] && (!are_edges || offsets[i + 1] == offsets[i] + 2);
  }
  for (const int64_t part : bounds.parts) good = good && part >= 0 && part < n;
  expect(good, "Expected for each face the numbers of those that bound it, from 0 to ", n - 1,
         ", and two points for an edge.");
  return bounds;
}

py::object py_cut_cells(const Array<double>& values, const Array<int64_t>& columns,
                        const Array<double>& tolerances, const std::vector<Bounds>& bounds,
                        int64_t most_cells) {
  expect(values.ndim() == 2 && columns.ndim() == 1 && tolerances.ndim() == 1 &&
             columns.shape(0) == tolerances.shape(0),
         "Expected values of shape [n_points, n], columns and tolerances of shape [m]. Received: ",
         shape_of(values), ", ", shape_of(columns), " and ", shape_of(tolerances), ".");
  expect(!bounds.empty(), "Expected cells of one dimension or more. Received: none.");
  const int64_t n_points = values.shape(0), n_columns = values.shape(1);
  const std::vector<int64_t> which = copy_of(columns);
  for (const int64_t column : which) {
    expect(column >= 0 && column < n_columns, "Expected columns from 0 to ", n_columns - 1,
           ". Received: ", column, ".");
  }
  std::vector<FaceBounds> lists;
  int64_t n = n_points;
  for (const Bounds& each : bounds) {
    lists.push_back(bounds_of(each, n, lists.empty()));
    n = int64_t(lists.back().offsets.size()) - 1;
  }
  expect(n > 0, "Expected at least one cell. Received: none.");
  CutCells found;
  {
    const double *rows = values.data(), *within = tolerances.data();
    KernelCall call;
    found = cut_cells(rows, n_points, n_columns, which, within, lists, most_cells);
  }
  if (!found.is_consistent) return py::none();
  py::list made;
  for (const FaceBounds& each : found.bounds) {
    made.append(py::make_tuple(array_of(each.offsets), array_of(each.parts)));
  }
  const auto n_cells = py::ssize_t(found.origin.size());
  Array<bool> above({n_cells, py::ssize_t(found.n_done)});
  std::copy(found.above.begin(), found.above.end(), above.mutable_data());
  return py::make_tuple(array_of(found.values, found.n_points), made, array_of(found.origin),
                        above);
}

}  // namespace

void bind_cells(py::module_& m) {
  m.def("cut_cells", py_cut_cells, py::arg("values").noconvert(), py::arg("columns").noconvert(),
        py::arg("tolerances").noconvert(), py::arg("bounds"), py::arg("most_cells"));
}

}  // namespace tfhash
