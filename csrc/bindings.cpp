// The Python face of the kernels: check the arrays, release the GIL, call, return.
// tfhash/_native.pyi states the types of what is here and in bindings_*.cpp, which are compiled as
// one unit with this file: pybind11 alone takes longer to compile than any of them.
#include "bindings.h"

#include "check.h"
#include "codes.h"
#include "kernels/distinct.h"
#include "kernels/hamming_knn.h"
#include "kernels/pack.h"
#include "kernels/unique.h"
#include "parallel.h"
#include "primitives.h"

#include "bindings_affinities.cpp"
#include "bindings_call.cpp"
#include "bindings_cells.cpp"
#include "bindings_geometry.cpp"
#include "bindings_graph.cpp"
#include "bindings_local.cpp"
#include "bindings_models.cpp"
#include "bindings_polytopes.cpp"

namespace py = pybind11;

namespace tfhash {

std::string shape_of(const py::array& a) { return py::str(a.attr("shape")); }

CodesView view(const Array<uint64_t>& words, int64_t n_bits) {
  expect(words.ndim() == 2 && n_bits >= 0 && words.shape(1) == words_for(n_bits),
         "Expected words of shape [n, ", n_bits < 0 ? 0 : words_for(n_bits), "] for codes of ",
         n_bits, " bits. Received shape: ", shape_of(words), ".");
  // More would not fit any memory unless they have no bits at all.
  expect(words.shape(0) <= kMostCodes, "Expected at most ", kMostCodes,
         " codes. Received: ", words.shape(0), ".");
  return {words.data(), words.shape(0), words.shape(1), n_bits};
}

namespace {

MutableCodes mutable_view(Output<uint64_t>& words) {
  expect(words.ndim() == 2, "Expected words of shape [n, n_words]. Received shape: ",
         shape_of(words), ".");
  return {writable(words), words.shape(0), words.shape(1)};
}

template <class T>
void py_pack(const Array<T>& x, Output<uint64_t> out, int64_t start, int64_t row_base) {
  const MutableCodes codes = mutable_view(out);
  const int64_t room = product(64, codes.n_words);
  expect(x.ndim() == 2 && x.shape(0) == codes.n && span_fits(start, x.shape(1), room),
         "Expected a matrix of ", codes.n, " rows that fits from bit ", start, " of ", room,
         " on. Received shape: ", shape_of(x), ".");
  expect(span_fits(row_base, codes.n, INT64_MAX), "Expected row_base from 0. Received: ", row_base,
         ".");
  const MatrixView<T> matrix{x.data(), x.shape(0), x.shape(1), x.shape(1)};
  KernelCall call;
  pack(matrix, codes, start, row_base);
}

void py_copy_bits(const Array<uint64_t>& words, int64_t n_bits, int64_t from, int64_t count,
                  Output<uint64_t> out, int64_t to) {
  const CodesView codes = view(words, n_bits);
  const MutableCodes target = mutable_view(out);
  const int64_t room = product(64, target.n_words);
  expect(target.n == codes.n && span_fits(from, count, n_bits) && span_fits(to, count, room),
         "Expected spans inside both codes. Received: ", count, " bits from bit ", from, " of ",
         n_bits, " to bit ", to, " of ", room, ", ", codes.n, " and ", target.n, " codes.");
  KernelCall call;
  copy_bits(codes, from, target, to, count);
}

void bind_pack(py::module_& m) {
  const auto bind = [&](auto function) {
    m.def("pack", function, py::arg("x").noconvert(), py::arg("out").noconvert(),
          py::arg("start"), py::arg("row_base"));
  };
  bind(py_pack<float>);
  bind(py_pack<double>);
  bind(py_pack<uint8_t>);
  m.def("copy_bits", py_copy_bits, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("start"), py::arg("count"), py::arg("out").noconvert(), py::arg("to"));
}

py::tuple py_region_ids(const Array<uint64_t>& words, int64_t n_bits,
                        const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  Array<int64_t> ids(codes.n);
  int64_t* id = ids.mutable_data();
  int64_t m = 0;
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    m = first_equal(codes, report, id);
  }
  Array<int64_t> counts(m);
  int64_t* count = counts.mutable_data();
  {
    KernelCall call;
    number_regions(codes.n, id, count);
  }
  return py::make_tuple(ids, counts);
}

Array<int64_t> py_group_by_hash(const Array<uint64_t>& words, int64_t n_bits, uint64_t salt,
                                int64_t bits, Output<uint64_t> out) {
  const CodesView codes = view(words, n_bits);
  const MutableCodes grouped = mutable_view(out);
  expect(bits >= 0 && bits <= kMostGroupBits && grouped.n >= codes.n &&
             grouped.n_words == codes.n_words,
         "Expected 0 to ", kMostGroupBits, " bits and room for ", codes.n, " rows of ",
         codes.n_words, " words. Received: ", bits, " bits and shape ", shape_of(out), ".");
  std::vector<int64_t> starts;
  {
    KernelCall call;
    starts = group_by_hash(codes, salt, int(bits), {}, grouped.words);
  }
  return array_of(starts);
}

int64_t py_keep_distinct(Output<uint64_t> rows, int64_t n, uint64_t salt,
                         Output<uint64_t> scratch) {
  const MutableCodes found = mutable_view(rows), spare = mutable_view(scratch);
  expect(n >= 0 && n <= found.n && n <= spare.n && found.n_words == spare.n_words &&
             found.n_words >= 1,
         "Expected at least ", n, " rows of as many words in both arrays. Received shapes: ",
         shape_of(rows), " and ", shape_of(scratch), ".");
  KernelCall call;
  return keep_distinct(found.words, n, found.n_words, salt, {}, spare.words);
}

void bind_regions(py::module_& m) {
  m.def("group_by_hash", py_group_by_hash, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("salt"), py::arg("bits"), py::arg("out").noconvert());
  m.def("keep_distinct", py_keep_distinct, py::arg("rows").noconvert(), py::arg("n"),
        py::arg("salt"), py::arg("scratch").noconvert());
  m.def("region_ids", py_region_ids, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("progress") = py::none());
}

py::tuple py_hamming_knn(const Array<uint64_t>& database, const Array<uint64_t>& queries,
                         int64_t n_bits, int64_t k, const py::object& progress) {
  const CodesView codes = view(database, n_bits), asked = view(queries, n_bits);
  expect(k >= 1 && k <= codes.n, "Expected k from 1 to the ", codes.n,
         " codes of the database. Received: ", k, ".");
  expect(n_bits <= INT32_MAX, "Expected codes of at most ", INT32_MAX, " bits. Received: ", n_bits,
         ".");
  Array<int32_t> distances({asked.n, k});
  Array<int64_t> indices({asked.n, k});
  int32_t* distance = distances.mutable_data();
  int64_t* index = indices.mutable_data();
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    hamming_knn(codes, asked, k, report, distance, index);
  }
  return py::make_tuple(distances, indices);
}

