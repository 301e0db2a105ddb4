// One block at a time, for targets without kernels of their own; the definition of what vectors must give.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/philox.h"
#include "squinch/squinch_tables.h"

namespace cai {

inline uint32_t SquinchBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float SquinchFloat(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

struct SquinchValue {
  uint32_t code;
  bool negative;
};

// The number of thresholds that are <= t.
inline uint32_t SquinchNearest(const SquinchEncoder& e, float t) {
  if (e.has_codes) return e.codes.Of(t) % kSquinchCodes;  // NaN, whose code is never used, might give more
  uint32_t code = 0;
  for (uint32_t step = 8; step > 0; step /= 2) code += (t >= e.tables.thresholds[code + step - 1]) * step;
  return code;
}

// `scale` is the block's maxima[q_max]; u 32 random bits.
inline SquinchValue SquinchStochastic(const SquinchEncoder& e, float v, float inverse, float scale, uint32_t u) {
  const float size = std::fabs(v);
  const auto decoded = [&](uint32_t code) { return e.tables.levels[code] * scale; };
  // The level of a code lies between its thresholds, so at most one step leads to the level below.
  const uint32_t nearest = SquinchNearest(e, size * inverse);
  const bool below = size < decoded(nearest), least = below && nearest == 0;
  const uint32_t code = nearest - (below && !least);
  if (code == kSquinchCodes - 1) return {code, v < 0};
  const double low = least ? -decoded(0) : decoded(code), high = least ? decoded(0) : decoded(code + 1);
  const bool up = u * (high - low) < ((least ? v : size) - low) * 4294967296.0;
  return least ? SquinchValue{0, !up} : SquinchValue{code + up, v < 0};
}

inline void SquinchStore(uint32_t q, uint32_t signs, uint32_t codes, uint8_t* out) {
  out[0] = static_cast<uint8_t>(q);
  out[1] = static_cast<uint8_t>(signs);
  for (int k = 0; k < 4; ++k) out[2 + k] = static_cast<uint8_t>(codes >> (8 * k));
}

// v [8]; `block` is its index in the vector. Returns how many zeros it has, 0 where q_max = 0.
inline int SquinchEncodeBlock(const SquinchEncoder& e, const float* v, uint64_t block, uint8_t* out) {
  uint32_t most = 0;
  for (int i = 0; i < kSquinchBlock; ++i) {
    const uint32_t bits = SquinchBits(v[i]) & 0x7FFFFFFFu;
    most = bits > most ? bits : most;
  }
  const uint32_t q = e.scales.Of(most);
  uint32_t signs = 0, codes = 0;
  int zeros = 0;
  PhiloxBlock random{};
  for (int i = 0; i < kSquinchBlock && q > 0; ++i) {
    SquinchValue value{0, v[i] < 0};
    if (e.stochastic) {
      const uint64_t four = 2 * block + static_cast<uint64_t>(i / 4);
      if (i % 4 == 0) {
        random = Philox4x32(e.seed, {{static_cast<uint32_t>(four), static_cast<uint32_t>(four >> 32),
                                      static_cast<uint32_t>(e.stream), static_cast<uint32_t>(e.stream >> 32)}});
      }
      value = SquinchStochastic(e, v[i], e.tables.inverses[q], e.tables.maxima[q], random.word[i % 4]);
    } else {
      value.code = SquinchNearest(e, std::fabs(v[i]) * e.tables.inverses[q]);
    }
    const uint32_t has_sign = e.tables.signed_zero | (value.code != 0);
    signs |= (value.negative & has_sign) << i;
    codes |= value.code << (4 * i);
    zeros += v[i] == 0;
  }
  SquinchStore(q, signs, codes, out);
  return zeros;
}

// Value i of a block, before gain and scale. maxima[0] is taken as 0.
inline float SquinchDecodeValue(const float* levels, const float* maxima, const uint8_t* block, int i) {
  if (block[0] == 0) return 0;
  const uint32_t sign = (static_cast<uint32_t>(block[1]) >> i & 1u) << 31;
  const float level = levels[(block[2 + i / 2] >> (i % 2 * 4)) & 15];
  return SquinchFloat(SquinchBits(level) | sign) * maxima[block[0]];
}

}  // namespace cai
