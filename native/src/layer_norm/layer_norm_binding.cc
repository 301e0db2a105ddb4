#include "core/row_args.h"
#include "layer_norm/layer_norm.h"

namespace cai {
namespace {

TensorView OptionalColumns(const Args& args, size_t index, const char* name, int64_t columns) {
  const TensorView view = args.OptionalTensor(index, name, DType::kFloat32);
  if (view) {
    args.ExpectShape(view, name, {columns});
    args.ExpectLayout(view, name, Layout::kContiguous);
  }
  return view;
}

}  // namespace

Napi::Value LayerNormForward(const Args& args) {
  const TensorView x = RowsArgument(args, 0, "x");
  const RowGrid grid = GridOf(x);
  const TensorView weight = args.Tensor(1, "weight", DType::kFloat32, {grid.columns});
  const TensorView bias = OptionalColumns(args, 2, "bias", grid.columns);
  const TensorView y = RowsArgumentLike(args, 3, "y", x);
  const TensorView mean = RowValuesArgument(args, 4, "mean", x);
  const TensorView rstd = RowValuesArgument(args, 5, "rstd", x);
  const float eps = static_cast<float>(args.options(6).Number("eps"));
  LayerNormForwardCpu({x.f32(), weight.f32(), bias.f32(), y.f32(), mean.f32(), rstd.f32(), grid, RowStridesOf(x),
                       RowStridesOf(y), eps});
  return args.env().Undefined();
}

Napi::Value LayerNormBackward(const Args& args) {
  const TensorView x = RowsArgument(args, 1, "x");
  const RowGrid grid = GridOf(x);
  const TensorView dy = RowsArgumentLike(args, 0, "dy", x);
  const TensorView weight = args.Tensor(2, "weight", DType::kFloat32, {grid.columns});
  const TensorView mean = RowValuesArgument(args, 3, "mean", x);
  const TensorView rstd = RowValuesArgument(args, 4, "rstd", x);
  const TensorView dx = RowsArgumentLike(args, 5, "dx", x);
  const TensorView dweight = args.Tensor(6, "dweight", DType::kFloat32, {grid.columns});
  const TensorView dbias = OptionalColumns(args, 7, "dbias", grid.columns);
  LayerNormBackwardCpu({dy.f32(), x.f32(), weight.f32(), mean.f32(), rstd.f32(), dx.f32(), dweight.f32(), dbias.f32(),
                        grid, RowStridesOf(dy), RowStridesOf(x), RowStridesOf(dx), args.options(8).Flag("accumulate")});
  return args.env().Undefined();
}

}  // namespace cai
