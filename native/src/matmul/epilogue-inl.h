// What happens to sums on their way to memory.
#if defined(CAI_MATMUL_EPILOGUE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef CAI_MATMUL_EPILOGUE_INL_H_
#undef CAI_MATMUL_EPILOGUE_INL_H_
#else
#define CAI_MATMUL_EPILOGUE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "activation/activation-inl.h"
#include "matmul/matmul.h"
#include "matmul/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace cai {
namespace matmul {
namespace HWY_NAMESPACE {

// The steps of one pass over K, in the order in which they are applied to alpha · sum. Pointers are of row 0, column 0.
struct Epilogue {
  const float* partial = nullptr;  // earlier passes' sums, laid out like out
  const float* bias = nullptr;
  MatrixOut pre_activation;
  Activation activation = Activation::kNone;
  MatrixIn addend;

  // Nothing but the partial sum: the tile kernel adds that by itself.
  bool plain() const {
    return bias == nullptr && pre_activation.data == nullptr && activation == Activation::kNone && addend.data == nullptr;
  }
};

HWY_INLINE V Activate(Activation activation, V x) {
  const D d;
  switch (activation) {
    case Activation::kNone: break;
    case Activation::kRelu2: return cai::HWY_NAMESPACE::Relu2(d, x);
    case Activation::kGelu: return cai::HWY_NAMESPACE::Gelu(d, x);
  }
  return x;
}

template <class Load, class Store>
HWY_INLINE void FinishVector(const Epilogue& e, const MatrixOut& out, int64_t row, int64_t column, V sum, Load load,
                             Store store) {
  V value = sum;
  if (e.partial) value = hn::Add(value, load(e.partial + row * out.stride + column));
  if (e.bias) value = hn::Add(value, load(e.bias + column));
  if (e.pre_activation.data) store(value, e.pre_activation.data + row * e.pre_activation.stride + column);
  value = Activate(e.activation, value);
  if (e.addend.data) value = hn::Add(value, load(e.addend.data + row * e.addend.stride + column));
  store(value, out.data + row * out.stride + column);
}

// Applies `e` to alpha times the [rows, columns] sums, which belong at (row, column) of out.
inline void Finish(const Epilogue& e, const MatrixOut& out, float alpha, const float* sums, int64_t sums_stride,
                   int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const D d;
  const V factor = hn::Set(d, alpha);
  const auto load = [d](const float* from) { return hn::LoadU(d, from); };
  const auto store = [d](V value, float* to) { hn::StoreU(value, d, to); };
  for (int64_t i = 0; i < rows; ++i) {
    const float* from = sums + i * sums_stride;
    int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      FinishVector(e, out, row + i, column + j, hn::Mul(hn::LoadU(d, from + j), factor), load, store);
    }
    if (j < columns) {
      const auto mask = hn::FirstN(d, static_cast<size_t>(columns - j));
      FinishVector(
          e, out, row + i, column + j, hn::Mul(hn::MaskedLoad(mask, d, from + j), factor),
          [d, mask](const float* from) { return hn::MaskedLoad(mask, d, from); },
          [d, mask](V value, float* to) { hn::BlendedStore(value, mask, d, to); });
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace matmul
}  // namespace cai
HWY_AFTER_NAMESPACE();

#endif  // include guard
