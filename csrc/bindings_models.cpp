// The Python face of K-Means, logistic regression and what they share.
#include "bindings.h"

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>

#include "check.h"
#include "codes.h"
#include "kernels/class_pairs.h"
#include "kernels/columns.h"
#include "kernels/kmeans.h"
#include "kernels/linear_scores.h"
#include "kernels/logistic.h"
#include "kernels/wide_logistic.h"

namespace py = pybind11;

namespace tfhash {
namespace {

Array<int64_t> py_varying_bits(const std::vector<Array<uint64_t>>& parts, int64_t n_bits) {
  std::vector<CodesView> views;
  for (const Array<uint64_t>& words : parts) views.push_back(view(words, n_bits));
  expect(!views.empty(), "Expected codes. Received: none.");
  std::vector<int64_t> varying;
  {
    KernelCall call;
    ThreadTeam team(1 + product(views.front().n_words, views.front().n) / (1 << 16));
    varying = varying_bits(views, team);
  }
  return array_of(varying);
}

void py_keep_bits(const Array<uint64_t>& words, int64_t n_bits, const Array<int64_t>& kept,
                  Output<uint64_t> out) {
  const CodesView codes = view(words, n_bits);
  const std::vector<int64_t> bits = copy_of(kept);
  for (size_t i = 0; i < bits.size(); ++i) {
    expect(bits[i] >= 0 && bits[i] < n_bits && (i == 0 || bits[i - 1] < bits[i]),
           "Expected bits from 0 to ", n_bits - 1, ", ascending. Received: ", bits[i], " at ", i,
           ".");
  }
  expect(out.ndim() == 2 && out.shape(0) == codes.n &&
             out.shape(1) == words_for(int64_t(bits.size())),
         "Expected room for ", codes.n, " codes of ", bits.size(),
         " bits. Received shape: ", shape_of(out), ".");
  uint64_t* to = writable(out);
  KernelCall call;
  keep_bits(codes, bits, to);
}

void bind_columns(py::module_& m) {
  m.def("varying_bits", py_varying_bits, py::arg("parts").noconvert(),
        py::arg("n_bits"));
  m.def("keep_bits", py_keep_bits, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("kept").noconvert(), py::arg("out").noconvert());
}

py::tuple py_kmeans(const Array<uint64_t>& words, int64_t n_bits, int64_t k,
                    const Array<double>& draws, int64_t max_iter, double tol,
                    int64_t resident_bytes, const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  expect(k >= 1 && draws.ndim() == 2 && draws.shape(0) >= 1 && draws.shape(1) >= 1 &&
             (k == 1 || (draws.shape(1) > 1 && (draws.shape(1) - 1) % (k - 1) == 0)),
         "Expected draws of shape [n_runs, 1 + (k - 1) * n_trials] for k = ", k,
         ". Received shape: ", shape_of(draws), ".");
  for (int64_t i = 0; i < draws.size(); ++i) {
    const double draw = draws.data()[i];
    expect(draw >= 0 && draw < 1, "Expected draws in [0, 1). Received: ", draw, ".");
  }
  expect(max_iter >= 1 && resident_bytes >= 0,
         "Expected max_iter from 1 and resident_bytes from 0. Received: ", max_iter, " and ",
         resident_bytes, ".");
  expect(tol >= 0 && std::isfinite(tol), "Expected tol to be a finite number from 0. Received: ",
         tol, ".");
  const int64_t n_trials = k == 1 ? 0 : (draws.shape(1) - 1) / (k - 1);
  const KMeansOptions options{k,   draws.shape(0), n_trials, draws.data(), max_iter,
                              tol, resident_bytes, progress_of(progress)};
  KMeansResult result;
  {
    KernelCall call;
    result = kmeans(codes, options);
  }
  return py::make_tuple(array_of(result.labels), array_of(result.centers, k), result.inertia,
                        result.n_iter, array_of(result.seeds));
}

double py_kmeans_assign(const Array<uint64_t>& words, int64_t n_bits,
                        const Array<double>& centers, Output<int32_t> labels,
                        const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  expect(centers.ndim() == 2 && centers.shape(0) >= 1 && centers.shape(0) <= INT32_MAX &&
             centers.shape(1) == n_bits,
         "Expected centers of shape [k, ", n_bits, "]. Received shape: ", shape_of(centers), ".");
  expect(labels.ndim() == 1 && labels.shape(0) == codes.n, "Expected room for ", codes.n,
         " labels. Received shape: ", shape_of(labels), ".");
  int32_t* out = writable(labels);
  const Progress report = progress_of(progress);
  KernelCall call;
  return kmeans_assign(codes, centers.data(), centers.shape(0), report, out);
}

void bind_kmeans(py::module_& m) {
  m.def("kmeans", py_kmeans, py::arg("words").noconvert(), py::arg("n_bits"), py::arg("k"),
        py::arg("draws").noconvert(), py::arg("max_iter"), py::arg("tol"),
        py::arg("resident_bytes"), py::arg("progress") = py::none());
  m.def("kmeans_assign", py_kmeans_assign, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("centers").noconvert(), py::arg("labels").noconvert(), py::arg("progress") = py::none());
}

// Memory that the system gives when it is written to, and zeroed then.
Array<double> zeros(std::vector<py::ssize_t> shape) {
  return Array<double>(py::module_::import("numpy").attr("zeros")(py::tuple(py::cast(shape))));
}

py::tuple py_fit_one_vs_one(const Array<uint64_t>& words, int64_t n_bits,
                            const Array<int32_t>& labels, int64_t n_classes, double c, double tol,
                            int64_t max_iter, bool wide, const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  const std::vector<int32_t> classes = copy_of(labels);
  expect(int64_t(classes.size()) == codes.n, "Expected ", codes.n,
         " labels. Received shape: ", shape_of(labels), ".");
  expect(n_classes >= 2 && n_classes <= codes.n, "Expected 2 classes or more, with at least one of ",
         codes.n, " codes each. Received: ", n_classes, ".");
  std::vector<bool> found(n_classes);
  for (int32_t label : classes) {
    expect(label >= 0 && label < n_classes, "Expected labels from 0 to ", n_classes - 1,
           ". Received: ", label, ".");
    found[label] = true;
  }
  const auto absent = std::find(found.begin(), found.end(), false);
  expect(absent == found.end(), "Expected at least one code of each class. Received: none of class ",
         absent - found.begin(), ".");
  expect(c > 0 && std::isfinite(c) && tol >= 0 && std::isfinite(tol) && max_iter >= 1,
         "Expected c > 0, tol >= 0 and max_iter >= 1. Received: ", c, ", ", tol, " and ", max_iter,
         ".");
  const int64_t n_pairs = n_class_pairs(n_classes);
  Array<double> weights = zeros({n_pairs, n_bits});
  double* weight = weights.mutable_data();
  LogisticModels models;
  {
    const LogisticOptions options{c, tol, max_iter, progress_of(progress)};
    KernelCall call;
    models = wide ? fit_wide_one_vs_one(codes, classes.data(), n_classes, options, weight)
                  : fit_one_vs_one(codes, classes.data(), n_classes, options, weight);
  }
  return py::make_tuple(weights, array_of(models.intercepts), array_of(models.n_iter),
                        array_of(models.gradients));
}

Array<double> py_linear_scores(const Array<uint64_t>& words, int64_t n_bits,
                               const Array<double>& weights, const Array<double>& intercepts,
                               const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  expect(weights.ndim() == 2 && weights.shape(1) == n_bits && intercepts.ndim() == 1 &&
             intercepts.shape(0) == weights.shape(0),
         "Expected weights of shape [n_models, ", n_bits, "] and as many intercepts. Received ",
         "shapes: ", shape_of(weights), " and ", shape_of(intercepts), ".");
  Array<double> scores({codes.n, static_cast<int64_t>(weights.shape(0))});
  double* out = scores.mutable_data();
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    linear_scores(codes, weights.data(), intercepts.data(), weights.shape(0), report, out);
  }
  return scores;
}

Array<double> py_class_votes(const Array<uint64_t>& words, int64_t n_bits,
                             const Array<double>& weights, const Array<double>& intercepts,
                             int64_t n_classes, const py::object& progress) {
  const CodesView codes = view(words, n_bits);
  expect(n_classes >= 2 && n_classes <= INT32_MAX, "Expected 2 classes or more. Received: ",
         n_classes, ".");
  const int64_t n_pairs = n_class_pairs(n_classes);
  expect(weights.ndim() == 2 && weights.shape(0) == n_pairs && weights.shape(1) == n_bits &&
             intercepts.ndim() == 1 && intercepts.shape(0) == n_pairs,
         "Expected weights of shape [", n_pairs, ", ", n_bits, "] and as many intercepts for ",
         n_classes, " classes. Received shapes: ", shape_of(weights), " and ",
         shape_of(intercepts), ".");
  Array<double> votes({codes.n, n_classes});
  double* out = votes.mutable_data();
  {
    const Progress report = progress_of(progress);
    KernelCall call;
    class_votes(codes, weights.data(), intercepts.data(), n_classes, report, out);
  }
  return votes;
}

void bind_logistic(py::module_& m) {
  m.def("fit_one_vs_one", py_fit_one_vs_one, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("labels").noconvert(), py::arg("n_classes"), py::arg("c"), py::arg("tol"),
        py::arg("max_iter"), py::arg("wide"), py::arg("progress") = py::none());
  m.def("class_votes", py_class_votes, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("weights").noconvert(), py::arg("intercepts").noconvert(), py::arg("n_classes"),
        py::arg("progress") = py::none());
  m.def("linear_scores", py_linear_scores, py::arg("words").noconvert(), py::arg("n_bits"),
        py::arg("weights").noconvert(), py::arg("intercepts").noconvert(), py::arg("progress") = py::none());
}

}  // namespace

void bind_models(py::module_& m) {
  bind_columns(m);
  bind_kmeans(m);
  bind_logistic(m);
}

}  // namespace tfhash
