#include "matmul/amx_kernel.h"

#if CAI_AMX

// GCC 12 takes the "undefined" operand in its own intrinsics for a mistake (bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <cstring>

// For this file alone, and behind HasAmx(): no template of the standard library is compiled under it.
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,amx-tile,amx-bf16")

namespace cai {
namespace matmul {
namespace {

constexpr int64_t kTileBytes = 1024;
constexpr int64_t kPartBytes = 2 * kTileBytes;

struct Constants {
  __m512i half, high;
};

// Rounds to bfloat16, half away from zero, kept in the upper half of the float.
inline __m512i Round(const Constants& c, __m512 x) {
  return _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), c.half), c.high);
}

inline void StorePair(__m512i low, __m512i high, uint8_t* to) {
  _mm512_store_si512(to, _mm512_or_si512(_mm512_srli_epi32(low, 16), high));
}

// The three parts of 16 pairs. Each remainder is exact: it has 16, then 8 significant bits left. `largest` collects twice
// the bits of the absolute values.
inline void SplitPairs(const Constants& c, __m512 low, __m512 high, uint8_t* to, __m512i* largest) {
  const __m512i low_bits = _mm512_castps_si512(low), high_bits = _mm512_castps_si512(high);
  *largest = _mm512_max_epu32(*largest, _mm512_max_epu32(_mm512_add_epi32(low_bits, low_bits),
                                                         _mm512_add_epi32(high_bits, high_bits)));
  const __m512i low0 = Round(c, low), high0 = Round(c, high);
  StorePair(low0, high0, to);
  const __m512 low_rest = _mm512_sub_ps(low, _mm512_castsi512_ps(low0));
  const __m512 high_rest = _mm512_sub_ps(high, _mm512_castsi512_ps(high0));
  const __m512i low1 = Round(c, low_rest), high1 = Round(c, high_rest);
  StorePair(low1, high1, to + kPartBytes);
  const __m512i low2 = _mm512_castps_si512(_mm512_sub_ps(low_rest, _mm512_castsi512_ps(low1)));
  const __m512i high2 = _mm512_castps_si512(_mm512_sub_ps(high_rest, _mm512_castsi512_ps(high1)));
  StorePair(low2, _mm512_and_si512(high2, c.high), to + 2 * kPartBytes);
}

// Four floats each of rows 0, 4, 8 and 12.
inline __m512 LoadBlocks(const float* from, int64_t stride) {
  __m512 v = _mm512_castps128_ps512(_mm_loadu_ps(from));
  v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 4 * stride), 1);
  v = _mm512_insertf32x4(v, _mm_loadu_ps(from + 8 * stride), 2);
  return _mm512_insertf32x4(v, _mm_loadu_ps(from + 12 * stride), 3);
}

// Columns 0 to 3 of 16 rows.
inline void LoadColumns(const float* from, int64_t stride, __m512 columns[4]) {
  const __m512 row0 = LoadBlocks(from, stride), row1 = LoadBlocks(from + stride, stride);
  const __m512 row2 = LoadBlocks(from + 2 * stride, stride), row3 = LoadBlocks(from + 3 * stride, stride);
  const __m512d low01 = _mm512_castps_pd(_mm512_unpacklo_ps(row0, row1));
  const __m512d low23 = _mm512_castps_pd(_mm512_unpacklo_ps(row2, row3));
  const __m512d high01 = _mm512_castps_pd(_mm512_unpackhi_ps(row0, row1));
  const __m512d high23 = _mm512_castps_pd(_mm512_unpackhi_ps(row2, row3));
  columns[0] = _mm512_castpd_ps(_mm512_unpacklo_pd(low01, low23));
  columns[1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low01, low23));
  columns[2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high01, high23));
  columns[3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high01, high23));
}

// One tile of each part from two blocks of 16 by 16, k and k + 16.
inline void PackTile(const Constants& c, const float* low, const float* high, int64_t stride, bool transpose, uint8_t* to,
                     __m512i* largest) {
  if (!transpose) {
    for (int64_t row = 0; row < 16; ++row) {
      SplitPairs(c, _mm512_loadu_ps(low + row * stride), _mm512_loadu_ps(high + row * stride), to + 64 * row, largest);
    }
    return;
  }
  for (int64_t column = 0; column < 16; column += 4) {
    __m512 lows[4], highs[4];
    LoadColumns(low + column, stride, lows);
    LoadColumns(high + column, stride, highs);
    for (int64_t i = 0; i < 4; ++i) SplitPairs(c, lows[i], highs[i], to + 64 * (column + i), largest);
  }
}

struct TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t column_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// In memory for good: to GCC 12 the intrinsic reads only the first eight bytes, so it would drop the stores of the others.
alignas(64) constexpr TileConfig kTileConfig;

// Apart from the constructor and the destructor, to which GCC 12 does not apply the pragma.
void ConfigureTiles() { _tile_loadconfig(&kTileConfig); }

void ReleaseTiles() { _tile_release(); }

}  // namespace

