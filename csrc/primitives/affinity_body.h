// The function of AffinityPrimitives, written once for the instruction sets that have vectors.
//
// No header of its own: affinity_<isa>.cpp includes it inside its target region, within an unnamed
// namespace, after all real headers and the struct X, which says what a vector can do.

constexpr int kVectors = int(kPanelPoints / X::kLanes);

// exp(-d), d in [0, kFarthest].
inline X::Vector exp_of_minus(X::Vector d) {
  const X::Vector x = X::subtract(X::set(0), d);
  const X::Vector shifted = X::add(X::multiply(x, X::set(kPerLn2)), X::set(kToWhole));
  const X::Vector k = X::subtract(shifted, X::set(kToWhole));
  const X::Vector r = X::subtract(X::subtract(x, X::multiply(k, X::set(kLn2Upper))),
                                  X::multiply(k, X::set(kLn2Lower)));
  X::Vector sum = X::set(kInverseFactorials[kExpTerms - 1]);
  for (int i = kExpTerms - 2; i >= 0; --i) {
    sum = X::add(X::multiply(sum, r), X::set(kInverseFactorials[i]));
  }
  return X::times_power_of_two(sum, shifted);
}

bool tile(const double* rows, const double* columns, int64_t n_units, double* affinities) {
  X::Vector d[kTileRows][kVectors];
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v) d[r][v] = X::set(0);
  }
  const X::Vector farthest = X::set(kFarthest);
  for (int64_t from = 0; from < n_units; from += kUnitsAtOnce) {
    const int64_t to = n_units - from < kUnitsAtOnce ? n_units : from + kUnitsAtOnce;
    for (int64_t unit = from; unit < to; ++unit) {
      X::Vector column[kVectors];
      for (int v = 0; v < kVectors; ++v) column[v] = X::load(columns + unit * kPanelPoints + v * X::kLanes);
      for (int r = 0; r < kTileRows; ++r) {
        const X::Vector row = X::set(rows[unit * kPanelPoints + r]);
        for (int v = 0; v < kVectors; ++v) {
          const X::Vector apart = X::subtract(row, column[v]);
          d[r][v] = X::add(d[r][v], X::multiply(apart, apart));
        }
      }
    }
    X::Vector nearest = d[0][0];
    for (int r = 0; r < kTileRows; ++r) {
      for (int v = 0; v < kVectors; ++v) nearest = X::least(nearest, d[r][v]);
    }
    if (X::all_above(nearest, farthest)) return false;
  }
  for (int r = 0; r < kTileRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      const X::Vector near = exp_of_minus(X::least(d[r][v], farthest));
      X::store(affinities + r * kPanelPoints + v * X::kLanes, X::zero_where_above(near, d[r][v], farthest));
    }
  }
  return true;
}
