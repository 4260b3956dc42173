// Logistic regression where there are more bits than examples: the optimum, looked for among the
// gradients met on the way.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace tfhash {

// Minimizes mean(log loss) + penalty / 2 * |w|^2 over weights w and a free offset for n examples,
// the first n_first of them of the first class.
//
// The gradient by w is X^T g of n coefficients g (residuals and penalty), so every w that gradients
// lead to is X^T a, too, and nothing as long as a code need be kept: a direction is its
// coefficients and its values X X^T g at the examples. Whoever has the codes works the values out;
// that is the costly step. What is known of f along all directions so far then costs nothing more,
// so each round ends at the minimum over all of them and the offset, found by Newton's method
// (sequential subspace optimization: Narkiss and Zibulevsky, 2005). Since the offset is at its
// optimum every round, coefficients add up to 0, and the mean of a bit has no pull on its weight.
class SubspaceNewton {
 public:
  SubspaceNewton(int64_t n_first, int64_t n_second, double penalty);

  // The coefficients [n] of the gradient at the best point so far.
  const std::vector<double>& gradient() const { return gradient_; }
  // The gradient by the offset.
  double slope() const { return slope_; }

  // Takes a direction in: its coefficients [n], which may be the gradient's but for rounding, and
  // its values [n]. False where it leads nowhere: rounding is in the way.
  bool add(std::vector<double> coefficients, std::vector<double> values);

  // The best point so far: w = X^T a.
  std::vector<double> coefficients() const;
  double offset() const { return point_.back(); }

  // Bytes that it takes for n examples at most.
  static int64_t bytes(int64_t n);

 private:
  struct Direction {
    std::vector<double> coefficients, values;
  };

  void orthogonalize(Direction& direction) const;
  void thin_out();
  void minimize();
  void evaluate(const std::vector<double>& point, bool with_curvature);
  bool newton_step(std::vector<double>& step) const;

  int64_t n_, n_first_;
  double penalty_;
  std::vector<Direction> basis_;  // orthonormal in w
  std::vector<double> point_;     // [basis + 1]: along each direction, then the offset

  // At the point evaluated last: gradient and curvature along the basis and by the offset.
  std::vector<double> slopes_, curvature_;  // [m], [m][m] (lower triangle), m = basis + 1
  std::vector<double> residuals_;           // [n]

  std::vector<double> gradient_;
  double slope_ = 0;
};

}  // namespace tfhash
