#include "core/row_args.h"
#include "rms_norm/rms_norm.h"

namespace cai {

Napi::Value RmsNormForward(const Args& args) {
  const TensorView x = RowsArgument(args, 0, "x");
  const RowGrid grid = GridOf(x);
  const TensorView weight = args.Tensor(1, "weight", DType::kFloat32, {grid.columns});
  const TensorView y = RowsArgumentLike(args, 2, "y", x);
  const TensorView rstd = RowValuesArgument(args, 3, "rstd", x);
  const float eps = static_cast<float>(args.options(4).Number("eps"));
  RmsNormForwardCpu(
      {x.f32(), weight.f32(), y.f32(), rstd.f32(), grid, RowStridesOf(x), RowStridesOf(y), eps});
  return args.env().Undefined();
}

Napi::Value RmsNormBackward(const Args& args) {
  const TensorView x = RowsArgument(args, 1, "x");
  const RowGrid grid = GridOf(x);
  const TensorView dy = RowsArgumentLike(args, 0, "dy", x);
  const TensorView weight = args.Tensor(2, "weight", DType::kFloat32, {grid.columns});
  const TensorView rstd = RowValuesArgument(args, 3, "rstd", x);
  const TensorView dx = RowsArgumentLike(args, 4, "dx", x);
  const TensorView dweight = args.Tensor(5, "dweight", DType::kFloat32, {grid.columns});
  RmsNormBackwardCpu({dy.f32(), x.f32(), weight.f32(), rstd.f32(), dx.f32(), dweight.f32(), grid, RowStridesOf(dy),
                      RowStridesOf(x), RowStridesOf(dx), args.options(6).Flag("accumulate")});
  return args.env().Undefined();
}

}  // namespace cai
