#include "core/napi_args.h"
#include "rms_norm/rms_norm.h"

namespace cai {

Napi::Value RmsNormForward(const Args& args) {
  const TensorView x = args.Tensor(0, "x", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = x.shape[0], columns = x.shape[1];
  const TensorView weight = args.Tensor(1, "weight", DType::kFloat32, {columns});
  const TensorView y = args.Tensor(2, "y", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView rstd = args.Tensor(3, "rstd", DType::kFloat32, {rows});
  const float eps = static_cast<float>(args.options(4).Number("eps"));
  RmsNormForwardCpu(
      {x.f32(), weight.f32(), y.f32(), rstd.f32(), rows, columns, x.strides[0], y.strides[0], eps});
  return args.env().Undefined();
}

Napi::Value RmsNormBackward(const Args& args) {
  const TensorView x = args.Tensor(1, "x", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = x.shape[0], columns = x.shape[1];
  const TensorView dy = args.Tensor(0, "dy", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView weight = args.Tensor(2, "weight", DType::kFloat32, {columns});
  const TensorView rstd = args.Tensor(3, "rstd", DType::kFloat32, {rows});
  const TensorView dx = args.Tensor(4, "dx", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView dweight = args.Tensor(5, "dweight", DType::kFloat32, {columns});
  RmsNormBackwardCpu({dy.f32(), x.f32(), weight.f32(), rstd.f32(), dx.f32(), dweight.f32(), rows, columns,
                      dy.strides[0], x.strides[0], dx.strides[0], args.options(6).Flag("accumulate")});
  return args.env().Undefined();
}

}  // namespace cai
