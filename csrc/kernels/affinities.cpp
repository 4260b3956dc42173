#include "kernels/affinities.h"

#include <algorithm>

#include "aligned.h"
#include "interrupt.h"
#include "parallel.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kBlock = 256;   // points whose sums belong to one thread at a time
constexpr double kAway = 1e200;   // where the points are that fill up the last panel
constexpr int kMostKinds = 4;     // of sums

// Blocks of points meet each other as teams do in a tournament: in each round every block meets one
// other. So the sums of a block are added to by one thread at a time and in one order, whatever the
// number of threads, and each pair of points is looked at once.
class Tournament {
 public:
  Tournament(Aligned<double> panels, int64_t n, int64_t n_units, const std::vector<int64_t>& labels)
      : panels_(std::move(panels)),
        n_units_(n_units),
        n_panels_((n + kPanelPoints - 1) / kPanelPoints),
        kinds_(labels.empty() ? 2 : kMostKinds),
        labels_(labels.empty() ? 0 : n_panels_ * kPanelPoints),
        sums_(kinds_ * n_panels_ * kPanelPoints) {
    std::copy(labels.begin(), labels.end(), labels_.data());
  }

  void run(const Progress& progress) {
    const int64_t n_blocks = (n_panels_ * kPanelPoints + kBlock - 1) / kBlock;
    ThreadTeam team(1 + n_blocks / 2);
    team.run(n_blocks, [&](int64_t block, int) { meet<true>(block, block); });
    const int64_t players = n_blocks + n_blocks % 2, rounds = players - 1;
    for (int64_t round = 0; round < rounds && n_blocks > 1; ++round) {
      team.run(players / 2, [&](int64_t k, int) {
        const int64_t a = k == 0 ? players - 1 : (round + k) % rounds;
        const int64_t b = (round - k + rounds) % rounds;
        if (std::max(a, b) < n_blocks) meet<false>(std::min(a, b), std::max(a, b));
      });
      report(progress, double(round + 1) / double(rounds));
    }
  }

  int kinds() const { return kinds_; }
  const double* sums(int kind) const { return sums_.data() + kind * n_panels_ * kPanelPoints; }

 private:
  // The pairs of a point of block a and one of block b; of one block with itself, both ways round.
  template <bool kSame>
  void meet(int64_t a, int64_t b) {
    const AffinityPrimitives& affinity = primitives().affinity;
    const int64_t stop = std::min(n_panels_ * kPanelPoints, (a + 1) * kBlock);
    const int64_t first = b * kBlock / kPanelPoints;
    const int64_t last = std::min(n_panels_, (b + 1) * kBlock / kPanelPoints);
    alignas(64) double near[kTileRows * kPanelPoints];
    for (int64_t row = a * kBlock; row < stop; row += kTileRows) {
      check_interrupt();
      const double* rows = panels_.data() + row / kPanelPoints * kPanelPoints * n_units_ + row % kPanelPoints;
      alignas(64) double of_rows[kMostKinds][kTileRows * kPanelPoints] = {};
      for (int64_t panel = first; panel < last; ++panel) {
        const double* columns = panels_.data() + panel * kPanelPoints * n_units_;
        if (!affinity.tile(rows, columns, n_units_, near)) continue;
        if (kinds_ == 2) {
          add<kSame, false>(near, row, panel * kPanelPoints, of_rows);
        } else {
          add<kSame, true>(near, row, panel * kPanelPoints, of_rows);
        }
      }
      for (int kind = 0; kind < kinds_; ++kind) {
        for (int64_t r = 0; r < kTileRows; ++r) {
          double sum = 0;
          for (int64_t c = 0; c < kPanelPoints; ++c) sum += of_rows[kind][r * kPanelPoints + c];
          to(kind)[row + r] += sum;
        }
      }
    }
  }

  template <bool kSame, bool kLabels>
  void add(const double* near, int64_t row, int64_t column,
           double (*of_rows)[kTileRows * kPanelPoints]) {
    alignas(64) double of_columns[kMostKinds][kPanelPoints] = {};
    for (int64_t r = 0; r < kTileRows; ++r) {
      for (int64_t c = 0; c < kPanelPoints; ++c) {
        const int64_t i = r * kPanelPoints + c;
        const double e = near[i], square = e * e, fourth = square * square;
        of_rows[0][i] += e;
        of_rows[1][i] += fourth;
        if (!kSame) {
          of_columns[0][c] += e;
          of_columns[1][c] += fourth;
        }
        if (kLabels) {
          const bool together = labels_[row + r] == labels_[column + c];
          const double e_together = together ? e : 0.0, fourth_together = together ? fourth : 0.0;
          of_rows[2][i] += e_together;
          of_rows[3][i] += fourth_together;
          if (!kSame) {
            of_columns[2][c] += e_together;
            of_columns[3][c] += fourth_together;
          }
        }
      }
    }
    if (kSame) return;
    for (int kind = 0; kind < (kLabels ? kMostKinds : 2); ++kind) {
      for (int64_t c = 0; c < kPanelPoints; ++c) to(kind)[column + c] += of_columns[kind][c];
    }
  }

  double* to(int kind) { return sums_.data() + kind * n_panels_ * kPanelPoints; }

  const Aligned<double> panels_;
  const int64_t n_units_, n_panels_;
  const int kinds_;
  Aligned<int64_t> labels_;
  Aligned<double> sums_;
};

template <class Float>
Aligned<double> panels_of(const Points<Float>& points) {
  const int64_t n_units = int64_t(points.units.size());
  const int64_t n_panels = (points.n + kPanelPoints - 1) / kPanelPoints;
  Aligned<double> panels(n_panels * kPanelPoints * n_units);
  parallel_for(n_panels, [&](int64_t panel, int) {
    check_interrupt();
    double* to = panels.data() + panel * kPanelPoints * n_units;
    for (int64_t p = 0; p < kPanelPoints; ++p) {
      const int64_t point = panel * kPanelPoints + p;
      const Float* values = points.values + point * points.n_units;
      for (int64_t u = 0; u < n_units; ++u) {
        to[u * kPanelPoints + p] = point < points.n ? double(values[points.units[u]]) * points.scale : kAway;
      }
    }
  });
  return panels;
}

template <class Float>
void sum_up(const Points<Float>& points, const std::vector<int64_t>& labels,
            const Progress& progress, double* sums) {
  Tournament tournament(panels_of(points), points.n, int64_t(points.units.size()), labels);
  tournament.run(progress);
  for (int kind = 0; kind < tournament.kinds(); ++kind) {
    std::copy_n(tournament.sums(kind), points.n, sums + kind * points.n);
  }
}

}  // namespace

void affinity_sums(const Points<float>& points, const std::vector<int64_t>& labels,
                   const Progress& progress, double* sums) {
  sum_up(points, labels, progress, sums);
}

void affinity_sums(const Points<double>& points, const std::vector<int64_t>& labels,
                   const Progress& progress, double* sums) {
  sum_up(points, labels, progress, sums);
}

}  // namespace tfhash
