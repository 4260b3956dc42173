#include "kernels/knn_graph.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "aligned.h"
#include "check.h"
#include "kernels/meeting.h"
#include "parallel.h"
#include "topk.h"

namespace tfhash {
namespace {

constexpr int64_t kRangeQueries = 1024;            // turning a block costs as much as some 20
constexpr int64_t kRangeBytes = int64_t(1) << 27;  // of lists of planes for a range of queries
constexpr uint64_t kNoKey = ~uint64_t(0);

// The k smallest keys of those pushed, in memory of the caller's. Keys are sorted out only when the
// memory is full: few of those that come are kept, so this is cheaper than a heap in order.
class NearestList {
 public:
  // How many keys a list for k has room for.
  static int64_t room(int64_t k) { return k + std::min<int64_t>(64, std::max<int64_t>(8, k)); }

  NearestList(uint64_t* keys, int64_t k, uint64_t bound) : keys_(keys), bound_(bound), k_(k) {}

  // Keys that are not below it are not among the k smallest.
  uint64_t bound() const { return bound_; }
  const uint64_t* keys() const { return keys_; }
  int64_t size() const { return size_; }

  // Whether the bound is another afterwards.
  bool push(uint64_t key) {
    if (key >= bound_) return false;
    keys_[size_++] = key;
    return size_ == room(k_) && settle();
  }

  // Leaves the k smallest, if there are as many.
  bool settle() {
    if (size_ < k_) return false;
    std::nth_element(keys_, keys_ + k_ - 1, keys_ + size_);
    size_ = k_;
    bound_ = keys_[k_ - 1];
    return true;
  }

 private:
  uint64_t* keys_;
  uint64_t bound_;
  int64_t k_, size_ = 0;
};

// Queries of consecutive rows, by weight, so that the lanes' thresholds seldom change.
struct QueryRange {
  std::vector<int64_t> rows;
  std::vector<int64_t> lowest;  // [i]: the lowest of rows[i], rows[i + 1], ...
  std::vector<uint64_t> words;  // a copy, in the order of `rows`
};

// The thresholds of a block's codes for their neighbors, as nearness to a query of some weight.
class LaneThresholds {
 public:
  explicit LaneThresholds(const PlaneLayout& layout)
      : levels_(layout.levels + 1), planes_(levels_ * kLaneWords), ties_(kLaneWords),
        distances_(kPlaneLanes) {}

  // Forgets the last block; queries of no lower weight follow.
  void start(int64_t weight) {
    weight_ = weight;
    std::fill(distances_.begin(), distances_.end(), -1);
  }

  // The farthest that a lane accepts; codes at just this distance only with `tie`.
  void set(int64_t lane, int64_t distance, bool tie) {
    const uint64_t bit = uint64_t(1) << (lane % 64);
    ties_[lane / 64] = tie ? ties_[lane / 64] | bit : ties_[lane / 64] & ~bit;
    if (distance == distances_[lane]) return;
    distances_[lane] = distance;
    set_lane_number(planes_.data(), levels_, lane, (int64_t(1) << (levels_ - 1)) - 1 + weight_ - distance);
  }

  const uint64_t* planes(int64_t weight) {
    const int64_t more = weight - weight_;
    if (more != 0) {
      uint64_t carry[kLaneWords] = {};
      for (int l = 0; l < levels_; ++l) {
        const uint64_t add = (more >> l & 1) != 0 ? ~uint64_t(0) : 0;
        uint64_t* plane = planes_.data() + l * kLaneWords;
        for (int64_t w = 0; w < kLaneWords; ++w) {
          const uint64_t x = plane[w];
          plane[w] = x ^ add ^ carry[w];
          carry[w] = (x & add) | ((x ^ add) & carry[w]);
        }
      }
      weight_ = weight;
    }
    return planes_.data();
  }
  const uint64_t* ties() const { return ties_.data(); }

 private:
  const int levels_;
  int64_t weight_ = 0;
  Aligned<uint64_t> planes_, ties_;
  std::vector<int64_t> distances_;
};

// What a thread needs.
struct Worker {
  Worker(const PlaneLayout& layout, int64_t n_groups, int64_t range, int64_t k)
      : meeting(layout, n_groups),
        thresholds(layout),
        nearness((layout.levels + 1) * kLaneWords),
        near_query(kLaneWords),
        near_lane(kLaneWords),
        keys(range * NearestList::room(k)) {}

  Meeting meeting;
  LaneThresholds thresholds;
  Aligned<uint64_t> nearness, near_query, near_lane;
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
        room_(NearestList::room(k)),
        keys_(codes.n * room_),
        team_(1 + product(product(codes.n, n_blocks()), width()) / 2 / kThreadWork) {
    const int64_t query_bytes = layout_.group_bytes() / layout_.group + 8 * layout_.n_words;
    const int64_t most = std::min(kTaskWork / width(), kRangeBytes / query_bytes);
    const int64_t queries = std::min({kRangeQueries, most, codes.n});
    range_groups_ = std::max<int64_t>(1, ceil_div(queries, layout_.group));
    nearest_.reserve(codes.n);
    for (int64_t i = 0; i < codes.n; ++i) nearest_.emplace_back(keys_.data() + i * room_, k, kNoKey);
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
        nearest_[i].settle();
        uint64_t* keys = keys_.data() + i * room_;
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
    uint64_t* mask = at.near_query.data();
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
      nearest_[first + q].settle();
    });
  }

