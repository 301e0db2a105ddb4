#include "activation/activation.h"
#include "core/napi_args.h"

namespace cai {
namespace {

ActivationKind KindOption(const Args& args, size_t index) {
  const int kind = args.options(index).Choice("kind", {"relu2", "gelu"}, -1);
  if (kind < 0) args.Fail(ErrorCode::kArgument, "kind must be one of \"relu2\", \"gelu\", got undefined");
  return kind == 0 ? ActivationKind::kRelu2 : ActivationKind::kGelu;
}

}  // namespace

Napi::Value ActivationForward(const Args& args) {
  const TensorView x = args.Tensor(0, "x", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = x.shape[0], columns = x.shape[1];
  const TensorView y = args.Tensor(1, "y", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  ActivationForwardCpu({x.f32(), y.f32(), rows, columns, x.strides[0], y.strides[0], KindOption(args, 2)});
  return args.env().Undefined();
}

Napi::Value ActivationBackward(const Args& args) {
  const TensorView x = args.Tensor(1, "x", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = x.shape[0], columns = x.shape[1];
  const TensorView dy = args.Tensor(0, "dy", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView dx = args.Tensor(2, "dx", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  ActivationBackwardCpu({dy.f32(), x.f32(), dx.f32(), rows, columns, dy.strides[0], x.strides[0], dx.strides[0],
                         KindOption(args, 3)});
  return args.env().Undefined();
}

}  // namespace cai
