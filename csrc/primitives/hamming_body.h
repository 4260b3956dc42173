// The functions of HammingPrimitives, written once for every instruction set.
//
// No header of its own: hamming_<isa>.cpp includes it inside its target region, within an unnamed
// namespace (so nothing compiled for that target is seen elsewhere), after all real headers and
// after defining
//   V, kWidth                     a vector of kWidth words
//   load, store                   from and to 64-byte aligned planes
//   load_any                      from words aligned as words are
//   all(bits)                     the word `bits` in every word
//   any(x)                        whether a bit is set
//   bit_and, bit_or, bit_xor, shift_left, shift_right
//   transpose_words(x)            exchanges word i of x[j] with word j of x[i]
//   sum3(a, b, c)                 a ^ b ^ c: the low bit of a + b + c
//   carry3(a, b, c)               at least two of a, b, c: the high bit of it

inline V zeros() { return all(0); }

// a + b + into, lane by lane: the low bit stays in `into`, the high bit is returned.
inline V full_add(V& into, V a, V b) {
  const V high = carry3(into, a, b);
  into = sum3(into, a, b);
  return high;
}

inline V half_add(V& into, V a) {
  const V high = bit_and(into, a);
  into = bit_xor(into, a);
  return high;
}

// ---- planes: 64 x 64 bit transposition, kWidth of them side by side ------------------------

constexpr int64_t kTile = 64 * kWidth;    // words of a tile: 64 vectors, each a word of kWidth rows
constexpr int64_t kTilePitch = kTile + 8;  // keeps tiles out of one another's cache sets

// Three of the six stages of the exchange of rows and columns, on 8 vectors of a tile kStride
// apart; they are written `pitch` words apart.
template <int kStride>
inline void exchange(const uint64_t* from, uint64_t* to, int64_t pitch) {
  V x[8];
  for (int i = 0; i < 8; ++i) x[i] = load(from + i * kStride * kWidth);
  const uint64_t masks[3] = {kStride == 8 ? 0x00000000ffffffff : 0x0f0f0f0f0f0f0f0f,
                             kStride == 8 ? 0x0000ffff0000ffff : 0x3333333333333333,
                             kStride == 8 ? 0x00ff00ff00ff00ff : 0x5555555555555555};
  for (int stage = 0; stage < 3; ++stage) {
    const int apart = 4 >> stage, shift = apart * kStride;
    const V mask = all(masks[stage]);
    for (int i = 0; i < 8; ++i) {
      if (i & apart) continue;
      const V swap = bit_and(bit_xor(shift_right(x[i], shift), x[i + apart]), mask);
      x[i + apart] = bit_xor(x[i + apart], swap);
      x[i] = bit_xor(x[i], shift_left(swap, shift));
    }
  }
  for (int i = 0; i < 8; ++i) store(to + i * pitch, x[i]);
}

// Fills n_tiles tiles, of a word each, with 64 * kWidth rows: tile t holds word t of row
// i + 64 * p at vector i, word p. Reads whole cache lines where there are 8 words.
inline void fill_tiles(const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_tiles,
                       const uint64_t* reference, uint64_t* tiles) {
  const int64_t whole = n_rows >= 64 * kWidth ? n_tiles / kWidth * kWidth : 0;
  for (int64_t i = 0; i < 64; ++i) {
    for (int64_t t = 0; t < whole; t += kWidth) {
      const V common = load_any(reference + t);
      V x[kWidth];
      for (int64_t p = 0; p < kWidth; ++p) {
        x[p] = bit_xor(load_any(rows + (i + 64 * p) * stride + t), common);
      }
      transpose_words(x);
      for (int64_t p = 0; p < kWidth; ++p) store(tiles + (t + p) * kTilePitch + i * kWidth, x[p]);
    }
    for (int64_t p = 0; p < kWidth; ++p) {
      const int64_t row = i + 64 * p;
      uint64_t* to = tiles + i * kWidth + p;
      for (int64_t t = whole; t < n_tiles; ++t) {
        to[t * kTilePitch] = row < n_rows ? rows[row * stride + t] ^ reference[t] : 0;
      }
    }
  }
}

