#pragma once

namespace cai {

// The instruction set that Highway's dispatch uses here: "avx512", "avx2", "neon" or "baseline".
const char* CpuTargetName();

}  // namespace cai
