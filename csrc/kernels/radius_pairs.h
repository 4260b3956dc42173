// All pairs of codes within a Hamming distance.
#pragma once

#include <vector>

#include "codes.h"
#include "progress.h"

namespace tfhash {

struct NearPair {
  int64_t query, code;
  int64_t distance;
};

// Appends the pairs of a query, from first_query on, and a code of the database that are at most
// `radius` bits apart, by query, then distance, then code; with `later` only codes of a higher row
// than the query's. Both sides are of one width. Stops after the query that brings the pairs to
// max_pairs or more; there may be as many again, or those of kMaxGroup queries, never more.
// Returns the query to go on from, queries.n at the end.
int64_t radius_pairs(const CodesView& database, const CodesView& queries, int64_t radius,
                     bool later, int64_t first_query, int64_t max_pairs, const Progress& progress,
                     std::vector<NearPair>& pairs);

}  // namespace tfhash
