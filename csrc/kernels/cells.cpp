// Cutting is combinatorial: the signs of a function at the points decide, and new points are made
// on edges alone. Each function looks at the cells in which it changes sign, and at their faces,
// numbered anew: which functions those are is known of each cell, as two bits for each function.
#include "kernels/cells.h"

#include <algorithm>
#include <utility>

#include "interrupt.h"
#include "kernels/cell_faces.h"

namespace tfhash {
namespace {

using Words = std::vector<uint64_t>;

constexpr uint8_t kAbove = 1, kBelow = 2, kCut = 3;  // of a face: points on which sides it has
constexpr int kMostDoublings = 30;
constexpr int64_t kFace = 50;  // nanoseconds, about, for each face that is looked at

// Faces of a cut face that are cut, and faces of theirs at which others touch the cut.
struct InCut {
  Numbers crossed, touching;
};

class Cutter {
 public:
  Cutter(const double* values, int64_t n_points, int64_t n_columns, const Numbers& columns,
         const double* tolerances, const std::vector<FaceBounds>& bounds)
      : d_(int(bounds.size())),
        n_columns_(n_columns),
        n_words_(int64_t(columns.size() + 63) / 64),
        columns_(columns),
        tolerances_(tolerances),
        values_(values, values + n_points * n_columns),
        places_(bounds.size()) {
    for (const FaceBounds& each : bounds) lists_.emplace_back(each);
    counts_.push_back(n_points);
    for (const Lists& each : lists_) counts_.push_back(each.size());
    for (int64_t i = 0; i < n_points; ++i) note_sides(i, &points_);
    unite();
    for (int64_t i = 0; i < counts_[d_]; ++i) origin_.push_back(i);
  }

  CutCells run(int64_t most_cells) {
    CutCells found;
    for (size_t i = 0; i < columns_.size() && found.is_consistent; ++i) {
      found.n_done = int64_t(i) + 1;
      found.is_consistent = cut(int64_t(i));
      if (counts_[d_] > most_cells) break;
      check_interrupt();
    }
    for (int64_t cell = 0; cell < counts_[d_]; ++cell) {
      const uint64_t* above = cells_.data() + cell * 2 * n_words_;
      for (int64_t i = 0; i < found.n_done; ++i) found.above.push_back(above[i / 64] >> i % 64 & 1);
    }
    for (const Lists& each : lists_) found.bounds.push_back(each.compact());
    found.values = std::move(values_);
    found.origin = std::move(origin_);
    found.n_points = counts_[0];
    return found;
  }

 private:
  // Adds on which sides of the functions a point is: words of where each is above 0, and below.
  void note_sides(int64_t point, Words* sides) const {
    const size_t first = sides->size();
    sides->resize(first + 2 * n_words_, 0);
    const double* z = values_.data() + point * n_columns_;
    for (size_t i = 0; i < columns_.size(); ++i) {
      const uint64_t bit = uint64_t(1) << i % 64;
      if (z[columns_[i]] > tolerances_[i]) (*sides)[first + i / 64] |= bit;
      if (z[columns_[i]] < -tolerances_[i]) (*sides)[first + n_words_ + i / 64] |= bit;
    }
  }

  // On which sides each cell has corners.
  void unite() {
    const int64_t width = 2 * n_words_;
    Words below = points_;
    for (const Lists& lists : lists_) {
      Words found(lists.size() * width, 0);
      for (int64_t i = 0; i < lists.size(); ++i) {
        for (const int64_t* part = lists.begin(i); part != lists.end(i); ++part) {
          for (int64_t w = 0; w < width; ++w) found[i * width + w] |= below[*part * width + w];
        }
      }
      below = std::move(found);
    }
    cells_ = std::move(below);
  }

