// Edges of polygons that units' lines cross, each found and cut once for both its sides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <tuple>
#include <vector>

#include "codes.h"
#include "interrupt.h"

namespace tfhash {

// For each point, one bit for each unit: whether it is above 0 there, and whether below.
struct SignBits {
  SignBits(int64_t n_points, int64_t n_units)
      : n_words(words_for(n_units)), above(n_points * n_words), below(above.size()) {}

  uint64_t crossing(int64_t a, int64_t b, int64_t word) const {
    const int64_t i = a * n_words + word, j = b * n_words + word;
    return (above[i] & below[j]) | (below[i] & above[j]);
  }

  int sign(int64_t v, int64_t unit) const {
    const int64_t i = v * n_words + unit / 64;
    return int(above[i] >> (unit % 64) & 1) - int(below[i] >> (unit % 64) & 1);
  }

  const int64_t n_words;
  std::vector<uint64_t> above, below;
};

// An edge that some unit's line crosses, its points in ascending order.
struct Edge {
  int64_t a, b;
  int64_t slot;  // of the polygon's corner at which it starts

  bool operator<(const Edge& other) const {
    return std::tie(a, b, slot) < std::tie(other.a, other.b, other.slot);
  }
  bool same(const Edge& other) const { return a == other.a && b == other.b; }
};

// All such edges of n polygons, in order: corners [offsets[p], offsets[p + 1]) are polygon p's.
// `run` is parallel_for, or does as it does; polygons that are not `may_have(p)` have none.
template <class Run, class MayHave>
std::vector<Edge> crossed_edges(const SignBits& signs, const int64_t* offsets, int64_t n,
                                const int64_t* corners, Run run, MayHave may_have) {
  constexpr int64_t kPolygonsPerBlock = 64;
  const int64_t n_blocks = (n + kPolygonsPerBlock - 1) / kPolygonsPerBlock;
  std::vector<std::vector<Edge>> found(n_blocks);
  run(n_blocks, [&](int64_t block, int) {
    const int64_t first = block * kPolygonsPerBlock;
    for (int64_t p = first; p < std::min(n, first + kPolygonsPerBlock); ++p) {
      check_interrupt();
      if (!may_have(p)) continue;
      for (int64_t slot = offsets[p]; slot < offsets[p + 1]; ++slot) {
        const int64_t from = corners[slot];
        const int64_t to = corners[slot + 1 < offsets[p + 1] ? slot + 1 : offsets[p]];
        for (int64_t word = 0; word < signs.n_words; ++word) {
          if (signs.crossing(from, to, word) == 0) continue;
          found[block].push_back({std::min(from, to), std::max(from, to), slot});
          break;
        }
      }
    }
  });
  std::vector<Edge> edges;
  for (const auto& part : found) edges.insert(edges.end(), part.begin(), part.end());
  sort_checking(edges.begin(), edges.end(), std::less<Edge>());
  return edges;
}

// A new point on an edge: units [first_unit, last_unit) of EdgePoints::units are 0 there.
struct EdgePoint {
  int64_t a, b;
  double weight;
  int64_t first_unit, last_unit;
};

// The new points on the edges of all polygons.
struct EdgePoints {
  std::vector<EdgePoint> points;
  std::vector<int64_t> units;
  std::vector<int64_t> start;         // edge -> its first point; one more than edges
  std::vector<int64_t> edge_of_slot;  // or -1

 protected:
  // Calls add(a, b), which appends an edge's points, once for each edge. `work` is what one edge
  // costs, as CheckNowAndThen counts it.
  template <class Add>
  void fill(const std::vector<Edge>& edges, int64_t n_slots, int64_t work, Add add) {
    edge_of_slot.assign(n_slots, -1);
    CheckNowAndThen check(work);
    for (size_t i = 0; i < edges.size(); ++i) {
      check();
      if (i == 0 || !edges[i].same(edges[i - 1])) {
        start.push_back(int64_t(points.size()));
        add(edges[i].a, edges[i].b);
      }
      edge_of_slot[edges[i].slot] = int64_t(start.size()) - 1;
    }
    start.push_back(int64_t(points.size()));
  }
};

}  // namespace tfhash
