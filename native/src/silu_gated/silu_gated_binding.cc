#include "core/napi_args.h"
#include "silu_gated/silu_gated.h"

namespace cai {

Napi::Value SiluGatedForward(const Args& args) {
  const TensorView gate = args.Tensor(0, "gate", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = gate.shape[0], columns = gate.shape[1];
  const TensorView up = args.Tensor(1, "up", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView y = args.Tensor(2, "y", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  SiluGatedForwardCpu(
      {gate.f32(), up.f32(), y.f32(), rows, columns, gate.strides[0], up.strides[0], y.strides[0]});
  return args.env().Undefined();
}

Napi::Value SiluGatedBackward(const Args& args) {
  const TensorView gate = args.Tensor(1, "gate", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = gate.shape[0], columns = gate.shape[1];
  const TensorView dy = args.Tensor(0, "dy", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView up = args.Tensor(2, "up", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView dgate = args.Tensor(3, "dgate", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  const TensorView dup = args.Tensor(4, "dup", DType::kFloat32, {rows, columns}, Layout::kDenseRows);
  SiluGatedBackwardCpu({dy.f32(), gate.f32(), up.f32(), dgate.f32(), dup.f32(), rows, columns, dy.strides[0],
                        gate.strides[0], up.strides[0], dgate.strides[0], dup.strides[0]});
  return args.env().Undefined();
}

}  // namespace cai
