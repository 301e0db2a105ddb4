#include <hwy/cache_control.h>

#include <cstring>

#include "core/thread_pool.h"
#include "squinch/squinch_blocks.h"
#include "squinch/squinch_core.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "squinch/squinch_decode_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"
#include "squinch/table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

#if CAI_SQUINCH_VECTORS

using D8 = hn::Repartition<uint8_t, D>;
constexpr int64_t kBlocks = kLanes / kSquinchBlock;  // in a vector
constexpr size_t kLoaded = 16;                       // bytes that the load of a vector's blocks touches
// How far ahead of its use `out` is asked for, in values. With it one thread's decode-and-add of 256 MiB takes 19 ms, without
// 22.7 ms; a quarter of the distance 21 ms, four times it 21 ms.
constexpr int64_t kAhead = 2048;

struct Decoder {
  Table16 levels;
  V gain, scale;
  hn::Vec<D8> spread;  // brings each value's nibbles to the lowest byte of its lane, its signs to the highest
  VU nibble, sign;     // how far to shift them

  explicit Decoder(const SquinchDecodeArgs& a)
      : levels(a.tables.levels), gain(hn::Set(D(), a.gain)), scale(hn::Set(D(), a.scale)) {
    HWY_ALIGN uint8_t bytes[4 * kLanes];
    HWY_ALIGN uint32_t nibbles[kLanes], signs[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const size_t i = lane % kSquinchBlock, start = lane / kSquinchBlock * kSquinchBlockBytes;
      constexpr uint8_t kNothing = 0x80;
      bytes[4 * lane] = static_cast<uint8_t>(start + 2 + i / 2);
      bytes[4 * lane + 1] = bytes[4 * lane + 2] = kNothing;
      bytes[4 * lane + 3] = static_cast<uint8_t>(start + 1);
      nibbles[lane] = i % 2 * 4;
      signs[lane] = 7 - i;
    }
    spread = hn::Load(D8(), bytes);
    nibble = hn::Load(DU(), nibbles);
    sign = hn::Load(DU(), signs);
  }

  // The values of the blocks at `bytes`, of which kLoaded bytes are read. `maxima` [256] begins with 0.
  HWY_INLINE V operator()(const uint8_t* bytes, const float* maxima) const {
    const D d;
    const DU du;
    const VU spread_bits = hn::BitCast(du, hn::TableLookupBytes(hn::LoadDup128(D8(), bytes), spread));
    V max = hn::Set(d, maxima[bytes[0]]);
    if constexpr (kBlocks == 2) {
      max = hn::IfThenElse(hn::FirstN(d, kSquinchBlock), max, hn::Set(d, maxima[bytes[kSquinchBlockBytes]]));
    }
    const VU code = hn::Shr(spread_bits, nibble);
    const VU sign_bit = hn::And(hn::Shl(spread_bits, sign), hn::Set(du, 0x80000000u));
    const V level = hn::Xor(levels[code], hn::BitCast(d, sign_bit));
    const V value = hn::IfThenElseZero(hn::Ne(max, hn::Zero(d)), hn::Mul(level, max));
    return hn::Mul(hn::Mul(value, gain), scale);
  }
};

// kStream writes past the caches: for an aligned `out` too long to be read from them afterwards.
enum class How { kStore, kStream, kAdd };

template <How kHow>
void DecodeWhole(const SquinchDecodeArgs& a, const float* maxima) {
  const D d;
  const Decoder decode(a);
  const uint8_t* bytes = a.bytes;
  const uint8_t* end = a.bytes + (a.n + kSquinchBlock - 1) / kSquinchBlock * kSquinchBlockBytes;
  constexpr int64_t lanes = kLanes;
  int64_t i = 0;
  for (; i + lanes <= a.n && end - bytes >= static_cast<int64_t>(kLoaded); i += lanes) {
    if (kHow != How::kStream) hwy::Prefetch(a.out + i + kAhead);
    V value = decode(bytes, maxima);
    if (kHow == How::kAdd) value = hn::Add(hn::LoadU(d, a.out + i), value);
    if (kHow == How::kStream) {
      hn::Stream(value, d, a.out + i);
    } else {
      hn::StoreU(value, d, a.out + i);
    }
    bytes += kBlocks * kSquinchBlockBytes;
  }
  for (; i < a.n; i += lanes) {
    const int64_t left = a.n - i < lanes ? a.n - i : lanes;
    const int64_t taken = HWY_MIN(end - bytes, kBlocks * kSquinchBlockBytes);
    uint8_t last[kLoaded] = {};
    std::memcpy(last, bytes, static_cast<size_t>(taken));
    V value = decode(last, maxima);
    if (kHow == How::kAdd) value = hn::Add(LoadFirst(a.out + i, left), value);
    StoreFirst(value, a.out + i, left);
    bytes += taken;
  }
  if (kHow == How::kStream) hwy::FlushStream();
}

void DecodeRange(const SquinchDecodeArgs& a, const float* maxima, bool long_out) {
  if (a.accumulate) return DecodeWhole<How::kAdd>(a, maxima);
  const bool aligned = reinterpret_cast<uintptr_t>(a.out) % (kLanes * sizeof(float)) == 0;
  long_out && aligned ? DecodeWhole<How::kStream>(a, maxima) : DecodeWhole<How::kStore>(a, maxima);
}

#else

void DecodeRange(const SquinchDecodeArgs& a, const float* maxima, bool) {
  const uint8_t* block = a.bytes;
  for (int64_t start = 0; start < a.n; start += kSquinchBlock, block += kSquinchBlockBytes) {
    const int count = static_cast<int>(HWY_MIN(a.n - start, kSquinchBlock));
    for (int i = 0; i < count; ++i) {
      float& out = a.out[start + i];
      const float value = SquinchDecodeValue(a.tables.levels, maxima, block, i) * a.gain * a.scale;
      out = a.accumulate ? out + value : value;
    }
  }
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(DecodeRange);

namespace {

constexpr int64_t kGrain = 16384 / kSquinchBlock;
// Values of an `out` that goes past the caches: 32 MiB. 256 MiB then take 12 ms on one thread, 20 ms otherwise,
// and 16 MiB 0.9 ms against 0.7 ms.
constexpr int64_t kLong = int64_t{1} << 23;

struct Maxima {
  alignas(64) float values[kSquinchScales];
  explicit Maxima(const SquinchTables& tables) {
    std::memcpy(values, tables.maxima, sizeof values);
    values[0] = 0;
  }
};

}  // namespace

void SquinchDecodeHere(const SquinchDecodeArgs& args) {
  const Maxima maxima(args.tables);
  HWY_DYNAMIC_DISPATCH(DecodeRange)(args, maxima.values, false);
}

void SquinchDecodeCpu(const SquinchDecodeArgs& args) {
  const Maxima maxima(args.tables);
  const int64_t blocks = (args.n + kSquinchBlock - 1) / kSquinchBlock;
  ThreadPool::Get().ParallelRange(blocks, kGrain, [&](int64_t begin, int64_t end, int) {
    SquinchDecodeArgs part = args;
    part.bytes += begin * kSquinchBlockBytes;
    part.out += begin * kSquinchBlock;
    part.n = HWY_MIN(end * kSquinchBlock, args.n) - begin * kSquinchBlock;
    HWY_DYNAMIC_DISPATCH(DecodeRange)(part, maxima.values, args.n >= kLong);
  });
}

}  // namespace cai
#endif