  // Cuts along a function; false where no tolerance tells consistently what is cut.
  bool cut(int64_t i) {
    const int64_t word = i / 64, width = 2 * n_words_;
    const uint64_t bit = uint64_t(1) << i % 64;
    Part part;
    part.numbers.resize(d_ + 1);
    for (int64_t cell = 0; cell < counts_[d_]; ++cell) {
      const uint64_t* sides = cells_.data() + cell * width;
      if (sides[word] & sides[n_words_ + word] & bit) part.numbers[d_].push_back(cell);
    }
    if (part.numbers[d_].empty()) return true;
    take(&part);
    if (!consistent_signs(columns_[i], tolerances_[i], &part)) return false;
    const Numbers cells = part.numbers[d_];
    const Signs signs = part.signs[d_];
    for (size_t c = 0; c < cells.size(); ++c) {  // rounding may leave a cell on one side
      uint64_t* sides = cells_.data() + cells[c] * width;
      if (!(signs[c] & kAbove)) sides[word] &= ~bit;
      if (!(signs[c] & kBelow)) sides[n_words_ + word] &= ~bit;
    }
    if (std::find(signs.begin(), signs.end(), kCut) == signs.end()) return true;
    const int64_t n_points = counts_[0];
    make_points(columns_[i], part);
    const Words halves = sides_of_halves(part, n_points);
    divide(&part);
    for (size_t c = 0; c < cells.size(); ++c) {
      if (signs[c] != kCut) continue;
      cells_.resize(cells_.size() + width);
      uint64_t* const above = cells_.data() + cells[c] * width;
      uint64_t* const below = cells_.data() + cells_.size() - width;
      const uint64_t* half = halves.data() + int64_t(c) * 2 * width;
      for (int64_t w = 0; w < width; ++w) {  // of functions after this one
        const uint64_t later = later_bits(i, w % n_words_), before = above[w] & ~later;
        above[w] = before | (half[w] & later);
        below[w] = before | (half[width + w] & later);
      }
      above[n_words_ + word] &= ~bit;
      below[word] &= ~bit;
      origin_.push_back(origin_[cells[c]]);
    }
    return true;
  }

  static uint64_t later_bits(int64_t i, int64_t word) {
    if (word != i / 64) return word > i / 64 ? ~uint64_t(0) : 0;
    return i % 64 == 63 ? 0 : ~uint64_t(0) << (i % 64 + 1);
  }

  // Fills in the faces of the part's cells.
  void take(Part* part) {
    part->bounds.resize(d_);
    part->signs.resize(d_ + 1);
    CheckNowAndThen check(kFace);
    for (int k = d_ - 1; k >= 0; --k) {
      FaceBounds& bounds = part->bounds[k];
      bounds.offsets.push_back(0);
      for (const int64_t face : part->numbers[k + 1]) {
        bounds.parts.insert(bounds.parts.end(), lists_[k].begin(face), lists_[k].end(face));
        bounds.offsets.push_back(int64_t(bounds.parts.size()));
        check();
      }
      Numbers& place = places_[k];
      if (int64_t(place.size()) < counts_[k]) place.resize(2 * counts_[k]);
      const int64_t n = int64_t(bounds.parts.size());
      for (int64_t j = 0; j < n; ++j) place[bounds.parts[j]] = j;
      // A face that bounds several is known by the last of them; its number here follows.
      for (int64_t j = 0; j < n; ++j) {
        if (place[bounds.parts[j]] == j) part->numbers[k].push_back(bounds.parts[j]);
      }
      for (int64_t j = 0; j < part->size(k); ++j) place[part->numbers[k][j]] = j;
      for (int64_t& each : bounds.parts) each = place[each];
    }
  }

  // Signs with which each polygon is cut in two: rounding may leave a point on a wrong side.
  bool consistent_signs(int64_t column, double tolerance, Part* part) const {
    for (int i = 0; i < kMostDoublings; ++i) {
      note_signs(column, tolerance, part);
      if (is_consistent(*part)) return true;
      tolerance *= 2;
      check_interrupt();
    }
    return false;
  }

