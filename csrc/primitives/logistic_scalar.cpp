#include "primitives/logistic.h"

#include <algorithm>
#include <cstring>

#include "primitives/tables.h"

namespace tfhash {
namespace {

float exp_of(float x) {
  const float k = (x * kLog2E + kRounder) - kRounder;
  const float r = (x - k * kLn2High) - k * kLn2Low;
  float p = kExp[0];
  for (int i = 1; i < 5; ++i) p = p * r + kExp[i];
  p = (p * r + 1) * r + 1;
  const int32_t power = (static_cast<int32_t>(k) + 127) << 23;
  float scale;
  std::memcpy(&scale, &power, sizeof(scale));
  return p * scale;
}

void residuals(const int32_t* sums, int64_t n, const float* unit, const float* sign,
               int32_t* out) {
  constexpr float kOne = 1 << kResidualBits;
  for (int64_t i = 0; i < n; ++i, sums += kLanes, out += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float x = static_cast<float>(sums[lane]) * (unit[lane] * sign[lane]);
      const float e = exp_of(-std::min(kExpLimit, std::max(-kExpLimit, x)));
      const float residual = (kOne * sign[lane]) / (1 + e);
      out[lane] = static_cast<int32_t>((residual + kRounder) - kRounder);
    }
  }
}

}  // namespace

void fill_logistic_scalar(LogisticPrimitives& table) { table = {residuals}; }

}  // namespace tfhash
