#include <cmath>

#include "core/napi_args.h"
#include "random/random.h"

namespace cai {
namespace {

constexpr int64_t kMostOffset = int64_t{1} << 53;

RandomFillArgs ReadFill(const Args& args, const Args::Options& options) {
  const TensorView out = args.Tensor(0, "out", DType::kFloat32);
  args.ExpectLayout(out, "out", Layout::kContiguous);
  const uint64_t seed = options.Unsigned64("seed");
  const uint64_t stream = options.Unsigned64("stream");
  const uint64_t offset = static_cast<uint64_t>(options.Integer("offset", 0, kMostOffset - 1, 0));
  return {out.f32(), out.size(), seed, stream, offset};
}

}  // namespace

Napi::Value RandomUniform(const Args& args) {
  const Args::Options options = args.options(1);
  const float low = options.Float("low", 0);
  const float high = options.Float("high", 1);
  if (!(low < high) || !std::isfinite(high - low)) {
    args.Fail(ErrorCode::kArgument, "low must be below high, and high - low finite, in float32; got low " +
                                        std::to_string(low) + " and high " + std::to_string(high));
  }
  RandomUniformCpu({ReadFill(args, options), low, high});
  return args.env().Undefined();
}

Napi::Value RandomNormal(const Args& args) {
  const Args::Options options = args.options(1);
  const float mean = options.Float("mean", 0);
  const float std = options.Float("std", 1);
  if (std < 0) args.Fail(ErrorCode::kArgument, "std must not be negative, got " + std::to_string(std));
  RandomNormalCpu({ReadFill(args, options), mean, std});
  return args.env().Undefined();
}

}  // namespace cai
