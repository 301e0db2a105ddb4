#include "squinch/squinch_tables.h"

#include <cmath>
#include <cstring>
#include <initializer_list>
#include <utility>

namespace cai {
namespace {

constexpr int kBounds = kSquinchScales - 1;

uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

bool Growing(const float* values, int count, float least) {
  for (int i = 0; i < count; ++i) {
    if (!(values[i] >= least) || !std::isfinite(values[i]) || (i > 0 && values[i] <= values[i - 1])) return false;
  }
  return true;
}

void FillBounds(const SquinchTables& tables, bool stochastic, uint32_t* bounds) {
  for (int q = 0; q < kBounds; ++q) {
    // For floats that are not negative, m > b is bits(m) >= bits(b) + 1.
    bounds[q] = stochastic ? BitsOf(tables.levels[kSquinchCodes - 1] * tables.maxima[q]) + 1 : BitsOf(tables.maxima[q]);
  }
  if (stochastic) bounds[0] = 1;
}

}  // namespace

bool SquinchScaleIndex::Fill(const uint32_t* bounds) {
  const uint32_t lowest = bounds[0] >> kShift, low = lowest > 0 ? lowest - 1 : 0, high = bounds[kBounds - 1] >> kShift;
  first = low << kShift;
  last = (high << kShift) + ((1u << kShift) - 1);
  uint32_t q = 0;
  for (uint32_t bucket = low; bucket <= high; ++bucket) {
    if (q < kBounds && bounds[q] >> kShift == bucket) {
      add[bucket] = ((q + 1) << kShift) - bounds[q];
      ++q;
      if (q < kBounds && bounds[q] >> kShift == bucket) return false;
    } else {
      add[bucket] = (q << kShift) - (bucket << kShift);
    }
  }
  return true;
}

bool SquinchCodeIndex::Fill(const float* thresholds) {
  // Outside [least, most] codes are 0 and 15 all the same; within it no bucket spans the sixteen octaves that would make a
  // code overflow.
  least = std::ldexp(1.0f, -8);
  most = 255.0f;
  if (!(thresholds[0] > least && thresholds[kSquinchCodes - 2] < most)) return false;
  // Four buckets an octave from 2 on part thresholds that grow like a power; buckets of eight part evenly spaced ones.
  for (const auto& [buckets_offset, shift] : {std::pair{2.5f, 21}, std::pair{256.0f, 18}}) {
    offset = buckets_offset;
    bucket_shift = shift;
    if (FillBuckets(thresholds)) return true;
  }
  return false;
}

bool SquinchCodeIndex::FillBuckets(const float* thresholds) {
  constexpr int kLast = kSquinchCodes - 1;
  uint32_t code = 0;
  // Where the power of two below the offset lies.
  const uint32_t first = (BitsOf(offset) & 0x7F800000u) >> bucket_shift;
  for (uint32_t bucket = first; bucket < first + kBuckets; ++bucket) {
    const auto next_is_here = [&] {
      return code < kLast && BitsOf(thresholds[code] + offset) >> bucket_shift == bucket;
    };
    uint32_t& slot = add[bucket % kBuckets];
    if (next_is_here()) {
      slot = ((code + 1) << kCodeShift) - BitsOf(thresholds[code]);
      ++code;
      if (next_is_here()) return false;
    } else {
      // Half an octave below the bucket's first t: rounding of t + offset lets a little less than that in.
      const float start = std::fmax(FloatOf(bucket << bucket_shift) - offset, least);
      slot = (code << kCodeShift) - BitsOf(start) + (1u << 22);
    }
  }
  return true;
}

bool SquinchTablesValid(const SquinchTables& tables) {
  constexpr float kLeastMaximum = 1e-30f;
  if (!Growing(tables.maxima, kSquinchScales, kLeastMaximum)) return false;
  if (!Growing(tables.thresholds, kSquinchCodes - 1, 1e-30f) || !Growing(tables.levels, kSquinchCodes, 0)) return false;
  for (int q = 0; q < kSquinchScales; ++q) {
    if (!(tables.inverses[q] > 0) || !std::isfinite(tables.inverses[q])) return false;
  }
  uint32_t bounds[kBounds];
  SquinchScaleIndex index;
  for (bool stochastic : {false, true}) {
    FillBounds(tables, stochastic, bounds);
    if (!index.Fill(bounds)) return false;
  }
  return true;
}

SquinchEncoder::SquinchEncoder(const SquinchEncodeArgs& args)
    : tables(args.tables), stochastic(args.stochastic), seed(args.seed), stream(args.stream) {
  uint32_t bounds[kBounds];
  FillBounds(tables, stochastic, bounds);
  scales.Fill(bounds);
  has_codes = codes.Fill(tables.thresholds);
}

}  // namespace cai
