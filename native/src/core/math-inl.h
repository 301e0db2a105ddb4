// Elementary functions on float32 vectors, shared by the kernels. One definition for every instruction set; results may
// differ in the last bit between sets, because a fused multiply-add rounds once where the baseline rounds twice.
// Include after <hwy/highway.h>; compiled once per target.
#if defined(CAI_CORE_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_CORE_MATH_INL_H_
#undef CAI_CORE_MATH_INL_H_
#else
#define CAI_CORE_MATH_INL_H_
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace HWY_NAMESPACE {

// e^x within 1.01 ulp. Above 88.72 infinity; below -87.336, where results would be subnormal, zero. NaN stays NaN.
//
// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r² q(r), q the degree-4 minimax polynomial (relative error 3.1e-9);
// 2^n is added into the exponent bits.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::RebindToSigned<D> di;
  // Adding 1.5 · 2^23 rounds to an integer and leaves it in the low mantissa bits.
  const V shifter = hn::Set(d, 12582912.0f);
  const V shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), shifter);
  const V n = hn::Sub(shifted, shifter);
  // ln 2 in two parts: the first has few enough bits that n times it is exact.
  V r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
  r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
  V q = hn::Set(d, 1.381461e-3f);
  q = hn::MulAdd(q, r, hn::Set(d, 8.368711e-3f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.166839e-2f));
  q = hn::MulAdd(q, r, hn::Set(d, 1.6666521e-1f));
  q = hn::MulAdd(q, r, hn::Set(d, 4.9999994e-1f));
  const V p = hn::Add(hn::MulAdd(hn::Mul(r, r), q, r), hn::Set(d, 1.0f));
  const V y = hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  // The product is infinity for every x above the range and NaN for NaN.
  const V in_range = hn::IfThenElse(hn::Le(x, hn::Set(d, 88.7228317f)), y, hn::Mul(x, hn::Set(d, __builtin_huge_valf())));
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3365402f)), in_range);
}

// 1 / (1 + e^-x) within 2.5 ulp; 0 below -88.73.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

// tanh x within 1.5 ulp: 1 - 2 / (e^2|x| + 1) with the sign of x, and near zero, where that cancels, an odd polynomial.
// Source of the polynomial: Moshier, Cephes, tanhf.
template <class D, class V = hwy::HWY_NAMESPACE::Vec<D>>
HWY_INLINE V Tanh(D d, V x) {
  namespace hn = hwy::HWY_NAMESPACE;
  const V one = hn::Set(d, 1.0f);
  const V magnitude = hn::Abs(x);
  const V e = Exp(d, hn::Add(magnitude, magnitude));
  const V large = hn::CopySign(hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one))), x);
  const V z = hn::Mul(x, x);
  V q = hn::Set(d, -5.70498872745e-3f);
  q = hn::MulAdd(q, z, hn::Set(d, 2.06390887954e-2f));
  q = hn::MulAdd(q, z, hn::Set(d, -5.37397155531e-2f));
  q = hn::MulAdd(q, z, hn::Set(d, 1.33314422036e-1f));
  q = hn::MulAdd(q, z, hn::Set(d, -3.33332819422e-1f));
  const V small = hn::MulAdd(hn::Mul(q, z), x, x);
  return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0.625f)), small, large);
}

}  // namespace HWY_NAMESPACE
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
