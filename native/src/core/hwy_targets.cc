// The part of Highway that is not in its headers: which instruction sets this processor has. Debian packages the library
// as a shared object only, which a prebuilt addon can't depend on; docs/decisions/0002 has the reasoning.
#include <hwy/highway.h>
#include <hwy/targets.h>

#include "core/cpu_target.h"

#include <cstdlib>
#include <cstring>

#if HWY_ARCH_X86_64 && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace {

// HWY_EMU128, or HWY_SCALAR with a compiler that miscompiles it (GCC before 12.3).
constexpr int64_t kBaseline = HWY_BASELINE_SCALAR;

int64_t DetectTargets() {
#if HWY_ARCH_X86
  __builtin_cpu_init();
  // All that HWY_TARGET_STR lets the compiler use in an AVX2 function.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("f16c") && __builtin_cpu_supports("aes") &&
                    __builtin_cpu_supports("pclmul");
  const bool avx3 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512cd");
  return kBaseline | (avx2 ? HWY_AVX2 : 0) | (avx3 ? HWY_AVX3 : 0);
#elif HWY_ARCH_ARM_A64
  return kBaseline | HWY_NEON;
#else
  return kBaseline;
#endif
}

// CAI_CPU_TARGET narrows the choice so that every build of a kernel can be tested on one machine.
int64_t AllowedTargets() {
  const char* wish = std::getenv("CAI_CPU_TARGET");
#if HWY_ARCH_X86
  if (wish && std::strcmp(wish, "avx2") == 0) return ~static_cast<int64_t>(HWY_AVX3);
  if (wish && std::strcmp(wish, "baseline") == 0) return kBaseline;
#else
  (void)wish;
#endif
  return ~int64_t{0};
}

bool DetectAmx() {
#if HWY_ARCH_X86_64 && defined(__linux__)
  const char* wish = std::getenv("CAI_CPU_TARGET");
  if (wish && std::strcmp(wish, "avx512") == 0) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kXsaveByOs = 1u << 27, kTileState = 3u << 17;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kXsaveByOs)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & (kBf16 | kTile)) != (kBf16 | kTile)) return false;
  unsigned state, upper;
  __asm__ volatile("xgetbv" : "=a"(state), "=d"(upper) : "c"(0));
  if ((state & kTileState) != kTileState) return false;
  // Linux keeps the tiles' 8 KiB out of a process until it asks: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA.
  return syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}

}  // namespace

namespace hwy {

int64_t SupportedTargets() {
  static const int64_t targets = DetectTargets() & AllowedTargets();
  return targets;
}

ChosenTarget& GetChosenTarget() {
  static ChosenTarget chosen;
  return chosen;
}

}  // namespace hwy

namespace cai {

bool HasAmx() {
  static const bool has = (hwy::SupportedTargets() & HWY_TARGETS & HWY_AVX3) != 0 && DetectAmx();
  return has;
}

const char* CpuTargetName() {
  const int64_t targets = hwy::SupportedTargets() & HWY_TARGETS;
  if (HasAmx()) return "amx";
#if HWY_ARCH_X86
  if (targets & HWY_AVX3) return "avx512";
  if (targets & HWY_AVX2) return "avx2";
#elif HWY_ARCH_ARM_A64
  if (targets & HWY_NEON) return "neon";
#endif
  return "baseline";
}

}  // namespace cai
