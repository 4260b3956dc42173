#include "bits.h"
#include "primitives/hamming.h"

namespace tfhash {
namespace {

using V = uint64_t;
constexpr int64_t kWidth = 1;

inline V load(const uint64_t* at) { return *at; }
inline V load_any(const uint64_t* at) { return *at; }
inline void store(uint64_t* at, V x) { *at = x; }
inline V all(uint64_t bits) { return bits; }
inline bool any(V a) { return a != 0; }
inline V bit_and(V a, V b) { return a & b; }
inline V bit_or(V a, V b) { return a | b; }
inline V bit_xor(V a, V b) { return a ^ b; }
inline V shift_left(V a, int by) { return a << by; }
inline V shift_right(V a, int by) { return a >> by; }
inline V sum3(V a, V b, V c) { return a ^ b ^ c; }
inline V carry3(V a, V b, V c) { return (a & b) | ((a ^ b) & c); }

inline void transpose_words(V*) {}

#include "primitives/hamming_body.h"

}  // namespace

void fill_hamming_scalar(HammingPrimitives& table) { fill(table); }

}  // namespace tfhash
