#include "kernels/hamming_knn.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "aligned.h"
#include "check.h"
#include "interrupt.h"
#include "kernels/meeting.h"
#include "parallel.h"
#include "topk.h"

namespace tfhash {
namespace {

constexpr int64_t kRangeQueries = 512;             // turning a block costs as much as some 20
constexpr int64_t kFewQueries = 4;                 // up to so many are met without turning blocks
constexpr int64_t kTasksPerThread = 4;
constexpr int64_t kBatchBytes = int64_t(1) << 27;  // of lists and keys at a time
constexpr int64_t kManyKeys = int64_t(1) << 20;    // to sort without a look at Ctrl-C

// What a thread needs for a block.
struct Workspace {
  Workspace(const PlaneLayout& layout, int64_t n_groups)
      : meeting(layout, n_groups),
        nearness((layout.levels + 1) * kLaneWords),
        mask(kLaneWords),
        distances(kPlaneLanes) {}

  Meeting meeting;
  Aligned<uint64_t> nearness, mask;
  std::vector<int32_t> distances;  // [lane] of the block
};

// The search for the neighbors of one batch of queries.
class Search {
 public:
  Search(const PlaneLayout& layout, const CodesView& database, const CodesView& queries,
         const uint64_t* reference, int64_t k)
      : layout_(layout),
        database_(database),
        queries_(queries),
        reference_(reference),
        k_(k),
        key_(database.n),
        team_(1 + product(product(queries.n, n_blocks()), width()) / kThreadWork),
        groups_(layout, queries.n) {
    divide();
    team_.run(groups_.n_groups(),
              [this](int64_t group, int) { groups_.set(group, queries_, reference_); });
  }

  // `after_round` is told the share of the database that has been met.
  void run(const std::function<void(double)>& after_round) {
    // Rounds, so that a task stays short and every list of neighbors has one thread at a time.
    const int64_t work = range_groups_ * layout_.group * width();
    const int64_t step = std::max<int64_t>(1, kTaskWork / work);
    for (int64_t done = 0; done < split_blocks_; done += step) {
      team_.run(n_ranges_ * n_splits_, [&](int64_t task, int worker) {
        const int64_t split = task / n_ranges_, range = task % n_ranges_;
        const int64_t first = split * split_blocks_ + done;
        const int64_t stop = std::min(first + step, (split + 1) * split_blocks_);
        for (int64_t block = first; block < std::min(stop, n_blocks()); ++block) {
          check_interrupt();
          scan(block, split, range, workspaces_[worker]);
        }
      });
      after_round(double(std::min(done + step, split_blocks_)) / double(split_blocks_));
    }
  }

  void write(int32_t* distances, int64_t* indices) {
    const int64_t rows = std::max<int64_t>(1, (int64_t(1) << 16) / keys_per_query_);
    team_.run(ceil_div(queries_.n, rows), [&](int64_t block, int) {
      for (int64_t q = block * rows; q < std::min(queries_.n, (block + 1) * rows); ++q) {
        check_interrupt();
        uint64_t* keys = keys_.data() + q * keys_per_query_;
        if (k_ < keys_per_query_) std::nth_element(keys, keys + k_ - 1, keys + keys_per_query_);
        if (k_ < kManyKeys) {
          std::sort(keys, keys + k_);
        } else {
          sort_checking(keys, keys + k_, std::less<uint64_t>());
        }
        for (int64_t i = 0; i < k_; ++i) {
          distances[q * k_ + i] = int32_t(key_.distance(keys[i]));
          indices[q * k_ + i] = key_.index(keys[i]);
        }
      }
    });
  }

 private:
  int64_t width() const { return std::max<int64_t>(1, 64 * layout_.n_words); }
  int64_t n_blocks() const { return ceil_div(database_.n, kPlaneLanes); }

  // Tasks are a range of queries and a split of the database: splits only where there are not
  // enough ranges, because each starts its own list of neighbors.
  void divide() {
    const int64_t wanted = team_.size() == 1 ? 1 : kTasksPerThread * team_.size();
    const int64_t range = std::min(kRangeQueries, kTaskWork / width());
    range_groups_ = std::max<int64_t>(1, range / layout_.group);
    n_ranges_ = ceil_div(groups_.n_groups(), range_groups_);
    split_blocks_ = ceil_div(n_blocks(), std::min(n_blocks(), ceil_div(wanted, n_ranges_)));
    n_splits_ = ceil_div(n_blocks(), split_blocks_);

    for (int64_t split = 0; split < n_splits_; ++split) keys_per_query_ += capacity(split);
    keys_.resize(queries_.n * keys_per_query_);
    for (int64_t q = 0; q < queries_.n; ++q) {
      uint64_t* keys = keys_.data() + q * keys_per_query_;
      for (int64_t split = 0; split < n_splits_; ++split) {
        nearest_.emplace_back(keys, capacity(split));
        keys += capacity(split);
      }
    }
    for (int worker = 0; worker < team_.size(); ++worker) {
      workspaces_.emplace_back(layout_, range_groups_);
    }
  }

