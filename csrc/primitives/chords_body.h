// The functions of ChordPrimitives, written once for the instruction sets that have vectors.
//
// No header of its own: chords_<isa>.cpp includes it inside its target region, within an unnamed
// namespace (so nothing compiled for that target is seen elsewhere), after all real headers and
// the structs F32 and F64, which stand for X below and say what a vector can do.

// The lanes that may hold a nearer switch than `best`, settled in order; z and u are at lane 0.
template <class Float>
inline void settle(uint32_t lanes, const Float* z, const Float* u, int64_t unit, ChordEnds* best) {
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint32_t lane = _tzcnt_u32(lanes);
    // 0 - z, because -z would give a 0 a sign.
    const double distance = z[lane] > 0 ? z[lane] : 0 - z[lane];
    const double speed = u[lane] > 0 ? u[lane] : 0 - u[lane];
    const double t = distance / speed;
    if ((z[lane] > 0) == (u[lane] > 0)) {
      if (t < best->lower) {
        best->lower = t;
        best->lower_unit = unit + lane;
      }
    } else if (t < best->upper) {
      best->upper = t;
      best->upper_unit = unit + lane;
    }
  }
}

// Units [0, n) of a chunk, numbered from `unit`; lanes that are NaN or infinite go to `wrong`.
template <class X>
inline void scan_chunk(const typename X::Float* z, const typename X::Float* u, int64_t n,
                       int64_t unit, ChordEnds* best, typename X::Wrong* wrong) {
  using Float = typename X::Float;
  using Vector = typename X::Vector;
  using Mask = typename X::Mask;
  Float behind_least[kChordChunk / kChordBlock], ahead_least[kChordChunk / kChordBlock];
  Float behind_nearest = X::kInfinity, ahead_nearest = X::kInfinity;
  for (int64_t from = 0; from < n; from += kChordBlock) {
    const int64_t to = n - from < kChordBlock ? n : from + kChordBlock;
    Vector behind = X::set(X::kInfinity), ahead = behind;
    for (int64_t i = from; i < to; i += X::kLanes) {
      const Vector a = X::load(z + i, to - i), b = X::load(u + i, to - i);
      const Vector distance = X::abs(a), speed = X::abs(b);
      X::check(distance, speed, wrong);
      const Vector t = X::divide(distance, speed);  // 0 / 0 where nothing moves and past n
      const Mask is_ahead = X::differ(X::positive(a), X::positive(b));
      behind = X::min_where_not(is_ahead, t, behind);
      ahead = X::min_where(is_ahead, t, ahead);
    }
    const Float b = X::least(behind), a = X::least(ahead);
    behind_least[from / kChordBlock] = b;
    ahead_least[from / kChordBlock] = a;
    behind_nearest = b < behind_nearest ? b : behind_nearest;
    ahead_nearest = a < ahead_nearest ? a : ahead_nearest;
  }
  // A side on which no unit of this chunk is nearer than the end so far is looked at no more
  // (an infinite distance may be a finite one in float64).
  const bool behind_open = !(behind_nearest < X::kInfinity) ||
      behind_nearest <= best->lower * X::kMargin + X::kSlack;
  const bool ahead_open = !(ahead_nearest < X::kInfinity) ||
      ahead_nearest <= best->upper * X::kMargin + X::kSlack;
  const Float behind_reach = behind_open ? behind_nearest * X::kMargin + X::kSlack : -1;
  const Float ahead_reach = ahead_open ? ahead_nearest * X::kMargin + X::kSlack : -1;
  const Vector slack = X::set(X::kSlack);
  for (int64_t from = 0; from < n; from += kChordBlock) {
    if (!(behind_least[from / kChordBlock] <= behind_reach ||
          ahead_least[from / kChordBlock] <= ahead_reach)) {
      continue;
    }
    const int64_t to = n - from < kChordBlock ? n : from + kChordBlock;
    for (int64_t i = from; i < to; i += X::kLanes) {
      const Vector a = X::load(z + i, to - i), b = X::load(u + i, to - i);
      const Vector distance = X::abs(a), speed = X::abs(b);
      const Mask is_ahead = X::differ(X::positive(a), X::positive(b));
      const Vector reach = X::choose(is_ahead, X::set(ahead_reach), X::set(behind_reach));
      const Vector bound = X::add(X::multiply(reach, speed), slack);
      const uint32_t lanes = X::lanes(X::both(X::positive(speed), X::at_most(distance, bound)));
      if (lanes != 0) settle(lanes, z + i, u + i, unit + i, best);
    }
  }
}

template <class X>
bool scan(const typename X::Float* z, const typename X::Float* u, int64_t n, int64_t first_unit,
          ChordEnds* ends) {
  ChordEnds best = *ends;
  typename X::Wrong wrong = X::none_wrong();
  for (int64_t from = 0; from < n; from += kChordChunk) {
    const int64_t left = n - from;
    scan_chunk<X>(z + from, u + from, left < kChordChunk ? left : kChordChunk, first_unit + from,
                  &best, &wrong);
  }
  *ends = best;
  return X::all_finite(wrong);
}
