// Linear functions of codes.
#pragma once

#include "codes.h"
#include "progress.h"

namespace tfhash {

// The largest power of 2 (up to 2^24) that keeps sums of up to `most` under 2^29 in fixed point.
double fixed_point_scale(double most);

// scores[i][m] = intercepts[m] + the sum of weights[m][j] over the bits j of code i that are 1,
// to about 2^-50 of the sum of the absolute weights.
void linear_scores(const CodesView& codes, const double* weights, const double* intercepts,
                   int64_t n_models, const Progress& progress, double* scores);

}  // namespace tfhash