void planes(const uint64_t* rows, int64_t stride, int64_t n_rows, int64_t n_words,
            const uint64_t* reference, uint64_t* out) {
  alignas(64) uint64_t tiles[8 * kTilePitch];
  for (int64_t word = 0; word < n_words; word += 8) {
    const int64_t n_tiles = n_words - word < 8 ? n_words - word : 8;
    for (int64_t first = 0; first < kLaneWords; first += kWidth) {
      fill_tiles(rows + 64 * first * stride + word, stride, n_rows - 64 * first, n_tiles,
                 reference + word, tiles);
      for (int64_t t = 0; t < n_tiles; ++t) {
        uint64_t* tile = tiles + t * kTilePitch;
        uint64_t* to = out + 64 * (word + t) * kLaneWords + first;
        for (int i = 0; i < 8; ++i) {
          exchange<8>(tile + i * kWidth, tile + i * kWidth, 8 * kWidth);
        }
        for (int i = 0; i < 8; ++i) {
          exchange<1>(tile + 8 * i * kWidth, to + 8 * i * kLaneWords, kLaneWords);
        }
      }
    }
  }
}

// ---- count -----------------------------------------------------------------------------------

constexpr int kRunLevels = 7;
constexpr int kRunSteps = 15;  // 8 * 15 = 120 planes: their number fits 7 bits

// A number of up to kLevels bits, in registers.
template <int kLevels>
struct Run {
  V level[kLevels];
};

template <int kLevels>
inline Run<kLevels> empty_run() {
  Run<kLevels> run;
  for (int l = 0; l < kLevels; ++l) run.level[l] = zeros();
  return run;
}

// `run` and the number of planes among the 8 * steps listed, which `member` is moved past.
template <int kLevels>
inline Run<kLevels> count_run(const uint64_t* planes, const uint16_t*& member, int64_t steps,
                              Run<kLevels> run) {
  V* level = run.level;
  for (const uint16_t* end = member + kStep * steps; member != end; member += kStep) {
    V two_a = full_add(level[0], load(planes + member[0]), load(planes + member[1]));
    V two_b = full_add(level[0], load(planes + member[2]), load(planes + member[3]));
    const V four_a = full_add(level[1], two_a, two_b);
    two_a = full_add(level[0], load(planes + member[4]), load(planes + member[5]));
    two_b = full_add(level[0], load(planes + member[6]), load(planes + member[7]));
    const V four_b = full_add(level[1], two_a, two_b);
    V carry = full_add(level[2], four_a, four_b);
    for (int l = 3; l < kLevels - 1; ++l) carry = half_add(level[l], carry);
    level[kLevels - 1] = bit_xor(level[kLevels - 1], carry);
  }
  return run;
}

template <int kLevels>
inline void store_run(const Run<kLevels>& run, uint64_t* to, int levels) {
  for (int l = 0; l < kLevels; ++l) {
    if (l < levels) store(to + l * kLaneWords, run.level[l]);
  }
}

// A number of lanes whose bound is known: its planes past bit_length(bound) are not written.
struct Number {
  uint64_t* planes;
  int64_t bound;
};

// to += from. to.planes has room for the sum.
inline void add(Number& to, const Number& from) {
  const int a = bit_length(uint64_t(to.bound)), b = bit_length(uint64_t(from.bound));
  to.bound += from.bound;
  const int both = a < b ? a : b, any = a < b ? b : a;
  V carry = zeros();
  int l = 0;
  for (; l < both; ++l) {
    V x = load(to.planes + l * kLaneWords);
    carry = full_add(x, load(from.planes + l * kLaneWords), carry);
    store(to.planes + l * kLaneWords, x);
  }
  const uint64_t* longer = a < b ? from.planes : to.planes;
  for (; l < any; ++l) {
    V x = load(longer + l * kLaneWords);
    carry = half_add(x, carry);
    store(to.planes + l * kLaneWords, x);
  }
  if (bit_length(uint64_t(to.bound)) > any) store(to.planes + any * kLaneWords, carry);
}

// to = the number of planes in a class of `size` members, which `members` is moved past.
inline void count_class(const uint64_t* planes, int64_t size, const uint16_t*& members,
                        uint64_t* spare, Number& to) {
  to.bound = 0;
  for (int64_t left = size; left > 0; left -= kStep * kRunSteps) {
    const int64_t run = left < kStep * kRunSteps ? left : kStep * kRunSteps;
    const int64_t steps = (run + kStep - 1) / kStep;
    const auto counted = count_run(planes, members, steps, empty_run<kRunLevels>());
    store_run(counted, to.bound == 0 ? to.planes : spare, kRunLevels);
    if (to.bound == 0) {
      to.bound = run;
    } else {
      add(to, {spare, run});
    }
  }
}

