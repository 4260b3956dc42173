#include "kernels/logistic.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <mutex>

#include "check.h"
#include "interrupt.h"
#include "kernels/class_pairs.h"
#include "kernels/class_rows.h"
#include "kernels/lbfgs.h"
#include "kernels/linear_scores.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 512;     // rows of one task, whose residuals add up in an int32
constexpr int64_t kWaveBytes = int64_t(1) << 29;  // of pairs fitted side by side
constexpr double kSoften = 0.01;    // variance given to every bit: see Pair

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The model of classes i and j, and its way to the optimum.
//
// It is sought in variables in which the problem is rounder: bits less their mean, which takes the
// intercept's pull off the weights, and divided by about their deviation. With w = v / deviation
// and intercept = v_0 - mean . w the model and the penalty stay what they are.
struct Pair {
  int64_t i, j, index;
  double n, penalty;
  std::vector<double> mean, deviation;      // [n_bits]
  std::vector<double> weights, gradient;    // [n_bits + 1]: the intercept last
  Lbfgs solver;
  double largest = 0;  // entry of the gradient at the best weights so far
  int64_t n_iter = 0;
  bool evaluated = false;
  bool active = true;
  struct Place {
    int64_t lanes, lane;
  };
  Place places[2] = {};  // among OneVsOne's lanes, in class i and in class j

  Pair(const ClassPair& pair, const ClassRows& examples, double c)
      : i(pair.i),
        j(pair.j),
        index(pair.index),
        n(double(examples.sizes[i] + examples.sizes[j])),
        penalty(1 / (c * n)),
        mean(examples.codes.n_bits),
        deviation(examples.codes.n_bits),
        weights(examples.n_terms, 0),
        gradient(examples.n_terms),
        solver(examples.n_terms) {
    const int64_t n_bits = examples.codes.n_bits;
    for (int64_t b = 0; b < n_bits; ++b) {
      mean[b] = double(examples.on[i * n_bits + b] + examples.on[j * n_bits + b]) / n;
      deviation[b] = std::sqrt(mean[b] * (1 - mean[b]) + kSoften);
    }
  }

  // Bytes that a pair takes, its two lanes with it.
  static int64_t bytes(const ClassRows& examples) {
    const int64_t lane = 4 * 64 * examples.codes.n_words + 8 * examples.n_terms;
    return int64_t(sizeof(Pair)) + 1024 + 8 * (6 + Lbfgs::kVectors) * examples.n_terms + 2 * lane;
  }

  // Takes the gradient of the mean loss by the weights; the weights then are those to try next, or
  // the final ones.
  void advance(const LogisticOptions& options) {
    const int64_t n_bits = int64_t(mean.size());
    const double slope = gradient[n_bits];
    double most = std::fabs(slope);
    for (int64_t b = 0; b < n_bits; ++b) {
      const double entry = gradient[b] + penalty * weights[b];
      most = std::max(most, std::fabs(entry));
      gradient[b] = (entry - mean[b] * slope) / deviation[b];
    }
    if (most <= options.tol) {
      // A step that ends here need not be a good one to go on from.
      if (evaluated) ++n_iter;
      largest = most;
      active = false;
      return;
    }
    active = solver.advance(gradient.data());
    if (!evaluated || solver.n_iter() > n_iter) largest = most;
    evaluated = true;
    n_iter = solver.n_iter();
    if (solver.n_iter() >= options.max_iter) active = false;
    const double* v = active ? solver.point() : solver.best();
    double shift = 0;
    for (int64_t b = 0; b < n_bits; ++b) {
      weights[b] = v[b] / deviation[b];
      shift += mean[b] * weights[b];
    }
    weights[n_bits] = v[n_bits] - shift;
  }
};

// What the rows of one class need to know of up to 16 of the pairs it is in, one to a lane, and
// what they say of the gradient.
struct Lanes {
  int64_t class_index = 0;
  std::vector<Pair*> pairs;
  Aligned<int32_t> entries;    // [64 * n_words][16]: weights in fixed point
  Aligned<int32_t> start;      // [16]: intercepts
  Aligned<float> unit, sign;   // [16]: of the fixed point; -1 where this class is the pair's second
  Aligned<int64_t> totals;     // [n_terms][16]: the gradient of the summed loss, times 2^21
  std::unique_ptr<std::mutex> mutex = std::make_unique<std::mutex>();

