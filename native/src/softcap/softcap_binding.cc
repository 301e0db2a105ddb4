#include "core/napi_args.h"
#include "softcap/softcap.h"

namespace cai {
namespace {

float CapOption(const Args& args, size_t index) {
  const float cap = static_cast<float>(args.options(index).Number("cap"));
  if (!(cap > 0)) args.Fail(ErrorCode::kArgument, "cap must be a number above 0, got " + std::to_string(cap));
  return cap;
}

}  // namespace

Napi::Value SoftcapForward(const Args& args) {
  const TensorView x = args.Tensor(0, "x", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = x.shape[0], columns = x.shape[1];
  const TensorView y = args.Tensor(1, "y", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  SoftcapForwardCpu({x.f32(), y.f32(), rows, columns, x.strides[0], y.strides[0], CapOption(args, 2)});
  return args.env().Undefined();
}

Napi::Value SoftcapBackward(const Args& args) {
  const TensorView y = args.Tensor(1, "y", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = y.shape[0], columns = y.shape[1];
  const TensorView dy = args.Tensor(0, "dy", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView dx = args.Tensor(2, "dx", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  SoftcapBackwardCpu({dy.f32(), y.f32(), dx.f32(), rows, columns, dy.strides[0], y.strides[0], dx.strides[0],
                      CapOption(args, 3)});
  return args.env().Undefined();
}

}  // namespace cai
