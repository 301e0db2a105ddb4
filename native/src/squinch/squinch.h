// Squinch: eight gradient values in 48 bits. A block is q_max, eight sign bits (bit i for value i) and eight 4-bit codes
// (value 2k in the low nibble of byte 2 + k); the last block is padded with zeros. Source: Character.ai's published
// description for block scale and widths; codebooks, bit patterns and roundings are ours (packages/squinch/FORMAT.md).
//
// Encoding v = x, or x + residual; m = max |v| of a block, D[k] = levels[k] · maxima[q_max].
//   nearest     q_max = the number of maxima[0..254] that are <= m; t = |v| · inverses[q_max], code = the number of
//               thresholds that are <= t.
//   stochastic  q_max = 0 where m = 0, otherwise the least from 1 on with m <= D[15], or 255. For D[k] <= |v| < D[k + 1] the
//               code is k + 1 where u · (D[k + 1] − D[k]) < (|v| − D[k]) · 2³², otherwise k. Below D[0] the code is 0 and the
//               sign positive where u · (2 · D[0]) < (v + D[0]) · 2³². In double precision; u = word i mod 4 of Philox block
//               i div 4 for value i.
//   The sign bit is v < 0, and 0 for code 0 unless signed_zero, and for padding. A block of q_max = 0 is six zero bytes.
// Decoding: ±levels[code] · maxima[q_max] (+0 where q_max = 0), · gain, · scale, and out + that.
// Every operation is one IEEE 754 operation, float32 unless said otherwise, none fused; blocks are independent: the same
// bytes and bits for any number of threads and on any processor.
#pragma once

#include <cstdint>

namespace cai {

constexpr int64_t kSquinchBlock = 8;
constexpr int64_t kSquinchBlockBytes = 6;
constexpr int kSquinchScales = 256;
constexpr int kSquinchCodes = 16;
// The sums for the gain are taken over stretches of this many values, which are added in order.
constexpr int64_t kSquinchStretch = 8192;

struct SquinchTables {
  const float* maxima;      // [256], growing by a factor of at least 9/8
  const float* inverses;    // [256], positive
  const float* thresholds;  // [15], growing, positive
  const float* levels;      // [16], growing, not negative
  bool signed_zero;
};
// Whether the tables are as stated above.
bool SquinchTablesValid(const SquinchTables& tables);

struct SquinchEncodeArgs {
  const float* x;          // [n], or null
  const uint16_t* x_bf16;  // [n], bfloat16 bit patterns, where x is null
  const float* residual;   // [n] or null
  float* residual_out;     // [n] or null: v − decoded, or v where gain is set. May be x or residual
  uint8_t* out;            // [6 · ceil(n / 8)]
  int64_t n;
  SquinchTables tables;
  bool stochastic;
  uint64_t seed, stream;   // Philox key and upper half of its counter
  bool saturate;           // NaN becomes 0 and infinity ±levels[15] · maxima[255]; otherwise they end the work
  bool gain;               // whether to take the sums
};

struct SquinchCounts {
  int64_t non_finite;        // values v that are NaN or infinite
  int64_t first_non_finite;  // the first one's index, or −1. Unless saturating, out is then undefined, residual_out untouched
  int64_t zeros;             // zeros in blocks with q_max > 0, NaN that became 0 included and padding not
  // Σ v · decoded and Σ decoded², where asked for. In double precision: in each stretch one sum for each place in a block,
  // then ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7)).
  double dot, square;
};
SquinchCounts SquinchEncodeCpu(const SquinchEncodeArgs& args);

struct SquinchDecodeArgs {
  const uint8_t* bytes;  // [6 · ceil(n / 8)]
  float* out;            // [n]
  int64_t n;
  SquinchTables tables;
  float gain, scale;
  bool accumulate;
};
void SquinchDecodeCpu(const SquinchDecodeArgs& args);

}  // namespace cai
