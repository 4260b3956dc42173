// Distinct codes of more codes than memory holds: rows are grouped by hash, and a group is counted.
#pragma once

#include <cstdint>
#include <vector>

#include "codes.h"
#include "progress.h"

namespace tfhash {

// As many groups as a row's number of its group, 16 bits, allows.
constexpr int kMostGroupBits = 12;

// Copies the codes to `out`, ordered by the first `bits` bits of their hash under `salt`, their
// padding bits cleared. Returns where each group begins, and the end: 2^bits + 1 rows. Codes are
// read twice and hashed once, so words that change meanwhile do no harm. Extra memory is 2 bytes a
// code.
std::vector<int64_t> group_by_hash(const CodesView& codes, uint64_t salt, int bits,
                                   const Progress& progress, uint64_t* out);

// Moves the distinct ones among n rows of n_words words, whose padding bits are 0, to the front of
// `rows`, in any order that does not depend on threads, and returns how many there are. `scratch`
// holds as many rows. Rows are hashed under `salt`, grouped until a group fits the cache, and
// compared word by word. Nobody else may write to the rows meanwhile.
int64_t keep_distinct(uint64_t* rows, int64_t n, int64_t n_words, uint64_t salt,
                      const Progress& progress, uint64_t* scratch);

}  // namespace tfhash