void bind_neighbors(py::module_& m) {
  m.def("hamming_knn", py_hamming_knn, py::arg("database").noconvert(),
        py::arg("queries").noconvert(), py::arg("n_bits"), py::arg("k"), py::arg("progress") = py::none());
}

void bind_threads(py::module_& m) {
  m.def("set_num_threads", set_num_threads, py::arg("n"));
  m.def("get_num_threads", num_threads);
  m.def("isa", [] { return isa_name(current_isa()); });
  m.def("available_isas", [] {
    py::list names;
    for (Isa isa : {Isa::kScalar, Isa::kNeon, Isa::kAvx2, Isa::kAvx512}) {
      if (isa_available(isa)) names.append(isa_name(isa));
    }
    return names;
  });
}

}  // namespace
}  // namespace tfhash

PYBIND11_MODULE(_native, m) {
  m.doc() = "Kernels of tfhash; use tfhash.Codes and tfhash.metrics.";
  tfhash::load_primitives();
  tfhash::num_threads();  // a bad TFHASH_NUM_THREADS is reported now, not in the first kernel
  tfhash::translate_interrupted();
  tfhash::bind_threads(m);
  tfhash::bind_pack(m);
  tfhash::bind_cells(m);
  tfhash::bind_geometry(m);
  tfhash::bind_models(m);
  tfhash::bind_regions(m);
  tfhash::bind_neighbors(m);
  tfhash::bind_graph(m);
  tfhash::bind_local_lines(m);
  tfhash::bind_polytopes(m);
  tfhash::bind_affinities(m);
}
