// Lloyd's algorithm on codes, several runs of it side by side.
#pragma once

#include <functional>
#include <vector>

#include "kernels/centers.h"
#include "primitives/clusters.h"

namespace tfhash {

// Center `to` takes the place of a row of cluster `from` because nothing was assigned to it.
struct Relocation {
  int32_t from, to;
  int64_t row;
  std::vector<uint64_t> code;
};

// One run of Lloyd's algorithm.
//
// Most rows are nearest to the center they were nearest to before, and need no looking at. When a
// row is looked up, its next-nearest center is farther than its own by some gap. A step of the
// centers shortens the gap of a row in cluster j by at most travel, the shift of center j plus the
// largest of the others'. So the row is looked up again only when the travel of its cluster since
// then has used up its gap: when its key, gap + travel so far then, is at most the travel so far
// now. (Hamerly, 2010, "Making k-means even faster", with both bounds in one number.)
struct LloydRun {
  Centers centers;
  std::vector<int32_t> labels;
  std::vector<float> keys;
  std::vector<double> travel;         // [k]
  Aligned<float> limits;              // travel, rounded up; k rounded up to 16
  std::vector<std::vector<Move>> moves;  // [block], of the last assignment
  std::vector<int64_t> sizes;         // [k]
  Aligned<int32_t> counts;            // [word][k][64]: how many of a cluster have a bit
  std::vector<Relocation> relocations;
  std::vector<double> shifts, norms;  // [chunk][k]: squared, of the bits of a chunk
  int64_t n_iter = 0;
  bool done = false, settled = false;

  LloydRun(const Tiles& codes, int64_t k);
};

class Lloyd {
 public:
  Lloyd(const Tiles& codes, int64_t k, ThreadTeam& team);

  // Puts the centers on the codes seeds[0] to seeds[k - 1].
  void start(LloydRun& run, const int64_t* seeds) const;

  // Takes all runs to their ends, in step: what they have to do is one pool of tasks. A run ends
  // when no code changes its cluster, the squared shift of its centers is at most shift_limit, or
  // after max_iter steps.
  void finish(std::vector<LloydRun>& runs, int64_t max_iter, double shift_limit,
              const std::function<void(int64_t)>& after_iteration);

  // The sum of squared distances of the codes to the centers of their clusters.
  double inertia(const LloydRun& run) const;

 private:
  void assign(const std::vector<LloydRun*>& runs);
  void relocate(LloydRun& run);
  void update(const std::vector<LloydRun*>& runs, bool centers);
  void count(LloydRun& run, int64_t first, int64_t last, int worker);
  void update_word(LloydRun& run, int64_t w, int64_t chunk) const;
  void step(LloydRun& run, int64_t iter, double shift_limit) const;

  const Tiles& codes_;
  const int64_t k_, block_, n_blocks_, n_chunks_;
  ThreadTeam& team_;
  std::vector<Nearest> nearest_;            // [worker]
  std::vector<std::vector<int32_t>> rows_;  // [worker]
  std::vector<std::vector<Move>> moved_;    // [worker]
};

}  // namespace tfhash
