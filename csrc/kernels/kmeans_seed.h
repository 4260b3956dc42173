// k-means++ starts on codes: distances between bits are whole numbers, so they are exact.
#pragma once

#include <vector>

#include "kernels/tiles.h"
#include "progress.h"

namespace tfhash {

// The rows of k starting centers for each of n_runs runs: greedy k-means++ (Arthur and
// Vassilvitskii, 2007), which draws n_trials candidates for each center after the first, with
// probability proportional to the squared distance (on bits: the Hamming distance) from the
// nearest center so far, and keeps the one that lowers the sum of those distances the most.
//
// Run r uses the uniform numbers draws[r * (1 + (k - 1) * n_trials)] and on, in [0, 1): one for
// the first center, then n_trials for each other.
std::vector<int64_t> kmeans_seeds(const Tiles& codes, int64_t k, const double* draws,
                                  int64_t n_runs, int64_t n_trials, ThreadTeam& team,
                                  const Progress& progress);

}  // namespace tfhash
