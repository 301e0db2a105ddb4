#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <vector>

#include "core/thread_pool.h"
#include "squinch/squinch_blocks.h"
#include "squinch/squinch_core.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "squinch/squinch_encode_cpu.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "core/vector-inl.h"
#include "squinch/encode-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Encodes whole blocks v [8 · blocks], of which the first is block `first_block` of the vector.
void EncodeBlocks(const SquinchEncoder& e, const float* v, int64_t first_block, int64_t blocks, uint8_t* out,
                  const SquinchAhead& ahead, SquinchFound* found) {
#if CAI_SQUINCH_VECTORS
  if (e.stochastic) return EncodeWith<Stochastic>(e, v, first_block, blocks, out, ahead, found);
#if HWY_TARGET == HWY_AVX3
  if (e.has_codes) return EncodeWith<Nearest<CodeIndex>>(e, v, first_block, blocks, out, ahead, found);
#endif
  EncodeWith<Nearest<CodeSearch>>(e, v, first_block, blocks, out, ahead, found);
#else
  for (int64_t b = 0; b < blocks; ++b) {
    const float* block = v + b * kSquinchBlock;
    found->zeros += SquinchEncodeBlock(e, block, static_cast<uint64_t>(first_block + b), out + b * kSquinchBlockBytes);
    for (int i = 0; i < kSquinchBlock; ++i) found->non_finite |= (SquinchBits(block[i]) & 0x7FFFFFFFu) > 0x7F7FFFFFu;
  }
#endif
}

// v[i] = x[i], widened or added to, for i of [begin, end).
void Values(const SquinchEncodeArgs& a, int64_t begin, int64_t end, float* v) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<uint32_t, decltype(d)> du;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const auto value = [&](int64_t i) {
    if (a.x) return hn::LoadU(d, a.x + i);
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(d16, a.x_bf16 + i))));
  };
  const int64_t lanes = FloatLanes();
  int64_t i = begin;
  if (a.residual) {
    for (; i + lanes <= end; i += lanes) hn::StoreU(hn::Add(value(i), hn::LoadU(d, a.residual + i)), d, v + i - begin);
  } else {
    for (; i + lanes <= end; i += lanes) hn::StoreU(value(i), d, v + i - begin);
  }
  for (; i < end; ++i) {
    const float x = a.x ? a.x[i] : SquinchFloat(static_cast<uint32_t>(a.x_bf16[i]) << 16);
    v[i - begin] = a.residual ? x + a.residual[i] : x;
  }
}

bool HasNonFinite(const float* v, int64_t n) {
  uint32_t most = 0;
  for (int64_t i = 0; i < n; ++i) most = std::max(most, SquinchBits(v[i]) & 0x7FFFFFFFu);
  return most > 0x7F7FFFFFu;
}

void Subtract(const float* v, const float* decoded, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = v[i] - decoded[i];
}

// Adds whole blocks to the sums of their places.
void AddProducts(const float* v, const float* decoded, int64_t blocks, SquinchPlaceSums* sums) {
  SquinchPlaceSums local = *sums;
  for (int64_t b = 0; b < blocks; ++b) {
    for (int i = 0; i < kSquinchBlock; ++i) {
      const double d = decoded[b * kSquinchBlock + i];
      local.dot[i] += v[b * kSquinchBlock + i] * d;
      local.square[i] += d * d;
    }
  }
  *sums = local;
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace cai {

HWY_EXPORT(EncodeBlocks);
HWY_EXPORT(HasNonFinite);
HWY_EXPORT(Values);
HWY_EXPORT(Subtract);
HWY_EXPORT(AddProducts);

namespace {

// Values that pass through scratch memory at a time: few enough for the first cache.
constexpr int64_t kPiece = 2048;
static_assert(kSquinchStretch % kPiece == 0, "a stretch is whole pieces");
// Stretches that are worth waking a thread for.
constexpr int64_t kGrain = 4;

int64_t BlocksOf(int64_t values) { return (values + kSquinchBlock - 1) / kSquinchBlock; }

double SumOfPlaces(const double* s) { return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7])); }

struct GainSums {
  double dot = 0, square = 0;
};

// What one thread does: stretches in order.
class Worker {
 public:
  Worker(const SquinchEncodeArgs& args, const SquinchEncoder& encoder) : a_(args), encoder_(encoder) {}

  int64_t non_finite = 0, first_non_finite = -1, zeros = 0;

