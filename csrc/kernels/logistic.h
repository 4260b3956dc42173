// One-vs-one logistic regression on codes: all pairs of classes at once.
#pragma once

#include <vector>

#include "codes.h"
#include "progress.h"

namespace tfhash {

struct LogisticOptions {
  double c;          // weight of the loss against the penalty |w|^2 / 2
  double tol;        // on the largest entry of the gradient of the mean loss and penalty
  int64_t max_iter;
  Progress progress;
};

// A model for each pair (i, j) of classes, i < j, in the order (0, 1), (0, 2), ..., (1, 2), ...:
// the log odds of j against i. A code may take part in n_classes - 1 of them.
struct LogisticModels {
  std::vector<double> intercepts;  // [n_pairs]
  std::vector<int64_t> n_iter;     // [n_pairs]
  std::vector<double> gradients;   // [n_pairs]: where it ended; over tol: it did not converge

  LogisticModels() = default;
  explicit LogisticModels(int64_t n_pairs)
      : intercepts(n_pairs), n_iter(n_pairs), gradients(n_pairs) {}
};

// labels[i] in [0, n_classes) is the class of code i; each class has at least one code.
// The weights are written to weights[n_pairs][n_bits], which is 0 before. Time is linear in pairs
// times the codes of their classes; beside codes and weights it takes kWaveBytes (logistic.cpp).
LogisticModels fit_one_vs_one(const CodesView& codes, const int32_t* labels, int64_t n_classes,
                              const LogisticOptions& options, double* weights);

}  // namespace tfhash
