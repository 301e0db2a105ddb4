// The caller's tables in the form that kernels search.
#pragma once

#include <cstdint>
#include <cstring>

#include "squinch/squinch.h"

namespace cai {

// From the bits of a block's maximum to its q_max. A bucket holds 2²⁰ neighbouring bit patterns, an eighth of an octave, and
// so at most one bound: q_max = (bits + add[bucket]) >> 20, which carries exactly at the bound.
struct SquinchScaleIndex {
  static constexpr int kShift = 20;
  uint32_t first, last;  // bits are brought into [first, last]
  uint32_t add[1 << (32 - kShift)];

  // `bounds` [255], growing: q_max is the number of those <= bits. False where two share a bucket.
  bool Fill(const uint32_t* bounds);
  uint32_t Of(uint32_t bits) const {
    const uint32_t inside = bits < first ? first : bits > last ? last : bits;
    return (inside + add[inside >> kShift]) >> kShift;
  }
};

// From t to its code likewise, buckets by the upper bits of t + offset: code = (bits of t + add[bucket]) >> 27.
struct SquinchCodeIndex {
  static constexpr int kCodeShift = 27, kBuckets = 32;
  float offset;
  int bucket_shift;
  float least, most;  // t is brought into [least, most]
  uint32_t add[kBuckets];

  // False where two thresholds share a bucket, however buckets are laid: then a kernel searches.
  bool Fill(const float* thresholds);
  uint32_t Of(float t) const {
    const float least_or_more = t < least ? least : t, inside = least_or_more > most ? most : least_or_more;
    const float shifted = inside + offset;
    uint32_t bits, bucket;
    std::memcpy(&bits, &inside, sizeof bits);
    std::memcpy(&bucket, &shifted, sizeof bucket);
    return (bits + add[(bucket >> bucket_shift) % kBuckets]) >> kCodeShift;
  }

 private:
  bool FillBuckets(const float* thresholds);
};

struct SquinchEncoder {
  SquinchScaleIndex scales;
  SquinchCodeIndex codes;
  bool has_codes;
  SquinchTables tables;
  bool stochastic;
  uint64_t seed, stream;

  explicit SquinchEncoder(const SquinchEncodeArgs& args);
};

}  // namespace cai
