// The innermost product: a tile of out held in registers, a packed panel of a broadcast against a packed panel of b.
#if defined(CAI_MATMUL_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_MATMUL_TILE_INL_H_
#undef CAI_MATMUL_TILE_INL_H_
#else
#define CAI_MATMUL_TILE_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <cstdint>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace matmul {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// A tile is kTileRows by kTileVectors: as many sums as the registers hold beside kTileVectors of b and a broadcast of a.
#if HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 14;
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;
constexpr int kTileVectors = 2;
#elif HWY_TARGET == HWY_SCALAR
constexpr int kTileRows = 2;
constexpr int kTileVectors = 4;
#else
constexpr int kTileRows = 8;
constexpr int kTileVectors = 3;
#endif
constexpr int64_t kLanes = static_cast<int64_t>(hn::MaxLanes(D()));
constexpr int64_t kTileColumns = kTileVectors * kLanes;

// The longest run of k in one pass over a tile.
constexpr int64_t kMaxDepth = 256;

// How a panel of a is packed: row after row with a fixed stride, or k after k.
enum class PanelOrder { kRows, kDepth };

template <PanelOrder order>
HWY_INLINE const float* PanelElement(const float* panel, int row, int64_t k) {
  return order == PanelOrder::kRows ? panel + row * kMaxDepth + k : panel + k * kTileRows + row;
}

// The tile's sums over `depth`: alpha · a · b, added to what `out` holds when `add` is set.
template <int kRows, PanelOrder order>
void Tile(int64_t depth, const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, float alpha, bool add,
          float* HWY_RESTRICT out, int64_t out_stride) {
  const D d;
  // Not unrolled: addresses kept for the stores would take registers from the sums.
#pragma GCC unroll 1
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kTileVectors; ++j) hwy::Prefetch(out + i * out_stride + j * kLanes);
  }
  V sum[kRows][kTileVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kTileVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  for (int64_t k = 0; k < depth; ++k) {
    V right[kTileVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kTileVectors; ++j) {
      right[j] = hn::Load(d, b + k * kTileColumns + j * kLanes);
      if (kLanes >= 8) hwy::Prefetch(b + (k + 16) * kTileColumns + j * kLanes);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const V left = hn::Set(d, *PanelElement<order>(a, i, k));
#pragma GCC unroll 4
      for (int j = 0; j < kTileVectors; ++j) sum[i][j] = hn::MulAdd(left, right[j], sum[i][j]);
    }
  }
  const V factor = hn::Set(d, alpha);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int j = 0; j < kTileVectors; ++j) {
      float* to = out + i * out_stride + j * kLanes;
      const V product = hn::Mul(sum[i][j], factor);
      hn::StoreU(add ? hn::Add(product, hn::LoadU(d, to)) : product, d, to);
    }
  }
}

using TileFunction = void (*)(int64_t depth, const float* a, const float* b, float alpha, bool add, float* out,
                              int64_t out_stride);

template <PanelOrder order, int... kRows>
constexpr TileFunction TileAt(int rows, std::integer_sequence<int, kRows...>) {
  constexpr TileFunction table[] = {Tile<kRows + 1, order>...};
  return table[rows - 1];
}

// The tile kernel for 1 <= rows <= kTileRows.
inline TileFunction TileFor(PanelOrder order, int64_t rows) {
  using Sizes = std::make_integer_sequence<int, kTileRows>;
  return order == PanelOrder::kRows ? TileAt<PanelOrder::kRows>(static_cast<int>(rows), Sizes())
                                    : TileAt<PanelOrder::kDepth>(static_cast<int>(rows), Sizes());
}

}  // namespace HWY_NAMESPACE
}  // namespace matmul
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
