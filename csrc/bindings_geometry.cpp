// The geometry kernels' Python face.
#include "bindings.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "check.h"
#include "kernels/chords.h"
#include "kernels/dense_lines.h"
#include "kernels/dense_planes.h"
#include "kernels/lines.h"
#include "kernels/planes.h"

namespace py = pybind11;

namespace tfhash {
namespace {

template <class T>
int64_t py_reduce_chords(const Array<T>& z, const Array<T>& u, int64_t layer, int64_t first_unit,
                         Output<double> lower, Output<double> upper, Output<int64_t> lower_unit,
                         Output<int64_t> upper_unit) {
  expect(z.ndim() == 2 && u.ndim() == 2 && u.shape(0) == z.shape(0) && u.shape(1) == z.shape(1),
         "Expected z and u of one shape [n, n_units]. Received: ", shape_of(z), " and ",
         shape_of(u), ".");
  const int64_t n = z.shape(0);
  for (const Output<double>* end : {&lower, &upper}) {
    expect(end->ndim() == 1 && end->shape(0) == n, "Expected ends of shape [", n,
           "]. Received: ", shape_of(*end), ".");
  }
  for (const Output<int64_t>* unit : {&lower_unit, &upper_unit}) {
    expect(unit->ndim() == 2 && unit->shape(0) == n && unit->shape(1) == 2,
           "Expected units of shape [", n, ", 2]. Received: ", shape_of(*unit), ".");
  }
  expect(layer >= 0 && span_fits(first_unit, z.shape(1), INT64_MAX),
         "Expected layer and first_unit from 0. Received: ", layer, " and ", first_unit, ".");
  const MatrixView<T> values{z.data(), n, z.shape(1), z.shape(1)};
  const MatrixView<T> slopes{u.data(), n, u.shape(1), u.shape(1)};
  const ChordsView ends{writable(lower), writable(upper), writable(lower_unit),
                        writable(upper_unit)};
  KernelCall call;
  return reduce_chords(values, slopes, layer, first_unit, ends);
}

MatrixView<double> matrix(const Array<double>& values) {
  expect(values.ndim() == 2, "Expected a matrix. Received shape: ", shape_of(values), ".");
  return {values.data(), values.shape(0), values.shape(1), values.shape(1)};
}

py::tuple py_line_events(const Array<double>& z) {
  const MatrixView<double> values = matrix(z);
  std::vector<LineEvent> events;
  {
    KernelCall call;
    events = line_events(values);
  }
  const auto n = py::ssize_t(events.size());
  Array<int64_t> piece(n), unit(n);
  Array<double> weight(n);
  Array<bool> inside(n);
  for (py::ssize_t i = 0; i < n; ++i) {
    piece.mutable_data()[i] = events[i].piece;
    weight.mutable_data()[i] = events[i].weight;
    unit.mutable_data()[i] = events[i].unit;
    inside.mutable_data()[i] = events[i].inside;
  }
  return py::make_tuple(piece, weight, unit, inside);
}

Array<double> py_blend_rows(const Array<double>& values, const Array<int64_t>& piece,
                            const Array<double>& weight) {
  const MatrixView<double> from = matrix(values);
  expect(piece.ndim() == 1 && weight.ndim() == 1 && weight.shape(0) == piece.shape(0),
         "Expected piece and weight of one shape [n_new]. Received: ", shape_of(piece), " and ",
         shape_of(weight), ".");
  const std::vector<int64_t> pieces = copy_of(piece);
  const int64_t n_new = int64_t(pieces.size());
  const bool in_range = n_new == 0 || (pieces.front() >= 0 && pieces.back() < from.n - 1);
  expect(in_range && std::is_sorted(pieces.begin(), pieces.end()),
         "Expected ascending pieces from 0 to ", from.n - 2, ".");
  Array<double> out({py::ssize_t(from.n + n_new), py::ssize_t(from.n_columns)});
  double* rows = out.mutable_data();
  const double* weights = weight.data();
  KernelCall call;
  blend_rows(from, pieces.data(), weights, n_new, rows);
  return out;
}

// A layer and the arrays that it points into, which are kept: the list they came in may change.
struct HeldLayer {
  DenseLayer layer{};
  std::vector<py::array> arrays;
};

// Checked against what the layer before gives; n_inputs is -1 for the first.
HeldLayer dense_layer(const py::handle& given, int64_t n_inputs) {
  expect(py::isinstance<py::tuple>(given) && py::len(given) == 4,
         "Expected layers that are tuples (weights, scale, shift, slope).");
  const auto parts = py::reinterpret_borrow<py::tuple>(given);
  HeldLayer made;
  DenseLayer& layer = made.layer;
  layer.weights_f32 = held<float>(parts[0], &made.arrays);
  if (layer.weights_f32 == nullptr) layer.weights_f64 = held<double>(parts[0], &made.arrays);
  expect(!made.arrays.empty(), "Expected float32 or float64 weights.");
  const py::array weights = made.arrays.back();
  expect(weights.ndim() == 2 && weights.shape(0) > 0 && weights.shape(1) > 0 &&
             (n_inputs < 0 || weights.shape(0) == n_inputs),
         "Expected weights of shape [", n_inputs < 0 ? "n_inputs" : std::to_string(n_inputs),
         ", n_units], neither of them 0. Received: ", shape_of(weights), ".");
  layer.n_inputs = weights.shape(0);
  layer.n_units = weights.shape(1);
  expect(std::max(layer.n_inputs, layer.n_units) <= INT32_MAX, "Expected at most ", INT32_MAX,
         " inputs and units. Received weights of shape: ", shape_of(weights), ".");
  const auto vector = [&](const py::handle& values) {
    const double* data = held<double>(values, &made.arrays);
    expect(data != nullptr, "Expected float64 scale and shift.");
    const py::array array = made.arrays.back();
    expect(array.ndim() == 1 && array.shape(0) == layer.n_units,
           "Expected scale and shift of shape [", layer.n_units, "]. Received: ", shape_of(array),
           ".");
    return data;
  };
  layer.scale = parts[1].is_none() ? nullptr : vector(parts[1]);
  layer.shift = vector(parts[2]);
  layer.slope = py::cast<double>(parts[3]);
  return made;
}

// The layers of a list, checked.
struct HeldLayers {
  std::vector<HeldLayer> held;
  std::vector<DenseLayer> layers;
  int64_t n_bits = 0;

