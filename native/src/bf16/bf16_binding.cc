#include "bf16/bf16.h"
#include "core/napi_args.h"

namespace cai {
namespace {

struct Operands {
  TensorView x, out;
};

Operands Read(const Args& args, DType from, DType to) {
  const TensorView x = args.Tensor(0, "x", from);
  args.ExpectLayout(x, "x", Layout::kContiguous);
  return {x, args.TensorLike(1, "out", x, to)};
}

}  // namespace

Napi::Value Bf16Round(const Args& args) {
  const Operands a = Read(args, DType::kFloat32, DType::kFloat32);
  Bf16RoundCpu(a.x.f32(), a.out.f32(), a.x.size());
  return args.env().Undefined();
}

Napi::Value Float32ToBf16(const Args& args) {
  const Operands a = Read(args, DType::kFloat32, DType::kBFloat16);
  Float32ToBf16Cpu(a.x.f32(), a.out.as<uint16_t>(), a.x.size());
  return args.env().Undefined();
}

Napi::Value Bf16ToFloat32(const Args& args) {
  const Operands a = Read(args, DType::kBFloat16, DType::kFloat32);
  const auto options = args.options(2);
  const float scale = options.Float("scale", 1);
  Bf16ToFloat32Cpu({a.x.as<uint16_t>(), a.out.f32(), a.x.size(), scale, options.Flag("accumulate")});
  return args.env().Undefined();
}

}  // namespace cai
