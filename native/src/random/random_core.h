// From Philox words to values, as constants that CPU and CUDA share.
//
// A pair of words (a, b) gives two normals r · cos(2πt) and r · sin(2πt), with
//   u = ((a >> 8) + 1) · 2⁻²⁴ in (0, 1],  r = sqrt(−2 · ln u),  t = (b >> 8) · 2⁻²⁴ in [0, 1).
//
// ln u: f = (a >> 8) + 1 as float32 (exact). i = bits(f) − kLogOrigin, e = (i >> 23) − 24, m = float(bits (i & 0x7FFFFF) +
//   kLogOrigin) in [√½, √2), x = m − 1, z = x · x. p = Horner over kLog in x, then
//   ln u = (x + ((x · z) · p + e · kLn2Low − ½ · z)) + e · kLn2High.
// cos, sin: q = ((b >> 8) + 2²¹) >> 22 quarters, y = float((b >> 8) − (q << 22)) · kQuarterAngle in [−π/4, π/4], s = y · y,
//   sine = y + (y · s) · Horner(kSin, s), cosine = (1 − ½ · s) + (s · s) · Horner(kCos, s), then turned by q quarters.
//
// The polynomials are those of Moshier's Cephes (logf, sinf, cosf): absolute error below 2 units of 2⁻²⁴ each.
#pragma once

#include <cstdint>

namespace cai {

constexpr float kTwoToMinus24 = 1.0f / 16777216.0f;

constexpr int32_t kLogOrigin = 0x3F3504F3;  // the bits of √½
constexpr float kLog[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f, 1.4249322787e-1f,
                          -1.6668057665e-1f, 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
constexpr float kLn2High = 0.693359375f;
constexpr float kLn2Low = -2.12194440e-4f;

constexpr float kQuarterAngle = 3.7450703871e-7f;  // 2π · 2⁻²⁴
constexpr float kSin[] = {-1.9515295891e-4f, 8.3321608736e-3f, -1.6666654611e-1f};
constexpr float kCos[] = {2.443315711809948e-5f, -1.388731625493765e-3f, 4.166664568298827e-2f};

}  // namespace cai
