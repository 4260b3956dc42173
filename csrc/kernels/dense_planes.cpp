#include "kernels/dense_planes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "interrupt.h"
#include "kernels/plane_cuts.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kRowsPerBlock = 16 * kDenseRows;

// Numbers by which points on seams between patches are known in each: a new one is known by the
// two that it lies between and the unit that is 0 there.
class Seams {
 public:
  int64_t next() { return n_++; }

  int64_t between(int64_t a, int64_t b, int64_t unit) {
    const auto found = numbers_.try_emplace({std::min(a, b), std::max(a, b), unit}, n_);
    if (found.second) ++n_;
    return found.first->second;
  }

  bool any() const { return n_ > 0; }

 private:
  struct Key {
    int64_t a, b, unit;
    bool operator==(const Key& other) const {
      return a == other.a && b == other.b && unit == other.unit;
    }
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      uint64_t x = uint64_t(key.a);
      for (int64_t part : {key.b, key.unit}) {
        x = (x ^ (x >> 29)) * 0x9e3779b97f4a7c15u + uint64_t(part);
      }
      return size_t(x ^ (x >> 32));
    }
  };

  std::unordered_map<Key, int64_t, Hash> numbers_;
  int64_t n_ = 0;
};

class Walk {
 public:
  Walk(const std::vector<DenseLayer>& layers, int64_t patch_bytes, DensePlane* out)
      : layers_(layers), patch_bytes_(patch_bytes), out_(out), team_(INT32_MAX) {
    for (const DenseLayer& layer : layers) {
      sums_.emplace_back(layer.n_units);
      std::vector<double>& sums = sums_.back();
      for (int64_t i = 0; i < layer.n_inputs; ++i) {
        for (int64_t j = 0; j < layer.n_units; ++j) {
          const int64_t at = i * layer.n_units + j;
          sums[j] += std::fabs(layer.weights_f64 ? layer.weights_f64[at] : layer.weights_f32[at]);
        }
      }
      if (layer.scale != nullptr) {
        for (int64_t j = 0; j < layer.n_units; ++j) sums[j] *= std::fabs(layer.scale[j]);
      }
    }
    out->codes.resize(layers.size());
    out->offsets.push_back(0);
  }

  void start(const double* window, const double* inputs, int64_t n) {
    const DenseLayer& first = layers_[0];
    Patch patch;
    patch.points.assign(window, window + 2 * n);
    patch.offsets = {0, n};
    patch.corners.resize(n);
    std::iota(patch.corners.begin(), patch.corners.end(), int64_t(0));
    patch.seams.assign(n, -1);
    std::vector<double> h(padded(n) * first.n_inputs);
    std::copy_n(inputs, n * first.n_inputs, h.data());
    for (int64_t v = 0; v < n; ++v) {
      double most = 0;
      for (int64_t i = 0; i < first.n_inputs; ++i) {
        most = std::max(most, std::fabs(inputs[v * first.n_inputs + i]));
      }
      patch.sizes.push_back(most);
    }
    patch.z.resize(padded(n) * first.n_units);
    products(0, h, n, patch.z.data());
    go_on(0, patch);
  }

 private:
  void products(size_t l, const std::vector<double>& h, int64_t n, double* z) {
    const DenseLayer& layer = layers_[l];
    std::vector<std::vector<int32_t>> active(team_.size());
    team_.run((n + kRowsPerBlock - 1) / kRowsPerBlock, [&](int64_t block, int worker) {
      const int64_t begin = block * kRowsPerBlock, end = std::min(padded(n), begin + kRowsPerBlock);
      CheckNowAndThen check(layer.n_inputs * layer.n_units / 2);
      for (int64_t r = begin; r < end; r += kDenseRows) {
        check();
        const double* rows = h.data() + r * layer.n_inputs;
        find_active(rows, layer.n_inputs, &active[worker]);
        multiply(layer, rows, active[worker], 0, layer.n_units, z + r * layer.n_units);
      }
      finish_rows(layer, std::min(n, end) - begin, z + begin * layer.n_units);
    });
    for (int64_t v = 0; v < n * layer.n_units && out_->is_finite; ++v) {
      out_->is_finite = std::isfinite(z[v]);
    }
  }

  // Carries a patch, whose values are those of layer l, through the layers from there on.
  void go_on(size_t l, Patch& patch) {
    if (!out_->is_finite) return;
    const DenseLayer& layer = layers_[l];
    const PlaneCut cut = cut_patch(patch, {layer.n_units, sums_[l].data(), layer.shift}, &team_);
    std::vector<int64_t> seams = seams_after(patch, cut);
    if (l + 1 == layers_.size()) return finish(patch, cut, seams);
    const std::vector<int64_t> ends = ends_of_parts(cut, l);
    if (ends.size() > 1) number_seams(cut, ends, &seams);
    int64_t first = 0;
    for (int64_t end : ends) {
      Patch part = part_of(l, patch, cut, seams, first, end);
      go_on(l + 1, part);
      first = end;
    }
  }

