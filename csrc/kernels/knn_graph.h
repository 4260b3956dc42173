// The exact nearest neighbors of codes among themselves, each pair of codes met once.
#pragma once

#include "codes.h"
#include "progress.h"

namespace tfhash {

// For each code the k nearest of the others, nearest first, equally near ones by index: distances
// [n, k] and indices [n, k]. Codes are below 2^31 bits, and 1 <= k < n.
//
// A distance serves both its codes: 512 of them (a block) are met with the queries of the blocks
// before, and one pass over the sums (within_both of primitives/hamming.h) finds the lanes that are
// near enough for the query and those that the query is near enough for. Beside the results it
// needs the keys of the neighbors kept so far, 8 bytes each, and what a range of queries takes.
void knn_graph(const CodesView& codes, int64_t k, const Progress& progress, int32_t* distances,
               int64_t* indices);

}  // namespace tfhash
