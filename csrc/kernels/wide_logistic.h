// One-vs-one logistic regression on codes with more bits than a pair of classes has examples.
#pragma once

#include "kernels/logistic.h"

namespace tfhash {

// As fit_one_vs_one, to the same optimum; but iterations are of SubspaceNewton, whose memory is a
// matter of examples, and the codes are read in blocks. Beside the codes and the weights it takes
// at most about kPairBytes (see wide_logistic.cpp) or one pair's share.
LogisticModels fit_wide_one_vs_one(const CodesView& codes, const int32_t* labels,
                                   int64_t n_classes, const LogisticOptions& options,
                                   double* weights);

}  // namespace tfhash
