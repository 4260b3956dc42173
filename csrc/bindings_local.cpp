// The Python face of lines through pixels.
#include "bindings.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "kernels/local_lines.h"

namespace py = pybind11;

namespace tfhash {
namespace {

template <class T>
std::vector<T> list_of(const py::handle& given) {
  std::vector<T> made;
  for (const py::handle& each : py::cast<py::list>(given)) made.push_back(py::cast<T>(each));
  return made;
}

struct Shape {
  int64_t n_pixels = 0, n_channels = 0;  // 0 where the value is not known
};

// The steps of a list and the arrays that they point into, which are kept: the list may change.
class HeldSteps {
 public:
  std::vector<LocalStep> steps;

  HeldSteps(const py::list& given, int64_t n_values, int64_t input_pixels, int64_t n_inputs,
            int64_t n_states)
      : shapes_(size_t(n_values)), n_states_(n_states) {
    shapes_[0] = {input_pixels, n_inputs / input_pixels};
    tables_.reserve(py::len(given));  // they are pointed into
    for (const py::handle& each : given) {
      expect(py::isinstance<py::dict>(each), "Expected steps that are dicts.");
      steps.push_back(step_of(py::reinterpret_borrow<py::dict>(each)));
      shapes_[steps.back().output] = {steps.back().n_pixels, steps.back().n_channels};
    }
  }

 private:
  static int64_t whole(const py::dict& given, const char* name) {
    return py::cast<int64_t>(given[name]);
  }

  LocalStep step_of(const py::dict& given) {
    LocalStep step;
    const auto kind = py::cast<std::string>(given["kind"]);
    step.inputs = list_of<int64_t>(given["inputs"]);
    step.output = whole(given, "output");
    step.n_pixels = whole(given, "n_pixels");
    step.n_channels = whole(given, "n_channels");
    const auto n_values = int64_t(shapes_.size());
    expect(step.n_pixels > 0 && step.n_channels > 0 && step.n_pixels <= INT32_MAX &&
               step.n_channels <= INT32_MAX && product(step.n_pixels, step.n_channels) <= INT32_MAX,
           "Expected from 1 to ", INT32_MAX, " numbers. Received: ", step.n_pixels, " x ",
           step.n_channels, ".");
    expect(span_fits(step.output, 1, n_values) && shapes_[step.output].n_pixels == 0,
           "Expected an output that is not made yet. Received: ", step.output, ".");
    expect(!step.inputs.empty(), "Expected inputs.");
    for (const int64_t input : step.inputs) {
      expect(span_fits(input, 1, n_values) && shapes_[input].n_pixels > 0,
             "Expected inputs that are made before. Received: ", input, ".");
    }
    if (kind == "windows") {
      add_windows(given, &step);
    } else if (kind == "sum") {
      step.kind = LocalKind::kSum;
      step.signs = list_of<double>(given["signs"]);
      expect(step.signs.size() == step.inputs.size(), "Expected a sign for each input.");
      expect_pixels(step, step.n_pixels, step.n_channels);
    } else if (kind == "join") {
      step.kind = LocalKind::kJoin;
      int64_t n_channels = 0;
      for (const int64_t input : step.inputs) {
        expect(shapes_[input].n_pixels == step.n_pixels, "Expected inputs of as many pixels.");
        n_channels += shapes_[input].n_channels;
      }
      expect(n_channels == step.n_channels, "Expected ", n_channels, " channels.");
    } else if (kind == "activation") {
      add_activation(given, &step);
    } else {
      expect(kind == "maximum", "Expected a kind of step. Received: ", kind, ".");
      step.kind = LocalKind::kMaximum;
      step.signs = {py::cast<double>(given["sign"])};
      if (!given["table"].is_none()) {
        add_table(given["table"], &step);
        expect(step.inputs.size() == 1, "Expected one input.");
        expect_pixels(step, highest_ + 1, step.n_channels);
        for (int64_t p = 0; p < step.n_pixels; ++p) {
          const int32_t* taps = step.table + p * step.n_taps;
          expect(std::any_of(taps, taps + step.n_taps, [](int32_t tap) { return tap >= 0; }),
                 "Expected a candidate for each pixel.");
        }
      } else {
        expect_pixels(step, step.n_pixels, step.n_channels);
      }
    }
    return step;
  }

