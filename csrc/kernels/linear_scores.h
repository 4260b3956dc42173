// Linear functions of codes, and the votes of one-vs-one models.
#pragma once

#include "codes.h"
#include "progress.h"

namespace tfhash {

// The largest power of 2 (up to 2^24) that keeps sums of up to `most` under 2^29 in fixed point.
double fixed_point_scale(double most);

// scores[i][m] = intercepts[m] + the sum of weights[m][j] over the bits j of code i that are 1,
// to about 2^-50 of the sum of the absolute weights. Throws std::invalid_argument where a weight or
// an intercept is not finite.
void linear_scores(const CodesView& codes, const double* weights, const double* intercepts,
                   int64_t n_models, const Progress& progress, double* scores);

// What the models of all pairs of classes (in the order of ClassPair; a score is the log odds of
// the second class) say for each class: its votes, and s / (3 (|s| + 1)) for s the sum of the log
// odds for it, added up in the order of pairs. votes is [n][n_classes]; all scores are never held at
// once. Throws as linear_scores does.
void class_votes(const CodesView& codes, const double* weights, const double* intercepts,
                 int64_t n_classes, const Progress& progress, double* votes);

}  // namespace tfhash