  explicit Lanes(const ClassRows& examples)
      : entries(64 * examples.codes.n_words * kLanes),
        start(kLanes),
        unit(kLanes),
        sign(kLanes),
        totals(examples.n_terms * kLanes) {}

  void load(int64_t lane) {
    const Pair& pair = *pairs[lane];
    const int64_t n_bits = int64_t(pair.mean.size());
    double most = 0;
    for (double weight : pair.weights) most += std::fabs(weight);
    const double scale = fixed_point_scale(most);
    for (int64_t b = 0; b < n_bits; ++b) {
      entries[b * kLanes + lane] = static_cast<int32_t>(std::lrint(pair.weights[b] * scale));
    }
    start[lane] = static_cast<int32_t>(std::lrint(pair.weights[n_bits] * scale));
    unit[lane] = static_cast<float>(1 / scale);
    sign[lane] = pair.j == class_index ? -1.0f : 1.0f;
  }
};

struct Scratch {
  Aligned<int32_t> table, sums, gradient;
  explicit Scratch(int64_t n_terms)
      : table(kWordTable), sums(kBlock * kLanes), gradient(n_terms * kLanes) {}
};

class OneVsOne {
 public:
  OneVsOne(const ClassRows& examples, std::vector<Pair>& pairs, ThreadTeam& team)
      : examples_(examples), pairs_(pairs), team_(team) {
    for (int worker = 0; worker < team.size(); ++worker) scratch_.emplace_back(examples.n_terms);
  }

  // `progress` is told how many are left.
  template <class Tell>
  void solve(const LogisticOptions& options, const Tell& progress) {
    for (size_t n_active = pairs_.size(); n_active > 0;) {
      arrange();
      evaluate();
      team_.run(int64_t(pairs_.size()), [&](int64_t p, int) {
        if (pairs_[p].active) advance(pairs_[p], options);
      });
      n_active = size_t(std::count_if(pairs_.begin(), pairs_.end(),
                                      [](const Pair& pair) { return pair.active; }));
      progress(int64_t(n_active));
    }
  }

 private:
  // Gives every active pair a lane in each of its classes.
  void arrange() {
    std::vector<std::vector<Pair*>> of_class(examples_.sizes.size());
    for (Pair& pair : pairs_) {
      if (!pair.active) continue;
      of_class[pair.i].push_back(&pair);
      of_class[pair.j].push_back(&pair);
    }
    size_t used = 0;
    for (size_t a = 0; a < of_class.size(); ++a) {
      for (size_t p = 0; p < of_class[a].size(); ++p) {
        if (p % kLanes == 0) {
          if (used == lanes_.size()) lanes_.emplace_back(examples_);
          Lanes& lanes = lanes_[used++];
          lanes.class_index = int64_t(a);
          lanes.pairs.clear();
          std::fill_n(lanes.sign.data(), kLanes, 0.0f);
        }
        Pair& pair = *of_class[a][p];
        pair.places[pair.j == int64_t(a)] = {int64_t(used) - 1, int64_t(p % kLanes)};
        lanes_[used - 1].pairs.push_back(&pair);
      }
    }
    lanes_.erase(lanes_.begin() + int64_t(used), lanes_.end());
    team_.run(int64_t(used), [&](int64_t g, int) {
      Lanes& lanes = lanes_[g];
      std::fill_n(lanes.totals.data(), lanes.totals.size(), 0);
      for (size_t lane = 0; lane < lanes.pairs.size(); ++lane) lanes.load(int64_t(lane));
    });
  }

  // The totals of all lanes. They are whole numbers, so it matters not who adds first.
  void evaluate() {
    struct Task {
      Lanes* lanes;
      int64_t first;
    };
    std::vector<Task> tasks;
    for (Lanes& lanes : lanes_) {
      const int64_t a = lanes.class_index;
      for (int64_t first = examples_.starts[a]; first < examples_.starts[a + 1]; first += kBlock) {
        tasks.push_back({&lanes, first});
      }
    }
    team_.run(int64_t(tasks.size()), [&](int64_t t, int worker) {
      evaluate_block(*tasks[t].lanes, tasks[t].first, scratch_[worker]);
    });
  }

