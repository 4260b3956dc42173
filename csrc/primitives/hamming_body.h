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
//   bit_and, bit_xor, shift_left, shift_right
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

// A number of up to kRunLevels bits, in registers.
struct Run {
  V level0, level1, level2, level3, level4, level5, level6;
};

inline V plane(const uint64_t* planes, uint16_t member) {
  return load(planes + int64_t(member) * kLaneWords);
}

// The number of planes among the 8 * steps listed.
inline Run count_run(const uint64_t* planes, const uint16_t* member, int64_t steps) {
  V l0 = zeros(), l1 = l0, l2 = l0, l3 = l0, l4 = l0, l5 = l0, l6 = l0;
  for (const uint16_t* end = member + kStep * steps; member != end; member += kStep) {
    V two_a = full_add(l0, plane(planes, member[0]), plane(planes, member[1]));
    V two_b = full_add(l0, plane(planes, member[2]), plane(planes, member[3]));
    const V four_a = full_add(l1, two_a, two_b);
    two_a = full_add(l0, plane(planes, member[4]), plane(planes, member[5]));
    two_b = full_add(l0, plane(planes, member[6]), plane(planes, member[7]));
    const V four_b = full_add(l1, two_a, two_b);
    V carry = full_add(l2, four_a, four_b);
    carry = half_add(l3, carry);
    carry = half_add(l4, carry);
    carry = half_add(l5, carry);
    l6 = bit_xor(l6, carry);
  }
  return {l0, l1, l2, l3, l4, l5, l6};
}

inline void store_run(const Run& run, uint64_t* to) {
  store(to, run.level0);
  store(to + kLaneWords, run.level1);
  store(to + 2 * kLaneWords, run.level2);
  store(to + 3 * kLaneWords, run.level3);
  store(to + 4 * kLaneWords, run.level4);
  store(to + 5 * kLaneWords, run.level5);
  store(to + 6 * kLaneWords, run.level6);
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
    if (to.bound == 0) {
      store_run(count_run(planes, members, steps), to.planes);
      to.bound = run;
    } else {
      store_run(count_run(planes, members, steps), spare);
      add(to, {spare, run});
    }
    members += kStep * steps;
  }
}

// The room of a number of up to kMaxChunkPlanes, or of a run.
constexpr int64_t kNumberWords = 13 * kLaneWords;

void count(const uint64_t* all_planes, const PlaneClasses& classes, int g, int levels, bool first,
           uint64_t* sums) {
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

// ---- within, within_both, keep_nearest -------------------------------------------------------

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

bool within_both(const uint64_t* sums, const uint64_t* complement, int levels, uint64_t threshold,
                 const uint64_t* lane_thresholds, const uint64_t* ties, const uint64_t* valid,
                 uint64_t* near_query, uint64_t* near_lane, uint64_t* nearness) {
  const V ones = all(~uint64_t(0));
  bool some = false;
  for (int64_t lane = 0; lane < kLaneWords; lane += kWidth) {
    V at_least = ones, above = load(ties + lane), carry = zeros();
    for (int l = 0; l <= levels; ++l) {
      const V x = nearness_bit(sums + lane, complement + lane, levels, l, carry);
      at_least = carry3(at_least, x, all(((threshold >> l) & 1) - 1));
      above = carry3(above, x, bit_xor(load(lane_thresholds + l * kLaneWords + lane), ones));
    }
    at_least = bit_and(at_least, load(valid + lane));
    above = bit_and(above, load(valid + lane));
    store(near_query + lane, at_least);
    store(near_lane + lane, above);
    some |= any(at_least) | any(above);
  }
  if (some) store_nearness(sums, complement, levels, nearness);
  return some;
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

void fill(HammingPrimitives& table) {
  table.planes = planes;
  table.count = count;
  table.within = within;
  table.within_both = within_both;
  table.keep_nearest = keep_nearest;
}
