// K-Means on codes: Lloyd's algorithm with scikit-learn's starts, stops and empty clusters.
#pragma once

#include <vector>

#include "codes.h"
#include "progress.h"

namespace tfhash {

struct KMeansOptions {
  int64_t k;
  int64_t n_runs;       // starts, of which the best is kept
  int64_t n_trials;     // see kmeans_seeds
  const double* draws;  // uniform numbers in [0, 1), [n_runs][1 + (k - 1) * n_trials]
  int64_t max_iter;
  double tol;           // on the squared shift of the centers, as a share of the mean variance
  int64_t resident_bytes;  // see Tiles
  Progress progress;
};

struct KMeansResult {
  std::vector<int64_t> seeds;    // [k]: the rows that the best run started from
  std::vector<int32_t> labels;   // [n]
  std::vector<double> centers;   // [k][n_bits]
  double inertia = 0;            // the sum of squared distances to the nearest center
  int64_t n_iter = 0;
};

// Beside the codes it takes resident_bytes, up to kRunBytes (see kmeans.cpp) or one run's centers,
// counts and tables, 40 to 50 bytes a cluster and bit. Throws std::invalid_argument where there are
// fewer than k codes.
KMeansResult kmeans(const CodesView& codes, const KMeansOptions& options);

// The nearest of k given centers [k][n_bits] in [0, 1] to each code; the lowest index where several
// are equally near. Returns the sum of squared distances to them.
double kmeans_assign(const CodesView& codes, const double* centers, int64_t k,
                     const Progress& progress, int32_t* labels);

}  // namespace tfhash
