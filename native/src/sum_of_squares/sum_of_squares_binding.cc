#include "core/napi_args.h"
#include "sum_of_squares/sum_of_squares.h"

namespace cai {

Napi::Value SumOfSquares(const Args& args) {
  std::vector<FloatSpan> arrays;
  for (const TensorView& tensor : args.Tensors(0, "tensors", DType::kFloat32)) {
    const std::string name = "tensors[" + std::to_string(arrays.size()) + "]";
    args.ExpectLayout(tensor, name.c_str(), Layout::kContiguous);
    arrays.push_back({tensor.f32(), tensor.size()});
  }
  return Napi::Number::New(args.env(), SumOfSquaresCpu(arrays));
}

}  // namespace cai
