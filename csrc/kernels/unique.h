// Distinct codes: which codes are equal, numbered by first appearance.
#pragma once

#include <vector>

#include "codes.h"

namespace tfhash {

// ids[i] is the number of the code equal to code i, counted in order of first appearance.
// Returns how often each distinct code occurs.
//
// Codes are hashed once (one pass over memory), split by hash into partitions that fit the cache,
// and compared word by word within one hash value, so the result is exact. Time is linear in the
// size of the codes; extra memory is 40 bytes a code.
std::vector<int64_t> region_ids(const CodesView& codes, int64_t* ids);

}  // namespace tfhash