  std::vector<int64_t> seams_after(const Patch& patch, const PlaneCut& cut) {
    std::vector<int64_t> seams = patch.seams;
    seams.resize(patch.sizes.size() + cut.made.size(), -1);
    for (int64_t i = 0; known_.any() && i < cut.n_on_edges; ++i) {
      const NewPoint& point = cut.made[i];
      const int64_t a = patch.seams[point.a], b = patch.seams[point.b];
      if (a >= 0 && b >= 0) seams[patch.sizes.size() + i] = known_.between(a, b, point.unit);
    }
    return seams;
  }

  // Where the parts end in which a cut goes on, each of about as many points as memory allows.
  std::vector<int64_t> ends_of_parts(const PlaneCut& cut, size_t l) const {
    const int64_t most = patch_bytes_ / (8 * (layers_[l].n_units + layers_[l + 1].n_units));
    const auto n = int64_t(cut.parents.size());
    std::vector<int64_t> ends;
    int64_t first = 0;
    for (int64_t p = 1; p <= n; ++p) {
      // About as many points as polygons, of four corners each.
      if (p < n && (cut.offsets[p] - cut.offsets[first]) / 3 < most) continue;
      ends.push_back(p);
      first = p;
    }
    return ends;
  }

  // Gives numbers to the points that several parts have.
  void number_seams(const PlaneCut& cut, const std::vector<int64_t>& ends,
                    std::vector<int64_t>* seams) {
    std::vector<int64_t> part_of_point(seams->size(), -1);
    int64_t first = 0;
    for (int64_t end : ends) {
      for (int64_t slot = cut.offsets[first]; slot < cut.offsets[end]; ++slot) {
        const int64_t v = cut.corners[slot];
        if (part_of_point[v] < 0) part_of_point[v] = end;
        if (part_of_point[v] != end && (*seams)[v] < 0) (*seams)[v] = known_.next();
      }
      first = end;
    }
  }

  // Polygons [first, end) of a cut, with their values in the next layer.
  Patch part_of(size_t l, const Patch& patch, const PlaneCut& cut,
                const std::vector<int64_t>& seams, int64_t first, int64_t end) {
    const DenseLayer& layer = layers_[l];
    const auto n_old = int64_t(patch.sizes.size());
    const int64_t n_units = layer.n_units;
    Patch part;
    std::vector<int64_t> used;  // points, in their order before
    part.corners.assign(cut.corners.begin() + cut.offsets[first],
                        cut.corners.begin() + cut.offsets[end]);
    std::vector<uint8_t> is_used(seams.size(), 0);
    for (int64_t v : part.corners) is_used[v] = 1;
    std::vector<int64_t> place(seams.size());
    CheckNowAndThen check(16);
    for (int64_t v = 0; v < int64_t(seams.size()); ++v) {
      check();
      place[v] = int64_t(used.size());
      if (!is_used[v]) continue;
      used.push_back(v);
      part.seams.push_back(seams[v]);
    }
    for (int64_t& v : part.corners) v = place[v];
    for (int64_t p = first; p <= end; ++p) {
      part.offsets.push_back(cut.offsets[p] - cut.offsets[first]);
    }
    for (size_t k = 0; k <= l; ++k) part.codes.push_back(codes_of(patch, cut, k, first, end));

    const auto n = int64_t(used.size());
    std::vector<double> largest(n_old), h(padded(n) * n_units);
    part.points.resize(2 * n);
    part.sizes.resize(n);
    team_.run((n_old + kRowsPerBlock - 1) / kRowsPerBlock, [&](int64_t block, int) {
      for (int64_t v = block * kRowsPerBlock; v < std::min(n_old, (block + 1) * kRowsPerBlock); ++v) {
        const double* z = patch.z.data() + v * n_units;
        for (int64_t j = 0; j < n_units; ++j) largest[v] = std::max(largest[v], std::fabs(z[j]));
      }
    });
    team_.run((n + kRowsPerBlock - 1) / kRowsPerBlock, [&](int64_t block, int) {
      std::vector<double> between(2 * n_units);
      CheckNowAndThen within(4 * n_units);
      for (int64_t i = block * kRowsPerBlock; i < std::min(n, (block + 1) * kRowsPerBlock); ++i) {
        within();
        const int64_t v = used[i];
        double* row = h.data() + i * n_units;
        if (v < n_old) {
          activate(patch.z.data() + v * n_units, n_units, layer.slope, row);
          part.sizes[i] = largest[v];
        } else {
          const NewPoint& point = cut.made[v - n_old];
          blend_rows(patch.z.data(), point, n_units, between.data(), row);
          activate(row, n_units, layer.slope, row);
          part.sizes[i] = std::max(std::max(largest[point.a], largest[point.b]),
                                   std::max(largest[point.c], largest[point.d]));
        }
        place_point(patch, cut, v, &part.points[2 * i]);
      }
    });
    part.z.resize(padded(n) * layers_[l + 1].n_units);
    products(l + 1, h, n, part.z.data());
    return part;
  }

