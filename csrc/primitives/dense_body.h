// The functions of DensePrimitives, written once for the instruction sets that have vectors.
//
// No header of its own: dense_<isa>.cpp includes it inside its target region, within an unnamed
// namespace, after all real headers and the struct X, which says what a vector can do.

// Columns [0, n), n in (kLanes * (kVectors - 1), kLanes * kVectors].
template <class Weight, int kVectors>
inline void multiply_tile(const double* rows, int64_t stride, const int32_t* active,
                          int64_t n_active, const Weight* weights, int64_t n_weights, int64_t n,
                          double* out, int64_t out_stride) {
  X::Vector sums[kDenseRows][kVectors];
  for (int r = 0; r < kDenseRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = X::zero();
  }
  const int64_t left = n - X::kLanes * (kVectors - 1);  // in the last vector
  for (int64_t a = 0; a < n_active; ++a) {
    const Weight* w = weights + active[a] * n_weights;
    X::Vector part[kVectors];
    for (int v = 0; v < kVectors - 1; ++v) part[v] = X::load(w + X::kLanes * v);
    part[kVectors - 1] = X::load_some(w + X::kLanes * (kVectors - 1), left);
    for (int r = 0; r < kDenseRows; ++r) {
      const X::Vector x = X::set(rows[r * stride + active[a]]);
      for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = X::add(sums[r][v], X::multiply(x, part[v]));
      }
    }
  }
  for (int r = 0; r < kDenseRows; ++r) {
    double* to = out + r * out_stride;
    for (int v = 0; v < kVectors - 1; ++v) X::store(to + X::kLanes * v, sums[r][v]);
    X::store_some(to + X::kLanes * (kVectors - 1), left, sums[r][kVectors - 1]);
  }
}

// The last columns, at most kVectors vectors of them; n may be 0.
template <class Weight, int kVectors>
inline void multiply_rest(const double* rows, int64_t stride, const int32_t* active,
                          int64_t n_active, const Weight* weights, int64_t n_weights, int64_t n,
                          double* out, int64_t out_stride) {
  if constexpr (kVectors > 0) {
    if (n > X::kLanes * (kVectors - 1)) {
      multiply_tile<Weight, kVectors>(rows, stride, active, n_active, weights, n_weights, n, out,
                                      out_stride);
    } else {
      multiply_rest<Weight, kVectors - 1>(rows, stride, active, n_active, weights, n_weights, n,
                                          out, out_stride);
    }
  }
}

template <class Weight>
void multiply(const double* rows, int64_t stride, const int32_t* active, int64_t n_active,
              const Weight* weights, int64_t n_weights, int64_t n_columns, double* out,
              int64_t out_stride) {
  constexpr int64_t tile = X::kLanes * X::kVectors;
  int64_t c = 0;
  for (; c + tile <= n_columns; c += tile) {
    multiply_tile<Weight, X::kVectors>(rows, stride, active, n_active, weights + c, n_weights, tile,
                                       out + c, out_stride);
  }
  multiply_rest<Weight, X::kVectors>(rows, stride, active, n_active, weights + c, n_weights,
                                     n_columns - c, out + c, out_stride);
}
