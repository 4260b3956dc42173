// Faces of convex cells: which bound which, and some of them with numbers of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cells.h"

namespace tfhash {

using Numbers = std::vector<int64_t>;
using Signs = std::vector<uint8_t>;

// Lists that can be replaced and added to.
class Lists {
 public:
  explicit Lists(const FaceBounds& bounds) : parts_(bounds.parts) {
    for (size_t i = 0; i + 1 < bounds.offsets.size(); ++i) {
      starts_.push_back(bounds.offsets[i]);
      sizes_.push_back(bounds.offsets[i + 1] - bounds.offsets[i]);
    }
  }

  int64_t size() const { return int64_t(starts_.size()); }
  const int64_t* begin(int64_t i) const { return parts_.data() + starts_[i]; }
  const int64_t* end(int64_t i) const { return begin(i) + sizes_[i]; }

  // Makes list i, or the one after the last, that of `parts`.
  void put(int64_t i, const Numbers& parts) {
    if (i == size()) {
      starts_.push_back(0);
      sizes_.push_back(0);
    }
    starts_[i] = int64_t(parts_.size());
    sizes_[i] = int64_t(parts.size());
    parts_.insert(parts_.end(), parts.begin(), parts.end());
  }

  FaceBounds compact() const {
    FaceBounds found;
    found.offsets.push_back(0);
    for (int64_t i = 0; i < size(); ++i) {
      found.parts.insert(found.parts.end(), begin(i), end(i));
      found.offsets.push_back(int64_t(found.parts.size()));
    }
    return found;
  }

 private:
  Numbers starts_, sizes_, parts_;
};

// Some cells with their faces. Faces of each dimension have numbers of their own here.
struct Part {
  std::vector<Numbers> numbers;    // of each dimension: the faces' numbers among all
  std::vector<FaceBounds> bounds;  // bounds[k]: of the (k + 1)-faces, by numbers here
  std::vector<Signs> signs;        // of each dimension

  int64_t size(int k) const { return int64_t(numbers[k].size()); }
  const int64_t* begin(int k, int64_t i) const {
    return bounds[k - 1].parts.data() + bounds[k - 1].offsets[i];
  }
  const int64_t* end(int k, int64_t i) const {
    return bounds[k - 1].parts.data() + bounds[k - 1].offsets[i + 1];
  }
};

}  // namespace tfhash
