// How kernels are called without the GIL, stopped by Ctrl-C and left behind when the process ends.
#include <chrono>
#include <exception>
#include <thread>

#include "bindings.h"

namespace py = pybind11;

namespace tfhash {
namespace {

thread_local KernelCall* current_call = nullptr;

bool process_is_ending() {
#if PY_VERSION_HEX >= 0x030D0000
  return Py_IsFinalizing() != 0;
#else
  return _Py_IsFinalizing() != 0;
#endif
}

[[noreturn]] void sleep_to_the_end() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

}  // namespace

KernelCall::KernelCall()
    : before_(current_call),
      ending_(process_is_ending()),
      state_(PyEval_SaveThread()),
      call_([this] { return with_gil([] { PyErr_CheckSignals(); }); }) {
  current_call = this;
}

KernelCall::~KernelCall() {
  current_call = before_;
  take_gil();
}

KernelCall* KernelCall::current() { return current_call; }

void KernelCall::take_gil() {
  if (!ending_ && process_is_ending()) sleep_to_the_end();
  try {
    PyEval_RestoreThread(state_);
  } catch (...) {  // the process began to end while the thread waited: see the class
    sleep_to_the_end();
  }
}

void KernelCall::release_gil() { state_ = PyEval_SaveThread(); }

// Whether the call left no Python error.
bool KernelCall::guarded(void (*call)(void*), void* function) {
  try {
    call(function);
  } catch (...) {  // Python code was running when the process began to end: Python throws no other
    sleep_to_the_end();
  }
  return PyErr_Occurred() == nullptr;
}

void translate_interrupted() {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Interrupted&) {
      // The Python error is set already.
      if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_RuntimeError, "interrupted");
    }
  });
}

Progress progress_of(const py::object& callback) {
  using Clock = std::chrono::steady_clock;
  if (callback.is_none()) return {};
  // The caller of the kernel keeps the callback; nothing here counts references without the GIL.
  return [held = &callback, last = Clock::now()](double share, const std::string& note) mutable {
    if (Clock::now() - last < std::chrono::milliseconds(100)) return;
    last = Clock::now();
    const auto tell = [&] {  // nothing that would count references while a stack is unwound
      PyObject* result = PyObject_CallFunction(held->ptr(), "ds", share, note.c_str());
      Py_XDECREF(result);
    };
    if (!KernelCall::current()->with_gil(tell)) throw Interrupted();
  };
}

}  // namespace tfhash