bool PackPanel(const PanelSource& source, uint8_t* panel) {
  const Constants c = {_mm512_set1_epi32(0x8000), _mm512_set1_epi32(static_cast<int>(0xffff0000u))};
  __m512i largest = _mm512_setzero_si512();
  const bool transpose = source.left == source.depth_in_rows;
  for (int64_t k = 0; k < source.depth; k += kAmxStep) {
    const int64_t depth = source.depth - k < kAmxStep ? source.depth - k : kAmxStep;
    for (int64_t half = 0; half < 2; ++half) {
      uint8_t* to = panel + k / kAmxStep * kAmxStepBytes + half * kTileBytes;
      const int64_t left = source.width - 16 * half;
      const int64_t width = left < 0 ? 0 : left < 16 ? left : 16;
      const float* from = source.data + (source.depth_in_rows ? k * source.stride + 16 * half : 16 * half * source.stride + k);
      if (width == 16 && depth == kAmxStep) {
        const float* high = from + (source.depth_in_rows ? 16 * source.stride : 16);
        PackTile(c, from, high, source.stride, transpose, to, &largest);
        continue;
      }
      alignas(64) float filled[16 * kAmxStep] = {};
      const int64_t rows = source.depth_in_rows ? depth : width, columns = source.depth_in_rows ? width : depth;
      const int64_t stride = source.depth_in_rows ? 16 : kAmxStep;
      for (int64_t row = 0; row < rows && columns > 0; ++row) {
        std::memcpy(filled + row * stride, from + row * source.stride, static_cast<size_t>(columns) * sizeof(float));
      }
      PackTile(c, filled, filled + (source.depth_in_rows ? 16 * stride : 16), stride, transpose, to, &largest);
    }
  }
  return _mm512_cmpge_epu32_mask(largest, _mm512_set1_epi32(static_cast<int>(2 * kAmxTooLarge))) == 0;
}

TileSession::TileSession() { ConfigureTiles(); }

TileSession::~TileSession() { ReleaseTiles(); }

// One product, and four lines of the next step's b fetched into the first-level cache.
#define CAI_PRODUCT(sum, left, right, line)                                            \
  _tile_dpbf16ps(sum, left, right);                                                    \
  for (int64_t i = 4 * (line); i < 4 * (line) + 4; ++i) {                              \
    _mm_prefetch(reinterpret_cast<const char*>(b + kAmxStepBytes + 64 * i), _MM_HINT_T0); \
  }
// The products of a new part of a (of b) with the part of b (of a) that is loaded; each tile is loaded as late as it can
// be, since it replaces one that the products before still read.
#define CAI_NEXT_A(part, group)                              \
  _tile_loadd(4, a + (part) * kPartBytes, 64);               \
  CAI_PRODUCT(0, 4, 6, 4 * (group));                         \
  CAI_PRODUCT(1, 4, 7, 4 * (group) + 1);                     \
  _tile_loadd(5, a + (part) * kPartBytes + kTileBytes, 64);  \
  CAI_PRODUCT(2, 5, 6, 4 * (group) + 2);                     \
  CAI_PRODUCT(3, 5, 7, 4 * (group) + 3)
#define CAI_NEXT_B(part, group)                              \
  _tile_loadd(6, b + (part) * kPartBytes, 64);               \
  CAI_PRODUCT(0, 4, 6, 4 * (group));                         \
  CAI_PRODUCT(2, 5, 6, 4 * (group) + 1);                     \
  _tile_loadd(7, b + (part) * kPartBytes + kTileBytes, 64);  \
  CAI_PRODUCT(1, 4, 7, 4 * (group) + 2);                     \
  CAI_PRODUCT(3, 5, 7, 4 * (group) + 3)

void MultiplyPanels(const uint8_t* a, const uint8_t* b, int64_t steps, float* sums) {
  __asm__ volatile("" ::: "memory");  // the intrinsics do not tell the compiler that they read memory
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (; steps > 0; --steps, a += kAmxStepBytes, b += kAmxStepBytes) {
    // A path on which each product changes one operand: 14 loads, the fewest.
    _tile_loadd(4, a, 64);
    _tile_loadd(5, a + kTileBytes, 64);
    CAI_NEXT_B(2, 0);
    CAI_NEXT_B(1, 1);
    CAI_NEXT_A(1, 2);
    CAI_NEXT_B(0, 3);
    CAI_NEXT_A(2, 4);
    CAI_NEXT_A(0, 5);
  }
  _tile_stored(0, sums, 128);
  _tile_stored(1, sums + 16, 128);
  _tile_stored(2, sums + 16 * kAmxWidth, 128);
  _tile_stored(3, sums + 16 * kAmxWidth + 16, 128);
  __asm__ volatile("" ::: "memory");
}

#undef CAI_NEXT_A
#undef CAI_NEXT_B
#undef CAI_PRODUCT

void ScaleSums(float factor, float* values) {
  const __m512 factors = _mm512_set1_ps(factor);
  for (int64_t i = 0; i < kAmxWidth * kAmxWidth; i += 16) {
    _mm512_store_ps(values + i, _mm512_mul_ps(_mm512_load_ps(values + i), factors));
  }
}

}  // namespace matmul
}  // namespace cai

#pragma GCC pop_options

#endif
