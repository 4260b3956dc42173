#include "kernels/radius_pairs.h"

#include <algorithm>
#include <atomic>
#include <tuple>

#include "aligned.h"
#include "check.h"
#include "kernels/meeting.h"
#include "parallel.h"

namespace tfhash {
namespace {

constexpr int64_t kRangeQueries = 1024;
constexpr int64_t kRangeBytes = int64_t(1) << 27;

struct Worker {
  Worker(const PlaneLayout& layout, int64_t n_groups)
      : meeting(layout, n_groups), nearness((layout.levels + 1) * kLaneWords), mask(kLaneWords) {}

  Meeting meeting;
  Aligned<uint64_t> nearness, mask;
  std::vector<NearPair> pairs;
};

class RadiusSearch {
 public:
  RadiusSearch(const CodesView& database, const CodesView& queries, int64_t radius, bool later)
      : layout_(queries.n_words),
        database_(database),
        queries_(queries),
        radius_(std::min(radius, 64 * layout_.n_words)),
        later_(later),
        reference_(common_bits(queries, layout_)),
        team_(1 + product(product(queries.n, n_blocks()), width()) / kThreadWork) {
    const int64_t query_bytes = layout_.group_bytes() / layout_.group;
    const int64_t most =
        std::min({kRangeQueries, kTaskWork / width(), kRangeBytes / query_bytes, queries.n});
    range_ = std::max<int64_t>(1, ceil_div(most, layout_.group)) * layout_.group;
    for (int worker = 0; worker < team_.size(); ++worker) {
      workers_.emplace_back(layout_, range_ / layout_.group);
    }
  }

  int64_t run(int64_t first_query, int64_t max_pairs, const Progress& progress,
              std::vector<NearPair>& pairs) {
    int64_t q = first_query, step = range_;
    while (q < queries_.n && int64_t(pairs.size()) < max_pairs) {
      const int64_t n = std::min(step, queries_.n - q);
      if (!meet_range(q, n, n > layout_.group ? max_pairs : INT64_MAX)) {
        step = std::max<int64_t>(1, n / 8 / layout_.group) * layout_.group;
        continue;
      }
      const int64_t before = int64_t(pairs.size());
      for (Worker& worker : workers_) {
        pairs.insert(pairs.end(), worker.pairs.begin(), worker.pairs.end());
      }
      std::sort(pairs.begin() + before, pairs.end(), [](const NearPair& a, const NearPair& b) {
        return std::tie(a.query, a.distance, a.code) < std::tie(b.query, b.distance, b.code);
      });
      if (int64_t(pairs.size()) - before < max_pairs / 4) step = std::min(range_, 2 * step);
      q += n;
      report(progress, double(q) / double(queries_.n));
    }
    return q;
  }

 private:
  int64_t width() const { return std::max<int64_t>(1, 64 * layout_.n_words); }
  int64_t n_blocks() const { return ceil_div(database_.n, kPlaneLanes); }

  // Leaves the pairs of some queries with the workers; false where there are more than `limit`.
  bool meet_range(int64_t first, int64_t n, int64_t limit) {
    const CodesView queries{queries_.row(first), n, queries_.n_words, queries_.n_bits};
    QueryGroups groups(layout_, n);
    team_.run(groups.n_groups(),
              [&](int64_t group, int) { groups.set(group, queries, reference_.data()); });
    for (Worker& worker : workers_) worker.pairs.clear();
    const int64_t first_block = later_ ? first / kPlaneLanes : 0;
    std::atomic<int64_t> found{0};
    team_.run(std::max<int64_t>(0, n_blocks() - first_block), [&](int64_t task, int worker) {
      if (found > limit) return;
      meet_block((first_block + task) * kPlaneLanes, first, n, groups, limit, found,
                 workers_[worker]);
    });
    return found <= limit;
  }

  void meet_block(int64_t first_row, int64_t first, int64_t n, const QueryGroups& groups,
                  int64_t limit, std::atomic<int64_t>& found, Worker& at) {
    const HammingPrimitives& hamming = primitives().hamming;
    at.meeting.run(database_, first_row, reference_.data(), groups, 0, groups.n_groups(), n,
                   [&](int64_t i, const uint64_t* sums) {
      const int64_t most = at.meeting.most_near(groups.weight(i)), query = first + i;
      const int64_t lanes = hamming.within(
          sums, at.meeting.complement(), layout_.levels, uint64_t(std::max<int64_t>(0, most - radius_)),
          at.meeting.valid(), at.mask.data(), at.nearness.data());
      if (lanes == 0 || (found += lanes) > limit) return;
      for_lanes(at.mask.data(), [&](int64_t lane) {
        if (later_ && first_row + lane <= query) return;
        const int64_t near = lane_number(at.nearness.data(), layout_.levels + 1, lane);
        at.pairs.push_back({query, first_row + lane, most - near});
      });
    });
  }

  const PlaneLayout layout_;
  const CodesView database_, queries_;
  const int64_t radius_;
  const bool later_;
  const std::vector<uint64_t> reference_;
  ThreadTeam team_;
  int64_t range_ = 0;
  std::vector<Worker> workers_;
};

}  // namespace

int64_t radius_pairs(const CodesView& database, const CodesView& queries, int64_t radius,
                     bool later, int64_t first_query, int64_t max_pairs, const Progress& progress,
                     std::vector<NearPair>& pairs) {
  RadiusSearch search(database, queries, radius, later);
  return search.run(first_query, max_pairs, progress, pairs);
}

}  // namespace tfhash
