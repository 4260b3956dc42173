// Hamming distances by counting planes.
//
// A block of 512 codes is turned on its side: plane j holds bit j of all of them, one code to a
// lane. The bits that a code has in common with a query are then the sum, lane by lane, of the
// planes where the query is 1. Such a sum is kept in binary, one plane for each power of two, so a
// full adder (two instructions on AVX-512) takes up one more bit of 512 codes at once. Counting the
// set bits of codes xor query word by word takes three instructions for as many.
//
// Queries that go together share their work ("four Russians"): the planes are split by which of
// the queries have them set, each class is counted once, and each query adds up its classes.
#pragma once

#include <cstdint>

namespace tfhash {

constexpr int64_t kPlaneLanes = 512;             // codes in a block
constexpr int64_t kLaneWords = kPlaneLanes / 64;  // words in a plane

constexpr int kMaxGroup = 6;               // queries that go together
constexpr int64_t kMaxChunkPlanes = 4096;  // planes counted at a time: 256 KiB, within an L2 cache
static_assert(kMaxChunkPlanes * kLaneWords <= UINT16_MAX, "where a plane starts is 16 bits");
constexpr int64_t kStep = 8;               // a class is padded with a plane of zeros to this many

// The planes that g queries have set: the class m, of those that exactly the queries i with bit i
// of m have set, for m = 1, 2, ..., 2^g - 1. Class m has sizes[m] members; padded, they follow one
// another. sizes[0] is not looked at.
struct PlaneClasses {
  const uint16_t* sizes;
  const uint16_t* members;  // where each plane starts, in words: kLaneWords times its number
};

// Numbers of kPlaneLanes lanes are arrays of planes, lowest bit first. Arrays of planes are aligned to
// 64 bytes.
struct HammingPrimitives {
  // Turns n_words words of each of n_rows <= kPlaneLanes rows (`stride` words apart), xor'ed with
  // `reference`, into 64 * n_words planes. The lanes past n_rows are 0.
  void (*planes)(const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_words,
                 const uint64_t* reference, uint64_t* planes);

  // sums[i] (+)= the number of planes of query i, for i < g; each has `levels` planes, which must
  // be enough. With `first` the sums are written, otherwise added to.
  void (*count)(const uint64_t* planes, const PlaneClasses& classes, int g, int levels, bool first,
                uint64_t* sums);

  // nearness = 2 * sums + complement, of levels + 1 planes. The mask gets the lanes among `valid`
  // where it is at least the threshold. Returns how many they are; with none, nearness is not
  // written.
  int64_t (*within)(const uint64_t* sums, const uint64_t* complement, int levels,
                    uint64_t threshold, const uint64_t* valid, uint64_t* mask, uint64_t* nearness);

  // The mask gets the lanes among `valid` where 2 * sums + slack >= 0 for one of two slacks: signed
  // numbers of levels + 2 planes (two's complement), at least -2^(levels + 1). Returns whether there
  // are any.
  bool (*reach)(const uint64_t* sums, int levels, const uint64_t* slack, const uint64_t* other_slack,
                const uint64_t* valid, uint64_t* mask);

  // distances[i] = the bits in which row i of n_rows (n_words >= 1 words each, one after the other)
  // differs from the query, those of `last_mask` alone in the last word. Where a few queries do not
  // pay for turning a block.
  void (*distances)(const uint64_t* rows, int64_t n_rows, int64_t n_words, const uint64_t* query,
                    uint64_t last_mask, int32_t* distances);

  // Of the lanes in the mask keeps the `keep` of the largest nearness, of equal ones the lowest.
  void (*keep_nearest)(const uint64_t* nearness, int levels, int64_t keep, uint64_t* mask);
};

void fill_hamming_scalar(HammingPrimitives& table);
void fill_hamming_avx2(HammingPrimitives& table);
void fill_hamming_avx512(HammingPrimitives& table);
void fill_hamming_neon(HammingPrimitives& table);

}  // namespace tfhash
