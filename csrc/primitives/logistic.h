// The inner loop of logistic regression on codes by columns (kernels/columns.h).
#pragma once

#include <cstdint>

namespace tfhash {

constexpr int kResidualBits = 21;  // residuals in fixed point: 512 of them add up in an int32

struct LogisticPrimitives {
  // out[i][lane] = sign[lane] * sigmoid(sign[lane] * sums[i][lane] * unit[lane]), times 2^21 and
  // rounded, for n rows of 16 lanes (all 64-byte aligned). The same float32 operations in the same
  // order for every instruction set.
  void (*residuals)(const int32_t* sums, int64_t n, const float* unit, const float* sign,
                    int32_t* out);
};

// exp(x) for |x| <= kExpLimit: 2^k * p(r), k = round(x / ln 2), r = x - k ln 2 with ln 2 in two
// parts, p the Taylor polynomial of degree 6 (error under 2e-7 of the value for |r| <= ln(2) / 2).
constexpr float kExpLimit = 80;
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
constexpr float kRounder = 12582912;  // 1.5 * 2^23: added and taken off, it leaves a whole number
constexpr float kExp[5] = {1 / 720.0f, 1 / 120.0f, 1 / 24.0f, 1 / 6.0f, 0.5f};

void fill_logistic_scalar(LogisticPrimitives& table);
void fill_logistic_avx2(LogisticPrimitives& table);
void fill_logistic_avx512(LogisticPrimitives& table);

}  // namespace tfhash