  explicit HeldLayers(const py::list& stack) {
    int64_t n_inputs = -1;
    for (const py::handle& layer : stack) {
      held.push_back(dense_layer(layer, n_inputs));
      layers.push_back(held.back().layer);
      n_inputs = layers.back().n_units;
      n_bits += n_inputs;
    }
  }
};

py::tuple py_dense_lines(const py::list& stack, const Array<double>& ends, int64_t most_points) {
  const HeldLayers given(stack);
  const std::vector<DenseLayer>& layers = given.layers;
  const int64_t n_bits = given.n_bits;
  expect(!layers.empty() && ends.ndim() == 2 && ends.shape(0) % 2 == 0 &&
             ends.shape(1) == layers[0].n_inputs,
         "Expected layers, and ends of shape [2 n, inputs]. Received: ", layers.size(),
         " layers and ends of shape ", shape_of(ends), ".");
  expect(most_points >= 0, "Expected most_points from 0. Received: ", most_points, ".");
  const int64_t n = ends.shape(0) / 2;
  const double* points = ends.data();
  Array<bool> codes({py::ssize_t(n), py::ssize_t(n_bits)});
  bool* bits = codes.mutable_data();
  std::vector<DenseLine> lines;
  {
    KernelCall call;
    lines = dense_lines(layers, points, n, most_points, bits);
  }
  Array<uint8_t> outcomes(n);
  Array<int64_t> offsets(n + 1);
  offsets.mutable_data()[0] = 0;
  for (int64_t i = 0; i < n; ++i) {
    outcomes.mutable_data()[i] = uint8_t(lines[i].outcome);
    offsets.mutable_data()[i + 1] = offsets.data()[i] + int64_t(lines[i].switches.size());
  }
  const auto total = py::ssize_t(offsets.data()[n]);
  Array<double> t(total);
  Array<int64_t> units({total, py::ssize_t(2)});
  int64_t at = 0;
  for (const DenseLine& line : lines) {
    for (const LineSwitch& found : line.switches) {
      t.mutable_data()[at] = found.t;
      units.mutable_data()[2 * at] = found.layer;
      units.mutable_data()[2 * at + 1] = found.unit;
      ++at;
    }
  }
  return py::make_tuple(outcomes, offsets, t, units, codes);
}

// The numbers of a vector, without a copy.
template <class T>
py::array_t<T> owned(std::vector<T>&& values, const std::vector<py::ssize_t>& shape) {
  auto* const kept = new std::vector<T>(std::move(values));
  const py::capsule owner(kept, [](void* held) { delete static_cast<std::vector<T>*>(held); });
  return py::array_t<T>(shape, kept->data(), owner);
}

py::object py_dense_plane(const py::list& stack, const Array<double>& window,
                          const Array<double>& inputs, int64_t patch_bytes) {
  const HeldLayers given(stack);
  expect(!given.layers.empty() && window.ndim() == 2 && window.shape(0) >= 3 &&
             window.shape(1) == 2 && inputs.ndim() == 2 && inputs.shape(0) == window.shape(0) &&
             inputs.shape(1) == given.layers[0].n_inputs,
         "Expected layers, a window of shape [n, 2], n from 3, and inputs of shape [n, inputs]. "
         "Received: ", given.layers.size(), " layers and shapes ", shape_of(window), " and ",
         shape_of(inputs), ".");
  expect(patch_bytes >= 0, "Expected patch_bytes from 0. Received: ", patch_bytes, ".");
  const int64_t n = window.shape(0);
  const double *corners = window.data(), *rows = inputs.data();
  DensePlane plane;
  {
    KernelCall call;
    plane = dense_plane(given.layers, corners, rows, n, patch_bytes);
  }
  if (!plane.is_finite) return py::none();
  const auto n_points = py::ssize_t(plane.points.size() / 2);
  const auto n_polygons = py::ssize_t(plane.offsets.size()) - 1;
  const auto n_corners = py::ssize_t(plane.corners.size());
  py::list codes;
  for (auto& words : plane.codes) {
    const auto n_words = py::ssize_t(words.size()) / n_polygons;
    codes.append(owned(std::move(words), {n_polygons, n_words}));
  }
  return py::make_tuple(owned(std::move(plane.points), {n_points, 2}),
                        owned(std::move(plane.offsets), {n_polygons + 1}),
                        owned(std::move(plane.corners), {n_corners}), codes);
}

// A copy of the polygons, checked: every index is one of a point, every polygon has 3 corners at
// least.
struct Polygons {
  std::vector<int64_t> offsets, corners;

