#include "kernels/knn_graph.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "aligned.h"
#include "check.h"
#include "kernels/meeting.h"
#include "kernels/slacks.h"
#include "parallel.h"
#include "topk.h"

namespace tfhash {
namespace {

constexpr int64_t kRangeQueries = 2048;            // turning a block costs as much as some 20
constexpr int64_t kRangeBytes = int64_t(1) << 27;  // of lists of planes for a range of queries
constexpr uint64_t kNoKey = ~uint64_t(0);

// The k smallest of the keys pushed that are below a bound, in memory of the caller's.
class NearestList {
 public:
  NearestList() = default;
  NearestList(uint64_t* keys, int64_t k, uint64_t bound) : nearest_(keys, k), bound_(bound) {}

  uint64_t bound() const { return nearest_.full() ? nearest_.top() : bound_; }
  const uint64_t* keys() const { return nearest_.keys(); }
  int64_t size() const { return nearest_.size(); }

  // Whether the bound is another afterwards.
  bool push(uint64_t key) {
    if (key >= bound()) return false;
    nearest_.push(key);
    return nearest_.full();
  }

 private:
  TopK nearest_;
  uint64_t bound_ = 0;
};

// Queries of consecutive rows, by weight, so that the slacks of a block's codes seldom change.
struct QueryRange {
  std::vector<int64_t> rows;
  std::vector<int64_t> lowest;  // [i]: the lowest of rows[i], rows[i + 1], ...
  std::vector<uint64_t> words;  // a copy, in the order of `rows`
};

// What a thread needs.
struct Worker {
  Worker(const PlaneLayout& layout, int64_t n_groups, int64_t range, int64_t k)
      : meeting(layout, n_groups),
        slacks(layout),
        limits(kPlaneLanes),
        weights(kPlaneLanes),
        nearness((layout.levels + 1) * kLaneWords),
        mask(kLaneWords),
        keys(range * k) {}

  Meeting meeting;
  Slacks slacks;
  std::vector<int64_t> limits, weights;  // [lane] of the block
  Aligned<uint64_t> nearness, mask;
  std::vector<uint64_t> keys;
  std::vector<NearestList> nearest;  // what this thread has found for the queries of the range
};

class GraphSearch {
 public:
  GraphSearch(const CodesView& codes, int64_t k)
      : layout_(codes.n_words),
        codes_(codes),
        reference_(common_bits(codes, layout_)),
        k_(k),
        key_(codes.n),
        keys_(codes.n * k),
        team_(1 + product(product(codes.n, n_blocks()), width()) / 2 / kThreadWork) {
    const int64_t query_bytes = layout_.group_bytes() / layout_.group + 8 * layout_.n_words;
    const int64_t most = std::min(kTaskWork / width(), kRangeBytes / query_bytes);
    const int64_t queries = std::min({kRangeQueries, most, codes.n});
    range_groups_ = std::max<int64_t>(1, ceil_div(queries, layout_.group));
    nearest_.reserve(codes.n);
    for (int64_t i = 0; i < codes.n; ++i) nearest_.emplace_back(keys_.data() + i * k, k, kNoKey);
    for (int worker = 0; worker < team_.size(); ++worker) {
      workers_.emplace_back(layout_, range_groups_, range(), k);
    }
  }

  void run(const Progress& progress) {
    seed();
    const double pairs = double(codes_.n) * double(codes_.n);
    for (int64_t first = 0; first < codes_.n; first += range()) {
      meet_range(first, std::min(range(), codes_.n - first));
      const double left = double(std::max<int64_t>(0, codes_.n - first - range()));
      report(progress, 1 - left * left / pairs);
    }
  }

  void write(int32_t* distances, int64_t* indices) {
    const int64_t rows = std::max<int64_t>(1, (int64_t(1) << 16) / k_);
    team_.run(ceil_div(codes_.n, rows), [&](int64_t block, int) {
      for (int64_t i = block * rows; i < std::min(codes_.n, (block + 1) * rows); ++i) {
        uint64_t* keys = keys_.data() + i * k_;
        std::sort(keys, keys + k_);
        for (int64_t j = 0; j < k_; ++j) {
          distances[i * k_ + j] = int32_t(key_.distance(keys[j]));
          indices[i * k_ + j] = key_.index(keys[j]);
        }
      }
    });
  }

