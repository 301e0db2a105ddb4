// Between blocks in memory and vectors with a lane for each block. Compiled once per target.
#if defined(CAI_SQUINCH_COLUMNS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_SQUINCH_COLUMNS_INL_H_
#undef CAI_SQUINCH_COLUMNS_INL_H_
#else
#define CAI_SQUINCH_COLUMNS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "squinch/squinch.h"
#include "squinch/table-inl.h"

#if CAI_SQUINCH_VECTORS

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

constexpr size_t kGroup = kLanes;  // blocks that are encoded at once

// Value j of every block of a group in vector j.
struct Columns {
  V value[kSquinchBlock];
};

// 128-bit part l of the result is p[32 · l] and the three after it.
HWY_INLINE V LoadApart(const float* p) {
  const D d;
  const hn::Half<D> half;
  const hn::CappedTag<float, 4> four;
  constexpr size_t kApart = 4 * kSquinchBlock;
#if HWY_TARGET == HWY_AVX3
  return hn::Combine(d, hn::Combine(half, hn::LoadU(four, p + 3 * kApart), hn::LoadU(four, p + 2 * kApart)),
                     hn::Combine(half, hn::LoadU(four, p + kApart), hn::LoadU(four, p)));
#else
  (void)half;
  return hn::Combine(d, hn::LoadU(four, p + kApart), hn::LoadU(four, p));
#endif
}

HWY_INLINE Columns LoadColumns(const float* v) {
  const D d;
  const hn::RepartitionToWide<DU> wide;
  Columns out;
  for (int half = 0; half < 2; ++half) {
    const float* p = v + 4 * half;
    const V a = LoadApart(p), b = LoadApart(p + 8), c = LoadApart(p + 16), e = LoadApart(p + 24);
    const auto ab_low = hn::BitCast(wide, hn::InterleaveLower(d, a, b));
    const auto ce_low = hn::BitCast(wide, hn::InterleaveLower(d, c, e));
    const auto ab_high = hn::BitCast(wide, hn::InterleaveUpper(d, a, b));
    const auto ce_high = hn::BitCast(wide, hn::InterleaveUpper(d, c, e));
    out.value[4 * half] = hn::BitCast(d, hn::InterleaveLower(wide, ab_low, ce_low));
    out.value[4 * half + 1] = hn::BitCast(d, hn::InterleaveUpper(wide, ab_low, ce_low));
    out.value[4 * half + 2] = hn::BitCast(d, hn::InterleaveLower(wide, ab_high, ce_high));
    out.value[4 * half + 3] = hn::BitCast(d, hn::InterleaveUpper(wide, ab_high, ce_high));
  }
  return out;
}

// Writes the group's records: q_max, signs and codes of block b in lane b.
HWY_INLINE void StoreRecords(VU q, VU signs, VU codes, uint8_t* out) {
  const DU du;
  const hn::Repartition<uint8_t, DU> d8;
  const VU head = hn::Or(hn::ShiftLeft<16>(q), hn::ShiftLeft<24>(signs));
  // Two records of eight bytes in each 128 bits, of which the first two bytes are nothing; then 12 bytes in a row.
  alignas(16) static constexpr uint8_t kClose[16] = {2,  3,  4,  5,  6,    7,    10,   11,
                                                     12, 13, 14, 15, 0x80, 0x80, 0x80, 0x80};
  const auto close = hn::LoadDup128(d8, kClose);
  const auto records = [&](VU pairs) { return hn::BitCast(du, hn::TableLookupBytes(hn::BitCast(d8, pairs), close)); };
  const VU first = records(hn::InterleaveLower(du, head, codes));
  const VU second = records(hn::InterleaveUpper(du, head, codes));
#if HWY_TARGET == HWY_AVX3
  const __m512i front = _mm512_setr_epi32(0, 1, 2, 16, 17, 18, 4, 5, 6, 20, 21, 22, 8, 9, 10, 24);
  const __m512i back = _mm512_setr_epi32(25, 26, 12, 13, 14, 28, 29, 30, 0, 0, 0, 0, 0, 0, 0, 0);
  _mm512_storeu_si512(out, _mm512_permutex2var_epi32(first.raw, front, second.raw));
  const __m512i rest = _mm512_permutex2var_epi32(first.raw, back, second.raw);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 64), _mm512_castsi512_si256(rest));
#else
  const __m256i front = _mm256_setr_epi32(0, 1, 2, 7, 7, 7, 4, 5);
  const __m256i middle = _mm256_setr_epi32(7, 7, 7, 0, 1, 2, 7, 7);
  const __m256i f = _mm256_permutevar8x32_epi32(first.raw, front), s = _mm256_permutevar8x32_epi32(second.raw, middle);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_blend_epi32(f, s, 0x38));
  const __m256i end_second = _mm256_permutevar8x32_epi32(second.raw, _mm256_setr_epi32(7, 4, 5, 6, 7, 7, 7, 7));
  const __m256i end = _mm256_blend_epi32(_mm256_permutevar8x32_epi32(first.raw, _mm256_set1_epi32(6)), end_second, 0x0E);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 32), _mm256_castsi256_si128(end));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // CAI_SQUINCH_VECTORS

#endif  // include guard
