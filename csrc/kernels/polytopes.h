// Nonnegative least squares, and what it decides of polytopes.
#pragma once

#include <cstdint>
#include <vector>

namespace tfhash {

// The numbers from 0 to n - 1: all columns to choose among.
std::vector<int64_t> all_of(int64_t n);

// The nonnegative multiples of columns whose sum is nearest to a vector: the active-set method of
// Lawson and Hanson (Solving Least Squares Problems, 1974, chapter 23).
//
// Columns that bring the sum nearer come in one by one, and those whose multiple would turn negative
// leave again. An orthonormal basis of the columns in use is kept, with the triangle that makes them
// of it: a column in by Gram and Schmidt's method, twice; a column out by rotations.
class NonnegativeFit {
 public:
  // `columns`: n of `size` numbers each, one after another. They and `wanted` are kept by the
  // caller, unchanged.
  NonnegativeFit(const double* columns, int64_t n, int64_t size, const double* wanted);

  // Goes on until none of the columns `among` which to choose brings the sum any nearer. Where there
  // are more later it goes on from where it is.
  void solve(const std::vector<int64_t>& among);

  // The vector without the sum, [size], and its length.
  const std::vector<double>& residual() const { return residual_; }
  double error() const { return error_; }

  // The multiples of all columns, [n].
  std::vector<double> weights() const;

  // The shortest y whose product with each column is as given; of a column that is a sum of others,
  // only if theirs make it so.
  std::vector<double> meeting(const std::vector<double>& products);

  // The columns whose multiple is not 0.
  const std::vector<int64_t>& used() const { return used_; }

 private:
  const double* column(int64_t j) const { return columns_ + j * size_; }
  double length_of(int64_t j);
  double* direction(int64_t i) { return basis_.data() + i * size_; }
  int64_t most_promising(const std::vector<int64_t>& among);
  bool take(int64_t j);
  bool settle();
  void drop(int64_t place);
  void multiples(std::vector<double>* found) const;
  void find_residual();

  const double* const columns_;
  const int64_t n_, size_;
  const double* const wanted_;
  double wanted_length_;
  std::vector<double> lengths_;                 // of columns; below 0 where not needed yet
  std::vector<uint8_t> in_use_, passed_over_;   // of columns; passed over until one has come in
  std::vector<int64_t> used_;                   // the columns in use, in the order of the basis
  std::vector<double> weights_;                 // of those
  std::vector<double> basis_, shares_;          // a vector for each of them; the vector's share in it
  std::vector<std::vector<double>> triangle_;   // of the i-th, i + 1 numbers
  std::vector<double> residual_;
  double error_ = 0;
};

// The shortest y with normals @ y <= distances, with equality at the side `equal` where that is not
// -1: least distance programming (Lawson and Hanson, chapter 23). False where there is none.
//
// Arguments: n x d normals, each of length 1; n distances; y: d
bool nearest_point(const double* normals, const double* distances, int64_t n, int64_t d,
                   int64_t equal, double* y);

// The largest ball inside a polytope, no larger than `cap`: the program max r such that every side
// is at least r away. Of a linear program, the feasible point nearest to one far enough up the
// objective is optimal (Mangasarian, Normal solutions of linear programs, 1984); the sides that it
// is on give it to the last digits, and multipliers of theirs a bound that no ball exceeds.
// False where no such multipliers were found. A ball that has room to move is not found, since the
// sides it is on do not say where it is: whoever calls is to look whether all sides are as far away
// as the bound says.
//
// Arguments: n x d normals, each of length 1; n distances from a point, of either sign; the ball's
// center, d, from that point
bool largest_ball(const double* normals, const double* distances, int64_t n, int64_t d, double cap,
                  double* center, double* bound);

// Which sides of a polytope are facets.
//
// Some sides are known: facets, or sides that bound it all the same. Others are open. By Farkas'
// lemma an inequality follows from others where nonnegative multiples of them add up to its normal,
// and to no more than its distance. Where none do, what is missing is a direction in which the open
// side is met before all known ones, and the open side that is met first in it is a facet, known
// from then on (Clarkson, More output-sensitive geometric algorithms, FOCS 1994). So each problem,
// of as many columns as are known, settles one side.
//
// Arguments:
//   normals: n x d, each of length 1
//   distances: n, to each side from a point inside all of them
//   known, open: n
//   clear: an error no larger, relative to the distance, is a rounding
// Leaves nothing open; `known` is then true for the facets found, too.
void settle_facets(const double* normals, const double* distances, int64_t n, int64_t d,
                   double clear, std::vector<uint8_t>* known, std::vector<uint8_t>* open);

}  // namespace tfhash
