#include "core/napi_args.h"
#include "cross_entropy/cross_entropy.h"

namespace cai {

Napi::Value CrossEntropyForward(const Args& args) {
  const TensorView logits = args.Tensor(0, "logits", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = logits.shape[0], columns = logits.shape[1];
  const TensorView targets = args.Tensor(1, "targets", DType::kInt32, {rows});
  const TensorView lse = args.Tensor(2, "lse", DType::kFloat32, {rows});
  const TensorView target_logit = args.Tensor(3, "targetLogit", DType::kFloat32, {rows});
  const int64_t vocab_start = args.options(4).Integer("vocabStart", 0, INT32_MAX, 0);
  CrossEntropyForwardCpu({logits.f32(), targets.i32(), lse.f32(), target_logit.f32(), rows, columns, logits.strides[0],
                          vocab_start});
  return args.env().Undefined();
}

Napi::Value CrossEntropyBackward(const Args& args) {
  const TensorView logits = args.Tensor(0, "logits", DType::kFloat32, {kAny, kAny}, Layout::kDenseRows);
  const int64_t rows = logits.shape[0], columns = logits.shape[1];
  const TensorView targets = args.Tensor(1, "targets", DType::kInt32, {rows});
  const TensorView lse = args.Tensor(2, "lse", DType::kFloat32, {rows});
  const TensorView dloss = args.Tensor(3, "dloss", DType::kFloat32, {rows});
  const int64_t vocab_start = args.options(4).Integer("vocabStart", 0, INT32_MAX, 0);
  CrossEntropyBackwardCpu({logits.f32(), targets.i32(), lse.f32(), dloss.f32(), rows, columns, logits.strides[0],
                           vocab_start});
  return args.env().Undefined();
}

}  // namespace cai