  // Meets the codes from `first` on with the blocks after theirs.
  void meet_range(int64_t first, int64_t n) {
    take(first, n);
    const CodesView queries{range_.words.data(), n, codes_.n_words, codes_.n_bits};
    QueryGroups groups(layout_, n);
    team_.run(groups.n_groups(),
              [&](int64_t group, int) { groups.set(group, queries, reference_.data()); });
    for (Worker& worker : workers_) {
      worker.nearest.clear();
      for (int64_t i = 0; i < n; ++i) {
        const uint64_t bound = nearest_[range_.rows[i]].bound();
        worker.nearest.emplace_back(worker.keys.data() + i * room_, k_, bound);
      }
    }
    const int64_t first_block = first / kPlaneLanes + 1;
    team_.run(std::max<int64_t>(0, n_blocks() - first_block), [&](int64_t task, int worker) {
      meet_block((first_block + task) * kPlaneLanes, groups, workers_[worker]);
    });
    // Only now: until here the lists of these rows may belong to the thread that has their block.
    for (const Worker& worker : workers_) {
      for (int64_t i = 0; i < n; ++i) {
        const NearestList& found = worker.nearest[i];
        for (int64_t j = 0; j < found.size(); ++j) nearest_[range_.rows[i]].push(found.keys()[j]);
      }
    }
  }

  void take(int64_t first, int64_t n) {
    std::vector<int64_t> weights(n);
    const uint64_t last_mask = last_word_mask(codes_.n_bits);
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t* row = codes_.row(first + i);
      for (int64_t w = 0; w < codes_.n_words; ++w) {
        const uint64_t mask = w == codes_.n_words - 1 ? last_mask : ~uint64_t(0);
        weights[i] += popcount64((row[w] & mask) ^ reference_[w]);
      }
    }
    range_.rows.resize(n);
    std::iota(range_.rows.begin(), range_.rows.end(), first);
    std::stable_sort(range_.rows.begin(), range_.rows.end(), [&](int64_t a, int64_t b) {
      return weights[a - first] < weights[b - first];
    });
    range_.lowest.assign(n + 1, codes_.n);
    range_.words.resize(n * codes_.n_words);
    for (int64_t i = n - 1; i >= 0; --i) {
      const int64_t row = range_.rows[i];
      range_.lowest[i] = std::min(range_.lowest[i + 1], row);
      std::copy_n(codes_.row(row), codes_.n_words, range_.words.data() + i * codes_.n_words);
    }
  }

  void meet_block(int64_t first_row, const QueryGroups& groups, Worker& at) {
    LaneThresholds& thresholds = at.thresholds;
    thresholds.start(groups.weight(0));
    for (int64_t lane = 0; lane < std::min(kPlaneLanes, codes_.n - first_row); ++lane) {
      bound(first_row + lane, lane, range_.lowest[0], thresholds);
    }
    const auto n = int64_t(range_.rows.size());
    at.meeting.run(codes_, first_row, reference_.data(), groups, 0, groups.n_groups(), n,
                   [&](int64_t i, const uint64_t* sums) {
      // Pairs within a block are met when it is seeded, those of a block before by that block.
      if (range_.rows[i] < first_row) offer(i, sums, first_row, groups.weight(i), at);
    });
  }

  // Tells the lane of a code what it accepts from rows of at least `lowest`.
  void bound(int64_t row, int64_t lane, int64_t lowest, LaneThresholds& thresholds) const {
    const uint64_t key = nearest_[row].bound();
    if (key == kNoKey) {
      thresholds.set(lane, 64 * layout_.n_words, true);
    } else {
      thresholds.set(lane, key_.distance(key), key_.index(key) > lowest);
    }
  }

  // Pushes the pairs of query i with the codes of a block that may be among the nearest of either.
  void offer(int64_t i, const uint64_t* sums, int64_t first_row, int64_t weight, Worker& at) {
    const HammingPrimitives& hamming = primitives().hamming;
    const int levels = layout_.levels;
    const int64_t row = range_.rows[i], most = at.meeting.most_near(weight);
    NearestList& nearest = at.nearest[i];
    const uint64_t bound_key = nearest.bound();
    const int64_t limit =
        bound_key == kNoKey
            ? 64 * layout_.n_words
            : key_.distance(bound_key) - (key_.index(bound_key) <= first_row ? 1 : 0);
    const bool some = hamming.within_both(
        sums, at.meeting.complement(), levels, uint64_t(most - limit),
        at.thresholds.planes(weight), at.thresholds.ties(), at.meeting.valid(),
        at.near_query.data(), at.near_lane.data(), at.nearness.data());
    if (!some) return;
    for (int64_t w = 0; w < kLaneWords; ++w) {
      const uint64_t for_query = at.near_query[w], for_lane = at.near_lane[w];
      for (uint64_t left = for_query | for_lane; left != 0; left &= left - 1) {
        const int bit = lowest_bit(left);
        const int64_t lane = 64 * w + bit;
        const int64_t distance = most - lane_number(at.nearness.data(), levels + 1, lane);
        if (for_query >> bit & 1) nearest.push(key_.key(distance, first_row + lane));
        if ((for_lane >> bit & 1) != 0 &&
            nearest_[first_row + lane].push(key_.key(distance, row))) {
          bound(first_row + lane, lane, range_.lowest[i + 1], at.thresholds);
        }
      }
    }
  }

  const PlaneLayout layout_;
  const CodesView codes_;
  const std::vector<uint64_t> reference_;
  const int64_t k_;
  const NeighborKey key_;
  const int64_t room_;
  std::vector<uint64_t> keys_;  // [n][room]
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
