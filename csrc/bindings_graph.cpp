// The Python face of the kernels for the codes' neighbors among themselves and within a distance.
#include "bindings.h"

#include <vector>

#include "check.h"
#include "kernels/knn_graph.h"
#include "kernels/radius_pairs.h"

namespace py = pybind11;

namespace tfhash {
namespace {

void expect_countable(int64_t n_bits) {
  expect(n_bits <= INT32_MAX, "Expected codes of at most ", INT32_MAX, " bits. Received: ", n_bits,
         ".");
}

py::tuple py_knn_graph(const Array<uint64_t>& words, int64_t n_bits, int64_t k,
                       const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  expect(k >= 1 && k < codes.n, "Expected k from 1 to the ", codes.n - 1,
         " other codes. Received: ", k, ".");
  expect_countable(n_bits);
  Array<int32_t> distances({py::ssize_t(codes.n), py::ssize_t(k)});
  Array<int64_t> indices({py::ssize_t(codes.n), py::ssize_t(k)});
  int32_t* distance = distances.mutable_data();
  int64_t* index = indices.mutable_data();
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    knn_graph(codes, k, report, distance, index);
  }
  return py::make_tuple(distances, indices);
}

py::tuple py_radius_pairs(const Array<uint64_t>& database, const Array<uint64_t>& queries,
                          int64_t n_bits, int64_t radius, bool later, int64_t first_query,
                          int64_t max_pairs, const py::object& progress) {
  const CodesView codes = view(database, n_bits), asked = view(queries, n_bits);
  expect(radius >= 0 && first_query >= 0 && max_pairs >= 1,
         "Expected radius >= 0, first_query >= 0 and max_pairs >= 1. Received: ", radius, ", ",
         first_query, " and ", max_pairs, ".");
  expect_countable(n_bits);
  std::vector<NearPair> pairs;
  int64_t next = 0;
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    next = radius_pairs(codes, asked, radius, later, first_query, max_pairs, report, pairs);
  }
  const auto n = py::ssize_t(pairs.size());
  Array<int64_t> query(n), code(n);
  Array<int32_t> distance(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    query.mutable_data()[i] = pairs[i].query;
    code.mutable_data()[i] = pairs[i].code;
    distance.mutable_data()[i] = int32_t(pairs[i].distance);
  }
  return py::make_tuple(next, query, code, distance);
}

}  // namespace

void bind_graph(py::module_& m) {
  m.def("knn_graph", py_knn_graph, py::arg("words").noconvert(), py::arg("n_bits"), py::arg("k"),
        py::arg("progress") = py::none());
  m.def("radius_pairs", py_radius_pairs, py::arg("database").noconvert(),
        py::arg("queries").noconvert(), py::arg("n_bits"), py::arg("radius"), py::arg("later"),
        py::arg("first_query"), py::arg("max_pairs"), py::arg("progress") = py::none());
}

}  // namespace tfhash
