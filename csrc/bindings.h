// What the files of bindings share. They are the only ones that include pybind11.
//
// The rule of this boundary: a number is checked here once and passed by value; an array that is
// used to index memory is copied before it is checked, since its owner may write to it while the
// kernel runs without the GIL; of other arrays (words, values, weights) nothing that is read may
// lead out of bounds, whatever it is.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "check.h"
#include "codes.h"
#include "interrupt.h"
#include "progress.h"

namespace tfhash {

constexpr int kAligned = pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_;

// A C-contiguous array of exactly this dtype (arguments are bound with noconvert), to be read. One
// whose numbers do not lie at multiples of their size is copied.
template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style | kAligned>;

// The same, to be written: never a copy.
template <class T>
using Output = pybind11::array_t<T, pybind11::array::c_style>;

std::string shape_of(const pybind11::array& a);

// Where an output is written to. Throws where it is read-only or not aligned.
template <class T>
T* writable(Output<T>& a) {
  expect((a.flags() & kAligned) != 0, "Expected an aligned array to write to. Received: one of ",
         "shape ", shape_of(a), " whose numbers are not at multiples of ", sizeof(T), " bytes.");
  return a.mutable_data();
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

// A copy of an array of one dimension, which its owner can no longer change.
template <class T>
std::vector<T> copy_of(const Array<T>& values) {
  expect(values.ndim() == 1, "Expected an array of one dimension. Received shape: ",
         shape_of(values), ".");
  return std::vector<T>(values.data(), values.data() + values.size());
}

// The numbers of `values` where it is an array of T, which is kept; null otherwise.
template <class T>
const T* held(const pybind11::handle& values, std::vector<pybind11::array>* kept) {
  if (!pybind11::isinstance<Array<T>>(values)) return nullptr;
  const auto array = Array<T>::ensure(values);
  if (!array) throw pybind11::error_already_set();
  kept->push_back(array);
  return array.data();
}

// A kernel at work: for as long as this object lives the GIL is released, Ctrl-C is looked for
// (interrupt.h) and progress may be told.
//
// Where the process ends meanwhile, Python ends every other thread that asks for the GIL, by
// unwinding its stack (before Python 3.14), which a C++ program must not stop and a destructor does
// not survive. So such a thread sleeps for the rest of the process, as it does from Python 3.14 on.
class KernelCall {
 public:
  KernelCall();
  ~KernelCall();
  KernelCall(const KernelCall&) = delete;
  KernelCall& operator=(const KernelCall&) = delete;

  // The one of this thread, or null.
  static KernelCall* current();

  // Calls a function of Python's C interface with the GIL held; the function throws nothing. False
  // where it leaves a Python error: the kernel is to end by throwing Interrupted then, and the error
  // is raised when the GIL is held again for good.
  template <class Function>
  bool with_gil(Function function) {
    take_gil();
    const bool good = guarded([](void* f) { (*static_cast<Function*>(f))(); }, &function);
    release_gil();
    return good;
  }

 private:
  void take_gil();
  void release_gil();
  static bool guarded(void (*call)(void*), void* function);

  KernelCall* const before_;
  const bool ending_;       // the process is ending already, and this thread ends it
  PyThreadState* state_;
  Call call_;
};

// Lets Interrupted, thrown by a kernel, be the Python error that made it so.
void translate_interrupted();

// A uint64 matrix of codes as the kernels see it.
CodesView view(const Array<uint64_t>& words, int64_t n_bits);

// A kernel's progress from a Python callable (share: float, note: str) or None; called at most ten
// times a second, within a KernelCall.
Progress progress_of(const pybind11::object& callback);

void bind_affinities(pybind11::module_& m);
void bind_cells(pybind11::module_& m);
void bind_geometry(pybind11::module_& m);
void bind_models(pybind11::module_& m);
void bind_graph(pybind11::module_& m);
void bind_local_lines(pybind11::module_& m);
void bind_polytopes(pybind11::module_& m);

}  // namespace tfhash