 private:
  int64_t width() const { return std::max<int64_t>(1, 64 * layout_.n_words); }
  int64_t n_blocks() const { return ceil_div(codes_.n, kPlaneLanes); }
  int64_t range() const { return range_groups_ * layout_.group; }

  // The neighbors of each code within its block, so that every list starts with a good threshold.
  void seed() {
    const int64_t step = std::min(range(), ceil_div(kPlaneLanes, layout_.group) * layout_.group);
    const int64_t parts = ceil_div(kPlaneLanes, step);
    // One block's rows belong to one task: their lists are not shared.
    team_.run(n_blocks(), [&](int64_t block, int worker) {
      const int64_t first_row = block * kPlaneLanes;
      for (int64_t part = 0; part < parts; ++part) {
        const int64_t first = first_row + part * step;
        const int64_t n = std::min({step, codes_.n - first, first_row + kPlaneLanes - first});
        if (n > 0) seed_rows(first_row, first, n, workers_[worker]);
      }
    });
  }

  void seed_rows(int64_t first_row, int64_t first, int64_t n, Worker& at) {
    const HammingPrimitives& hamming = primitives().hamming;
    const CodesView rows{codes_.row(first), n, codes_.n_words, codes_.n_bits};
    QueryGroups groups(layout_, n);
    for (int64_t group = 0; group < groups.n_groups(); ++group) {
      groups.set(group, rows, reference_.data());
    }
    const uint64_t* nearness = at.nearness.data();
    uint64_t* mask = at.mask.data();
    at.meeting.run(codes_, first_row, reference_.data(), groups, 0, groups.n_groups(), n,
                   [&](int64_t q, const uint64_t* sums) {
      const int64_t lanes = hamming.within(sums, at.meeting.complement(), layout_.levels, 0,
                                           at.meeting.valid(), mask, at.nearness.data());
      const int64_t self = first + q - first_row;
      mask[self / 64] &= ~(uint64_t(1) << (self % 64));
      if (lanes > k_ + 1) hamming.keep_nearest(nearness, layout_.levels + 1, k_, mask);
      const int64_t most = at.meeting.most_near(groups.weight(q));
      for_lanes(mask, [&](int64_t lane) {
        const int64_t distance = most - lane_number(nearness, layout_.levels + 1, lane);
        nearest_[first + q].push(key_.key(distance, first_row + lane));
      });
    });
  }

  // Meets the codes from `first` on with the blocks after theirs.
  void meet_range(int64_t first, int64_t n) {
    take(first, n);
    const CodesView queries{range_.words.data(), n, codes_.n_words, codes_.n_bits};
    QueryGroups groups(layout_, n);
    team_.run(groups.n_groups(),
              [&](int64_t group, int) { groups.set(group, queries, reference_.data()); });
    for (Worker& worker : workers_) worker.nearest.resize(n);
    for_rows(n, [&](int64_t i) {
      const uint64_t bound = nearest_[range_.rows[i]].bound();
      for (Worker& worker : workers_) {
        worker.nearest[i] = NearestList(worker.keys.data() + i * k_, k_, bound);
      }
    });
    const int64_t first_block = first / kPlaneLanes + 1;
    team_.run(std::max<int64_t>(0, n_blocks() - first_block), [&](int64_t task, int worker) {
      meet_block((first_block + task) * kPlaneLanes, groups, workers_[worker]);
    });
    // Only now: until here the lists of these rows may belong to the thread that has their block.
    for_rows(n, [&](int64_t i) {
      NearestList& nearest = nearest_[range_.rows[i]];
      for (const Worker& worker : workers_) {
        const NearestList& found = worker.nearest[i];
        for (int64_t j = 0; j < found.size(); ++j) nearest.push(found.keys()[j]);
      }
    });
  }

