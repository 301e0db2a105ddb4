#include "adamw/adamw.h"
#include "core/napi_args.h"

namespace cai {
namespace {

// Above float32's rounding of 1 and below it: betas in [0, 1) stay so after rounding, and eps is never lost.
constexpr double kMostBeta = 1 - 1e-7;
constexpr double kLeastEps = 1e-37;

}  // namespace

Napi::Value AdamwStep(const Args& args) {
  const TensorView param = args.Tensor(0, "param", DType::kFloat32);
  args.ExpectLayout(param, "param", Layout::kContiguous);
  const TensorView grad = args.TensorLike(1, "grad", param);
  const TensorView m = args.TensorLike(2, "m", param);
  const TensorView v = args.TensorLike(3, "v", param);
  const Args::Options options = args.options(4);
  AdamwArgs step = AdamwConstants({options.NumberIn("lr", 0, 1e6), options.NumberIn("beta1", 0, kMostBeta),
                                   options.NumberIn("beta2", 0, kMostBeta), options.NumberIn("eps", kLeastEps, 1),
                                   options.NumberIn("weightDecay", 0, 1e6), options.Number("gradScale", 1),
                                   options.Integer("step", 1, int64_t{1} << 53)});
  step.param = param.f32();
  step.grad = grad.f32();
  step.m = m.f32();
  step.v = v.f32();
  step.n = param.size();
  AdamwStepCpu(step);
  return args.env().Undefined();
}

}  // namespace cai
