#include <algorithm>
#include <cmath>

#include "primitives/chords.h"

namespace tfhash {
namespace {

float slack(float) { return kChordSlack32; }
double slack(double) { return kChordSlack64; }

template <class Float>
Float reach_of(const ChordEnds& ends) {
  const double farther = std::max(ends.lower, ends.upper);
  const Float margin = sizeof(Float) == 4 ? Float(kChordMargin32) : Float(kChordMargin64);
  return Float(farther) * margin + slack(Float());
}

template <class Float>
bool scan(const Float* z, const Float* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  Float reach = reach_of<Float>(best);
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    const Float distance = std::fabs(z[i]), speed = std::fabs(u[i]);
    finite &= std::isfinite(distance) && std::isfinite(speed);
    if (!(speed > 0) || !(distance <= reach * speed + slack(Float()))) continue;
    const double t = double(distance) / double(speed);
    const bool behind = (z[i] > 0) == (u[i] > 0);
    double& end = behind ? best.lower : best.upper;
    if (!(t < end)) continue;
    end = t;
    (behind ? best.lower_unit : best.upper_unit) = first_unit + i;
    reach = reach_of<Float>(best);
  }
  *ends = best;
  return finite;
}

}  // namespace

void fill_chords_scalar(ChordPrimitives& table) {
  table.scan_f32 = scan<float>;
  table.scan_f64 = scan<double>;
}

}  // namespace tfhash