// The room of a number of up to kMaxChunkPlanes, or of a run.
constexpr int64_t kNumberWords = 13 * kLaneWords;

// count() for two queries that have less than 2^kLevels planes each, padding included: what they
// share is counted once, and each goes on from there. The sums are written.
template <int kLevels>
inline void count_pair(const uint64_t* all_planes, const PlaneClasses& classes, int levels,
                       uint64_t* sums) {
  const int64_t own[2] = {(classes.sizes[1] + kStep - 1) / kStep,
                          (classes.sizes[2] + kStep - 1) / kStep};
  const int64_t both = (classes.sizes[3] + kStep - 1) / kStep;
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    const uint64_t* planes = all_planes + lane;
    const uint16_t* member = classes.members + kStep * (own[0] + own[1]);
    const Run<kLevels> shared = count_run(planes, member, both, empty_run<kLevels>());
    member = classes.members;
    for (int i = 0; i < 2; ++i) {
      uint64_t* sum = sums + i * levels * kLaneWords + lane;
      store_run(count_run(planes, member, own[i], shared), sum, levels);
      for (int l = kLevels; l < levels; ++l) store(sum + l * kLaneWords, zeros());
    }
  }
}

void count(const uint64_t* all_planes, const PlaneClasses& classes, int g, int levels, bool first,
           uint64_t* sums) {
  if (g == 2 && first) {
    const int more = classes.sizes[1] > classes.sizes[2] ? classes.sizes[1] : classes.sizes[2];
    const int most = more + classes.sizes[3] + 2 * (int(kStep) - 1);
    if (most < 128) return count_pair<7>(all_planes, classes, levels, sums);
    if (most < 256) return count_pair<8>(all_planes, classes, levels, sums);
  }
  // Classes come in order, like a binary counter: the sums of the classes that agree in their
  // bits from i on meet at level i, where those with bit i set are what query i has in them.
  alignas(64) uint64_t room[(2 * kMaxGroup + 2) * kNumberWords];
  uint64_t* const spare = room;
  Number current{room + kNumberWords, 0}, left[kMaxGroup], total[kMaxGroup];
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    const uint64_t* planes = all_planes + lane;
    const uint16_t* members = classes.members;
    for (int i = 0; i < g; ++i) {
      left[i] = {room + (2 + i) * kNumberWords, 0};
      uint64_t* sum = sums + i * levels * kLaneWords + lane;
      total[i] = {first ? sum : room + (2 + kMaxGroup + i) * kNumberWords, 0};
    }
    current.planes = room + kNumberWords;
    if (g == 1) {
      count_class(planes, classes.sizes[1], members, spare, total[0]);
    } else {
      for (int m = 1; m < 1 << g; ++m) {
        count_class(planes, classes.sizes[m], members, spare, current);
        int i = 0;
        for (; (m >> i) & 1; ++i) {
          if (current.bound > 0) add(total[i], current);
          if (left[i].bound > 0) add(current, left[i]);
          left[i].bound = 0;
        }
        if (i < g) {
          const Number empty = left[i];
          left[i] = current;
          current = {empty.planes, 0};
        }
      }
    }
    for (int i = 0; i < g; ++i) {
      uint64_t* sum = sums + i * levels * kLaneWords + lane;
      const int n = bit_length(uint64_t(total[i].bound));
      if (first) {
        for (int l = n; l < levels; ++l) store(sum + l * kLaneWords, zeros());
        continue;
      }
      V carry = zeros();
      for (int l = 0; l < levels; ++l) {
        V x = load(sum + l * kLaneWords);
        carry = l < n ? full_add(x, load(total[i].planes + l * kLaneWords), carry)
                      : half_add(x, carry);
        store(sum + l * kLaneWords, x);
      }
    }
  }
}

// ---- within, reach, keep_nearest ---------------------------------------------------------------

// Bit l of 2 * sums + complement, where `carry` comes from the bits below it.
inline V nearness_bit(const uint64_t* sums, const uint64_t* complement, int levels, int l,
                      V& carry) {
  V x = l < levels ? load(complement + l * kLaneWords) : zeros();
  if (l > 0) carry = full_add(x, load(sums + (l - 1) * kLaneWords), carry);
  return x;
}