  // That inputs have at least so many pixels of so many channels, or one that holds them all.
  void expect_pixels(const LocalStep& step, int64_t n_pixels, int64_t n_channels) const {
    for (const int64_t input : step.inputs) {
      const Shape& shape = shapes_[input];
      const bool is_whole = shape.n_channels == n_channels && shape.n_pixels >= n_pixels;
      const bool is_split = shape.n_pixels == 1 && n_pixels <= shape.n_channels / n_channels;
      expect(is_whole || is_split, "Expected inputs of ", n_pixels, " x ", n_channels,
             " numbers. Received: ", shape.n_pixels, " x ", shape.n_channels, ".");
    }
  }

  void expect_states(const LocalStep& step, int64_t n_kinks) const {
    expect(span_fits(step.first_state, product(n_kinks, step.n_pixels * step.n_channels),
                     n_states_),
           "Expected states within ", n_states_, ". Received: from ", step.first_state, ".");
  }

  void add_table(const py::handle& given, LocalStep* step) {
    expect(py::isinstance<Array<int32_t>>(given), "Expected an int32 table.");
    const auto table = Array<int32_t>::ensure(given);
    expect(table && table.ndim() == 2 && table.shape(0) == step->n_pixels && table.shape(1) > 0,
           "Expected a table of shape [", step->n_pixels, ", taps].");
    tables_.emplace_back(table.data(), table.data() + table.size());
    step->table = tables_.back().data();
    step->n_taps = table.shape(1);
    highest_ = std::max<int64_t>(
        0, *std::max_element(tables_.back().begin(), tables_.back().end()));
  }

  LocalNumbers numbers(const py::handle& given, const LocalStep& step, bool may_be_one) {
    if (given.is_none()) return {};
    LocalNumbers made;
    made.data = held<double>(given, &arrays_);
    expect(made.data != nullptr, "Expected float64 numbers.");
    made.size = arrays_.back().size();
    expect(made.size == step.n_channels || made.size == step.n_pixels * step.n_channels ||
               (may_be_one && made.size == 1),
           "Expected a number for each channel or unit. Received: ", made.size, " numbers for ",
           step.n_pixels, " x ", step.n_channels, ".");
    return made;
  }

  void add_windows(const py::dict& given, LocalStep* step) {
    step->kind = LocalKind::kWindows;
    step->n_inputs = whole(given, "n_inputs");
    expect(step->n_inputs > 0, "Expected n_inputs from 1.");
    add_table(given["table"], step);
    expect(step->inputs.size() == 1, "Expected one input.");
    expect_pixels(*step, highest_ + 1, step->n_inputs);
    const int64_t n_in = product(step->n_taps, step->n_inputs);
    expect(n_in <= INT32_MAX, "Expected at most ", INT32_MAX, " inputs of a pixel.");
    if (!given["weights"].is_none()) {
      step->weights_f32 = held<float>(given["weights"], &arrays_);
      if (step->weights_f32 == nullptr) {
        step->weights_f64 = held<double>(given["weights"], &arrays_);
      }
      expect(step->weights_f32 != nullptr || step->weights_f64 != nullptr,
             "Expected float32 or float64 weights.");
      expect(arrays_.back().ndim() == 2 && arrays_.back().shape(0) == n_in &&
                 arrays_.back().shape(1) == step->n_channels,
             "Expected weights of shape [", n_in, ", ", step->n_channels, "]. Received: ",
             shape_of(arrays_.back()), ".");
    } else if (!given["channel_weights"].is_none()) {
      step->channel_weights = held<double>(given["channel_weights"], &arrays_);
      expect(step->channel_weights != nullptr && step->n_channels % step->n_inputs == 0 &&
                 arrays_.back().ndim() == 2 && arrays_.back().shape(0) == step->n_taps &&
                 arrays_.back().shape(1) == step->n_channels,
             "Expected float64 channel_weights of shape [", step->n_taps, ", ", step->n_channels,
             "].");
    } else {
      expect(n_in == step->n_channels, "Expected ", n_in, " channels.");
    }
    step->scale = numbers(given["scale"], *step, false);
    step->shift = numbers(given["shift"], *step, false);
  }

