#pragma once

namespace cai {

// The instruction set in use: "amx" (AVX-512 everywhere, and matrix products on tiles), "avx512", "avx2", "neon" or
// "baseline".
const char* CpuTargetName();

// Whether the tile instructions may be used, on any thread. The first call asks the system for leave.
bool HasAmx();

}  // namespace cai