  void note_signs(int64_t column, double tolerance, Part* part) const {
    CheckNowAndThen check;
    Signs& points = part->signs[0];
    points.clear();
    for (const int64_t point : part->numbers[0]) {
      const double z = values_[point * n_columns_ + column];
      points.push_back(uint8_t((z > tolerance ? kAbove : 0) | (z < -tolerance ? kBelow : 0)));
    }
    for (int k = 1; k <= d_; ++k) {
      Signs& signs = part->signs[k];
      signs.assign(part->size(k), 0);
      for (int64_t i = 0; i < part->size(k); ++i) {
        for (const int64_t* p = part->begin(k, i); p != part->end(k, i); ++p) {
          signs[i] |= part->signs[k - 1][*p];
        }
        check();
      }
    }
  }

  bool is_consistent(const Part& part) const {
    for (int k = 2; k <= d_; ++k) {  // no face of a cut one lies in the cut
      for (int64_t i = 0; i < part.size(k); ++i) {
        if (part.signs[k][i] != kCut) continue;
        for (const int64_t* p = part.begin(k, i); p != part.end(k, i); ++p) {
          if (part.signs[k - 1][*p] == 0) return false;
        }
        if (k > 2) continue;
        const InCut points = in_cut(part, 2, i);
        if (points.crossed.size() + points.touching.size() != 2) return false;
      }
    }
    return true;
  }

  // What of the boundary of a cut k-face, k > 1, lies in the cut.
  InCut in_cut(const Part& part, int k, int64_t i) const {
    InCut found;
    for (const int64_t* p = part.begin(k, i); p != part.end(k, i); ++p) {
      if (part.signs[k - 1][*p] == kCut) {
        found.crossed.push_back(*p);
        continue;
      }
      for (const int64_t* q = part.begin(k - 1, *p); q != part.end(k - 1, *p); ++q) {
        if (part.signs[k - 2][*q] == 0) found.touching.push_back(*q);
      }
    }
    std::sort(found.touching.begin(), found.touching.end());
    found.touching.erase(std::unique(found.touching.begin(), found.touching.end()),
                         found.touching.end());
    return found;
  }

  // Adds the points of cut edges at which a column is 0.
  void make_points(int64_t column, const Part& part) {
    CheckNowAndThen check(n_columns_);
    for (int64_t edge = 0; edge < part.size(1); ++edge) {
      if (part.signs[1][edge] != kCut) continue;
      int64_t start = part.begin(1, edge)[0], stop = part.begin(1, edge)[1];
      if (part.signs[0][start] == kBelow) std::swap(start, stop);
      values_.resize(values_.size() + n_columns_);
      double* const made = values_.data() + values_.size() - n_columns_;
      const double* const one = values_.data() + part.numbers[0][start] * n_columns_;
      const double* const other = values_.data() + part.numbers[0][stop] * n_columns_;
      const double share = one[column] / (one[column] - other[column]);
      for (int64_t c = 0; c < n_columns_; ++c) {
        // Between the ends whatever is rounded, so that points stay in their window.
        const double low = std::min(one[c], other[c]), high = std::max(one[c], other[c]);
        const double z = (other[c] - one[c]) * share + one[c];
        made[c] = z < low ? low : high < z ? high : z;
      }
      made[column] = 0.0;
      note_sides(int64_t(values_.size()) / n_columns_ - 1, &points_);
      check();
    }
  }

  // For each cell of the part, the sides on which its halves above 0 and below 0 have corners:
  // 2 x 2 x n_words. New points follow the first `n_points`.
  Words sides_of_halves(const Part& part, int64_t n_points) const {
    const int64_t width = 2 * n_words_;
    Words found;
    CheckNowAndThen check(kFace);
    for (int64_t i = 0; i < part.size(0); ++i) {
      const uint64_t* sides = points_.data() + part.numbers[0][i] * width;
      for (const uint8_t other : {kBelow, kAbove}) {
        const bool is_there = part.signs[0][i] != other;
        for (int64_t w = 0; w < width; ++w) found.push_back(is_there ? sides[w] : 0);
      }
    }
    for (int k = 1; k <= d_; ++k) {
      Words above(part.size(k) * 2 * width, 0);
      for (int64_t i = 0; i < part.size(k); ++i) {
        uint64_t* const to = above.data() + i * 2 * width;
        check();
        for (const int64_t* p = part.begin(k, i); p != part.end(k, i); ++p) {
          for (int64_t w = 0; w < 2 * width; ++w) to[w] |= found[*p * 2 * width + w];
        }
        if (k > 1 || part.signs[1][i] != kCut) continue;
        const uint64_t* sides = points_.data() + n_points++ * width;
        for (int64_t w = 0; w < 2 * width; ++w) to[w] |= sides[w % width];
      }
      found = std::move(above);
    }
    return found;
  }