  int64_t capacity(int64_t split) const {
    const int64_t first = split * split_blocks_ * kPlaneLanes;
    return std::min(k_, std::min(database_.n, first + split_blocks_ * kPlaneLanes) - first);
  }

  // Meets one block of codes with one range of queries.
  void scan(int64_t block, int64_t split, int64_t range, Workspace& at) {
    if (queries_.n <= kFewQueries) return scan_words(block, split, at);
    const int64_t first_row = block * kPlaneLanes, first_group = range * range_groups_;
    const int64_t last_group = std::min(groups_.n_groups(), first_group + range_groups_);
    at.meeting.run(database_, first_row, reference_, groups_, first_group, last_group, queries_.n,
                   [&](int64_t q, const uint64_t* sums) { offer(q, sums, first_row, split, at); });
  }

  // Meets one block of codes with each query word by word: it is read once, so turning it would be
  // most of the work.
  void scan_words(int64_t block, int64_t split, Workspace& at) {
    const int64_t first_row = block * kPlaneLanes;
    const int64_t n_rows = std::min(kPlaneLanes, database_.n - first_row);
    for (int64_t q = 0; q < queries_.n; ++q) {
      if (database_.n_words > 0) {
        primitives().hamming.distances(database_.row(first_row), n_rows, database_.n_words,
                                       queries_.row(q), last_word_mask(database_.n_bits),
                                       at.distances.data());
      }
      TopK& nearest = nearest_[q * n_splits_ + split];
      for (int64_t i = 0; i < n_rows; ++i) {
        nearest.push(key_.key(at.distances[i], first_row + i));
      }
    }
  }

  // Pushes the codes of a block that may be among the nearest of query q.
  void offer(int64_t q, const uint64_t* sums, int64_t first_row, int64_t split, Workspace& at) {
    TopK& nearest = nearest_[q * n_splits_ + split];
    const int64_t most = at.meeting.most_near(groups_.weight(q));
    // Codes come in order of their index, so a later one as far as the last one kept is no nearer.
    const int64_t limit =
        nearest.full() ? key_.distance(nearest.top()) - 1 : 64 * layout_.n_words;
    uint64_t* mask = at.mask.data();
    const uint64_t* nearness = at.nearness.data();
    const HammingPrimitives& hamming = primitives().hamming;
    const int64_t lanes =
        hamming.within(sums, at.meeting.complement(), layout_.levels, uint64_t(most - limit),
                       at.meeting.valid(), mask, at.nearness.data());
    if (lanes == 0) return;
    if (lanes > nearest.capacity()) {
      hamming.keep_nearest(nearness, layout_.levels + 1, nearest.capacity(), mask);
    }
    for_lanes(mask, [&](int64_t lane) {
      const int64_t near = lane_number(nearness, layout_.levels + 1, lane);
      nearest.push(key_.key(most - near, first_row + lane));
    });
  }

  const PlaneLayout layout_;
  const CodesView database_, queries_;
  const uint64_t* reference_;
  const int64_t k_;
  const NeighborKey key_;
  ThreadTeam team_;
  QueryGroups groups_;
  int64_t range_groups_ = 0, n_ranges_ = 0, split_blocks_ = 0, n_splits_ = 0;
  int64_t keys_per_query_ = 0;
  std::vector<uint64_t> keys_;  // [query][split][capacity]
  std::vector<TopK> nearest_;   // [query][split]
  std::vector<Workspace> workspaces_;
};

}  // namespace

void hamming_knn(const CodesView& database, const CodesView& queries, int64_t k,
                 const Progress& progress, int32_t* distances, int64_t* indices) {
  const PlaneLayout layout(database.n_words);
  const std::vector<uint64_t> reference = common_bits(queries, layout);
  const int64_t keys = std::min(database.n, product(k, kTasksPerThread * num_threads()));
  const int64_t bytes = layout.group_bytes() / layout.group + 8 * keys;
  const int64_t batch = std::max<int64_t>(1, kBatchBytes / bytes / layout.group) * layout.group;
  for (int64_t q = 0; q < queries.n; q += batch) {
    const CodesView part{queries.row(q), std::min(batch, queries.n - q), queries.n_words,
                         queries.n_bits};
    Search search(layout, database, part, reference.data(), k);
    search.run([&](double share) {
      report(progress, (double(q) + share * double(part.n)) / double(queries.n));
    });
    search.write(distances + q * k, indices + q * k);
  }
}

}  // namespace tfhash
