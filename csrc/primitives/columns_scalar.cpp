#include "primitives/columns.h"

namespace tfhash {
namespace {

#include "primitives/columns_body.h"

}  // namespace

void fill_columns_scalar(ColumnPrimitives& table) { table = {gather_bits, compress, copy, turn}; }

}  // namespace tfhash