  // Counts what is not finite in one stretch and writes nothing.
  void Look(int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kPiece) {
      const int64_t piece_end = std::min(end, i + kPiece);
      HWY_DYNAMIC_DISPATCH(Values)(a_, i, piece_end, values_);
      if (HWY_DYNAMIC_DISPATCH(HasNonFinite)(values_, piece_end - i)) Replace(i, piece_end - i);
    }
  }

  // Encodes one stretch; gives its sums, zero unless asked for.
  GainSums Encode(int64_t begin, int64_t end) {
    SquinchPlaceSums sums{};
    for (int64_t i = begin; i < end; i += kPiece) EncodePiece(i, std::min(end, i + kPiece), &sums);
    return {SumOfPlaces(sums.dot), SumOfPlaces(sums.square)};
  }

 private:
  void EncodePiece(int64_t begin, int64_t end, SquinchPlaceSums* sums) {
    const int64_t n = end - begin, blocks = BlocksOf(n);
    uint8_t* out = a_.out + begin / kSquinchBlock * kSquinchBlockBytes;
    const bool in_place = a_.x && !a_.residual && n % kSquinchBlock == 0;
    const float* v = in_place ? a_.x + begin : values_;
    if (!in_place) Fill(begin, end);
    SquinchFound found;
    HWY_DYNAMIC_DISPATCH(EncodeBlocks)(encoder_, v, begin / kSquinchBlock, blocks, out, Ahead(begin, in_place), &found);
    if (found.non_finite) {
      if (in_place) Fill(begin, end);
      v = values_;
      Replace(begin, n);
      found = SquinchFound();
      HWY_DYNAMIC_DISPATCH(EncodeBlocks)(encoder_, v, begin / kSquinchBlock, blocks, out, Ahead(begin, in_place), &found);
    }
    zeros += found.zeros;
    if (n % kSquinchBlock) ForgetPadding(n, out);
    if (a_.gain || a_.residual_out) Compare(begin, n, v, out, sums);
  }

  // What will be read after the piece that starts at `begin`. One thread's 64 Mi values with a residual take 53 ms so, 67 ms
  // without; but 24.5 ms without and 27.5 ms with it where x is read as it is.
  SquinchAhead Ahead(int64_t begin, bool in_place) const {
    if (in_place) return {nullptr, nullptr};
    const int64_t next = begin + kPiece;
    const float* x = a_.x ? a_.x + next : reinterpret_cast<const float*>(a_.x_bf16 + next);
    return {x, a_.residual ? a_.residual + next : nullptr};
  }

  // The values of a piece, and zeros up to a whole block.
  void Fill(int64_t begin, int64_t end) {
    HWY_DYNAMIC_DISPATCH(Values)(a_, begin, end, values_);
    const int64_t n = end - begin;
    std::fill(values_ + n, values_ + BlocksOf(n) * kSquinchBlock, 0.0f);
  }

  // Counts and replaces what is not finite among values_, which are those from `begin` on.
  void Replace(int64_t begin, int64_t n) {
    const float most = a_.tables.levels[kSquinchCodes - 1] * a_.tables.maxima[kSquinchScales - 1];
    for (int64_t i = 0; i < n; ++i) {
      if (std::isfinite(values_[i])) continue;
      if (non_finite++ == 0) first_non_finite = begin + i;
      values_[i] = std::isnan(values_[i]) ? 0.0f : std::copysign(most, values_[i]);
    }
  }

  // Padding counts as no zero, and a random sign of it is none.
  void ForgetPadding(int64_t n, uint8_t* out) {
    uint8_t* block = out + n / kSquinchBlock * kSquinchBlockBytes;
    const int64_t left = n % kSquinchBlock;
    if (block[0] == 0) return;
    block[1] = static_cast<uint8_t>(block[1] & ((1 << left) - 1));
    zeros -= kSquinchBlock - left;
  }

  void Compare(int64_t begin, int64_t n, const float* v, const uint8_t* out, SquinchPlaceSums* sums) {
    const int64_t padded = BlocksOf(n) * kSquinchBlock;
    SquinchDecodeHere({out, decoded_, padded, a_.tables, 1, 1, false});
    if (a_.gain) {
      std::fill(decoded_ + n, decoded_ + padded, 0.0f);
      HWY_DYNAMIC_DISPATCH(AddProducts)(v, decoded_, BlocksOf(n), sums);
    }
    if (!a_.residual_out) return;
    if (a_.gain) {
      std::memmove(a_.residual_out + begin, v, static_cast<size_t>(n) * sizeof(float));
    } else {
      HWY_DYNAMIC_DISPATCH(Subtract)(v, decoded_, n, a_.residual_out + begin);
    }
  }

  const SquinchEncodeArgs& a_;
  const SquinchEncoder& encoder_;
  alignas(64) float values_[kPiece];
  alignas(64) float decoded_[kPiece];
};

// Runs body(worker, begin, end, stretch) for all stretches and adds up what the workers counted.
template <typename F>
SquinchCounts OverStretches(const SquinchEncodeArgs& args, const SquinchEncoder& encoder, const F& body) {
  SquinchCounts total{0, -1, 0, 0, 0};
  std::mutex mutex;
  const int64_t stretches = (args.n + kSquinchStretch - 1) / kSquinchStretch;
  ThreadPool::Get().ParallelRange(stretches, kGrain, [&](int64_t begin, int64_t end, int) {
    Worker worker(args, encoder);
    for (int64_t s = begin; s < end; ++s) {
      body(worker, s * kSquinchStretch, std::min(args.n, (s + 1) * kSquinchStretch), s);
    }
    const std::lock_guard<std::mutex> lock(mutex);
    total.zeros += worker.zeros;
    total.non_finite += worker.non_finite;
    const int64_t first = worker.first_non_finite;
    if (first >= 0 && (total.first_non_finite < 0 || first < total.first_non_finite)) total.first_non_finite = first;
  });
  return total;
}

}  // namespace

SquinchCounts SquinchEncodeCpu(const SquinchEncodeArgs& args) {
  const SquinchEncoder encoder(args);
  if (args.residual_out && !args.saturate) {
    const SquinchCounts seen = OverStretches(
        args, encoder, [](Worker& worker, int64_t begin, int64_t end, int64_t) { worker.Look(begin, end); });
    if (seen.non_finite > 0) return seen;
  }
  std::vector<GainSums> sums(args.gain ? static_cast<size_t>((args.n + kSquinchStretch - 1) / kSquinchStretch) : 0);
  SquinchCounts counts = OverStretches(args, encoder, [&](Worker& worker, int64_t begin, int64_t end, int64_t s) {
    const GainSums stretch = worker.Encode(begin, end);
    if (args.gain) sums[static_cast<size_t>(s)] = stretch;
  });
  for (const GainSums& stretch : sums) {
    counts.dot += stretch.dot;
    counts.square += stretch.square;
  }
  return counts;
}

}  // namespace cai
#endif
