// Products with few rows, as in generating token by token: every element of b is used a handful of times, so it is read
// straight from memory, once and in order, and packing would only add traffic.
#if defined(CAI_MATMUL_SKINNY_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_MATMUL_SKINNY_INL_H_
#undef CAI_MATMUL_SKINNY_INL_H_
#else
#define CAI_MATMUL_SKINNY_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "matmul/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace matmul {
namespace HWY_NAMESPACE {

// Rows of a handled together, by the registers there are.
#if HWY_TARGET == HWY_AVX3
constexpr int kSkinnyGroup = 4;
#else
constexpr int kSkinnyGroup = 2;
#endif
// Rows of b read side by side: enough streams to keep the memory busy, and with b as it is stored, the more of them the
// fewer passes over the sums.
constexpr int kStreams = 4;
constexpr int kStoredStreams = 8;

// sums[i, j] = Σ_k a[i, k] b[j, k] for kRows rows of a and kColumns of b.
template <int kRows, int kColumns>
void DotRows(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, float* sums,
             int64_t sums_stride) {
  const D d;
  V sum[kRows][kColumns];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) sum[i][j] = hn::Zero(d);
  }
  const auto add = [&](auto load, int64_t k) {
    V right[kColumns];
    for (int j = 0; j < kColumns; ++j) right[j] = load(b + j * b_stride + k);
    for (int i = 0; i < kRows; ++i) {
      const V left = load(a + i * a_stride + k);
      for (int j = 0; j < kColumns; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
    }
  };
  int64_t k = 0;
  for (; k + kLanes <= depth; k += kLanes) add([d](const float* from) { return hn::LoadU(d, from); }, k);
  if (k < depth) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(depth - k));
    add([d, mask](const float* from) { return hn::MaskedLoad(mask, d, from); }, k);
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kColumns; ++j) sums[i * sums_stride + j] = hn::GetLane(hn::SumOfLanes(d, sum[i][j]));
  }
}

// The same for any number of rows of a.
template <int kColumns>
void DotAllRows(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride, int64_t depth,
                float* sums, int64_t sums_stride) {
  int64_t i = 0;
  for (; i + kSkinnyGroup <= rows; i += kSkinnyGroup) {
    DotRows<kSkinnyGroup, kColumns>(a + i * a_stride, a_stride, b, b_stride, depth, sums + i * sums_stride, sums_stride);
  }
  for (; i < rows; ++i) {
    DotRows<1, kColumns>(a + i * a_stride, a_stride, b, b_stride, depth, sums + i * sums_stride, sums_stride);
  }
}

// sums = a bᵀ, b stored [columns, depth].
inline void SkinnyTransposed(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride,
                             int64_t depth, int64_t columns, float* sums, int64_t sums_stride) {
  int64_t j = 0;
  for (; j + kStreams <= columns; j += kStreams) {
    DotAllRows<kStreams>(a, a_stride, rows, b + j * b_stride, b_stride, depth, sums + j, sums_stride);
  }
  for (; j < columns; ++j) DotAllRows<1>(a, a_stride, rows, b + j * b_stride, b_stride, depth, sums + j, sums_stride);
}

// sums[i, 0..kLanes) += Σ of kDepth rows of b, each times its element of row i of a. Those of b are loaded once for all rows.
template <int kDepth, class Load, class Store>
HWY_INLINE void AddScaledRows(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride, float* sums,
                              int64_t sums_stride, Load load, Store store) {
  const D d;
  V right[kDepth];
  for (int k = 0; k < kDepth; ++k) {
    right[k] = load(b + k * b_stride);
    hwy::Prefetch(b + (kDepth + k) * b_stride);
  }
  for (int64_t i = 0; i < rows; ++i) {
    V sum = load(sums + i * sums_stride);
    for (int k = 0; k < kDepth; ++k) sum = hn::MulAdd(hn::Set(d, a[i * a_stride + k]), right[k], sum);
    store(sum, sums + i * sums_stride);
  }
}

template <int kDepth>
void AddRowsOfB(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride, int64_t columns,
                float* sums, int64_t sums_stride) {
  const D d;
  int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) {
    AddScaledRows<kDepth>(
        a, a_stride, rows, b + j, b_stride, sums + j, sums_stride, [d](const float* p) { return hn::LoadU(d, p); },
        [d](V value, float* p) { hn::StoreU(value, d, p); });
  }
  if (j == columns) return;
  const auto mask = hn::FirstN(d, static_cast<size_t>(columns - j));
  AddScaledRows<kDepth>(
      a, a_stride, rows, b + j, b_stride, sums + j, sums_stride,
      [d, mask](const float* p) { return hn::MaskedLoad(mask, d, p); },
      [d, mask](V value, float* p) { hn::BlendedStore(value, mask, d, p); });
}

// sums = a b, b stored [depth, columns].
inline void Skinny(const float* a, int64_t a_stride, int64_t rows, const float* b, int64_t b_stride, int64_t depth,
                   int64_t columns, float* sums, int64_t sums_stride) {
  for (int64_t i = 0; i < rows; ++i) std::fill_n(sums + i * sums_stride, columns, 0.0f);
  int64_t k = 0;
  for (; k + kStoredStreams <= depth; k += kStoredStreams) {
    AddRowsOfB<kStoredStreams>(a + k, a_stride, rows, b + k * b_stride, b_stride, columns, sums, sums_stride);
  }
  for (; k < depth; ++k) AddRowsOfB<1>(a + k, a_stride, rows, b + k * b_stride, b_stride, columns, sums, sums_stride);
}

}  // namespace HWY_NAMESPACE
}  // namespace matmul
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