  void evaluate_block(Lanes& lanes, int64_t first, Scratch& scratch) {
    const TablePrimitives& tables = primitives().tables;
    const Columns& codes = examples_.codes;
    const int64_t a = lanes.class_index;
    const int64_t n = std::min(kBlock, examples_.starts[a] + examples_.sizes[a] - first);
    int32_t* table = scratch.table.data();
    int32_t* sums = scratch.sums.data();
    for (int64_t i = 0; codes.n_words == 0 && i < n; ++i) {
      std::copy_n(lanes.start.data(), kLanes, sums + i * kLanes);
    }
    for (int64_t w = 0; w < codes.n_words; ++w) {
      const int n_nibbles = codes.n_nibbles(w);
      tables.build(lanes.entries.data() + w * 64 * kLanes, n_nibbles, table);
      tables.scan(table, n_nibbles, codes.column(w) + first, n,
                  w == 0 ? lanes.start.data() : nullptr, sums);
    }
    primitives().logistic.residuals(sums, n, lanes.unit.data(), lanes.sign.data(), sums);
    // By 64 rows: their residuals are the entries, the rows that have a bit the nibbles.
    std::fill(sums + n * kLanes, sums + ceil_div(n, 64) * 64 * kLanes, 0);
    for (int64_t i = 0; i < n; i += 64) {
      const int n_nibbles = static_cast<int>(ceil_div(std::min<int64_t>(64, n - i), 4));
      tables.build(sums + i * kLanes, n_nibbles, table);
      tables.scan(table, n_nibbles,
                  examples_.features.data() + (first + i) / 64 * examples_.n_terms,
                  examples_.n_terms, nullptr, scratch.gradient.data());
    }
    std::lock_guard<std::mutex> lock(*lanes.mutex);
    tables.flush(scratch.gradient.data(), examples_.n_terms, lanes.totals.data());
  }

  void advance(Pair& pair, const LogisticOptions& options) {
    const double unit = 1 / (pair.n * double(1 << kResidualBits));
    std::vector<int64_t> total(examples_.n_terms, 0);
    for (const Pair::Place& place : pair.places) {
      const int64_t* from = lanes_[place.lanes].totals.data() + place.lane;
      for (int64_t t = 0; t < examples_.n_terms; ++t) total[t] += from[t * kLanes];
    }
    for (int64_t t = 0; t < examples_.n_terms; ++t) pair.gradient[t] = double(total[t]) * unit;
    pair.advance(options);
  }

  const ClassRows& examples_;
  std::vector<Pair>& pairs_;
  ThreadTeam& team_;
  std::vector<Lanes> lanes_;
  std::vector<Scratch> scratch_;
};

}  // namespace

LogisticModels fit_one_vs_one(const CodesView& codes, const int32_t* labels, int64_t n_classes,
                              const LogisticOptions& options, double* weights) {
  ThreadTeam team(ceil_div(codes.n, kBlock));
  // A bit that is always 1 does what the unpenalized intercept does for nothing; one that is
  // always 0 does nothing. Their weights are 0 at the optimum.
  const std::vector<int64_t> kept = varying_bits(codes, team);
  const ClassRows examples(codes, kept, labels, n_classes, team);
  const int64_t n_pairs = n_class_pairs(n_classes);
  LogisticModels models(n_pairs);
  int64_t done = 0;
  for_each_wave(n_classes, Pair::bytes(examples), kWaveBytes, [&](const auto& wave) {
    std::vector<Pair> pairs;
    pairs.reserve(wave.size());
    CheckNowAndThen check(1024 + 32 * examples.n_terms);
    for (const ClassPair& pair : wave) {
      check();
      pairs.emplace_back(pair, examples, options.c);
    }
    OneVsOne(examples, pairs, team).solve(options, [&](int64_t left) {
      left += n_pairs - done - int64_t(pairs.size());
      report(options.progress, 1 - double(left) / double(n_pairs), message(left, " models left"));
    });
    done += int64_t(pairs.size());
    for (const Pair& pair : pairs) {
      check();
      for (size_t b = 0; b < kept.size(); ++b) {
        weights[pair.index * codes.n_bits + kept[b]] = pair.weights[b];
      }
      models.intercepts[pair.index] = pair.weights.back();
      models.n_iter[pair.index] = pair.n_iter;
      models.gradients[pair.index] = pair.largest;
    }
  });
  return models;
}

}  // namespace tfhash
