#include "primitives.h"
#include "target.h"

namespace tfhash {
namespace {

Primitives table;
Isa chosen = Isa::kScalar;

}  // namespace

const Primitives& primitives() { return table; }
Isa current_isa() { return chosen; }

void load_primitives() {
  chosen = choose_isa();
  fill_affinity_scalar(table.affinity);
  fill_chords_scalar(table.chords);
  fill_clusters_scalar(table.clusters);
  fill_columns_scalar(table.columns);
  fill_dense_scalar(table.dense);
  fill_lines_scalar(table.lines);
  fill_logistic_scalar(table.logistic);
  fill_pack_scalar(table.pack);
  fill_hamming_scalar(table.hamming);
  fill_tables_scalar(table.tables);
#if TFHASH_X86
  if (chosen == Isa::kAvx2 || chosen == Isa::kAvx512) {
    fill_affinity_avx2(table.affinity);
    fill_chords_avx2(table.chords);
    fill_clusters_avx2(table.clusters);
    fill_columns_avx2(table.columns);
    fill_dense_avx2(table.dense);
    fill_lines_avx2(table.lines);
    fill_logistic_avx2(table.logistic);
    fill_pack_avx2(table.pack);
    fill_hamming_avx2(table.hamming);
    fill_tables_avx2(table.tables);
  }
  if (chosen == Isa::kAvx512) {
    fill_affinity_avx512(table.affinity);
    fill_chords_avx512(table.chords);
    fill_clusters_avx512(table.clusters);
    fill_columns_avx512(table.columns);
    fill_dense_avx512(table.dense);
    fill_lines_avx512(table.lines);
    fill_logistic_avx512(table.logistic);
    fill_pack_avx512(table.pack);
    fill_hamming_avx512(table.hamming);
    fill_tables_avx512(table.tables);
  }
#elif TFHASH_NEON
  if (chosen == Isa::kNeon) {
    fill_pack_neon(table.pack);
    fill_tables_neon(table.tables);
    fill_hamming_neon(table.hamming);
  }
#endif
}

}  // namespace tfhash
