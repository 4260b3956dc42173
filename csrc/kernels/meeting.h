// One block of codes met with groups of queries: where the Hamming kernels of pairs begin.
#pragma once

#include <algorithm>
#include <vector>

#include "aligned.h"
#include "bits.h"
#include "codes.h"
#include "kernels/query_groups.h"
#include "primitives.h"

namespace tfhash {

// Work is counted in bits of a query met with a plane of 512 codes: about a cycle each.
constexpr int64_t kTaskWork = int64_t(1) << 27;    // tens of milliseconds
constexpr int64_t kThreadWork = int64_t(1) << 17;  // below it a second thread does not pay

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The number of a lane, kept in `levels` planes.
inline int64_t lane_number(const uint64_t* planes, int levels, int64_t lane) {
  const uint64_t* at = planes + lane / 64;
  uint64_t number = 0;
  for (int l = 0; l < levels; ++l) number |= (at[l * kLaneWords] >> (lane % 64) & 1) << l;
  return int64_t(number);
}

// The memory of a thread for meeting blocks of codes with queries, and the block it met last.
class Meeting {
 public:
  // For ranges of at most n_groups groups.
  Meeting(const PlaneLayout& layout, int64_t n_groups)
      : layout_(layout),
        every_plane_(64 * layout.chunk_words),
        planes_((layout.zero_plane() + 1) * kLaneWords),
        complement_((layout.levels + 2) * kLaneWords),
        sums_((layout.n_chunks > 1 ? n_groups : 1) * group_words()),
        valid_(kLaneWords) {
    std::fill_n(complement_.data() + layout.levels * kLaneWords, 2 * kLaneWords, ~uint64_t(0));
    for (size_t j = 0; j < every_plane_.size(); ++j) every_plane_[j] = uint16_t(j * kLaneWords);
  }

  // Calls visit(i, sums) for the queries i < n_queries of the groups [first_group, last_group), in
  // order: how many of the bits of query i each of the codes from first_row on has, both xor'ed
  // with the reference.
  template <class Visit>
  void run(const CodesView& codes, int64_t first_row, const uint64_t* reference,
           const QueryGroups& groups, int64_t first_group, int64_t last_group, int64_t n_queries,
           const Visit& visit) {
    const HammingPrimitives& hamming = primitives().hamming;
    const int64_t n_rows = std::min(kPlaneLanes, codes.n - first_row);
    for (int64_t w = 0; w < kLaneWords; ++w) {
      const int64_t lanes = std::min<int64_t>(64, std::max<int64_t>(0, n_rows - 64 * w));
      valid_[w] = lanes == 64 ? ~uint64_t(0) : (uint64_t(1) << lanes) - 1;
    }
    for (int64_t chunk = 0; chunk < layout_.n_chunks; ++chunk) {
      const int64_t word = chunk * layout_.chunk_words, n_words = layout_.words_of(chunk);
      const bool first = chunk == 0, last = chunk == layout_.n_chunks - 1;
      hamming.planes(codes.row(first_row) + word, codes.n_words, n_rows, n_words,
                     reference + word, planes_.data());
      if (last) clear_padding_planes(codes, word, n_words, planes_.data());
      const uint16_t sizes[2] = {0, uint16_t(64 * n_words)};
      hamming.count(planes_.data(), {sizes, every_plane_.data()}, 1, layout_.levels, first,
                    complement_.data());
      if (last) {
        for (int64_t w = 0; w < layout_.levels * kLaneWords; ++w) complement_[w] = ~complement_[w];
      }
      for (int64_t group = first_group; group < last_group; ++group) {
        // Sums over several chunks wait for all of them; otherwise a group's are used at once.
        const int64_t slot = layout_.n_chunks > 1 ? group - first_group : 0;
        uint64_t* sums = sums_.data() + slot * group_words();
        hamming.count(planes_.data(), groups.classes(group, chunk), layout_.group, layout_.levels,
                      first, sums);
        if (!last) continue;
        const int64_t q = group * layout_.group;
        for (int64_t i = 0; i < std::min<int64_t>(layout_.group, n_queries - q); ++i) {
          visit(q + i, sums + i * layout_.levels * kLaneWords);
        }
      }
    }
  }

  // With c of a code's bits among the w bits of a query, d = |code| + w - 2 c. Nearness is
  // 2 c + (all - |code|) = all + w - d, where all is a number of ones only.
  int64_t most_near(int64_t weight) const { return (int64_t(1) << layout_.levels) - 1 + weight; }

  // all - |code|; with two more planes, of ones, the signed number -1 - |code|.
  const uint64_t* complement() const { return complement_.data(); }
  int64_t weight(int64_t lane) const {  // |code|
    return (int64_t(1) << layout_.levels) - 1 - lane_number(complement_.data(), layout_.levels, lane);
  }
  const uint64_t* valid() const { return valid_.data(); }            // the lanes that hold codes

 private:
  int64_t group_words() const { return layout_.group * layout_.levels * kLaneWords; }

  const PlaneLayout layout_;
  std::vector<uint16_t> every_plane_;
  Aligned<uint64_t> planes_, complement_, sums_, valid_;
};

// Calls visit(lane) for the lanes of a mask of kLaneWords words, in order, and empties it. One loop,
// since where the lanes lie cannot be foreseen and each loop's end is.
template <class Visit>
void for_lanes(uint64_t* mask, const Visit& visit) {
  uint64_t words = 0;  // those with lanes
  for (int64_t w = 0; w < kLaneWords; ++w) words |= uint64_t(mask[w] != 0) << w;
  while (words != 0) {
    const int w = lowest_bit(words);
    const uint64_t lanes = mask[w], left = lanes & (lanes - 1);
    mask[w] = left;
    words = left != 0 ? words : words & (words - 1);
    visit(64 * w + lowest_bit(lanes));
  }
}

}  // namespace tfhash
