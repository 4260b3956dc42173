#include "kernels/wide_logistic.h"

#include <algorithm>
#include <cmath>

#include "check.h"
#include "interrupt.h"
#include "kernels/class_pairs.h"
#include "kernels/pair_products.h"
#include "kernels/subspace.h"

namespace tfhash {
namespace {

constexpr int64_t kPairBytes = int64_t(3) << 27;  // of pairs fitted side by side

struct Pair {
  int64_t index;
  PairProduct product;
  SubspaceNewton solver;
  double largest = 0;  // entry of the gradient at the best point
  int64_t n_iter = 0;
  bool active = true;

  Pair(const ClassPair& pair, const PairProducts& products, double c)
      : index(pair.index),
        product{pair.i, pair.j, {}, {}},
        solver(products.size(pair.i), products.size(pair.j),
               1 / (c * double(products.size(pair.i) + products.size(pair.j)))) {}

  // Goes on from the values of the gradient.
  void advance(const LogisticOptions& options) {
    largest = std::max(product.largest, std::fabs(solver.slope()));
    if (largest <= options.tol || n_iter == options.max_iter) {
      active = false;
      return;
    }
    active = solver.add(std::move(product.coefficients), std::move(product.values));
    if (active) ++n_iter;
  }
};

// Fits the pairs, side by side; `progress` is told how many are left.
template <class Tell>
void solve(std::vector<Pair>& pairs, PairProducts& products, ThreadTeam& team,
           const LogisticOptions& options, const Tell& progress) {
  for (;;) {
    std::vector<Pair*> active;
    std::vector<PairProduct*> wanted;
    for (Pair& pair : pairs) {
      if (!pair.active) continue;
      pair.product.coefficients = pair.solver.gradient();
      active.push_back(&pair);
      wanted.push_back(&pair.product);
    }
    if (active.empty()) return;
    products.multiply(wanted);
    team.run(int64_t(active.size()), [&](int64_t p, int) { active[p]->advance(options); });
    progress(std::count_if(pairs.begin(), pairs.end(), [](const Pair& p) { return p.active; }));
  }
}

// Writes the weights of the pairs: in two parts, the second what rounding took off the first.
void write_weights(std::vector<Pair>& pairs, PairProducts& products,
                   const std::vector<double*>& weights) {
  std::vector<PairProduct*> wanted;
  std::vector<std::vector<double>> exact;
  for (Pair& pair : pairs) {
    pair.product.coefficients = pair.solver.coefficients();
    exact.push_back(pair.product.coefficients);
    wanted.push_back(&pair.product);
  }
  for (int part = 0; part < 2; ++part) {
    products.add_weights(wanted, weights);
    for (size_t p = 0; p < pairs.size(); ++p) {
      for (size_t i = 0; i < exact[p].size(); ++i) {
        exact[p][i] -= pairs[p].product.coefficients[i];
      }
      pairs[p].product.coefficients = exact[p];
    }
  }
}

// Moves the weights of the bits that were read, which come first, in order, each to its own place.
// A constant bit that was read has a weight of rounding errors, if any: the intercept takes it.
void place_weights(const CodesView& codes, const std::vector<int64_t>& read,
                   const std::vector<int64_t>& varying, double* weights, double& intercept) {
  for (int64_t at = int64_t(read.size()) - 1; at >= 0 && read[at] != at; --at) {
    weights[read[at]] = weights[at];
    weights[at] = 0;
  }
  auto next = varying.begin();
  for (int64_t bit : read) {
    if (next != varying.end() && *next == bit) {
      ++next;
      continue;
    }
    if (codes.row(0)[bit / 64] >> (bit % 64) & 1) intercept += weights[bit];
    weights[bit] = 0;
  }
}

}  // namespace

LogisticModels fit_wide_one_vs_one(const CodesView& codes, const int32_t* labels,
                                   int64_t n_classes, const LogisticOptions& options,
                                   double* weights) {
  ThreadTeam team(1 + codes.n * codes.n_words / (1 << 12));
  const std::vector<int64_t> varying = varying_bits(codes, team);
  const Tiles tiles(codes, varying, 0, team);
  PairProducts products(tiles, labels, n_classes, team);
  int64_t largest_class = 0;
  for (int64_t a = 0; a < n_classes; ++a) {
    largest_class = std::max(largest_class, products.size(a));
  }
  const int64_t pair_bytes = SubspaceNewton::bytes(2 * largest_class) + products.pair_bytes();
  const int64_t n_all = n_class_pairs(n_classes);
  LogisticModels models(n_all);
  int64_t done = 0;
  for_each_wave(n_classes, pair_bytes, kPairBytes, [&](const auto& wave) {
    const int64_t n_pairs = int64_t(wave.size());
    std::vector<Pair> pairs;
    for (const ClassPair& pair : wave) {
      check_interrupt();
      pairs.emplace_back(pair, products, options.c);
    }
    solve(pairs, products, team, options, [&](int64_t left) {
      left += n_all - done - n_pairs;
      report(options.progress, 1 - double(left) / double(n_all), message(left, " models left"));
    });
    done += n_pairs;
    std::vector<double*> rows;
    for (const Pair& pair : pairs) rows.push_back(weights + pair.index * codes.n_bits);
    write_weights(pairs, products, rows);
    for (int64_t p = 0; p < n_pairs; ++p) {
      check_interrupt();
      double offset = pairs[p].solver.offset();
      place_weights(codes, tiles.kept(), varying, rows[p], offset);
      models.intercepts[pairs[p].index] = offset;
      models.n_iter[pairs[p].index] = pairs[p].n_iter;
      models.gradients[pairs[p].index] = pairs[p].largest;
    }
  });
  return models;
}

}  // namespace tfhash
