// Queries made ready for counting planes (primitives/hamming.h): in groups, by the classes of
// their bits.
#pragma once

#include <vector>

#include "codes.h"
#include "primitives/hamming.h"

namespace tfhash {

// How codes of a width are cut into chunks of planes, and how many queries go together.
struct PlaneLayout {
  int64_t n_words;
  int64_t chunk_words;  // of all chunks but the last
  int64_t n_chunks;     // at least 1, though it be empty
  int group;
  int levels;  // planes of a number up to 64 * n_words

  explicit PlaneLayout(int64_t words);

  int64_t words_of(int64_t chunk) const;
  int64_t group_bytes() const;  // of memory for a group in QueryGroups

  // The plane of zeros that pads a class; a buffer of planes has room for this one too.
  int64_t zero_plane() const { return 64 * chunk_words; }
  int64_t members_per_chunk() const;
};

// Of the planes of words [word, word + n_words) of codes, sets those of bits past n_bits to 0.
void clear_padding_planes(const CodesView& codes, int64_t word, int64_t n_words, uint64_t* planes);

// The bits that most of the queries have (of 64 of them, spread evenly), n_words words, those past
// n_bits 0. Distances stay the same when both sides are xor'ed with it, and there are fewer bits to
// count.
std::vector<uint64_t> common_bits(const CodesView& queries, const PlaneLayout& layout);

// The classes of groups of queries, each xor'ed with the reference.
class QueryGroups {
 public:
  QueryGroups(const PlaneLayout& layout, int64_t n_queries);

  // Fills in group `index`, of the queries from index * layout.group on, each word read once.
  void set(int64_t index, const CodesView& queries, const uint64_t* reference);

  int64_t n_groups() const { return n_groups_; }
  PlaneClasses classes(int64_t group, int64_t chunk) const;
  // How many bits of a query differ from the reference.
  int64_t weight(int64_t query) const { return weights_[query]; }

 private:
  const PlaneLayout layout_;
  int64_t n_groups_;
  std::vector<uint16_t> sizes_;    // [group][chunk][2^g]
  std::vector<uint16_t> members_;  // [group][chunk][members_per_chunk]
  std::vector<int64_t> weights_;
};

}  // namespace tfhash
