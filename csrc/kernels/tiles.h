// Codes by columns, a tile at a time: no copy of codes that are too large to have twice.
#pragma once

#include <vector>

#include "kernels/columns.h"
#include "primitives/columns.h"

namespace tfhash {

// The same word of consecutive rows side by side; words are counted from the tile's first.
struct Tile {
  const uint64_t* words;
  int64_t stride;

  const uint64_t* column(int64_t w) const { return words + w * stride; }
};

// The memory that a thread needs to read tiles.
struct TileBuffer {
  Aligned<uint64_t> words;
  std::vector<const uint64_t*> rows;
  std::vector<uint64_t> bits;
};

// Codes without their constant bits, read by tiles. What takes at most `resident_bytes` by columns
// is copied once; the rest is put together from the rows whenever it is read, which costs little
// beside what is done with it. There bits are left out only where that pays.
class Tiles {
 public:
  Tiles(const CodesView& codes, std::vector<int64_t> kept, int64_t resident_bytes,
        ThreadTeam& team);

  int64_t n() const { return codes_.n; }
  int64_t n_bits() const { return int64_t(kept_.size()); }
  int64_t n_words() const { return words_for(n_bits()); }
  bool resident() const { return resident_; }
  // The bits of the codes that are read, ascending.
  const std::vector<int64_t>& kept() const { return kept_; }

  // How many nibbles of word w hold bits.
  int n_nibbles(int64_t w) const {
    const int64_t left = n_bits() - 64 * w;
    return static_cast<int>(((left < 64 ? left : 64) + 3) / 4);
  }

  // How many words to read at a time of `rows` rows: a power of 2 from 16 to `most`.
  int64_t words_at_once(int64_t rows, int64_t most) const;

  // Words [word, word + n_words) of `count` rows: first + rows[i], or first + i without `rows`.
  // Good until the buffer is used again.
  Tile read(int64_t word, int64_t n_words, int64_t first, const int32_t* rows, int64_t count,
            TileBuffer& buffer) const;

  // All words of row i.
  std::vector<uint64_t> code(int64_t i) const;

 private:
  void compress(int64_t word, int64_t n_words, const uint64_t* const* rows, int64_t count,
                uint64_t* bits, uint64_t* out, int64_t stride) const;

  CodesView codes_;
  std::vector<int64_t> kept_;
  bool resident_ = false;  // as columns_
  bool whole_ = false;     // read, with no bits left out
  Columns columns_;
  std::vector<Compressor> compressors_;   // [codes' n_words], where bits are left out on reading
  std::vector<int64_t> first_source_;     // [n_words]: the codes' word that holds the first bit
  std::vector<int> first_used_;           // [n_words]: how many of its kept bits come before
};

}  // namespace tfhash
