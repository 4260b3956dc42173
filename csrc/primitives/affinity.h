// How near points lie to each other: exp(-squared distance), a tile of pairs at a time.
#pragma once

#include <cstdint>

namespace tfhash {

// Points come in panels of kPanelPoints points, unit after unit: panel[unit * kPanelPoints + point].
constexpr int64_t kPanelPoints = 8;
constexpr int64_t kTileRows = 4;
// Squared distances beyond this count as infinite: exp(-48) < 2^-69, and what is added up contains
// a point's affinity to itself, 1, so that even 2^16 of them are lost in the rounding.
constexpr double kFarthest = 48;
constexpr int64_t kUnitsAtOnce = 16;  // between two looks at whether all pairs are too far apart

struct AffinityPrimitives {
  // affinities[r * kPanelPoints + c] = exp(-sum over units of (rows[unit * kPanelPoints + r] -
  // columns[unit * kPanelPoints + c])^2), r < kTileRows, c < kPanelPoints; 0 beyond kFarthest. The squares are
  // added in the order of the units. Returns false where all are 0; they are not written then. No
  // number may be NaN or infinite; squares may overflow.
  bool (*tile)(const double* rows, const double* columns, int64_t n_units, double* affinities);
};

// exp(x) for x in [-kFarthest, 0]: k = x / ln 2 to the nearest whole number, a polynomial of the
// remainder r = x - k ln 2, times 2^k. The remainder of the series is below 2^-57.
constexpr double kPerLn2 = 1.4426950408889634;
constexpr double kToWhole = 6755399441055744.0;  // 1.5 * 2^52: what is added to it is rounded
constexpr double kLn2Upper = 0.693147180369123816490, kLn2Lower = 1.90821492927058770002e-10;
constexpr int kExpTerms = 14;
constexpr double kInverseFactorials[kExpTerms] = {
    1.0,         1.0,          1.0 / 2,       1.0 / 6,        1.0 / 24,
    1.0 / 120,   1.0 / 720,    1.0 / 5040,    1.0 / 40320,    1.0 / 362880,
    1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800.0};

void fill_affinity_scalar(AffinityPrimitives& table);
void fill_affinity_avx2(AffinityPrimitives& table);
void fill_affinity_avx512(AffinityPrimitives& table);

}  // namespace tfhash