  Polygons(const Array<int64_t>& given_offsets, const Array<int64_t>& given_corners,
           int64_t n_points)
      : offsets(copy_of(given_offsets)), corners(copy_of(given_corners)) {
    const int64_t n_corners = int64_t(corners.size());
    bool good = !offsets.empty() && offsets.front() == 0 && offsets.back() == n_corners;
    for (size_t i = 1; good && i < offsets.size(); ++i) {
      good = offsets[i] >= 3 && offsets[i - 1] <= offsets[i] - 3;
    }
    for (int64_t i = 0; good && i < n_corners; ++i) good = corners[i] >= 0 && corners[i] < n_points;
    expect(good, "Expected offsets from 0 to ", n_corners,
           ", 3 apart or more, and corners from 0 to ", n_points - 1, ".");
  }

  PolygonsView view() const {
    return {offsets.data(), corners.data(), int64_t(offsets.size()) - 1};
  }
};

const double* tolerances(const Array<double>& tolerance, int64_t n_units) {
  expect(tolerance.ndim() == 1 && tolerance.shape(0) == n_units, "Expected tolerance of shape [",
         n_units, "]. Received: ", shape_of(tolerance), ".");
  return tolerance.data();
}

py::tuple py_cut_polygons(const Array<double>& z, const Array<double>& tolerance,
                          const Array<int64_t>& offsets, const Array<int64_t>& corners) {
  const MatrixView<double> values = matrix(z);
  const double* within = tolerances(tolerance, values.n_columns);
  const Polygons polygons(offsets, corners, values.n);
  Cut cut;
  {
    KernelCall call;
    cut = cut_polygons(values, within, polygons.view());
  }
  return py::make_tuple(array_of(cut.from), array_of(cut.to), array_of(cut.weight),
                        array_of(cut.zero_point), array_of(cut.zero_unit), array_of(cut.offsets),
                        array_of(cut.corners), array_of(cut.parent));
}

Array<double> py_blend_points(const Array<double>& values, const Array<int64_t>& from,
                              const Array<int64_t>& to, const Array<double>& weight,
                              const Array<int64_t>& zero_point, const Array<int64_t>& zero_unit) {
  const MatrixView<double> old = matrix(values);
  const std::vector<int64_t> a = copy_of(from), b = copy_of(to);
  const std::vector<int64_t> points = copy_of(zero_point), units = copy_of(zero_unit);
  const int64_t n_new = weight.size(), n_zeros = int64_t(units.size());
  bool good = weight.ndim() == 1 && int64_t(a.size()) == n_new && int64_t(b.size()) == n_new &&
              int64_t(points.size()) == n_zeros;
  for (int64_t i = 0; good && i < n_new; ++i) {
    good = a[i] >= 0 && b[i] >= 0 && a[i] < old.n + i && b[i] < old.n + i;
  }
  expect(good, "Expected new points that lie between points before them.");
  Array<double> out({py::ssize_t(old.n + n_new), py::ssize_t(old.n_columns)});
  double* rows = out.mutable_data();
  const double* weights = weight.data();
  KernelCall call;
  blend_points(old, a.data(), b.data(), weights, n_new, points.data(), units.data(), n_zeros, rows);
  return out;
}

Array<uint64_t> py_polygon_codes(const Array<double>& z, const Array<double>& tolerance,
                                 const Array<int64_t>& offsets, const Array<int64_t>& corners) {
  const MatrixView<double> values = matrix(z);
  const double* within = tolerances(tolerance, values.n_columns);
  const Polygons polygons(offsets, corners, values.n);
  const int64_t n_words = words_for(values.n_columns);
  const int64_t n = polygons.view().n;
  Array<uint64_t> out({py::ssize_t(n), py::ssize_t(n_words)});
  std::fill_n(out.mutable_data(), n * n_words, uint64_t(0));
  const MutableCodes codes{out.mutable_data(), n, n_words};
  KernelCall call;
  polygon_codes(values, within, polygons.view(), codes);
  return out;
}

}  // namespace

void bind_geometry(py::module_& m) {
  const auto bind = [&](auto function) {
    m.def("reduce_chords", function, py::arg("z").noconvert(), py::arg("u").noconvert(),
          py::arg("layer"), py::arg("first_unit"), py::arg("lower").noconvert(),
          py::arg("upper").noconvert(), py::arg("lower_unit").noconvert(),
          py::arg("upper_unit").noconvert());
  };
  bind(py_reduce_chords<float>);
  bind(py_reduce_chords<double>);
  m.def("line_events", py_line_events, py::arg("z").noconvert());
  m.def("blend_rows", py_blend_rows, py::arg("values").noconvert(), py::arg("piece").noconvert(),
        py::arg("weight").noconvert());
  m.def("dense_lines", py_dense_lines, py::arg("layers"), py::arg("ends").noconvert(),
        py::arg("most_points"));
  m.def("dense_plane", py_dense_plane, py::arg("layers"), py::arg("window").noconvert(),
        py::arg("inputs").noconvert(), py::arg("patch_bytes"));
  m.def("cut_polygons", py_cut_polygons, py::arg("z").noconvert(), py::arg("tolerance").noconvert(),
        py::arg("offsets").noconvert(), py::arg("corners").noconvert());
  m.def("blend_points", py_blend_points, py::arg("values").noconvert(),
        py::arg("start").noconvert(), py::arg("stop").noconvert(), py::arg("weight").noconvert(),
        py::arg("zero_point").noconvert(), py::arg("zero_unit").noconvert());
  m.def("polygon_codes", py_polygon_codes, py::arg("z").noconvert(),
        py::arg("tolerance").noconvert(), py::arg("offsets").noconvert(),
        py::arg("corners").noconvert());
}

}  // namespace tfhash
