// The Python face of the kernels: check the arrays, release the GIL, call, return.
// tfhash/_native.pyi states the types of what is here and in bindings_geometry.cpp.
#include "bindings.h"

#include "check.h"
#include "codes.h"
#include "kernels/hamming_knn.h"
#include "kernels/kmeans.h"
#include "kernels/linear_scores.h"
#include "kernels/logistic.h"
#include "kernels/pack.h"
#include "kernels/unique.h"
#include "parallel.h"
#include "primitives.h"

namespace py = pybind11;

namespace tfhash {
namespace {

// A uint64 matrix of codes as the kernels see it.
CodesView view(const Array<uint64_t>& words, int64_t n_bits) {
  expect(words.ndim() == 2 && n_bits >= 0 && words.shape(1) == words_for(n_bits),
         "Expected words of shape [n, ", words_for(n_bits), "] for codes of ", n_bits,
         " bits. Received shape: ", shape_of(words), ".");
  return {words.data(), words.shape(0), words.shape(1), n_bits};
}

MutableCodes mutable_view(Array<uint64_t>& words) {
  expect(words.ndim() == 2, "Expected words of shape [n, n_words]. Received shape: ",
         shape_of(words), ".");
  return {words.mutable_data(), words.shape(0), words.shape(1)};
}

template <class T>
void py_pack(const Array<T>& x, Array<uint64_t> out, int64_t start, int64_t row_base) {
  const MutableCodes codes = mutable_view(out);
  expect(x.ndim() == 2 && x.shape(0) == codes.n && start >= 0 &&
             start + x.shape(1) <= 64 * codes.n_words,
         "Expected a matrix of ", codes.n, " rows that fits from bit ", start, " of ",
         64 * codes.n_words, " on. Received shape: ", shape_of(x), ".");
  const MatrixView<T> matrix{x.data(), x.shape(0), x.shape(1), x.shape(1)};
  py::gil_scoped_release release;
  pack(matrix, codes, start, row_base);
}

void py_copy_bits(const Array<uint64_t>& words, int64_t n_bits, int64_t from, int64_t count,
                  Array<uint64_t> out, int64_t to) {
  const CodesView codes = view(words, n_bits);
  const MutableCodes target = mutable_view(out);
  expect(target.n == codes.n && count >= 0 && from >= 0 && from + count <= n_bits && to >= 0 &&
             to + count <= 64 * target.n_words,
         "Expected spans inside both codes. Received: ", count, " bits from bit ", from, " of ",
         n_bits, " to bit ", to, " of ", 64 * target.n_words, ", ", codes.n, " and ", target.n,
         " codes.");
  py::gil_scoped_release release;
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

py::tuple py_region_ids(const Array<uint64_t>& words, int64_t n_bits) {
  const CodesView codes = view(words, n_bits);
  Array<int64_t> ids(codes.n);
  int64_t* id = ids.mutable_data();
  int64_t m = 0;
  {
    py::gil_scoped_release release;
    m = first_equal(codes, id);
  }
  Array<int64_t> counts(m);
  int64_t* count = counts.mutable_data();
  {
    py::gil_scoped_release release;
    number_regions(codes.n, id, count);
  }
  return py::make_tuple(ids, counts);
}

void bind_regions(py::module_& m) {
  m.def("region_ids", py_region_ids, py::arg("words").noconvert(), py::arg("n_bits"));
}

py::tuple py_hamming_knn(const Array<uint64_t>& database, const Array<uint64_t>& queries,
                         int64_t n_bits, int64_t k) {
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
    py::gil_scoped_release release;
    hamming_knn(codes, asked, k, distance, index);
  }
  return py::make_tuple(distances, indices);
}

void bind_neighbors(py::module_& m) {
  m.def("hamming_knn", py_hamming_knn, py::arg("database").noconvert(),
        py::arg("queries").noconvert(), py::arg("n_bits"), py::arg("k"));
}

py::tuple py_kmeans(const Array<uint64_t>& words, int64_t n_bits, int64_t k,
                    const Array<double>& draws, int64_t max_iter, double tol) {
  const CodesView codes = view(words, n_bits);
  expect(k >= 1 && draws.ndim() == 2 && draws.shape(0) >= 1 && draws.shape(1) >= 1 &&
             (k == 1 || (draws.shape(1) > 1 && (draws.shape(1) - 1) % (k - 1) == 0)),
         "Expected draws of shape [n_runs, 1 + (k - 1) * n_trials] for k = ", k,
         ". Received shape: ", shape_of(draws), ".");
  const int64_t n_trials = k == 1 ? 0 : (draws.shape(1) - 1) / (k - 1);
  const KMeansOptions options{k, draws.shape(0), n_trials, draws.data(), max_iter, tol};
  KMeansResult result;
  {
    py::gil_scoped_release release;
    result = kmeans(codes, options);
  }
  return py::make_tuple(array_of(result.labels), array_of(result.centers, k), result.inertia,
                        result.n_iter, array_of(result.seeds));
}

double py_kmeans_assign(const Array<uint64_t>& words, int64_t n_bits,
                        const Array<double>& centers, Array<int32_t> labels) {
  const CodesView codes = view(words, n_bits);
  expect(centers.ndim() == 2 && centers.shape(0) >= 1 && centers.shape(1) == n_bits,
         "Expected centres of shape [k, ", n_bits, "]. Received shape: ", shape_of(centers), ".");
  expect(labels.ndim() == 1 && labels.shape(0) == codes.n, "Expected room for ", codes.n,
         " labels. Received shape: ", shape_of(labels), ".");
  int32_t* out = labels.mutable_data();
  py::gil_scoped_release release;
  return kmeans_assign(codes, centers.data(), centers.shape(0), out);
}

void bind_kmeans(py::module_& m) {
  m.def("kmeans", py_kmeans, py::arg("words").noconvert(), py::arg("n_bits"), py::arg("k"),
        py::arg("draws").noconvert(), py::arg("max_iter"), py::arg("tol"));
  m.def("kmeans_assign", py_kmeans_assign, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("centers").noconvert(), py::arg("labels").noconvert());
}

py::tuple py_fit_one_vs_one(const Array<uint64_t>& words, int64_t n_bits,
                            const Array<int32_t>& labels, int64_t n_classes, double c, double tol,
                            int64_t max_iter) {
  const CodesView codes = view(words, n_bits);
  expect(labels.ndim() == 1 && labels.shape(0) == codes.n, "Expected ", codes.n,
         " labels. Received shape: ", shape_of(labels), ".");
  expect(n_classes >= 2, "Expected at least 2 classes. Received: ", n_classes, ".");
  for (int64_t i = 0; i < codes.n; ++i) {
    expect(labels.data()[i] >= 0 && labels.data()[i] < n_classes, "Expected labels from 0 to ",
           n_classes - 1, ". Received: ", labels.data()[i], ".");
  }
  LogisticModels models;
  {
    py::gil_scoped_release release;
    models = fit_one_vs_one(codes, labels.data(), n_classes, {c, tol, max_iter});
  }
  return py::make_tuple(array_of(models.weights, n_classes * (n_classes - 1) / 2),
                        array_of(models.intercepts), array_of(models.n_iter),
                        array_of(models.gradients));
}

Array<double> py_linear_scores(const Array<uint64_t>& words, int64_t n_bits,
                               const Array<double>& weights, const Array<double>& intercepts) {
  const CodesView codes = view(words, n_bits);
  expect(weights.ndim() == 2 && weights.shape(1) == n_bits && intercepts.ndim() == 1 &&
             intercepts.shape(0) == weights.shape(0),
         "Expected weights of shape [n_models, ", n_bits, "] and as many intercepts. Received ",
         "shapes: ", shape_of(weights), " and ", shape_of(intercepts), ".");
  Array<double> scores({codes.n, static_cast<int64_t>(weights.shape(0))});
  double* out = scores.mutable_data();
  {
    py::gil_scoped_release release;
    linear_scores(codes, weights.data(), intercepts.data(), weights.shape(0), out);
  }
  return scores;
}

void bind_logistic(py::module_& m) {
  m.def("fit_one_vs_one", py_fit_one_vs_one, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("labels").noconvert(), py::arg("n_classes"), py::arg("c"), py::arg("tol"),
        py::arg("max_iter"));
  m.def("linear_scores", py_linear_scores, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("weights").noconvert(), py::arg("intercepts").noconvert());
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
  tfhash::set_interrupt_check([] {
    py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  });
  tfhash::bind_threads(m);
  tfhash::bind_pack(m);
  tfhash::bind_geometry(m);
  tfhash::bind_kmeans(m);
  tfhash::bind_logistic(m);
  tfhash::bind_regions(m);
  tfhash::bind_neighbors(m);
}
