#include <cmath>

#include "primitives/chords.h"

namespace tfhash {
namespace {

template <class Float>
bool scan(const Float* z, const Float* u, int64_t n, int64_t first_unit, ChordEnds* ends) {
  ChordEnds best = *ends;
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) {
    const double distance = std::fabs(z[i]), speed = std::fabs(u[i]);
    finite &= std::isfinite(distance) && std::isfinite(speed);
    const bool behind = (z[i] > 0) == (u[i] > 0);
    double& end = behind ? best.lower : best.upper;
    const double t = distance / speed;
    if (!(speed > 0) || !(t < end)) continue;
    end = t;
    (behind ? best.lower_unit : best.upper_unit) = first_unit + i;
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