  void take(int64_t first, int64_t n) {
    std::vector<int64_t> weights(n);
    const uint64_t last_mask = last_word_mask(codes_.n_bits);
    for_rows(n, [&](int64_t i) {
      const uint64_t* row = codes_.row(first + i);
      for (int64_t w = 0; w < codes_.n_words; ++w) {
        const uint64_t mask = w == codes_.n_words - 1 ? last_mask : ~uint64_t(0);
        weights[i] += popcount64((row[w] & mask) ^ reference_[w]);
      }
    });
    range_.rows.resize(n);
    std::iota(range_.rows.begin(), range_.rows.end(), first);
    std::stable_sort(range_.rows.begin(), range_.rows.end(), [&](int64_t a, int64_t b) {
      return weights[a - first] < weights[b - first];
    });
    range_.lowest.assign(n + 1, codes_.n);
    for (int64_t i = n - 1; i >= 0; --i) {
      range_.lowest[i] = std::min(range_.lowest[i + 1], range_.rows[i]);
    }
    range_.words.resize(n * codes_.n_words);
    for_rows(n, [&](int64_t i) {
      std::copy_n(codes_.row(range_.rows[i]), codes_.n_words,
                  range_.words.data() + i * codes_.n_words);
    });
  }

  // Calls body(i) for the rows i < n of a range, on all threads.
  template <class Body>
  void for_rows(int64_t n, const Body& body) {
    const int64_t step = 128;
    team_.run(ceil_div(n, step), [&](int64_t part, int) {
      for (int64_t i = part * step; i < std::min(n, (part + 1) * step); ++i) body(i);
    });
  }

  void meet_block(int64_t first_row, const QueryGroups& groups, Worker& at) {
    const auto n = int64_t(range_.rows.size());
    bool started = false;
    at.meeting.run(codes_, first_row, reference_.data(), groups, 0, groups.n_groups(), n,
                   [&](int64_t i, const uint64_t* sums) {
      if (!started) start_block(first_row, groups.weight(i), at);
      started = true;
      // Pairs within a block are met when it is seeded, those of a block before by that block.
      if (range_.rows[i] < first_row) offer(i, sums, first_row, groups.weight(i), at);
    });
  }

  void start_block(int64_t first_row, int64_t weight, Worker& at) {
    const int64_t n_rows = std::min(kPlaneLanes, codes_.n - first_row);
    for (int64_t lane = 0; lane < n_rows; ++lane) {
      at.limits[lane] = limit_of(first_row + lane, range_.lowest[0]);
      at.weights[lane] = at.meeting.weight(lane);
    }
    at.slacks.start(at.limits, at.meeting.complement(), weight);
  }

  // The farthest that the code of a row accepts of rows from `lowest` on.
  int64_t limit_of(int64_t row, int64_t lowest) const {
    return limit_of_key(nearest_[row].bound(), lowest);
  }
  int64_t limit_of_key(uint64_t bound, int64_t lowest) const {
    if (bound == kNoKey) return 64 * layout_.n_words;
    return key_.distance(bound) - (key_.index(bound) > lowest ? 0 : 1);
  }

  // Pushes the pairs of query i with the codes of a block that may be among the nearest of either.
  void offer(int64_t i, const uint64_t* sums, int64_t first_row, int64_t weight, Worker& at) {
    NearestList& nearest = at.nearest[i];
    const int64_t limit = limit_of_key(nearest.bound(), first_row);
    if (!primitives().hamming.reach(sums, layout_.levels, at.slacks.of_query(limit, weight),
                                    at.slacks.of_codes(weight), at.meeting.valid(),
                                    at.mask.data())) {
      return;
    }
    const int64_t row = range_.rows[i];
    for_lanes(at.mask.data(), [&](int64_t lane) {
      const int64_t common = lane_number(sums, layout_.levels, lane);
      const int64_t distance = at.weights[lane] + weight - 2 * common;
      nearest.push(key_.key(distance, first_row + lane));
      if (nearest_[first_row + lane].push(key_.key(distance, row))) {
        at.slacks.set_limit(lane, limit_of(first_row + lane, range_.lowest[i + 1]));
      }
    });
  }

  const PlaneLayout layout_;
  const CodesView codes_;
  const std::vector<uint64_t> reference_;
  const int64_t k_;
  const NeighborKey key_;
  std::vector<uint64_t> keys_;  // [n][k]
  std::vector<NearestList> nearest_;
  ThreadTeam team_;
  int64_t range_groups_ = 0;
  QueryRange range_;
  std::vector<Worker> workers_;
};

}  // namespace

void knn_graph(const CodesView& codes, int64_t k, const Progress& progress, int32_t* distances,
               int64_t* indices) {
  GraphSearch search(codes, k);
  search.run(progress);
  search.write(distances, indices);
}

}  // namespace tfhash