  // Divides the part's faces that are cut.
  void divide(Part* part) {
    // After a dimension's old faces come the parts below 0, and then the faces in the cut.
    std::vector<Numbers> below(d_ + 1), within(d_ + 1);
    Numbers n_cut(d_ + 2, 0);
    for (int k = 0; k <= d_; ++k) {
      for (const uint8_t sign : part->signs[k]) {
        below[k].push_back(counts_[k] + n_cut[k]);
        n_cut[k] += sign == kCut;
      }
    }
    for (int k = 0; k < d_; ++k) {
      int64_t next = counts_[k] + n_cut[k];
      for (const uint8_t sign : part->signs[k + 1]) {
        within[k].push_back(next);
        next += sign == kCut;
      }
    }
    Numbers upper, lower, doubled;
    CheckNowAndThen check(kFace);
    for (int k = 1; k <= d_; ++k) {
      Lists& lists = lists_[k - 1];
      std::vector<Numbers> lowers;
      for (int64_t i = 0; i < part->size(k); ++i) {
        if (part->signs[k][i] != kCut) continue;
        upper.clear(), lower.clear(), doubled.clear();
        for (const int64_t* p = part->begin(k, i); p != part->end(k, i); ++p) {
          const uint8_t sign = part->signs[k - 1][*p];
          const int64_t number = part->numbers[k - 1][*p];
          (sign == kBelow ? lower : upper).push_back(number);
          if (sign == kCut) doubled.push_back(below[k - 1][*p]);
        }
        lower.insert(lower.end(), doubled.begin(), doubled.end());
        upper.push_back(within[k - 1][i]);
        lower.push_back(within[k - 1][i]);
        lists.put(part->numbers[k][i], upper);
        lowers.push_back(lower);
        check();
      }
      for (const Numbers& each : lowers) lists.put(lists.size(), each);
      if (k == d_) continue;
      for (int64_t i = 0; i < part->size(k + 1); ++i) {
        if (part->signs[k + 1][i] != kCut) continue;
        lists.put(lists.size(), bounds_within(*part, k, i, within[k - 1]));
        check();
      }
    }
    for (int k = 0; k <= d_; ++k) counts_[k] += n_cut[k] + n_cut[k + 1];
  }

  // What bounds the k-face in which a (k + 1)-face is cut; `within` numbers what divides k-faces.
  Numbers bounds_within(const Part& part, int k, int64_t i, const Numbers& within) const {
    const InCut places = in_cut(part, k + 1, i);
    Numbers found;
    for (const int64_t face : places.crossed) found.push_back(within[face]);
    for (const int64_t face : places.touching) found.push_back(part.numbers[k - 1][face]);
    return found;
  }

  const int d_;
  const int64_t n_columns_, n_words_;
  const Numbers& columns_;
  const double* const tolerances_;
  std::vector<double> values_;
  std::vector<Lists> lists_;  // lists_[k]: of the (k + 1)-faces
  Numbers counts_;            // faces of each dimension
  Words points_, cells_;      // 2 x n_words each: on which sides of the functions there are points
  Numbers origin_;
  std::vector<Numbers> places_;
};

}  // namespace

CutCells cut_cells(const double* values, int64_t n_points, int64_t n_columns,
                   const std::vector<int64_t>& columns, const double* tolerances,
                   const std::vector<FaceBounds>& bounds, int64_t most_cells) {
  return Cutter(values, n_points, n_columns, columns, tolerances, bounds).run(most_cells);
}

}  // namespace tfhash