  void add_activation(const py::dict& given, LocalStep* step) {
    step->kind = LocalKind::kActivation;
    step->layer = whole(given, "layer");
    step->first_state = whole(given, "first_state");
    const auto list = [&](const char* name) {
      std::vector<LocalNumbers> made;
      for (const py::handle& each : py::cast<py::list>(given[name])) {
        made.push_back(numbers(each, *step, true));
        expect(made.back().data != nullptr, "Expected numbers in ", name, ".");
      }
      return made;
    };
    step->kinks = list("kinks");
    step->slopes = list("slopes");
    step->offsets = list("offsets");
    const size_t n = step->kinks.size();
    expect(n > 0 && step->slopes.size() == n + 1 && step->offsets.size() == n + 1,
           "Expected kinks, and one more slope and offset than kinks.");
    const Shape& shape = shapes_[step->inputs[0]];
    expect(step->inputs.size() == 1 && shape.n_pixels == step->n_pixels &&
               shape.n_channels == step->n_channels,
           "Expected one input of the output's shape.");
    expect_states(*step, int64_t(n));
  }

  std::vector<Shape> shapes_;
  const int64_t n_states_;
  std::vector<py::array> arrays_;
  std::vector<std::vector<int32_t>> tables_;
  int64_t highest_ = 0;  // pixel in the last table
};

py::tuple py_local_lines(const py::list& given, int64_t n_values, int64_t input_pixels,
                         const Array<double>& ends, int64_t most_bytes, int64_t n_states) {
  expect(ends.ndim() == 2 && ends.shape(0) % 2 == 0 && ends.shape(1) > 0,
         "Expected ends of shape [2 n, inputs]. Received: ", shape_of(ends), ".");
  const int64_t n = ends.shape(0) / 2, n_inputs = ends.shape(1);
  expect(n_values > 0 && n_values <= INT32_MAX && input_pixels > 0 &&
             n_inputs % input_pixels == 0 && n_inputs <= INT32_MAX,
         "Expected values, and inputs that are pixels. Received: ", n_values, " values and ",
         n_inputs, " numbers of ", input_pixels, " pixels.");
  expect(most_bytes >= 0 && n_states >= 0, "Expected most_bytes and n_states from 0.");
  const HeldSteps held_steps(given, n_values, input_pixels, n_inputs, n_states);
  Array<bool> states({py::ssize_t(2 * n), py::ssize_t(n_states)});
  bool* bits = states.mutable_data();
  std::fill_n(bits, states.size(), false);
  const double* points = ends.data();
  std::vector<LocalLine> lines;
  {
    KernelCall call;
    lines = local_lines(held_steps.steps, n_values, input_pixels, points, n, n_inputs, most_bytes,
                        n_states, bits);
  }
  py::list found;
  for (const LocalLine& line : lines) {
    const auto m = py::ssize_t(line.switches.size());
    Array<double> t(m);
    Array<int64_t> units({m, py::ssize_t(2)});
    for (py::ssize_t i = 0; i < m; ++i) {
      t.mutable_data()[i] = line.switches[i].t;
      units.mutable_data()[2 * i] = line.switches[i].layer;
      units.mutable_data()[2 * i + 1] = line.switches[i].unit;
    }
    found.append(py::make_tuple(int(line.outcome), t, units));
  }
  return py::make_tuple(found, states);
}

}  // namespace

void bind_local_lines(py::module_& m) {
  m.def("local_lines", py_local_lines, py::arg("steps"), py::arg("n_values"),
        py::arg("input_pixels"), py::arg("ends").noconvert(), py::arg("most_bytes"),
        py::arg("n_states"));
}

}  // namespace tfhash
