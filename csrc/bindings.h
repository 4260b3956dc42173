// What the files of bindings share. They are the only ones that include pybind11.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

namespace tfhash {

// A C-contiguous array of exactly this dtype (arguments are bound with noconvert).
template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;

template <class T>
std::string shape_of(const Array<T>& a) {
  return pybind11::str(a.attr("shape"));
}

void bind_geometry(pybind11::module_& m);

}  // namespace tfhash
