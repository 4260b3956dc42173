#include "target.h"

#if TFHASH_X86

#include "primitives/columns.h"

TFHASH_TARGET_BEGIN_AVX2

namespace tfhash {
namespace {

#include "primitives/columns_body.h"

}  // namespace

void fill_columns_avx2(ColumnPrimitives& table) { table = {gather_bits, compress, copy, turn}; }

}  // namespace tfhash

TFHASH_TARGET_END

#endif  // TFHASH_X86
