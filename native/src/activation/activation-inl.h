// Activations and their derivatives on float32 vectors: the matrix product's epilogue and the activation op use these same
// definitions, so fused and separate results agree bit for bit. Include after <hwy/highway.h>; compiled once per target.
#if defined(CAI_ACTIVATION_ACTIVATION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_ACTIVATION_ACTIVATION_INL_H_
#undef CAI_ACTIVATION_ACTIVATION_INL_H_
#else
#define CAI_ACTIVATION_ACTIVATION_INL_H_
#endif

#include <hwy/highway.h>

#include "core/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

// max(x, 0)². NaN stays NaN. Source: So et al., "Primer" (2021).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Relu2(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V positive = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  return hn::Mul(positive, positive);
}

// 2 max(x, 0).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Relu2Grad(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V positive = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
  return hn::Add(positive, positive);
}

// gelu(x) = x s(x) with s the sigmoid of 2 sqrt(2/π) (x + 0.044715 x³): the tanh form without its cancellation. The
// power e^-(...) below needs x limited, so that no power of x overflows where s is 0 or 1 already.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V GeluLimited(D d, V x, float most) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V limit = hn::Set(d, most);
  return hn::IfThenElse(hn::Gt(hn::Abs(x), limit), hn::CopySign(limit, x), x);
}

// e^-(2 sqrt(2/π) (t + 0.044715 t³)), square = t².
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V GeluPower(D d, V t, V square) {
  namespace hn = hwy::HWY_NAMESPACE;
  return Exp(d, hn::Mul(t, hn::MulAdd(square, hn::Set(d, -0.0713548163f), hn::Set(d, -1.59576912f))));
}

// x (1 + tanh(sqrt(2/π) (x + 0.044715 x³))) / 2, as GPT-2 has it; absolute error under 1e-7 max(1, |x|). -infinity gives
// NaN as the formula does. Source: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016).
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Gelu(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V t = GeluLimited(d, x, 16.0f);
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), GeluPower(d, t, hn::Mul(t, t))));
}

// The derivative of Gelu: s + x s (1 - s) 2 sqrt(2/π) (1 + 3 · 0.044715 x²), s its sigmoid; absolute error under 4e-7.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V GeluGrad(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  // Up to here the power is finite, and 1 - s = power · s can be had without cancellation.
  const V t = GeluLimited(d, x, 10.0f);
  const V square = hn::Mul(t, t);
  const V power = GeluPower(d, t, square);
  const V s = hn::Div(one, hn::Add(one, power));
  const V growth = hn::MulAdd(square, hn::Set(d, 0.214064449f), hn::Set(d, 1.59576912f));
  return hn::MulAdd(hn::Mul(hn::Mul(t, s), hn::Mul(power, s)), growth, s);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
