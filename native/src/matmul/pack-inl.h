// Packing: the operands' blocks copied into the order in which the tile kernel reads them.
#if defined(CAI_MATMUL_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_MATMUL_PACK_INL_H_
#undef CAI_MATMUL_PACK_INL_H_
#else
#define CAI_MATMUL_PACK_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "matmul/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace matmul {
namespace HWY_NAMESPACE {

// Copies n floats; the last vector is masked on both sides.
HWY_INLINE void CopyRow(const float* from, int64_t n, float* to) {
  const D d;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  if (i < n) {
    const auto mask = hn::FirstN(d, static_cast<size_t>(n - i));
    hn::BlendedStore(hn::MaskedLoad(mask, d, from + i), mask, d, to + i);
  }
}

// Rows of a [rows, depth], as PanelOrder::kRows.
inline void PackRows(const float* a, int64_t stride, int64_t rows, int64_t depth, float* panel) {
  for (int64_t i = 0; i < rows; ++i) CopyRow(a + i * stride, depth, panel + i * kMaxDepth);
}

// `rows` columns of a stored [depth, rows], as panels in PanelOrder::kDepth one after the other.
inline void PackColumns(const float* a, int64_t stride, int64_t rows, int64_t depth, float* panels) {
  const D d;
  constexpr int64_t kVectors = (kTileRows + kLanes - 1) / kLanes;
  for (int64_t k = 0; k < depth; ++k) {
    const float* from = a + k * stride;
    for (int64_t i = 0; i < rows; i += kTileRows) {
      float* to = panels + i * kMaxDepth + k * kTileRows;
      const int64_t count = std::min<int64_t>(kTileRows, rows - i);
      // Whole vectors are stored: what spills past this k is overwritten by the next one, which follows. The last k must
      // not spill: the next panel, which may begin right there, is packed already.
      for (int64_t v = 0; v < kVectors; ++v) {
        const int64_t left = count - v * kLanes;
        // With one lane, Highway's masked load reads before it masks.
        const auto value = left <= 0 ? hn::Zero(d)
                                     : hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(left)), d, from + i + v * kLanes);
        const int64_t room = kTileRows - v * kLanes;
        if (k + 1 < depth || room >= kLanes) {
          hn::StoreU(value, d, to + v * kLanes);
        } else {
          hn::BlendedStore(value, hn::FirstN(d, static_cast<size_t>(room)), d, to + v * kLanes);
        }
      }
    }
  }
}

// b stored [depth, columns]: panels of kTileColumns, each k after k, the last one filled up with zeros.
inline void PackB(const float* b, int64_t stride, int64_t depth, int64_t columns, float* panels) {
  const D d;
  constexpr int64_t kGroup = 8 * kTileColumns;  // long enough a run in memory for the prefetcher
  for (int64_t group = 0; group < columns; group += kGroup) {
    const int64_t end = std::min(group + kGroup, columns);
    for (int64_t k = 0; k < depth; ++k) {
      const float* from = b + k * stride;
      for (int64_t j = group; j < end; j += kLanes) {
        float* to = panels + j / kTileColumns * kTileColumns * depth + k * kTileColumns + j % kTileColumns;
        if (j + kLanes <= columns) {
          hn::Store(hn::LoadU(d, from + j), d, to);
        } else {
          hn::Store(hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(columns - j)), d, from + j), d, to);
        }
      }
    }
  }
  for (int64_t j = (columns + kLanes - 1) / kLanes * kLanes; j % kTileColumns != 0; j += kLanes) {
    float* to = panels + j / kTileColumns * kTileColumns * depth + j % kTileColumns;
    for (int64_t k = 0; k < depth; ++k) hn::Store(hn::Zero(d), d, to + k * kTileColumns);
  }
}

#if HWY_TARGET != HWY_SCALAR

// Four floats from each of kLanes / 4 rows that lie 4 strides apart, one row a 128-bit block.
template <class DV>
HWY_INLINE hn::Vec<DV> LoadBlocks(DV d, const float* from, int64_t stride) {
  if constexpr (hn::MaxLanes(DV()) <= 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<DV> half;
    constexpr int64_t kHalfRows = static_cast<int64_t>(hn::MaxLanes(DV())) / 2;
    return hn::Combine(d, LoadBlocks(half, from + kHalfRows * stride, stride), LoadBlocks(half, from, stride));
  }
}

// kLanes rows of b by 4 of k, transposed.
HWY_INLINE void TransposeBlock(const float* from, int64_t stride, float* to) {
  const D d;
  const hn::Repartition<double, D> d64;
  const V row0 = LoadBlocks(d, from, stride);
  const V row1 = LoadBlocks(d, from + stride, stride);
  const V row2 = LoadBlocks(d, from + 2 * stride, stride);
  const V row3 = LoadBlocks(d, from + 3 * stride, stride);
  const auto low01 = hn::BitCast(d64, hn::InterleaveLower(d, row0, row1));
  const auto low23 = hn::BitCast(d64, hn::InterleaveLower(d, row2, row3));
  const auto high01 = hn::BitCast(d64, hn::InterleaveUpper(d, row0, row1));
  const auto high23 = hn::BitCast(d64, hn::InterleaveUpper(d, row2, row3));
  hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, low01, low23)), d, to);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, low01, low23)), d, to + kTileColumns);
  hn::Store(hn::BitCast(d, hn::InterleaveLower(d64, high01, high23)), d, to + 2 * kTileColumns);
  hn::Store(hn::BitCast(d, hn::InterleaveUpper(d64, high01, high23)), d, to + 3 * kTileColumns);
}

#endif

// b stored [columns, depth], into the same panels.
inline void PackTransposedB(const float* b, int64_t stride, int64_t depth, int64_t columns, float* panels) {
  const int64_t padded = (columns + kTileColumns - 1) / kTileColumns * kTileColumns;
  for (int64_t j = 0; j < padded; j += kLanes) {
    float* to = panels + j / kTileColumns * kTileColumns * depth + j % kTileColumns;
    const float* from = b + j * stride;
    int64_t k = 0;
#if HWY_TARGET != HWY_SCALAR
    if (j + kLanes <= columns) {
      for (; k + 4 <= depth; k += 4) TransposeBlock(from + k, stride, to + k * kTileColumns);
    }
#endif
    const int64_t present = std::clamp<int64_t>(columns - j, 0, kLanes);
    for (; k < depth; ++k) {
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        to[k * kTileColumns + lane] = lane < present ? from[lane * stride + k] : 0.0f;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace matmul
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
