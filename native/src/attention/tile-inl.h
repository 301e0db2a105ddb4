// Vector building blocks of attention: register-blocked products, packing, 2^x, row masks. Included once per target.
#if defined(CAI_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_ATTENTION_TILE_INL_H_
#undef CAI_ATTENTION_TILE_INL_H_
#else
#define CAI_ATTENTION_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

#include "attention/mask_plan.h"
#include "core/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using DF = hn::ScalableTag<float>;
using DI = hn::ScalableTag<int32_t>;
using VF = hn::Vec<DF>;
// Logits are kept in powers of two: q is packed times scale · log2(e), or times scale / softcap where tanh comes between.
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2 = 0.693147181f;

constexpr int kLanes = static_cast<int>(hn::MaxLanes(DF()));

// Rows and vectors of the accumulator block. 6 x 4 takes 24 of 32 registers, 6 x 2 takes 12 of 16.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON
constexpr int kBlockRows = 6, kBlockVectors = 4;
#elif HWY_TARGET == HWY_AVX2
constexpr int kBlockRows = 6, kBlockVectors = 2;
#else
constexpr int kBlockRows = 4, kBlockVectors = 2;
#endif

// Element (r, k) of the left operand is data[r · row + k · step].
struct LeftOperand {
  const float* data;
  int64_t row, step;
};

// The empty asm statements hide that a row's address is needed again when it is stored: the compiler would otherwise
// compute all addresses in advance and spill them, a cost of several percent at the short depths here.
template <int kRows, int kVectors>
void ProductBlock(int64_t depth, LeftOperand a, const float* HWY_RESTRICT b, int64_t b_stride, float* HWY_RESTRICT c,
                  int64_t c_stride, bool accumulate) {
  const DF d;
  VF sum[kRows][kVectors];
  if (accumulate) {
    const float* from = c;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r, from += c_stride) {
      asm volatile("" : "+r"(from));
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::LoadU(d, from + v * kLanes);
    }
  } else {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::Zero(d);
    }
  }
  const float* left[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) left[r] = a.data + r * a.row;
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k, b += b_stride) {
    VF right[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) right[v] = hn::LoadU(d, b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const VF value = hn::Set(d, left[r][k * a.step]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = hn::MulAdd(value, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r, c += c_stride) {
    asm volatile("" : "+r"(c));
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[r][v], d, c + v * kLanes);
  }
}

using ProductFunction = void (*)(int64_t, LeftOperand, const float*, int64_t, float*, int64_t, bool);

template <int... kIndex>
ProductFunction PickProduct(int64_t rows, int64_t vectors, std::integer_sequence<int, kIndex...>) {
  static constexpr ProductFunction table[] = {
      ProductBlock<kIndex / kBlockVectors + 1, kIndex % kBlockVectors + 1>...};
  return table[(rows - 1) * kBlockVectors + vectors - 1];
}

// c[rows, columns] = a[rows, depth] · b[depth, columns], or added to c. columns is a multiple of kKeyRun.
inline void Product(int64_t rows, int64_t columns, int64_t depth, LeftOperand a, const float* b, int64_t b_stride,
                    float* c, int64_t c_stride, bool accumulate) {
  const int64_t vectors = columns / kLanes;
  const int64_t chunks = (vectors + kBlockVectors - 1) / kBlockVectors;
  for (int64_t chunk = 0; chunk < chunks; ++chunk) {
    const int64_t begin = vectors * chunk / chunks, end = vectors * (chunk + 1) / chunks;
    for (int64_t r = 0; r < rows; r += kBlockRows) {
      const auto block = PickProduct(std::min<int64_t>(kBlockRows, rows - r), end - begin,
                                     std::make_integer_sequence<int, kBlockRows * kBlockVectors>());
      block(depth, {a.data + r * a.row, a.row, a.step}, b + begin * kLanes, b_stride,
            c + r * c_stride + begin * kLanes, c_stride, accumulate);
    }
  }
}

// y += factor · x over n values, n a multiple of kKeyRun.
inline void AddScaled(int64_t n, float factor, const float* x, float* y) {
  const DF d;
  for (int64_t i = 0; i < n; i += kLanes) {
    hn::StoreU(hn::MulAdd(hn::Set(d, factor), hn::LoadU(d, x + i), hn::LoadU(d, y + i)), d, y + i);
  }
}

// y = factor · x for a row of an output, which need not be padded.
inline void StoreScaled(int64_t n, float factor, const float* x, float* y) {
  const DF d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::Mul(hn::Set(d, factor), hn::LoadU(d, x + i)), d, y + i);
  for (; i < n; ++i) y[i] = factor * x[i];
}