void store_nearness(const uint64_t* sums, const uint64_t* complement, int levels,
                    uint64_t* nearness) {
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    V carry = zeros();
    for (int l = 0; l <= levels; ++l) {
      store(nearness + l * kLaneWords + lane,
            nearness_bit(sums + lane, complement + lane, levels, l, carry));
    }
  }
}

int64_t within(const uint64_t* sums, const uint64_t* complement, int levels, uint64_t threshold,
               const uint64_t* valid, uint64_t* mask, uint64_t* nearness) {
  bool some = false;
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    // From the lowest bit up: where the threshold has a 1, at least needs a 1; where it has a 0, a
    // 1 is enough.
    V at_least = all(~uint64_t(0)), carry = zeros();
    for (int l = 0; l <= levels; ++l) {
      const V x = nearness_bit(sums + lane, complement + lane, levels, l, carry);
      at_least = carry3(at_least, x, all(((threshold >> l) & 1) - 1));
    }
    at_least = bit_and(at_least, load(valid + lane));
    store(mask + lane, at_least);
    some |= any(at_least);
  }
  if (!some) return 0;
  int64_t lanes = 0;
  for (int64_t w = 0; w < kLaneWords; ++w) lanes += popcount64(mask[w]);
  store_nearness(sums, complement, levels, nearness);
  return lanes;
}

bool reach(const uint64_t* sums, int levels, const uint64_t* slack, const uint64_t* other_slack,
           const uint64_t* valid, uint64_t* mask) {
  V some = zeros();
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    // The sum of `sums` and half the slack is at least 0 where it has a carry beyond its bits, or
    // where the slack is.
    V carry = zeros(), other = zeros();
    for (int l = 0; l < levels; ++l) {
      const V x = load(sums + l * kLaneWords + lane);
      carry = carry3(x, load(slack + (l + 1) * kLaneWords + lane), carry);
      other = carry3(x, load(other_slack + (l + 1) * kLaneWords + lane), other);
    }
    const int64_t sign = (levels + 1) * kLaneWords + lane;
    const V negative = bit_and(load(slack + sign), load(other_slack + sign));
    const V at_least_0 = bit_or(bit_or(carry, other), bit_xor(negative, all(~uint64_t(0))));
    const V near = bit_and(at_least_0, load(valid + lane));
    store(mask + lane, near);
    some = bit_or(some, near);
  }
  return any(some);
}

void keep_nearest(const uint64_t* nearness, int levels, int64_t keep, uint64_t* mask) {
  // From the highest bit down: those with a 1 are nearer than those without.
  uint64_t kept[kLaneWords] = {}, open[kLaneWords];
  for (int64_t w = 0; w < kLaneWords; ++w) open[w] = mask[w];
  for (int l = levels - 1; l >= 0; --l) {
    const uint64_t* bit = nearness + l * kLaneWords;
    int64_t nearer = 0;
    for (int64_t w = 0; w < kLaneWords; ++w) nearer += popcount64(open[w] & bit[w]);
    const bool enough = nearer >= keep;
    if (!enough) keep -= nearer;
    for (int64_t w = 0; w < kLaneWords; ++w) {
      if (!enough) kept[w] |= open[w] & bit[w];
      open[w] &= enough ? bit[w] : ~bit[w];
    }
  }
  for (int64_t w = 0; w < kLaneWords; ++w) {
    for (; keep > 0 && open[w] != 0; --keep) {
      kept[w] |= open[w] & (~open[w] + 1);
      open[w] &= open[w] - 1;
    }
    mask[w] = kept[w];
  }
}

// ---- distances, word by word ---------------------------------------------------------------------

void distances(const uint64_t* rows, int64_t n_rows, int64_t n_words, const uint64_t* query,
               uint64_t last_mask, int32_t* distances) {
  const int64_t last = n_words - 1;
  for (int64_t i = 0; i < n_rows; ++i, rows += n_words) {
    int differ = popcount64((rows[last] ^ query[last]) & last_mask);
    for (int64_t w = 0; w < last; ++w) differ += popcount64(rows[w] ^ query[w]);
    distances[i] = differ;
  }
}

void fill(HammingPrimitives& table) {
  table.planes = planes;
  table.count = count;
  table.within = within;
  table.reach = reach;
  table.keep_nearest = keep_nearest;
  table.distances = distances;
}
