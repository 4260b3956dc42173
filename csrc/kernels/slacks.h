// How far the codes of a block may still be from queries: what the graph's threshold tests take.
#pragma once

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "kernels/meeting.h"
#include "primitives.h"

namespace tfhash {

// A code and a query of a weight are |code| + weight - 2 c apart, with c bits in common. That is
// within a limit where 2 c + slack >= 0, with slack = limit - |code| - weight. Slacks of a block's
// codes are numbers of lanes as HammingPrimitives::reach takes them.
class Slacks {
 public:
  explicit Slacks(const PlaneLayout& layout)
      : n_planes_(layout.levels + 2),
        limits_(kPlaneLanes),
        limit_planes_(64 * kLaneWords),
        of_codes_(n_planes_ * kLaneWords),
        of_queries_(kSlots * n_planes_ * kLaneWords),
        kept_(kSlots) {}

  // For a block of codes: limits [kPlaneLanes], the farthest that each accepts, -1 for nothing;
  // complement as Meeting has it. Queries of this weight or another follow.
  void start(const std::vector<int64_t>& limits, const uint64_t* complement, int64_t weight) {
    const uint64_t none = 0;
    limits_ = limits;
    complement_ = complement;
    weight_ = weight;
    std::fill(kept_.begin(), kept_.end(), kNone);
    primitives().hamming.planes(reinterpret_cast<const uint64_t*>(limits_.data()), 1, kPlaneLanes, 1,
                                &none, limit_planes_.data());
    // limit + (-1 - |code|) + (1 - weight)
    uint64_t carry[kLaneWords] = {};
    for (int l = 0; l < n_planes_; ++l) {
      const uint64_t* a = limit_planes_.data() + l * kLaneWords;
      const uint64_t* b = complement_ + l * kLaneWords;
      for (int64_t w = 0; w < kLaneWords; ++w) {
        of_codes_[l * kLaneWords + w] = a[w] ^ b[w] ^ carry[w];
        carry[w] = (a[w] & b[w]) | ((a[w] ^ b[w]) & carry[w]);
      }
    }
    add(of_codes_.data(), 1 - weight, of_codes_.data());
  }

  // Of the codes, by what each of them accepts, for queries of a weight.
  const uint64_t* of_codes(int64_t weight) {
    if (weight != weight_) add(of_codes_.data(), weight_ - weight, of_codes_.data());
    weight_ = weight;
    return of_codes_.data();
  }

  // Of the codes, by what a query of a weight accepts.
  const uint64_t* of_query(int64_t limit, int64_t weight) {
    const int64_t most = limit - weight, slot = most & (kSlots - 1);
    uint64_t* planes = of_queries_.data() + slot * n_planes_ * kLaneWords;
    if (kept_[slot] != most) add(complement_, most + 1, planes);
    kept_[slot] = most;
    return planes;
  }

  void set_limit(int64_t lane, int64_t limit) {
    if (limit == limits_[lane]) return;
    const auto change = uint64_t(limit - limits_[lane]);
    const uint64_t slack = uint64_t(lane_number(of_codes_.data(), n_planes_, lane)) + change;
    const uint64_t bit = uint64_t(1) << (lane % 64);
    for (int l = 0; l < n_planes_; ++l) {
      uint64_t& word = of_codes_[l * kLaneWords + lane / 64];
      word = (slack >> l & 1) != 0 ? word | bit : word & ~bit;
    }
    limits_[lane] = limit;
  }

 private:
  static constexpr int64_t kSlots = 16;  // queries in order of weight need few at a time
  static constexpr int64_t kNone = INT64_MAX;

  // to = planes + number, in two's complement.
  void add(const uint64_t* planes, int64_t number, uint64_t* to) const {
    uint64_t carry[kLaneWords] = {};
    for (int l = 0; l < n_planes_; ++l, planes += kLaneWords, to += kLaneWords) {
      const uint64_t bit = (number >> l & 1) != 0 ? ~uint64_t(0) : 0;
      for (int64_t w = 0; w < kLaneWords; ++w) {
        const uint64_t x = planes[w];
        to[w] = x ^ bit ^ carry[w];
        carry[w] = (x & bit) | ((x ^ bit) & carry[w]);
      }
    }
  }

  const int n_planes_;
  int64_t weight_ = 0;
  const uint64_t* complement_ = nullptr;
  std::vector<int64_t> limits_;
  Aligned<uint64_t> limit_planes_, of_codes_, of_queries_;
  std::vector<int64_t> kept_;  // [slot]: limit - weight of the slacks in of_queries_
};

}  // namespace tfhash