inline float Dot(int64_t n, const float* x, const float* y) {
  const DF d;
  VF sum = hn::Zero(d);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) sum = hn::MulAdd(hn::LoadU(d, x + i), hn::LoadU(d, y + i), sum);
  float tail = 0.0f;
  for (; i < n; ++i) tail += x[i] * y[i];
  return hn::GetLane(hn::SumOfLanes(d, sum)) + tail;
}

// Asks for a row of memory ahead of its use. Rows of one head lie far apart, which the processor doesn't foresee.
inline void PrefetchRow(const float* row, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(row + i, 0);
}
inline void PrefetchRowForWriting(const float* row, int64_t n) {
  for (int64_t i = 0; i < n; i += 16) __builtin_prefetch(row + i, 1);
}
constexpr int64_t kPrefetchRows = 8;

// Copies one row times `scale` and fills it up with zeros to `padded`. False when a value is not finite.
inline bool PackRow(const float* from, int64_t n, int64_t padded, float scale, float* to) {
  const DF d;
  const VF factor = hn::Set(d, scale);
  const VF zero = hn::Zero(d);
  VF check = zero;  // becomes NaN with the first value that is not finite
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VF value = hn::Mul(hn::LoadU(d, from + i), factor);
    check = hn::MulAdd(value, zero, check);
    hn::StoreU(value, d, to + i);
  }
  float tail_check = hn::GetLane(hn::SumOfLanes(d, check));
  for (; i < n; ++i) {
    to[i] = from[i] * scale;
    tail_check += to[i] * 0.0f;
  }
  std::fill(to + n, to + padded, 0.0f);
  return tail_check == 0.0f;
}

// Packs a tile of `count` rows, zeros up to kKeyTile rows. False when a value is not finite.
inline bool PackRows(const float* from, int64_t stride, int64_t count, int64_t n, int64_t padded, float* to) {
  bool finite = true;
  for (int64_t j = 0; j < count; ++j) {
    PrefetchRow(from + (j + kPrefetchRows) * stride, n);
    finite = PackRow(from + j * stride, n, padded, 1.0f, to + j * padded) && finite;
  }
  std::fill(to + count * padded, to + kKeyTile * padded, 0.0f);
  return finite;
}

#if HWY_TARGET != HWY_SCALAR
// Block l of 4 lanes is read from `from` + l · 4 · stride: rows 0, 4, 8, 12 for sixteen lanes.
inline VF LoadEveryFourth(const float* from, int64_t stride) {
  const hn::CappedTag<float, 4> d4;
#if HWY_MAX_BYTES >= 64 && HWY_TARGET == HWY_AVX3
  const hn::CappedTag<float, 8> d8;
  const auto low = hn::Combine(d8, hn::LoadU(d4, from + 4 * stride), hn::LoadU(d4, from));
  const auto high = hn::Combine(d8, hn::LoadU(d4, from + 12 * stride), hn::LoadU(d4, from + 8 * stride));
  return hn::Combine(DF(), high, low);
#elif HWY_TARGET == HWY_AVX2
  return hn::Combine(DF(), hn::LoadU(d4, from + 4 * stride), hn::LoadU(d4, from));
#else
  return hn::LoadU(d4, from);
#endif
}

