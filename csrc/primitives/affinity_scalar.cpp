#include <algorithm>
#include <cstring>

#include "primitives/affinity.h"

namespace tfhash {
namespace {

double exp_of_minus(double d) {
  const double x = 0 - d;
  const double shifted = x * kPerLn2 + kToWhole;
  const double k = shifted - kToWhole;
  const double r = x - k * kLn2Upper - k * kLn2Lower;
  double sum = kInverseFactorials[kExpTerms - 1];
  for (int i = kExpTerms - 2; i >= 0; --i) sum = sum * r + kInverseFactorials[i];
  uint64_t bits, power;  // times 2^k, k being the low bits of `shifted`
  std::memcpy(&bits, &sum, sizeof bits);
  std::memcpy(&power, &shifted, sizeof power);
  bits += power << 52;
  std::memcpy(&sum, &bits, sizeof sum);
  return sum;
}

bool tile(const double* rows, const double* columns, int64_t n_units, double* affinities) {
  double d[kTileRows * kPanelPoints] = {};
  for (int64_t from = 0; from < n_units; from += kUnitsAtOnce) {
    const int64_t to = std::min(n_units, from + kUnitsAtOnce);
    for (int64_t unit = from; unit < to; ++unit) {
      const double* column = columns + unit * kPanelPoints;
      for (int64_t r = 0; r < kTileRows; ++r) {
        const double row = rows[unit * kPanelPoints + r];
        for (int64_t c = 0; c < kPanelPoints; ++c) {
          const double apart = row - column[c];
          d[r * kPanelPoints + c] += apart * apart;
        }
      }
    }
    if (*std::min_element(d, d + kTileRows * kPanelPoints) > kFarthest) return false;
  }
  for (int64_t i = 0; i < kTileRows * kPanelPoints; ++i) {
    affinities[i] = d[i] > kFarthest ? 0.0 : exp_of_minus(d[i]);
  }
  return true;
}

}  // namespace

void fill_affinity_scalar(AffinityPrimitives& table) { table = {tile}; }

}  // namespace tfhash