  static void blend_rows(const double* z, const NewPoint& point, int64_t n, double* room,
                         double* out) {
    const auto& blend = primitives().lines.blend;
    if (point.weight == 0) return blend(z + point.a * n, z + point.b * n, point.first, n, out);
    blend(z + point.a * n, z + point.b * n, point.first, n, room);
    blend(z + point.c * n, z + point.d * n, point.second, n, room + n);
    blend(room, room + n, point.weight, n, out);
  }

  // The place of a point of a cut in the plane.
  static void place_point(const Patch& patch, const PlaneCut& cut, int64_t v, double* to) {
    const auto n_old = int64_t(patch.sizes.size());
    for (int64_t axis = 0; axis < 2; ++axis) {
      const auto get = [&](int64_t at) { return patch.points[2 * at + axis]; };
      to[axis] = v < n_old ? get(v) : cut.made[v - n_old].blend(get);
    }
  }

  // The words of layer k of polygons [first, end) of a cut.
  static std::vector<uint64_t> codes_of(const Patch& patch, const PlaneCut& cut, size_t k,
                                        int64_t first, int64_t end) {
    const auto n = int64_t(cut.parents.size());
    if (k == patch.codes.size()) {
      const int64_t n_words = int64_t(cut.code.size()) / n;
      return {cut.code.begin() + first * n_words, cut.code.begin() + end * n_words};
    }
    const int64_t n_words = int64_t(patch.codes[k].size()) / (int64_t(patch.offsets.size()) - 1);
    std::vector<uint64_t> words((end - first) * n_words);
    for (int64_t p = first; p < end; ++p) {
      std::copy_n(patch.codes[k].data() + cut.parents[p] * n_words, n_words,
                  words.data() + (p - first) * n_words);
    }
    return words;
  }

  // Adds polygons that nothing will cut any more to the result.
  void finish(const Patch& patch, const PlaneCut& cut, const std::vector<int64_t>& seams) {
    std::vector<int64_t> place(seams.size());
    CheckNowAndThen check(32);
    for (int64_t v = 0; v < int64_t(seams.size()); ++v) {
      check();
      const auto number = size_t(seams[v] + 1);  // 0 where there is none
      if (number >= on_seams_.size()) on_seams_.resize(2 * number + 1, -1);
      if (number > 0 && on_seams_[number] >= 0) {
        place[v] = on_seams_[number];
        continue;
      }
      place[v] = int64_t(out_->points.size()) / 2;
      if (number > 0) on_seams_[number] = place[v];
      double to[2];
      place_point(patch, cut, v, to);
      out_->points.insert(out_->points.end(), to, to + 2);
    }
    const int64_t start = out_->offsets.back();
    for (int64_t v : cut.corners) out_->corners.push_back(place[v]);
    for (size_t p = 1; p < cut.offsets.size(); ++p) out_->offsets.push_back(start + cut.offsets[p]);
    for (size_t k = 0; k < layers_.size(); ++k) {
      const std::vector<uint64_t> words =
          codes_of(patch, cut, k, 0, int64_t(cut.parents.size()));
      out_->codes[k].insert(out_->codes[k].end(), words.begin(), words.end());
    }
  }

  const std::vector<DenseLayer>& layers_;
  const int64_t patch_bytes_;
  DensePlane* const out_;
  ThreadTeam team_;
  std::vector<std::vector<double>> sums_;  // of each layer's units: of their absolute weights
  Seams known_;
  std::vector<int64_t> on_seams_;  // number of a point on a seam, and 1 -> its index in the result
};

}  // namespace

DensePlane dense_plane(const std::vector<DenseLayer>& layers, const double* window,
                       const double* inputs, int64_t n, int64_t patch_bytes) {
  DensePlane plane;
  Walk(layers, patch_bytes, &plane).start(window, inputs, n);
  return plane;
}

}  // namespace tfhash
