// Bindings' reader for tensors whose rows the kernels walk: rank 2 [N, C] or rank 3 [N, H, C], outer strides free.
#pragma once

#include <string>

#include "core/napi_args.h"
#include "core/row_layout.h"

namespace cai {

// Argument `index` as such a tensor, of any size.
inline TensorView RowsArgument(const Args& args, size_t index, const char* name) {
  const TensorView view = args.Tensor(index, name, DType::kFloat32);
  args.ExpectRank(view, name, 2, 3);
  args.ExpectLayout(view, name, Layout::kDenseRows);
  return view;
}

inline RowGrid GridOf(const TensorView& view) {
  return view.rank == 2 ? RowGrid{view.shape[0], 1, view.shape[1]} : RowGrid{view.shape[0], view.shape[1], view.shape[2]};
}

inline RowStrides RowStridesOf(const TensorView& view) {
  return view.rank == 2 ? RowStrides{view.strides[0], 0} : RowStrides{view.strides[0], view.strides[1]};
}

// Argument `index` as a tensor of the shape of `model`.
inline TensorView RowsArgumentLike(const Args& args, size_t index, const char* name, const TensorView& model) {
  const int64_t* s = model.shape;
  return model.rank == 2 ? args.Tensor(index, name, DType::kFloat32, {s[0], s[1]}, Layout::kDenseRows)
                         : args.Tensor(index, name, DType::kFloat32, {s[0], s[1], s[2]}, Layout::kDenseRows);
}

// Argument `index` as one contiguous value for each row of `model`.
inline TensorView RowValuesArgument(const Args& args, size_t index, const char* name, const TensorView& model) {
  const int64_t* s = model.shape;
  return model.rank == 2 ? args.Tensor(index, name, DType::kFloat32, {s[0]})
                         : args.Tensor(index, name, DType::kFloat32, {s[0], s[1]});
}

}  // namespace cai
