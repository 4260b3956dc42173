// What the files of bindings share. They are the only ones that include pybind11.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "codes.h"
#include "progress.h"

namespace tfhash {

// A C-contiguous array of exactly this dtype (arguments are bound with noconvert).
template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;

template <class T>
std::string shape_of(const Array<T>& a) {
  return pybind11::str(a.attr("shape"));
}

// A copy of the numbers, in `rows` rows where that is not 0.
template <class T>
Array<T> array_of(const std::vector<T>& values, int64_t rows = 0) {
  const int64_t size = static_cast<int64_t>(values.size());
  Array<T> out(rows == 0 ? std::vector<pybind11::ssize_t>{size}
                         : std::vector<pybind11::ssize_t>{rows, size / rows});
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

// A uint64 matrix of codes as the kernels see it.
CodesView view(const Array<uint64_t>& words, int64_t n_bits);

// A kernel's progress from a Python callable (share: float, note: str) or None; called at most ten
// times a second.
Progress progress_of(const pybind11::object& callback);

void bind_geometry(pybind11::module_& m);
void bind_models(pybind11::module_& m);
void bind_graph(pybind11::module_& m);

}  // namespace tfhash
