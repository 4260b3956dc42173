#include "kernels/query_groups.h"

#include <algorithm>

#include "aligned.h"
#include "bits.h"
#include "interrupt.h"
#include "primitives.h"

namespace tfhash {
namespace {

constexpr int64_t kMaxChunkWords = kMaxChunkPlanes / 64;

// Larger groups count fewer planes for a query but spend more on adding up their classes; this is
// the best size, measured, from 64 to 4096 planes.
int best_group(int64_t planes) {
  return std::min(kMaxGroup, std::max(2, bit_length(uint64_t(planes)) - 7));
}

// Byte i of the result holds bit i of every byte of x, byte j's at bit j.
uint64_t transpose_8x8(uint64_t x) {
  uint64_t swap = (x ^ (x >> 7)) & 0x00aa00aa00aa00aa;
  x ^= swap ^ (swap << 7);
  swap = (x ^ (x >> 14)) & 0x0000cccc0000cccc;
  x ^= swap ^ (swap << 14);
  swap = (x ^ (x >> 28)) & 0x00000000f0f0f0f0;
  return x ^ swap ^ (swap << 28);
}

}  // namespace

PlaneLayout::PlaneLayout(int64_t words)
    : n_words(words),
      chunk_words(std::min(words, kMaxChunkWords)),
      n_chunks(std::max<int64_t>(1, (words + kMaxChunkWords - 1) / kMaxChunkWords)),
      group(best_group(64 * chunk_words)),
      levels(std::max(1, bit_length(uint64_t(64 * words)))) {}

int64_t PlaneLayout::words_of(int64_t chunk) const {
  return std::min(chunk_words, n_words - chunk * chunk_words);
}

int64_t PlaneLayout::members_per_chunk() const {
  return 64 * chunk_words + (int64_t(1) << group) * (kStep - 1);
}

int64_t PlaneLayout::group_bytes() const {
  return n_chunks * (members_per_chunk() + (int64_t(1) << group)) * int64_t(sizeof(uint16_t));
}

void clear_padding_planes(const CodesView& codes, int64_t word, int64_t n_words, uint64_t* planes) {
  const int64_t n_bits = std::min(64 * n_words, codes.n_bits - 64 * word);
  std::fill(planes + n_bits * kLaneWords, planes + 64 * n_words * kLaneWords, 0);
}

std::vector<uint64_t> common_bits(const CodesView& queries, const PlaneLayout& layout) {
  std::vector<uint64_t> common(queries.n_words);
  const std::vector<uint64_t> none(layout.chunk_words);
  const int64_t n = std::min<int64_t>(64, queries.n), stride = queries.n / std::max<int64_t>(1, n);
  Aligned<uint64_t> planes(64 * layout.chunk_words * kLaneWords);
  for (int64_t chunk = 0; chunk < layout.n_chunks; ++chunk) {
    const int64_t first = chunk * layout.chunk_words, n_words = layout.words_of(chunk);
    primitives().hamming.planes(queries.words + first, stride * queries.n_words, n, n_words,
                                none.data(), planes.data());
    for (int64_t j = 0; j < 64 * n_words; ++j) {
      const bool common_bit = 2 * popcount64(planes.data()[j * kLaneWords]) > n;
      common[first + j / 64] |= uint64_t(common_bit) << (j % 64);
    }
    check_interrupt();
  }
  if (!common.empty()) common.back() &= last_word_mask(queries.n_bits);
  return common;
}

QueryGroups::QueryGroups(const PlaneLayout& layout, int64_t n_queries)
    : layout_(layout),
      n_groups_((n_queries + layout.group - 1) / layout.group),
      sizes_(n_groups_ * layout.n_chunks << layout.group),
      members_(n_groups_ * layout.n_chunks * layout.members_per_chunk()),
      weights_(n_groups_ * layout.group) {}

PlaneClasses QueryGroups::classes(int64_t group, int64_t chunk) const {
  const int64_t at = group * layout_.n_chunks + chunk;
  return {sizes_.data() + (at << layout_.group),
          members_.data() + at * layout_.members_per_chunk()};
}

void QueryGroups::set(int64_t index, const CodesView& queries, const uint64_t* reference) {
  const int g = layout_.group, n_classes = 1 << g;
  const int64_t first = index * g, n = std::min<int64_t>(g, queries.n - first);
  const uint16_t padding = uint16_t(layout_.zero_plane() * kLaneWords);
  const uint64_t last_mask = last_word_mask(queries.n_bits);
  std::vector<uint8_t> class_of(64 * layout_.chunk_words);
  for (int64_t chunk = 0; chunk < layout_.n_chunks; ++chunk) {
    check_interrupt();
    const int64_t start = chunk * layout_.chunk_words, n_words = layout_.words_of(chunk);
    const int64_t at = index * layout_.n_chunks + chunk;
    uint16_t* sizes = sizes_.data() + (at << g);
    uint16_t* members = members_.data() + at * layout_.members_per_chunk();
    std::fill(sizes, sizes + n_classes, uint16_t(0));
    for (int64_t w = 0; w < n_words; ++w) {
      uint64_t words[8] = {};
      const uint64_t mask = start + w == queries.n_words - 1 ? last_mask : ~uint64_t(0);
      for (int64_t i = 0; i < n; ++i) {
        words[i] = (queries.row(first + i)[start + w] & mask) ^ reference[start + w];
      }
      for (int byte = 0; byte < 8; ++byte) {
        uint64_t bits = 0;
        for (int i = 0; i < g; ++i) bits |= (words[i] >> (8 * byte) & 0xff) << (8 * i);
        const uint64_t eight = transpose_8x8(bits);
        for (int i = 0; i < 8; ++i) {
          const uint8_t m = uint8_t(eight >> (8 * i));
          class_of[64 * w + 8 * byte + i] = m;
          ++sizes[m];
        }
      }
    }
    // A counting sort: class 0, which no query needs, goes last and is never read.
    int64_t next[1 << kMaxGroup], end = 0;
    for (int m = 1; m <= n_classes; ++m) {
      const int64_t size = sizes[m % n_classes];
      next[m % n_classes] = end;
      end += m == n_classes ? size : (size + kStep - 1) / kStep * kStep;
      for (int i = 0; i < n && m < n_classes; ++i) {
        if ((m >> i) & 1) weights_[first + i] += size;
      }
    }
    for (int64_t j = 0; j < 64 * n_words; ++j) {
      members[next[class_of[j]]++] = uint16_t(j * kLaneWords);
    }
    for (int m = 1; m < n_classes; ++m) {
      for (int64_t& to = next[m]; to % kStep != 0; ++to) members[to] = padding;
    }
  }
}

}  // namespace tfhash
