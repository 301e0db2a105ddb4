#include "core/index_check.h"
#include "core/napi_args.h"
#include "embedding/embedding.h"

namespace cai {
namespace {

// Call it after every reader: a getter read later could still change the ids.
void CheckIds(const Args& args, const TensorView& ids, int64_t vocabulary) {
  const int64_t bad = FirstIndexOutside(ids.i32(), ids.shape[0], vocabulary);
  if (bad < 0) return;
  args.Fail(ErrorCode::kArgument, "ids[" + std::to_string(bad) + "] must be from 0 to " +
                                      std::to_string(vocabulary - 1) + ", got " + std::to_string(ids.i32()[bad]));
}

}  // namespace

Napi::Value EmbeddingForward(const Args& args) {
  const TensorView weight = args.Tensor(1, "weight", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const TensorView ids = args.Tensor(0, "ids", DType::kInt32, {kAny});
  const int64_t count = ids.shape[0], columns = weight.shape[1];
  const TensorView out = args.Tensor(2, "out", DType::kFloat32, {count, columns}, Layout::kDenseRows);
  const bool accumulate = args.options(3).Flag("accumulate");
  CheckIds(args, ids, weight.shape[0]);
  EmbeddingForwardCpu({ids.i32(), weight.f32(), out.f32(), count, columns, weight.strides[0], out.strides[0], accumulate});
  return args.env().Undefined();
}

Napi::Value EmbeddingBackward(const Args& args) {
  const TensorView dweight = args.Tensor(2, "dweight", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const TensorView ids = args.Tensor(0, "ids", DType::kInt32, {kAny});
  const int64_t count = ids.shape[0], columns = dweight.shape[1];
  const TensorView dout = args.Tensor(1, "dout", DType::kFloat32, {count, columns}, Layout::kDenseRows);
  CheckIds(args, ids, dweight.shape[0]);
  EmbeddingBackwardCpu({ids.i32(), dout.f32(), dweight.f32(), count, columns, dout.strides[0], dweight.strides[0]});
  return args.env().Undefined();
}

}  // namespace cai
