// The geometry kernels' Python face.
#include "bindings.h"

#include <algorithm>
#include <vector>

#include "check.h"
#include "kernels/chords.h"
#include "kernels/dense_lines.h"
#include "kernels/lines.h"
#include "kernels/planes.h"

namespace py = pybind11;

namespace tfhash {
namespace {

template <class T>
int64_t py_reduce_chords(const Array<T>& z, const Array<T>& u, int64_t layer, int64_t first_unit,
                         Array<double> lower, Array<double> upper, Array<int64_t> lower_unit,
                         Array<int64_t> upper_unit) {
  expect(z.ndim() == 2 && u.ndim() == 2 && u.shape(0) == z.shape(0) && u.shape(1) == z.shape(1),
         "Expected z and u of one shape [n, n_units]. Received: ", shape_of(z), " and ",
         shape_of(u), ".");
  const int64_t n = z.shape(0);
  for (const Array<double>* end : {&lower, &upper}) {
    expect(end->ndim() == 1 && end->shape(0) == n, "Expected ends of shape [", n,
           "]. Received: ", shape_of(*end), ".");
  }
  for (const Array<int64_t>* unit : {&lower_unit, &upper_unit}) {
    expect(unit->ndim() == 2 && unit->shape(0) == n && unit->shape(1) == 2,
           "Expected units of shape [", n, ", 2]. Received: ", shape_of(*unit), ".");
  }
  const MatrixView<T> values{z.data(), n, z.shape(1), z.shape(1)};
  const MatrixView<T> slopes{u.data(), n, u.shape(1), u.shape(1)};
  const ChordsView ends{lower.mutable_data(), upper.mutable_data(), lower_unit.mutable_data(),
                        upper_unit.mutable_data()};
  py::gil_scoped_release release;
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
    py::gil_scoped_release release;
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
  const int64_t n_new = piece.shape(0), *pieces = piece.data();
  const bool in_range = n_new == 0 || (pieces[0] >= 0 && pieces[n_new - 1] + 1 < from.n);
  expect(in_range && std::is_sorted(pieces, pieces + n_new),
         "Expected ascending pieces from 0 to ", from.n - 2, ".");
  Array<double> out({py::ssize_t(from.n + n_new), py::ssize_t(from.n_columns)});
  double* rows = out.mutable_data();
  const double* weights = weight.data();
  py::gil_scoped_release release;
  blend_rows(from, pieces, weights, n_new, rows);
  return out;
}

// Checked against what the layer before gives; the arrays live as long as `layers` does.
DenseLayer dense_layer(const py::tuple& layer, int64_t n_inputs) {
  expect(layer.size() == 4, "Expected layers (weights, scale, shift, slope). Received a tuple of ",
         layer.size(), ".");
  DenseLayer made{};
  const auto view = [&](const auto& weights) {
    expect(weights.ndim() == 2 && weights.shape(1) > 0 &&
               (n_inputs < 0 || weights.shape(0) == n_inputs),
           "Expected weights of shape [", n_inputs, ", n_units]. Received: ", shape_of(weights),
           ".");
    made.n_inputs = weights.shape(0);
    made.n_units = weights.shape(1);
    return weights.data();
  };
  const auto vector = [&](const py::handle& values) {
    expect(py::isinstance<Array<double>>(values), "Expected float64 scale and shift.");
    const auto array = py::reinterpret_borrow<Array<double>>(values);
    expect(array.ndim() == 1 && array.shape(0) == made.n_units, "Expected scale and shift of shape [",
           made.n_units, "]. Received: ", shape_of(array), ".");
    return array.data();
  };
  if (py::isinstance<Array<float>>(layer[0])) {
    made.weights_f32 = view(py::reinterpret_borrow<Array<float>>(layer[0]));
  } else {
    expect(py::isinstance<Array<double>>(layer[0]), "Expected float32 or float64 weights.");
    made.weights_f64 = view(py::reinterpret_borrow<Array<double>>(layer[0]));
  }
  made.scale = layer[1].is_none() ? nullptr : vector(layer[1]);
  made.shift = vector(layer[2]);
  made.slope = py::cast<double>(layer[3]);
  return made;
}

py::tuple py_dense_lines(const py::list& stack, const Array<double>& ends, int64_t most_points) {
  std::vector<DenseLayer> layers;
  int64_t n_bits = 0, n_inputs = -1;
  for (const py::handle& layer : stack) {
    layers.push_back(dense_layer(py::reinterpret_borrow<py::tuple>(layer), n_inputs));
    n_inputs = layers.back().n_units;
    n_bits += n_inputs;
  }
  expect(!layers.empty() && ends.ndim() == 2 && ends.shape(0) % 2 == 0 &&
             ends.shape(1) == layers[0].n_inputs,
         "Expected layers, and ends of shape [2 n, inputs]. Received: ", layers.size(),
         " layers and ends of shape ", shape_of(ends), ".");
  const int64_t n = ends.shape(0) / 2;
  const double* points = ends.data();
  Array<bool> codes({py::ssize_t(n), py::ssize_t(n_bits)});
  bool* bits = codes.mutable_data();
  std::vector<DenseLine> lines;
  {
    py::gil_scoped_release release;
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

// Checked: every index is one of a point, every polygon has 3 corners at least.
PolygonsView polygons_of(const Array<int64_t>& offsets, const Array<int64_t>& corners,
                         int64_t n_points) {
  const int64_t n = offsets.ndim() == 1 ? offsets.shape(0) - 1 : -1;
  const int64_t *from = offsets.data(), *ids = corners.data();
  bool good = n >= 0 && corners.ndim() == 1 && from[0] == 0 && from[n] == corners.shape(0);
  for (int64_t i = 0; good && i < n; ++i) good = from[i + 1] - from[i] >= 3;
  for (int64_t i = 0; good && i < from[n]; ++i) good = ids[i] >= 0 && ids[i] < n_points;
  expect(good, "Expected offsets from 0 to ", corners.size(), ", 3 apart or more, and corners from 0 to ",
         n_points - 1, ".");
  return {from, ids, n};
}

const double* tolerances(const Array<double>& tolerance, int64_t n_units) {
  expect(tolerance.ndim() == 1 && tolerance.shape(0) == n_units, "Expected tolerance of shape [",
         n_units, "]. Received: ", shape_of(tolerance), ".");
  return tolerance.data();
}

py::tuple py_cut_polygons(const Array<double>& z, const Array<double>& tolerance,
                          const Array<int64_t>& offsets, const Array<int64_t>& corners) {
  const MatrixView<double> values = matrix(z);
  const double* within = tolerances(tolerance, values.n_columns);
  const PolygonsView polygons = polygons_of(offsets, corners, values.n);
  Cut cut;
  {
    py::gil_scoped_release release;
    cut = cut_polygons(values, within, polygons);
  }
  return py::make_tuple(array_of(cut.from), array_of(cut.to), array_of(cut.weight),
                        array_of(cut.zero_point), array_of(cut.zero_unit), array_of(cut.offsets),
                        array_of(cut.corners), array_of(cut.parent));
}

Array<double> py_blend_points(const Array<double>& values, const Array<int64_t>& from,
                              const Array<int64_t>& to, const Array<double>& weight,
                              const Array<int64_t>& zero_point, const Array<int64_t>& zero_unit) {
  const MatrixView<double> old = matrix(values);
  const int64_t n_new = weight.size(), n_zeros = zero_unit.size();
  bool good = from.size() == n_new && to.size() == n_new && zero_point.size() == n_zeros;
  for (int64_t i = 0; good && i < n_new; ++i) {
    const int64_t a = from.data()[i], b = to.data()[i];
    good = a >= 0 && b >= 0 && a < old.n + i && b < old.n + i;
  }
  expect(good, "Expected new points that lie between points before them.");
  Array<double> out({py::ssize_t(old.n + n_new), py::ssize_t(old.n_columns)});
  double* rows = out.mutable_data();
  const int64_t *a = from.data(), *b = to.data();
  const int64_t *points = zero_point.data(), *units = zero_unit.data();
  const double* weights = weight.data();
  py::gil_scoped_release release;
  blend_points(old, a, b, weights, n_new, points, units, n_zeros, rows);
  return out;
}

Array<uint64_t> py_polygon_codes(const Array<double>& z, const Array<double>& tolerance,
                                 const Array<int64_t>& offsets, const Array<int64_t>& corners) {
  const MatrixView<double> values = matrix(z);
  const double* within = tolerances(tolerance, values.n_columns);
  const PolygonsView polygons = polygons_of(offsets, corners, values.n);
  const int64_t n_words = words_for(values.n_columns);
  Array<uint64_t> out({py::ssize_t(polygons.n), py::ssize_t(n_words)});
  std::fill_n(out.mutable_data(), polygons.n * n_words, uint64_t(0));
  const MutableCodes codes{out.mutable_data(), polygons.n, n_words};
  py::gil_scoped_release release;
  polygon_codes(values, within, polygons, codes);
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
