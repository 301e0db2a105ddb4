#include "core/napi_args.h"
#include "squinch/squinch.h"

namespace cai {
namespace {

SquinchTables ReadTables(const Args& args, size_t index) {
  const Args::Options object = args.options(index);
  const auto table = [&](const char* name, int64_t size) {
    const TensorView view = object.OptionalTensor(name, DType::kFloat32);
    args.ExpectShape(view, name, {size});
    args.ExpectLayout(view, name, Layout::kContiguous);
    return view.f32();
  };
  SquinchTables tables{};
  tables.maxima = table("maxima", kSquinchScales);
  tables.inverses = table("inverses", kSquinchScales);
  tables.thresholds = table("thresholds", kSquinchCodes - 1);
  tables.levels = table("levels", kSquinchCodes);
  tables.signed_zero = object.Flag("signedZero");
  return tables;
}

// After the last argument is read, since reading one can run JavaScript.
void CheckTables(const Args& args, const SquinchTables& tables) {
  if (SquinchTablesValid(tables)) return;
  args.Fail(ErrorCode::kArgument,
            "tables must hold growing maxima, each at least 9/8 of the last, positive inverses, growing positive "
            "thresholds and growing levels, got others: use those of a codebook of @cai/squinch");
}

TensorView ReadEncoded(const Args& args, size_t index, const char* name, int64_t n) {
  const int64_t bytes = (n + kSquinchBlock - 1) / kSquinchBlock * kSquinchBlockBytes;
  return args.Tensor(index, name, DType::kUInt8, {bytes});
}

float* OptionalLike(const Args& args, const Args::Options& options, const char* name, int64_t n) {
  const TensorView view = options.OptionalTensor(name, DType::kFloat32);
  if (!view) return nullptr;
  args.ExpectShape(view, name, {n});
  args.ExpectLayout(view, name, Layout::kContiguous);
  return view.f32();
}

}  // namespace

Napi::Value SquinchEncode(const Args& args) {
  SquinchEncodeArgs a{};
  const TensorView x = args.Tensor(0, "x", args.DTypeAmong(0, {DType::kFloat32, DType::kBFloat16}));
  args.ExpectShape(x, "x", {kAny});
  args.ExpectLayout(x, "x", Layout::kContiguous);
  a.n = x.size();
  if (x.dtype == DType::kFloat32) {
    a.x = x.f32();
  } else {
    a.x_bf16 = x.as<uint16_t>();
  }
  a.out = ReadEncoded(args, 1, "out", a.n).as<uint8_t>();
  a.tables = ReadTables(args, 2);
  const Args::Options options = args.options(3);
  a.stochastic = options.Flag("stochastic");
  if (a.stochastic) {
    a.seed = options.Unsigned64("seed");
    a.stream = options.Unsigned64("stream");
  }
  a.saturate = options.Flag("saturate");
  a.gain = options.Flag("gain");
  a.residual = OptionalLike(args, options, "residual", a.n);
  a.residual_out = OptionalLike(args, options, "residualOut", a.n);
  CheckTables(args, a.tables);
  const SquinchCounts counts = SquinchEncodeCpu(a);
  Napi::Object result = Napi::Object::New(args.env());
  result.Set("firstNonFinite", static_cast<double>(counts.first_non_finite));
  result.Set("nonFinite", static_cast<double>(counts.non_finite));
  result.Set("zeros", static_cast<double>(counts.zeros));
  result.Set("dot", counts.dot);
  result.Set("square", counts.square);
  return result;
}

Napi::Value SquinchDecode(const Args& args) {
  SquinchDecodeArgs a{};
  const TensorView out = args.Tensor(1, "out", DType::kFloat32, {kAny});
  a.out = out.f32();
  a.n = out.size();
  a.bytes = ReadEncoded(args, 0, "bytes", a.n).as<uint8_t>();
  a.tables = ReadTables(args, 2);
  const Args::Options options = args.options(3);
  a.gain = options.Float("gain", 1);
  a.scale = options.Float("scale", 1);
  a.accumulate = options.Flag("accumulate");
  CheckTables(args, a.tables);
  SquinchDecodeCpu(a);
  return args.env().Undefined();
}

}  // namespace cai
