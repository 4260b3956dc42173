// The functions of DensePrimitives, written once for the instruction sets that have vectors.
//
// No header of its own: dense_<isa>.cpp includes it inside its target region, within an unnamed
// namespace, after all real headers and the struct X, which says what a vector can do.

// GCC keeps an array in registers only where loops over it are unrolled before it looks.
#if defined(__GNUC__) && !defined(__clang__)
#define TFHASH_UNROLL _Pragma("GCC unroll 8")
#else
#define TFHASH_UNROLL
#endif

// Columns [0, n), n in (kLanes * (kVectors - 1), kLanes * kVectors], or the largest where kIsFull.
template <class Weight, int kVectors, bool kIsFull>
inline void multiply_tile(const double* rows, int64_t stride, const int32_t* active,
                          int64_t n_active, const Weight* weights, int64_t n_weights, int64_t n,
                          double* out, int64_t out_stride) {
  X::Vector sums[kDenseRows][kVectors];
  TFHASH_UNROLL for (int r = 0; r < kDenseRows; ++r) {
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) sums[r][v] = X::zero();
  }
  const int64_t left = n - X::kLanes * (kVectors - 1);  // in the last vector
  for (int64_t a = 0; a < n_active; ++a) {
    const Weight* w = weights + active[a] * n_weights;
    X::Vector part[kVectors];
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      const Weight* from = w + X::kLanes * v;
      part[v] = kIsFull || v + 1 < kVectors ? X::load(from) : X::load_some(from, left);
    }
    TFHASH_UNROLL for (int r = 0; r < kDenseRows; ++r) {
      const X::Vector x = X::set(rows[r * stride + active[a]]);
      TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
        sums[r][v] = X::add(sums[r][v], X::multiply(x, part[v]));
      }
    }
  }
  TFHASH_UNROLL for (int r = 0; r < kDenseRows; ++r) {
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      double* to = out + r * out_stride + X::kLanes * v;
      if (kIsFull || v + 1 < kVectors) {
        X::store(to, sums[r][v]);
      } else {
        X::store_some(to, left, sums[r][v]);
      }
    }
  }
}

// The last columns, at most kVectors vectors of them; n may be 0.
template <class Weight, int kVectors>
inline void multiply_rest(const double* rows, int64_t stride, const int32_t* active,
                          int64_t n_active, const Weight* weights, int64_t n_weights, int64_t n,
                          double* out, int64_t out_stride) {
  if constexpr (kVectors > 0) {
    if (n > X::kLanes * (kVectors - 1)) {
      multiply_tile<Weight, kVectors, false>(rows, stride, active, n_active, weights, n_weights, n,
                                             out, out_stride);
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
    multiply_tile<Weight, X::kVectors, true>(rows, stride, active, n_active, weights + c, n_weights,
                                             tile, out + c, out_stride);
  }
  multiply_rest<Weight, X::kVectors>(rows, stride, active, n_active, weights + c, n_weights,
                                     n_columns - c, out + c, out_stride);
}

// kColumns columns at all points.
template <class Weight, int kColumns>
inline void multiply_lanes_tile(const double* inputs, const int32_t* active, int64_t n_active,
                                const Weight* weights, int64_t n_weights, const int32_t* columns,
                                double* out) {
  constexpr int kVectors = int(kDenseLanes / X::kLanes);
  X::Vector sums[kColumns][kVectors];
  TFHASH_UNROLL for (int c = 0; c < kColumns; ++c) {
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) sums[c][v] = X::zero();
  }
  for (int64_t a = 0; a < n_active; ++a, inputs += kDenseLanes) {
    const Weight* w = weights + active[a] * n_weights;
    X::Vector x[kVectors];
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) x[v] = X::load(inputs + X::kLanes * v);
    TFHASH_UNROLL for (int c = 0; c < kColumns; ++c) {
      const X::Vector part = X::spread(w + columns[c]);
      TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
        sums[c][v] = X::add(sums[c][v], X::multiply(x[v], part));
      }
    }
  }
  TFHASH_UNROLL for (int c = 0; c < kColumns; ++c) {
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      X::store(out + kDenseLanes * c + X::kLanes * v, sums[c][v]);
    }
  }
}

template <class Weight>
void multiply_lanes(const double* inputs, const int32_t* active, int64_t n_active,
                    const Weight* weights, int64_t n_weights, const int32_t* columns,
                    int64_t n_columns, double* out) {
  int64_t c = 0;
  for (; c + X::kColumns <= n_columns; c += X::kColumns) {
    multiply_lanes_tile<Weight, X::kColumns>(inputs, active, n_active, weights, n_weights,
                                             columns + c, out + kDenseLanes * c);
  }
  for (; c < n_columns; ++c) {
    multiply_lanes_tile<Weight, 1>(inputs, active, n_active, weights, n_weights, columns + c,
                                   out + kDenseLanes * c);
  }
}

#undef TFHASH_UNROLL