// to[i][l] = from[l][i] for i < n, rounded down to a multiple of 4, which is returned, and kLanes keys l.
inline int64_t TransposeLanes(const float* from, int64_t stride, int64_t n, float* to) {
  const DF d;
  const hn::RepartitionToWide<DF> d64;
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const VF r0 = LoadEveryFourth(from + i, stride);
    const VF r1 = LoadEveryFourth(from + stride + i, stride);
    const VF r2 = LoadEveryFourth(from + 2 * stride + i, stride);
    const VF r3 = LoadEveryFourth(from + 3 * stride + i, stride);
    const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, r0, r1));
    const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, r2, r3));
    const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, r0, r1));
    const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, r2, r3));
    float* out = to + i * kKeyTile;
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, out);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, out + kKeyTile);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, out + 2 * kKeyTile);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, out + 3 * kKeyTile);
  }
  return i;
}
#else
inline int64_t TransposeLanes(const float*, int64_t, int64_t, float*) { return 0; }
#endif

// to[i][j] = from[j][i] for i < n and a tile of `count` keys j, zeros up to kKeyTile columns.
inline void PackTransposed(const float* from, int64_t stride, int64_t count, int64_t n, float* to) {
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    const float* rows = from + j * stride;
    for (int64_t ahead = kLanes; ahead < 2 * kLanes; ++ahead) PrefetchRow(rows + ahead * stride, n);
    for (int64_t i = TransposeLanes(rows, stride, n, to + j); i < n; ++i) {
      for (int l = 0; l < kLanes; ++l) to[i * kKeyTile + j + l] = rows[l * stride + i];
    }
  }
  for (; j < count; ++j) {
    for (int64_t i = 0; i < n; ++i) to[i * kKeyTile + j] = from[j * stride + i];
  }
  if (count == kKeyTile) return;
  for (int64_t i = 0; i < n; ++i) std::fill(to + i * kKeyTile + count, to + (i + 1) * kKeyTile, 0.0f);
}

// 2^x for x < 128, within 1.5e-7 relative; 0 below -126, also for -infinity; NaN stays NaN.
HWY_INLINE VF Exp2(VF x) {
  const DF d;
  const DI di;
  // Adding 1.5 · 2^23 rounds to an integer and leaves it, plus the exponent bias, in the low bits.
  const VF magic = hn::Set(d, 12582912.0f + 127.0f);
  const VF biased = hn::Add(x, magic);
  const VF f = hn::Sub(x, hn::Sub(biased, magic));
  VF p = hn::Set(d, 0x1.5bba14p-10f);
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.3cea88p-7f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.c6b752p-5f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.ebf9bcp-3f));
  p = hn::MulAdd(p, f, hn::Set(d, 0x1.62e42ap-1f));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0f));
  const VF power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, biased)));
  // A product, because adding to the exponent bits could turn a NaN into a number.
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -126.0f)), hn::Mul(p, power));
}

inline float Exp2(float x) { return hn::GetLane(Exp2(hn::Set(DF(), x))); }

// Whether one query sees each of kLanes keys.
struct RowMask {
  const KeyArrays& keys;
  hn::Vec<DI> index, position, window;
  bool windowed;

  RowMask(const KeyArrays& key_arrays, int32_t query_index, int32_t query_position, int32_t window_size)
      : keys(key_arrays),
        index(hn::Set(DI(), query_index)),
        position(hn::Set(DI(), query_position)),
        window(hn::Set(DI(), window_size)),
        windowed(window_size > 0) {}

  HWY_INLINE hn::Mask<DF> At(int64_t j) const {
    const DI di;
    auto seen = hn::AndNot(hn::Gt(hn::LoadU(di, keys.start + j), index), hn::Lt(index, hn::LoadU(di, keys.limit + j)));
    if (windowed) {
      // Positions are not negative, so the difference can't overflow.
      const auto distance = hn::Sub(position, hn::LoadU(di, keys.position + j));
      seen = hn::And(seen, hn::AndNot(hn::Lt(distance, hn::Zero(di)), hn::Lt(distance, window)));
    }
    return hn::RebindMask(DF(), seen);
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();
#endif
