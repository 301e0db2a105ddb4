// One AdamW step with decoupled weight decay, in one pass over memory (4 reads and 3 writes of n float32).
// Source: Kingma and Ba, "Adam" (2015); Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
//
//   g = grad · grad_scale,  m ← beta1 · m + (1 − beta1) · g,  v ← beta2 · v + (1 − beta2) · g²,
//   param ← param − (decay · param + rate · m / (sqrt(v) · root_scale + eps))
// with decay = lr · weight_decay, rate = lr / (1 − beta1^step), root_scale = 1 / sqrt(1 − beta2^step), worked out in
// double precision and then rounded. Every operation is one IEEE 754 float32 operation, none fused: the same bits for any
// number of threads and on any processor.
#pragma once

#include <cstdint>

namespace cai {

struct AdamwArgs {
  float* param;       // [n]
  const float* grad;  // [n]
  float* m;           // [n], first moment
  float* v;           // [n], second moment
  int64_t n;
  float grad_scale;
  float beta1, one_minus_beta1, beta2, one_minus_beta2;
  float decay, rate, root_scale, eps;
};
void AdamwStepCpu(const AdamwArgs& args);

// The settings of a step as users give them.
struct AdamwSettings {
  double lr, beta1, beta2, eps, weight_decay, grad_scale;
  int64_t step;  // from 1
};
// Fills in all but the arrays and their length.
AdamwArgs AdamwConstants(const AdamwSettings& settings);

}  // namespace cai
