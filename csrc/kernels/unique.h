// Distinct codes: which codes are equal, numbered by first appearance.
#pragma once

#include "codes.h"
#include "progress.h"

namespace tfhash {

// first[i] is the index of the first code that is equal to code i. Returns the number of distinct
// codes.
//
// Codes are hashed once (one pass over memory), split by hash into partitions that fit the cache,
// and compared word by word within one hash value, so the result is exact. Time is linear in the
// size of the codes; extra memory is 24 bytes a code.
int64_t first_equal(const CodesView& codes, const Progress& progress, int64_t* first);

// Turns what first_equal wrote, in place, into the number of each code's region, counted from 0 in
// order of first appearance; counts[r] is how many codes region r holds.
void number_regions(int64_t n, int64_t* ids, int64_t* counts);

}  // namespace tfhash
