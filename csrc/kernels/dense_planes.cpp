#include "kernels/dense_planes.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "interrupt.h"
#include "kernels/plane_cuts.h"
#include "kernels/plane_values.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

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
      : patch_bytes_(patch_bytes), out_(out), team_(INT32_MAX), rooms_(layers.size()),
        n_words_{0} {
    for (size_t l = 0; l < layers.size(); ++l) {
      layers_.emplace_back(layers[l], l + 1 == layers.size());
      n_words_.push_back(n_words_.back() + words_for(layers[l].n_units));
    }
    out->codes.resize(layers.size());
    out->offsets.push_back(0);
  }

  void start(const double* window, const double* inputs, int64_t n) {
    const DenseLayer& first = layers_[0].layer;
    Patch patch(n, first.n_units);
    patch.points.assign(window, window + 2 * n);
    patch.offsets = {0, n};
    patch.corners.resize(n);
    std::iota(patch.corners.begin(), patch.corners.end(), int64_t(0));
    fill(0, &patch, [&](int64_t v, double* row, double*) {
      std::copy_n(inputs + v * first.n_inputs, first.n_inputs, row);
      for (int64_t i = 0; i < first.n_inputs; ++i) {
        patch.sizes[v] = std::max(patch.sizes[v], std::fabs(row[i]));
      }
    });
    go_on(0, patch);
  }

 private:
  void fill(size_t l, Patch* patch, const MakeInputs& make) {
    const bool is_finite = fill_patch(layers_[l], make, &rooms_[l], &team_, patch);
    out_->is_finite = out_->is_finite && is_finite;
  }

  // Carries a patch, whose values are those of layer l, through the layers from there on.
  void go_on(size_t l, const Patch& patch) {
    if (!out_->is_finite) return;
    const PlaneCut cut = cut_patch(patch, layers_[l].units(), &team_);
    std::vector<int64_t> seams = seams_after(patch, cut);
    if (l + 1 == layers_.size()) return finish(patch, cut, seams);
    const std::vector<int64_t> ends = ends_of_parts(cut, l);
    if (ends.size() > 1) number_seams(cut, ends, &seams);
    std::vector<int64_t> place(seams.size(), -1);
    int64_t first = 0;
    for (int64_t end : ends) {
      go_on(l + 1, part_of(l, patch, cut, seams, first, end, &place));
      first = end;
    }
  }

  std::vector<int64_t> seams_after(const Patch& patch, const PlaneCut& cut) {
    std::vector<int64_t> seams = patch.seams;
    seams.resize(patch.n_points + cut.made.size(), -1);
    for (int64_t i = 0; known_.any() && i < cut.n_on_edges; ++i) {
      const NewPoint& point = cut.made[i];
      const int64_t a = patch.seams[point.a], b = patch.seams[point.b];
      if (a >= 0 && b >= 0) seams[patch.n_points + i] = known_.between(a, b, point.unit);
    }
    return seams;
  }

  // Where the parts end in which a cut goes on, each of about as many points as memory allows.
  std::vector<int64_t> ends_of_parts(const PlaneCut& cut, size_t l) const {
    const int64_t n_units = layers_[l].layer.n_units + layers_[l + 1].layer.n_units;
    const int64_t most = patch_bytes_ / (8 * n_units);
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

  // Polygons [first, end) of a cut, with their values in the next layer. `place` is -1 for each
  // point of the cut, before and after.
  Patch part_of(size_t l, const Patch& patch, const PlaneCut& cut,
                const std::vector<int64_t>& seams, int64_t first, int64_t end,
                std::vector<int64_t>* place) {
    const DenseLayer& layer = layers_[l].layer;
    const int64_t n_old = patch.n_points, n_units = layer.n_units;
    // Points are numbered as polygons meet them, so that those side by side are near each other.
    std::vector<int64_t> used, corners;
    corners.reserve(cut.offsets[end] - cut.offsets[first]);
    CheckNowAndThen check(16);
    for (int64_t slot = cut.offsets[first]; slot < cut.offsets[end]; ++slot) {
      check();
      int64_t& at = (*place)[cut.corners[slot]];
      if (at < 0) {
        at = int64_t(used.size());
        used.push_back(cut.corners[slot]);
      }
      corners.push_back(at);
    }
    for (int64_t v : used) (*place)[v] = -1;
    Patch part(int64_t(used.size()), layers_[l + 1].layer.n_units);
    for (int64_t i = 0; i < part.n_points; ++i) part.seams[i] = seams[used[i]];
    part.corners = std::move(corners);
    for (int64_t p = first; p <= end; ++p) {
      part.offsets.push_back(cut.offsets[p] - cut.offsets[first]);
    }
    part.codes = codes_of(l, patch, cut, first, end);

    // Where values cancel, as at the origin of a network without biases, their rounding is that of
    // the numbers that they were made of, and goes on as values do.
    const auto size_after = [&](int64_t v) {
      return std::max(patch.largest[v], layers_[l].gain * patch.sizes[v]);
    };
    const auto& blend = primitives().lines.blend;
    fill(l + 1, &part, [&](int64_t i, double* row, double* room) {
      const int64_t v = used[i];
      place_point(patch, cut, v, &part.points[2 * i]);
      if (v < n_old) {
        part.sizes[i] = size_after(v);
        return activate(patch.row(v), n_units, layer.slope, row);
      }
      const NewPoint& point = cut.made[v - n_old];
      part.sizes[i] = std::max(std::max(size_after(point.a), size_after(point.b)),
                               std::max(size_after(point.c), size_after(point.d)));
      blend(patch.row(point.a), patch.row(point.b), point.first, n_units, row);
      if (point.weight != 0) {
        blend(patch.row(point.c), patch.row(point.d), point.second, n_units, room);
        blend(row, room, point.weight, n_units, row);
      }
      activate(row, n_units, layer.slope, row);
    });
    return part;
  }

  // The place of a point of a cut in the plane.
  static void place_point(const Patch& patch, const PlaneCut& cut, int64_t v, double* to) {
    for (int64_t axis = 0; axis < 2; ++axis) {
      const auto get = [&](int64_t at) { return patch.points[2 * at + axis]; };
      to[axis] = v < patch.n_points ? get(v) : cut.made[v - patch.n_points].blend(get);
    }
  }

  // The words of the layers up to l of polygons [first, end) of a cut.
  std::vector<uint64_t> codes_of(size_t l, const Patch& patch, const PlaneCut& cut, int64_t first,
                                 int64_t end) const {
    const int64_t before = n_words_[l], n_words = n_words_[l + 1];
    std::vector<uint64_t> codes((end - first) * n_words);
    uint64_t* to = codes.data();
    for (int64_t p = first; p < end; ++p) {
      to = std::copy_n(patch.codes.data() + cut.parents[p] * before, before, to);
      to = std::copy_n(cut.code.data() + p * (n_words - before), n_words - before, to);
    }
    return codes;
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
    const size_t last = layers_.size() - 1;
    for (size_t k = 0; k < last; ++k) {
      const int64_t n_words = n_words_[k + 1] - n_words_[k];
      std::vector<uint64_t>& words = out_->codes[k];
      for (int64_t parent : cut.parents) {
        const uint64_t* from = patch.codes.data() + parent * n_words_[last] + n_words_[k];
        for (int64_t word = 0; word < n_words; ++word) words.push_back(from[word]);
      }
    }
    out_->codes[last].insert(out_->codes[last].end(), cut.code.begin(), cut.code.end());
  }

  std::vector<PlaneLayer> layers_;
  const int64_t patch_bytes_;
  DensePlane* const out_;
  ThreadTeam team_;
  std::vector<std::vector<double>> rooms_;  // for the values of each layer, of one patch at a time
  std::vector<int64_t> n_words_;            // of the codes of all layers before each, and of all
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
