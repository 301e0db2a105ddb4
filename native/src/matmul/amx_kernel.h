// Float32 products on Intel AMX, whose tiles multiply bfloat16 and add in float32. Every operand is split exactly into three
// bfloat16 parts, a = a0 + a1 + a2, each the nearest to what is left, and six of the nine products are added: a0b0, a0b1,
// a1b0, a0b2, a1b1, a2b0. Those left out are below 2⁻²⁴ |a b| together. Known as bf16x3 in oneMKL (2023) and BF16x9 in
// cuBLAS (2025); source: Henry, Tang and Heinecke, "Leveraging the bfloat16 artificial intelligence datatype for
// higher-precision computations" (2019).
//
// A panel is 32 rows of op(a) or 32 columns of op(b), packed: for each step of 32 along K, the tiles of the first and
// second 16 for part 0, then part 1, then part 2. A tile has 16 rows of 16 pairs; the pairs are k and k + 16 of the step, so
// that a pair is made by a shift and an or. Everything short of 32 is filled up with zeros.
#pragma once

#include <cstdint>

#if defined(__x86_64__) && defined(__linux__)
#define CAI_AMX 1
#else
#define CAI_AMX 0
#endif

namespace cai {
namespace matmul {

constexpr int64_t kAmxWidth = 32;           // rows or columns of a panel
constexpr int64_t kAmxStep = 32;            // k of a step
constexpr int64_t kAmxStepBytes = 6 * 1024;  // of a packed panel

// Operands from here on (NaN and infinity too) are not for the tiles: their products could overflow where the whole
// sum does not, and the parts of infinity are NaN.
constexpr uint32_t kAmxTooLarge = 0x5d800000;  // 2⁶⁰

#if CAI_AMX

// Of a stored matrix, what one panel covers, from its first element on.
struct PanelSource {
  const float* data;
  int64_t stride;
  int64_t width;  // 1 to 32
  int64_t depth;
  bool depth_in_rows;  // k runs over the stored rows
  bool left;           // a panel of a
};

// Packs one panel. False: there is an operand that is too large.
bool PackPanel(const PanelSource& source, uint8_t* panel);

// The tiles' shapes, set for the calling thread while it lives.
class TileSession {
 public:
  TileSession();
  ~TileSession();
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
};

// sums[i, j] = Σ_k a[i, k] · b[k, j] over `steps` steps; 32 by 32, aligned to 64. Needs a TileSession.
void MultiplyPanels(const uint8_t* a, const uint8_t* b, int64_t steps, float* sums);

// values *= factor, 1024 of them.
void ScaleSums(float factor, float* values);

#endif

}  // namespace matmul
}  // namespace cai
