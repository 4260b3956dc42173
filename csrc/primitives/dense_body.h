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

// kColumns columns at kVectors vectors of points, with which `inputs` and `out` begin.
template <class Weight, int kColumns, int kVectors>
inline void multiply_lanes_tile(const double* inputs, const int32_t* active, int64_t n_active,
                                const Weight* weights, int64_t input_stride, int64_t unit_stride,
                                const int32_t* columns, double* out) {
  X::Vector sums[kColumns][kVectors];
  const Weight* of[kColumns];
  TFHASH_UNROLL for (int c = 0; c < kColumns; ++c) {
    of[c] = weights + columns[c] * unit_stride;
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) sums[c][v] = X::zero();
  }
  for (int64_t a = 0; a < n_active; ++a, inputs += kDenseLanes) {
    const int64_t at = active[a] * input_stride;
    X::Vector x[kVectors];
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) x[v] = X::load(inputs + X::kLanes * v);
    TFHASH_UNROLL for (int c = 0; c < kColumns; ++c) {
      const X::Vector part = X::spread(of[c] + at);
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

// n <= kColumns columns, kVectors vectors of points at a time.
template <class Weight, int kColumns, int kVectors>
inline void multiply_lanes_some(const double* inputs, const int32_t* active, int64_t n_active,
                                const Weight* weights, int64_t input_stride, int64_t unit_stride,
                                const int32_t* columns, int64_t n, int64_t n_points, double* out) {
  if constexpr (kColumns > 0) {
    if (n < kColumns) {
      multiply_lanes_some<Weight, kColumns - 1, kVectors>(inputs, active, n_active, weights,
                                                          input_stride, unit_stride, columns, n,
                                                          n_points, out);
      return;
    }
    for (int64_t p = 0; p < n_points; p += X::kLanes * kVectors) {
      multiply_lanes_tile<Weight, kColumns, kVectors>(inputs + p, active, n_active, weights,
                                                      input_stride, unit_stride, columns, out + p);
    }
  }
}

template <class Weight>
void multiply_lanes(const double* inputs, const int32_t* active, int64_t n_active,
                    const Weight* weights, int64_t input_stride, int64_t unit_stride,
                    const int32_t* columns, int64_t n_columns, int64_t n_points, double* out) {
  // A weight that has to be converted is read once for all points. The others are read twice, so
  // that more columns share an input: 12 sums, of the 16 registers that there are with AVX2.
  constexpr bool kIsConverted = !std::is_same<Weight, double>::value;
  constexpr int kVectors = kIsConverted ? int(kDenseLanes / X::kLanes) : 2;
  constexpr int kColumns = kIsConverted ? X::kColumns : 6;
  for (int64_t c = 0; c < n_columns; c += kColumns) {
    multiply_lanes_some<Weight, kColumns, kVectors>(
        inputs, active, n_active, weights, input_stride, unit_stride, columns + c,
        n_columns - c < kColumns ? n_columns - c : kColumns, n_points, out + kDenseLanes * c);
  }
}

// kLanes lanes of all rows; `from`, `weight` and `out` begin at the first of them. Where the lanes
// pass from one row to the other, they come from both.
template <bool kIsLeaky, bool kIsSplit>
void blend_vector(const double* const* one, const double* const* other, int64_t n_rows,
                  const int64_t* from, const double* weight, double slope, double* out) {
  constexpr int64_t seam = kDenseLanes - 1;
  const bool is_other = from[0] >= seam;
  const double* const* rows = is_other ? other : one;
  const int64_t start = is_other ? from[0] - seam : from[0];
  const X::Places places = X::places(from, from[0]), other_places = X::places(from, seam);
  const X::Mask in_other = X::from_on(from, seam);
  const X::Vector zero = X::zero(), factor = X::set(slope), share = X::load(weight);
  const X::Mask at_number = X::equal(share, zero);
  for (int64_t i = 0; i < n_rows; ++i, out += kDenseLanes) {
    X::Vector a = X::pick(rows[i] + start, places), b = X::pick(rows[i] + start + 1, places);
    if (kIsSplit) {
      a = X::choose(in_other, X::pick(other[i], other_places), a);
      b = X::choose(in_other, X::pick(other[i] + 1, other_places), b);
    }
    const X::Vector between = X::add(a, X::multiply(share, X::subtract(b, a)));
    const X::Vector value = X::choose(at_number, a, between);
    X::Vector given = X::above_zero(value);
    if (kIsLeaky) given = X::choose(X::equal(given, zero), X::multiply(factor, value), given);
    X::store(out, given);
  }
}

template <bool kIsLeaky>
void blend_all(const double* const* one, const double* const* other, int64_t n_rows,
               const int64_t* from, const double* weight, double slope, double* out) {
  constexpr int64_t seam = kDenseLanes - 1;
  for (int64_t p = 0; p < kDenseLanes; p += X::kLanes) {
    const bool is_split = from[p] < seam && from[p + X::kLanes - 1] >= seam;
    const auto blend = is_split ? blend_vector<kIsLeaky, true> : blend_vector<kIsLeaky, false>;
    blend(one, other, n_rows, from + p, weight + p, slope, out + p);
  }
}

int64_t blend_lanes(const double* const* one, const double* const* other, int64_t n_rows,
                    const int64_t* from, const double* weight, double slope, double* out,
                    int32_t* units) {
  constexpr int kVectors = int(kDenseLanes / X::kLanes);
  const auto blend = slope == 0 ? blend_all<false> : blend_all<true>;
  blend(one, other, n_rows, from, weight, slope, out);
  int64_t kept = 0;
  for (int64_t i = 0; i < n_rows; ++i) {
    X::Vector row[kVectors], any = X::zero();
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      row[v] = X::load(out + kDenseLanes * i + X::kLanes * v);
      any = X::either(any, row[v]);
    }
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      X::store(out + kDenseLanes * kept + X::kLanes * v, row[v]);
    }
    units[kept] = units[i];
    kept += X::is_any(any);
  }
  return kept;
}

void mark_lanes(const double* rows, int64_t n_rows, uint32_t* above) {
  constexpr int kVectors = int(kDenseLanes / X::kLanes);
  for (int64_t i = 0; i < n_rows; ++i, rows += kDenseLanes) {
    uint32_t bits = 0;
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      bits |= X::signs_above(X::load(rows + X::kLanes * v)) << (X::kLanes * v);
    }
    above[i] = bits;
  }
}

void add_offsets(const double* rows, int64_t n_rows, int64_t last, const double* share,
                 double* off, double* sizes) {
  constexpr int kVectors = int(kDenseLanes / X::kLanes);
  X::Vector shares[kVectors], sums[kVectors];
  TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
    shares[v] = X::load(share + X::kLanes * v);
    sums[v] = X::load(off + X::kLanes * v);
  }
  double begin_size = sizes[0], end_size = sizes[1];
  for (int64_t i = 0; i < n_rows; ++i, rows += kDenseLanes) {
    const double from = rows[0], to = rows[last];
    begin_size += from * from;
    end_size += to * to;
    const X::Vector begin = X::set(from), step = X::set(to - from);
    TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) {
      const X::Vector on_line = X::add(begin, X::multiply(shares[v], step));
      const X::Vector apart = X::subtract(X::load(rows + X::kLanes * v), on_line);
      sums[v] = X::add(sums[v], X::multiply(apart, apart));
    }
  }
  TFHASH_UNROLL for (int v = 0; v < kVectors; ++v) X::store(off + X::kLanes * v, sums[v]);
  sizes[0] = begin_size;
  sizes[1] = end_size;
}

#undef TFHASH_UNROLL
