// The table of multiversioned functions: one struct per kernel family, one table per ISA.
//
// csrc/primitives/<family>.h declares a family's struct and states what each function does;
// csrc/primitives/<family>_<isa>.cpp implements it. Everything above calls primitives() and
// knows nothing of instruction sets. An ISA that has no faster version of a function takes over
// the one of the ISA below it; all of them give the same bits.
#pragma once

#include "cpu.h"
#include "primitives/affinity.h"
#include "primitives/chords.h"
#include "primitives/clusters.h"
#include "primitives/columns.h"
#include "primitives/dense.h"
#include "primitives/hamming.h"
#include "primitives/lines.h"
#include "primitives/logistic.h"
#include "primitives/pack.h"
#include "primitives/tables.h"

namespace tfhash {

struct Primitives {
  AffinityPrimitives affinity;
  ChordPrimitives chords;
  ClusterPrimitives clusters;
  ColumnPrimitives columns;
  DensePrimitives dense;
  HammingPrimitives hamming;
  LinePrimitives lines;
  LogisticPrimitives logistic;
  PackPrimitives pack;
  TablePrimitives tables;
};

// The table of the ISA chosen when the module was loaded.
const Primitives& primitives();
Isa current_isa();

// Chooses the ISA (see choose_isa); called once, when the module is loaded.
void load_primitives();

}  // namespace tfhash
