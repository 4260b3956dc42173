// Exact nearest neighbors by Hamming distance.
#pragma once

#include "codes.h"
#include "progress.h"

namespace tfhash {

// For each query the k nearest codes of the database, nearest first, equally near ones by index:
// distances [queries.n, k] and indices [queries.n, k]. Both sides are of one width, below 2^31 bits,
// and 1 <= k <= database.n.
//
// Every pair is counted (see primitives/hamming.h); a threshold test on 512 sums at once leaves
// the few that may be among the nearest. Beside the results it needs the keys of the neighbors
// kept so far, the queries' lists of planes (both bounded, by working on a batch of queries at a
// time) and for each thread one block of planes.
void hamming_knn(const CodesView& database, const CodesView& queries, int64_t k,
                 const Progress& progress, int32_t* distances, int64_t* indices);

}  // namespace tfhash
