#include "kernels/tiles.h"

#include <algorithm>
#include <numeric>

#include "primitives.h"

namespace tfhash {
namespace {

// Constant bits are left out on reading where they are at least one in so many: leaving them out
// costs about a sixth of what is done with a bit.
constexpr int64_t kWorthwhile = 8;
constexpr int64_t kTileWords = int64_t(1) << 15;  // 256 KiB: within an L2 cache

int64_t column_stride(int64_t count) {
  const int64_t stride = (count + 7) / 8 * 8;
  return stride % 512 == 0 ? stride + 8 : stride;  // see make_columns
}

}  // namespace

Tiles::Tiles(const CodesView& codes, std::vector<int64_t> kept, int64_t resident_bytes,
             ThreadTeam& team)
    : codes_(codes), kept_(std::move(kept)) {
  resident_ = 8 * codes.n * words_for(int64_t(kept_.size())) <= resident_bytes;
  if (resident_) {
    columns_ = make_columns(codes, kept_, nullptr, team);
    return;
  }
  const int64_t dropped = codes.n_bits - int64_t(kept_.size());
  whole_ = kWorthwhile * dropped < codes.n_bits;
  if (whole_) {
    kept_.resize(codes.n_bits);
    std::iota(kept_.begin(), kept_.end(), int64_t(0));
    return;
  }
  std::vector<uint64_t> masks(codes.n_words, 0);
  for (int64_t at = 0; at < n_bits(); ++at) {
    const int64_t source = kept_[at] / 64;
    if (at % 64 == 0) {
      first_source_.push_back(source);
      first_used_.push_back(Compressor(masks[source]).count);
    }
    masks[source] |= uint64_t(1) << (kept_[at] % 64);
  }
  compressors_ = std::vector<Compressor>(masks.begin(), masks.end());
}

int64_t Tiles::words_at_once(int64_t rows, int64_t most) const {
  if (resident_) return most;
  int64_t words = 16;
  while (words < most && 2 * words * rows <= kTileWords) words *= 2;
  return words;
}

Tile Tiles::read(int64_t word, int64_t n_words, int64_t first, const int32_t* rows, int64_t count,
                 TileBuffer& buffer) const {
  if (n_words == 0) return {nullptr, 0};
  if (resident_ && rows == nullptr) return {columns_.column(word) + first, columns_.stride};
  const int64_t stride = column_stride(count);
  if (buffer.words.size() < n_words * stride) buffer.words = Aligned<uint64_t>(n_words * stride);
  uint64_t* out = buffer.words.data();
  if (resident_) {
    for (int64_t w = 0; w < n_words; ++w) {
      const uint64_t* column = columns_.column(word + w) + first;
      for (int64_t i = 0; i < count; ++i) out[w * stride + i] = column[rows[i]];
    }
    return {out, stride};
  }
  buffer.rows.resize(count);
  for (int64_t i = 0; i < count; ++i) {
    buffer.rows[i] = codes_.row(first + (rows != nullptr ? rows[i] : i)) + (whole_ ? word : 0);
  }
  if (whole_) {
    primitives().columns.copy(buffer.rows.data(), count, n_words, out, stride);
    const uint64_t mask = last_word_mask(codes_.n_bits);
    if (word + n_words == this->n_words() && mask != ~uint64_t(0)) {
      uint64_t* last = out + (n_words - 1) * stride;
      for (int64_t i = 0; i < count; ++i) last[i] &= mask;
    }
  } else {
    buffer.bits.resize(count);
    compress(word, n_words, buffer.rows.data(), count, buffer.bits.data(), out, stride);
  }
  return {out, stride};
}

void Tiles::compress(int64_t word, int64_t n_words, const uint64_t* const* rows, int64_t count,
                     uint64_t* bits, uint64_t* out, int64_t stride) const {
  const int64_t end = std::min(64 * n_words, n_bits() - 64 * word);
  std::fill(out, out + n_words * stride, 0);
  // The first source's bits that belong to the words before lie before bit 0.
  int64_t at = -first_used_[word];
  for (int64_t source = first_source_[word]; at < end; ++source) {
    const Compressor& compressor = compressors_[source];
    if (compressor.count == 0) continue;
    for (int64_t i = 0; i < count; ++i) bits[i] = rows[i][source];
    primitives().columns.compress(compressor, bits, count);
    if (at < 0) {
      for (int64_t i = 0; i < count; ++i) out[i] |= bits[i] >> -at;
    } else {
      uint64_t* low = out + at / 64 * stride;
      const int shift = static_cast<int>(at % 64);
      for (int64_t i = 0; i < count; ++i) low[i] |= bits[i] << shift;
      if (shift + compressor.count > 64 && at / 64 + 1 < n_words) {
        for (int64_t i = 0; i < count; ++i) low[stride + i] |= bits[i] >> (64 - shift);
      }
    }
    at += compressor.count;
  }
}

std::vector<uint64_t> Tiles::code(int64_t i) const {
  std::vector<uint64_t> words(n_words());
  if (whole_ && !resident_) {
    std::copy_n(codes_.row(i), n_words(), words.begin());
    if (!words.empty()) words.back() &= last_word_mask(codes_.n_bits);
    return words;
  }
  for (int64_t at = 0; at < n_bits(); ++at) {
    const uint64_t bit = codes_.row(i)[kept_[at] / 64] >> (kept_[at] % 64) & 1;
    words[at / 64] |= bit << (at % 64);
  }
  return words;
}

}  // namespace tfhash
