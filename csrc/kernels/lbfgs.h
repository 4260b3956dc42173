// L-BFGS for a convex function whose gradient someone else works out.
#pragma once

#include <cstdint>
#include <vector>

namespace tfhash {

// Minimizes a smooth, strictly convex function of n variables, in steps: the caller works out the
// gradient at point(), hands it to advance(), and goes on while that returns true.
//
// Nocedal and Wright, Numerical Optimization, 2nd ed., algorithm 7.4, with a line search that
// needs gradients alone: on a line a convex function falls where its slope is negative, so a step
// is long enough where the slope has risen past 0.9 of what it was at the start, and not too long
// where it has not risen past half of that on the other side of 0.
class Lbfgs {
 public:
  explicit Lbfgs(int64_t n);

  static constexpr int kMemory = 10;
  static constexpr int kVectors = 4 + 2 * kMemory;  // of n numbers that it keeps

  const double* point() const { return trial_.data(); }
  const double* best() const { return x_.data(); }  // where the last whole step ended
  int64_t n_iter() const { return n_iter_; }

  // False where no step along the line makes progress: the gradient's rounding is in the way.
  bool advance(const double* gradient);

 private:
  static constexpr int kMaxTrials = 30;  // on one line

  void turn();   // a new direction from the gradient and the steps remembered
  void place();  // the trial point at length_ along the direction

  int64_t n_, n_iter_ = 0;
  std::vector<double> x_, gradient_, direction_, trial_;
  std::vector<double> steps_, changes_;  // [kMemory][n], of the point and of the gradient
  double products_[kMemory];             // step . change
  int remembered_ = 0, next_ = 0;
  bool started_ = false;

  // The line: slope at its start, the bracket so far, the length tried now.
  double slope_ = 0, length_ = 0;
  double low_ = 0, low_slope_ = 0, high_ = 0, high_slope_ = 0;
  bool bracketed_ = false;
  int trials_ = 0;
};

}  // namespace tfhash
